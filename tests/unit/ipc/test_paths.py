from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc import paths as paths_module
from ipc.errors import QmdError
from ipc.paths import HTTP_PORT, SOCKET_PATH_MAX_BYTES, Paths, check_index_name, private_dir


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without /run/user."""
    isdir = os.path.isdir
    monkeypatch.setattr(paths_module.os.path, "isdir", lambda path: not path.startswith("/run/user") and isdir(path))


# -- where things are --------------------------------------------------------------------------


def test_qmd_home_moves_everything() -> None:
    paths = Paths.from_environment({"QMD_HOME": "/x/y", "XDG_DATA_HOME": "/elsewhere", "XDG_RUNTIME_DIR": "/elsewhere"})
    assert paths == Paths("/x/y/config", "/x/y/data", "/x/y/state", "/x/y/cache", "/x/y/run", HTTP_PORT)
    for place in (paths.daemon_lock, paths.launch_lock, paths.log_file, paths.models, paths.config_file,
                  paths.crash_file, paths.collections_file(), paths.database("work")):  # fmt: skip
        assert place.startswith("/x/y/")
    assert (paths.rpc, paths.events) == ("ipc:///x/y/run/rpc.sock", "ipc:///x/y/run/events.sock")


def test_a_home_may_be_relative_or_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert Paths.from_environment({"QMD_HOME": "here"}).data == str(tmp_path / "here" / "data")
    assert Paths.from_environment({"QMD_HOME": "~/q"}).data == "/home/me/q/data"


def test_without_it_the_xdg_directories_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    env = {
        "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "relative/is/ignored", "XDG_STATE_HOME": "",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }  # fmt: skip
    paths = Paths.from_environment(env)
    assert (paths.config, paths.data) == ("/c/qmd", "/home/me/.local/share/qmd")
    assert paths.state == "/home/me/.local/state/qmd"
    assert (paths.cache, paths.runtime) == ("/home/me/.cache/qmd", str(tmp_path / "qmd"))


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("runtime", [None, "", "/gone", "here"])
def test_without_a_runtime_directory_all_agree_on_one(runtime: str | None) -> None:
    env = {} if runtime is None else {"XDG_RUNTIME_DIR": runtime}
    assert Paths.from_environment(env).runtime == f"/tmp/qmd-{os.getuid()}"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=150))
def test_a_socket_fits_however_long_the_home_is(home: str) -> None:
    paths = Paths.from_environment({"QMD_HOME": f"/{home}"})
    for socket in (paths.rpc, paths.events):
        assert len(os.fsencode(socket.removeprefix("ipc://"))) <= SOCKET_PATH_MAX_BYTES
    assert paths == Paths.from_environment({"QMD_HOME": f"/{home}"})


def test_two_long_homes_do_not_share_a_socket() -> None:
    one, two = (Paths.from_environment({"QMD_HOME": f"/{'x' * 120}/{name}"}) for name in "ab")
    assert one.runtime != two.runtime


@pytest.mark.parametrize(("text", "port"), [("", HTTP_PORT), ("0", 0), ("65535", 65535), ("08080", 8080)])
def test_a_port_is_a_number(text: str, port: int) -> None:
    assert Paths.from_environment({"QMD_HTTP_PORT": text}).http_port == port


@pytest.mark.parametrize("text", ["65536", "-1", "http", "1.5", " 80", "٣", "1e3"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(QmdError, match="is not a port") as caught:
        Paths.from_environment({"QMD_HTTP_PORT": text})
    assert caught.value.code == "invalid"


@given(st.text(max_size=70) | st.sampled_from(["..", ".", "a/b", "/a", "a\0b", "", "-x", "~", "a b"]))
def test_no_name_of_an_index_leaves_its_directory(name: str) -> None:
    paths = Paths.from_environment({"QMD_HOME": "/x"})
    try:
        check_index_name(name)
    except QmdError as error:
        assert error.code == "invalid"  # noqa: PT017 - refusing is one of two right answers
    else:
        assert os.path.dirname(os.path.normpath(paths.index_dir(name))) == "/x/data/indexes"
        assert os.path.dirname(os.path.normpath(paths.collections_file(name))) == "/x/config"


@pytest.mark.parametrize("name", ["index", "work", "工作", "v1.2_x-y"])
def test_usual_names_are_names(name: str) -> None:
    assert check_index_name(name) == name


# -- private directories -------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_directory_is_made_private_with_those_above_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert private_dir(str(path)) == str(path)
    assert mode(path) == 0o700
    private_dir(str(path))


def test_one_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.mkdir(mode=0o755)
    private_dir(str(path))
    assert mode(path) == 0o700


def test_a_link_of_ones_own_is_followed_and_what_it_leads_to_made_private(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    private_dir(str(tmp_path / "data"))
    assert mode(tmp_path / "disk") == 0o700


def as_seen(monkeypatch: pytest.MonkeyPatch, function: str, path: Path, uid: int) -> None:
    """Let a path belong to somebody else."""
    real = getattr(os, function)

    def theirs(place: str) -> os.stat_result:
        found = real(place)
        return os.stat_result((*found[:4], uid, *found[5:])) if place == str(path) else found

    monkeypatch.setattr(paths_module.os, function, theirs)


def test_another_users_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    as_seen(monkeypatch, "lstat", link, os.getuid() + 1)
    with pytest.raises(QmdError, match="is not a directory") as caught:
        private_dir(str(link))
    assert caught.value.code == "unavailable"


@pytest.mark.parametrize("function", ["lstat", "stat"])
def test_another_users_directory_is_refused_also_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    path = tmp_path / "theirs"
    if function == "stat":
        (tmp_path / "target").mkdir()
        path.symlink_to(tmp_path / "target")
    else:
        path.mkdir()
    as_seen(monkeypatch, function, path, os.getuid() + 1)
    with pytest.raises(QmdError, match=f"belongs to user {os.getuid() + 1}"):
        private_dir(str(path))


def test_what_is_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "broken"):
        with pytest.raises(QmdError) as caught:
            private_dir(str(path))
        assert caught.value.code == "unavailable"
        assert str(path) in caught.value.message
