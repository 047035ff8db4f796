"""The law of chunks: they cover all that is not blank, do not overlap, keep to the limit, and know their lines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from qmd_daemon.engine.model import ModelInfo
from qmd_daemon.ingest import titles
from qmd_daemon.ingest.chunk import Chunker, Cut
from qmd_daemon.store.chunks import Source

MAX_TOKENS = 64
ROOM = MAX_TOKENS - 2 - 32  # as the model has it, less what it adds itself, less a title
WORDS = ["alpha", "beta", "gamma", "delta", "显存", "监控", "深度学习", "a.b", "x=1;", "[link](http://e.x)", "`code`"]

line = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
block = st.one_of(
    line,
    line.map(lambda text: f"# {text}"),
    line.map(lambda text: f"## {text}"),
    line.map(lambda text: f"- {text}\n- {text}"),
    line.map(lambda text: f"```python\n{text}\n\n{text}\n```"),
    line.map(lambda text: f"| a | b |\n|---|---|\n| {text} | x |"),
    st.sampled_from(["", "   ", "\t", "---", "> quoted", "```"]),
    st.integers(1, 400).map(lambda count: "深度学习模型的显存监控" * (count // 11 + 1)),
    st.integers(1, 300).map(lambda count: "x" * count),
)
document = st.lists(block, max_size=30).map("\n".join) | st.lists(block, max_size=12).map("\n\n".join)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One token for each Chinese character and each two letters, roughly as a real one has them."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    chinese = sorted(set("".join(WORDS) + "深度学习模型的显存监控") - set(letters))
    pieces = [
        "[UNK]",
        *letters,
        *chinese,
        *(f"##{one}" for one in letters),
        *(f"##{a}{b}" for a in letters for b in "aeiou"),
    ]
    built = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    built.normalizer = normalizers.BertNormalizer()
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.enable_truncation(8)  # as its authors trained it: it must not count
    path = str(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")
    built.save(path)
    return path


@pytest.fixture(scope="module")
def by_tokens(tokenizer: str) -> Chunker:
    return Chunker(ModelInfo("m", "f", 8, MAX_TOKENS, tokenizer))


@pytest.fixture(scope="module")
def by_characters() -> Chunker:
    return Chunker(ModelInfo("m", "f", 8, MAX_TOKENS, None))


def cut(chunker: Chunker, text: str, path: str = "a.md") -> list[Cut]:
    return chunker.cut(Source("hash", path, text))


def check(cuts: list[Cut], text: str) -> None:
    """All of the law but the limit."""
    for one, after in pairwise(cuts):
        assert one.span.stop <= after.span.start
    ends = [titles.body(text), *(place for one in cuts for place in one.span[:2]), len(text)]
    for between in range(0, len(ends), 2):
        assert not text[ends[between] : ends[between + 1]].strip(), "what is between chunks is blank"
    for one in cuts:
        piece = text[one.span.start : one.span.stop]
        assert piece.strip()
        assert one.text.endswith(piece)
        assert one.span.line == text.count("\n", 0, one.span.start) + 1


@settings(max_examples=60)
@given(document, st.sampled_from(["a.md", "a.txt", "a.py"]))
@example("深" * 700, "a.md")
@example("a" * 3000, "a.txt")
@example("```\n" + "code line\n" * 100, "a.md")
@example("---\ntitle: T\n---\n" + "word " * 100, "a.md")
def test_the_law_with_a_tokenizer(by_tokens: Chunker, tokenizer: str, text: str, path: str) -> None:
    cuts = cut(by_tokens, text, path)
    check(cuts, text)
    measure = Tokenizer.from_file(tokenizer)
    measure.no_truncation()
    for one in cuts:
        piece = text[one.span.start : one.span.stop]
        assert len(measure.encode(piece, add_special_tokens=False).ids) <= ROOM
        assert len(measure.encode(one.text, add_special_tokens=False).ids) <= MAX_TOKENS - 2


@settings(max_examples=60)
@given(document, st.sampled_from(["a.md", "a.txt"]))
def test_the_law_by_characters(by_characters: Chunker, text: str, path: str) -> None:
    cuts = cut(by_characters, text, path)
    check(cuts, text)
    assert all(one.span.stop - one.span.start <= 4 * ROOM for one in cuts)


@pytest.mark.parametrize(
    "text",
    [
        "深度学习" * 5_000,
        "x" * 60_000,
        "word " * 12_000,
        "\n".join(f"line {n}" for n in range(8_000)),
        "# heading\n\nparagraph of words.\n\n" * 2_000,
        "```\n" + "code = 1\n" * 5_000 + "```\n",
        " " * 50_000 + "x",
        "\U0001f600" * 20_000,
    ],
    ids=["chinese", "base64", "words", "lines", "sections", "fence", "blanks", "emoji"],
)
@pytest.mark.parametrize("path", ["a.md", "a.txt"])
def test_the_law_holds_for_what_is_longer_than_a_block(by_tokens: Chunker, text: str, path: str) -> None:
    check(cut(by_tokens, text, path), text)


def test_a_chunk_that_is_one_unknown_token_is_not_endless(by_tokens: Chunker) -> None:
    cuts = cut(by_tokens, "\u2603" * 5000, "a.txt")
    assert max(one.span.stop - one.span.start for one in cuts) <= 8 * ROOM


def test_what_is_blank_or_front_matter_alone_has_no_chunks(by_tokens: Chunker) -> None:
    assert cut(by_tokens, "") == []
    assert cut(by_tokens, " \n\t\n") == []
    assert cut(by_tokens, "---\ntitle: T\n---\n") == []


def test_each_chunk_is_embedded_under_the_title(by_tokens: Chunker) -> None:
    text = "---\ntitle: My Plan\n---\n" + "\n\n".join("alpha beta gamma delta" for _ in range(30))
    cuts = cut(by_tokens, text)
    assert len(cuts) > 3
    assert all(one.text.startswith("My Plan\n") for one in cuts)
    assert cuts[0].span.line == 4


def test_a_title_is_not_said_twice(by_tokens: Chunker) -> None:
    first, *rest = cut(by_tokens, "# alpha plan\n\n" + "gamma delta beta\n\n" * 30)
    assert first.text.startswith("# alpha plan")
    assert rest
    assert all(one.text.startswith("alpha plan\n") for one in rest)


def test_a_long_title_leaves_room_for_the_text(by_tokens: Chunker, tokenizer: str) -> None:
    text = "# " + "深度学习" * 40 + "\n\n" + "alpha beta\n\n" * 50
    measure = Tokenizer.from_file(tokenizer)
    measure.no_truncation()
    assert all(len(measure.encode(one.text).ids) <= MAX_TOKENS - 2 for one in cut(by_tokens, text))


def test_markdown_is_cut_at_headings(by_tokens: Chunker) -> None:
    text = "\n\n".join(f"## part{n}\n\nalpha beta gamma" for n in range(6))
    assert all(text[one.span.start :].startswith("## part") for one in cut(by_tokens, text))


def test_how_it_is_cut_is_part_of_what_vectors_depend_on(tokenizer: str) -> None:
    ids = {
        Chunker(ModelInfo("m", "f", 8, size, file)).cut_id for size in (MAX_TOKENS, 128) for file in (tokenizer, None)
    }
    assert len(ids) == 4
    assert Chunker(ModelInfo("m", "f", 8, 8192, None)).cut_id == Chunker(ModelInfo("m", "f", 8, 99_999, None)).cut_id


def test_the_same_text_is_cut_the_same_way(by_tokens: Chunker) -> None:
    text = "# alpha\n\n" + "深度学习 beta. " * 200
    assert cut(by_tokens, text) == cut(by_tokens, text)


def test_a_tokenizer_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="No such file"):
        Chunker(ModelInfo("m", "f", 8, 64, str(tmp_path / "none.json")))
