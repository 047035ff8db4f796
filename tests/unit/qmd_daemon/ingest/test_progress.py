from __future__ import annotations

from ipc.protocol import Skipped
from qmd_daemon.ingest.progress import Progress


def test_a_phase_counts_from_nothing_to_its_total() -> None:
    told: list[tuple[str, int, int, str]] = []
    progress = Progress(lambda: told.append((progress.phase, progress.done, progress.total, progress.current)))
    progress.begin("scan")
    progress.step(10, "a.md")
    progress.begin("index", 3)
    progress.step(current="b.md")
    progress.step(2)
    assert told == [
        ("scan", 0, 0, ""),
        ("scan", 10, 0, "a.md"),
        ("index", 0, 3, ""),
        ("index", 1, 3, "b.md"),
        ("index", 3, 3, ""),
    ]


def test_more_than_was_expected_moves_the_total() -> None:
    progress = Progress()
    progress.begin("index", 2)
    progress.step(5)
    assert (progress.done, progress.total) == (5, 5)


def test_all_that_is_skipped_is_counted_and_a_hundred_named() -> None:
    progress = Progress()
    for number in range(250):
        progress.skip(f"{number}.md", "binary")
    assert progress.counts == {"skipped": 250}
    assert len(progress.skipped) == 100
    assert progress.skipped[0] == Skipped(path="0.md", reason="binary")
