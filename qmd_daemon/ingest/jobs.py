"""Long work on an index, one job at a time for each, that anybody can watch."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import structlog

from ipc.errors import QmdError
from ipc.protocol import ErrorBody, Job, JobEvent, JobState, Publish
from qmd_daemon.config import IngestConfig
from qmd_daemon.ingest.cleanup import cleanup
from qmd_daemon.ingest.collections import Collections
from qmd_daemon.ingest.embedding import Embedder, embed
from qmd_daemon.ingest.indexer import update
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.store.index import Index, Indexes

Kind: TypeAlias = Literal["update", "embed", "add", "cleanup", "fetch"]
# What a job of another kind does. It is handed the job's options.
Work: TypeAlias = Callable[..., Awaitable[None]]
_KEPT = 50
# Jobs that wait in one index's queue; the same one asked for again does not count.
_QUEUED_MAX = 50
# Progress is told at most so often.
_TELL_S = 0.1
log = structlog.get_logger()


class _Record:
    """A job, and who is told about it."""

    def __init__(self, job_id: str, kind: Kind, index: str, options: dict[str, Any], publish: Publish) -> None:
        self.kind = kind
        self.index = index
        self.options = options
        self.progress = Progress(self._progressed)
        self.task: asyncio.Task[None] | None = None
        self._collections = list(options.get("collections", ()))
        self.job = Job(
            id=job_id, kind=kind, index=index, state="queued", created_at=time.time(), collections=self._collections
        )
        self._publish = publish
        self._told_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    @property
    def over(self) -> bool:
        return self.job.state not in {"queued", "running"}

    def enter(self, state: JobState, error: ErrorBody | None = None) -> None:
        """Change the state, and tell at once."""
        ended = state not in {"queued", "running"}
        now = time.time()
        self._tell(
            state,
            error,
            started_at=self.job.started_at or (now if state == "running" else 0.0),
            ended_at=now if ended else 0.0,
        )

    async def watch(self) -> AsyncIterator[Job]:
        """The job as it is, then at every change, until it is over."""
        while True:
            changed, job, over = self._changed, self.job, self.over
            yield job
            if over:
                return
            await changed.wait()

    def _progressed(self) -> None:
        if self._timer is not None or self.job.state != "running":
            return
        wait = self._told_at + _TELL_S - time.monotonic()
        if wait <= 0:
            self._tell_progress()
        else:
            self._timer = asyncio.get_running_loop().call_later(wait, self._tell_progress)

    def _tell_progress(self) -> None:
        self._tell(self.job.state, None, started_at=self.job.started_at, ended_at=0.0)

    def _tell(self, state: JobState, error: ErrorBody | None, *, started_at: float, ended_at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        progress = self.progress
        self.job = Job(
            id=self.job.id,
            kind=self.kind,
            index=self.index,
            state=state,
            phase=progress.phase,
            done=progress.done,
            total=progress.total,
            current=progress.current,
            counts=dict(progress.counts),
            skipped=list(progress.skipped),
            error=error,
            created_at=self.job.created_at,
            started_at=started_at,
            ended_at=ended_at,
            unit=progress.unit,
            files=list(progress.files),
            collections=self._collections,
        )
        self._told_at = time.monotonic()
        self._changed.set()
        self._changed = asyncio.Event()
        self._publish("job", JobEvent(job=self.job))


class Jobs:
    """Runs jobs. An async context: leaving it cancels what runs, which loses nothing that was done."""

    def __init__(
        self,
        indexes: Indexes,
        engine: Embedder,
        config: IngestConfig,
        collections: Collections,
        publish: Publish,
        *,
        others: Mapping[Kind, Work] | None = None,
    ) -> None:
        """`collections` is what everybody uses: two would change index.yml behind each other's back.

        `others`: kinds of jobs that have nothing to do with an index, and what they do.
        """
        self._others = others or {}
        self._indexes = indexes
        self._engine = engine
        self._config = config
        self._collections = collections
        self._publish = publish
        self._records: dict[str, _Record] = {}
        self._queues: dict[str, deque[_Record]] = {}
        self._group = asyncio.TaskGroup()
        self._closing = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        for record in self._records.values():
            self._stop(record)
        await self._group.__aexit__(None, None, None)  # what went wrong inside is not the jobs' doing

    def start(self, kind: Kind, index: str, **options: Any) -> Job:
        """Queue a job; one that is queued already for the same is joined.

        Options: `collections` of an update, add or embed (none: all), `force` of an embed, those of other kinds.
        `index` is "" for what belongs to none. Raises QmdError("unavailable") while the daemon stops, and
        QmdError("overloaded") when too many wait.
        """
        if self._closing:
            raise QmdError("unavailable", "The daemon is stopping.", "Try again when it is back.")
        queue = self._queues.setdefault(index, deque())
        for record in queue:
            # The first one runs: it may be past what has changed in an index, or about to end.
            late = record.task is not None and (kind not in self._others or record.task.cancelling())
            if not late and record.kind == kind and record.options == options:
                return record.job
        if len(queue) > _QUEUED_MAX:
            raise QmdError("overloaded", f"{_QUEUED_MAX} jobs wait already.", "Try again when some are done.")
        record = _Record(secrets.token_hex(4), kind, index, options, self._publish)
        self._records[record.job.id] = record
        self._forget_old()
        queue.append(record)
        record.enter("queued")
        if len(queue) == 1:
            self._begin(record)
        return record.job

    def get(self, job_id: str) -> Job:
        """A job as it is now. Raises QmdError("not_found")."""
        return self._record(job_id).job

    def list(self) -> list[Job]:
        """The last jobs, oldest first."""
        return [record.job for record in self._records.values()]

    def cancel(self, job_id: str) -> Job:
        """Stop a job; what it has done stays. One that is over is left as it is. Raises QmdError("not_found")."""
        record = self._record(job_id)
        self._stop(record)
        return record.job

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job now and at every progress (ten times a second at most), the last in its final state.

        Raises QmdError("not_found").
        """
        async for job in self._record(job_id).watch():
            yield job

    # -- running ---------------------------------------------------------------------------

    def _begin(self, record: _Record) -> None:
        record.task = self._group.create_task(self._run(record), name=f"job-{record.job.id}")

    async def _run(self, record: _Record) -> None:
        record.enter("running")
        job = log.bind(job=record.job.id, kind=record.kind, index=record.index)
        job.info("job.started")
        try:
            await self._work(record)
        except asyncio.CancelledError:
            record.enter("cancelled")
            raise
        except QmdError as error:
            record.enter("failed", ErrorBody(code=error.code, message=error.message, hint=error.hint))
        except Exception:  # noqa: BLE001 - logged, told, and no reason to take the daemon down
            job.exception("job.crashed")
            hint = f"The daemon's log tells more about job {record.job.id}."
            record.enter("failed", ErrorBody(code="internal", message="The job failed.", hint=hint))
        else:
            record.enter("done")
        finally:
            job.info("job.ended", state=record.job.state, **record.job.counts)
            self._next(record)

    async def _work(self, record: _Record) -> None:
        if record.kind in self._others:
            await self._others[record.kind](record.progress, **record.options)
            return
        index = await self._indexes.get(record.index)
        try:
            await self._work_on(index, record)
        except BaseException:
            index.follow()  # what was done until now can be searched, too
            raise

    async def _work_on(self, index: Index, record: _Record) -> None:
        progress = record.progress
        if record.kind in {"update", "add"}:
            await self._collections.sync(index)
            await update(index, record.options.get("collections", ()), self._config.max_file_bytes, progress)
        if record.kind == "cleanup":
            await self._collections.sync(index)
            await cleanup(index, progress)
        if record.kind == "embed":
            await embed(index, self._engine, progress, **record.options)
        elif record.kind == "add":
            if self._engine.model() is None:
                progress.begin("no vectors: there is no embedding model")
            else:
                await embed(index, self._engine, progress)

    def _next(self, record: _Record) -> None:
        """Take a job that is over out of its queue, and begin the one that waits for it."""
        queue = self._queues[record.index]
        queue.remove(record)
        if not queue:
            del self._queues[record.index]
        elif queue[0].task is None and not self._closing:
            self._begin(queue[0])

    def _stop(self, record: _Record) -> None:
        if record.over:
            return
        if record.task is not None:
            record.task.cancel()
        if record.job.state == "queued":  # also one whose task has not come to run: it never will
            record.enter("cancelled")
            self._next(record)

    def _record(self, job_id: str) -> _Record:
        record = self._records.get(job_id)
        if record is None:
            raise QmdError("not_found", f"There is no job {job_id!r}.", "The daemon keeps the last fifty.")
        return record

    def _forget_old(self) -> None:
        over = [job_id for job_id, record in self._records.items() if record.over]
        for job_id in over[: max(0, len(self._records) - _KEPT)]:
            del self._records[job_id]
