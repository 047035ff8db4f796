"""Nothing that a person sees is outside the catalog: with one that marks what goes through it, all words are marked."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from typing import Any

import pytest
from babel.messages.pofile import read_po
from textual.pilot import Pilot

from ipc.errors import QmdError
from ipc.protocol import (
    Card,
    Catalog,
    CatalogModel,
    CatalogReply,
    CollectionAdd,
    Contribution,
    Explain,
    GpuSample,
    Job,
    JobEvent,
    JobList,
    JobsReply,
    LogEvent,
    ModelStatus,
    Ps,
    PsReply,
    Query,
    SearchReply,
    Skipped,
    Stage,
    Status,
)
from ipc.testing import FakeClient
from qmd_tui import language
from qmd_tui.app import QmdApp
from qmd_tui.screens.search import SearchScreen
from tests.tui.library import Line, hit, index, quick, screen_text, status, until

OPEN, CLOSE = "⟦", "⟧"
# Names: of commands, modes, keys, files, units and measures, which are the same in every language; and what the
# library holds. Everything else is the program speaking.
NAMES = """
query search vsearch lex vec hyde intent qmd collection add PATH stop config toml engine embedding GPU CPU MHz rrf ms
Ctrl Alt Shift Esc Enter Tab PgUp PgDn F ctrl shift alt tab enter esc delete escape up down del gpu pgup pgdn
int cpu small MIT md txt
notes vector engine document something before line of tells the Vector search Baking bread Notes on red markup Tea Rain
Sailing Moss GPU library daily abc xy request done
"""
KNOWN = set(NAMES.split())


class Marking(gettext.NullTranslations):
    """Marks what goes through it and is in the catalogs; what is not, the daemon has made up, comes as it is."""

    def __init__(self) -> None:
        super().__init__()
        with open(f"{language.DIRECTORY}/zh_CN/LC_MESSAGES/qmd.po", "rb") as file:
            ids = [message.id for message in read_po(file)]
        self._known = {text for one in ids for text in (one if isinstance(one, tuple) else (one,))}

    def gettext(self, message: str) -> str:
        return f"{OPEN}{message}{CLOSE}" if message in self._known else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


def unmarked(text: str) -> set[str]:
    """The words on the screen that did not go through the catalog. What is cut off counts to the end of its line."""
    before = ""
    while before != text:
        before, text = text, re.sub(rf"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}", " ", text)
    text = re.sub(rf"{OPEN}[^\n]*", " ", text)
    return set(re.findall(r"[^\W\d_]{2,}", text)) - KNOWN


@pytest.fixture
def marked(client: FakeClient, line: Line) -> Iterator[QmdApp]:
    explain = Explain(contributions=[Contribution(list="vector", rank=1, score=0.8, rrf=0.0164, share=0.4)],
                      matched_terms=["vector"], fused=0.7, rerank=0.9, trust=0.75)  # fmt: skip
    stages = [
        Stage(name="lexical", ran=True, ms=2.1),
        Stage(name="expand", ran=False, reason="no model"),
        Stage(name="vector", ran=True, ms=2.0),
        Stage(name="fusion", ran=True, ms=0.1),
        Stage(name="rerank", ran=False, reason="the query names something"),
    ]
    hits = [hit(n, explain=explain, relevance=0.5) for n in (0, 2)]
    client.on(Query, SearchReply(results=hits, stage="fused", stages=stages, notes=["Nothing here seems relevant."]))
    jobs = [
        Job(id="1", kind="embed", index="index", state="running", phase="embedding", done=1, total=2, current="x",
            created_at=1.0, started_at=1.0),
        Job(id="2", kind="add", index="index", state="done", counts={"new": 2, "skipped": 1},
            skipped=[Skipped(path="x", reason="no model")]),
    ]  # fmt: skip
    client.on(JobList, JobsReply(jobs=jobs))
    client.on(Status, status(index=index(pending=3)))
    model = CatalogModel(name="small", role="embedding", state="part", download_bytes=5 << 20, profiles=["cpu"],
                         license="MIT")  # fmt: skip
    client.on(Catalog, CatalogReply(models=[model], profile="cpu"))
    loaded = ModelStatus(role="embedding", name="small", state="ready", size_bytes=90 << 20, device="cpu",
                         compute_type="int8", until=4e9)  # fmt: skip
    client.on(Ps, PsReply(models=[loaded]))
    client.on(CollectionAdd, QmdError("invalid", "abc", "x"))
    app = QmdApp(line, quick())
    language.use("zh_CN", Marking())
    yield app
    language.use(language.ENGLISH)


async def check(pilot: Pilot[Any], shown: str) -> None:
    await until(pilot, lambda: shown in screen_text(pilot))
    await pilot.pause()
    text = screen_text(pilot)
    if dialogs := pilot.app.screen.query(".dialog, #keys, #--container"):
        # It covers a part of what lies below it, words and marks alike.
        x, y, width, height = dialogs.first().region
        text = "\n".join(line[x : x + width - 3] for line in text.splitlines()[y : y + height])
    assert unmarked(text) == set(), text


async def test_the_search_screen(marked: QmdApp, client: FakeClient) -> None:
    async with marked.run_test(size=(220, 60), notifications=True) as pilot:
        await check(pilot, "Type to search")
        await pilot.press("v")
        await check(pilot, "no model")
        await pilot.press("ctrl+e")
        await check(pilot, "Found by")
        await pilot.press("ctrl+e", "tab")
        await check(pilot, "1 picked")
        for key in ("ctrl+y", "alt+y", "alt+d", "alt+s"):
            await pilot.press(key)
        await check(pilot, "Copied the passage")
        await pilot.press("alt+w")
        await check(pilot, "Saved")
        await pilot.press("ctrl+r")
        await check(pilot, "Earlier queries")
        await pilot.press("escape", "f1")
        await check(pilot, "Previous result")
        await pilot.press("escape", "escape", "escape")
        client.on(Query, SearchReply(results=[], stage="lexical"))
        await pilot.press("x")
        await check(pilot, "Nothing matches")
        client.on(Query, QmdError("no_model", "abc"))
        await pilot.press("y")
        await check(pilot, "The model is not installed.")


async def test_the_palette(marked: QmdApp) -> None:
    async with marked.run_test(size=(220, 60)) as pilot:
        await until(pilot, lambda: "Type to search" in screen_text(pilot))
        await pilot.press("f2")
        await check(pilot, "Search the commands")
        await pilot.press(*"gpu")
        await check(pilot, f"{OPEN}GPU, or")
        await pilot.press(*"qqqq")
        await check(pilot, "No command does that.")


async def test_collections_and_jobs(marked: QmdApp) -> None:
    async with marked.run_test(size=(220, 60)) as pilot:
        await until(pilot, lambda: "Type to search" in screen_text(pilot))
        await pilot.press("f3")
        await check(pilot, "running")
        for key, shown in (
            ("a", "Directory ("),
            ("r", "Rename"),
            ("c", "What lies there"),
            ("g", "Patterns"),
            ("d", "Forget"),
        ):
            await pilot.press(key)
            await check(pilot, shown)
            await pilot.press("escape")
        await pilot.press("tab", "down", "enter")
        await check(pilot, "2 ")
        await pilot.press("escape", "f1")
        await check(pilot, "Cancel the job")


async def test_models_the_card_and_the_log(marked: QmdApp, client: FakeClient) -> None:
    card = Card(index=0, name="x", utilization_ratio=0.5, memory_used_bytes=3 << 30, memory_total_bytes=8 << 30,
                memory_ours_bytes=1 << 30, temperature_c=54.0, power_w=61.0, clock_mhz=1980.0)  # fmt: skip
    async with marked.run_test(size=(220, 60)) as pilot:
        await until(pilot, lambda: "Type to search" in screen_text(pilot))
        await pilot.press("f4")
        await check(pilot, "unloads in")
        await pilot.press("w")
        await check(pilot, "To embed again")
        await pilot.press("escape", "f5")
        await check(pilot, "No reading yet.")
        requests = {"interactive": 1, "agent": 1, "bulk": 1}
        client.emit("gpu", GpuSample(at=1.0, cards=[card], ceiling_bytes=4 << 30))
        working = {"batches": 4, "pieces": 9, "tokens": 100, "answered": requests, "requests": requests}
        client.emit("gpu", GpuSample(at=2.0, cards=[card], ceiling_bytes=4 << 30, **working))
        await check(pilot, "texts per batch")
        await check(pilot, "temperature")
        memory = {"worker_memory_bytes": 1, "machine_memory_used_bytes": 2, "machine_memory_total_bytes": 8}
        client.emit("gpu", GpuSample(at=1.0, machine_cpu_ratio=0.4, worker_pid=7, worker_cpu=1.0, **memory))
        await check(pilot, "cores")
        await pilot.press("f6")
        await check(pilot, "Nothing yet.")
        client.emit("log", LogEvent(at=1.0, level="info", event="request.done"))
        await check(pilot, "request.done")


async def test_without_anything(line: Line, client: FakeClient, marked: QmdApp) -> None:
    client.on(Status, status(index=index(collections=[], documents=0)))
    async with marked.run_test(size=(220, 60)) as pilot:
        await check(pilot, "Nothing is indexed yet.")
        job = Job(id="7", kind="update", index="index", state="failed")
        client.emit("job", JobEvent(job=job))
        await check(pilot, "failed")
    line.error = QmdError("unavailable", "abc")
    other = QmdApp(line, quick(retry_first_s=60.0))
    language.use("zh_CN", Marking())
    async with other.run_test(size=(220, 60)) as pilot:
        await check(pilot, "daemon lost")
        assert isinstance(other.screen, SearchScreen)
