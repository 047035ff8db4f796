"""What front matter says about a document, as keys and values to filter by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from qmd_daemon.ingest import titles

_VALUES_MAX = 200
_VALUE_CHARACTERS = 200
_FENCE = re.compile(r"\A---[ \t]*\n|(?:---|\.\.\.)[ \t]*\n?\Z")
_LINE = re.compile(r"^([\w-]+)[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


def metadata(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of key and value, folded; a list gives one for each item, a nested key is `outer.inner`.

    What is not YAML is read line by line, as people write it.
    """
    end = titles.body(text)
    if not end:
        return ()
    source = _FENCE.sub("", text[:end])
    from ruamel.yaml import YAML  # 50 ms, which a folder without front matter does not pay
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe", pure=True).load(source)
    except (YAMLError, ValueError, AttributeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        found = dict(_LINE.findall(source))
    pairs = dict.fromkeys(pair for pair, _ in zip(_flat("", found), range(_VALUES_MAX), strict=False))
    return tuple(pairs)


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for inner, one in value.items():
            yield from _flat(f"{key}.{inner}" if key else str(inner), one)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _flat(key, one)
    elif value is not None:
        shown = str(value).casefold().strip()
        if key.casefold() == "tags" and isinstance(value, str) and ("," in value or value.startswith("#")):
            # `tags: gpu, cuda` and `tags: "#gpu #cuda"`, as note-taking programs write them
            for one in re.split(r"[,\s]+", shown):
                if one.strip("#"):
                    yield "tags", one.strip("#")[:_VALUE_CHARACTERS]
        elif shown:
            yield key.casefold()[:_VALUE_CHARACTERS], shown[:_VALUE_CHARACTERS]
