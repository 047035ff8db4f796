from __future__ import annotations

import pytest

from ipc.errors import CODES, DaemonUnreachable, ProtocolMismatch, QmdError


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_status_of_an_error_and_an_exit_code_that_is_no_success(code: str) -> None:
    error = QmdError(code, "It broke.")
    assert 400 <= error.http_status < 600
    assert error.exit_code in {1, 2, 3, 130}
    assert (error.code, error.message, error.hint) == (code, "It broke.", "")


def test_a_code_that_is_none_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="'oops'"):
        QmdError("oops", "It broke.")


def test_it_reads_as_what_happened_and_what_to_do() -> None:
    assert str(QmdError("invalid", "It broke.")) == "It broke."
    assert str(QmdError("invalid", "It broke.", "Mend it.")) == "It broke. Mend it."


def test_the_children_say_what_to_do() -> None:
    assert (DaemonUnreachable("Gone.").code, ProtocolMismatch("Old.").code) == ("unavailable", "version")
    assert "qmd server" in DaemonUnreachable("Gone.").hint
    assert "qmd stop" in ProtocolMismatch("Old.").hint
    assert DaemonUnreachable("Gone.", "Wait.").hint == "Wait."
