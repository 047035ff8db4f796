"""Models in one file, for a machine without a network: a plain tar of the directories with their manifests.

    NAME/QUANTIZATION/model.json, then the files that it names

What comes in is hostile until every name, size and hash has been looked at: nothing is unpacked by tarfile itself,
no path of the archive is used, and a directory counts only when it is renamed into place.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from typing import IO

from ipc.errors import QmdError
from ipc.paths import private_dir
from qmd_daemon.config import ModelConfig
from qmd_daemon.weights import catalog, installed, manifest, prepare
from qmd_daemon.weights.entry import Entry
from qmd_daemon.weights.manifest import FILE, ORIGINAL

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_FILES = 1000
_TOTAL_BYTES = 60_000_000_000
_BLOCK_BYTES = 4 * 1024 * 1024
_ABOUT = "It is no bundle of models that `qmd models export` has made, or it is damaged."


def export(entries: Iterable[Entry], models: str, path: str) -> list[str]:
    """Write the models to a new file; returns their directories in it.

    Those that are converted, as they are; of others what was fetched. Raises QmdError: conflict when there is such
    a file, no_model when one of the models is not there, unavailable when one is damaged or the file cannot be
    written.
    """
    directories = [found for entry in entries for found in _directories(entry, models)]
    if os.path.exists(path):
        raise QmdError("conflict", f"{path} is there already.", "Remove it, or choose another name.")
    partial = f"{path}.partial"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with (
            open(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive,
        ):
            for name, directory in directories:
                for member in [FILE, *(part.name for part in _manifest(directory).files)]:
                    archive.add(os.path.join(directory, member), f"{name}/{member}", recursive=False, filter=_plain)
        manifest.sync(partial)
        os.rename(partial, path)
    except OSError as error:
        raise QmdError("unavailable", f"Cannot write {path}: {error.strerror}.", "Choose another place.") from error
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
    return [name for name, _ in directories]


def load(path: str, models: str, own: Mapping[str, ModelConfig]) -> list[str]:
    """Bring in the models of a file; returns their directories in it. What is there already is replaced.

    Raises QmdError: not_found, or invalid when it is not a bundle, whole, of models that are known here.
    """
    staging = tempfile.mkdtemp(prefix=".import-", dir=private_dir(models))
    try:
        with open(path, "rb") as file:
            found = _unpack(file, staging)
        for name in found:
            _check(os.path.join(staging, name), name, own)
        for name in found:
            _place(os.path.join(staging, name), os.path.join(models, name))
    except FileNotFoundError as error:
        raise QmdError("not_found", f"There is no file {path}.") from error
    except OSError as error:
        raise QmdError("unavailable", f"Cannot bring in {path}: {error.strerror}.", "Make room, or see why.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return found


def _directories(entry: Entry, models: str) -> list[tuple[str, str]]:
    """(`NAME/QUANTIZATION`, its directory) of a model. All of it is read, so that nothing damaged goes on a journey."""
    forms = installed.converted(entry, models)
    original = catalog.originals(entry, models)
    if not forms and manifest.read(original):
        forms = {ORIGINAL: original}
    if not forms:
        raise catalog.missing(entry)
    for quantization, directory in forms.items():
        if fault := manifest.fault(directory, catalog.weights_fingerprint(entry), quantization):
            message = f"{entry.name} ({quantization}) is damaged: {fault}."
            raise QmdError("unavailable", message, f"Run `qmd models test {entry.name}`, which makes it anew.")
    return [(f"{entry.name}/{quantization}", directory) for quantization, directory in forms.items()]


def _manifest(directory: str) -> manifest.Manifest:
    found = manifest.read(directory)
    if found is None:
        raise _refused(f"{os.path.basename(directory)} has no {FILE}")
    return found


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of this machine goes along: no owner, no time."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _unpack(file: IO[bytes], staging: str) -> list[str]:
    """Copy the members, one after the other; returns the directories."""
    found: dict[str, None] = {}
    count = total = 0
    room = shutil.disk_usage(staging).free
    try:
        # As a stream: nothing is looked for in it. Without compression, so it holds what its length says.
        with tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                count, total = count + 1, total + member.size
                directory, name = _address(member)
                if count > _FILES or total > _TOTAL_BYTES:
                    raise _refused("it holds more than any bundle")
                if total > room:
                    raise QmdError("unavailable", "There is no room on the disk for the bundle.", "Make room.")
                found[directory] = None
                os.makedirs(os.path.join(staging, directory), mode=0o700, exist_ok=True)
                _copy(archive, member, os.path.join(staging, directory, name))
    except tarfile.TarError as error:
        raise _refused(str(error)) from error
    if not found:
        raise _refused("it is empty")
    return list(found)


def _address(member: tarfile.TarInfo) -> tuple[str, str]:
    """(`NAME/QUANTIZATION`, file) of a member. Raises QmdError("invalid") for all that is not a plain file there."""
    parts = member.name.split("/")
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
        raise _refused(f"it has a file {member.name[:80]!r}")
    if not member.isreg() or member.issparse():
        raise _refused(f"{member.name} is no plain file")
    return f"{parts[0]}/{parts[1]}", parts[2]


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, target: str) -> None:
    reading = archive.extractfile(member)
    if reading is None:
        raise _refused(f"{member.name} is no plain file")
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise _refused(f"it has {member.name} twice") from None
    with reading, open(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, _BLOCK_BYTES)
        if writing.tell() != member.size:
            raise _refused("it is cut off")
        writing.flush()
        os.fsync(writing.fileno())


def _check(directory: str, name: str, own: Mapping[str, ModelConfig]) -> None:
    """Look at a directory that was unpacked: a known model, of the version that is used here, whole and unaltered."""
    model, quantization = name.split("/")
    entry = catalog.get(model, own)
    found = _manifest(directory)
    if set(os.listdir(directory)) != {FILE, *(part.name for part in found.files)}:
        raise _refused(f"{name} holds other files than its {FILE} names")
    if fault := manifest.fault(directory, catalog.weights_fingerprint(entry), quantization):
        raise _refused(f"{name}: {fault}")


def _place(directory: str, target: str) -> None:
    with prepare.locked(private_dir(os.path.dirname(target))):
        prepare.replace(directory, target)


def _refused(why: str) -> QmdError:
    return QmdError("invalid", f"The file is refused: {why}.", _ABOUT)
