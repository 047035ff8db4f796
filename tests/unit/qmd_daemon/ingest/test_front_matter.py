from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.ingest.front_matter import metadata


@pytest.mark.parametrize(
    ("source", "pairs"),
    [
        ("tags: [GPU, Cuda]", [("tags", "gpu"), ("tags", "cuda")]),
        ("tags:\n  - a\n  - b", [("tags", "a"), ("tags", "b")]),
        ("tags: gpu, cuda", [("tags", "gpu"), ("tags", "cuda")]),
        ('tags: "#gpu #cuda"', [("tags", "gpu"), ("tags", "cuda")]),
        ("date: 2026-04-10", [("date", "2026-04-10")]),
        ("draft: true\nn: 3", [("draft", "true"), ("n", "3")]),
        ("author:\n  name: Ann", [("author.name", "ann")]),
        ("空: 值", [("空", "值")]),
        ("a: b: c\ntags: x", [("a", "b: c"), ("tags", "x")]),  # not YAML
        ("empty:\nx: y", [("x", "y")]),
    ],
)
def test_keys_and_values(source: str, pairs: list[tuple[str, str]]) -> None:
    assert list(metadata(f"---\n{source}\n---\ntext")) == pairs


def test_a_text_without_front_matter_has_none() -> None:
    assert metadata("# Title\n---\nkey: value\n---\n") == ()


@given(st.text(st.sampled_from("ab:-[]{}&*!|>#\n \"'%@`\t"), max_size=80))
def test_any_front_matter_is_read_without_an_error(source: str) -> None:
    assert len(metadata(f"---\nkey: {source}\n---\ntext")) <= 200
