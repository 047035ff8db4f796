"""A job in the daemon, followed to its end. Ctrl+C cancels it there, not only the watching."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import closing
from typing import cast

from ipc.errors import QmdError
from ipc.launch import Endpoint
from ipc.protocol import Job, JobCancel, JobGet, JobReply, Request
from ipc.sync import SyncClient
from qmd_tui.output import jobs, streams
from qmd_tui.output.progress import Progress

CANCELLED = 130


def run_job(endpoint: Endpoint, request: Request) -> Job:
    """Start the job that `request` asks for, and follow it."""
    return follow(endpoint, start(endpoint, request))


def start(endpoint: Endpoint, request: Request) -> Job:
    """Ask for a job, without waiting for it."""
    with SyncClient(endpoint.rpc) as client:
        return client.call(request, JobReply).job


def follow(endpoint: Endpoint, job: Job, show: Callable[[Job], None] | None = None) -> Job:
    """Show the progress of a job, and return its final state. Raises the QmdError of one that failed.

    `show` is for each state; without it, a terminal gets a bar.
    """
    with Progress(sys.stderr) as progress:
        shown = show or progress.show
        try:
            job = _watch(endpoint, job, shown)
        except KeyboardInterrupt:
            # A second Ctrl+C gets through: the job is then cancelled without anybody watching.
            streams.say("cancelling …")
            _cancel(endpoint, job)
            job = _watch(endpoint, job, shown)
    if job.error is not None:
        raise QmdError(job.error.code, job.error.message, job.error.hint)
    return job


def report(job: Job) -> int:
    """Print what a job has done; returns the exit code."""
    if summary := jobs.summary(job.counts):
        streams.result(summary)
    for line in jobs.remarks(job):
        streams.say(line)
    if job.state == "cancelled":
        streams.say("cancelled. What was done is kept, and the next run goes on from there.")
        return CANCELLED
    return 0


def _watch(endpoint: Endpoint, job: Job, show: Callable[[Job], None]) -> Job:
    with SyncClient(endpoint.rpc) as client:
        replies = client.stream(JobGet(job=job.id, stream=True), JobReply)
        # Closed before the connection is, so that the daemon hears that nobody watches any more.
        with closing(cast("Generator[JobReply]", replies)):
            for reply in replies:
                job = reply.job
                show(job)
    return job


def _cancel(endpoint: Endpoint, job: Job) -> None:
    with SyncClient(endpoint.rpc) as client:
        client.call(JobCancel(job=job.id), JobReply)
