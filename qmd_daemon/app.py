"""The map: builds every part, starts them in order, and stops them in reverse. No other file knows all of them."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import structlog
import zmq.asyncio
from msgspec import Struct

from ipc.errors import QmdError
from ipc.holder import Holder
from ipc.paths import Paths
from ipc.protocol import PROTOCOL_VERSION, GpuSample, IndexStatus, Job, Publish, Topic
from qmd_daemon import __version__, logs, systemd
from qmd_daemon.config import Config, size_bytes
from qmd_daemon.engine.gpu import Meter
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.grants import Grants
from qmd_daemon.ingest.collections import Collections
from qmd_daemon.ingest.jobs import Jobs
from qmd_daemon.ingest.renewal import Renewal
from qmd_daemon.search.pipeline import Searcher
from qmd_daemon.serve.choosing import Chooser
from qmd_daemon.serve.dispatch import Dispatcher
from qmd_daemon.serve.events import Events
from qmd_daemon.serve.feed import Feed
from qmd_daemon.serve.handlers import Handlers
from qmd_daemon.serve.http import Http, PortTaken
from qmd_daemon.serve.lifecycle import Lifecycle
from qmd_daemon.serve.mcp import Mcp
from qmd_daemon.serve.pulling import Puller
from qmd_daemon.serve.remote import Remote
from qmd_daemon.serve.rpc import LocalGate, Rpc
from qmd_daemon.serve.stock import Stock
from qmd_daemon.serve.telemetry import Telemetry
from qmd_daemon.serve.watchdog import Watchdog
from qmd_daemon.singleton import Singleton
from qmd_daemon.store.index import Indexes
from qmd_daemon.systemd import Notifier

# What a request that runs when the daemon is told to stop may still take.
GRACE_S = 5.0
# When a part does not stop in this time after that, its traceback is written and the process ends.
STUCK_S = 15.0
# New objects, less those that are gone, before Python looks for garbage; each look costs some milliseconds. What a
# request makes goes with it, so that only what refers to itself adds up.
_COLLECT_AFTER = (100_000, 10, 10)

log = structlog.get_logger()


class App:
    """The daemon. `lock` is held by the caller, for longer than `run` takes."""

    def __init__(
        self,
        config: Config,
        paths: Paths,
        lock: Singleton,
        *,
        foreground: bool,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        """`reread` is what the configuration is by now; it raises QmdError when that is wrong."""
        self._reread = reread or (lambda: config)
        self._config = config
        self._paths = paths
        self._lock = lock
        self._foreground = foreground
        self._feed = Feed()
        self._grants = Grants(paths.grants_file)
        self._notifier = Notifier()
        self._handed = systemd.listening()
        systemd.forget()

    async def run(self) -> None:
        """Serve until a signal or a `shutdown` request.

        Raises PortTaken in the foreground; a daemon that nobody watches serves ZeroMQ alone, and says so.
        """
        # A client waits at most so long for a thread that cuts texts for an index; Python's own 5 ms add up.
        sys.setswitchinterval(0.0005)
        self._lifecycle = Lifecycle(__version__)
        self._dispatcher = Dispatcher(
            self._lifecycle, max_of_one=self._config.http.client_requests, still=self._grants.check
        )
        _listen_to_signals(self._lifecycle)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._change_log_level)
        async with AsyncExitStack() as stack:
            publish = await self._start_sockets(stack)
            engine = await stack.enter_async_context(
                Engine(self._config.engine, self._paths, publish, self._config.models)
            )
            handlers = await self._start_index(stack, engine, publish)
            await self._start_http(stack, engine)
            await self._start_remote(stack)
            await stack.enter_async_context(
                Watchdog(self._notifier, self._indexes.answered, self._compacts, lambda: self._how_it_is(engine))
            )
            self._announce()
            _spare_the_collector()
            self._dispatcher.open(handlers.handle)
            log.info(
                "daemon.ready",
                pid=os.getpid(),
                state=self._lifecycle.state,
                http=self._lifecycle.http,
                tcp=self._lifecycle.tcp,
            )
            self._notifier.ready(self._how_it_is(engine))

            await self._lifecycle.stopped()
            self._notifier.stopping(GRACE_S + STUCK_S)
            log.info("daemon.stopping")
            faulthandler.dump_traceback_later(GRACE_S + STUCK_S, exit=True)
            await self._dispatcher.drain(GRACE_S)
        faulthandler.cancel_dump_traceback_later()
        log.info("daemon.stopped", uptime_s=round(self._lifecycle.uptime_s, 1))

    async def _start_sockets(self, stack: AsyncExitStack) -> Publish:
        """Before the rest, so that a ping is answered while the rest starts."""
        context = zmq.asyncio.Context()
        stack.callback(context.destroy)
        events = await stack.enter_async_context(Events(context, self._paths.events))

        def publish(topic: Topic, event: Struct) -> None:
            events.publish(topic, event)
            self._feed.publish(topic, event)

        stack.enter_context(logs.published(publish))
        await stack.enter_async_context(Rpc(context, LocalGate(self._paths.rpc), self._dispatcher))
        self._announce()
        return publish

    async def _start_index(self, stack: AsyncExitStack, engine: Engine, publish: Publish) -> Handlers:
        """Everything between the sockets and the engine."""
        indexes = Indexes(self._paths, publish)
        stack.push_async_callback(indexes.close)
        collections = Collections(self._paths, indexes)
        puller = Puller(self._config, engine.look_again)
        jobs = await stack.enter_async_context(
            Jobs(indexes, engine, self._config.ingest, collections, publish, others={"fetch": puller.pull})
        )
        self._indexes, self._jobs = indexes, jobs
        self._telemetry = telemetry = await stack.enter_async_context(
            Telemetry(Meter(lambda: engine.worker_pid).sample, publish, also=self._load(engine))
        )
        await stack.enter_async_context(
            Renewal(indexes, engine, lambda name: jobs.start("embed", name, force=False, collections=[]))
        )
        return Handlers(
            lifecycle=self._lifecycle,
            indexes=indexes,
            engine=engine,
            chooser=Chooser(self._paths.config_file, self._paths.models, engine, self._reread),
            jobs=jobs,
            collections=collections,
            searcher=Searcher(indexes, engine),
            puller=puller,
            stock=Stock(self._reread, self._paths.models),
            feed=self._feed,
            gpu=lambda: telemetry.last,
        )

    def _load(self, engine: Engine) -> Callable[[GpuSample], GpuSample]:
        """What the meter itself cannot see: how much there is to do, and what the worker may take."""
        limits = self._config.engine
        with_card, without = size_bytes(limits.max_vram), size_bytes(limits.max_ram)

        def complete(sample: GpuSample) -> GpuSample:
            return msgspec.structs.replace(
                sample,
                ceiling_bytes=with_card if sample.cards else without,
                queued=engine.status().queued,
                requests=self._dispatcher.under_way(),
                answered=self._dispatcher.answered(),
                **engine.computed._asdict(),
            )

        return complete

    async def _start_http(self, stack: AsyncExitStack, engine: Engine) -> None:
        """Tells the lifecycle the address, or why there is none."""
        if not self._config.http.enabled:
            self._lifecycle.note = "HTTP is off"
            return
        try:
            http = Http(
                self._config.http,
                self._dispatcher,
                self._lifecycle,
                engine.status,
                grants=self._grants,
                feed=self._feed,
                model=engine.model,
                standing=self._standing,
                others=[Mcp(self._paths, self._dispatcher, self._config.http.body_s).route()],
                handed=self._handed,
            )
            await stack.enter_async_context(http)
        except PortTaken as error:
            if self._foreground:
                raise
            log.warning("http.port_taken", port=self._config.http.port, hint=error.hint)
            self._lifecycle.note = f"no HTTP: {error.message}"
        else:
            self._lifecycle.http = http.address

    async def _start_remote(self, stack: AsyncExitStack) -> None:
        """ZeroMQ for others, where the configuration asks for it."""
        if not (address := self._config.zmq.listen):
            return
        try:
            remote = Remote(address, self._dispatcher, self._grants, self._paths)
            await stack.enter_async_context(remote)
        except QmdError as error:
            if self._foreground or error.code != "conflict":
                raise
            log.warning("tcp.port_taken", address=address, hint=error.hint)
            self._lifecycle.note = "; ".join(filter(None, [self._lifecycle.note, f"no TCP: {error.message}"]))
        else:
            self._lifecycle.tcp = remote.address

    def _how_it_is(self, engine: Engine) -> str:
        """One line for `systemctl status`."""
        now = engine.status()
        return f"{self._lifecycle.state}; model {now.model or 'none'}: {now.state}; {now.queued} texts wait"

    def _compacts(self) -> bool:
        """Whether a writer is copying its file, which takes as long as that takes."""
        return any(job.kind == "cleanup" and job.state == "running" for job in self._jobs.list())

    def _change_log_level(self) -> None:
        """To the one that the configuration has now. The rest of it counts from the next start."""
        try:
            level = self._reread().log.level
        except QmdError as error:
            log.warning("log.level_kept", reason=error.message)
            return
        logs.set_level(level)
        log.info("log.level_changed", level=level)

    async def _standing(self) -> tuple[list[IndexStatus], GpuSample | None, list[Job]]:
        return await self._indexes.statuses(), self._telemetry.last, self._jobs.list()

    def _announce(self) -> None:
        """For clients whose runtime directory is another one."""
        holder = Holder(
            pid=os.getpid(),
            version=__version__,
            protocol=PROTOCOL_VERSION,
            rpc=self._paths.rpc,
            events=self._paths.events,
            http=self._lifecycle.http,
            tcp=self._lifecycle.tcp,
        )
        self._lock.announce(holder)


def _spare_the_collector() -> None:
    """What is there by now stays: to look through all of it takes a tenth of a second, in which nobody is answered."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def _listen_to_signals(lifecycle: Lifecycle) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, lifecycle.stop)

    def complain(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.error("loop.error", reason=context["message"], exc_info=context.get("exception"))

    loop.set_exception_handler(complain)
