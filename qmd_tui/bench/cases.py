"""What is asked and what should be found: a fixture of tobi/qmd, a directory with judgments, or made up here."""

from __future__ import annotations

import json
import os
import posixpath
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ipc.errors import QmdError
from qmd_tui.bench import judged

_AUTO_DOCUMENTS = 100
_AUTO_SEEN = 5000
_HEADING = re.compile(r"^ {0,3}#{1,4}[ \t]+(.{4,120}?)[ \t]*#*[ \t]*$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^\]\n]{4,120})\]\(([^)\s#]+)(?:#[^)]*)?\)")


class Case(NamedTuple):
    """A question, and the gain of each file that answers it. `k`: how many hits a person looks at."""

    id: str
    query: str
    gains: Mapping[str, float]
    k: int = 10
    kind: str = ""

    @property
    def expected(self) -> list[str]:
        return [file for file, gain in self.gains.items() if gain > 0]


class Suite(NamedTuple):
    """Questions to ask of a collection (of all that are searched by default, if it is empty)."""

    description: str
    collection: str
    cases: list[Case]
    judged: bool  # graded judgments, to be measured as sets are, and not as fixtures


def load(path: str) -> Suite:
    """A fixture (JSON), or a directory with `queries.tsv` and `qrels.tsv`. Raises QmdError: not_found or invalid."""
    if os.path.isdir(path):
        cases = [Case(one.id, one.text, one.gains) for one in judged.read(path)]
        return Suite(os.path.basename(os.path.abspath(path)), "", cases, judged=True)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        cases = [_case(entry) for entry in found["queries"]]
        return Suite(str(found.get("description", "")), str(found.get("collection", "")), cases, judged=False)
    except FileNotFoundError:
        raise QmdError("not_found", f"There is no {path}.", "Give a fixture, or a directory with judgments.") from None
    except KeyError as error:
        raise QmdError("invalid", f"{path} has no {error}.", "A query has id, query and expected_files.") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise QmdError("invalid", f"{path} is not a fixture: {error}.") from None


def _case(entry: Mapping[str, Any]) -> Case:
    gains = {str(file): 1.0 for file in entry["expected_files"]}
    k = int(entry.get("expected_in_top_k", 10))
    if k < 1 or not gains:
        raise ValueError(f"query {entry['id']!r} expects nothing")
    return Case(str(entry["id"]), str(entry["query"]), gains, k, str(entry.get("type", "")))


def made_up(documents: Iterable[Mapping[str, Any]]) -> Suite:
    """Questions from the person's own titles, headings and links, of a sample of documents; the same every time.

    `documents` are rows with file, title and body, of which the first few thousand are seen.
    """
    seen = [row for row, _ in zip(documents, range(_AUTO_SEEN), strict=False) if "body" in row]
    draw = random.Random(0)  # noqa: S311 - a sample, no secret
    files = {row["file"] for row in seen}
    cases: list[Case] = []
    titles = [str(row["title"]) for row in seen]
    headings = [heading for row in seen for heading in set(_HEADING.findall(row["body"]))]
    for row in draw.sample(seen, min(_AUTO_DOCUMENTS, len(seen))):
        file = row["file"]
        if titles.count(row["title"]) == 1:
            cases.append(Case(f"{file} title", row["title"], {file: 1.0}, kind="title"))
        own = [one for one in _HEADING.findall(row["body"]) if one != row["title"] and headings.count(one) == 1]
        if own:
            cases.append(Case(f"{file} heading", draw.choice(own), {file: 1.0}, kind="heading"))
        links = [(text, place) for text, place in _links(row) if place in files and place != file]
        if links:
            text, place = draw.choice(links)
            cases.append(Case(f"{file} link", text, {place: 1.0}, kind="link"))
    return Suite("titles, headings and links", "", [one for one in cases if one.query.strip()], judged=True)


def _links(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts of links, and the addresses of the files that they lead to."""
    scheme, _, place = row["file"].partition("://")
    for text, target in _LINK.findall(row["body"]):
        if "://" not in target and not target.startswith("/"):
            yield text, f"{scheme}://{posixpath.normpath(posixpath.join(posixpath.dirname(place), target))}"


def named(found: Sequence[str], expected: Iterable[str]) -> list[str]:
    """The addresses of hits, those that are expected by the names that the suite has for them."""
    wanted = {file: _plain(file) for file in expected}
    names = []
    for address in found:
        plain = _plain(address)
        names.append(next((file for file, other in wanted.items() if _same(plain, other)), address))
    return list(dict.fromkeys(names))


def _plain(name: str) -> str:
    """`qmd://Notes/A.md?index=x` -> `a.md`."""
    name = name.partition("?index=")[0].lower()
    return name.removeprefix("qmd://").partition("/")[2] if name.startswith("qmd://") else name


def _same(found: str, expected: str) -> bool:
    """Equal, or one is the end of the other; what is judged is often named without its suffix."""
    stem = posixpath.splitext(found)[0]
    return any(one == expected or one.endswith(f"/{expected}") or expected.endswith(f"/{one}") for one in (found, stem))
