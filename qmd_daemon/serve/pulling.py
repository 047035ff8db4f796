"""The work of a job that fetches models: a process does it, and this tells how far it is."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Sequence

import msgspec
import structlog

from ipc.errors import QmdError
from ipc.protocol import JobFile
from qmd_daemon.config import Config
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.weights import machine, wanted
from qmd_daemon.weights.report import Failed, Finished, Tally, decode

_log = structlog.get_logger("qmd.pull")


class Puller:
    """Knows which models can be meant, and fetches them. `fetched` is called when there are new ones."""

    def __init__(self, config: Config, fetched: Callable[[], None]) -> None:
        self._config = config
        self._fetched = fetched

    def check(self, names: Sequence[str]) -> list[str]:
        """The names, each once. Raises QmdError("invalid") for one that nobody knows, before there is a job."""
        wanted.entries(names, self._config, machine.detect())
        return list(dict.fromkeys(names))

    async def pull(self, progress: Progress, *, names: Sequence[str]) -> None:
        """Fetch the models, and return when they are there. Cancelled, it loses nothing that was fetched.

        Raises the QmdError that the process tells.
        """
        try:
            await _run(progress, names)
        finally:
            if progress.counts.get("fetched"):
                self._fetched()


async def _run(progress: Progress, names: Sequence[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "qmd_daemon.weights.fetch", "--json", "--", *names),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,  # signals of the daemon's terminal are the daemon's
    )
    try:
        async with asyncio.TaskGroup() as group:
            complaint = group.create_task(_last_line(process), name="pull.stderr")
            failed = await _follow(process, progress)
        await process.wait()
    finally:
        if process.returncode is None:
            # It may be killed at any moment: the next one goes on from what is on the disk.
            process.kill()
            await process.wait()
    if failed is not None:
        raise QmdError(failed.code, failed.message, failed.hint)
    if process.returncode:
        _log.error("pull.crashed", status=process.returncode, line=complaint.result())
        hint = "What was fetched is kept: the same command goes on from there."
        raise QmdError("unavailable", f"Fetching ended with status {process.returncode}.", hint)


async def _follow(process: asyncio.subprocess.Process, progress: Progress) -> Failed | None:
    """Tell what the process tells, until it ends; returns what it failed with."""
    tally = Tally()
    failed = None
    while process.stdout and (raw := await process.stdout.readline()):
        try:
            line = decode(raw)
        except msgspec.MsgspecError:
            continue  # the end of a line that it was killed in
        tally.add(line)
        if isinstance(line, Finished):
            progress.count(line.state)
            _log.info("pull.finished", model=line.model, state=line.state, source=line.source)
        elif isinstance(line, Failed):
            failed = line
        files = [JobFile(name=file.name, done=file.done_bytes, total=file.total_bytes) for file in tally.files]
        progress.stand(tally.phase, tally.done_bytes, tally.total_bytes, files)
    return failed


async def _last_line(process: asyncio.subprocess.Process) -> str:
    last = b""
    while process.stderr and (line := await process.stderr.readline()):
        last = line
    return last.decode(errors="replace").strip()
