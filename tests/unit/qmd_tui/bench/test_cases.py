from __future__ import annotations

import json
from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_tui.bench import cases, run
from qmd_tui.bench.cases import Case, Suite


def fixture(path: Path, **entry: object) -> str:
    entry = {"id": "a", "query": "api", "expected_files": ["api.md"], "expected_in_top_k": 3, **entry}
    path.write_text(json.dumps({"description": "d", "collection": "docs", "queries": [entry]}))
    return str(path)


class TestFixtures:
    def test_a_fixture_is_read(self, tmp_path: Path) -> None:
        suite = cases.load(fixture(tmp_path / "f.json", type="exact"))
        assert (suite.collection, suite.judged) == ("docs", False)
        assert suite.cases == [Case("a", "api", {"api.md": 1.0}, 3, "exact")]

    def test_a_directory_with_judgments_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "queries.tsv").write_text("q1\tone\nq2\twithout judgments\n")
        (tmp_path / "qrels.tsv").write_text("q1\td1\t2\nq1\td2\t0\n")
        suite = cases.load(str(tmp_path))
        assert suite.judged
        assert [(one.query, one.expected) for one in suite.cases] == [("one", ["d1"])]

    @pytest.mark.parametrize("entry", [{"expected_files": []}, {"expected_in_top_k": 0}, {"expected_files": 3}])
    def test_what_expects_nothing_is_refused(self, tmp_path: Path, entry: dict[str, object]) -> None:
        with pytest.raises(QmdError) as caught:
            cases.load(fixture(tmp_path / "f.json", **entry))
        assert caught.value.code == "invalid"

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"queries": [{}]}', '{"queries": 1}'])
    def test_what_is_no_fixture_is_refused_in_words(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "f.json").write_text(text)
        with pytest.raises(QmdError) as caught:
            cases.load(str(tmp_path / "f.json"))
        assert caught.value.code == "invalid"

    def test_a_missing_one_is_said(self, tmp_path: Path) -> None:
        for name in ("none.json", "."):
            with pytest.raises(QmdError) as caught:
                cases.load(str(tmp_path / name))
            assert caught.value.code == "not_found"


class TestNames:
    @pytest.mark.parametrize(
        ("address", "expected", "same"),
        [
            ("qmd://docs/API.md", "api.md", True),
            ("qmd://docs/guide/api.md", "api.md", True),
            ("qmd://docs/api.md", "guide/api.md", True),
            ("qmd://docs/rapi.md", "api.md", False),
            ("qmd://docs/api.md?index=x", "qmd://docs/api.md", True),
            ("qmd://docs/d1.md", "d1", True),
            ("qmd://docs/d11.md", "d1", False),
        ],
    )
    def test_equal_or_the_end_of_the_other(self, address: str, expected: str, same: bool) -> None:
        assert cases.named([address], [expected]) == ([expected] if same else [address])


class TestMadeUp:
    ROWS = (
        {"file": "qmd://n/a.md", "title": "Alpha", "body": "# Alpha\n## Own heading\n[see the beta page](sub/b.md)"},
        {"file": "qmd://n/sub/b.md", "title": "Beta", "body": "# Beta\n[up to alpha](../a.md)\n## Shared"},
        {"file": "qmd://n/c.md", "title": "Beta", "body": "## Shared\n[away](https://example.com)"},
        {"file": "qmd://n/d.md", "title": "D", "skipped": True, "reason": "large"},
    )

    def test_titles_headings_and_links_that_mean_one_document(self) -> None:
        found = {(one.kind, one.query, *one.expected) for one in cases.made_up(self.ROWS).cases}
        assert found == {
            ("title", "Alpha", "qmd://n/a.md"),
            ("heading", "Own heading", "qmd://n/a.md"),
            ("link", "see the beta page", "qmd://n/sub/b.md"),
            ("link", "up to alpha", "qmd://n/a.md"),
        }

    def test_it_is_the_same_every_time(self) -> None:
        assert cases.made_up(self.ROWS) == cases.made_up(self.ROWS)


def test_a_perfect_answer_has_perfect_measures() -> None:
    case = Case("a", "q", {"a.md": 1.0, "b.md": 1.0}, 2)
    answer = run.Answered(case, ["a.md", "b.md"], 1.0, {}, zero=False)
    found = run.scores(answer)
    assert {found[name] for name in ("precision@k", "recall", "mrr", "f1")} == {1.0}
    assert found["recall@1"] == 0.5


def test_questions_are_asked_and_summed_up() -> None:
    suite = Suite("d", "", [Case("a", "one", {"x": 1.0}), Case("b", "two", {"y": 1.0})], judged=True)

    def search(mode: str, query: str, top_k: int) -> dict[str, object]:
        assert (mode, top_k) == ("bm25", 100)
        stage = {"name": "lexical", "ran": True, "ms": 2.0}
        return {"results": [{"file": "qmd://c/x.md", "score": 0.5}], "stages": [stage]}

    found = run.summary(suite, run.ask(suite, "bm25", search))
    assert (found["ndcg@10"], found["recall@100"], found["mrr@10"]) == (0.5, 0.5, 0.5)
    assert found["stages_ms"] == {"lexical": 2.0}
    assert found["ndcg@10_interval"][0] <= 0.5 <= found["ndcg@10_interval"][1]
