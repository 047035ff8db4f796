"""The one module that talks to the daemon: it connects, asks, listens, and says what it learns in messages.

Nothing here knows a widget. One question is under way at a time, and a new one cancels the one before,
in the daemon too. When the daemon goes away, the session starts it again and repeats the question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing
from typing import TYPE_CHECKING, Any

from textual.message import Message

from ipc.errors import DaemonUnreachable, QmdError
from ipc.protocol import (
    REPLIES,
    DocumentReply,
    Get,
    GpuSample,
    IndexEvent,
    JobEvent,
    LogEvent,
    ModelsEvent,
    Query,
    Request,
    Search,
    SearchReply,
    SearchRequest,
    Similar,
    Status,
    StatusReply,
    VSearch,
)
from qmd_tui import query
from qmd_tui.messages import (
    Answered,
    AskFailed,
    ConnectionChanged,
    DocumentFailed,
    DocumentLoaded,
    EngineReported,
    GpuSampled,
    Granted,
    IndexReported,
    JobProgressed,
    LogReported,
    Mode,
    Question,
    Refused,
    Wanted,
)
from qmd_tui.settings import Settings

if TYPE_CHECKING:
    from ipc.client import Client

# Told what is waited for; gives a client once the daemon is ready. Raises QmdError.
Connect = Callable[[Callable[[str], None]], AbstractAsyncContextManager["Client"]]
Post = Callable[[Message], object]
_KINDS: dict[Mode, type[Search | VSearch | Query]] = {"search": Search, "vsearch": VSearch, "query": Query}
# What a person has asked for may take its time: loading a model takes seconds.
_WISH_S = 120.0
# A question that the daemon does not survive is not repeated for ever.
_MOST_ATTEMPTS = 3


class Session:
    """Run it in a task of the app. `post` gets every fact, in the order in which it was learnt."""

    def __init__(self, connect: Connect, post: Post, settings: Settings) -> None:
        self._connect = connect
        self._post = post
        self._settings = settings
        self._client: Client | None = None
        self._question: Question | None = None
        self._attempts = 0
        self._found_nothing = False
        self._wanted: Wanted | None = None
        self._asking = _Latest()
        self._fetching = _Latest()
        self._tasks: asyncio.TaskGroup | None = None
        self._heard = False  # anything from the daemon since the last look
        self._trouble = asyncio.Event()  # a request was not answered: look at once
        self._stale = asyncio.Event()  # the index is not what was last reported

    async def run(self) -> None:
        """Stay connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = self._asking.tasks = self._fetching.tasks = tasks
            retry_s = self._settings.retry_first_s
            while True:
                self._post(ConnectionChanged("connecting"))
                try:
                    async with self._connect(self._waiting) as client:
                        retry_s = self._settings.retry_first_s
                        error = await self._attend(client)
                except QmdError as failure:
                    error = failure
                self._post(ConnectionChanged("lost", str(error), retry_s))
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, self._settings.retry_most_s)

    def ask(self, question: Question) -> None:
        """Ask this instead of whatever was asked before; an empty text asks nothing. Kept until it can be asked."""
        self._question = question if question.text or question.like else None
        self._attempts = 0
        self._ask_again()

    def fetch(self, wanted: Wanted) -> None:
        """Report these lines of a document, and no others that were wanted before. Kept until they can be had."""
        self._wanted = wanted
        self._fetch_again()

    async def document(self, file: str, first_line: int, count: int) -> DocumentReply:
        """Some lines of a document. Raises QmdError, also where there is no daemon at present."""
        if self._client is None:
            raise _not_there()
        request = Get(index=self._settings.index, ref=file, from_line=first_line, max_lines=count)
        return await self._client.call(request, DocumentReply)

    def wish(self, request: Request) -> None:
        """Have the daemon do something; `Granted` or `Refused` tells what came of it."""
        if self._tasks is None:
            self._post(Refused(request, _not_there()))
        else:
            self._tasks.create_task(self._grant(request))

    async def _grant(self, request: Request) -> None:
        try:
            if self._client is None:
                raise _not_there()
            reply = await self._client.call(request, REPLIES[type(request)], timeout_s=_WISH_S)
        except DaemonUnreachable as error:
            self._trouble.set()
            self._post(Refused(request, error))
        except QmdError as error:
            self._post(Refused(request, error))
        else:
            self._post(Granted(request, reply))
            self._stale.set()

    # -- the connection ----------------------------------------------------------------------

    async def _attend(self, client: Client) -> QmdError:
        """Serve until the daemon is gone; return what showed that it is."""
        self._client = client
        self._trouble.clear()
        self._stale.set()
        self._post(ConnectionChanged("ready"))
        self._ask_again()
        self._fetch_again()
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(self._listen(client)), tasks.create_task(self._report(client))]
                error = await self._watch(client)
                for task in others:
                    task.cancel()
            return error
        finally:
            self._client = None
            self._asking.cancel()
            self._fetching.cancel()

    async def _watch(self, client: Client) -> QmdError:
        """Ask whether the daemon lives whenever it is silent or leaves a request unanswered."""
        while True:
            try:
                async with asyncio.timeout(self._settings.silence_s):
                    await self._trouble.wait()
            except TimeoutError:
                if self._heard:
                    self._heard = False
                    continue
            try:
                await client.ping(timeout_s=self._settings.ping_s)
            except QmdError as error:
                return error
            if self._trouble.is_set():  # another daemon has taken its place already
                self._trouble.clear()
                self._stale.set()
                self._ask_again()
                self._fetch_again()

    async def _listen(self, client: Client) -> None:
        try:
            await self._hear(client)
        except QmdError:  # a daemon elsewhere does not let us listen any more; a ping tells whether it answers at all
            self._trouble.set()

    async def _hear(self, client: Client) -> None:
        async with aclosing(client.events("gpu", "job", "index", "models", "log")) as events:
            async for _, event in events:
                self._heard = True
                match event:
                    case GpuSample():
                        self._post(GpuSampled(event))
                    case JobEvent(job=job):
                        self._post(JobProgressed(job))
                    case IndexEvent(index=name) if name == self._settings.index:
                        self._stale.set()
                    case ModelsEvent(engine=engine):
                        self._post(EngineReported(engine))
                    case LogEvent():
                        self._post(LogReported(event))

    async def _report(self, client: Client) -> None:
        """Report the index when it has changed, and ask again what had no answer in it."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                status = await client.call(Status(index=self._settings.index), StatusReply)
                self._tell(status)
                if self._found_nothing:
                    self._ask_again()
            except DaemonUnreachable:
                self._trouble.set()
            except QmdError:
                pass  # the last report stays; a search of that index says what is wrong with it
            await asyncio.sleep(self._settings.report_every_s)

    def _tell(self, status: StatusReply) -> None:
        self._post(IndexReported(status.index))
        self._post(EngineReported(status.engine))
        if status.gpu is not None:
            self._post(GpuSampled(status.gpu))
        for job in status.jobs:
            if job.state in {"queued", "running"}:
                self._post(JobProgressed(job))

    def _waiting(self, what: str) -> None:
        self._post(ConnectionChanged("connecting", what))

    # -- the requests ------------------------------------------------------------------------

    def _ask_again(self) -> None:
        self._asking.cancel()
        self._found_nothing = False
        if self._client is not None and self._question is not None:
            self._asking.start(self._answer(self._client, self._question))

    def _fetch_again(self) -> None:
        self._fetching.cancel()
        if self._client is not None and self._wanted is not None:
            self._fetching.start(self._load(self._wanted))

    async def _answer(self, client: Client, question: Question) -> None:
        """One request, whose replies are the stages: the daemon asks no model before the typing has paused."""
        try:
            async with aclosing(client.stream(self._request(question), SearchReply)) as replies:
                async for reply in replies:
                    self._found_nothing = reply.done and not reply.results
                    self._post(Answered(question, reply, reply.done))
        except DaemonUnreachable as error:
            self._attempts += 1
            if self._attempts >= _MOST_ATTEMPTS:
                self._question = None
                self._post(AskFailed(question, error))
            self._trouble.set()
        except QmdError as error:
            self._post(AskFailed(question, error))

    def _request(self, question: Question) -> SearchRequest | Similar:
        depth = question.depth or self._settings.top_k
        if question.like:
            return Similar(index=self._settings.index, ref=question.like, top_k=depth)
        asked = query.read(question.text)
        return _KINDS[question.mode](
            index=self._settings.index,
            query=asked.query,
            collections=list(asked.collections),
            intent=asked.intent,
            top_k=depth,
            stream=True,
            explain=True,
            pause_ms=0 if question.depth else self._settings.debounce_ms,
        )

    async def _load(self, wanted: Wanted) -> None:
        around = self._settings.window_lines
        try:
            document = await self.document(wanted.file, max(1, wanted.line - around), 2 * around + 1)
        except DaemonUnreachable:
            self._trouble.set()  # it is fetched again from the next daemon
            return
        except QmdError as error:
            self._post(DocumentFailed(wanted, error))
        else:
            self._post(DocumentLoaded(wanted, document))
        self._wanted = None


def _not_there() -> DaemonUnreachable:
    return DaemonUnreachable("The daemon is not there yet.", "Try again in a moment.")


class _Latest:
    """At most one task of a kind: a new one cancels the one before."""

    def __init__(self) -> None:
        self.tasks: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self.cancel()
        if self.tasks is None:
            work.close()  # not running yet, or not any more
        else:
            self._task = self.tasks.create_task(work)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
