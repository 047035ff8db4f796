from pathlib import Path

from ipc.protocol import Role
from qmd_daemon.config import EngineConfig
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
