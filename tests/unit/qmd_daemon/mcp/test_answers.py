"""What agents read: short, whole where it can be, and saying how to go on."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from ipc.protocol import CollectionInfo, DocumentReply, Hit, SearchReply
from qmd_daemon.mcp import answers
from qmd_daemon.mcp.answers import MAX_CHARS, MAX_INSTRUCTIONS_CHARS


def hit(number: int, **fields: Any) -> Hit:
    return Hit(**{
        "docid": f"#{number:06x}", "file": f"qmd://notes/{number}.md", "collection": "notes", "path": f"{number}.md",
        "title": f"Note {number}", "line": number, "score": 0.5, "snippet": "one\ntwo", **fields,
    })  # fmt: skip


def document(text: str, first_line: int = 1, total_lines: int | None = None, context: str = "") -> DocumentReply:
    return DocumentReply(
        docid="#abcdef", file="qmd://notes/a.md", collection="notes", path="a.md", title="A", text=text,
        first_line=first_line, total_lines=total_lines or first_line + text.count("\n"), context=context,
    )  # fmt: skip


def collection(name: str, **fields: Any) -> CollectionInfo:
    return CollectionInfo(name=name, path="/home/me/notes", pattern="**/*.md", documents=3, **fields)


def test_hits() -> None:
    found = [hit(1, context="Mine"), hit(2, context="Mine", relevance=0.25), hit(3)]
    text, content = answers.hits(SearchReply(results=found, stage="fused", notes=["No model."]))
    assert text == (
        "1. qmd://notes/1.md:1 #000001 0.50 Note 1\n(Mine)\n   one\n   two\n"
        "2. qmd://notes/2.md:2 #000002 0.50, relevance 0.25 Note 2\n   one\n   two\n"
        "3. qmd://notes/3.md:3 #000003 0.50 Note 3\n   one\n   two\n"
        "Note: No model."
    )
    assert [row["docid"] for row in content["results"]] == ["#000001", "#000002", "#000003"]
    assert content["results"][1]["relevance"] == 0.25
    assert "context" not in content["results"][2]
    assert content["notes"] == ["No model."]


def test_no_hits() -> None:
    text, content = answers.hits(SearchReply(results=[], stage="lexical"))
    assert text == "No results found. Try other words, or fewer filters."
    assert content == {"results": []}


def test_the_cost_of_ten_hits() -> None:
    """What docs/output.md says: snippets have 300 characters at most."""
    text, _ = answers.hits(SearchReply(results=[hit(n, snippet="x" * 300) for n in range(10)], stage="fused"))
    assert len(text) < 4000


def test_a_document() -> None:
    assert answers.document(document("a\nb", context="Mine"), numbers=True) == (
        "qmd://notes/a.md #abcdef lines 1-2 of 2\n(Mine)\n1: a\n2: b"
    )
    assert answers.document(document("b", first_line=2, total_lines=9), numbers=False) == (
        "qmd://notes/a.md #abcdef lines 2-2 of 9\nb\n(more: from_line=3)"
    )
    assert "(there is no line 7)" in answers.document(document("", first_line=7, total_lines=3), numbers=True)


def test_a_line_that_is_too_long_is_begun() -> None:
    shown = answers.document(document("x" * 100_000 + "\nlast"), numbers=False)
    assert f"… ({100_000 - MAX_CHARS} characters more on this line)\n(more: from_line=2)" in shown


@given(st.text(max_size=400), st.integers(25, 200), st.booleans())
def test_pages_lose_no_line(text: str, limit: int, numbers: bool) -> None:
    lines = [line[:10] for line in text.split("\n")]
    read: list[str] = []
    first = 1
    while first:
        shown, following = answers.page("\n".join(lines[first - 1 :]), first, limit, numbers=numbers)
        assert len(shown) <= limit
        read += shown.split("\n")
        assert following == 0 or following > first
        first = following
    assert read == ([f"{number}: {line}" for number, line in enumerate(lines, 1)] if numbers else lines)


def row(name: str, body: str, **fields: Any) -> dict[str, Any]:
    lines = body.count("\n") + 1
    return {
        "file": f"qmd://notes/{name}",
        "docid": "#abcdef",
        "body": body,
        "first_line": 1,
        "total_lines": lines,
    } | fields


def test_several_documents() -> None:
    rows = [row("a.md", "a", context="Mine"), {**row("b.md", ""), "skipped": True, "reason": "9 bytes"}]
    assert answers.documents(rows, [QmdError("not_found", "File not found: c.md.")], numbers=True) == (
        "qmd://notes/a.md #abcdef\n(Mine)\n1: a\n\nqmd://notes/b.md #abcdef left out: 9 bytes\n\nFile not found: c.md."
    )


def test_what_does_not_fit_is_named() -> None:
    rows = [row("a.md", "a\n" * 15_000), row("b.md", "b"), *(row(f"{n}.md", "c") for n in range(1000))]
    shown = answers.documents(rows, [], numbers=False)
    assert len(shown) < 2 * MAX_CHARS
    assert "more of 15001 lines: get it with from_line=" in shown
    assert "qmd://notes/b.md #abcdef left out: this answer is full" in shown
    assert shown.endswith("(and more: use a narrower pattern)")


def test_instructions() -> None:
    many = [collection(f"c{n}", contexts={"/": "说明" * 400}) for n in range(100)]
    told = answers.instructions([collection("mine", contexts={"": "My\nnotes"}), collection("old", included=False)])
    assert told.endswith("Collections:\n- mine (3 documents): My notes\n- old (3 documents, only when it is named)")
    assert "/home/me" not in told
    assert len(answers.instructions(many)) < MAX_INSTRUCTIONS_CHARS + 100
    assert "Nothing is indexed yet" in answers.instructions([])
