"""config.toml, changed by the program: one value of a table, everything else as the person wrote it."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from ipc.errors import QmdError


def put(path: str, table: str, key: str, value: str) -> None:
    """Set a value, or ("") take it out, and replace the file at once, also where it is a link.

    Raises QmdError: invalid when the file is not TOML, unavailable when it cannot be written.
    """
    import tomlkit  # 20 ms, for what happens once a month
    from tomlkit.exceptions import TOMLKitError

    place = os.path.realpath(path)
    try:
        whole = tomlkit.parse(_read(place))
        values = whole.setdefault(table, tomlkit.table())
        if not isinstance(values, MutableMapping):
            raise QmdError("invalid", f"{table} is not a table in {path}.", "Fix it, or move it away.")
        if value:
            values[key] = value
        else:
            values.pop(key, None)
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise QmdError("invalid", f"{path} is not TOML: {error}.", "Fix it, or move it away.") from None
    _write(place, tomlkit.dumps(whole))


def _read(place: str) -> str:
    try:
        with open(place, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise QmdError("unavailable", f"Cannot read {place}: {error.strerror}.") from None


def _write(place: str, text: str) -> None:
    temporary = f"{place}.tmp"
    try:
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place)
    except OSError as error:
        raise QmdError("unavailable", f"Cannot write {place}: {error.strerror}.") from None
