"""What the daemon says, in the language of the interface.

An error that is in no catalog comes as it is, behind what its code means.
"""

from __future__ import annotations

from ipc.errors import QmdError
from ipc.protocol import ErrorBody
from qmd_tui.language import ENGLISH, N_, current, tr
from qmd_tui.output import safe
from qmd_tui.sentences import translated

_CODES = {
    "malformed": N_("The request was not understood."),
    "unauthorized": N_("A token is needed for that."),
    "forbidden": N_("That is not allowed."),
    "not_found": N_("It was not found."),
    "unknown_op": N_("The daemon cannot do that."),
    "conflict": N_("The name is taken, or not clear."),
    "version": N_("The daemon is of another version."),
    "too_large": N_("That is too large."),
    "invalid": N_("That is not valid."),
    "cancelled": N_("It was cancelled."),
    "internal": N_("Something went wrong inside."),
    "no_model": N_("The model is not installed."),
    "rate_limited": N_("You ask for too much at once."),
    "overloaded": N_("The daemon has too much to do."),
    "unavailable": N_("The daemon is not available."),
    "deadline": N_("It took too long."),
}


class Spoken(QmdError):
    """An error of the interface itself, which speaks the person's language already."""


def phrase(text: str) -> str:
    """A few words of the daemon's."""
    return safe.line(translated(text))


def failure(body: ErrorBody) -> str:
    """Why a job failed, told as an error is."""
    return error_text(QmdError(body.code, body.message, body.hint))


def error_text(error: QmdError) -> str:
    """An error as a person reads it: what its code means in their language, then its own sentences.

    These are in their language, too, where the catalog has them; then nobody needs to be told what the code means.
    """
    if isinstance(error, Spoken):
        return safe.block(str(error))
    message, hint = (translated(text) for text in (error.message, error.hint))
    means = "" if current() == ENGLISH or message != error.message else tr(_CODES.get(error.code, ""))
    return " ".join(safe.block(part) for part in (means, message, hint) if part)
