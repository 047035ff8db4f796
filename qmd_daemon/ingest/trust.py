"""What a project's own index.yml must not decide alone, since whoever made the project wrote it.

Commands to run, directories outside the project, where links lead: all that is left aside until the person has said
`qmd trust`. What was allowed is remembered as a digest, so that a later change has to be allowed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import NamedTuple

from ipc.errors import QmdError
from ipc.paths import Paths, private_dir
from qmd_daemon.ingest.index_file import IndexFile


class Gated(NamedTuple):
    """What has to be allowed: commands and directories by collection, and the template of links."""

    hooks: dict[str, str]
    outside: dict[str, str]
    editor_uri: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self, sort_keys=True).encode()).hexdigest()

    def __bool__(self) -> bool:
        return any(self)


def gated(file: IndexFile) -> Gated:
    """What has to be allowed of this file: nothing of one that is the person's own."""
    if file.project is None:
        return Gated({}, {}, "")
    root = os.path.realpath(file.project).rstrip("/") + "/"
    outside = {
        one.name: one.path for one in file.collections if not (os.path.realpath(one.path) + "/").startswith(root)
    }
    hooks = {one.name: one.update for one in file.collections if one.update}
    return Gated(hooks, outside, file.editor_uri)


def allows(paths: Paths, file: IndexFile) -> bool:
    """Whether the person has allowed all that this file asks for, or it asks for nothing."""
    asked = gated(file)
    return not asked or _read(paths).get(_key(file.path)) == asked.digest


def grant(paths: Paths, file: IndexFile) -> None:
    """Remember that the person allows what this file asks for now."""
    asked, granted = gated(file), _read(paths)
    wanted = {**granted, _key(file.path): asked.digest} if asked else _without(granted, file.path)
    if wanted != granted:
        _write(paths, wanted)


def revoke(paths: Paths, file_path: str) -> bool:
    """Forget what was allowed; False when nothing was."""
    granted = _read(paths)
    left = _without(granted, file_path)
    if left == granted:
        return False
    _write(paths, left)
    return True


def granted(paths: Paths) -> list[str]:
    """The files of which something is allowed."""
    return sorted(_read(paths))


def restrict(paths: Paths, file: IndexFile) -> IndexFile:
    """The file without what is not allowed; commands stay, since whoever runs them asks."""
    if not allows(paths, file):
        outside = gated(file).outside
        file.collections = [one for one in file.collections if one.name not in outside]
        file.editor_uri = ""
    return file


def _key(path: str) -> str:
    return os.path.realpath(path)


def _without(granted: dict[str, str], path: str) -> dict[str, str]:
    return {key: value for key, value in granted.items() if key != _key(path)}


def _read(paths: Paths) -> dict[str, str]:
    try:
        with open(_place(paths), encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):  # what cannot be read allows nothing
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _write(paths: Paths, granted: dict[str, str]) -> None:
    private_dir(paths.config)
    temporary = f"{_place(paths)}.tmp"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(granted, file, indent=2, sort_keys=True)
        os.replace(temporary, _place(paths))
    except OSError as error:
        raise QmdError("unavailable", f"Cannot write {_place(paths)}: {error.strerror}.") from None


def _place(paths: Paths) -> str:
    return os.path.join(paths.config, "trusted.json")
