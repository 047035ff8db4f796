from pathlib import Path
from typing import Literal

from ipc.protocol import ModelStatus, Role
from qmd_daemon.config import EngineConfig
from qmd_daemon.engine import frames
from qmd_daemon.engine.roster import Roster
from qmd_daemon.weights import catalog, manifest


def install(models: Path, name: str) -> None:
    """What stands for the fetched files of a model of the catalog."""
    entry = catalog.get(name)
    directory = Path(catalog.originals(entry, str(models)))
    directory.mkdir(parents=True)
    for file in ("config.json", catalog.TOKENIZER, catalog.WEIGHTS):
        (directory / file).write_bytes(b"{}")
    fingerprint = catalog.weights_fingerprint(entry)
    manifest.write(
        str(directory), name=name, fingerprint=fingerprint, family=entry.family, quantization=manifest.ORIGINAL
    )


def names(roster: Roster) -> dict[Role, str]:
    return {role: entry.name for role, entry in roster.chosen.items()}


def test_what_has_been_fetched_is_chosen(tmp_path: Path) -> None:
    roster = Roster(EngineConfig(profile="cpu"), str(tmp_path))
    assert names(roster) == {"embedding": "all-minilm-l6-v2"}
    install(tmp_path, "multilingual-e5-small")
    assert names(roster) == {"embedding": "all-minilm-l6-v2"}
    roster.choose()
    assert names(roster) == {"embedding": "multilingual-e5-small"}
    info = roster.info("embedding")
    assert info is not None
    assert info.name == "multilingual-e5-small"
    install(tmp_path, "mmarco-mminilmv2-l12-h384-v1")
    roster.choose()
    assert names(roster)["reranker"] == "mmarco-mminilmv2-l12-h384-v1"


def test_who_made_vectors_is_found_while_it_is_here(tmp_path: Path) -> None:
    models = str(tmp_path)
    old, new = catalog.get("bge-small-en-v1.5"), catalog.get("multilingual-e5-small")
    install(tmp_path, old.name)
    install(tmp_path, new.name)
    roster = Roster(EngineConfig(embedding=new.name), models)
    print_of = catalog.fingerprint
    present = roster.maker(new.name, print_of(new), fixed=False)
    assert present == roster.info("embedding")
    former = roster.maker(old.name, print_of(old), fixed=True)
    assert former is not None
    assert (former.name, former.dimension, former.fingerprint) == (old.name, 384, print_of(old))
    assert roster.chosen["former"] == old
    roster.choose()
    assert roster.maker(old.name, print_of(old), fixed=True) == former
    # Another of its kind, one that is not here, one of other settings, and one that nobody knows.
    other = catalog.get("qwen3-embedding-0.6b")
    install(tmp_path, other.name)
    wide = catalog.with_dimension(other, 1024)
    assert roster.maker(other.name, print_of(wide), fixed=True) is None
    found = roster.maker(other.name, print_of(wide), fixed=False)
    assert found is not None
    assert found.dimension == 1024
    assert roster.maker("bge-m3", print_of(catalog.get("bge-m3")), fixed=False) is None
    assert roster.maker(old.name, "0" * 16, fixed=False) is None
    assert roster.maker("nobody", "0" * 16, fixed=False) is None


def test_the_former_embedder_is_shown_while_it_is_in_memory(tmp_path: Path) -> None:
    roster = Roster(EngineConfig(kind="fake"), str(tmp_path))
    roster.report(frames.Models([frames.Resident("former", "bge-small-en-v1.5", "ready", copies=1)]))
    shown = [(one.role, one.name, one.state) for one in roster.statuses()]
    assert shown[-1] == ("embedding", "bge-small-en-v1.5", "ready")
    assert shown[0] == ("embedding", "fake", "off")
    roster.worker_gone()
    assert len(roster.statuses()) == 3


def test_what_would_suit_the_machine_and_is_not_here_is_noted(tmp_path: Path) -> None:
    roster = Roster(EngineConfig(profile="cpu"), str(tmp_path))
    assert roster.note.startswith("Not downloaded: multilingual-e5-small")
    assert roster.note.endswith("Fetch: qmd pull cpu")
    assert Roster(EngineConfig(profile="embedded"), str(tmp_path)).note == ""


def test_how_often_a_model_was_loaded_and_how_long_that_took(tmp_path: Path) -> None:
    now = 100.0
    roster = Roster(EngineConfig(kind="fake"), str(tmp_path), clock=lambda: now)

    def told(*states: Literal["loading", "ready"]) -> ModelStatus:
        nonlocal now
        for state in states:
            since = now if state == "ready" else 0.0
            roster.report(frames.Models([frames.Resident("embedding", "fake", state, since=since)]))
            now += 2.5
        return roster.statuses()[0]

    assert (told().loads, told().load_s) == (0, 0.0)
    assert told("loading", "loading").loads == 0
    assert (told("ready", "ready").loads, told().load_s) == (1, 5.0)
    roster.worker_gone()
    gone = told()
    assert (gone.state, gone.loads, gone.load_s) == ("off", 1, 5.0)
    again = told("loading", "ready")
    assert (again.loads, again.load_s) == (2, 7.5)
