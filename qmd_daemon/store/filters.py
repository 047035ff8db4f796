"""Which documents a search may find: by collection, path, type, date, and what their front matter says.

A filter is exact: it is turned into the documents that pass before anything is ranked, so that none is starved by
those that do not. Functions over a connection; standard library only, but for globs.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ipc.errors import QmdError

# Compiled when they are needed: `qmd search` imports this, and mostly filters nothing.
_DATE = r"\d{4}(-\d{2}(-\d{2})?)?"
_AGO = r"(\d{1,5})([dwmy])"
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_CONDITION = r"(?s)([^=!]+?)\s*(!?=)\s*(.+)"
# What front matter calls the date of a document; without one, it is that of the file.
_DATED = (
    "coalesce((SELECT max(value) FROM metadata WHERE metadata.hash = documents.hash AND key = 'date'),"
    " date(mtime_ns / 1000000000, 'unixepoch', 'localtime'))"
)


class Filter(NamedTuple):
    """What documents must have; an empty field asks for nothing. Made by `read`, which checks it.

    `paths` are globs and `types` suffixes, of each of which one must match; `after` (inclusive) and `before`
    (exclusive) are YYYY, YYYY-MM or YYYY-MM-DD; of `where`, all must hold.
    """

    collections: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    after: str = ""
    before: str = ""
    where: tuple[str, ...] = ()

    @property
    def by_documents(self) -> bool:
        """Whether it asks for more than collections, so that `documents` says which."""
        return self != Filter(self.collections)


def read(
    collections: Sequence[str] = (),
    *,
    paths: Sequence[str] = (),
    types: Sequence[str] = (),
    after: str = "",
    before: str = "",
    where: Sequence[str] = (),
) -> Filter:
    """Check what a person asks for. Raises QmdError("invalid")."""
    for condition in where:
        if not re.fullmatch(_CONDITION, condition.strip()):
            raise QmdError(
                "invalid", f"The condition {condition!r} is not KEY=VALUE.", "Such as tags=gpu or draft!=true."
            )
    suffixes = [one.strip().removeprefix("*").removeprefix(".").lower() for text in types for one in text.split(",")]
    return Filter(
        tuple(dict.fromkeys(collections)),
        tuple(path for path in paths if path.strip()),
        tuple(suffix for suffix in suffixes if suffix),
        _date(after),
        _date(before),
        tuple(condition.strip() for condition in where),
    )


def documents(connection: sqlite3.Connection, asked: Filter) -> list[int] | None:
    """The ids of the documents that pass, ascending; None when only collections are asked for."""
    if not asked.by_documents:
        return None
    conditions, values = ["1"], list[str]()
    if asked.collections:
        conditions.append(f"collection IN ({_marks(asked.collections)})")
        values += asked.collections
    if asked.types:
        conditions.append("(" + " OR ".join("lower(substr(path, -length(?))) = ?" for _ in asked.types) + ")")
        values += [f".{suffix}" for suffix in asked.types for _ in range(2)]
    for operator, day in ((">=", asked.after), ("<", asked.before)):
        if day:
            conditions.append(f"{_DATED} {operator} ?")
            values.append(day)
    for condition in asked.where:
        test, wanted = _metadata(condition)
        conditions.append(test)
        values += wanted
    query = "SELECT id, collection, path FROM documents WHERE " + " AND ".join(conditions) + " ORDER BY id"  # noqa: S608
    fits = _glob(asked.paths)
    return [number for number, collection, path in connection.execute(query, values) if fits(collection, path)]


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _metadata(condition: str) -> tuple[str, list[str]]:
    """`tags=gpu,cpu`: one of the values of `tags` is one of these; `tags!=gpu`: none is."""
    found = re.fullmatch(_CONDITION, condition)
    if found is None:
        raise ValueError(condition)  # `read` has checked it
    key, wanted = found[1].strip().casefold(), [one.strip().casefold() for one in found[3].split(",")]
    test = f"hash IN (SELECT hash FROM metadata WHERE key = ? AND value IN ({_marks(wanted)}))"  # noqa: S608
    return ("NOT " if found[2] == "!=" else "") + test, [key, *wanted]


def _glob(patterns: Sequence[str]) -> Callable[[str, str], bool]:
    """A pattern without `/` is for the name of a file; another is for its path, also with the collection before it."""
    if not patterns:
        return lambda _collection, _path: True
    from wcmatch import glob

    flags = glob.GLOBSTAR | glob.BRACE | glob.DOTGLOB | glob.IGNORECASE
    whole = [pattern.removeprefix("qmd://").removeprefix("./") for pattern in patterns]
    matcher = glob.compile([one if "/" in one else f"**/{one}" for one in whole], flags=flags)
    return lambda collection, path: bool(matcher.match(path) or matcher.match(f"{collection}/{path}"))


def _date(text: str) -> str:
    """`2026`, `2026-04`, `2026-04-10`, or how long ago: `7d`, `2w`, `3m`, `1y`."""
    text = text.strip()
    if not text:
        return ""
    from datetime import date, timedelta

    try:
        if ago := re.fullmatch(_AGO, text):
            return (date.today() - timedelta(days=int(ago[1]) * _DAYS[ago[2]])).isoformat()  # noqa: DTZ011 - the person's day
        if re.fullmatch(_DATE, text):
            date.fromisoformat(text + "-01-01"[len(text) - 4 :])
            return text
    except (ValueError, OverflowError):
        pass
    raise QmdError(
        "invalid", f"{text!r} is no date.", "Write 2026-04-10, 2026-04, 2026, or how long ago: 7d, 2w, 3m, 1y."
    )
