from __future__ import annotations

import asyncio
import os

from ipc.protocol import PROTOCOL_VERSION
from qmd_daemon.serve.lifecycle import Lifecycle


async def test_a_pong_tells_the_phase() -> None:
    lifecycle = Lifecycle("1.2.3")
    pong = lifecycle.pong()
    assert (pong.protocol, pong.version, pong.pid) == (PROTOCOL_VERSION, "1.2.3", os.getpid())
    assert (pong.ready, pong.state) == (False, "starting")
    lifecycle.phase = "ready"
    lifecycle.http = "http://127.0.0.1:1"
    assert (lifecycle.pong().ready, lifecycle.pong().http) == (True, "http://127.0.0.1:1")


async def test_a_note_is_part_of_the_state() -> None:
    lifecycle = Lifecycle("1")
    lifecycle.phase = "ready"
    lifecycle.note = "no HTTP: the port is taken"
    assert lifecycle.pong().state == "ready (no HTTP: the port is taken)"
    assert lifecycle.pong().ready


async def test_stop_wakes_who_waits() -> None:
    lifecycle = Lifecycle("1")
    async with asyncio.TaskGroup() as group:
        group.create_task(lifecycle.stopped())
        await asyncio.sleep(0)
        lifecycle.stop()
    assert lifecycle.pong().state == "stopping"
