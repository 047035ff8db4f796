from __future__ import annotations

import asyncio
from contextlib import aclosing

import zmq.asyncio

from ipc.client import Client
from ipc.paths import Paths, private_dir
from ipc.protocol import IndexEvent
from ipc.transport import is_listening
from qmd_daemon.serve.events import Events


async def test_events_arrive_also_from_other_threads(home: Paths) -> None:
    private_dir(home.runtime)
    with zmq.asyncio.Context() as context:
        async with Events(context, home.events) as events, Client(home.rpc, home.events) as client:
            heard: asyncio.Queue[object] = asyncio.Queue()

            async def listen() -> None:
                async with aclosing(client.events("index")) as stream:
                    async for event in stream:
                        heard.put_nowait(event)

            async with asyncio.TaskGroup() as group:
                listening = group.create_task(listen())
                # A subscription takes a moment to arrive: publish until one event is through.
                seq = 0
                while heard.empty():
                    seq += 1
                    events.publish("index", IndexEvent(index="index", seq=seq))
                    await asyncio.sleep(0.001)
                await heard.get()
                await asyncio.to_thread(events.publish, "index", IndexEvent(index="other", seq=1))
                while await heard.get() != ("index", IndexEvent(index="other", seq=1)):
                    pass
                listening.cancel()


async def test_with_nobody_listening_and_after_the_end_nothing_happens(home: Paths) -> None:
    private_dir(home.runtime)
    with zmq.asyncio.Context() as context:
        async with Events(context, home.events) as events:
            events.publish("index", IndexEvent(index="index", seq=1))
        assert not is_listening(home.events)
        events.publish("index", IndexEvent(index="index", seq=2))
