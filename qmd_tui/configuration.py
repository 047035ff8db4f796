"""`tui.toml` in the configuration directory: what a person has set about the terminal UI.

theme = "light"        # dark, light, terminal (its own colours), or one of Textual's
language = "zh_CN"     # else the locale's
history = false        # queries are not remembered
[keys]
"search.open" = "enter,ctrl+g"
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec
from msgspec import Struct
from textual.binding import Binding

from ipc.errors import QmdError
from qmd_tui import keys


class TuiConfig(Struct, frozen=True, forbid_unknown_fields=True):
    theme: str = ""
    language: str = ""
    history: bool = True
    keys: dict[str, str] = {}


def load(path: str) -> TuiConfig:
    """Read the file; the defaults where there is none. Raises QmdError("invalid") that names file and key."""
    if not os.path.exists(path):
        return TuiConfig()
    import tomllib  # only where there is something to read

    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise QmdError("invalid", f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QmdError("invalid", f"{path} is not TOML: {error}.") from None
    try:
        config = msgspec.convert(found, TuiConfig)
    except msgspec.ValidationError as error:
        raise QmdError("invalid", f"{path}: {error}.", _nearest(found, TuiConfig.__struct_fields__)) from None
    known = ids()
    if unknown := [name for name in config.keys if name not in known]:
        raise QmdError("invalid", f"{path}: there is no key {unknown[0]!r}.", _nearest(unknown, known))
    return config


_ALL = (*keys.APP, *keys.SEARCH, *keys.SCREEN, *keys.COLLECTIONS, *keys.MODELS, *keys.LOG)


def bindings() -> list[Binding]:
    """Every key that can be moved."""
    return [binding for binding in _ALL if isinstance(binding, Binding)]


def ids() -> list[str]:
    return [binding.id for binding in bindings() if binding.id]


def _nearest(found: Iterable[str], known: Iterable[str]) -> str:
    import difflib

    names = list(known)
    near = [match for name in found if name not in names for match in difflib.get_close_matches(name, names, n=1)]
    return f"Did you mean {near[0]!r}?" if near else ""
