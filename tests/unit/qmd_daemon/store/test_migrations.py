from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from qmd_daemon.store import migrations

VERSIONS = range(len(migrations.STEPS))


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def schema(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def take(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, steps: tuple[str, ...]) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", steps)
        migrations.migrate(connection)


@pytest.mark.parametrize("old", VERSIONS)
def test_from_every_version_to_the_same_schema(
    connection: sqlite3.Connection, old: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migrations.migrate(fresh)
        take(connection, monkeypatch, migrations.STEPS[:old])
        assert version(connection) == old
        migrations.migrate(connection)
        assert version(connection) == version(fresh) == len(migrations.STEPS)
        assert schema(connection) == schema(fresh)


def test_the_newest_is_left_as_it_is(connection: sqlite3.Connection) -> None:
    migrations.migrate(connection)
    before = connection.total_changes, schema(connection)
    migrations.migrate(connection)
    assert (connection.total_changes, schema(connection)) == before


def test_what_is_there_is_kept(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations.migrate(connection)
    connection.execute("INSERT INTO meta VALUES ('a', 'kept')")
    steps = (*migrations.STEPS, "ALTER TABLE collections ADD COLUMN more TEXT NOT NULL DEFAULT '';")
    take(connection, monkeypatch, steps)
    assert version(connection) == len(steps)
    assert connection.execute("SELECT value FROM meta").fetchone() == ("kept",)


def test_a_step_that_fails_is_undone_whole(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations.migrate(connection)
    before = schema(connection)
    with pytest.raises(sqlite3.OperationalError):
        take(connection, monkeypatch, (*migrations.STEPS, "CREATE TABLE half (a); CREATE TABLE meta (a);"))
    connection.rollback()
    assert schema(connection) == before
    assert version(connection) == len(migrations.STEPS)


def test_a_newer_one_is_refused(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 3}")
    with pytest.raises(ValueError, match=f"schema {len(migrations.STEPS) + 3}"):
        migrations.migrate(connection)
