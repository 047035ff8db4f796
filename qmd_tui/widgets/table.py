"""Rows of a table that is shown again and again. Cells are plain text, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import DataTable

from qmd_tui.language import tr


class Table(DataTable[Text]):
    """Shows rows by key; the one that the cursor is on stays under it."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id, cursor_type="row")

    def show(self, heads: Iterable[str], rows: Mapping[str, Sequence[str]]) -> None:
        selected, scrolled = self.selected, self.scroll_offset
        self.clear(columns=True)
        # The widths are ours: DataTable measures when it is idle, which may be after it was drawn, and draws no more.
        for column in zip(map(tr, heads), *rows.values(), strict=True):
            self.add_column(Text(column[0]), width=max(map(cell_len, column)))
        for key, cells in rows.items():
            self.add_row(*map(Text, cells), key=key)
        if selected in rows:
            self.move_cursor(row=list(rows).index(selected), animate=False)
        self.scroll_to(y=scrolled.y, animate=False)

    @property
    def selected(self) -> str:
        """The key of the row under the cursor, or ""."""
        if not self.is_valid_row_index(self.cursor_row):
            return ""
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value or ""
