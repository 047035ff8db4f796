"""A table that is shown again and again."""

from __future__ import annotations

from textual.app import App, ComposeResult

from qmd_tui.widgets.table import Table


class Tabled(App[None]):
    def compose(self) -> ComposeResult:
        yield Table(id="table")


async def test_columns_are_as_wide_as_what_stands_in_them_before_anything_is_idle() -> None:
    app = Tabled()
    async with app.run_test():
        table = app.query_one(Table)
        for rows in ({"a": ["short", "显存监控"]}, {"a": ["much longer", "x"], "b": ["y", "z"]}):
            table.show(("Name", "What"), rows)
            widths = [column.get_render_width(table) - 2 * table.cell_padding for column in table.ordered_columns]
            assert widths == [max(len("Name"), len(rows["a"][0])), 8 if "b" not in rows else 4]
