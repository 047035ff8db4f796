import os
from pathlib import Path

import pytest

from ipc import project
from ipc.errors import QmdError
from ipc.paths import Paths


def make(folder: Path, name: str = "index.yml") -> str:
    place = folder / ".qmd"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).touch()
    return str(place)


def test_the_nearest_one_counts(tmp_path: Path) -> None:
    outer, inner = make(tmp_path), make(tmp_path / "a" / "b")
    below = tmp_path / "a" / "b" / "c"
    below.mkdir()
    assert project.find(str(below), "/nowhere") == inner
    assert project.find(str(tmp_path / "a"), "/nowhere") == outer
    assert project.find(str(tmp_path), "/nowhere") == outer


def test_the_home_directory_is_no_project_and_what_is_above_it_neither(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path / "home")
    inside = tmp_path / "home" / "notes"
    inside.mkdir()
    for start in (inside, tmp_path / "home"):
        assert project.find(str(start), str(tmp_path / "home")) is None


@pytest.mark.parametrize("what", ["empty", "file", "link"])
def test_what_is_no_index_is_passed_over(tmp_path: Path, what: str) -> None:
    place = tmp_path / "inner" / ".qmd"
    place.parent.mkdir()
    if what == "empty":
        place.mkdir()
    elif what == "file":
        place.touch()
    else:
        place.symlink_to(make(tmp_path / "other"))
    assert project.find(str(tmp_path / "inner"), str(tmp_path)) is None


def test_one_of_another_user_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: os.stat(place).st_uid + 1)
    assert project.find(str(tmp_path), "/nowhere") is None
    with pytest.raises(QmdError, match="of yours"):
        project.check(place)


def test_yaml_wins_over_yml(tmp_path: Path) -> None:
    place = make(tmp_path)
    assert project.config_file(place).endswith("index.yml")
    make(tmp_path, "index.yaml")
    assert project.config_file(place).endswith("index.yaml")


def test_the_paths_of_a_project(tmp_path: Path) -> None:
    place, paths = make(tmp_path), Paths.from_environment({"QMD_HOME": "/q"})
    assert paths.collections_file(place) == f"{place}/index.yml"
    assert paths.index_dir(place) == place
    assert paths.database(place) == f"{place}/index.sqlite"


@pytest.mark.parametrize("name", ["/", "/etc", "{tmp}/.qmd/../.qmd", "{tmp}/none/.qmd", "{tmp}/.qmd/"])
def test_other_paths_are_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    with pytest.raises(QmdError):
        Paths.from_environment({"QMD_HOME": "/q"}).index_dir(name.format(tmp=tmp_path))


def test_a_link_in_it_is_refused(tmp_path: Path) -> None:
    place = make(tmp_path)
    assert project.check(place) == place
    (tmp_path / ".qmd" / "index.sqlite").symlink_to("/etc/passwd")
    with pytest.raises(QmdError, match="is a link"):
        project.check(place)
