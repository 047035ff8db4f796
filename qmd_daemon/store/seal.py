"""Whether the data in a project's `.qmd` are of our own making.

Who clones a project may get an index with it. Parsers of binary formats are no place for files that somebody else has
prepared, so our own databases carry a seal: their identity under a key that never leaves this person's data directory.
What has none is thrown away, and built from the project's files. Standard library only.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import sqlite3
from contextlib import closing

from ipc.paths import Paths, private_dir
from qmd_daemon.store import meta

_KEY_BYTES = 32
_SEAL = "seal"


def holds(paths: Paths, connection: sqlite3.Connection) -> bool:
    """Whether the database is sealed with our key."""
    key = _key(paths)
    if key is None:
        return False
    try:
        identity, found = meta.get(connection, "identity"), meta.get(connection, _SEAL)
    except sqlite3.Error:
        return False
    return bool(identity) and hmac.compare_digest(found.encode(), _seal(key, identity).encode())


def put(paths: Paths, connection: sqlite3.Connection) -> None:
    """Seal a database that we have made."""
    key = _key(paths) or _new_key(paths)
    meta.put(connection, _SEAL, _seal(key, meta.get(connection, "identity")))


def clear_foreign(paths: Paths, database: str) -> bool:
    """Remove a database without our seal, with all that was derived from it; False when there is nothing to remove."""
    if not os.path.exists(database) or _is_ours(paths, database):
        return False
    folder = os.path.dirname(database)
    for name in os.listdir(folder):
        place = os.path.join(folder, name)
        if name.startswith(os.path.basename(database)):
            os.unlink(place)
        elif name in {"lexical", "vectors"}:
            shutil.rmtree(place)
    return True


def _is_ours(paths: Paths, database: str) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{_quoted(database)}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            return holds(paths, connection)
    except sqlite3.Error:
        return False


def _seal(key: bytes, identity: str) -> str:
    return hmac.new(key, identity.encode(), hashlib.sha256).hexdigest()


def _key(paths: Paths) -> bytes | None:
    try:
        with open(_place(paths), "rb") as file:
            key = file.read()
    except FileNotFoundError:
        return None
    return key if len(key) == _KEY_BYTES else None


def _new_key(paths: Paths) -> bytes:
    private_dir(paths.data)
    key = os.urandom(_KEY_BYTES)
    with open(os.open(_place(paths), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key)
    return key


def _place(paths: Paths) -> str:
    return os.path.join(paths.data, "seal.key")


def _quoted(path: str) -> str:
    """A path in an SQLite URI: these three characters would end it or mean something."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
