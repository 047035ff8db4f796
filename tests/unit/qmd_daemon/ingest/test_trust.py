from pathlib import Path

import pytest

from ipc.paths import Paths
from qmd_daemon.ingest import trust
from qmd_daemon.ingest.index_file import IndexFile


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.from_environment({"QMD_HOME": str(tmp_path / "home")})


def project(tmp_path: Path, text: str) -> IndexFile:
    place = tmp_path / "project" / ".qmd" / "index.yml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    return IndexFile(str(place))


HARMLESS = "collections:\n  a: {path: docs, context: {/: Any}}\n  b: {path: .}\n"
OUTSIDE = "collections:\n  a: {path: docs}\n  b: {path: ../elsewhere}\n  c: {path: /etc}\neditor_uri: x://{path}\n"
HOOK = "collections:\n  a: {path: docs, update: make}\n"


def test_what_stays_inside_needs_no_trust(tmp_path: Path, paths: Paths) -> None:
    file = project(tmp_path, HARMLESS)
    assert not trust.gated(file)
    assert trust.allows(paths, file)
    assert [one.path for one in file.collections] == [f"{tmp_path}/project/docs", f"{tmp_path}/project"]


@pytest.mark.parametrize("text", [OUTSIDE, HOOK])
def test_what_reaches_further_has_to_be_allowed_and_again_after_a_change(
    tmp_path: Path, paths: Paths, text: str
) -> None:
    file = project(tmp_path, text)
    assert not trust.allows(paths, file)
    trust.grant(paths, file)
    assert trust.allows(paths, file)
    assert trust.granted(paths) == [file.path]
    assert trust.allows(paths, project(tmp_path, text + "global_context: another\n")), "what is harmless may change"
    assert not trust.allows(paths, project(tmp_path, text.replace("path: docs", "path: /usr")))
    assert trust.revoke(paths, file.path)
    assert not trust.revoke(paths, file.path)
    assert not trust.allows(paths, project(tmp_path, text))


def test_what_is_not_allowed_is_left_aside(tmp_path: Path, paths: Paths) -> None:
    file = trust.restrict(paths, project(tmp_path, OUTSIDE))
    assert ([one.name for one in file.collections], file.editor_uri) == (["a"], "")
    trust.grant(paths, project(tmp_path, OUTSIDE))
    file = trust.restrict(paths, project(tmp_path, OUTSIDE))
    assert ([one.name for one in file.collections], file.editor_uri) == (["a", "b", "c"], "x://{path}")


def test_a_link_out_of_the_project_is_outside(tmp_path: Path, paths: Paths) -> None:
    file = project(tmp_path, "collections:\n  a: {path: docs}\n")
    (tmp_path / "project" / "docs").symlink_to("/etc")
    assert trust.gated(file).outside == {"a": f"{tmp_path}/project/docs"}


def test_a_persons_own_file_is_free(tmp_path: Path, paths: Paths) -> None:
    (tmp_path / "index.yml").write_text(OUTSIDE.replace("{path: docs}", "{path: docs, update: make}"))
    assert not trust.gated(IndexFile(str(tmp_path / "index.yml")))


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_memory_allows_nothing(tmp_path: Path, paths: Paths, damage: str) -> None:
    file = project(tmp_path, HOOK)
    trust.grant(paths, file)
    place = Path(paths.config, "trusted.json")
    assert place.stat().st_mode & 0o777 == 0o600
    place.write_text(damage)
    assert not trust.allows(paths, file)


def test_nothing_is_remembered_of_what_asks_for_nothing(tmp_path: Path, paths: Paths) -> None:
    trust.grant(paths, project(tmp_path, HARMLESS))
    assert trust.granted(paths) == []
    assert not Path(paths.config).exists()
