"""The daemon, for the commands that need one: started if there is none, and the person told what is waited for."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ipc.errors import QmdError
from ipc.launch import Endpoint, ensure_daemon, find_daemon
from ipc.paths import Paths
from ipc.protocol import Status, StatusReply
from ipc.sync import SyncClient
from qmd_tui.output import streams

# A first search may have to convert and load the model: the daemon gives that 120 s (qmd_daemon.config).
ANSWER_S = 150.0
_SLOW_S = 1.0


def ensure(paths: Paths) -> Endpoint:
    """The daemon, ready. Says on stderr what is waited for; raises DaemonUnreachable or ProtocolMismatch."""
    return ensure_daemon(paths, on_wait=lambda what: streams.say(f"waiting for {what} …"))


def reach(args: argparse.Namespace, paths: Paths) -> Endpoint:
    """The daemon that the command is about: the one that `--connect` names, else as `ensure`."""
    if args.connect:
        from qmd_tui.attach import elsewhere

        return elsewhere(paths, args.connect, args.key)
    return ensure(paths)


def find(args: argparse.Namespace, paths: Paths) -> Endpoint | None:
    """The same, but never started."""
    return reach(args, paths) if args.connect else find_daemon(paths)


@contextmanager
def connect(paths: Paths) -> Iterator[SyncClient]:
    """A client of the daemon, started if there is none."""
    with SyncClient(ensure(paths).rpc) as client:
        yield client


@contextmanager
def patience(endpoint: Endpoint) -> Iterator[threading.Timer]:
    """While the body waits for an answer: tell the person, once, when it is the model that takes so long."""
    timer = threading.Timer(_SLOW_S, _explain_wait, (endpoint,))
    timer.start()
    try:
        yield timer
    finally:
        timer.cancel()
        timer.join()


def _explain_wait(endpoint: Endpoint) -> None:
    try:
        with SyncClient(endpoint.rpc, endpoint.keys) as client:
            engine = client.call(Status(), StatusReply, timeout_s=1.0).engine
    except QmdError:
        return  # the one who waits for the answer hears of it
    if engine.state == "starting":
        streams.say(f"waiting for the model {engine.model or engine.engine} to load …")
