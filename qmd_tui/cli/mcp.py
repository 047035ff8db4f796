"""`qmd mcp`: the tools for an AI agent that has started this program, on stdin and stdout. The daemon does the work."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Self, TypeVar

from ipc.errors import DaemonUnreachable, QmdError
from ipc.paths import Paths
from qmd_tui.output import streams

if TYPE_CHECKING:  # `--help` needs none of it
    from ipc.client import Client
    from ipc.protocol import AnyRequest, Reply

    R = TypeVar("R", bound=Reply)


# A daemon that does not answer a ping for so long is looked for anew.
_PING_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="stop", nargs="?", help=argparse.SUPPRESS)


def run(args: argparse.Namespace, paths: Paths) -> int:
    """Until stdin ends. Nothing but the protocol is written to stdout."""
    if args.action is not None:
        raise QmdError("invalid", f"mcp: unknown argument {args.action!r}.", "The daemon is ended with `qmd stop`.")
    import asyncio
    import signal

    if sys.stdin.isatty():
        streams.say("an agent starts this, and speaks JSON to it; Ctrl+C ends it. How to tell an agent: docs/agents.md")
    # A thread waits for stdin, and nothing can wake it: Ctrl+C is to end the process, which has nothing to put away.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        asyncio.run(_serve(paths, args.index))
    except* BrokenPipeError:
        streams.abandon()  # the agent has gone, and does not read any more
    return 0


async def _serve(paths: Paths, index: str) -> None:
    import asyncio

    async with Daemon(paths) as daemon, asyncio.TaskGroup() as tasks:
        # While the protocol's library is imported and the agent says hello, the daemon may start.
        starting = tasks.create_task(daemon.start())
        await asyncio.sleep(0)
        from mcp.server.stdio import stdio_server

        from qmd_daemon.mcp.server import build
        from qmd_daemon.mcp.tools import Tools

        server = build(Tools(paths, index, daemon.ask), _instructions(paths, index))
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
        starting.cancel()


def _instructions(paths: Paths, index: str) -> str:
    """Of what the index itself says: an agent's hello must not wait for the daemon's start."""
    import msgspec

    from ipc.protocol import CollectionInfo
    from qmd_daemon import offline
    from qmd_daemon.mcp import answers

    try:
        found = offline.collections(paths, index=index)
    except QmdError:
        found = []  # nothing is indexed yet, or the index is damaged: the tools say which
    return answers.instructions(msgspec.convert(found, list[CollectionInfo]))


class Daemon:
    """The daemon as the tools ask it: launched when it is not there, also when it has gone meanwhile."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        import asyncio

        self._lock = asyncio.Lock()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.__aexit__()

    async def start(self) -> None:
        """Have it ready before it is asked. Why it does not start is told to whoever asks."""
        try:
            await self._ready()
        except QmdError:
            pass

    async def ask(self, request: AnyRequest, reply: type[R]) -> R:
        """The daemon's answer. Raises QmdError."""
        from qmd_tui.cli.daemon import ANSWER_S

        client, pid = await self._ready()
        try:
            return await client.call(request, reply, timeout_s=ANSWER_S)
        except DaemonUnreachable:
            client, other = await self._ready()
            if other == pid:  # it lives, and takes too long
                raise
            return await client.call(request, reply, timeout_s=ANSWER_S)

    async def _ready(self) -> tuple[Client, int]:
        """A client of a daemon that has just answered, and the daemon's pid."""
        from ipc.client import Client
        from qmd_tui.attach import ensure

        async with self._lock:
            if self._client is not None:
                try:
                    return self._client, (await self._client.ping(timeout_s=_PING_S)).pid
                except DaemonUnreachable:
                    await self._client.__aexit__()
                    self._client = None
            endpoint = await ensure(self._paths, lambda _: None)
            self._client = await Client(endpoint.rpc).__aenter__()
            return self._client, endpoint.pid
