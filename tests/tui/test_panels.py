"""The screens beside the search screen: collections and jobs, models, the card, the log; and the first run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from ipc.errors import QmdError
from ipc.protocol import (
    Card,
    Catalog,
    CatalogModel,
    CatalogReply,
    CollectionAdd,
    CollectionChange,
    CollectionInfo,
    CollectionRemove,
    CollectionRename,
    ContextAdd,
    ContextRemove,
    Done,
    EmbedIndex,
    EngineStatus,
    GpuSample,
    Job,
    JobCancel,
    JobEvent,
    JobFile,
    JobList,
    JobReply,
    JobsReply,
    LogEvent,
    ModelsEvent,
    ModelsLoad,
    ModelStatus,
    ModelsUnload,
    ModelsUse,
    PlaceReply,
    Ps,
    PsReply,
    Pull,
    Request,
    Skipped,
    Status,
    Update,
)
from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from qmd_tui.screens.log import fits
from qmd_tui.screens.search import SearchScreen
from qmd_tui.widgets import progress
from qmd_tui.widgets.directories import completed
from qmd_tui.widgets.plot import plot
from qmd_tui.widgets.readings import readings
from qmd_tui.widgets.workload import rates
from tests.tui.library import ask, index, screen_text, status, until

WIDE = (150, 40)
RUNNING = Job(
    id="7", kind="embed", index="index", state="running", phase="embedding", done=50, total=200, current="a/b.md",
    created_at=2.0, started_at=1.0, collections=["notes"],
)  # fmt: skip
OVER = Job(
    id="6", kind="add", index="index", state="cancelled", done=3, total=9, created_at=1.0, started_at=1.0, ended_at=4.0,
    counts={"new": 3, "skipped": 120}, skipped=[Skipped(path="x\x1b.bin", reason="binary")], collections=["work"],
)  # fmt: skip
NOTES = CollectionInfo(
    name="notes", path="/library", pattern="**/*.md", documents=8, ignore=["drafts/"], contexts={"": "Daily notes"}
)
WORK = CollectionInfo(name="[b]work[/b]", path="/work", pattern="**/*", documents=3, included=False)
MODELS = [
    CatalogModel(name="small", role="embedding", state="converted", used=True, size_bytes=23 << 20,
                 quantizations=["int8"], profiles=["cpu"], license="MIT"),
    CatalogModel(name="large", role="embedding", state="absent", download_bytes=2 << 30),
    CatalogModel(name="judge", role="reranker", state="part", download_bytes=1 << 30),
    CatalogModel(name="middle", role="embedding", state="converted", size_bytes=90 << 20),
    CatalogModel(name="other-judge", role="reranker", state="original", size_bytes=1 << 30),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _furnished(client: FakeClient) -> None:
    client.on(Status, status(index=index(collections=[NOTES, WORK], chunks=4321), jobs=[RUNNING]))
    client.on(JobList, JobsReply(jobs=[RUNNING, OVER]))
    client.on(Catalog, CatalogReply(models=MODELS, profile="cpu", reason="no model"))
    loaded = ModelStatus(role="embedding", name="small", state="ready", size_bytes=90 << 20, device="cpu",
                         compute_type="int8", until=None)  # fmt: skip
    client.on(Ps, PsReply(models=[loaded]))
    for kind in (CollectionAdd, Update, EmbedIndex, JobCancel, Pull):
        client.on(kind, JobReply(job=RUNNING))
    for kind in (CollectionRemove, CollectionRename, CollectionChange):
        client.on(kind, Done())
    for kind in (ContextAdd, ContextRemove):
        client.on(kind, PlaceReply(place="qmd://notes"))
    for kind in (ModelsLoad, ModelsUnload, ModelsUse):
        client.on(kind, PsReply(models=[]))


def asked(client: FakeClient, kind: type[Request]) -> list[Any]:
    return [request for request in client.requests if isinstance(request, kind)]


async def visit(pilot: Any, key: str, text: str) -> None:
    await until(pilot, lambda: "Type to search" in screen_text(pilot))
    await pilot.press(key)
    await until(pilot, lambda: text in screen_text(pilot))


async def test_collections_and_jobs_are_listed(app: QmdApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f3", "cancelled")
        shown = screen_text(pilot)
        for told in ("notes", "always", "**/*.md !drafts/", "Daily notes", "[b]work[/b]", "when named", "████░░░░",
                     "50/200", "a/b.md", "embedding notes", "indexing work"):  # fmt: skip
            assert told in shown


@pytest.mark.parametrize(
    ("keys", "request_"),
    [
        (["u"], Update(index="index")),
        (["e"], EmbedIndex(index="index")),
        (["i"], CollectionChange(index="index", name="notes", included=False)),
        (["down", "i"], CollectionChange(index="index", name="[b]work[/b]", included=True)),
        (["d", "y"], CollectionRemove(index="index", name="notes")),
        (["r", "2", "enter"], CollectionRename(index="index", name="notes", new_name="notes2")),
        (
            ["c", *"26", "enter", "!", "enter"],
            ContextAdd(index="index", place="qmd://notes/26", text="Daily notes!"),
        ),
        (["c", "enter", "ctrl+u", "enter"], ContextRemove(index="index", place="qmd://notes")),
        (["g", *" *.tmp", "enter"], CollectionChange(index="index", name="notes", ignore=["drafts/", "*.tmp"])),
        (["tab", "x"], JobCancel(job="7")),
        (["tab", "down", "s"], Update(index="index", collections=["work"])),
        (["tab", "down", "s"], EmbedIndex(index="index", collections=["work"])),
    ],
)
async def test_what_can_be_done_with_them(app: QmdApp, client: FakeClient, keys: list[str], request_: Request) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f3", "cancelled")
        await pilot.press(*keys)
        await until(pilot, lambda: request_ in client.requests)


@pytest.mark.parametrize(
    "keys", [["d", "escape"], ["d", "n"], ["r", "escape"], ["r", "enter"], ["a", "escape"], ["x"], ["s"]]
)
async def test_what_is_thought_better_of_is_not_done(app: QmdApp, client: FakeClient, keys: list[str]) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f3", "cancelled")
        await pilot.press(*keys)
        await pilot.pause()
        kinds = (CollectionAdd, CollectionRemove, CollectionRename, JobCancel)
        assert [request for request in client.requests if isinstance(request, kinds)] == []


async def test_what_a_job_skipped_and_why(app: QmdApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f3", "cancelled")
        await pilot.press("tab", "down", "enter")
        await until(pilot, lambda: "x␛.bin  binary" in screen_text(pilot))
        assert "3 new, 120 skipped" in screen_text(pilot)
        assert "and 119 more" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "x␛.bin" not in screen_text(pilot))


async def test_progress_moves_and_the_cursor_stays(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f3", "cancelled")
        await pilot.press("tab", "down")
        done = Job(id="7", kind="embed", index="index", state="done", done=200, total=200, created_at=2.0)
        client.emit("job", JobEvent(job=done))
        await until(pilot, lambda: "200/200" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "120 skipped" in screen_text(pilot))


async def test_the_first_run_leads_from_a_folder_to_the_search(app: QmdApp, client: FakeClient, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    client.on(Status, status(index=index(collections=[], documents=0)))
    client.on(JobList, JobsReply(jobs=[]))
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: "Press Enter to choose a folder." in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Add a directory" in screen_text(pilot))
        field = app.screen.query(Input).first()
        field.value = f"{tmp_path}/no"
        field.cursor_position = len(field.value)
        await until(pilot, lambda: field._suggestion == f"{tmp_path}/notes")
        await pilot.press("right", "enter", "enter", "enter")
        await until(pilot, lambda: asked(client, CollectionAdd))
        (added,) = asked(client, CollectionAdd)
        assert (added.path, added.name, added.mask) == (f"{tmp_path}/notes", "", "")
        client.on(Status, status())
        await until(pilot, lambda: "a/b.md" in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, SearchScreen))
        await ask(pilot, "v")


async def test_a_directory_that_is_refused_comes_back_with_the_reason(app: QmdApp, client: FakeClient) -> None:
    home = os.path.join(os.environ["HOME"], "x")
    client.on(CollectionAdd, QmdError("not_found", "There is no such directory."))
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f3", "cancelled")
        await pilot.press("a", "x", "enter", "enter", "enter")
        await until(pilot, lambda: "There is no such directory." in screen_text(pilot))
        assert app.screen.query(Input).first().value == home


async def test_what_is_refused_elsewhere_is_told(app: QmdApp, client: FakeClient) -> None:
    client.on(Update, QmdError("overloaded", "Too many jobs."))
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await visit(pilot, "f3", "cancelled")
        await pilot.press("u")
        await until(pilot, lambda: "Too many jobs." in screen_text(pilot))


async def test_models_by_role_and_where_they_are(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f4", "loaded, 90M, cpu, int8, stays")
        shown = screen_text(pilot)
        for part in (
            "Profile: cpu · no model",
            "* small",
            "ready, 23M int8",
            "not here, to fetch 2.0G",
            "fetched in part",
        ):
            assert part in shown
        await pilot.press("down", "f")
        await until(pilot, lambda: asked(client, Pull))
        assert asked(client, Pull)[0].names == ["large"]
        await pilot.press("up", "l", "u")
        await until(pilot, lambda: asked(client, ModelsUnload))
        assert asked(client, ModelsLoad)[0].roles == ["embedding"]


async def test_since_when_a_model_is_loaded_and_when_it_goes(app: QmdApp, client: FakeClient) -> None:
    now = time.time()
    loaded = ModelStatus(role="embedding", name="small", state="ready", loaded_at=now - 181, until=now + 239)
    client.on(Ps, PsReply(models=[loaded]))
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f4", "loaded 3 min ago, unloads in 4 min")
        loaded = ModelStatus(role="embedding", name="small", state="ready", loaded_at=now - 200_000, until=now + 20)
        client.emit("models", ModelsEvent(engine=EngineStatus(state="ready", engine="fake", models=[loaded])))
        await until(pilot, lambda: "loaded 55 h 33 min ago, unloads in " in screen_text(pilot))


async def test_only_a_model_that_is_used_is_loaded(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await visit(pilot, "f4", "* small")
        await pilot.press("down", "l", "u")
        await until(pilot, lambda: "Only a model that is used" in screen_text(pilot))
        assert asked(client, ModelsLoad) == asked(client, ModelsUnload) == []


async def test_a_fetch_shows_its_files(app: QmdApp, client: FakeClient) -> None:
    fetch = Job(
        id="9", kind="fetch", index="", state="running", phase="large", done=1 << 30, total=2 << 30, unit="bytes",
        files=[JobFile(name="model.safetensors", done=1 << 30, total=2 << 30)],
    )  # fmt: skip
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f4", "* small")
        client.emit("job", JobEvent(job=fetch))
        await until(pilot, lambda: "model.safetensors 1.0G/2.0G" in screen_text(pilot))


async def test_what_another_model_costs(app: QmdApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f4", "* small")
        await pilot.press("w")
        await until(pilot, lambda: "It is used already." in screen_text(pilot))
        await pilot.press("escape", "down", "w")
        await until(pilot, lambda: "To fetch: 2.0G" in screen_text(pilot))
        assert "To embed again: 4,321 chunks." in screen_text(pilot)
        assert "F fetches it" in screen_text(pilot)
        await pilot.press("escape", "down", "w")
        await until(pilot, lambda: "Nothing is embedded again." in screen_text(pilot))


async def test_another_model_is_used_once_its_cost_was_told(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f4", "* small")
        await pilot.press("down", "down", "down", "w")
        await until(pilot, lambda: "Use middle?" in screen_text(pilot))
        assert "To embed again: 4,321 chunks." in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "Use middle?" not in screen_text(pilot))
        assert asked(client, ModelsUse) == []
        looked = len(asked(client, Catalog))
        await pilot.press("w", "enter")
        await until(pilot, lambda: len(asked(client, Catalog)) > looked)
        assert asked(client, ModelsUse) == [ModelsUse(role="embedding", name="middle")]


async def test_a_model_that_cannot_be_used_says_why(app: QmdApp, client: FakeClient) -> None:
    client.on(ModelsUse, QmdError("conflict", "QMD_MODEL wins."))
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await visit(pilot, "f4", "* small")
        await pilot.press("down", "down", "down", "down", "w")
        await until(pilot, lambda: "It is converted first" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "QMD_MODEL wins." in screen_text(pilot))


CARD = Card(
    index=0, name="RTX", utilization_ratio=0.5, memory_used_bytes=3 << 30, memory_total_bytes=8 << 30,
    memory_ours_bytes=1 << 30, temperature_c=54.0, power_w=61.0, clock_mhz=1980.0,
)  # fmt: skip


def told(*samples: GpuSample, width: int = 100, height: int = 40) -> str:
    return "\n".join(line.plain for line in readings(samples, width, height))


def test_a_card_with_its_history() -> None:
    text = told(GpuSample(at=1.0, cards=[CARD]), GpuSample(at=2.0, cards=[CARD], ceiling_bytes=4 << 30, queued=3,
                                                          requests={"interactive": 2}))  # fmt: skip
    for part in ("0: RTX", "50%", "ours 1.0G of at most 4.0G · others 2.0G · free 5.0G", "54°C", "61 W", "1980 MHz",
                 "texts waiting   3", "people          0 requests/s, 2 under way"):  # fmt: skip
        assert part in text


def test_how_fast_the_worker_is_and_who_asks() -> None:
    before = GpuSample(at=1.0, worker_pid=7, answered={"interactive": 5}, batches=10, pieces=100, tokens=1000)
    after = GpuSample(at=3.0, worker_pid=7, answered={"interactive": 8, "agent": 40}, batches=14, pieces=228,
                      tokens=25_000, queued=17)  # fmt: skip
    text = told(before, after)
    for part in (
        "tokens/s        12,000",
        "texts per batch 32",
        "texts waiting   17",
        "people          1.5 requests/s, 0 under way",
        "agents          20 requests/s, 0 under way",
    ):
        assert part in text
    assert "nobody waiting" not in text
    idle = told(before, GpuSample(at=2.0, answered={"interactive": 5}, batches=10, pieces=100, tokens=1000))
    assert "tokens/s" not in idle
    assert "people" not in idle


def test_a_daemon_that_begins_to_count_anew_leaves_a_gap() -> None:
    samples = [GpuSample(at=float(at), tokens=tokens) for at, tokens in enumerate((0, 100, 10, 30, 30))]
    assert rates(samples, lambda one: one.tokens) == [100, None, 20, 0]
    assert rates([samples[0], samples[0]], lambda one: one.tokens) == [None]


def test_every_card_and_every_missing_sensor() -> None:
    bare = Card(index=1, name="X")
    text = told(GpuSample(at=1.0), GpuSample(at=2.0, cards=[CARD, bare]))
    assert "1: X" in text
    assert text.count("utilisation") == 1
    no_own = Card(index=0, name="Y", memory_used_bytes=1 << 30)
    assert "used 1.0G" in told(GpuSample(at=1.0, cards=[no_own]))


def test_without_a_card_it_is_the_processor_and_the_memory() -> None:
    sample = GpuSample(
        at=1.0, reason="no NVIDIA driver", worker_pid=7, worker_cpu=1.5, worker_memory_bytes=1 << 30,
        machine_cpu_ratio=0.4, machine_memory_used_bytes=2 << 30, machine_memory_total_bytes=8 << 30,
        ceiling_bytes=4 << 30,
    )  # fmt: skip
    text = told(sample)
    for part in (
        "no GPU: no NVIDIA driver",
        "40% · worker 1.5 cores",
        "worker 1.0G of at most 4.0G · used 2.0G · free 6.0G",
    ):
        assert part in text
    assert told() == "No reading yet."
    assert "worker          off" in told(GpuSample(at=1.0))


def test_a_plot_is_as_high_as_its_values() -> None:
    assert plot([0.0, 0.5, 1.0, None, 2.0], 6, 2) == ["   █ █", "  ██ █"]
    assert plot([0.25], 1, 2) == [" ", "▄"]
    assert plot([1.0] * 9, 4, 1) == ["████"]


async def test_the_meter_has_a_screen(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: client.listeners)
        client.emit("gpu", GpuSample(at=1.0, cards=[CARD]))
        await visit(pilot, "f5", "0: RTX")
        client.emit("gpu", GpuSample(at=2.0, reason="gone"))
        await until(pilot, lambda: "no GPU: gone" in screen_text(pilot))


def log(level: str, event: str, **fields: str) -> LogEvent:
    return LogEvent(at=1.0, level=level, event=event, fields=fields)


def test_a_line_fits_by_level_and_words() -> None:
    event = log("warning", "request.failed", request="ab12")
    assert fits(event, "info", [])
    assert fits(event, "warning", ["request=ab12", "failed"])
    assert not fits(event, "error", [])
    assert not fits(event, "info", ["done"])


async def test_the_log_is_filtered_by_level_and_request(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: client.listeners)
        client.emit("log", log("info", "request.done", request="ab12", ms="3"))
        client.emit("log", log("error", "worker.died", reason="\x1b[31mred"))
        await visit(pilot, "f6", "worker.died")
        assert "reason=␛[31mred" in screen_text(pilot)
        await pilot.press(*"ab12")
        await until(pilot, lambda: "worker.died" not in screen_text(pilot))
        assert "request.done  ms=3" in screen_text(pilot) or "request=ab12" in screen_text(pilot)
        await pilot.press("escape", "ctrl+l")
        await until(pilot, lambda: "request.done" not in screen_text(pilot) and "worker.died" in screen_text(pilot))
        client.emit("log", log("warning", "disk.full"))
        await until(pilot, lambda: "disk.full" in screen_text(pilot))
        await pilot.press("ctrl+l")
        await until(pilot, lambda: "disk.full" not in screen_text(pilot))
        await pilot.press("up", "down", "pageup", "pagedown", "escape")
        await until(pilot, lambda: isinstance(app.screen, SearchScreen))


async def test_from_screen_to_screen_and_back_by_the_same_key(app: QmdApp) -> None:
    async with app.run_test(size=WIDE) as pilot:
        await visit(pilot, "f3", "cancelled")
        await pilot.press("f5")
        await until(pilot, lambda: "texts waiting" in screen_text(pilot) or "No reading yet." in screen_text(pilot))
        assert len(app.screen_stack) == 2
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, SearchScreen))
        await pilot.press("f3", "a", "f5")
        await pilot.pause()
        assert "Add a directory" in screen_text(pilot)


@pytest.mark.parametrize("key", ["f3", "f4", "f5", "f6"])
async def test_small_terminals_are_enough(app: QmdApp, key: str) -> None:
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(app.screen, SearchScreen))
        await pilot.pause()
        assert all(len(line) <= 40 for line in screen_text(pilot).splitlines())


def test_how_fast_and_how_long() -> None:
    assert (progress.rate(RUNNING, 11.0), progress.left_s(RUNNING, 11.0)) == (5.0, 30.0)
    assert progress.speed(RUNNING, 11.0) == "5.0/s"
    assert progress.rate(OVER, 99.0) == 1.0
    assert progress.left_s(OVER, 99.0) is None
    assert progress.bar(OVER, 9) == "███░░░░░░"
    assert progress.bar(Job(id="1", kind="add", index="i", state="queued"), 3) == "░░░"
    assert progress.amount(Job(id="1", kind="add", index="i", state="queued")) == ""
    assert progress.rate(Job(id="1", kind="add", index="i", state="queued"), 9.0) is None
    assert [progress.duration(s) for s in (None, 42.0, 180.0, 7500.0)] == ["", "42 s", "3 min", "2 h 5 min"]


def test_a_directory_is_completed(tmp_path: Path) -> None:
    for name in ("notes", "nothing", ".hidden", "a\x1bb"):
        (tmp_path / name).mkdir()
    (tmp_path / "nofile").write_text("")
    assert completed(f"{tmp_path}/no") == f"{tmp_path}/notes"
    assert completed(f"{tmp_path}/noth") == f"{tmp_path}/nothing"
    assert completed(f"{tmp_path}/nothing") is None
    assert completed(f"{tmp_path}/.") == f"{tmp_path}/.hidden"
    assert completed(f"{tmp_path}/a") is None
    assert completed(f"{tmp_path}/missing/x") is None
    assert completed("relative") is None


async def test_what_does_not_fit_of_the_meter_is_scrolled_to(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=(40, 12)) as pilot:
        await until(pilot, lambda: client.listeners)
        client.emit("gpu", GpuSample(at=1.0, cards=[CARD]))
        await visit(pilot, "f5", "0: RTX")
        assert "texts waiting" not in screen_text(pilot)
        await pilot.press("end")
        await until(pilot, lambda: "texts waiting" in screen_text(pilot))
        client.emit("gpu", GpuSample(at=2.0, cards=[CARD], queued=42))
        await until(pilot, lambda: "42" in screen_text(pilot))
        await pilot.press("home")
        await until(pilot, lambda: "0: RTX" in screen_text(pilot))
