"""Connections that take their time, and those that do not end. The limits here are tenths of seconds."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ipc.protocol import EngineStatus
from qmd_daemon.config import HttpConfig
from qmd_daemon.grants import Grants
from qmd_daemon.serve.dispatch import Dispatcher
from qmd_daemon.serve.http import Http
from qmd_daemon.serve.lifecycle import Lifecycle

BODY = 64 * 1024
CONFIG = HttpConfig(port=0, max_body_bytes=BODY, connections=20, header_s=0.3, body_s=0.3)
NOBODY = Grants("/nowhere/access.json")
ENGINE = EngineStatus(state="off", engine="fake", model="fake", device="cpu")
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /search HTTP/1.1\r\nHost: localhost\r\n"
# What a test waits at most for something that takes tenths of seconds.
PATIENCE_S = 20.0


class Line:
    """One connection, bytes in and bytes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> bool:
        """Whether the other side still takes it."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ConnectionError:
            return False
        return not self.writer.is_closing()

    async def status(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            line = await self._reader.readline()
        return int(line.split()[1])

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""


class Server:
    def __init__(self, http: Http) -> None:
        self.http = http
        self.port = int(http.address.rpartition(":")[2])
        self._lines: list[Line] = []

    async def connect(self) -> Line:
        self._lines.append(Line(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self._lines[-1]

    async def is_answered(self) -> None:
        """Others are."""
        line = await self.connect()
        await line.send(HEALTH)
        assert await line.status() == 200
        line.writer.close()

    async def close(self) -> None:
        for line in self._lines:
            line.writer.close()


@pytest.fixture
async def server(dispatcher: Dispatcher, lifecycle: Lifecycle) -> AsyncIterator[Server]:
    async with Http(CONFIG, dispatcher, lifecycle, lambda: ENGINE, grants=NOBODY) as http:
        found = Server(http)
        yield found
        await found.close()


@pytest.mark.parametrize("beginning", [b"", b"G", b"GET /health HTTP/1.1\r\nHost: local", HEALTH[:-2]])
async def test_a_head_that_does_not_come(server: Server, beginning: bytes) -> None:
    line = await server.connect()
    await line.send(beginning)
    await server.is_answered()
    assert await line.rest() == b""


async def test_a_head_that_comes_byte_by_byte(server: Server) -> None:
    line = await server.connect()
    async with asyncio.timeout(PATIENCE_S):
        while await line.send(b"x"):
            await asyncio.sleep(0.02)
    assert await line.rest() == b""


async def test_a_second_head_on_the_same_connection_has_its_own_time(server: Server) -> None:
    line = await server.connect()
    await line.send(HEALTH)
    assert await line.status() == 200
    # Between two requests it may be silent for longer than a head may take.
    await asyncio.sleep(2 * CONFIG.header_s)
    assert await line.send(HEALTH[:10])
    assert await asyncio.wait_for(line.rest(), PATIENCE_S)  # the first answer, and no second
    await server.is_answered()


async def test_a_body_that_does_not_come(server: Server) -> None:
    line = await server.connect()
    await line.send(POST + b"Content-Length: 100\r\n\r\n{")
    await server.is_answered()
    assert await line.status() == 408
    await line.rest()


async def test_a_body_without_end(server: Server) -> None:
    line = await server.connect()
    await line.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    async with asyncio.timeout(PATIENCE_S):
        while await line.send(chunk):
            await asyncio.sleep(0.01)
    await server.is_answered()


async def test_a_gzip_bomb(server: Server) -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    assert len(bomb) < BODY * 2
    tracemalloc.start()
    try:
        line = await server.connect()
        head = f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
        await line.send(POST + head + bomb)
        assert await line.status() in {400, 413}
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()
    await server.is_answered()


async def test_ten_thousand_header_lines(server: Server) -> None:
    line = await server.connect()
    await line.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 10_000 + b"\r\n")
    assert (await line.rest())[:12] in {b"HTTP/1.1 400", b"HTTP/1.0 400", b""}
    await server.is_answered()


async def test_a_client_that_does_not_read(server: Server, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from qmd_daemon.serve import answers

    large = answers.json(["x" * 1000] * 20_000)
    monkeypatch.setattr("qmd_daemon.serve.answers.json", lambda *_: large)
    line = await server.connect()
    line.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await line.send(HEALTH)
    async with asyncio.timeout(PATIENCE_S):
        while server.http.connections:
            await asyncio.sleep(0.02)


async def test_too_many_connections_are_told_to_come_back(server: Server) -> None:
    lines = [await server.connect() for _ in range(CONFIG.connections)]
    for line in lines:
        await line.send(HEALTH)
        assert await line.status() == 200
    one_more = await server.connect()
    assert b"Retry-After" in (said := await one_more.rest())
    assert said.startswith(b"HTTP/1.1 503 ")
    lines[0].writer.close()
    async with asyncio.timeout(PATIENCE_S):
        while server.http.connections >= CONFIG.connections:
            await asyncio.sleep(0.02)
    await server.is_answered()
