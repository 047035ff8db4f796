"""Who asks: the person whose machine this is, or somebody with a token or a key of theirs."""

from __future__ import annotations

from typing import NamedTuple


class Caller(NamedTuple):
    """`key` tells one client from another, for limits: a peer's identity, an address, a token's id."""

    key: str = "owner"


OWNER = Caller()
