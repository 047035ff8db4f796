"""Models in a file: what goes out comes in elsewhere, and what is hostile stays out."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_daemon.config import Config
from qmd_daemon.weights import bundle, catalog, inventory, manifest
from qmd_daemon.weights.entry import Entry
from qmd_daemon.weights.profiles import Machine

FILES = {"config.json": b"{}", "model.bin": b"weights " * 1000, "tokenizer.json": b"{}"}
Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def models(tmp_path: Path, entry: Entry) -> Path:
    """A directory of models that has the model, converted."""
    directory = tmp_path / "models" / entry.name / "int8"
    directory.mkdir(parents=True)
    for name, data in FILES.items():
        (directory / name).write_bytes(data)
    seal(directory, entry)
    return tmp_path / "models"


def seal(directory: Path, entry: Entry, quantization: str = "int8") -> None:
    fingerprint = catalog.weights_fingerprint(entry)
    manifest.write(
        str(directory), name=entry.name, fingerprint=fingerprint, family=entry.family, quantization=quantization
    )


@pytest.fixture
def exported(models: Path, entry: Entry, tmp_path: Path) -> Path:
    path = tmp_path / "models.tar"
    assert bundle.export([entry], str(models), str(path)) == ["tiny/int8"]
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The other machine's directory of models."""
    return tmp_path / "other"


def members(path: Path) -> list[Member]:
    with tarfile.open(path) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


def write(path: Path, content: list[Member]) -> None:
    with tarfile.open(path, "w") as archive:
        for member, data in content:
            archive.addfile(member, io.BytesIO(data))


def refused(path: Path, other: Path, match: str, code: str = "invalid") -> None:
    with pytest.raises(QmdError, match=match) as caught:
        bundle.load(str(path), str(other), {})
    assert caught.value.code == code
    assert os.listdir(other) == []


def test_what_goes_out_comes_in(exported: Path, other: Path, entry: Entry) -> None:
    assert bundle.load(str(exported), str(other), {}) == ["tiny/int8"]
    directory = other / "tiny" / "int8"
    assert manifest.fault(str(directory), catalog.weights_fingerprint(entry), "int8") == ""
    assert {name: (directory / name).read_bytes() for name in FILES} == FILES
    assert sorted(os.listdir(other)) == ["tiny"]
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def test_nothing_of_this_machine_goes_along(exported: Path) -> None:
    assert exported.stat().st_mode & 0o777 == 0o600
    found = [(member.uid, member.uname, member.mtime, member.mode) for member, _ in members(exported)]
    assert set(found) == {(0, "", 0, 0o600)}
    assert str(exported.parent).encode() not in exported.read_bytes()


def test_coming_in_again_replaces_what_was_damaged(exported: Path, models: Path, entry: Entry) -> None:
    directory = models / "tiny" / "int8"
    (directory / "model.bin").write_bytes(b"damaged")
    bundle.load(str(exported), str(models), {})
    assert manifest.fault(str(directory), catalog.weights_fingerprint(entry), "int8") == ""


def test_what_is_damaged_does_not_go_out(models: Path, entry: Entry, tmp_path: Path) -> None:
    (models / "tiny" / "int8" / "model.bin").write_bytes(b"damaged")
    with pytest.raises(QmdError, match=r"tiny \(int8\) is damaged: model\.bin has changed"):
        bundle.export([entry], str(models), str(tmp_path / "x.tar"))
    assert not (tmp_path / "x.tar").exists()


def test_what_is_not_there_does_not_go_out(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(QmdError) as caught:
        bundle.export([entry], str(tmp_path / "none"), str(tmp_path / "x.tar"))
    assert caught.value.code == "no_model"


def test_a_file_that_is_there_is_kept(exported: Path, models: Path, entry: Entry) -> None:
    before = exported.read_bytes()
    with pytest.raises(QmdError, match="is there already"):
        bundle.export([entry], str(models), str(exported))
    assert exported.read_bytes() == before


def test_no_such_file(tmp_path: Path, other: Path) -> None:
    refused(tmp_path / "none.tar", other, "There is no file", "not_found")


@pytest.mark.parametrize("data", [b"", b"not a tar" * 1000, b"\x1f\x8b" + b"x" * 1000])
def test_what_is_no_bundle(tmp_path: Path, other: Path, data: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    refused(path, other, "is refused")


@pytest.mark.parametrize("cut", [1, 600, 5000])
def test_a_bundle_that_is_cut_off(exported: Path, other: Path, cut: int) -> None:
    content = exported.read_bytes()
    end = len(content.rstrip(b"\0"))  # a tar ends with zeros, and may do without them
    exported.write_bytes(content[: end - cut])
    refused(exported, other, "is refused")


def renamed(name: str) -> Callable[[tarfile.TarInfo], None]:
    def change(member: tarfile.TarInfo) -> None:
        member.name = name

    return change


def link(kind: bytes) -> Callable[[tarfile.TarInfo], None]:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname, member.size = kind, "/etc/passwd", 0

    return change


@pytest.mark.parametrize(
    "change",
    [
        renamed("../../../evil"),
        renamed("/tmp/evil/x/y"),
        renamed("tiny/../model.bin"),
        renamed("tiny/int8/../../../evil"),
        renamed("tiny/int8/sub/model.bin"),
        renamed("tiny/int8/.hidden"),
        renamed("tiny/int8/a\nb"),
        renamed("model.bin"),
        renamed("-rf/int8/x"),
        link(tarfile.SYMTYPE),
        link(tarfile.LNKTYPE),
        link(tarfile.FIFOTYPE),
        link(tarfile.CHRTYPE),
        link(tarfile.DIRTYPE),
    ],
)
def test_hostile_members(
    exported: Path, other: Path, tmp_path: Path, change: Callable[[tarfile.TarInfo], None]
) -> None:
    content = members(exported)
    change(content[-1][0])
    write(exported, content)
    before = {path for path in tmp_path.rglob("*") if other not in path.parents}
    other.mkdir()
    refused(exported, other, "is refused")
    assert {path for path in tmp_path.rglob("*") if other not in path.parents} == before | {other}


def test_a_member_that_is_there_twice(exported: Path, other: Path) -> None:
    content = members(exported)
    write(exported, [*content, content[1]])
    refused(exported, other, "twice")


def test_a_member_that_the_manifest_does_not_name(exported: Path, other: Path) -> None:
    extra = tarfile.TarInfo("tiny/int8/extra.py")
    write(exported, [*members(exported), (extra, b"")])
    refused(exported, other, "holds other files")


def test_a_member_that_was_altered(exported: Path, other: Path) -> None:
    content = members(exported)
    member, data = content[-1]
    content[-1] = (member, b"X" * len(data))
    write(exported, content)
    refused(exported, other, "has changed")


def test_one_without_a_manifest(exported: Path, other: Path) -> None:
    write(exported, members(exported)[1:])
    refused(exported, other, "has no model.json")


def test_one_too_many_or_too_large(exported: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bundle, "_FILES", 2)
        refused(exported, other, "more than any bundle")
    monkeypatch.setattr(bundle, "_TOTAL_BYTES", 1000)
    refused(exported, other, "more than any bundle")


def test_no_room(exported: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    refused(exported, other, "no room on the disk", "unavailable")


def test_a_model_that_nobody_knows_here(exported: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "ENTRIES", catalog.ENTRIES[:1])
    refused(exported, other, "'tiny' is not a known model")


def test_a_model_of_another_version(exported: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "CONVERSION", manifest.CONVERSION + 1)
    refused(exported, other, "another model or version")


# -- what there is, and taking it away ---------------------------------------------------------


def test_the_inventory(models: Path, entry: Entry) -> None:
    items = {item.name: item for item in inventory.items(Config(), str(models), Machine())}
    tiny, absent = items["tiny"], items["multilingual-e5-small"]
    assert (tiny.state, tiny.used, tiny.quantizations) == ("converted", False, ["int8"])
    assert tiny.size_bytes > sum(map(len, FILES.values()))
    assert (absent.state, absent.size_bytes) == ("absent", 0)
    assert items["all-minilm-l6-v2"].used


def test_removing(models: Path) -> None:
    (models / "tiny" / "original.fetching").mkdir()
    assert inventory.remove("tiny", str(models)) > 8000
    assert os.listdir(models) == []
    with pytest.raises(QmdError, match="nothing of 'tiny'") as caught:
        inventory.remove("tiny", str(models))
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("name", ["..", ".", "", "../models", "/etc", "tiny/int8", ".hub"])
def test_only_models_are_removed(models: Path, name: str) -> None:
    (models / ".hub").mkdir()
    with pytest.raises(QmdError):
        inventory.remove(name, str(models))
    assert sorted(os.listdir(models)) == [".hub", "tiny"]


def test_what_is_being_fetched_is_not_removed(models: Path) -> None:
    import fcntl

    with (models / "tiny" / "fetch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(QmdError, match="is being fetched") as caught:
            inventory.remove("tiny", str(models))
    assert caught.value.code == "conflict"
    assert (models / "tiny" / "int8").exists()
