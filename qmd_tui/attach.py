"""The way to a daemon that is ready, for a session: `ensure_daemon` in a thread, then a client of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ipc.errors import QmdError
from ipc.paths import Paths

if TYPE_CHECKING:
    from ipc.client import Client
    from ipc.launch import Endpoint


@asynccontextmanager
async def attach(paths: Paths, on_wait: Callable[[str], None]) -> AsyncIterator[Client]:
    """Find the daemon or launch it, and connect. `on_wait` is called in the loop. Raises QmdError."""
    endpoint = await ensure(paths, on_wait)
    from ipc.client import Client  # imported by the thread already, so that the first frame does not wait for it

    async with Client(endpoint.rpc, endpoint.events) as client:
        yield client


async def ensure(paths: Paths, on_wait: Callable[[str], None]) -> Endpoint:
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Endpoint] = loop.create_future()

    def tell(call: Callable[[], object]) -> None:
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    def work() -> None:
        import ipc.client  # noqa: F401
        from ipc.launch import ensure_daemon

        try:
            endpoint = ensure_daemon(paths, on_wait=lambda what: tell(lambda: on_wait(what)))
        except QmdError as error:
            failure = error  # a name that outlives the except block
            tell(lambda: None if found.done() else found.set_exception(failure))
        else:
            tell(lambda: None if found.done() else found.set_result(endpoint))

    # A daemon thread, and not joined: a launch may take a minute, and quitting must not wait for it.
    threading.Thread(target=work, name="attach", daemon=True).start()
    return await found
