"""What was asked before, and the queries that a person has saved. One file, for its owner's eyes alone."""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

_MOST = 1000
_MOST_CHARACTERS = 10_000


class _Kept(Struct):
    queries: list[str]
    saved: list[str]


class History:
    """Queries, the newest last. Kept in `file`; in memory alone where that is ""."""

    def __init__(self, file: str = "") -> None:
        self._file = file
        self.queries: list[str] = []
        self.saved: list[str] = []
        self._at: int | None = None  # where stepping through them has come to
        self._typed = ""
        self._read()

    def add(self, text: str) -> None:
        """Remember a query that was of use; asked again, it moves to the end."""
        self._at = None
        self._read()  # another terminal may have asked meanwhile
        text = text.strip()
        if text and (not self.queries or self.queries[-1] != text):
            self.queries = [*(query for query in self.queries if query != text), text][-_MOST:]
            self._write()

    def toggle_saved(self, text: str) -> bool:
        """Save a query, or forget it. Returns whether it is saved now."""
        self._read()
        text = text.strip()
        keep = text not in self.saved
        self.saved = [*self.saved, text][-_MOST:] if keep else [query for query in self.saved if query != text]
        self._write()
        return keep

    def forget(self, text: str) -> None:
        self._read()
        self.queries = [query for query in self.queries if query != text]
        self.saved = [query for query in self.saved if query != text]
        self._write()

    def step(self, by: int, typed: str) -> str:
        """The query before (-1) or after (1) the one shown; what was typed comes back after the newest."""
        if self._at is None:
            if by > 0:
                return typed
            self._at, self._typed = len(self.queries), typed
            if self.queries[-1:] == [typed.strip()]:
                self._at -= 1  # it stands there already: the key would seem dead
        self._at = max(self._at + by, 0)
        if self._at >= len(self.queries):
            self._at = None
            return self._typed
        return self.queries[self._at]

    def _read(self) -> None:
        if not self._file:
            return
        try:
            with open(self._file, "rb") as file:
                found = msgspec.json.decode(file.read(), type=_Kept)
            self.queries, self.saved = _texts(found.queries), _texts(found.saved)
        except (OSError, ValueError):
            pass  # none yet, or damaged: it is made anew with the next query

    def _write(self) -> None:
        """Replace the file whole. A full disk costs the memory of a query, no more."""
        if not self._file:
            return
        import tempfile

        directory = os.path.dirname(self._file)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=directory, prefix=".tui-history-")  # mode 0600
            with open(handle, "wb") as file:
                file.write(msgspec.json.encode(_Kept(self.queries, self.saved)))
            os.replace(temporary, self._file)
        except OSError:
            pass


def _texts(found: list[str]) -> list[str]:
    return [text[:_MOST_CHARACTERS] for text in found if text.strip()][-_MOST:]
