"""Runs requests for every transport: bounded, with a deadline, logged, and each ends in one reply."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable

import structlog

from ipc import codec
from ipc.errors import QmdError
from ipc.protocol import AnyRequest, Done, JobGet, Listen, Ping, Reply, Shutdown
from qmd_daemon.grants import Grant
from qmd_daemon.metrics import Metrics
from qmd_daemon.serve import access, audit
from qmd_daemon.serve.answer import Answer, Emit, Handle
from qmd_daemon.serve.caller import OWNER, Caller
from qmd_daemon.serve.lifecycle import Lifecycle
from qmd_daemon.serve.rates import Rates

__all__ = ["Answer", "Dispatcher", "Emit", "Handle", "internal"]

MAX_IN_FLIGHT = 256
MAX_OF_ONE = 128
# For requests that name no deadline: longer than any answer that somebody still waits for.
DEFAULT_DEADLINE_S = 120.0

log = structlog.get_logger()


class Dispatcher:
    """Between the transports, which know bytes and peers, and the handlers, which know neither.

    Until `open` is called, and after `drain`, every request but a ping and a shutdown is refused.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        max_of_one: int = MAX_OF_ONE,
        metrics: Metrics | None = None,
        still: Callable[[Grant], None] = lambda _: None,
    ) -> None:
        """`max_of_one`: requests of one client under way, so that none keeps the others out.

        `still` raises QmdError for a grant that was revoked, or has expired, while its request is under way.
        """
        self._lifecycle = lifecycle
        self._max_in_flight = max_in_flight
        self._max_of_one = max_of_one
        self._clients: Counter[str] = Counter()
        self._classes: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._rates = Rates()
        self.still = still
        self.metrics = metrics or Metrics()
        self._handle: Handle | None = None
        self._running: set[asyncio.Timeout] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._running)

    def under_way(self) -> dict[str, int]:
        """Requests under way, by who waits for them."""
        return {name: count for name, count in self._classes.items() if count}

    def answered(self) -> dict[str, int]:
        """Requests that were under way, since the start, by who waited for them."""
        return dict(self._answered)

    def open(self, handle: Handle) -> None:
        self._handle = handle
        self._lifecycle.phase = "ready"

    async def drain(self, grace_s: float) -> None:
        """Refuse what comes, and let what runs finish; what takes longer than `grace_s` ends with an error."""
        self._handle = None
        now = asyncio.get_running_loop().time()
        for timeout in self._running:
            when = timeout.when()
            # Whoever watches a job has no deadline, and would not be done.
            timeout.reschedule(now if when is None else min(now + grace_s, when))
        await self._idle.wait()

    def answer_now(self, request: AnyRequest, caller: Caller = OWNER) -> Reply | None:
        """The reply to what must never wait, whatever else is going on."""
        match request:
            case Ping():
                return self._lifecycle.pong()
            case Shutdown() if caller.grant is None:
                log.info("daemon.shutdown_requested")
                self._lifecycle.stop()
                return Done()
        return None

    async def run(self, request: AnyRequest, emit: Emit, caller: Caller = OWNER) -> Answer:
        """The answer to the request: the handler's, or an ErrorReply. Raises CancelledError only."""
        if reply := self.answer_now(request, caller):
            return Answer(reply)
        started = time.perf_counter()
        token = secrets.token_hex(4)
        op = type(request).__struct_config__.tag
        named = {"id": request.id} if _is_plain(request.id) else {}
        with structlog.contextvars.bound_contextvars(request=token, op=op, **named):
            code, reply = "cancelled", None
            log.debug("request.started")  # the one that hangs is the one that has no `request.done`
            try:
                answer = await self._run(request, emit, caller)
                code, reply = "ok", answer.reply
                return answer
            except QmdError as error:
                code = error.code
                return Answer(codec.error_reply(error))
            except Exception:
                code = "internal"
                log.exception("request.failed")
                return Answer(codec.error_reply(internal(token)))
            finally:
                if caller.grant is not None:
                    audit.note(request, caller.grant, code)
                # Behind the answer: to note it takes as long as finding a word.
                asyncio.get_running_loop().call_soon(self._note, request, code, time.perf_counter() - started, reply)

    def _note(self, request: AnyRequest, code: str, seconds: float, reply: Reply | None) -> None:
        self.metrics.answered(request, code, seconds, reply)
        log.info("request.done", code=code, ms=round(1000 * seconds, 1))

    async def _run(self, request: AnyRequest, emit: Emit, caller: Caller) -> Answer:
        if self._handle is None:
            raise QmdError("unavailable", f"The daemon is {self._lifecycle.phase}.", "Try again in a moment.")
        if caller.grant is not None:
            self._rates.take(caller.grant)
        if len(self._running) >= self._max_in_flight:
            raise QmdError("overloaded", f"{len(self._running)} requests are under way.", "Try again in a moment.")
        if self._clients[caller.key] >= self._max_of_one:
            raise QmdError("rate_limited", f"{self._max_of_one} requests of yours are under way.", "Wait for them.")
        deadline_s = request.deadline_s or (None if _is_watch(request) else DEFAULT_DEADLINE_S)
        timeout = asyncio.timeout(deadline_s)
        try:
            async with timeout:
                self._running.add(timeout)
                self._clients[caller.key] += 1
                self._classes[request.client] += 1
                self._idle.clear()
                if caller.grant is not None:
                    told = self._while_valid(emit, caller.grant)
                    return await access.answer(self._handle, request, told, caller.grant)
                return await self._handle(request, emit)
        except TimeoutError:
            if not timeout.expired():
                raise
            if self._handle is None:
                raise QmdError("unavailable", "The daemon is stopping.", "Try again in a moment.") from None
            raise QmdError("deadline", f"Not done within {deadline_s:g} s.", "Give it a later deadline.") from None
        finally:
            if timeout in self._running:
                self._running.discard(timeout)
                self._clients[caller.key] -= 1
                self._classes[request.client] -= 1
                self._answered[request.client] += 1
                self._clients += Counter()  # without those that have nothing under way
            if not self._running:
                self._idle.set()

    def _while_valid(self, emit: Emit, grant: Grant) -> Emit:
        async def told(reply: Reply) -> None:
            self.still(grant)
            await emit(reply)

        return told


def internal(token: str) -> QmdError:
    return QmdError("internal", "Something went wrong in the daemon.", f"Its log has more: look for {token}.")


def _is_plain(name: str) -> bool:
    """Whether a client's name for its request may stand in the log."""
    return 0 < len(name) <= 64 and name.isascii() and name.isprintable()


def _is_watch(request: AnyRequest) -> bool:
    """Whoever watches a job, or listens, waits as long as it takes."""
    return isinstance(request, Listen) or (isinstance(request, JobGet) and request.stream)
