"""The keys, in one table. Each has an id, so that a keymap can move it and the help screen can list it.

They are what fingers know from fzf. All have priority: the input would otherwise take Ctrl+K for itself.
"""

from __future__ import annotations

from textual.binding import Binding, BindingType

APP: list[BindingType] = [
    Binding("f1", "help", "Show or hide these keys", id="app.help", priority=True),
    # Textual's own place for it is Ctrl+P, which is "up" here.
    Binding("f2", "command_palette", "Show all commands", id="app.palette", priority=True),
    Binding("ctrl+c,ctrl+q", "quit", "Quit", id="app.quit", priority=True),
]

SEARCH: list[BindingType] = [
    Binding("up,ctrl+p,ctrl+k", "move(-1)", "Previous result", id="search.previous", priority=True),
    Binding("down,ctrl+n,ctrl+j", "move(1)", "Next result", id="search.next", priority=True),
    Binding("enter", "open", "Open in your editor, at the line", id="search.open", priority=True),
    Binding("ctrl+s", "next_mode", "Next mode: search, vsearch, query", id="search.mode", priority=True),
    Binding("ctrl+o", "toggle_preview", "Show or hide the preview", id="search.preview", priority=True),
    Binding("shift+up", "scroll_preview(-1)", "Preview: a line up", id="search.line_up", priority=True),
    Binding("shift+down", "scroll_preview(1)", "Preview: a line down", id="search.line_down", priority=True),
    Binding("pageup", "page_preview(-1)", "Preview: half a page up", id="search.page_up", priority=True),
    Binding("pagedown", "page_preview(1)", "Preview: half a page down", id="search.page_down", priority=True),
    Binding("escape", "clear_or_quit", "Clear the input; when it is empty, quit", id="search.clear", priority=True),
]
