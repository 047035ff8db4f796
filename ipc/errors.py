"""The errors that cross the wire.

QmdError                anything a person should read: a code, a sentence, and what to do about it
├── DaemonUnreachable   nobody answered in time, or the daemon could not be launched
└── ProtocolMismatch    somebody answered, in another version of the protocol

Codes are a closed set. One table gives each its HTTP status and its exit code, so that a
mistake looks the same on every surface. Everything that is not a QmdError is a bug: the
daemon logs its traceback and sends `internal` with the request id to quote.
"""

from __future__ import annotations

# code -> (HTTP status, exit code of the command line)
CODES: dict[str, tuple[int, int]] = {
    "malformed": (400, 2),  # not JSON, or not an object
    "unauthorized": (401, 2),  # no token where one is needed, or one that is not valid (any more)
    "forbidden": (403, 2),  # Origin, Host, or more than a token allows
    "not_found": (404, 1),  # no such document, collection, job or route
    "unknown_op": (404, 2),
    "conflict": (409, 2),  # the name is taken
    "version": (409, 3),  # client and daemon speak different protocols
    "too_large": (413, 2),
    "invalid": (422, 2),  # JSON of the wrong shape
    "rate_limited": (429, 3),  # more than one client may ask for: later
    "cancelled": (499, 130),
    "internal": (500, 3),
    "no_model": (503, 3),
    "overloaded": (503, 3),  # the queue is full: try again later
    "unavailable": (503, 3),  # starting, draining or gone
    "deadline": (504, 3),
}


class QmdError(Exception):
    """An error with a code from CODES, a sentence for a person, and a hint that says what to do."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        if code not in CODES:
            raise ValueError(f"unknown error code {code!r}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    @property
    def http_status(self) -> int:
        return CODES[self.code][0]

    @property
    def exit_code(self) -> int:
        return CODES[self.code][1]

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class DaemonUnreachable(QmdError):
    """Nobody answered a ping in time, or the daemon that we launched did not come up."""

    def __init__(self, message: str, hint: str = "Start it with `qmd server` to see why.") -> None:
        super().__init__("unavailable", message, hint)


class ProtocolMismatch(QmdError):
    """The daemon speaks another version of the protocol."""

    def __init__(self, message: str, hint: str = "Restart it: `qmd stop`, then run the command again.") -> None:
        super().__init__("version", message, hint)
