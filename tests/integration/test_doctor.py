"""`qmd doctor` as a person runs it: with nothing there, with all in order, and with damage."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from ipc.paths import Paths
from tests.integration.program import Qmd

FILES = {"a.md": "# Sourdough\n\nFlour, water, salt.\n", "b.md": "# 显存\n\n监控显存。\n"}


def look(qmd: Qmd) -> tuple[int, dict[str, dict[str, Any]]]:
    done = qmd("doctor", "--json")
    assert done.stderr == ""
    return done.returncode, {one["check"]: one for one in json.loads(done.stdout)}


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: one["state"] for name, one in found.items() if one["state"] != "ok"}


def test_nothing_is_there_and_nothing_is_wrong(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, {})
    code, found = look(qmd)
    assert (code, states(found)) == (0, {})
    assert not os.path.exists(qmd.env["QMD_HOME"]), "it has made something"


def test_a_healthy_home_and_what_can_become_of_it(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, FILES)
    paths = Paths.from_environment(qmd.env)
    try:
        qmd.ok("collection", "add", ".", cwd=qmd.fixtures)
        code, found = look(qmd)
        assert (code, states(found)) == (0, {})
        assert "answers" in found["daemon"]["message"]
        assert found["lexical"]["message"] == found["vectors"]["message"] == "In step with the database; entries: 2."
    finally:
        qmd("stop")

    os.chmod(paths.data, 0o755)
    code, found = look(qmd)
    assert (code, states(found)) == (0, {"data directory": "warn"})
    assert found["data directory"]["hint"] == f"`chmod 700 {paths.data}`"

    store = next(Path(paths.index_dir(), "lexical").glob("g*/*.store"))
    os.truncate(store, 3)
    code, found = look(qmd)
    assert (code, states(found)) == (1, {"data directory": "warn", "lexical": "fail"})
    shown = qmd("doctor")
    assert shown.returncode == 1
    assert f"fail  lexical: It does not fit: damaged: {store.name}.\n      `qmd update` builds it" in shown.stdout
    try:
        qmd.ok("update")
        assert states(look(qmd)[1]) == {}, "what it said was not what to do"
    finally:
        qmd("stop")


def test_a_port_that_somebody_else_has_and_a_wrong_configuration(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, {})
    paths = Paths.from_environment(qmd.env)
    with socket.create_server(("127.0.0.1", 0)) as other:
        qmd.env["QMD_HTTP_PORT"] = str(other.getsockname()[1])
        code, found = look(qmd)
    assert (code, states(found)) == (1, {"port": "fail"})

    os.makedirs(paths.config, 0o700)
    Path(paths.config_file).write_text("[engine]\nkin = 'fake'\n")
    code, found = look(qmd)
    assert (code, states(found)) == (1, {"port": "warn", "configuration": "fail"})


def test_what_a_killed_daemon_leaves(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, {})
    paths = Paths.from_environment(qmd.env)
    os.makedirs(paths.runtime, 0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(os.path.join(paths.runtime, "rpc.sock"))
    code, found = look(qmd)
    assert (code, states(found)) == (0, {"daemon": "warn"})
    assert "rpc.sock" in found["daemon"]["message"]


def test_settings_that_have_no_effect(tmp_path: Path) -> None:
    """What theirs tells, too: a broken index.yml, a directory that is gone, variables that nobody reads."""
    qmd = Qmd(tmp_path, FILES)
    config = Path(qmd.env["QMD_HOME"], "config")
    config.mkdir(parents=True, mode=0o700)
    (config / "index.yml").write_text("collections:\n  notes: {path: [}\n")
    code, found = look(qmd)
    assert (code, states(found)) == (1, {"index.yml": "fail"})
    assert f"{config}/index.yml" in found["index.yml"]["message"]
    (config / "index.yml").write_text(f"collections:\n  gone: {{path: {tmp_path}/gone}}\n")
    qmd.env |= {"QMD_EMBED_MODEL": "hf:x/y.gguf", "QMD_DEVCE": "cpu"}
    shown = qmd("doctor")
    assert shown.returncode == 0
    assert f"warn  index.yml: The directory of gone is not there: {tmp_path}/gone.\n" in shown.stdout
    assert "warn  environment: QMD_DEVCE has no effect.\n      Is QMD_DEVICE meant?\n" in shown.stdout
    assert "QMD_EMBED_MODEL is tobi/qmd's, and has no effect here.\n      Set QMD_MODEL" in shown.stdout
    assert "ok    environment: In effect: QMD_ENGINE, QMD_HOME, QMD_HTTP_PORT.\n" in shown.stdout


def test_others_may_ask_and_nobody_has_a_key(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, {})
    paths = Paths.from_environment(qmd.env)
    os.makedirs(paths.config, 0o700)
    Path(paths.config_file).write_text('[zmq]\nlisten = "tcp://127.0.0.1:0"\n')
    code, found = look(qmd)
    assert (code, states(found)) == (1, {"tcp": "fail"})
    qmd.ok("keys", "create", "--name", "n", "--file", str(tmp_path / "n.key"))
    code, found = look(qmd)
    assert (code, states(found)) == (0, {})
    assert found["tcp"]["message"].endswith("keys that are valid: 1.")
    os.chmod(paths.server_key_file, 0o644)
    assert states(look(qmd)[1]) == {"secrets": "fail"}
