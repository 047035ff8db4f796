"""The daemon's side of the models: takes calls of the three roles, and has them answered by the worker process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import structlog

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import EngineStatus, KeepAlive, ModelsEvent, ModelStatus, Publish
from qmd_daemon.config import EngineConfig, ModelConfig, size_bytes
from qmd_daemon.engine import frames, residency
from qmd_daemon.engine.lives import Computed, Lives
from qmd_daemon.engine.model import PLACES, Kind, Line, LineKind, ModelInfo, Place, Priority, Role, Score, Vectors
from qmd_daemon.engine.pending import Pending
from qmd_daemon.engine.roster import Roster

# What a message to the worker carries at most: little, so that a worker's death costs little that was done.
PART_TEXTS = 64
# Longer texts are cut before they are sent: no 256 tokens of ordinary text are so long (a word is at most 100
# characters to a BERT tokenizer), and tokenising megabytes to throw them away would hold up the others.
CHARACTERS_PER_TOKEN = 128
# A document is judged by its best window; these are about fifty windows.
DOCUMENT_CHARACTERS = 100_000
_log = structlog.get_logger("qmd.engine")


class Engine:
    """Embeds, reranks and expands, in a worker process of its own. Enter it, and leave it, once.

    All three calls start the worker if need be, and wait for the model. Cancel the waiting task, and the request
    leaves the queue. They raise QmdError: no_model, overloaded (the queue is full), deadline, or unavailable (the
    worker does not start, the model does not load, or the worker has died twice over this request).
    `keep_alive` is how long the model stays in memory after its last use; None: as configured.
    """

    def __init__(
        self, config: EngineConfig, paths: Paths, publish: Publish, own: Mapping[str, ModelConfig] | None = None
    ) -> None:
        """Raises QmdError("invalid") when the configuration names a model that nobody knows."""
        self._config = config
        self._own = own
        self._models = paths.models
        self._publish = publish
        self._roster = Roster(config, paths.models, own)
        self._pending = Pending()
        self._lives = Lives(config, self._start, self._pending, self._roster, self._tell)
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._lives.supervise(self._group), name="engine")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._task:
            self._task.cancel()
        self._task = None
        # Not told of the error: the group has nothing left to cancel, and would wrap it.
        await self._group.__aexit__(None, None, None)

    # -- how it is -----------------------------------------------------------------------------

    @property
    def worker_pid(self) -> int:
        """0 when there is no worker."""
        return self._lives.pid

    @property
    def computed(self) -> Computed:
        """What the models have done since the daemon started, as of the last second."""
        return self._lives.computed

    def look_again(self) -> None:
        """Models have come or gone: choose anew, as soon as no worker has those that were chosen before."""
        if self.worker_pid or self._pending:
            self._lives.retire(self._renew)
        else:
            self._renew()

    def use(self, config: EngineConfig, own: Mapping[str, ModelConfig]) -> None:
        """Take the models of this configuration, whose other settings count from the next start. As `look_again`."""
        self._config, self._own = config, own
        self.look_again()

    def _renew(self) -> None:
        """Nothing is computed with the models that were chosen before: choose anew."""
        try:
            self._roster.choose(self._config, self._own)
        except QmdError as error:  # they were right when they were asked for
            _log.error("engine.not_chosen", reason=error.message)
        self._tell()

    def model(self, role: Role = "embedding") -> ModelInfo | None:
        """Describe a role's model, without starting the worker. None when there is none, or it is not installed."""
        return self._roster.info(role)

    def maker(self, name: str, fingerprint: str) -> ModelInfo | None:
        """The model that made vectors, by its name and fingerprint: the one in use, or one that was used before.

        Hand it to `embed`, and a question can be compared with those vectors. None when it is not here any more.
        """
        return self._roster.maker(name, fingerprint, fixed=bool(self.worker_pid or self._pending))

    def models(self) -> list[ModelStatus]:
        """One for each role that has a model."""
        return self._roster.statuses()

    @property
    def reranks_unasked(self) -> bool:
        """Whether a search is reranked that does not say so: on a CPU it takes a second."""
        return self._roster.reranks_unasked

    @property
    def used_bytes(self) -> int:
        """What the worker takes on its device."""
        return self._roster.used_bytes

    def status(self) -> EngineStatus:
        """The worker, and the embedding model, without which nothing works."""
        info, lives = self.model(), self._lives
        models = self.models()
        embedding = models[0]
        resident = self._roster.residents.get("embedding")
        state, reason, hint = lives.state, (resident.reason if resident else "") or lives.reason, ""
        if embedding.state == "loading":
            state = "starting"
        elif error := lives.error or self._roster.error("embedding"):
            state, reason, hint = "failed", error.message, error.hint
        return EngineStatus(
            state="no_model" if info is None else state,
            engine=self._config.kind,
            model=embedding.name,
            dimension=info.dimension if info else 0,
            device=embedding.device,
            compute_type=embedding.compute_type,
            reason=reason if info else embedding.reason,
            hint=hint if info else embedding.hint,
            pid=self.worker_pid,
            queued=self._pending.weight,
            restarts=lives.restarts,
            models=models,
            fallback=any(one.fallback for one in self._roster.residents.values()),
            note=self._roster.note,
        )

    # -- what it does --------------------------------------------------------------------------

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Kind,
        priority: Priority = Priority.INTERACTIVE,
        deadline_s: float | None = None,
        keep_alive: KeepAlive | None = None,
        model: ModelInfo | None = None,
    ) -> Vectors:
        """Return a vector of length 1 for each text, in order: float32, (len(texts), dimension).

        `model` is one that `maker` returned; None: the one in use. Documents are embedded with the one in use alone:
        with another, it raises QmdError("conflict").
        """
        place: Literal["embedding", "former"] = "embedding"
        if priority is Priority.INDEXING:
            await self._lives.settled()
        info = self._admit("embedding", len(texts))
        if model is not None and model.fingerprint != info.fingerprint:
            if kind == "document":
                raise QmdError("conflict", "Another embedding model is used from now on.", "Embed again: `qmd embed`.")
            place, info = "former", model
            self._roster.check(place)
            self._lives.tell(frames.Adopt(self._roster.chosen[place]))
        if not texts:
            return np.empty((0, info.dimension), np.float32)
        clean = [_clean(text[: info.max_tokens * CHARACTERS_PER_TOKEN]) for text in texts]
        deadline = _deadline(deadline_s)
        vectors = await self._ask(
            [
                frames.Embed(
                    self._pending.next_id(), priority, some, kind, deadline, _seconds(keep_alive), place, _request()
                )
                for some in _portions(clean)
            ],
            deadline_s,
            "The texts were not embedded in time.",
        )
        return np.concatenate(vectors).reshape(-1, info.dimension)

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        priority: Priority = Priority.INTERACTIVE,
        deadline_s: float | None = None,
        keep_alive: KeepAlive | None = None,
    ) -> list[Score]:
        """Judge each document by how well its best part answers the query; the scores are in their order."""
        self._admit("reranker", len(documents))
        question, deadline = _clean(query), _deadline(deadline_s)
        clean = [_clean(document[:DOCUMENT_CHARACTERS]) for document in documents]
        scores = await self._ask(
            [
                frames.Rerank(
                    self._pending.next_id(), priority, question, some, deadline, _seconds(keep_alive), _request()
                )
                for some in _portions(clean)
            ],
            deadline_s,
            "The documents were not judged in time.",
        )
        return [score for some in scores for score in some]

    async def expand(
        self,
        query: str,
        *,
        kinds: Sequence[LineKind] = ("lex", "vec"),
        priority: Priority = Priority.INTERACTIVE,
        deadline_s: float | None = None,
        keep_alive: KeepAlive | None = None,
    ) -> list[Line]:
        """Put a query in other words: at most one line for each of `kinds`, in their order. The same every time."""
        self._admit("expansion", 1)
        number, deadline = self._pending.next_id(), _deadline(deadline_s)
        request = frames.Expand(
            number, priority, _clean(query), list(kinds), deadline, _seconds(keep_alive), _request()
        )
        (lines,) = await self._ask([request], deadline_s, "The query was not expanded in time.")
        found: list[Line] = lines
        return found

    async def load(self, role: Role, *, keep_alive: KeepAlive | None = None, deadline_s: float | None = None) -> None:
        """Bring a model into memory before it is needed, or let it stay from now on."""
        self._admit(role, 1)
        request = frames.Load(self._pending.next_id(), role, _seconds(keep_alive))
        await self._ask([request], deadline_s, "The model was not loaded in time.")

    async def unload(self, role: Role) -> None:
        """Take a model out of memory, when what it is computing is done. It comes back when it is needed."""
        places: tuple[Place, ...] = ("embedding", "former") if role == "embedding" else (role,)
        for place in places:
            if self._task and self.worker_pid and place in self._roster.residents:
                await self._ask([frames.Unload(self._pending.next_id(), place)], None, "")

    def _admit(self, role: Role, count: int) -> ModelInfo:
        info = self._roster.require(role)
        if self._task is None:
            raise QmdError("unavailable", "The daemon is stopping.")
        self._lives.check()
        if count and self._pending.weight + count > self._config.queue_texts:
            raise QmdError("overloaded", "Too many texts are waiting for the model.", "Try again in a while.")
        return info

    async def _ask(self, requests: Sequence[frames.Request], deadline_s: float | None, late: str) -> list[Any]:
        """The results of the requests, all of them. `late` says what has not been done when there are none in time."""
        parts = self._pending.add(requests)
        try:
            self._lives.send(parts)
            async with asyncio.timeout(deadline_s):
                return [await part.result for part in parts]
        except TimeoutError:
            raise QmdError("deadline", late) from None
        finally:
            for part in parts:
                self._lives.drop(part)

    def _start(self) -> frames.Start:
        config = self._config
        self._roster.choose()
        return frames.Start(
            engine=config.kind,
            models=self._models,
            chosen=self._roster.chosen,
            device=config.device,
            threads=config.threads,
            keep_alive_s={
                place: residency.seconds(
                    config.keep_alive.get("embedding" if place == "former" else place, config.idle_s)
                )
                for place in PLACES
            },
            max_vram_bytes=size_bytes(config.max_vram),
            max_ram_bytes=size_bytes(config.max_ram),
        )

    def _tell(self) -> None:
        self._publish("models", ModelsEvent(engine=self.status()))


def _portions(texts: Sequence[str]) -> list[list[str]]:
    return [list(texts[at : at + PART_TEXTS]) for at in range(0, len(texts), PART_TEXTS)]


def _clean(text: str) -> str:
    """Half a surrogate pair, which JSON can bring, is no text: it becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def _deadline(deadline_s: float | None) -> float | None:
    return None if deadline_s is None else time.monotonic() + deadline_s


def _request() -> str:
    """What the log calls the request that is being answered; a job has the name of the one that started it."""
    return str(structlog.contextvars.get_contextvars().get("request", ""))


def _seconds(keep_alive: KeepAlive | None) -> float | None:
    return None if keep_alive is None else residency.seconds(keep_alive)
