"""Case 64 of tobi/qmd, and what a document is found by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.store.handles import handle


@pytest.mark.parametrize(
    ("path", "rewritten"),
    [
        ("README.md", "README.md"),
        ("file (1).md", "file-1.md"),
        ("foo___bar.md", "foo/bar.md"),
        ("🐘 elephant.md", "1f418-elephant.md"),
        ("日本語.md", "日本語.md"),
        ("routes/api/auth/$.ts", "routes/api/auth/$.ts"),
        ("My Notes/2026-04 (draft)/a_b.md", "My-Notes/2026-04-draft/a-b.md"),
        ("हिन्दी.md", "हिन्दी.md"),
        ("Makefile", "Makefile"),
        (".md", ""),
        ("___", ""),
        ("a/...", ""),
    ],
)
def test_a_path_as_it_was_rewritten(path: str, rewritten: str) -> None:
    assert handle(path) == rewritten


@given(st.text())
def test_what_was_rewritten_stays_as_it_is(path: str) -> None:
    assert handle(handle(path)) == handle(path)
