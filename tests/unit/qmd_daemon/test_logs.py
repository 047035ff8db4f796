from __future__ import annotations

import io
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from ipc.protocol import LogEvent
from qmd_daemon import logs
from qmd_daemon.config import LogConfig

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "daemon.log"


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_lines_are_json_with_the_fields_of_the_request(file: Path) -> None:
    logs.configure(LogConfig(), str(file))
    with structlog.contextvars.bound_contextvars(request="ab12", op="search"):
        log.info("request.done", ms=3)
    log.info("daemon.ready", 中="文")
    first, second = lines(file)
    assert (
        first.items() >= {"event": "request.done", "level": "info", "request": "ab12", "op": "search", "ms": 3}.items()
    )
    assert "request" not in second
    assert second["中"] == "文"


def test_the_level_is_kept(file: Path) -> None:
    logs.configure(LogConfig(level="warning"), str(file))
    log.info("no")
    log.warning("yes")
    logging.getLogger("some.library").info("no")
    assert [line["event"] for line in lines(file)] == ["yes"]


def test_libraries_log_in_the_same_way(file: Path) -> None:
    logs.configure(LogConfig(), str(file))
    logging.getLogger("some.library").warning("odd: %s", 7)
    assert lines(file)[0]["event"] == "odd: 7"


def test_a_traceback_is_one_field(file: Path) -> None:
    logs.configure(LogConfig(), str(file))
    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception("request.failed")
    assert "ValueError: wrong" in lines(file)[0]["exception"]


def test_a_terminal_gets_text_without_local_variables(file: Path) -> None:
    terminal = io.StringIO()
    logs.configure(LogConfig(), str(file), terminal)
    secret = "what I searched for"
    try:
        raise ValueError(len(secret))
    except ValueError:
        log.exception("request.failed", op="search")
    shown = terminal.getvalue()
    assert "request.failed" in shown
    assert "ValueError" in shown
    assert secret not in shown


def test_the_file_is_rotated_and_for_the_owner_alone(file: Path) -> None:
    logs.configure(LogConfig(max_bytes=4096, keep=2), str(file))
    for number in range(200):
        log.info("line", number=number, padding="x" * 50)
    kept = sorted(file.parent.iterdir())
    assert [each.name for each in kept] == ["daemon.log", "daemon.log.1", "daemon.log.2"]
    assert {stat.S_IMODE(os.stat(each).st_mode) for each in kept} == {0o600}
    line = 200  # the last one of a file may go beyond
    assert all(each.stat().st_size <= 4096 + line for each in kept)


def test_lines_are_published_while_inside(file: Path) -> None:
    logs.configure(LogConfig(level="debug"), str(file))
    published: list[tuple[str, Any]] = []
    with logs.published(lambda topic, event: published.append((topic, event))):
        log.info("request.done", ms=3)
        log.debug("search.asked", query="secret")
    log.info("later")
    ((topic, event),) = published
    assert topic == "log"
    assert isinstance(event, LogEvent)
    assert (event.level, event.event, event.fields) == ("info", "request.done", {"ms": "3"})
