"""The keys, in one table. Each has an id, so that the configuration can move it and the help screen can list it.

They are what fingers know from fzf. All have priority: the input would otherwise take Ctrl+K for itself.
The descriptions are translated where they are shown.
"""

from __future__ import annotations

from textual.binding import Binding, BindingType

from qmd_tui.language import N_


def _key(keys: str, action: str, description: str, id: str) -> Binding:  # noqa: A002 - Textual's own name for it
    return Binding(keys, action, description, id=id, priority=True)


APP: list[BindingType] = [
    _key("f1", "help", N_("Show or hide these keys"), "app.help"),
    # Textual's own place for it is Ctrl+P, which is "up" here.
    _key("f2,ctrl+x", "command_palette", N_("Show all commands"), "app.palette"),
    _key("f3", "visit('collections')", N_("Collections and jobs"), "app.collections"),
    _key("f4", "visit('models')", N_("Models"), "app.models"),
    _key("f5", "visit('gpu')", N_("GPU, or CPU and memory"), "app.gpu"),
    _key("f6", "visit('log')", N_("The daemon's log"), "app.log"),
    _key("f9", "next_language", N_("Next language: English, 中文"), "app.language"),
    _key("f10", "next_theme", N_("Next colours: dark, light, the terminal's own"), "app.theme"),
    _key("ctrl+c,ctrl+q", "quit", N_("Quit"), "app.quit"),
]

SEARCH: list[BindingType] = [
    _key("up,ctrl+p,ctrl+k", "move(-1)", N_("Previous result"), "search.previous"),
    _key("down,ctrl+n,ctrl+j", "move(1)", N_("Next result"), "search.next"),
    _key("enter", "open", N_("Open in your editor, at the line"), "search.open"),
    _key("alt+v", "page", N_("Open in your pager, at the line"), "search.page"),
    _key("ctrl+s", "next_mode", N_("Next mode: search, vsearch, query"), "search.mode"),
    _key("tab", "pick(1)", N_("Pick the result, and go to the next"), "search.pick"),
    _key("shift+tab", "pick(-1)", N_("Pick the result, and go to the previous"), "search.pick_up"),
    _key("alt+enter", "print", N_("Print what is picked, and quit"), "search.print"),
    _key("ctrl+y", "copy('path')", N_("Copy the path"), "search.copy_path"),
    _key("alt+y", "copy('line')", N_("Copy path:line"), "search.copy_line"),
    _key("alt+d", "copy('docid')", N_("Copy the docid"), "search.copy_docid"),
    _key("alt+s", "copy('passage')", N_("Copy the passage"), "search.copy_passage"),
    _key("ctrl+e", "explain", N_("Explain why it was found, or show it again"), "search.explain"),
    _key("ctrl+l", "similar", N_("Find documents like this one"), "search.similar"),
    _key("ctrl+t", "toggle_rendered", N_("Preview: Markdown as text or as source"), "search.rendered"),
    _key("ctrl+o", "toggle_preview", N_("Show or hide the preview"), "search.preview"),
    _key("shift+up", "scroll_preview(-1)", N_("Preview: a line up"), "search.line_up"),
    _key("shift+down", "scroll_preview(1)", N_("Preview: a line down"), "search.line_down"),
    _key("pageup", "page_preview(-1)", N_("Preview: half a page up"), "search.page_up"),
    _key("pagedown", "page_preview(1)", N_("Preview: half a page down"), "search.page_down"),
    _key("alt+up", "match(-1)", N_("Preview: previous match"), "search.match_up"),
    _key("alt+down", "match(1)", N_("Preview: next match"), "search.match_down"),
    _key("ctrl+up", "history(-1)", N_("An older query"), "search.older"),
    _key("ctrl+down", "history(1)", N_("A newer query"), "search.newer"),
    _key("ctrl+r", "recall", N_("Earlier and saved queries"), "search.recall"),
    _key("alt+w", "save_query", N_("Save this query, or forget it"), "search.save"),
    _key("alt+i", "ignore", N_("Leave this file out of its collection"), "search.ignore"),
    _key("escape", "clear_or_quit", N_("Clear the input; when it is empty, quit"), "search.clear"),
]

# The screens beside the search screen have no input that is always there: letters are keys.
SCREEN: list[BindingType] = [
    _key("escape", "back", N_("Back to the search"), "screen.back"),
]

COLLECTIONS: list[BindingType] = [
    Binding("a", "add", N_("Add a directory"), id="collections.add"),
    Binding("delete,d", "remove", N_("Remove the collection"), id="collections.remove"),
    Binding("r", "rename", N_("Rename the collection"), id="collections.rename"),
    Binding("c", "context", N_("Say what lies in it"), id="collections.context"),
    Binding("i", "include", N_("Search it always, or only when it is named"), id="collections.include"),
    Binding("g", "ignore", N_("Which of its files are left out"), id="collections.ignore"),
    Binding("u", "update", N_("Index what has changed"), id="collections.update"),
    Binding("e", "embed", N_("Make the vectors that are missing"), id="collections.embed"),
    Binding("x", "cancel", N_("Cancel the job"), id="collections.cancel"),
    Binding("s", "resume", N_("Start the job again: it goes on from what is done"), id="collections.resume"),
    Binding("enter", "details", N_("What the job skipped, and why"), id="collections.details", priority=True),
    Binding("tab", "switch", N_("From the collections to the jobs, and back"), id="collections.switch", priority=True),
]

MODELS: list[BindingType] = [
    Binding("f", "fetch", N_("Fetch the model"), id="models.fetch"),
    Binding("l", "load", N_("Load it into memory"), id="models.load"),
    Binding("u", "unload", N_("Take it out of memory"), id="models.unload"),
    Binding("w", "switch_to", N_("Use it instead: what that takes is told first"), id="models.switch"),
]

LOG: list[BindingType] = [
    _key("ctrl+l", "next_level", N_("Show only what is more serious, or all again"), "log.level"),
    _key("up,ctrl+p", "scroll(-1)", N_("A line up"), "log.up"),
    _key("down,ctrl+n", "scroll(1)", N_("A line down"), "log.down"),
    _key("pageup", "scroll(-10)", N_("Ten lines up"), "log.page_up"),
    _key("pagedown", "scroll(10)", N_("Ten lines down"), "log.page_down"),
]

# Every name that a key has, in the order in which they are listed: a screen's own before those of all screens.
NAMES = tuple(
    binding.id
    for table in (SEARCH, COLLECTIONS, MODELS, LOG, SCREEN, APP)
    for binding in table
    if isinstance(binding, Binding) and binding.id
)
