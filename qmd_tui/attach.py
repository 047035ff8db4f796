"""The way to a daemon that is ready, for a session: `ensure_daemon` in a thread, then a client of it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ipc.errors import QmdError
from ipc.paths import SOCKET_PATH_MAX_BYTES, Paths

if TYPE_CHECKING:
    from ipc.client import Client
    from ipc.launch import Endpoint


@asynccontextmanager
async def attach(paths: Paths, place: str, key: str, on_wait: Callable[[str], None]) -> AsyncIterator[Client]:
    """Connect to the daemon at `place` (see `elsewhere`); "" finds the one of this machine, or launches it.

    `on_wait` is called in the loop. Raises QmdError.
    """
    if place:
        on_wait(place)
        endpoint = elsewhere(paths, place, key)
    else:
        endpoint = await ensure(paths, on_wait)
    # Imported by the thread already, so that the first frame does not wait for it.
    from ipc.client import Client

    async with Client(endpoint.rpc, endpoint.events, endpoint.keys) as client:
        if place:
            await client.ping()
        yield client


def elsewhere(paths: Paths, place: str, key: str = "", env: Mapping[str, str] = os.environ) -> Endpoint:
    """A daemon at `tcp://HOST:PORT`, or behind a socket that was forwarded here: rpc.sock, or its directory.

    Over TCP, its key is in the file `key`, else in that of QMD_KEY, else in client.key beside the configuration.
    The events of a socket are looked for beside it; a daemon whose events are not forwarded is only asked, which is
    enough. Raises QmdError: invalid, or not_found (the key).
    """
    from ipc import curve
    from ipc.launch import Endpoint

    if place.startswith("tcp:"):
        if not curve.is_tcp(place):
            raise QmdError("invalid", f"{place!r} is no address.", "Such as tcp://desk.example.org:18766.")
        return Endpoint(place, keys=curve.read(os.path.expanduser(key or env.get("QMD_KEY") or paths.client_key_file)))
    path = os.path.abspath(os.path.expanduser(place))
    if os.path.isdir(path):
        path = os.path.join(path, "rpc.sock")
    events = os.path.join(os.path.dirname(path), "events.sock")
    if max(len(os.fsencode(path)), len(os.fsencode(events))) > SOCKET_PATH_MAX_BYTES:
        raise QmdError("invalid", f"{path} is too long for a socket.", "Forward it to a shorter path.")
    return Endpoint(f"ipc://{path}", f"ipc://{events}")


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
