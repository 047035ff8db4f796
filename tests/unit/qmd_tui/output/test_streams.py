import io
import os

import pytest

from ipc.errors import QmdError
from qmd_tui.output import streams


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_results_on_stdout_the_rest_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    streams.result("a hit")
    streams.say("waiting")
    streams.heading("No results found.")
    streams.error(QmdError("no_model", "No model.", "Install \x1bit."))
    out, err = capsys.readouterr()
    assert out == "a hit\n"
    assert err == "qmd: waiting\nNo results found.\nqmd: No model.\nInstall ␛it.\n"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_color(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: bool) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert streams.takes_color(Terminal()) is expected
    assert not streams.takes_color(io.StringIO())


def test_a_terminal_that_cannot_encode_a_character_shows_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        monkeypatch.setattr(stream, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdout", stream)
        streams.prepare()
        streams.result("中")
        streams.close()
        assert raw.getvalue() == b"\\u4e2d\n"


def test_a_program_gets_utf8_whatever_the_locale_is(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="gbk") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        streams.prepare()
        streams.result("中🐘")
        streams.close()
        assert raw.getvalue() == "中🐘\n".encode()


def test_abandoned_output_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        streams.result("nobody reads this")
        with pytest.raises(BrokenPipeError):
            streams.close()
        streams.abandon()
        streams.close()
