from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from ipc.paths import HTTP_PORT, Paths
from qmd_daemon import config
from qmd_daemon.config import Config


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "config").mkdir()
    return Paths.from_environment({"QMD_HOME": str(tmp_path)})


def load(paths: Paths, text: str = "", env: Mapping[str, str] | None = None, **flags: dict[str, object]) -> Config:
    Path(paths.config_file).write_text(text)
    return config.load(paths, env or {}, flags)


def refused(paths: Paths, text: str = "", env: Mapping[str, str] | None = None, **flags: dict[str, object]) -> QmdError:
    with pytest.raises(QmdError) as caught:
        load(paths, text, env, **flags)
    assert caught.value.code == "invalid"
    return caught.value


def test_without_a_file_it_is_the_defaults(paths: Paths) -> None:
    assert config.load(paths, {}) == Config()
    assert load(paths) == Config()


def test_each_source_wins_over_the_one_before(paths: Paths) -> None:
    text = '[engine]\nkind = "fake"\ndevice = "cpu"\nthreads = 3\n[log]\nlevel = "error"\n'
    env = {"QMD_DEVICE": "cuda", "QMD_LOG_LEVEL": "warning", "QMD_ENGINE": ""}
    found = load(paths, text, env, log={"level": "debug"})
    assert (found.engine.threads, found.engine.kind, found.engine.device) == (3, "fake", "cuda")
    assert found.log.level == "debug"
    assert found.engine.idle_s == Config().engine.idle_s


def test_the_port_is_that_of_the_flag_the_environment_the_file_and_then_the_usual_one(tmp_path: Path) -> None:
    env = {"QMD_HOME": str(tmp_path), "QMD_HTTP_PORT": "2"}
    (tmp_path / "config").mkdir()
    set_, unset = Paths.from_environment(env), Paths.from_environment({"QMD_HOME": str(tmp_path)})
    assert load(set_, "[http]\nport = 1\n", env, http={"port": 3}).http.port == 3
    assert load(set_, "[http]\nport = 1\n", env).http.port == 2
    assert load(unset, "[http]\nport = 1\n").http.port == 1
    assert load(unset, "[http]\nenabled = false\n").http.port == HTTP_PORT


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[engine]\ndevise = 'cpu'\n", "device"),
        ("[enigne]\nkind = 'fake'\n", "engine"),
        ("[ingest]\nmax_file_byte = 3\n", "max_file_bytes"),
        ("[http]\nzzzzzz = 1\n", ""),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(paths: Paths, text: str, hint: str) -> None:
    error = refused(paths, text)
    assert error.message.startswith(paths.config_file)
    assert error.hint == (f"Did you mean {hint!r}?" if hint else "")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[engine]\nthreads = '4'\n", "$.engine.threads"),
        ("[engine]\nthreads = true\n", "$.engine.threads"),
        ("[engine]\nidle_s = 0\n", "$.engine.idle_s"),
        ("[http]\nport = 70000\n", "$.http.port"),
        ("engine = 'fake'\n", "$.engine"),
        ("http = 3\n", "$.http"),
        ("log = []\n", "$.log"),
    ],
)
@pytest.mark.parametrize("env", [{}, {"QMD_ENGINE": "fake", "QMD_LOG_LEVEL": "info"}])
def test_a_wrong_value_names_its_place(paths: Paths, text: str, place: str, env: dict[str, str]) -> None:
    error = refused(paths, text, env)
    assert error.message.startswith(paths.config_file)
    assert f"`{place}`" in error.message


def test_an_error_of_the_environment_names_the_variable(paths: Paths) -> None:
    assert refused(paths, "", {"QMD_DEVICE": "gpu"}).message.startswith("QMD_DEVICE=gpu: ")
    assert refused(paths, "", {"QMD_LOG_LEVEL": "loud"}).message.startswith("QMD_LOG_LEVEL=loud: ")


def test_an_error_of_a_flag_names_the_command_line(paths: Paths) -> None:
    assert refused(paths, "", http={"port": -1}).message.startswith("The command line: ")


@pytest.mark.parametrize("data", [b"[engine\n", b"= 1\n", b"\xff\xfe[engine]\n", b"a = 1\na = 2\n"])
def test_what_is_not_toml_is_said(paths: Paths, data: bytes) -> None:
    Path(paths.config_file).write_bytes(data)
    with pytest.raises(QmdError, match="is not TOML") as caught:
        config.load(paths, {})
    assert paths.config_file in caught.value.message


def test_what_cannot_be_read_is_said(paths: Paths) -> None:
    Path(paths.config_file).mkdir()
    with pytest.raises(QmdError, match="Is a directory"):
        config.load(paths, {})


@given(st.dictionaries(st.sampled_from(sorted(config.ENVIRONMENT)), st.text(max_size=12)))
def test_any_environment_is_taken_or_refused(env: dict[str, str]) -> None:
    paths = Paths.from_environment({"QMD_HOME": "/nowhere"})
    try:
        found = config.load(paths, env)
    except QmdError as error:
        assert error.message.partition("=")[0] in env  # noqa: PT017 - refusing is one of two right answers
    else:
        assert found.log.level == (env.get("QMD_LOG_LEVEL") or "info")
