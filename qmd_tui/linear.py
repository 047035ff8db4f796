"""The same search as numbered lines and prompts: for screen readers, and for terminals that can do no more.

Nothing is drawn over, nothing blinks, nothing is said by colour or place alone. What is asked is typed as on the
full screen; what is answered is read from top to bottom.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from ipc.errors import DaemonUnreachable, QmdError
from ipc.paths import DEFAULT_INDEX, Paths
from ipc.protocol import DocumentReply, Get, Hit, Query, Reply, Request, SearchReply
from ipc.sync import SyncClient
from qmd_tui import attach, configuration, editor, language, outside, query
from qmd_tui.language import tr, trn
from qmd_tui.output import safe, streams
from qmd_tui.settings import Settings
from qmd_tui.told import Spoken, error_text, phrase
from qmd_tui.widgets.hit import age, first_match_line, percent, place, snippet_line
from qmd_tui.widgets.stages import STAGES
from qmd_tui.widgets.text import visible

_RESULTS = 10
_LINES = 20
_WAIT_S = 30.0
# A first search may have to load the model.
_ANSWER_S = 150.0
R = TypeVar("R", bound=Reply)


def run(paths: Paths, *, index: str = DEFAULT_INDEX, place: str = "", key: str = "") -> int:
    """Ask and answer until the person has had enough. Returns the exit code. Raises QmdError."""
    from qmd_tui.cli import daemon

    config = configuration.load(os.path.join(paths.config, "tui.toml"))
    settings = Settings.from_environment(index=index, config=config)
    language.use(settings.language)
    endpoint = attach.elsewhere(paths, place, key) if place else daemon.ensure(paths)
    with endpoint.connect() as client:

        def revive() -> None:
            if not place:
                daemon.ensure(paths)
            client.ping(timeout_s=settings.ping_s)

        client.ping(timeout_s=settings.ping_s)
        Linear(client, settings, _read, streams.result, revive).run()
    return 0


def _read(prompt: str) -> str | None:
    """A line from the person; None at the end of the input."""
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    return line.rstrip("\n") if line else None


class Linear:
    """`ask` and `say` lead to the person and back; `revive` brings the daemon back, or raises QmdError."""

    def __init__(
        self,
        client: SyncClient,
        settings: Settings,
        ask: Callable[[str], str | None],
        say: Callable[[str], None],
        revive: Callable[[], None],
    ) -> None:
        self._client = client
        self._settings = settings
        self._ask = ask
        self._say = say
        self._revive = revive
        self._asked = ""
        self._hits: list[Hit] = []
        self._shown = 0

    def run(self) -> None:
        self._say(tr("Type a query. A number shows that result, e and a number opens it, m shows more, q leaves."))
        while (line := self._ask(tr("Search: "))) is not None:
            if line.strip() in {"q", "quit"}:
                return
            try:
                self._do(line.strip())
            except QmdError as error:
                self._say(tr("Error: {what}").format(what=error_text(error)))

    def _do(self, line: str) -> None:
        if not line:
            return
        if line == "m":
            self._more()
        elif line.isascii() and line.isdigit():
            self._show(self._hit(line))
        elif line[:2] == "e " and line[2:].strip().isdigit():
            self._edit(self._hit(line[2:].strip()))
        else:
            self._search(line)

    def _search(self, text: str) -> None:
        self._asked, self._hits, self._shown = text, [], 0
        reply = self._find(_RESULTS)
        self._say(trn("{count} result", "{count} results", len(reply.results)))
        for stage in reply.stages:
            if not stage.ran and stage.reason:
                self._say(f"{tr(STAGES[stage.name])}: {phrase(stage.reason)}")
        self._list()

    def _find(self, count: int) -> SearchReply:
        asked = query.read(self._asked)
        request = Query(
            index=self._settings.index,
            query=asked.query,
            collections=list(asked.collections),
            intent=asked.intent,
            top_k=count,
        )
        reply = self._call(request, SearchReply, _ANSWER_S)
        self._hits = reply.results
        return reply

    def _more(self) -> None:
        if self._asked:
            self._find(min(self._shown + _RESULTS, 1000))
        if self._shown >= len(self._hits):
            self._say(tr("There is no more."))
        self._list()

    def _list(self) -> None:
        now = time.time()
        for number, hit in enumerate(self._hits[self._shown :], self._shown + 1):
            told = (visible(hit.title or hit.path), percent(hit), place(hit), age(hit, now))
            self._say(f"{number}. {', '.join(part for part in told if part)}")
            if text := snippet_line(hit)[0].strip():
                self._say(f"   {text}")
        self._shown = len(self._hits)

    def _hit(self, number: str) -> Hit:
        if not 1 <= int(number) <= len(self._hits):
            told = tr("There is no result {number}.").format(number=number)
            raise Spoken("not_found", told, tr("Type the number of one that was listed."))
        return self._hits[int(number) - 1]

    def _show(self, hit: Hit) -> None:
        document = self._get(hit, max(first_match_line(hit) - _LINES // 4, 1), _LINES)
        self._say(f"{document.collection}/{visible(document.path)}")
        for offset, text in enumerate(document.text.splitlines()):
            self._say(f"{document.first_line + offset}: {safe.line(text)}")

    def _edit(self, hit: Hit) -> None:
        line = first_match_line(hit)
        document = self._get(hit, line, 1)
        if not document.location:
            raise Spoken("not_found", tr("This document has no file on this machine."))
        command = editor.command(self._settings.editor, document.location, line)
        try:
            subprocess.run(command, check=False)
        except OSError as error:
            raise outside.cannot_start(command[0], error, "$EDITOR") from None

    def _get(self, hit: Hit, line: int, count: int) -> DocumentReply:
        request = Get(index=self._settings.index, ref=hit.file, from_line=line, max_lines=count)
        return self._call(request, DocumentReply, _WAIT_S)

    def _call(self, request: Request, reply: type[R], timeout_s: float) -> R:
        """Ask the daemon; one that is gone is brought back first, and asked once more."""
        try:
            self._client.ping(timeout_s=self._settings.ping_s)
            return self._client.call(request, reply, timeout_s=timeout_s)
        except DaemonUnreachable:
            self._say(tr("The daemon is gone. It is looked for again."))
            self._revive()
            return self._client.call(request, reply, timeout_s=timeout_s)
