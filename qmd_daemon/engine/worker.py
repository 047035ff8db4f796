"""The process that owns the models: `python -m qmd_daemon.engine.worker FD`, a child of the daemon.

FD is its end of the pair of sockets. One thread reads, and answers pings whatever the others do; one loads
the model; the rest compute. The end of the stream means that the daemon is gone, or wants no more: the
process ends at once, in the middle of whatever it does, so that it never outlives the daemon.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from functools import partial
from typing import NoReturn

from ipc.errors import QmdError
from qmd_daemon.engine import frames, tuning
from qmd_daemon.engine.batcher import Ticket
from qmd_daemon.engine.loading import Loaded, load
from qmd_daemon.engine.model import Priority, Vectors

# A question is a text, or a few. More than that is work, whoever asks: it must not keep a question waiting.
EXPRESS_TEXTS = 8


class Worker:
    """Serves one connection. `run` never returns."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()
        self._tickets: dict[int, Ticket] = {}
        self._loaded: Loaded | None = None

    def run(self) -> NoReturn:
        try:
            for message in frames.read(self._sock):
                self._handle(message)
        except Exception:  # noqa: BLE001 - nobody is above us to catch it
            traceback.print_exc()
            os._exit(1)
        # Not sys.exit: that would wait for batches that nobody wants, and for models to be taken down.
        os._exit(0)

    def _handle(self, message: frames.ToWorker) -> None:
        match message:
            case frames.Load():
                threading.Thread(target=self._load, args=(message,), daemon=True).start()
            case frames.Embed():
                self._embed(message)
            case frames.Drop():
                if ticket := self._tickets.pop(message.id, None):
                    ticket.cancel()
            case frames.Ping():
                lanes = (self._loaded.express, self._loaded.bulk) if self._loaded else ()
                self._send(frames.Pong(max((lane.busy_s() for lane in lanes), default=0.0)))

    def _load(self, request: frames.Load) -> None:
        try:
            self._loaded = load(request, self._begin, lambda reason: self._send(frames.Loading(reason)))
        except QmdError as error:
            self._send(frames.Refused(error.code, error.message, error.hint))
        except Exception as error:  # noqa: BLE001 - whatever it is, the daemon waits for an answer
            traceback.print_exc()
            reason = f"The model {request.model} cannot be loaded: {error}."
            self._send(frames.Refused("unavailable", reason, "The daemon's log says more."))
        else:
            loaded = self._loaded
            self._send(frames.Ready(loaded.device, loaded.compute_type, loaded.reason))

    def _embed(self, request: frames.Embed) -> None:
        finish = partial(self._finish, request.id)
        ticket = Ticket(request.id, len(request.texts), finish, request.priority, request.deadline)
        if self._loaded is None:
            ticket.fail(QmdError("unavailable", "The model is still being loaded."))
            return
        self._tickets[request.id] = ticket
        small = request.priority == Priority.INTERACTIVE and len(request.texts) <= EXPRESS_TEXTS
        (self._loaded.express if small else self._loaded.bulk).submit(request, ticket)

    def _begin(self, tickets: Sequence[Ticket]) -> None:
        new = [ticket for ticket in tickets if not ticket.begun]
        for ticket in new:
            ticket.begun = True
        if new:
            self._send(frames.Begun([ticket.number for ticket in new]))

    def _finish(self, number: int, result: Vectors | QmdError) -> None:
        self._tickets.pop(number, None)
        if isinstance(result, QmdError):
            self._send(frames.Failed(number, result.code, result.message, result.hint))
        else:
            self._send(frames.Embedded(number, result.astype("<f4", copy=False).tobytes()))

    def _send(self, message: frames.FromWorker) -> None:
        frame = frames.pack(message)
        with self._sending:
            try:
                self._sock.sendall(frame)
            except OSError:
                os._exit(0)  # the daemon is gone


def main() -> NoReturn:
    # Ctrl+C on the daemon's terminal is the daemon's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tuning.tune()
    Worker(socket.socket(fileno=int(sys.argv[1]))).run()


if __name__ == "__main__":
    main()
