"""Fetches one model: which repository, which files, whether there is room; then checks all of it before it counts.

    MODELS/NAME/original            whole, with its manifest
    MODELS/NAME/original.fetching   under way

Whatever ends it, `kill -9` too, the next one goes on from what is there and ends the same: files become whole by a
rename, and the directory counts when it has been renamed in its turn.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from ipc.errors import QmdError
from ipc.paths import private_dir
from qmd_daemon.weights import catalog, integrity, manifest
from qmd_daemon.weights.entry import Entry, Hub
from qmd_daemon.weights.manifest import Manifest
from qmd_daemon.weights.report import File, Finished, Meter, Step, Tell
from qmd_daemon.weights.selection import RemoteFile, select
from qmd_daemon.weights.supply import Absent, Supply

# Left free for everybody else, beside what the converted model will take.
RESERVE_BYTES = 100_000_000
LOCK = "fetch.lock"
FETCHING = ".fetching"
_ADDRESS = ".address"


def fetch(entry: Entry, source: Hub, models: str, supply: Supply, tell: Tell) -> Manifest:
    """Fetch the weights of a model, unless they are here and unaltered. `models` is the directory of all models.

    Raises QmdError("unavailable") when they cannot be had, do not fit on the disk, or are not what they should be.
    """
    target = catalog.originals(entry, models)
    with _lock(private_dir(os.path.dirname(target)), entry.name, tell):
        found = manifest.read(target)
        present = found is not None and not manifest.fault(
            target, catalog.weights_fingerprint(entry), manifest.ORIGINAL
        )
        if found is None or not present:
            found = _fetch(entry, source, target, supply, tell)
    state: Literal["fetched", "present"] = "present" if present else "fetched"
    tell(Finished(model=entry.name, state=state, size_bytes=found.size_bytes, source=found.source))
    return found


def _fetch(entry: Entry, source: Hub, target: str, supply: Supply, tell: Tell) -> Manifest:
    repository, files = _find(entry.name, source, supply, tell)
    address = f"{repository}@{source.revision}"
    directory = _directory(f"{target}{FETCHING}", address)
    _check_room(directory, files, entry)
    meter = Meter(entry.name, repository, [_stand(directory, file) for file in files], tell)
    supply.download(repository, source.revision, files, directory, meter.moved)
    tell(Step(model=entry.name, phase=f"checking {entry.name}"))
    for file in files:
        _check(directory, file, supply.address)
    _keep_only(directory, {file.name for file in files})
    found = manifest.write(
        directory,
        name=entry.name,
        fingerprint=catalog.weights_fingerprint(entry),
        family=entry.family,
        quantization=manifest.ORIGINAL,
        source=address,
    )
    for file, part in zip(files, found.files, strict=True):
        if file.sha256 and part.sha256 != file.sha256:
            raise _refused(directory, file.name, supply.address, "its sha256 is not the one that is known")
    meter.finish({part.name: part.size_bytes for part in found.files})
    shutil.rmtree(target, ignore_errors=True)  # what had been altered
    os.rename(directory, target)
    manifest.sync(os.path.dirname(target))
    return found


def _find(name: str, source: Hub, supply: Supply, tell: Tell) -> tuple[str, list[RemoteFile]]:
    """The first of the repositories that there is, and the files that are needed of it."""
    for repository in source.repositories:
        tell(Step(model=name, phase=f"looking for {repository}"))
        try:
            listed = supply.files(repository, source.revision)
        except Absent:
            continue
        files = select(listed, source.files, source.fallback)
        return repository, [_with_known_hash(file, source.sha256, supply.address) for file in files]
    tried = ", ".join(source.repositories)
    hint = "Set QMD_HUB_ENDPOINT to another hub or mirror, or QMD_HUB_DIRECTORY to a directory that has it."
    raise QmdError("unavailable", f"{supply.address} has no {name}; it was looked for as {tried}.", hint)


def _with_known_hash(file: RemoteFile, known: dict[str, str], address: str) -> RemoteFile:
    expected = known.get(file.name, file.sha256)
    if file.sha256 and expected != file.sha256:
        message = f"{address} has another {file.name} than the one that is known: its sha256 differs."
        raise QmdError("unavailable", message, "Do not use it. Name another hub or mirror.")
    return RemoteFile(name=file.name, size_bytes=file.size_bytes, sha256=expected)


def _directory(directory: str, address: str) -> str:
    """Where it goes on. What another repository or revision left behind is no beginning of this one."""
    marker = os.path.join(directory, _ADDRESS)
    try:
        with open(marker, encoding="utf-8") as file:
            same = file.read() == address
    except (OSError, UnicodeDecodeError):
        same = False
    if not same:
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory, 0o700)
        with open(marker, "w", encoding="utf-8") as file:
            file.write(address)
    return directory


def _stand(directory: str, file: RemoteFile) -> File:
    """How much of a file is there. Of one that is there in part the client tells by itself."""
    whole = 0 < file.size_bytes == _size(os.path.join(directory, file.name))
    return File(name=file.name, done_bytes=file.size_bytes if whole else 0, total_bytes=file.size_bytes)


def _check_room(directory: str, files: Sequence[RemoteFile], entry: Entry) -> None:
    have = sum(_size(os.path.join(directory, name)) for name in os.listdir(directory))
    wanted = max(0, sum(file.size_bytes for file in files) - have) + entry.converted_bytes + RESERVE_BYTES
    free = shutil.disk_usage(directory).free
    if free < wanted:
        message = f"{entry.name} needs {_megabytes(wanted)} on the disk, and {_megabytes(free)} are free."
        raise QmdError("unavailable", message, f"Make room on the disk of {os.path.dirname(directory)}.")


def _check(directory: str, file: RemoteFile, address: str) -> None:
    """Look at a file that has come, whatever the client thinks of it."""
    path = os.path.join(directory, file.name)
    fault = integrity.fault(path)
    if not fault and file.size_bytes and _size(path) != file.size_bytes:
        fault = f"it has {_size(path)} bytes instead of {file.size_bytes}"
    if fault:
        raise _refused(directory, file.name, address, fault)


def _refused(directory: str, name: str, address: str, why: str) -> QmdError:
    """The error of a file that must not be used. It is removed, so that the next fetch does not go on from it."""
    for rejected in (name, manifest.FILE):
        if os.path.exists(path := os.path.join(directory, rejected)):
            os.unlink(path)
    hint = "Run it again. Where a portal or proxy answers instead of the hub, sign in first, or name a mirror."
    return QmdError("unavailable", f"{name} from {address} is refused: {why}.", hint)


def _keep_only(directory: str, names: set[str]) -> None:
    """The client's own leftovers, our marker, and what the repository once had."""
    for name in set(os.listdir(directory)) - names:
        path = os.path.join(directory, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def _size(path: str) -> int:
    """0 where there is none."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _megabytes(size_bytes: int) -> str:
    return f"{-(-size_bytes // 1_000_000):,} MB"


@contextmanager
def _lock(directory: str, name: str, tell: Tell) -> Iterator[None]:
    descriptor = os.open(os.path.join(directory, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(Step(model=name, phase=f"waiting for another fetch of {name}"))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
