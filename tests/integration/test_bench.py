from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import Qmd

pytestmark = pytest.mark.xdist_group("bench")
FILES = {
    "alpha.md": "# Alpha\n\nBatches are cut by tokens. See [the beta page](beta.md).\n",
    "beta.md": "# Beta\n\nThe watcher feeds the index.\n",
}


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    program = Qmd(tmp_path_factory.mktemp("bench"), FILES)
    program.ok("collection", "add", str(program.fixtures), "--name", "docs")
    yield program
    program.ok("stop")


def test_a_fixture_is_measured_in_every_mode(qmd: Qmd, tmp_path: Path) -> None:
    entry = {"id": "a", "query": "how are batches cut", "expected_files": ["alpha.md"], "expected_in_top_k": 1}
    (tmp_path / "f.json").write_text(json.dumps({"collection": "docs", "queries": [entry]}))
    found = json.loads(qmd.ok("bench", str(tmp_path / "f.json"), "--json"))
    assert list(found["modes"]) == ["bm25", "vector", "hybrid", "full"]
    assert all(row["precision@k"] == row["mrr"] == 1.0 for row in found["modes"].values())
    assert "lexical" in found["modes"]["hybrid"]["stages_ms"]


def test_judgments_are_measured_as_sets_are(qmd: Qmd, tmp_path: Path) -> None:
    (tmp_path / "queries.tsv").write_text("q1\twatcher\n")
    (tmp_path / "qrels.tsv").write_text("q1\tbeta\t1\n")
    out = qmd.ok("bench", str(tmp_path), "--modes", "bm25")
    assert "ndcg@10" in out
    assert "1.000–1.000" in out


def test_ones_own_titles_and_links_are_asked_for(qmd: Qmd) -> None:
    found = json.loads(qmd.ok("bench", "--auto", "--modes", "bm25", "--json"))
    assert found["questions"] == 3
    assert found["modes"]["bm25"]["recall@100"] == 1.0


def test_a_missing_collection_is_an_error(qmd: Qmd, tmp_path: Path) -> None:
    entry = {"id": "a", "query": "q", "expected_files": ["alpha.md"]}
    (tmp_path / "f.json").write_text(json.dumps({"collection": "absent", "queries": [entry]}))
    done = qmd("bench", str(tmp_path / "f.json"))
    assert done.returncode != 0
    assert "'absent' is not there" in done.stderr
