"""What a document calls itself, and where its text begins.

Front matter (YAML between two lines of three hyphens at the very top) is metadata: it may name the title,
and is not embedded.
"""

from __future__ import annotations

import os
import re

_MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mdx", ".mkd", ".qmd", ".rmd"})
_PLAIN = frozenset({".txt", ".text", ""})
_RST = frozenset({".rst", ".rest"})
# A title stands near the top.
_HEAD_CHARACTERS = 16_384
_FRONT_MATTER_CHARACTERS = 65_536
_TITLE_CHARACTERS = 200
# Headings that say nothing about what a document is about.
_NO_TITLES = frozenset({"notes", "📝 notes"})

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?=[ \t#]*[\w\"'-])(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY = re.compile(r"[\w\"'-][^\n:]*:(?:[ \t\n]|\Z)")
_YAML_TITLE = re.compile(r"^[\"']?title[\"']?[ \t]*:(?:[ \t]+.*)?\n(?:[ \t]+.*\n)*", re.IGNORECASE | re.MULTILINE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
# These take a title to the end of its line, blanks and all: `.+?[ \t]*$` on a line of many blanks takes time that grows
# with their square, and with closing hashes, their cube (800 of them: half a second).
_HEADING = re.compile(r"^ {0,3}#{1,2}[ \t]+(.+)$", re.MULTILINE)
_UNDERLINED = re.compile(r"^[ \t]*(\S.*)\n(=|-|~|\^|\*|#|\"|\+)\2{2,}[ \t]*$", re.MULTILINE)
_SETEXT = re.compile(r"^ {0,3}(\S.*)\n(?:=+|-{3,})[ \t]*$", re.MULTILINE)
_ORG = re.compile(r"^#\+TITLE:(.+)$|^\*[ \t]+(.+)$", re.IGNORECASE | re.MULTILINE)


def is_markdown(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in _MARKDOWN


def inside(text: str, path: str) -> str | None:
    """The title that the text itself gives; None when it gives none. `path` only says what kind of text it is."""
    suffix = os.path.splitext(path)[1].lower()
    start = body(text)
    if start and (title := _from_yaml(text[:start])):
        return title
    head = text[start : start + _HEAD_CHARACTERS]
    if is_markdown(path):
        head = _FENCE.sub("", head)
        headings = [(match.start(), _unclosed(match[1])) for match in _HEADING.finditer(head)]
        found = sorted(headings + [(match.start(), match[1]) for match in _SETEXT.finditer(head)])
        candidates = [title for _, title in found]
    elif suffix in _PLAIN:
        candidates = [_unclosed(match[1]) for match in _HEADING.finditer(head)]
    elif suffix == ".org":
        candidates = [match[1] or match[2] for match in _ORG.finditer(head)]
    elif suffix in _RST:
        candidates = [match[1] for match in _UNDERLINED.finditer(head)]
    else:
        return None  # in code, `#` begins a comment
    return next((clean for title in candidates if (clean := _clean(title)) and clean.lower() not in _NO_TITLES), None)


def body(text: str) -> int:
    """Where the text begins: the offset behind the front matter, 0 if there is none."""
    match = _FRONT_MATTER.match(text[:_FRONT_MATTER_CHARACTERS])
    if match is None:
        return 0
    # Two rules with prose between them are not front matter: YAML begins with a key.
    lines = (line for line in (match[1] or "").splitlines() if line.strip() and not line.lstrip().startswith("#"))
    first = next(lines, None)
    return match.end() if first is None or _KEY.match(first) else 0


def _from_yaml(front_matter: str) -> str | None:
    """The value of `title`. Only its lines are parsed: front matter written by people is often not YAML elsewhere."""
    match = _YAML_TITLE.search(front_matter)
    if match is None:
        return None
    from ruamel.yaml import YAML  # 50 ms, which a folder without front matter does not pay
    from ruamel.yaml.error import YAMLError

    try:
        value = next(iter(YAML(typ="safe", pure=True).load(match[0]).values()))
        title = "" if value is None or isinstance(value, list | dict) else str(value)  # a date is a title, too
    except (YAMLError, ValueError, AttributeError, RecursionError):
        title = match[0].partition(":")[2].splitlines()[0]
    return _clean(title)


def _unclosed(heading: str) -> str:
    """`Title ##` -> `Title`; the hash of `C#` is its own."""
    heading = heading.rstrip()
    bare = heading.rstrip("#")
    return bare if not bare or bare[-1] in " \t" else heading


def _clean(title: str) -> str | None:
    """On one line, without control characters, and not endless."""
    words = "".join(character if character.isprintable() else " " for character in title).split()
    return " ".join(words)[:_TITLE_CHARACTERS].strip() or None
