import argparse

import pytest

from ipc.protocol import MAX_TOP_K
from qmd_tui.cli import flags
from qmd_tui.cli.parser import Parser
from qmd_tui.output import formats


def parse(*argv: str) -> argparse.Namespace:
    parser = Parser(prog="qmd search")
    flags.add_search_arguments(parser)
    return parser.parse(argv)


def test_the_limit_is_the_protocols() -> None:
    assert flags.RESULTS_MAX == MAX_TOP_K


@pytest.mark.parametrize(
    ("argv", "expected"),
    [(["a"], 5), (["a", "--json"], 20), (["a", "--files"], 20), (["a", "-n", "7"], 7), (["a", "--all"], 1000)],
)
def test_top_k(argv: list[str], expected: int) -> None:
    assert flags.top_k(parse(*argv)) == expected


def test_collections_add_up_and_words_after_two_dashes_are_words() -> None:
    args = parse("-c", "a", "--collection", "b", "--", "-not", "this")
    assert args.collection == ["a", "b"]
    assert args.query == ["-not", "this"]


@pytest.mark.parametrize(("argv", "expected"), [([], "cli"), (["--md"], "md"), (["--md", "--format", "csv"], "csv")])
def test_the_last_format_counts(argv: list[str], expected: str) -> None:
    assert parse("a", *argv).format == expected


def test_the_formats_are_those_there_are() -> None:
    assert flags.FORMATS == formats.NAMES
    for name in set(flags.FORMATS) - {"cli", "jsonl"}:
        assert callable(formats.load(name).search)
        assert callable(formats.load(name).documents)
