import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ipc.paths import Paths
from qmd_daemon.store import meta, migrations, seal


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.from_environment({"QMD_HOME": str(tmp_path / "home")})


def make(folder: Path, identity: str = "abc") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("lexical", "vectors", "other"):
        (folder / name).mkdir()
    (folder / "index.yml").touch()
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as connection:
        migrations.migrate(connection)
        meta.put(connection, "identity", identity)
    return str(folder / "index.sqlite")


def test_what_we_have_sealed_stays(tmp_path: Path, paths: Paths) -> None:
    database = make(tmp_path / ".qmd")
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        assert not seal.holds(paths, connection)
        seal.put(paths, connection)
        assert seal.holds(paths, connection)
    assert not seal.clear_foreign(paths, database)
    assert Path(paths.data, "seal.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", ["unsealed", "copied seal", "another key", "garbage"])
def test_what_somebody_else_has_made_goes_with_all_that_was_derived_from_it(
    tmp_path: Path, paths: Paths, how: str
) -> None:
    database = make(tmp_path / ".qmd")
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        if how == "copied seal":
            seal.put(paths, connection)
            meta.put(connection, "identity", "another")
        elif how == "another key":
            seal.put(paths, connection)
            Path(paths.data, "seal.key").write_bytes(b"x" * 32)
    if how == "garbage":
        Path(database).write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert seal.clear_foreign(paths, database)
    assert sorted(place.name for place in (tmp_path / ".qmd").iterdir()) == ["index.yml", "other"]


def test_where_there_is_nothing_there_is_nothing_to_clear(tmp_path: Path, paths: Paths) -> None:
    assert not seal.clear_foreign(paths, str(tmp_path / ".qmd" / "index.sqlite"))


@pytest.mark.parametrize("forged", [None, "", "显存"])
def test_a_database_without_identity_is_never_ours(tmp_path: Path, paths: Paths, forged: str | None) -> None:
    database = make(tmp_path / ".qmd", identity="")
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        seal.put(paths, connection)
        if forged is not None:
            meta.put(connection, "seal", forged)
    assert seal.clear_foreign(paths, database)
