"""The command palette: everything that has a key, by what it does, in the language of the interface."""

from __future__ import annotations

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from qmd_tui.language import tr


class Commands(Provider):
    """The app's own commands; where none fits what is typed, a line that says so (Textual's speaks English)."""

    async def discover(self) -> Hits:
        for name, told, callback, _ in self.app.get_system_commands(self.screen):
            yield DiscoveryHit(name, callback, help=told)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        found = False
        for name, told, callback, _ in self.app.get_system_commands(self.screen):
            if (score := matcher.match(name)) > 0:
                found = True
                yield Hit(score, matcher.highlight(name), callback, help=told)
        if not found:
            yield Hit(0.0, tr("No command does that."), _nothing)


def palette() -> CommandPalette:
    return CommandPalette(placeholder=tr("Search the commands"), id="--command-palette")


def _nothing() -> None:
    """Chosen all the same: the palette closes."""
