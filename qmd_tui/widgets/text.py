"""Lines of text on a grid of cells: cut to rows, and painted with the matches in them.

Text of documents reaches the screen only through here, as plain strings and never as markup.
Offsets are of characters, widths of cells: a Chinese character is two cells wide, a combining
accent none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rich.cells import cell_len, get_character_cell_size, split_graphemes
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from qmd_tui.output import safe

# Of [start, stop) characters.
Range = tuple[int, int]
ELLIPSIS = "…"
# A joiner, an emoji selector or a skin's colour makes one of its neighbours and itself, and terminals disagree how wide
# that is, which breaks rows. In its place stands a space of no width: what is left looks alike everywhere.
_JOINERS = dict.fromkeys((0x200D, 0xFE0F, *range(0x1F3FB, 0x1F400)), 0x200B)


def visible(text: str) -> str:
    """The text as one line that may go to a terminal. A character stays one character, so offsets stay right."""
    return safe.line(text).translate(_JOINERS)


def fold(text: str, width: int) -> list[Range]:
    """Cut a line into rows of at most `width` cells (at least 2), after a space or a wide character where one is.

    Spaces at the end of a row do not count: they may stand beyond its edge.
    """
    width = max(width, 2)
    if text.isascii() and len(text) <= width:
        return [(0, len(text))]
    rows: list[Range] = []
    start = used = 0
    cut = used_at_cut = 0
    for begin, stop, cells in _glyphs(text):
        if text[begin] == " " and used + cells > width:
            cut, used_at_cut = stop, used
            continue
        while used + cells > width and begin > start:
            if cut <= start:
                cut, used_at_cut = begin, used
            rows.append((start, cut))
            start, used = cut, used - used_at_cut
        used += cells
        if cells == 2 or text[begin] == " ":
            cut, used_at_cut = stop, used
    rows.append((start, len(text)))
    return rows


def shorten(text: str, width: int) -> str:
    """The text, cut to `width` cells with an ellipsis at its end where it is longer."""
    if cell_len(text) <= width:
        return text
    if width < 1:
        return ""
    used = 0
    for begin, _, cells in _glyphs(text):
        if used + cells > width - 1:
            return text[:begin] + ELLIPSIS
        used += cells
    return text


def padded(text: str, width: int) -> str:
    """The text, followed by spaces to `width` cells; longer, it stays as it is."""
    return text + " " * max(width - cell_len(text), 0)


def shorten_left(text: str, width: int) -> str:
    """The same, cut at its beginning: the end of a path says more than its start."""
    over = cell_len(text) - width
    if over <= 0:
        return text
    if width < 1:
        return ""
    for _, stop, cells in _glyphs(text):
        over -= cells
        if over < 0:  # one cell more than what is over, for the ellipsis
            return ELLIPSIS + text[stop:]
    return ELLIPSIS


def crop(text: str, matches: Sequence[Range], width: int) -> tuple[str, list[Range]]:
    """The part of a line that shows its first match in `width` cells, and the matches in that part."""
    indent = len(text) - len(text.lstrip())
    first = matches[0][0] if matches else 0
    begin = indent
    if cell_len(text[indent : matches[0][1]] if matches else "") > width:
        # A third of the width as context before the match.
        begin = max(indent, first - max(width // 3, 1))
    lead = ELLIPSIS if begin > indent else ""
    part = lead + text[begin:]
    shift = len(lead) - begin
    shown = shorten(part, width)
    return shown, list(clip(((a + shift, b + shift) for a, b in matches), (0, len(shown))))


def clip(ranges: Iterable[Range], to: Range) -> Iterator[Range]:
    """The parts of the ranges that lie within `to`."""
    for start, stop in ranges:
        low, high = max(start, to[0]), min(stop, to[1])
        if low < high:
            yield low, high


def paint(text: str, matches: Iterable[Range], style: Style, match: Style) -> list[Segment]:
    """The text as segments in `style`, with `match` laid over the ranges (sorted or not, overlapping or not)."""
    segments: list[Segment] = []
    done = 0
    for start, stop in sorted(clip(matches, (0, len(text)))):
        begin = max(start, done)
        if begin >= stop:
            continue
        if begin > done:
            segments.append(Segment(text[done:begin], style))
        segments.append(Segment(text[begin:stop], style + match))
        done = stop
    if done < len(text):
        segments.append(Segment(text[done:], style))
    return segments


def layered(text: str, style: Style, layers: Sequence[tuple[int, int, Style]]) -> list[Segment]:
    """The text in `style`, with each layer's own laid over its characters [start, stop); later ones lie on top."""
    edges = {0, len(text), *(edge for a, b, _ in layers for edge in (a, b) if 0 < edge < len(text))}
    cuts = sorted(edges)
    segments: list[Segment] = []
    for start, stop in pairwise(cuts):
        whole = style
        for a, b, layer in layers:
            if a <= start < b:
                whole += layer
        segments.append(Segment(text[start:stop], whole))
    return segments


def strip(segments: Iterable[Segment], width: int, style: Style) -> Strip:
    """A row of exactly `width` cells."""
    return Strip(segments).adjust_cell_length(width, style)


def _glyphs(text: str) -> Iterator[tuple[int, int, int]]:
    """What the terminal shows as one: (start, stop, cells)."""
    sizes = [get_character_cell_size(character) for character in text]
    if 0 in sizes:  # joined or combined characters: ten times slower to tell apart, and rare
        yield from split_graphemes(text)[0]
        return
    for index, size in enumerate(sizes):
        yield index, index + 1, size
