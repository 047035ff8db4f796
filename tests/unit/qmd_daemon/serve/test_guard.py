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
from qmd_daemon.serve.guard import SPARE
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

    async def answer(self) -> int:
        """The status of a whole answer: what comes next is of the next one."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await self._reader.readexactly(length)
        return int(head.split()[1])

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

    def leave(self, count: int) -> None:
        """The first of those that are connected."""
        for line in self._lines[:count]:
            line.writer.close()

    async def close(self) -> None:
        self.leave(len(self._lines))


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


@pytest.fixture
async def full(server: Server) -> Server:
    """All places are taken."""
    for _ in range(CONFIG.connections):
        line = await server.connect()
        await line.send(HEALTH)
        assert await line.status() == 200
    return server


async def test_too_many_connections_are_told_to_come_back(full: Server) -> None:
    for said in (POST, b""):  # at once, or when it has said nothing for long
        one_more = await full.connect()
        await one_more.send(said)
        answer = await one_more.rest()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in answer
    full.leave(CONFIG.connections // 2)
    async with asyncio.timeout(PATIENCE_S):
        while full.http.connections >= CONFIG.connections:
            await asyncio.sleep(0.02)
    line = await full.connect()
    await line.send(POST + b"Content-Length: 1\r\n\r\n{")
    assert await line.status() != 503


async def test_whether_it_lives_is_answered_though_all_places_are_taken(full: Server) -> None:
    for _ in range(3):
        await full.is_answered()
    # Nobody keeps such a place to ask for more.
    line = await full.connect()
    await line.send(HEALTH)
    assert await line.status() == 200
    await line.send(POST + b"Content-Length: 1\r\n\r\n{")
    assert b"HTTP/1.1 503 " in await line.rest()


async def test_beyond_all_measure_nobody_is_heard(full: Server) -> None:
    silent = [await full.connect() for _ in range(SPARE)]
    assert (await (await full.connect()).rest()).startswith(b"HTTP/1.1 503 ")
    assert [(await line.rest())[:13] for line in silent] == [b"HTTP/1.1 503 "] * SPARE


async def test_many_requests_at_once_are_answered_one_after_another(server: Server) -> None:
    lines = [await server.connect() for _ in range(CONFIG.connections)]
    body = b"Content-Length: 1\r\n\r\n{"
    for line in lines:
        line.writer.write(POST + body)
    probe = await server.connect()
    await probe.send(HEALTH)
    assert await probe.status() == 200
    assert [await line.answer() for line in lines] == [400] * len(lines)
    # And in two halves, of which the second comes while it waits for its turn.
    for line in lines:
        line.writer.write(POST)
    await asyncio.sleep(0)
    for line in lines:
        line.writer.write(body)
    assert [await line.answer() for line in lines] == [400] * len(lines)


async def test_what_waits_when_it_ends_is_closed(dispatcher: Dispatcher, lifecycle: Lifecycle) -> None:
    async with Http(CONFIG, dispatcher, lifecycle, lambda: ENGINE, grants=NOBODY) as http:
        server = Server(http)
        lines = [await server.connect() for _ in range(5)]
        async with asyncio.timeout(PATIENCE_S):
            while http.connections < len(lines):
                await asyncio.sleep(0.01)
    assert [await line.rest() for line in lines] == [b""] * len(lines)
    assert http.connections == 0
    await server.close()
