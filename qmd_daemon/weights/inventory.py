"""What there is of each model on this machine: for `qmd models list`, and to take one away."""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import Literal

from msgspec import Struct

from ipc.errors import QmdError
from qmd_daemon.config import Config
from qmd_daemon.weights import catalog, installed, prepare, profiles, wanted
from qmd_daemon.weights.entry import Entry, Hub, Role
from qmd_daemon.weights.fetching import FETCHING, LOCK
from qmd_daemon.weights.profiles import Machine

# converted: ready to load. original: converted when it is first used. part: a fetch was interrupted.
State = Literal["converted", "original", "part", "absent"]


class Item(Struct, frozen=True, kw_only=True):
    """A model. `size_bytes` is what it takes of the disk, in all its forms; a package's own files do not count."""

    name: str
    role: Role
    state: State
    used: bool
    size_bytes: int
    download_bytes: int
    license: str
    quantizations: list[str] = []
    source: str = ""


def items(settings: Config, models: str, machine: Machine) -> list[Item]:
    """The models of the catalog and of the user's own, by role."""
    own = [catalog.get(name, settings.models) for name in settings.models]
    entries = {entry.name: entry for entry in [*catalog.ENTRIES, *own, *wanted.used(settings, machine)]}
    choice = profiles.choose(settings.engine, models, own=settings.models, machine=wanted.usable(machine, settings))
    used = {entry.name for entry in (choice.embedding, choice.reranker, choice.expansion) if entry}
    found = [_item(entry, models, entry.name in used) for entry in entries.values()]
    order = ("embedding", "reranker", "expansion")
    return sorted(found, key=lambda item: order.index(item.role))


def remove(name: str, models: str) -> int:
    """Take away all that was fetched or converted of a model, also half of it. Returns how many bytes that frees.

    Raises QmdError: not_found when there is nothing, conflict while it is fetched.
    """
    directory = os.path.join(models, name)
    if not name or name.startswith(".") or os.path.basename(name) != name or not os.path.isdir(directory):
        raise QmdError("not_found", f"There is nothing of {name!r} on this machine.", "See `qmd models list`.")
    with open(os.path.join(directory, LOCK), "a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "Wait for it, or end it with Ctrl+C where it was started."
            raise QmdError("conflict", f"{name} is being fetched.", hint) from None
        with prepare.locked(directory):
            freed = disk_bytes(directory)
            shutil.rmtree(directory)
    return freed


def disk_bytes(directory: str) -> int:
    """What the files below a directory take."""
    return sum(os.lstat(os.path.join(root, file)).st_size for root, _, files in os.walk(directory) for file in files)


def _item(entry: Entry, models: str, used: bool) -> Item:
    forms = installed.converted(entry, models)
    directory = os.path.join(models, entry.name)
    state: State = "absent"
    if forms:
        state = "converted"
    elif installed.locate(entry, models):
        state = "original"
    elif os.path.isdir(f"{catalog.originals(entry, models)}{FETCHING}"):
        state = "part"
    source = entry.source.repositories[0] if isinstance(entry.source, Hub) else type(entry.source).__name__.lower()
    return Item(
        name=entry.name,
        role=entry.role,
        state=state,
        used=used,
        size_bytes=disk_bytes(directory),
        download_bytes=entry.download_bytes,
        license=entry.license,
        quantizations=list(forms),
        source=source,
    )
