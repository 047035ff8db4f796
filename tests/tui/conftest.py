"""The app on a small library, without a daemon."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from tests.tui.library import Line, librarian, quick


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the colours nor the editor of whoever runs the tests; a cursor that stands still."""
    for name in ("NO_COLOR", "COLORFGBG", "QMD_THEME", "EDITOR", "VISUAL", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Input, "cursor_blink", False)


@pytest.fixture
def client() -> FakeClient:
    return librarian()


@pytest.fixture
def line(client: FakeClient) -> Line:
    return Line(client)


@pytest.fixture
def app(line: Line) -> QmdApp:
    return QmdApp(line, quick())
