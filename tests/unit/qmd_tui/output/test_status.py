from typing import Any

import msgspec
import pytest

from ipc.protocol import CollectionInfo, EngineStatus, IndexStatus, Job, StatusReply
from qmd_tui.output import status
from qmd_tui.output.style import Style

INDEX = IndexStatus(
    name="index",
    path="/data/indexes/index",
    documents=1234,
    chunks=2000,
    vectors=1990,
    pending=1,
    size_bytes=1_234_567,
    collections=[CollectionInfo(name="notes", path="/home/me/notes", pattern="**/*.md", documents=1234)],
)
DAEMON = StatusReply(
    version="0.1.0",
    protocol=1,
    pid=42,
    uptime_s=3700,
    index=INDEX,
    engine=EngineStatus(
        state="ready", engine="ct2", model="all-minilm-l6-v2", dimension=384, device="cpu", compute_type="int8"
    ),
    http="http://127.0.0.1:18765",
    jobs=[Job(id="1", kind="update", index="index", state="running", done=3, total=9)],
)


def plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found


def test_everything_there() -> None:
    assert status.text(plain(INDEX), plain(DAEMON), Style()).split("\n") == [
        "Index       index: 1,234 documents, 2,000 chunks, 1,990 vectors, 1.2 MB",
        "Pending     1 document waits for vectors: qmd embed",
        "Collections notes  1,234 documents",
        "Daemon      running, pid 42, for 1 h 1 min, http://127.0.0.1:18765",
        "Engine      all-minilm-l6-v2 (384 dimensions) on cpu int8: ready",
        "Job         update running, 3 of 9",
    ]


def test_nothing_there() -> None:
    assert status.text(None, None, Style()).split("\n") == [
        "Index       nothing is indexed yet: qmd collection add PATH",
        "Daemon      not running: the next query starts it",
    ]


def test_an_engine_that_cannot_work_says_why_and_what_to_do() -> None:
    engine = EngineStatus(state="no_model", engine="ct2", reason="not installed", hint="Install it: pip install x")
    shown = status.text(None, plain(msgspec.structs.replace(DAEMON, engine=engine, http="", jobs=[])), Style())
    assert "ct2: no model\n            not installed\n            Install it: pip install x" in shown
    assert "no HTTP" in shown


def test_labels_stand_out_on_a_terminal() -> None:
    assert status.text(None, None, Style(colored=True)).startswith("\x1b[1mIndex       \x1b[0mnothing")


def test_collections() -> None:
    found = plain(CollectionInfo(name="a\x1b", path="/a", pattern="**/*.md", ignore=["tmp/**"], documents=1))
    assert status.collections([found], Style()) == "a␛  1 document\n  /a  **/*.md\n  Ignore: tmp/**"


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (5_400_000, "5.4 MB"), (12e9, "12.0 GB")],
)
def test_size(size_bytes: float, shown: str) -> None:
    assert status.size(size_bytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (59.9, "59 s"), (61, "1 min"), (3600, "1 h 0 min"), (100_000, "1 d 3 h")]
)
def test_duration(seconds: float, shown: str) -> None:
    assert status.duration(seconds) == shown


def test_a_project_says_so_and_what_is_excluded_too() -> None:
    notes = CollectionInfo(name="n", path="/n", pattern="*", documents=1, contexts={"/": "Any"}, included=False)
    shown = status.text(plain(IndexStatus(name="/p/.qmd", path="/p/.qmd", collections=[notes])), None, Style())
    assert "Index       of this project: " in shown
    assert "Collections n  1 document  1 context  excluded: only searched by name" in shown
    assert "/p" not in shown


def test_all_about_a_collection() -> None:
    one = {
        "name": "n", "path": "/n", "pattern": "*.md", "documents": 1200, "ignore": [], "included": True,
        "update": "git pull\x1b[2J", "contexts": {"/": "Any"},
    }  # fmt: skip
    assert status.collection(one, Style()).split("\n") == [
        "Collection  n",
        "Path        /n",
        "Pattern     *.md",
        "Documents   1,200",
        "Included    in all searches",
        "Update      git pull␛[2J",
        "Context     /  Any",
    ]
