"""The state of the index and of the daemon, as text. Takes dicts in the shapes of `ipc.protocol`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from qmd_tui.output import safe
from qmd_tui.output.style import Style

_LABEL = 12


def text(index: dict[str, Any] | None, daemon: dict[str, Any] | None, style: Style) -> str:
    """`index` is an IndexStatus or None, `daemon` a StatusReply, or None when it does not run."""
    lines = [*(_index(index) if index else ["Index       nothing is indexed yet: qmd collection add PATH"])]
    lines += _daemon(daemon) if daemon else ["Daemon      not running: the next query starts it"]
    return "\n".join(style.bold(line[:_LABEL]) + line[_LABEL:] for line in lines)


def collections(found: Sequence[dict[str, Any]], style: Style) -> str:
    """A CollectionInfo takes two lines, and a third where it ignores something."""
    lines = []
    for each in found:
        excluded = "" if each.get("included", True) else style.dim("  excluded")
        lines.append(f"{style.bold(safe.line(each['name']))}  {_count(each['documents'], 'document')}{excluded}")
        lines.append(style.dim(f"  {safe.line(each['path'])}  {safe.line(each['pattern'])}"))
        if each.get("ignore"):
            lines.append(style.dim(f"  Ignore: {safe.line(', '.join(each['ignore']))}"))
    return "\n".join(lines)


def collection(one: dict[str, Any], style: Style) -> str:
    """All about a collection, as index.yml has it, with the number of its `documents`."""
    facts = [
        ("Collection", one["name"]),
        ("Path", one["path"]),
        ("Pattern", one["pattern"]),
        ("Documents", f"{one['documents']:,}"),
        ("Ignore", ", ".join(one["ignore"])),
        ("Included", "in all searches" if one["included"] else "only where it is named: -c"),
        ("Update", one["update"]),
        *(("Context", f"{prefix}  {text}") for prefix, text in one["contexts"].items()),
    ]
    return "\n".join(f"{style.bold(f'{label:<{_LABEL}}')}{safe.line(fact)}" for label, fact in facts if fact)


def size(size_bytes: float) -> str:
    """`1.2 MB`: decimal units, as file managers show them."""
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" or size_bytes >= 100 else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def duration(seconds: float) -> str:
    """`42 s`, `5 min`, `3 h 10 min`, `2 d 4 h`."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


def _index(index: dict[str, Any]) -> Iterator[str]:
    counts = (
        f"{_count(index['documents'], 'document')}, {_count(index['chunks'], 'chunk')}, "
        f"{_count(index['vectors'], 'vector')}, {size(index['size_bytes'])}"
    )
    name = "of this project" if index["name"].startswith("/") else safe.line(index["name"])
    yield _labelled("Index", f"{name}: {counts}")
    if index.get("updated_at"):
        yield _labelled("Updated", f"{duration(max(0.0, time.time() - index['updated_at']))} ago")
    if index["pending"]:
        verb = "waits" if index["pending"] == 1 else "wait"
        yield _labelled("Pending", f"{_count(index['pending'], 'document')} {verb} for vectors: qmd embed")
    for number, each in enumerate(index["collections"]):
        notes = [f"  {_count(len(each['contexts']), 'context')}" if each.get("contexts") else ""]
        notes += ["" if each.get("included", True) else "  excluded: only searched by name"]
        shown = f"{safe.line(each['name'])}  {_count(each['documents'], 'document')}{''.join(notes)}"
        yield _labelled("" if number else "Collections", shown)


def _daemon(daemon: dict[str, Any]) -> Iterator[str]:
    http = daemon.get("http") or "no HTTP"
    yield _labelled("Daemon", f"running, pid {daemon['pid']}, for {duration(daemon['uptime_s'])}, {safe.line(http)}")
    if daemon.get("tcp"):
        yield _labelled("", f"with keys: {safe.line(daemon['tcp'])}")
    engine = daemon["engine"]
    model = f"{engine['model']} ({engine['dimension']} dimensions)" if engine["model"] else engine["engine"]
    device = f" on {engine['device']} {engine['compute_type']}".rstrip() if engine["device"] else ""
    state = "off until the next request" if engine["state"] == "off" else engine["state"].replace("_", " ")
    yield _labelled("Engine", safe.line(f"{model}{device}: {state}"))
    for more in (engine["reason"], engine["hint"], engine.get("note", "")):
        if more:
            yield _labelled("", safe.line(more))
    for job in daemon.get("jobs", ()):
        if job["state"] in {"queued", "running"}:
            yield _labelled("Job", safe.line(f"{job['kind']} {job['state']}, {job['done']} of {job['total']}"))


def _labelled(label: str, content: str) -> str:
    return f"{label:<{_LABEL}}{content}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
