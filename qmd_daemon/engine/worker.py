"""The process that owns the models: `python -m qmd_daemon.engine.worker FD`, a child of the daemon.

FD is its end of the pair of sockets. One thread reads, and answers pings whatever the others do; one loads
models and takes them down; the rest compute. The end of the stream means that the daemon is gone, or wants no
more: the process ends at once, in the middle of whatever it does, so that it never outlives the daemon.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from functools import partial
from typing import NoReturn

from ipc.errors import QmdError
from qmd_daemon.engine import frames, tuning
from qmd_daemon.engine.batcher import Ticket
from qmd_daemon.engine.complaints import complain
from qmd_daemon.engine.loading import make_loader
from qmd_daemon.engine.role import Row
from qmd_daemon.engine.shelf import Shelf


class Worker:
    """Serves one connection. `run` never returns."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()
        self._tickets: dict[int, Ticket] = {}
        self._shelf: Shelf | None = None

    def run(self) -> NoReturn:
        try:
            for message in frames.read(self._sock):
                self._handle(message)
        except Exception:  # noqa: BLE001 - nobody is above us to catch it
            complain()
            os._exit(1)
        # Not sys.exit: that would wait for batches that nobody wants, and models that have generated text
        # would abort the process when they are taken down at exit.
        os._exit(0)

    def _handle(self, message: frames.ToWorker) -> None:
        if isinstance(message, frames.Start):
            self._shelf = Shelf(make_loader(message), message.keep_alive_s, self._send)
            self._send(frames.Ready())
            return
        shelf = self._shelf
        if shelf is None:
            raise RuntimeError("the first message has to be a Start")
        match message:
            case frames.Load():
                shelf.load(message.role, message.keep_alive_s, partial(self._done, message.id))
            case frames.Unload():
                shelf.unload(message.role, partial(self._done, message.id))
            case frames.Adopt():
                shelf.adopt(message.entry)
            case frames.Drop():
                if ticket := self._tickets.get(message.id):
                    ticket.cancel()
            case frames.Ping():
                shelf.tick()
                self._send(frames.Pong(shelf.busy_s(), shelf.loading_s(), *shelf.take_computed()))
            case _:
                ticket = self._tickets[message.id] = Ticket(message, self._finish)
                shelf.submit(ticket)

    def _finish(self, ticket: Ticket, result: list[Row] | QmdError | None) -> None:
        request = ticket.request
        self._tickets.pop(request.id, None)
        if isinstance(result, list):
            result = self._answer(ticket, result)
        if self._shelf:
            self._shelf.done(ticket)
        if result is not None:
            self._done(request.id, result)

    def _answer(self, ticket: Ticket, rows: list[Row]) -> QmdError | None:
        """Send the answer. Returns an error when there is none."""
        try:
            assert ticket.model is not None  # noqa: S101  (for the type checker: there are rows)
            self._send(ticket.model.answer(ticket.request, ticket.pieces, rows))
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            complain([ticket.request.request])
            return QmdError("unavailable", f"The model's answer is no answer: {error}.", "The daemon's log says more.")
        return None

    def _done(self, number: int, error: QmdError | None) -> None:
        if error is None:
            self._send(frames.Done(number))
        else:
            self._send(frames.Failed(number, error.code, error.message, error.hint))

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
