"""A project's own index: the directory `.qmd` in it, with index.yml and the data, found from anywhere below it.

Where the others are named, this one is called by its absolute path. Standard library only.
"""

from __future__ import annotations

import os
import stat

from ipc.errors import QmdError

LOCAL = ".qmd"
# The first of them that is there.
_CONFIGS = ("index.yaml", "index.yml")


def find(start: str, home: str) -> str | None:
    """The `.qmd` of the nearest directory, from `start` upwards, that has one with a configuration.

    The home directory and what is above it are no projects: from below it, the search ends there. A `.qmd` of
    another user is passed over, or anybody could put one into /tmp.
    """
    home = os.path.realpath(home)
    folder = start
    while folder != home:
        place = os.path.join(folder, LOCAL)
        if _ours(place) and any(os.path.lexists(os.path.join(place, name)) for name in _CONFIGS):
            return place
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return None


def is_local(index: str) -> bool:
    """Whether this is the path of a project's own index, and not a name."""
    return index.startswith("/")


def check(index: str) -> str:
    """Return the path; raise QmdError when it cannot be the index of a project."""
    if os.path.basename(index) != LOCAL or os.path.normpath(index) != index:
        raise QmdError("invalid", f"{index!r} is not the index of a project.", f"It is called {LOCAL}.")
    if not _ours(index):
        raise QmdError("not_found", f"There is no index {index} of yours.", "Make one in the project: `qmd init`.")
    with os.scandir(index) as entries:
        link = next((entry.name for entry in entries if entry.is_symlink()), None)
    if link is not None:
        # A project that one has cloned could have us write wherever its links lead.
        raise QmdError("forbidden", f"{os.path.join(index, link)} is a link.", "Put the file itself there.")
    return index


def config_file(index: str) -> str:
    """The index.yml of a project's index, or its index.yaml where there is one."""
    found = (os.path.join(index, name) for name in _CONFIGS)
    return next((place for place in found if os.path.isfile(place)), os.path.join(index, _CONFIGS[-1]))


def _ours(place: str) -> bool:
    try:
        found = os.lstat(place)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
