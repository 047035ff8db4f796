"""Who asks: the person whose machine this is, or somebody with a token or a key of theirs."""

from __future__ import annotations

from typing import NamedTuple

from qmd_daemon.grants import Grant


class Caller(NamedTuple):
    """`key` tells one client from another, for limits: a peer's identity, an address, a grant's id.

    Without a `grant` it is somebody on this machine, who may do everything.
    """

    key: str = "owner"
    grant: Grant | None = None


OWNER = Caller()
