from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qmd_daemon.ingest import titles

SUFFIXES = ["md", "txt", "rst", "org", "py", "", "MD", "qmd"]


@pytest.mark.parametrize(
    ("text", "path", "title"),
    [
        ("# Hello\n\ntext", "a.md", "Hello"),
        ("text\n\n## 深度学习 入门\n", "a.md", "深度学习 入门"),
        ("# Closed #\n", "a.md", "Closed"),
        ("# Closed ##  \n", "a.md", "Closed"),
        ("# Learning C#\n", "a.md", "Learning C#"),
        ("#hashtag\n# Real\n", "a.md", "Real"),
        ("### too deep\n", "a.md", None),
        ("#\n# ##\n# Real\n", "a.md", "Real"),
        ("Title\n=====\n\n# Later\n", "a.md", "Title"),
        ("Title\n---\n", "a.md", "Title"),
        ("```\n# a comment\n```\n# Real\n", "a.md", "Real"),
        ("~~~~\n# a comment\n~~~\n# another\n~~~~\n# Real\n", "a.md", "Real"),
        ("```\n# never closed\n", "a.md", None),
        ("# Notes\n## Subject\n", "a.md", "Subject"),
        ("# a\tb \u200b\x1b[31mc\n", "a.md", "a b [31mc"),
        ("no title\n", "a.md", None),
        ("", "a.md", None),
        ("# Heading\n", "a.txt", "Heading"),
        ("Title\n=====\n", "a.txt", None),
        ("# comment\n", "a.py", None),
        ("#+TITLE: Plan\n* Heading\n", "a.org", "Plan"),
        ("* Heading\n", "a.org", "Heading"),
        ("=====\nTitle\n=====\n", "a.rst", "Title"),
        ("Title\n~~~~~\n", "a.rst", "Title"),
        ("---\ntitle: From YAML\n---\n# Heading\n", "a.md", "From YAML"),
        ("---\ntitle: 'Quoted: it''s'\n---\n", "a.md", "Quoted: it's"),
        ("---\nTitle: |\n  Two\n  lines\n---\n", "a.md", "Two lines"),
        ("---\ntitle:\n---\n# Heading\n", "a.md", "Heading"),
        ("---\ntitle: [a, b]\n---\n# Heading\n", "a.md", "Heading"),
        ("---\ntitle: 2026-11-25\n---\n", "a.md", "2026-11-25"),
        ("---\ntitle: 2026-99-99\n---\n", "a.md", "2026-99-99"),
        ("---\ntitle: 42\n---\n", "a.md", "42"),
        ("---\ntitle: @not yaml\n---\n", "a.md", "@not yaml"),
        ("---\ntags: x\nbad: [\ntitle: Good\n---\n", "a.md", "Good"),
        ("---\n# a comment\ntitle: T\n...\n", "a.md", "T"),
        ("---\n\nProse between rules.\n\n---\n# Heading\n", "a.md", "Heading"),
    ],
)
def test_titles(text: str, path: str, title: str | None) -> None:
    assert titles.inside(text, path) == title


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("---\na: 1\n---\ntext", "text"),
        ("---\na: 1\n...\ntext", "text"),
        ("---  \n'a': 1\n---  \n\ntext", "\ntext"),
        ("---\na: 1\n---", ""),
        ("---\na: 1\ntext", "---\na: 1\ntext"),
        ("text\n---\na: 1\n---\n", "text\n---\na: 1\n---\n"),
        ("---\nprose\n---\n", "---\nprose\n---\n"),
        ("", ""),
    ],
)
def test_the_text_begins_behind_the_front_matter(text: str, body: str) -> None:
    assert text[titles.body(text) :] == body


@pytest.mark.parametrize("path", ["a.md", "a.org", "a.rst", "a.txt"])
@pytest.mark.parametrize(
    "line",
    [
        "# x{blanks}y", "# x{blanks}#{blanks}y", "* x{blanks}y", "x{blanks}y", "{blanks}x", "#{blanks}", "# {hashes}y",
        "---\ntitle: x{blanks}y", "---{blanks}", "#+TITLE:{blanks}", "---\n{blanks}title: x", "x\n{rule}y", "{fence}",
    ],
)  # fmt: skip
def test_a_line_made_to_be_slow_is_not(path: str, line: str) -> None:
    """A pattern whose time grows with the square of 16,000 takes seconds here, with the cube an hour."""
    text = line.format(blanks=" " * 16_000, hashes="# " * 8_000, rule="=" * 16_000, fence="```\n~~~\n" * 2_000)
    started = time.process_time()
    titles.inside(text + "\n", path)
    assert time.process_time() - started < 1.0


@given(st.text(max_size=80) | st.text("#-=~`:'\"[]{}&*!|> \n\tatile0x1.", max_size=80), st.sampled_from(SUFFIXES))
@example("---\ntitle: 0x" + "f" * 8000 + "\n---\n", "md")
@example("---\ntitle: " + "[" * 3000 + "\n---\n", "md")
@example("---\ntitle: !!int x\n---\n", "md")
@example("---\ntitle: &a *a\n---\n", "md")
def test_a_title_is_one_clean_line_or_none(text: str, suffix: str) -> None:
    title = titles.inside(text, f"a.{suffix}")
    if title is not None:
        assert title == " ".join(title.split()) != ""
        assert title.isprintable()
        assert len(title) <= 200


@given(st.text("#-=:'a \n.", max_size=60))
def test_the_body_is_an_end_of_the_text(text: str) -> None:
    start = titles.body(text)
    assert 0 <= start <= len(text)
    assert start == 0 or text.startswith("---")


def test_a_title_deep_down_is_no_title() -> None:
    assert titles.inside("text\n" * 10_000 + "# Late\n", "a.md") is None
