"""Many HTTP clients at once, as they are: most ask, some vanish in the middle of a request, a few send rubbish."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import time
from collections import Counter
from typing import NamedTuple

# Whoever has no answer by then hangs.
HANGS_S = 30.0
_WORDS = "backup restore index vector queue 显存 监控 数据 检索 model memory daemon worker release plan notes".split()
_RUBBISH = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    b"GET / HTTP/9.9\r\n\r\n",
    b"BLAH\r\n\r\n",
    b"POST /embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 8\r\n\r\n{[\xff\xfe}}}!",
    b"POST /embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
    b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    b"GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n",
)


class Mixture(NamedTuple):
    """`vanishing` and `rubbish`: how likely a client is to do that instead of asking, each time; a new client takes the
    place of one that has gone. `pause_s` is what an answered client waits before it asks again.
    """

    connections: int
    seconds: float
    vanishing: float = 0.1
    rubbish: float = 0.01
    pause_s: float = 0.0


class Tally(NamedTuple):
    """How requests ended: a status for each answer, "cut" where the other side closed, "hung" without an answer."""

    statuses: Counter[str]
    answered_ms: list[float]  # of those with status 200
    vanished: int


def flood(port: int, mixture: Mixture) -> Tally:
    """Be all these clients for that long. Blocks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, mixture.connections * 2 + 100)), hard))
    return asyncio.run(_Swarm(port, mixture).run())


class _Swarm:
    def __init__(self, port: int, mixture: Mixture) -> None:
        self._port = port
        self._mixture = mixture
        self._statuses: Counter[str] = Counter()
        self._answered_ms: list[float] = []
        self._vanished = 0

    async def run(self) -> Tally:
        self._end = time.monotonic() + self._mixture.seconds
        async with asyncio.TaskGroup() as group:
            for number in range(self._mixture.connections):
                group.create_task(self._be(random.Random(number)))
        return Tally(self._statuses, self._answered_ms, self._vanished)

    async def _be(self, chosen: random.Random) -> None:
        """One client after another."""
        while time.monotonic() < self._end:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                await self._live(reader, writer, chosen)
            except TimeoutError:
                self._statuses["hung"] += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                self._statuses["cut" if writer else type(error).__name__] += 1
            finally:
                if writer:
                    writer.transport.abort()

    async def _live(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chosen: random.Random) -> None:
        """Until it vanishes, or is sent away."""
        while time.monotonic() < self._end:
            began = time.monotonic()
            whole = request(chosen)
            fate = chosen.random() - self._mixture.vanishing
            if fate < 0:  # in the middle of the head or the body, or while the answer is made
                writer.write(whole[: chosen.choice((len(whole) // 4, len(whole) - 3, len(whole)))])
                await asyncio.sleep(chosen.uniform(0, 0.1))
                self._vanished += 1
                return
            rubbish = fate < self._mixture.rubbish
            writer.write(chosen.choice(_RUBBISH) if rubbish else whole)
            status, closes = await _answer(reader)
            self._statuses[f"rubbish {status}" if rubbish else status] += 1
            if status == "200":
                self._answered_ms.append(1000 * (time.monotonic() - began))
            if closes or rubbish:
                return
            await asyncio.sleep(self._mixture.pause_s)


def request(chosen: random.Random) -> bytes:
    """Half of them embed a few sentences, half of them search."""
    text = " ".join(chosen.choices(_WORDS, k=12))
    path, body = chosen.choice(
        (
            ("/embed", {"texts": [text] * 4}),
            ("/embed", {"texts": [text]}),
            ("/search", {"query": text[:30]}),
            ("/query", {"query": text[:30], "top_k": 5}),
        )
    )
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """The status, and whether the other side closes. Raises TimeoutError, IncompleteReadError."""
    async with asyncio.timeout(HANGS_S):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
    return head.split(b" ", 2)[1].decode(), b"connection: close" in head
