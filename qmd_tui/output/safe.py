"""Text from files and names, made harmless for a terminal.

A file may hold escape sequences that retitle the window, answer a prompt or turn the rest of a line around.
Everything that a person sees of contents, titles, paths and error messages goes through `line` or `block`.
One character becomes one character, so that the offsets of matches stay right.
"""

from __future__ import annotations

_PICTURES = 0x2400  # U+2400..U+241F are pictures of the controls 0x00..0x1F
_DELETE = 0x7F
_DELETE_PICTURE = 0x2421
_REPLACEMENT = 0xFFFD
# What has no picture of its own: the C1 controls (0x9B is another way to write ESC [), marks, embeddings, overrides and
# isolates that change a line's direction, the two other line ends, and halves of surrogate pairs (os.fsdecode makes
# them of names that are not UTF-8), which no output stream takes.
_UNPICTURED = (
    *range(0x80, 0xA0),
    0x061C,
    *range(0x200E, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    *range(0xD800, 0xE000),
)

_LINE: dict[int, int] = {
    **{code: _PICTURES + code for code in range(0x20)},
    _DELETE: _DELETE_PICTURE,
    **dict.fromkeys(_UNPICTURED, _REPLACEMENT),
}
_BLOCK = {code: shown for code, shown in _LINE.items() if code not in {0x09, 0x0A}}


def line(text: str) -> str:
    """`text` as part of one line: every control character becomes a visible symbol, line ends and tabs too."""
    return text.translate(_LINE)


def block(text: str) -> str:
    """The same for text of several lines: line feeds and tabs stay."""
    return text.translate(_BLOCK)


def json_text(encoded: str) -> str:
    r"""Encoded JSON with every character that `block` replaces written as `\uXXXX`: harmless, and nothing is lost."""
    return encoded.translate({code: f"\\u{code:04x}" for code in _BLOCK})
