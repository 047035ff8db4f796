import pytest

from ipc.protocol import Job, Skipped
from qmd_tui.output import jobs


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({"new": 3, "updated": 0, "unchanged": 5, "removed": 1}, "Indexed: 3 new, 0 updated, 5 unchanged, 1 removed"),
        ({"chunks": 12, "documents": 3}, "Embedded: 12 chunks of 3 documents"),
        ({"chunks": 1, "documents": 1}, "Embedded: 1 chunk of 1 document"),
        (
            {"new": 1, "chunks": 2, "documents": 1},
            "Indexed: 1 new, 0 updated, 0 unchanged, 0 removed\nEmbedded: 2 chunks of 1 document",
        ),
        ({}, ""),
    ],
)
def test_summary(counts: dict[str, int], shown: str) -> None:
    assert jobs.summary(counts) == shown


def job(count: int) -> Job:
    files = [Skipped(path=f"{number}.md", reason="binary") for number in range(min(count, 100))]
    return Job(id="1", kind="update", index="index", state="done", counts={"skipped": count}, skipped=files)


def test_skipped_files_are_named_and_counted() -> None:
    assert list(jobs.remarks(job(2))) == ["skipped 0.md: binary", "skipped 1.md: binary", "skipped 2 files."]


def test_at_most_twenty_are_named() -> None:
    lines = list(jobs.remarks(job(500)))
    assert len(lines) == 21
    assert lines[-1] == "skipped 500 files, 480 of them not named here."


def test_nothing_skipped_nothing_said() -> None:
    assert list(jobs.remarks(job(0))) == []


def test_an_update_that_found_something_leaves_its_vectors_to_be_made() -> None:
    for count, expected in ((0, []), (2, ["`qmd embed` makes the vectors of what is new."])):
        updated = Job(id="1", kind="update", index="index", state="done", counts={"new": count, "updated": 0})
        assert list(jobs.remarks(updated)) == expected


def test_a_new_collection_without_vectors_says_why() -> None:
    added = Job(id="1", kind="add", index="index", state="done", phase="no vectors: no model", counts={"new": 1})
    assert list(jobs.remarks(added)) == ["no vectors: no model. `qmd check` says how to get it."]


def test_a_cleanup() -> None:
    counts = {"removed_documents": 1, "removed_contents": 2, "removed_chunks": 3, "freed_bytes": 1_500_000}
    assert jobs.summary(counts) == (
        "Removed: 1 documents of removed collections, 2 orphaned contents, 3 chunks of models not in use. 1.5 MB freed."
    )
    assert list(jobs.would_clean({"documents": 1, "contents": 2, "chunks": 3})) == [
        "Would remove 1 documents of removed collections",
        "Would remove 2 orphaned contents",
        "Would remove 3 chunks of models not in use",
        "Would rebuild the lexical index and vacuum the database",
    ]
