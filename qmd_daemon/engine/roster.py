"""What the daemon knows of each role's model: which it is, whether it is here, whether it is in memory or failed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import structlog
from msgspec.structs import replace

from ipc.errors import QmdError
from ipc.protocol import ModelStatus
from qmd_daemon.config import EngineConfig, ModelConfig
from qmd_daemon.engine import fake, frames
from qmd_daemon.engine.model import ROLES, ModelInfo, Place, Role
from qmd_daemon.weights import catalog, installed, machine, profiles
from qmd_daemon.weights.entry import Entry

# How long a failure is the answer to everybody, before the next try.
COOL_DOWN_S = 10.0
_log = structlog.get_logger("qmd.engine")


class Roster:
    """Used by the event loop alone."""

    def __init__(
        self,
        config: EngineConfig,
        models: str,
        own: Mapping[str, ModelConfig] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`models` is the directory of all models, `own` the user's table of them.

        Raises QmdError("invalid") when the configuration names a model that nobody knows.
        """
        self._config = config
        self._models = models
        self._own = own
        self._clock = clock
        self._fake = config.kind == "fake"
        self.chosen: dict[Place, Entry] = {}
        self.note = ""  # which models would suit this machine, and are not here
        self.reranks_unasked = True  # whether a search that says nothing of it is worth the reranker's time
        self._infos: dict[Role, ModelInfo] = dict(fake.INFOS) if self._fake else {}
        self._makers: dict[str, ModelInfo] = {}  # fingerprint -> an embedder that was used before
        self.residents: dict[Place, frames.Resident] = {}
        self.used_bytes = 0
        self._begun_at: dict[Place, float] = {}  # the last time that it began to be loaded
        self._loads: dict[Place, tuple[int, float]] = {}  # how often that was done, and the seconds it took in all
        self._errors: dict[Place, tuple[QmdError, float]] = {}  # and until when they are the answer
        self.choose()

    def choose(self, config: EngineConfig | None = None, own: Mapping[str, ModelConfig] | None = None) -> None:
        """Decide which models are used, by what is here now. While there is no worker, which would know others.

        `config` and the user's models in `own` are from now on instead of those before. Raises QmdError("invalid").
        """
        if config is not None:
            self._config, self._own = config, own
        choice = profiles.choose(self._config, self._models, own=self._own, machine=_machine(self._config))
        chosen = {"embedding": choice.embedding, "reranker": choice.reranker, "expansion": choice.expansion}
        former = self.chosen.get("former")
        self.chosen = {role: entry for role in ROLES if (entry := chosen[role])}
        if former:
            self.chosen["former"] = former
        self.reranks_unasked = choice.rerank
        self.note = "" if self._fake else choice.reason
        if not self._fake:
            self._infos.clear()

    def info(self, role: Role) -> ModelInfo | None:
        """Describe the role's model. None when there is none, or when it is not installed."""
        entry = self.chosen.get(role)
        if role not in self._infos and entry and (found := installed.locate(entry, self._models)):
            self._infos[role] = _info(entry, found.tokenizer_file)
        return self._infos.get(role)

    def maker(self, name: str, fingerprint: str, *, fixed: bool) -> ModelInfo | None:
        """The embedder that made vectors with that fingerprint, if it is here: the one in use, or an earlier one.

        There is place for one that was used before; `fixed`: not for another than it is now.
        """
        info = self.info("embedding")
        if info and info.fingerprint == fingerprint:
            return info
        former = self.chosen.get("former")
        if former and catalog.fingerprint(former) == fingerprint:
            return self._makers[fingerprint]
        if self._fake or (former and fixed):
            return None
        entry = _earlier(name, fingerprint, self._own)
        found = installed.locate(entry, self._models) if entry else None
        if entry is None or found is None:
            return None
        self.chosen["former"] = entry
        self._makers[fingerprint] = _info(entry, found.tokenizer_file)
        return self._makers[fingerprint]

    def require(self, role: Role) -> ModelInfo:
        """The same. Raises QmdError: no_model, or what the last try to load it ended with, not long ago."""
        info = self.info(role)
        if info is None:
            raise self.absent(role)
        self.check(role)
        return info

    def check(self, place: Place) -> None:
        """Raises the QmdError that the last try to load it ended with, not long ago."""
        if place in self._errors and self._clock() < self._errors[place][1]:
            raise self._errors[place][0]

    def absent(self, role: Role) -> QmdError:
        """The error of a model that is not there."""
        if role in self.chosen:
            return catalog.missing(self.chosen[role])
        return QmdError("no_model", f"No model is chosen as {role}.", f"Name one: [engine] {role} in config.toml.")

    def failed(self, role: Place, error: QmdError) -> None:
        """It cannot be loaded: that is the answer to everybody, for a while."""
        self._errors[role] = (error, self._clock() + COOL_DOWN_S)
        _log.error("engine.not_loaded", role=role, reason=error.message)

    def error(self, role: Place) -> QmdError | None:
        """Why its model could not be loaded the last time."""
        return self._errors[role][0] if role in self._errors else None

    def report(self, models: frames.Models) -> bool:
        """The worker says what it has. Returns whether that is more than a new time."""
        before = self.residents
        self.residents = {resident.role: resident for resident in models.residents}
        self.used_bytes = models.used_bytes
        for role, resident in self.residents.items():
            self._errors.pop(role, None)
            if resident.state == "ready" and (role not in before or before[role].state != "ready"):
                seconds = max(0.0, resident.since - self._begun_at.get(role, resident.since))
                count, total = self._loads.get(role, (0, 0.0))
                self._loads[role] = count + 1, total + seconds
                model, device = resident.name, resident.device
                _log.info("engine.loaded", role=role, model=model, device=device, seconds=round(seconds, 2))
            elif resident.state == "loading" and (role not in before or before[role].state == "ready"):
                self._begun_at[role] = self._clock()
        return [_fixed(one) for one in before.values()] != [_fixed(one) for one in models.residents]

    def worker_gone(self) -> None:
        self.residents, self.used_bytes = {}, 0

    def loading(self) -> list[Place]:
        return [role for role, resident in self.residents.items() if resident.state == "loading"]

    def statuses(self) -> list[ModelStatus]:
        """One for each role that has a model, as a person wants to know it.

        Behind them the embedder that was used before, while it is in memory.
        """
        roles = [role for role in ROLES if self._fake or role in self.chosen]
        former = self.residents.get("former")
        counted = [self._counted(role, self._status(role)) for role in roles]
        return counted + ([self._counted("former", self._resident("embedding", former))] if former else [])

    def _counted(self, place: Place, status: ModelStatus) -> ModelStatus:
        loads, load_s = self._loads.get(place, (0, 0.0))
        return replace(status, loads=loads, load_s=round(load_s, 3))

    def _status(self, role: Role) -> ModelStatus:
        name = fake.INFOS[role].name if self._fake else self.chosen[role].name
        if resident := self.residents.get(role):
            return self._resident(role, resident)
        error = self.absent(role) if self.info(role) is None else self.error(role)
        if error is None:
            return ModelStatus(role=role, name=name, state="off")
        here = self.info(role) is not None
        return ModelStatus(
            role=role, name=name, state="failed" if here else "missing", reason=error.message, hint=error.hint
        )

    def _resident(self, role: Role, resident: frames.Resident) -> ModelStatus:
        now = self._clock()
        left_s = resident.until - now
        ready = resident.state == "ready"
        return ModelStatus(
            role=role,
            name=resident.name,
            state=resident.state,
            size_bytes=resident.size_bytes,
            device=resident.device,
            compute_type=resident.compute_type,
            copies=resident.copies,
            until=(time.time() + left_s if math.isfinite(left_s) else None) if ready else 0.0,
            reason=resident.reason or resident.why,
            fallback=resident.fallback,
            loaded_at=time.time() - (now - resident.since) if ready and resident.since else 0.0,
        )


def _info(entry: Entry, tokenizer_file: str) -> ModelInfo:
    return ModelInfo(
        name=entry.name,
        fingerprint=catalog.fingerprint(entry),
        dimension=entry.dimension,
        max_tokens=entry.max_tokens,
        tokenizer_file=tokenizer_file,
        languages=entry.languages,
        dimensions=entry.dimensions,
    )


def _earlier(name: str, fingerprint: str, own: Mapping[str, ModelConfig] | None) -> Entry | None:
    """The entry that has this fingerprint, in one of its dimensions."""
    try:
        entry = catalog.get(name, own)
    except QmdError:
        return None  # it was the user's own, and is not in the configuration any more
    for dimension in dict.fromkeys((entry.dimension, *entry.dimensions)):
        if catalog.fingerprint(found := catalog.with_dimension(entry, dimension)) == fingerprint:
            return found
    return None


def _machine(config: EngineConfig) -> profiles.Machine:
    """What the default profile is chosen by. Asked of the driver only where it matters: that takes a while."""
    asks = config.kind == "ct2" and config.profile == "auto" and config.device != "cpu"
    return machine.detect() if asks else profiles.Machine()


def _fixed(resident: frames.Resident) -> tuple[object, ...]:
    return (resident.role, resident.name, resident.state, resident.reason, resident.device, resident.size_bytes)
