"""What the daemon says in English, in the language of the interface: its sentences are looked up in the catalog.

The daemon's messages have no language of their own: scripts and logs read them, too. Those that are fixed are listed
here for the catalog; one that is not is shown as it came, behind what its code means.
"""

from __future__ import annotations

from ipc.errors import QmdError
from ipc.protocol import ErrorBody
from qmd_tui.language import ENGLISH, N_, current, tr
from qmd_tui.output import safe

# Why a stage did not run (qmd_daemon.search.course), and what a job is at (qmd_daemon.ingest).
_PHRASES = (
    N_("no model"),
    N_("not asked for"),
    N_("the query names something"),
    N_("the words found it"),
    N_("scanning"),
    N_("indexing"),
    N_("embedding"),
    N_("chunking"),
    N_("waiting"),
    N_("fetching"),
    N_("compacting"),
    N_("the daemon to start"),
    N_("systemd to start the daemon"),
    N_("left out"),
    N_("Nothing here seems relevant."),
)
# Errors that a person meets here, without anything in them that changes.
_SENTENCES = (
    N_("The daemon is not there yet."),
    N_("Try again in a moment."),
    N_("There is no daemon at the other end."),
    N_("The daemon went away before it had answered."),
    N_("Start it with `qmd server` to see why."),
    N_("Too many texts are waiting for the model."),
    N_("Try again in a while."),
    N_("The daemon is stopping."),
    N_("There is no search by meaning without an embedding model."),
    N_("Another embedding model is used from now on."),
)
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
    return safe.line(tr(text))


def failure(body: ErrorBody) -> str:
    """Why a job failed, told as an error is."""
    return error_text(QmdError(body.code, body.message, body.hint))


def error_text(error: QmdError) -> str:
    """An error as a person reads it: what its code means in their language, then its own sentences.

    These are in their language, too, where the catalog has them; then nobody needs to be told what the code means.
    """
    if isinstance(error, Spoken):
        return safe.block(str(error))
    message, hint = (safe.block(tr(text)) for text in (error.message, error.hint))
    means = "" if current() == ENGLISH or message != safe.block(error.message) else tr(_CODES.get(error.code, ""))
    return " ".join(part for part in (means, message, hint) if part)
