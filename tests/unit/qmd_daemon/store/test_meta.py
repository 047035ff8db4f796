from __future__ import annotations

import sqlite3

from qmd_daemon.store import meta


def test_a_fact_is_what_was_put_last(connection: sqlite3.Connection) -> None:
    assert meta.get(connection, "colour") == ""
    assert meta.get(connection, "colour", "none") == "none"
    meta.put(connection, "colour", "red")
    meta.put(connection, "colour", "绿 'green'")
    assert meta.get(connection, "colour", "none") == "绿 'green'"
