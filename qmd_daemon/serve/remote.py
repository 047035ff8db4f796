"""ZeroMQ over TCP, for those who have a key: the same operations, each within what the key allows.

libzmq does the cryptography (CURVE); it asks us about each public key that knocks (ZAP), and tells with each message
which key it came with. Keys are looked up again at each request: what is revoked is refused at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import structlog
import zmq
import zmq.asyncio
from zmq.auth.base import Authenticator

from ipc import curve, transport
from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.transport import Peer
from qmd_daemon import keys
from qmd_daemon.grants import Grants
from qmd_daemon.serve import audit
from qmd_daemon.serve.caller import Caller
from qmd_daemon.serve.dispatch import Dispatcher
from qmd_daemon.serve.rpc import Rpc

# What our sockets are called when libzmq asks about a key.
_DOMAIN = "qmd"
_HINT = "`qmd keys create --name NAME` makes one where the daemon is."

# Told of whoever is turned away: from which address, and why.
Refused = Callable[[str, QmdError], None]

log = structlog.get_logger()


class Remote:
    """Enter it to listen; leave it to stop. `address` is where, once it listens."""

    def __init__(self, address: str, dispatcher: Dispatcher, grants: Grants, paths: Paths) -> None:
        self._dispatcher = dispatcher
        self._grants = grants
        self._paths = paths
        self.address = address

    async def __aenter__(self) -> Self:
        """Raises QmdError: `invalid` when nobody has a key or it is no address of this machine, `conflict`."""
        if not self._grants.valid("key"):
            raise QmdError(
                "invalid",
                f"ZeroMQ on {self.address} is for others, and nobody has a key.",
                "Make one with `qmd keys create --name NAME`, or take `listen` out of [zmq] in config.toml.",
            )
        refused = self._refused
        gate = KeyGate(self.address, keys.server_secret(self._paths), self._grants, refused)
        async with AsyncExitStack() as stack:
            # With threads of its own: who is elsewhere does not slow down who is here.
            context = zmq.asyncio.Context()
            stack.callback(context.destroy)
            await stack.enter_async_context(Zap(context, self._grants, refused))
            await stack.enter_async_context(Rpc(context, gate, self._dispatcher))
            self.address = gate.address
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _refused(self, remote: str, error: QmdError) -> None:
        """Written down and counted, as over HTTP."""
        audit.refused(remote, "tcp", error.code, error.message)
        self._dispatcher.metrics.refused(error.code)


class KeyGate:
    """A TCP port: whoever has sent a message has proved to have the secret half of a key. `address` once it is open."""

    def __init__(self, address: str, secret: str, grants: Grants, refused: Refused) -> None:
        self.address = address
        self._secret = secret
        self._grants = grants
        self._refused = refused

    def open(self, socket: Any) -> None:
        transport.prepare(socket)
        curve.be_server(socket, self._secret, _DOMAIN)
        socket.setsockopt(zmq.IPV6, int("[" in self.address))
        try:
            socket.bind(self.address)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                raise QmdError(
                    "conflict", f"Another program listens on {self.address} already.", "See `listen` in config.toml."
                ) from None
            raise QmdError(
                "invalid", f"Cannot listen on {self.address}: {error}.", "See [zmq] in config.toml."
            ) from None
        self.address = socket.last_endpoint.decode()

    def close(self) -> None:
        """The port goes with the socket."""

    def admit(self, peer: Peer, frame: zmq.Frame) -> Caller:
        try:
            return self._caller(peer, frame)
        except QmdError as error:
            self._refused(str(frame.get("Peer-Address")), error)
            raise

    def _caller(self, peer: Peer, frame: zmq.Frame) -> Caller:
        grant = self._grants.of_key(str(frame.get("User-Id")))
        if grant is None:
            raise QmdError("unauthorized", "This key was revoked, or has expired.", _HINT)
        if not peer.is_anonymous:
            # By the name of one who has just gone, somebody else would get the answer that he still had to get.
            raise QmdError("forbidden", "Over TCP, a socket has no name of its own.", "Set no ZMQ_ROUTING_ID.")
        return Caller(f"key:{grant.id}", grant)


class Zap:
    """Answers libzmq's questions about keys, for all sockets of a context. Enter it before they listen."""

    def __init__(self, context: zmq.asyncio.Context, grants: Grants, refused: Refused) -> None:
        self._authenticator = Authenticator(context)
        self._authenticator.configure_curve_callback(_DOMAIN, self)
        self._grants = grants
        self._refused = refused
        self._remote = ""

    async def __aenter__(self) -> Self:
        self._authenticator.start()
        self._socket: Any = zmq.asyncio.Socket.shadow(self._authenticator.zap_socket)
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._answering = self._tasks.create_task(self._answer())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answering.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._authenticator.stop()

    def callback(self, _: str, public: bytes) -> bool:
        """Whether a key may come in: the authenticator asks."""
        try:
            known = self._grants.of_key(public.decode()) is not None
        except Exception:  # whoever cannot be looked up stays outside, and the others are still asked about
            log.exception("tcp.keys_unreadable")
            known = False
        if not known:
            self._refused(self._remote, QmdError("unauthorized", f"The key {public.decode()} is not valid here."))
        return known

    async def _answer(self) -> None:
        while True:
            asked = await self._socket.recv_multipart()
            self._remote = asked[3].decode()  # by ZAP: version, request, domain, address, …
            await self._authenticator.handle_zap_message(asked)
