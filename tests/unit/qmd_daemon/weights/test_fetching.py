"""The real client of ModelScope against a hub on loopback, and what goes wrong on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from ipc.errors import QmdError
from qmd_daemon.weights import catalog, fetching, manifest
from qmd_daemon.weights.entry import Entry, Hub
from qmd_daemon.weights.hub import Hub as Client
from qmd_daemon.weights.manifest import Manifest
from qmd_daemon.weights.report import AnyLine, Finished, Moved, Step, Tally
from qmd_daemon.weights.supply import Shelf
from tests.hub import PAGE, FakeHub, checkpoint, safetensors

WEIGHTS = "model.safetensors"
NEEDED = ["config.json", WEIGHTS, "tokenizer.json"]
ENTRY = Entry(
    name="tiny",
    role="embedding",
    family="bert",
    max_tokens=32,
    license="MIT",
    source=Hub(repositories=("somebody/Tiny", "mirror/tiny")),
)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add("somebody/Tiny", checkpoint())
        yield hub


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of all models, and a home that must stay as it is."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODELSCOPE_DOWNLOAD_RETRY_MAX_DELAY_SECONDS", "1")
    monkeypatch.setattr("modelscope_hub._legacy_api.REPO_TREE_PAGE_MAX_ATTEMPTS", 1)
    monkeypatch.setattr("modelscope_hub._download.DOWNLOAD_INTEGRITY_RETRY_BACKOFF", 0.01)
    return tmp_path / "models"


class Pull:
    """Fetches, and keeps what was told."""

    def __init__(self, hub: FakeHub, models: Path) -> None:
        self._hub = hub
        self.models = models
        self.lines: list[AnyLine] = []

    def __call__(self, entry: Entry = ENTRY, **source: Any) -> Manifest:
        wanted = msgspec.structs.replace(entry.source, **source)
        entry = msgspec.structs.replace(entry, source=wanted)
        client = Client(self._hub.address, str(self.models / ".hub"))
        return fetching.fetch(entry, wanted, str(self.models), client, self.lines.append)

    @property
    def directory(self) -> Path:
        return self.models / "tiny" / "original"

    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


@pytest.fixture
def pull(hub: FakeHub, models: Path) -> Pull:
    return Pull(hub, models)


def refused(pull: Callable[..., Manifest], match: str, **source: Any) -> QmdError:
    with pytest.raises(QmdError, match=match) as caught:
        pull(**source)
    assert caught.value.code == "unavailable"
    assert caught.value.hint
    return caught.value


def fault(pull: Pull) -> str:
    return manifest.fault(str(pull.directory), catalog.weights_fingerprint(ENTRY), manifest.ORIGINAL)


def test_only_what_is_needed_is_fetched(hub: FakeHub, pull: Pull) -> None:
    found = pull()
    assert pull.files() == sorted([*NEEDED, manifest.FILE])
    assert sorted(name for name, _ in hub.asked) == NEEDED
    assert found == manifest.read(str(pull.directory))
    assert (found.source, [part.name for part in found.files]) == ("somebody/Tiny@master", NEEDED)
    assert (pull.directory / WEIGHTS).read_bytes() == hub.repositories["somebody/Tiny"][WEIGHTS]
    assert fault(pull) == ""
    assert not (pull.models / "tiny" / "original.fetching").exists()


def test_progress_by_file_and_in_all(pull: Pull) -> None:
    found = pull()
    tally = Tally()
    for line in pull.lines:
        tally.add(line)
    moved = [line for line in pull.lines if isinstance(line, Moved)]
    assert [(file.name, file.total_bytes) for file in moved[0].files] == [(p.name, p.size_bytes) for p in found.files]
    assert all(file.done_bytes == file.total_bytes for file in moved[-1].files)
    assert tally.done_bytes == tally.total_bytes == found.size_bytes
    assert pull.lines[-1] == Finished(
        model="tiny", state="fetched", size_bytes=found.size_bytes, source="somebody/Tiny@master"
    )


def test_everything_is_private(pull: Pull) -> None:
    umask = os.umask(0o077)
    try:
        pull()
    finally:
        os.umask(umask)
    modes = {path: path.stat().st_mode & 0o777 for path in pull.models.rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_what_is_there_is_not_asked_for_again(hub: FakeHub, pull: Pull) -> None:
    first = pull()
    hub.asked.clear()
    hub.headers.clear()
    assert pull() == first
    assert hub.headers == []
    assert isinstance(pull.lines[-1], Finished)
    assert pull.lines[-1].state == "present"


@pytest.mark.parametrize("damage", [b"", b"altered", PAGE])
def test_what_has_been_altered_is_fetched_again(hub: FakeHub, pull: Pull, damage: bytes) -> None:
    pull()
    (pull.directory / WEIGHTS).write_bytes(damage)
    assert fault(pull) == f"{WEIGHTS} has changed"
    pull()
    assert fault(pull) == ""


def test_the_other_name_of_a_repository(hub: FakeHub, pull: Pull) -> None:
    hub.repositories = {"mirror/tiny": checkpoint()}
    assert pull().source == "mirror/tiny@master"


def test_no_such_repository(hub: FakeHub, pull: Pull) -> None:
    hub.repositories = {}
    assert "somebody/Tiny, mirror/tiny" in refused(pull, "has no tiny").message


def test_a_server_that_fails_now_and_then(hub: FakeHub, pull: Pull) -> None:
    hub.fails = {WEIGHTS: 1, "config.json": 1}
    pull()
    assert hub.asked.count((WEIGHTS, 0)) == 2


def test_a_connection_that_ends(hub: FakeHub, pull: Pull) -> None:
    hub.cuts[WEIGHTS] = 70_000
    pull()
    assert [first for name, first in hub.asked if name == WEIGHTS] == [0, 70_000]


def test_a_server_that_falls_silent(hub: FakeHub, pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelscope_hub._legacy_api.DOWNLOAD_TIMEOUT", 1)
    hub.stalls[WEIGHTS] = 70_000
    pull()
    # On a busy machine it may be silent for a second without being told to.
    first, second = [first for name, first in hub.asked if name == WEIGHTS][:2]
    assert (first, 0 < second <= 70_000) == (0, True)


def test_a_proxy(hub: FakeHub, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub stands for a proxy: it is asked for the address of another one, which there is not."""
    monkeypatch.setenv("HTTP_PROXY", hub.address)
    for variable in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)
    client = Client("http://models.invalid", str(models / ".hub"))
    assert fetching.fetch(ENTRY, ENTRY.source, str(models), client, lambda _: None).source == "somebody/Tiny@master"
    assert {headers["Host"] for headers in hub.headers} == {"models.invalid"}


def test_a_file_of_another_sha256_is_refused(hub: FakeHub, pull: Pull) -> None:
    good = hub.repositories["somebody/Tiny"][WEIGHTS]
    hub.lies[WEIGHTS] = safetensors(200_000, seed=1)
    assert len(hub.lies[WEIGHTS]) == len(good)
    refused(pull, f"gives another {WEIGHTS}")
    assert not pull.directory.exists()
    hub.lies.clear()
    pull()  # nothing of it is left
    assert (pull.directory / WEIGHTS).read_bytes() == good


def test_what_the_catalog_knows_counts_more_than_what_the_hub_says(pull: Pull) -> None:
    refused(pull, "another model.safetensors than the one that is known", sha256={WEIGHTS: "0" * 64})


def test_the_catalog_knows_what_the_hub_does_not_say(hub: FakeHub, pull: Pull) -> None:
    hub.listed[WEIGHTS] = {"Sha256": ""}
    refused(pull, f"gives another {WEIGHTS}", sha256={WEIGHTS: "0" * 64})


@pytest.mark.parametrize(
    ("served", "why"),
    [
        (PAGE, "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "it is a Git LFS pointer"),
        (b"\x10\x00\x00", "it is too short"),
        (safetensors(1000)[:-10], "tensor w is cut off"),
        (b"", "it is empty"),
    ],
)
def test_what_is_no_weights_is_refused_where_the_hub_says_nothing(
    hub: FakeHub, pull: Pull, served: bytes, why: str
) -> None:
    hub.listed[WEIGHTS] = {"Sha256": "", "Size": 0}
    hub.lies[WEIGHTS] = served
    refused(pull, why)
    assert not (pull.models / "tiny" / "original.fetching" / WEIGHTS).exists()
    hub.lies.clear()
    pull()


def test_a_page_instead_of_a_listed_file(hub: FakeHub, pull: Pull) -> None:
    hub.lies[WEIGHTS] = PAGE
    refused(pull, f"gives another {WEIGHTS}")


def test_a_page_instead_of_the_hub(hub: FakeHub, pull: Pull) -> None:
    hub.portal = True
    refused(pull, "does not answer as it should")


def test_a_hub_that_is_not_there(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeHub() as gone:
        pull = Pull(gone, models)
    assert "QMD_HUB_ENDPOINT" in refused(pull, "cannot be reached").hint


def test_a_hub_that_fails(hub: FakeHub, pull: Pull) -> None:
    hub.broken = True
    refused(pull, "is in trouble: HTTP 500")


def test_a_connection_that_ends_for_good(hub: FakeHub, pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelscope_hub._download.DOWNLOAD_RETRY_TIMES", 0)
    hub.cuts[WEIGHTS] = 70_000
    error = refused(pull, f"{WEIGHTS} was not fetched whole: the connection ended")
    assert "goes on from there" in error.hint
    pull()
    assert [first for name, first in hub.asked if name == WEIGHTS] == [0, 70_000]


def test_a_file_that_is_listed_and_not_there(hub: FakeHub, pull: Pull) -> None:
    hub.absent = {WEIGHTS}
    refused(pull, f"lists {WEIGHTS} and does not have it")


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json"])
def test_a_repository_without_what_is_needed(hub: FakeHub, pull: Pull, name: str) -> None:
    del hub.repositories["somebody/Tiny"][name]
    refused(pull, f"has no {name}")


def test_a_disk_that_is_too_small(pull: Pull, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    refused(pull, "needs 101 MB on the disk, and 1 MB are free")
    assert hub.asked == []


def test_a_disk_that_becomes_full(hub: FakeHub, pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("modelscope_hub._download._finish_download", full)
        refused(pull, "no room left on the disk")
    pull()


def test_the_other_repository_is_no_beginning_of_this_one(hub: FakeHub, pull: Pull) -> None:
    """The same sizes, no hashes: only the name tells that the file is another one."""
    hub.listed[WEIGHTS] = {"Sha256": ""}
    hub.absent = {"tokenizer.json"}
    refused(pull, "tokenizer.json")
    other = checkpoint(seed=1)
    hub.repositories = {"mirror/tiny": other}
    hub.absent = set()
    pull()
    assert (pull.directory / WEIGHTS).read_bytes() == other[WEIGHTS]


def test_a_login_is_neither_read_nor_made(hub: FakeHub, pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "secret-of-the-hub")
    credentials = Path(os.environ["HOME"]) / ".modelscope" / "credentials"
    credentials.mkdir(parents=True, mode=0o755)
    (credentials / "cookies").write_bytes(b"not a pickle")
    (credentials / "session").write_text("f" * 32)
    pull()
    assert sorted(path.name for path in credentials.iterdir()) == ["cookies", "session"]
    assert credentials.stat().st_mode & 0o777 == 0o755
    sent = str(hub.headers)
    assert "secret-of-the-hub" not in sent  # this is a mirror
    assert "f" * 32 not in sent


def test_a_shelf(hub: FakeHub, models: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    for name, data in checkpoint().items():
        path = shelf / "Tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    lines: list[AnyLine] = []
    found = fetching.fetch(ENTRY, ENTRY.source, str(models), Shelf(str(shelf)), lines.append)
    assert [part.name for part in found.files] == NEEDED
    assert found.source == "somebody/Tiny@master"
    (shelf / "Tiny" / WEIGHTS).write_bytes(PAGE)
    shutil.rmtree(models / "tiny")
    with pytest.raises(QmdError, match="it is a web page"):
        fetching.fetch(ENTRY, ENTRY.source, str(models), Shelf(str(shelf)), lines.append)


def test_the_steps(pull: Pull) -> None:
    pull()
    assert [line.phase for line in pull.lines if isinstance(line, Step)] == [
        "looking for somebody/Tiny",
        "checking tiny",
    ]
