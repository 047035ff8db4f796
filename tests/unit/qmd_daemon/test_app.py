"""The parts of the map that decide something. The whole of it is tested as a process: `tests/integration`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ipc.holder import Holder
from ipc.paths import Paths
from qmd_daemon import app as app_module
from qmd_daemon.app import App
from qmd_daemon.config import Config, EngineConfig, HttpConfig
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.serve.dispatch import Dispatcher
from qmd_daemon.serve.http import PortTaken
from qmd_daemon.serve.lifecycle import Lifecycle


class Lock:
    """Held; remembers what it announces."""

    def __init__(self) -> None:
        self.announced: list[Holder] = []

    def announce(self, holder: Holder) -> None:
        self.announced.append(holder)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def start_http(paths: Paths, http: HttpConfig, *, foreground: bool) -> Lifecycle:
    config = Config(engine=EngineConfig(kind="fake"), http=http)
    app = App(config, paths, Lock(), foreground=foreground)  # type: ignore[arg-type]
    app._lifecycle = Lifecycle("1")
    app._dispatcher = Dispatcher(app._lifecycle)
    async with AsyncExitStack() as stack:
        await app._start_http(stack, Engine(config.engine, paths, lambda *_: None))
        return app._lifecycle


async def test_http_tells_where_it_listens(home: Paths) -> None:
    lifecycle = await start_http(home, HttpConfig(port=0), foreground=False)
    assert lifecycle.http.startswith("http://127.0.0.1:")
    assert lifecycle.note == ""


async def test_http_may_be_off(home: Paths) -> None:
    lifecycle = await start_http(home, HttpConfig(enabled=False), foreground=False)
    assert (lifecycle.http, lifecycle.note) == ("", "HTTP is off")


async def test_a_daemon_that_nobody_watches_does_without_a_taken_port(home: Paths, taken: int) -> None:
    lifecycle = await start_http(home, HttpConfig(port=taken), foreground=False)
    assert lifecycle.http == ""
    assert "no HTTP" in lifecycle.note


async def test_in_the_foreground_a_taken_port_is_an_error(home: Paths, taken: int) -> None:
    with pytest.raises(PortTaken, match=str(taken)):
        await start_http(home, HttpConfig(port=taken), foreground=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_stops_it(number: int) -> None:
    lifecycle = Lifecycle("1")
    app_module._listen_to_signals(lifecycle)
    loop = asyncio.get_running_loop()
    try:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(lifecycle.stopped(), 20)
    finally:
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(one)


async def test_what_goes_wrong_in_the_loop_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    monkeypatch.setattr(app_module.log, "error", lambda event, **fields: logged.append({"event": event, **fields}))
    loop = asyncio.get_running_loop()
    app_module._listen_to_signals(Lifecycle("1"))
    try:
        loop.call_exception_handler({"message": "it broke", "exception": ValueError("x")})
    finally:
        loop.set_exception_handler(None)
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(one)
    assert [(one["event"], one["reason"]) for one in logged] == [("loop.error", "it broke")]
