"""`qmd demo`: sample notes in an installation of their own. The full-screen UI, or three answers without a terminal.

Nothing of the person's own is touched: all directories are below `demo` in the cache directory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys

import qmd_tui
from ipc.errors import QmdError
from ipc.launch import Endpoint, find_daemon, stop_daemon
from ipc.paths import Paths
from ipc.protocol import (
    CollectionAdd,
    CollectionList,
    CollectionsReply,
    EmbedIndex,
    Job,
    Query,
    Search,
    Update,
    VSearch,
)
from ipc.sync import SyncClient
from qmd_tui.cli import daemon
from qmd_tui.cli.follow import run_job
from qmd_tui.output import hits, jobs, streams
from qmd_tui.output.style import style_of

COLLECTION = "samples"
SAMPLES = os.path.join(os.path.dirname(qmd_tui.__file__), "samples")
_RESULTS = 2
QUERIES: tuple[tuple[str, Search | VSearch | Query], ...] = (
    ("the words themselves", Search(query="GPU显存监控", top_k=_RESULTS)),
    ("the meaning", VSearch(query="get my money back when I am too ill to fly", top_k=_RESULTS)),
    ("both, fused", Query(query="how to restore files after a disk failure", top_k=_RESULTS)),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(_: argparse.Namespace, paths: Paths) -> int:
    paths, notes = _move_in(paths)
    was_running = find_daemon(paths) is not None
    try:
        endpoint = daemon.ensure(paths)
        _index(endpoint, notes)
        if sys.stdin.isatty() and sys.stdout.isatty():
            from qmd_tui import start

            return start.run(paths)
        _answer(endpoint)
    finally:
        if not was_running:
            stop_daemon(paths)
    return 0


def _move_in(paths: Paths) -> tuple[Paths, str]:
    """Make the demo's home this process's QMD_HOME, and put the notes there. A note that was edited stays so."""
    home = os.path.join(paths.cache, "demo")
    notes = os.path.join(home, "notes")
    shutil.copytree(SAMPLES, notes, dirs_exist_ok=True, copy_function=_copy_new, ignore=shutil.ignore_patterns("__*"))
    os.environ["QMD_HOME"] = home
    # Any free port: the usual one belongs to the person's own daemon.
    os.environ.setdefault("QMD_HTTP_PORT", "0")
    return Paths.from_environment(), notes


def _copy_new(source: str, target: str) -> str:
    return target if os.path.exists(target) else shutil.copy(source, target)


def _index(endpoint: Endpoint, notes: str) -> None:
    """Index and embed the notes, or what has changed in them since the last time."""
    with SyncClient(endpoint.rpc) as client:
        known = client.call(CollectionList(), CollectionsReply).collections
    if not any(each.name == COLLECTION for each in known):
        _tell(run_job(endpoint, CollectionAdd(path=notes, name=COLLECTION)))
        return
    _tell(run_job(endpoint, Update()))
    try:
        _tell(run_job(endpoint, EmbedIndex()))
    except QmdError as error:
        if error.code != "no_model":
            raise
        streams.error(error)


def _tell(job: Job) -> None:
    """What the job has done, on stderr: the results here are the answers."""
    for line in (*jobs.summary(job.counts).splitlines(), *jobs.remarks(job)):
        streams.say(line)


def _answer(endpoint: Endpoint) -> None:
    """Print the answers to the queries, with headings on stderr. Without a model, say so and go on."""
    for what, request in QUERIES:
        command = request.__struct_config__.tag
        streams.heading(f"\n$ qmd {command} '{request.query}'    ({what})\n")
        try:
            with daemon.patience(endpoint), SyncClient(endpoint.rpc) as client:
                reply = client.call_raw(request, timeout_s=daemon.ANSWER_S)
        except QmdError as error:
            streams.error(error)
            continue
        for note in reply["notes"]:
            streams.say(note)
        streams.result(hits.text(reply["results"], style_of()) or "No results found.")
