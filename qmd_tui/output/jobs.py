"""What a job has done, in the words of tobi/qmd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ipc.protocol import Job
from qmd_tui.output.progress import megabytes
from qmd_tui.output.status import size

# What a cleanup removes, in words.
_WASTE = {
    "documents": "documents of removed collections",
    "contents": "orphaned contents",
    "chunks": "chunks of models not in use",
}
# More names than this help nobody.
_NAMED = 20


def summary(counts: Mapping[str, int]) -> str:
    """`Indexed: 3 new, …`, `Embedded: 12 chunks of 3 documents`, `Fetched: 1 model`, a line each; "" for nothing."""
    lines = []
    if "new" in counts:
        parts = (f"{counts.get(name, 0)} {name}" for name in ("new", "updated", "unchanged", "removed"))
        lines.append(f"Indexed: {', '.join(parts)}")
    if "chunks" in counts:
        lines.append(
            f"Embedded: {_number(counts['chunks'], 'chunk')} of {_number(counts.get('documents', 0), 'document')}"
        )
    if "freed_bytes" in counts:
        removed = {name: counts.get(f"removed_{name}", 0) for name in _WASTE}
        shown = ", ".join(f"{number} {_WASTE[name]}" for name, number in removed.items())
        lines.append(f"Removed: {shown}. {size(counts['freed_bytes'])} freed.")
    if "fetched" in counts or "present" in counts:
        there = f", {counts['present']} there already" if "present" in counts else ""
        lines.append(f"Fetched: {_number(counts.get('fetched', 0), 'model')}{there}")
    return "\n".join(lines)


def would_clean(found: Mapping[str, int]) -> Iterator[str]:
    """What a cleanup would do, a line for each thing."""
    for name, what in _WASTE.items():
        yield f"Would remove {found[name]} {what}"
    yield "Would rebuild the lexical index and vacuum the database"


def phase(job: Job) -> str:
    """What it does now: `fetching qwen3-0.6b: 1,515 MB in 3 files`."""
    if not job.files:
        return job.phase
    total = sum(file.total for file in job.files)
    return f"{job.phase}: {megabytes(total)} in {_number(len(job.files), 'file')}"


def remarks(job: Job) -> Iterator[str]:
    """The files that were left out, the first twenty by name, and how many; and what is left to do."""
    count = max(job.counts.get("skipped", 0), len(job.skipped))
    for file in job.skipped[:_NAMED]:
        yield f"skipped {file.path}: {file.reason}"
    if count:
        more = f", {count - _NAMED} of them not named here" if count > _NAMED else ""
        yield f"skipped {_number(count, 'file')}{more}."
    if job.kind == "update" and (job.counts.get("new") or job.counts.get("updated")):
        yield "`qmd embed` makes the vectors of what is new."
    if job.kind == "add" and job.state == "done" and "chunks" not in job.counts:
        yield f"{job.phase}. `qmd check` says how to get it."


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
