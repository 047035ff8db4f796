from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmd_daemon.search import syntax
from qmd_daemon.store import lexical
from qmd_daemon.store.lexical import LexicalReader, LexicalWriter, _one_letter_apart, coverage

# Each case below says which of these come first; a text is named by its first word or words.
TEXTS = {
    "release": "Release 2026.4.10 fixes the index.",
    "other": "Other releases: 2026.4.1 and 10 more, also version 2026.10.4",
    "pipelines": "Pipelines of CI/CD run on every push.",
    "player": "A CD player, and apart from it a CI hook",
    "c++": "Performance tuning in C++",
    "c": "Performance tuning in C",
    "sharp": "Developers of C# and .NET 8",
    "snake": "The function is snake_case_name",
    "animal": "A snake, in the case of a name",
    "camel": "class HttpServerConfig extends Base",
    "http": "An HTTP server with a config",
    "path": "See src/store/segment.py for details",
    "segment": "A segment of the store, in Python",
    "multi": "Multi-agent memory systems",
    "agent": "An agent with multi core memory",
    "decision": "DEC-0054 is the decision",
    "december": "0054 is not in dec",
    "auth": "Authentication and authorization",
    "panic": "Don't panic",
    "running": "Running is healthy",
    "runs": "He runs",
    "café": "Café au lait",
    "sports": "Machine learning for sports",
    "learning": "Learning about the machine",
    "error": "Error E0308: mismatched types",
    "关键词": "关键词检索的质量",
    "检索": "检索 关键 词",
    "显存": "GPU显存监控",
    "資料庫": "東京の資料庫",
    "タワー": "東京タワー",
    "검색": "검색 품질",
}
NAMES = list(TEXTS)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> LexicalReader:
    path = str(tmp_path_factory.mktemp("lexical"))
    writer = LexicalWriter(path, create=True)
    writer.put([(number, "texts", f"{number}.md", "", text) for number, text in enumerate(TEXTS.values())])
    writer.commit()
    writer.close()
    return LexicalReader(path)


def found(reader: LexicalReader, query: str) -> list[str]:
    (lexical,) = syntax.parse(query).lexical
    return [NAMES[number] for number, _ in reader.search(lexical, 10)]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("2026.4.10", ["release", "other"]),
        ("CI/CD", ["pipelines", "player"]),
        ("C++", ["c++"]),
        ("C++ performance", ["c++", "c"]),
        ("C#", ["sharp"]),
        ("snake_case_name", ["snake", "animal"]),
        ("HttpServerConfig", ["camel", "http"]),
        ("http server", ["http", "camel"]),
        ("src/store/segment.py", ["path", "segment"]),
        ("multi-agent memory", ["multi", "agent"]),
        ("memory -multi-agent", ["agent"]),
        ("DEC-0054", ["decision", "december"]),
        ("auth*", ["auth"]),
        ("don't", ["panic"]),
        ("running", ["running", "runs"]),
        ("runs", ["runs", "running"]),
        ("cafe", ["café"]),
        ('"machine learning"', ["sports"]),
        ('"machine learning" -sports', []),
        ("machine learning", ["sports", "learning"]),
        ("e0308", ["error"]),
        ("关键词", ["关键词", "检索"]),
        ("關鍵詞", ["关键词", "检索"]),
        ("监", ["显存"]),
        ("显存 gpu", ["显存"]),
        ("资料库", ["資料庫"]),
        ("たわー", ["タワー"]),
        ("ﾀﾜｰ", ["タワー"]),
        ("검색", ["검색"]),
    ],
)
def test_a_query_finds_what_a_person_expects(reader: LexicalReader, query: str, first: list[str]) -> None:
    assert found(reader, query)[: len(first)] == first
    if len(first) < 2:
        assert len(found(reader, query)) == len(first)


class TestMissingWords:
    def test_a_missing_word_lowers_a_hit_and_never_empties_the_page(self, reader: LexicalReader) -> None:
        assert found(reader, "authentication zeppelin submarines")[0] == "auth"

    def test_documents_with_all_words_come_first(self, reader: LexicalReader) -> None:
        assert found(reader, "agent systems")[0] == "multi"

    def test_an_unknown_word_is_read_as_a_beginning(self, reader: LexicalReader) -> None:
        assert found(reader, "authent") == ["auth"]

    def test_a_typing_error_finds_the_word(self, reader: LexicalReader) -> None:
        assert set(found(reader, "lerning")) == {"sports", "learning"}

    def test_a_word_that_is_there_is_not_widened(self, reader: LexicalReader) -> None:
        assert found(reader, "run")[0] == "pipelines"  # the exact form above its stem
        assert set(found(reader, "run")) == {"pipelines", "running", "runs"}

    def test_nothing_is_found_of_exclusions_alone(self, reader: LexicalReader) -> None:
        assert found(reader, "-agent -memory") == []


WORD = st.sampled_from(["agent", "memory", "2026.4.10", "C++", "检索", "-multi", '"', '"a b"', "auth*", "*", "(", ":"])


@given(st.lists(WORD | st.text(max_size=8), min_size=1, max_size=8).map(" ".join).filter(str.strip))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_text_is_a_query_and_scores_are_in_order(reader: LexicalReader, query: str) -> None:
    hits = reader.search(syntax.terms(query), 10)
    scores = [score for _, score in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len({number for number, _ in hits}) == len(hits)


def covered(reader: LexicalReader, query: str) -> float:
    """Of the best document."""
    (terms,) = syntax.parse(query).lexical
    hits = reader.search(terms, 3)
    worth = reader.worth(terms)
    shares = [coverage(score, worth) for _, score in hits]
    assert shares == sorted(shares, reverse=True)
    return shares[0]


def test_coverage_is_the_share_of_what_was_asked_for(reader: LexicalReader) -> None:
    whole, part = covered(reader, "pipelines push"), covered(reader, "pipelines zeppelin")
    assert 0 < part < 0.7 * whole
    assert whole <= 1
    assert covered(reader, "authorization quaternions") < covered(reader, "authorization machine")
    assert covered(reader, "关键词 质量") > 1.5 * covered(reader, "关键词 飞艇")


def test_no_collection_starves_another(tmp_path: Path) -> None:
    writer = LexicalWriter(str(tmp_path), create=True)
    writer.put([(number, "large", f"{number}.md", "agent", "agent agent agent") for number in range(500)])
    writer.put([(1000, "small", "a.md", "", "one agent among many other words that make the text longer")])
    writer.commit()
    writer.close()
    reader = LexicalReader(str(tmp_path))
    assert [number for number, _ in reader.search(syntax.terms("agent"), 5, ["small"])] == [1000]
    assert 1000 in [number for number, _ in reader.search(syntax.terms("agent"), 501, ["small", "large"])]


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("learning", "lerning", True),
        ("lerning", "learning", True),
        ("learning", "laerning", True),
        ("learning", "leatning", True),
        ("learning", "learnings", True),
        ("learning", "learning", True),
        ("learning", "lerninng", False),
        ("learning", "leaning", True),
        ("learning", "warning", False),
    ],
)
def test_one_letter_apart(one: str, other: str, near: bool) -> None:
    assert _one_letter_apart(one, other) is near


def test_neighbours_in_a_question_stand_close_unless_both_are_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {1: "cells " + "of this and that " * 5 + "memory", 2: "of this and that " * 5 + "memory cells"}
    writer = LexicalWriter(str(tmp_path), create=True)
    writer.put((number, "notes", f"{number}.md", "", text) for number, text in texts.items())
    writer.commit()
    writer.close()
    question = syntax.parse("what is it that memory cells do in there?").lexical[0]

    def scores() -> dict[int, float]:
        return dict(LexicalReader(str(tmp_path)).search(question, 10))

    near = scores()
    assert near[2] > near[1]
    monkeypatch.setattr(lexical, "_COMMON", 1)
    assert scores()[2] == pytest.approx(scores()[1])


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_one_letter_apart_is_mutual(one: str, other: str) -> None:
    assert _one_letter_apart(one, other) == _one_letter_apart(other, one)


def test_a_misspelt_word_is_any_that_is_one_letter_apart_and_begins_alike(tmp_path: Path) -> None:
    draw = random.Random(1)
    words = {"".join(draw.choices("abc", k=draw.randint(4, 9))) for _ in range(3000)} | {"абвгдежз", "абвгдежи"}
    writer = LexicalWriter(str(tmp_path), create=True)
    writer.put([(1, "notes", "1.md", "", " ".join(sorted(words)))])
    writer.commit()
    writer.close()
    reader = LexicalReader(str(tmp_path))
    for asked in [*draw.sample(sorted(words), 200), "".join(draw.choices("abc", k=12)), "абвгдежк"]:
        near = {word for word in words if word[:2] == asked[:2] and _one_letter_apart(asked, word)}
        assert {word for word in reader._misspelt(asked) if word in words} == near, asked
