"""What the daemon says in English, in the language of the interface: its sentences are looked up in the catalog.

The daemon's messages have no language of their own: scripts and logs read them, too. Those that are fixed are listed
here for the catalog; one that is not is shown as it came, behind what its code means.
"""

from __future__ import annotations

from ipc.errors import QmdError
from qmd_tui.language import N_, current, tr
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


def phrase(text: str) -> str:
    """A few words of the daemon's."""
    return safe.line(tr(text))


def error_text(error: QmdError) -> str:
    """An error as a person reads it: what its code means in their language, then the daemon's own sentence."""
    own = safe.block(str(error))
    if current() == "en":
        return own
    return f"{tr(_CODES.get(error.code, ''))} {own}".strip()
