"""Questions with judgments: `queries.tsv` (id, text) and `qrels.tsv` (query, document, relevance)."""

from __future__ import annotations

import os
from typing import NamedTuple

from ipc.errors import QmdError


class Judged(NamedTuple):
    """A question and the gain of each judged document: its path without the suffix, as the set names it."""

    id: str
    text: str
    gains: dict[str, float]

    @property
    def relevant(self) -> list[str]:
        return [document for document, gain in self.gains.items() if gain > 0]


def read(directory: str, queries: str = "queries.tsv") -> list[Judged]:
    """The questions of a set that have a relevant document.

    Raises QmdError: `not_found` for a missing file, `invalid` for a line that is not what it should be.
    """
    gains: dict[str, dict[str, float]] = {}
    path = os.path.join(directory, "qrels.tsv")
    for number, row in enumerate(_rows(path, 3), start=1):
        try:
            gains.setdefault(row[0], {})[row[1]] = float(row[2])
        except ValueError:
            raise QmdError("invalid", f"{path}, line {number}: {row[2]!r} is not a number.") from None
    found = [Judged(row[0], row[1], gains.get(row[0], {})) for row in _rows(os.path.join(directory, queries), 2)]
    return [one for one in found if one.relevant]


def _rows(path: str, columns: int) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8") as file:
            rows = [line.rstrip("\r\n").split("\t") for line in file if line.strip()]
    except FileNotFoundError:
        raise QmdError("not_found", f"There is no {path}.", "A set has queries.tsv and qrels.tsv.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise QmdError("invalid", f"{path} cannot be read: {error}.") from None
    for number, row in enumerate(rows, start=1):
        if len(row) < columns:
            raise QmdError("invalid", f"{path}, line {number}: {len(row)} columns, not {columns}.")
    return rows
