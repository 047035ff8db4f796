"""The worker's models: loaded when they are first needed, taken down when their time is over or their room is needed.

One thread does both, one after the other, so that what is measured is one model's doing. Who asks for a model that
is not there waits in its slot. Thread-safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue

from ipc.errors import QmdError
from qmd_daemon.engine import residency, tuning
from qmd_daemon.engine.batcher import Ticket
from qmd_daemon.engine.complaints import complain
from qmd_daemon.engine.frames import Begun, FromWorker, Models, NotLoaded, Resident, role_of
from qmd_daemon.engine.loading import Loaded, Loader
from qmd_daemon.engine.memory import out_of_memory
from qmd_daemon.engine.model import PLACES, Place
from qmd_daemon.weights.entry import Entry

# How long a model that is at work may go on when its room is needed. Then what it has not begun waits for its return.
BUSY_WAIT_S = 10.0


class _Slot:
    """The place of one role's model."""

    def __init__(self, role: Place) -> None:
        self.role = role
        self.loaded: Loaded | None = None
        self.open = False  # whether requests go to the model; else they wait
        self.coming = False  # whether it is about to be loaded
        self.reason = ""
        self.size_bytes = 0
        self.busy: set[Ticket] = set()
        self.used_at = 0.0
        self.until = 0.0
        self.since = 0.0
        self.keep_alive_s: float | None = None
        self.waiting: list[Ticket | Callable[[QmdError | None], None]] = []

    def held(self) -> residency.Held:
        return residency.Held(self.role, self.size_bytes, self.used_at, self.until, len(self.busy))


class Shelf:
    """Implements `lane.Host`. `tell` is given what the daemon should know."""

    def __init__(self, loader: Loader, keep_alive_s: Mapping[Place, float], tell: Callable[[FromWorker], None]) -> None:
        self._loader = loader
        self._keep_alive_s = keep_alive_s
        self._tell = tell
        self._slots = {role: _Slot(role) for role in PLACES}
        self._changed = threading.Condition()
        self._stale = False  # whether the daemon knows less than we
        self._loading_since = 0.0
        self._computed = (0, 0, 0)  # batches, pieces, tokens
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._keep_house, daemon=True).start()

    # -- asked by the thread that reads from the daemon ----------------------------------------

    def submit(self, ticket: Ticket) -> None:
        """Give it to its role's model, now or when that is loaded. Call `done` when it has ended."""
        slot = self._slots[role_of(ticket.request)]
        with self._changed:
            slot.keep_alive_s = ticket.request.keep_alive_s
            if not slot.open or slot.loaded is None:
                slot.waiting.append(ticket)
                self._need(slot)
                return
            slot.busy.add(ticket)
        slot.loaded.submit(ticket)

    def done(self, ticket: Ticket) -> None:
        """A ticket has ended, however it did."""
        slot = self._slots[role_of(ticket.request)]
        with self._changed:
            if ticket in slot.busy:
                slot.busy.remove(ticket)
                self._touch(slot)
                self._changed.notify_all()

    def load(self, role: Place, keep_alive_s: float | None, answer: Callable[[QmdError | None], None]) -> None:
        slot = self._slots[role]
        with self._changed:
            slot.keep_alive_s = keep_alive_s
            if slot.loaded is None:
                slot.waiting.append(answer)
                self._need(slot)
                return
            self._touch(slot)
        answer(None)

    def unload(self, role: Place, answer: Callable[[QmdError | None], None]) -> None:
        def work() -> None:
            self._take_down(self._slots[role])
            answer(None)

        self._work.put(work)

    def adopt(self, entry: Entry) -> None:
        """Know the embedder that was used before. It is loaded when it is needed."""
        self._loader.adopt(entry)

    def tick(self) -> None:
        """Now and then: take down what nobody has used for long, and tell what has changed."""
        with self._changed:
            stale, self._stale = self._stale, False
            over = residency.expired(self._held(), time.monotonic())
        if over:
            self._work.put(self._expire)
        if stale:
            self._report()

    def busy_s(self) -> float:
        return max((slot.loaded.busy_s() for slot in self._slots.values() if slot.loaded), default=0.0)

    def loading_s(self) -> float:
        return time.monotonic() - self._loading_since if self._loading_since else 0.0

    def take_computed(self) -> tuple[int, int, int]:
        """Batches, pieces and tokens that were computed since this was asked before."""
        with self._changed:
            taken, self._computed = self._computed, (0, 0, 0)
        return taken

    # -- asked by the lanes -------------------------------------------------------------------

    def begin(self, tickets: Sequence[Ticket]) -> None:
        new = [ticket for ticket in tickets if not ticket.begun]
        for ticket in new:
            ticket.begun = True
        if new:
            self._tell(Begun([ticket.request.id for ticket in new]))

    def computed(self, pieces: int, tokens: int) -> None:
        with self._changed:
            batches, others, before = self._computed
            self._computed = (batches + 1, others + pieces, before + tokens)

    def relieve(self) -> None:
        """Take down every model that is not at work, and wait for it."""
        finished = threading.Event()

        def work() -> None:
            for one in self._held():
                if not one.busy:
                    self._take_down(self._slots[one.role])
            finished.set()

        self._work.put(work)
        finished.wait(BUSY_WAIT_S / 2)  # the thread may be waiting for us

    # -- the one thread that loads and takes down ----------------------------------------------

    def _keep_house(self) -> None:
        while True:
            self._work.get()()

    def _need(self, slot: _Slot) -> None:
        if not slot.coming:
            slot.coming = True
            self._work.put(lambda: self._bring(slot))

    def _bring(self, slot: _Slot) -> None:
        self._loading_since = time.monotonic()
        self._say(slot, f"loading {self._loader.name(slot.role)}")
        try:
            loaded: Loaded | None = self._load(slot)
            error = None
        except QmdError as known:
            loaded, error = None, known
        except Exception as unknown:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            complain(one.request.request for one in list(slot.waiting) if isinstance(one, Ticket))
            message = f"The model {self._loader.name(slot.role)} cannot be loaded: {unknown}."
            loaded, error = None, QmdError("unavailable", message, "The daemon's log says more.")
        self._loading_since = 0.0
        with self._changed:
            slot.coming, slot.reason = False, loaded.reason if loaded else ""
            slot.loaded, slot.open = loaded, loaded is not None
            waiting, slot.waiting = slot.waiting, []
            slot.since = time.monotonic()
            slot.busy = {one for one in waiting if isinstance(one, Ticket) and not one.over} if loaded else set()
            self._touch(slot)
        self._report()
        if error:
            self._tell(NotLoaded(slot.role, error.code, error.message, error.hint))
        for one in waiting:
            if not isinstance(one, Ticket):
                one(error)
            elif loaded is None:
                one.cancel()  # the daemon has been told, of all of them
            else:
                loaded.submit(one)

    def _load(self, slot: _Slot) -> Loaded:
        """Make room, and load. Raises QmdError when there is no room, and what loading raises."""
        needed = self._loader.estimate_bytes(slot.role)
        no_room = self._make_room(slot, needed)
        before = self._loader.memory.used_bytes()
        try:
            loaded = self._in_a_thread(slot, no_room)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            for one in self._held():
                self._take_down(self._slots[one.role])
            try:
                loaded = self._in_a_thread(slot, no_room)
            except (RuntimeError, MemoryError):
                loaded = self._in_a_thread(slot, no_room or f"there is no room for {self._loader.name(slot.role)}")
        tuning.trim()
        slot.size_bytes = max(0, self._loader.memory.used_bytes() - before) or needed
        self._make_room(slot, 0)
        return loaded

    def _in_a_thread(self, slot: _Slot, no_room: str) -> Loaded:
        """Load in a thread of its own, which may give itself a lower priority for good."""
        outcome: list[Loaded | Exception] = []

        def load() -> None:
            try:
                outcome.append(self._loader.load(slot.role, self, lambda reason: self._say(slot, reason), no_room))
            except Exception as error:  # noqa: BLE001 - raised again, by whoever waits for it
                outcome.append(error)

        thread = threading.Thread(target=load, daemon=True)
        thread.start()
        thread.join()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def _make_room(self, slot: _Slot, needed_bytes: int) -> str:
        """Take down what has to go before so much more fits under the ceiling. Returns why that does not do."""
        for role in residency.victims(
            [one for one in self._held() if one.role != slot.role], self._excess(needed_bytes)
        ):
            self._take_down(self._slots[role])
        if not self._excess(needed_bytes):
            return ""
        needs = f"{self._loader.name(slot.role)} needs {needed_bytes / 1e9:.1f} GB"
        return f"{needs}, which does not fit under the ceiling of {self._loader.ceiling_bytes / 1e9:.1f} GB"

    def _excess(self, needed_bytes: int) -> int:
        return residency.excess(self._loader.memory.used_bytes(), needed_bytes, self._loader.ceiling_bytes)

    def _expire(self) -> None:
        for role in residency.expired(self._held(), time.monotonic()):
            self._take_down(self._slots[role], only_idle=True)

    def _take_down(self, slot: _Slot, *, only_idle: bool = False) -> None:
        """Unload a model when what it has is done. Who asks for it meanwhile waits, and gets it loaded again."""
        with self._changed:
            if slot.loaded is None or (only_idle and slot.busy):
                return
            slot.open = False
            self._changed.wait_for(lambda: not slot.busy, BUSY_WAIT_S)
            loaded = slot.loaded
        left = loaded.close()
        with self._changed:
            slot.loaded, slot.reason, slot.busy = None, "", set()
            slot.waiting = [*left, *slot.waiting]
        del loaded
        tuning.trim()
        with self._changed:
            if slot.waiting:
                self._need(slot)
        self._report()

    # -- what the daemon knows ----------------------------------------------------------------

    def _say(self, slot: _Slot, reason: str) -> None:
        slot.reason = reason
        self._report()

    def _touch(self, slot: _Slot) -> None:
        """It is used now. Under the lock."""
        slot.used_at = time.monotonic()
        keep_alive_s = self._keep_alive_s[slot.role] if slot.keep_alive_s is None else slot.keep_alive_s
        slot.until = residency.until(slot.used_at, keep_alive_s)
        self._stale = True
        if slot.until <= slot.used_at and not slot.busy:
            self._work.put(self._expire)

    def _held(self) -> list[residency.Held]:
        return [slot.held() for slot in self._slots.values() if slot.loaded]

    def _report(self) -> None:
        with self._changed:
            residents = [self._resident(slot) for slot in self._slots.values() if slot.loaded or slot.coming]
        self._tell(Models(residents, self._loader.memory.used_bytes()))

    def _resident(self, slot: _Slot) -> Resident:
        name, loaded = self._loader.name(slot.role), slot.loaded
        if loaded is None:
            return Resident(slot.role, name, "loading", reason=slot.reason)
        return Resident(
            slot.role,
            name,
            "ready",
            device=loaded.device,
            compute_type=loaded.compute_type,
            why=loaded.why,
            reason=loaded.reason,
            size_bytes=slot.size_bytes,
            copies=len(loaded.models),
            until=slot.until,
            fallback=loaded.fallback,
            since=slot.since,
        )
