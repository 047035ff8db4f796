"""The units as they are written for one installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_tui import units


def lines(text: str, key: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"{key}=")]


def test_the_service_starts_this_interpreter_for_this_installation() -> None:
    text = units.service(
        {"QMD_HOME": "/srv/my qmd", "QMD_HTTP_PORT": "0", "HOME": "/home/me"}, python="/opt/qmd/bin/python"
    )
    assert lines(text, "ExecStart") == ['ExecStart="/opt/qmd/bin/python" -P -m qmd_daemon']
    assert lines(text, "Environment") == ['Environment="QMD_HOME=/srv/my qmd"', 'Environment="QMD_HTTP_PORT=0"']
    assert "Type=notify" in text
    assert "WantedBy=default.target" in text


def test_nothing_is_said_of_an_installation_in_the_usual_place() -> None:
    assert lines(units.service({}), "Environment") == []


def test_relative_directories_are_read_as_the_commands_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"QMD_HOME": "mine", "XDG_DATA_HOME": "relative", "XDG_STATE_HOME": "/srv/state"}
    assert lines(units.service(env), "Environment") == [
        f'Environment="QMD_HOME={tmp_path}/mine"',
        'Environment="XDG_STATE_HOME=/srv/state"',
    ]


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/plain", '"/plain"'),
        ("/100% mine", '"/100%% mine"'),
        ('/a "b"', '"/a \\"b\\""'),
        ("/back\\1slash", '"/back\\\\1slash"'),
        ("/文档", '"/文档"'),
    ],
)
def test_what_means_something_to_systemd_is_escaped(word: str, written: str) -> None:
    assert units.quoted(word) == written
    assert f"ExecStart={written} -P" in units.service({}, python=word)


def test_a_line_feed_writes_no_line_of_its_own() -> None:
    with pytest.raises(QmdError, match="cannot stand in a unit file"):
        units.service({"QMD_HOME": "/srv/qmd\nExecStartPre=/bin/evil"})


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1:8080"), ("::1", "[::1]:8080")])
def test_the_socket_has_the_port_of_the_configuration(host: str, address: str) -> None:
    assert lines(units.socket(host, 8080), "ListenStream") == [f"ListenStream={address}"]
