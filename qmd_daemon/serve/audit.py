"""The audit log: who with a token or a key asked what, and whether it was allowed. Without what was searched for."""

from __future__ import annotations

import structlog

from ipc.protocol import AnyRequest
from qmd_daemon.grants import Grant
from qmd_daemon.logs import AUDIT

_log = structlog.get_logger(AUDIT)


def note(request: AnyRequest, grant: Grant, code: str) -> None:
    """One line for a request, after its end. `query` is in it only where the configuration asks for that."""
    _log.info(
        "access.request",
        **{grant.kind: grant.name, f"{grant.kind}_id": grant.id},
        op=type(request).__struct_config__.tag,
        index=grant.index,
        collections=list(getattr(request, "collections", [])),
        code=code,
        query=getattr(request, "query", ""),
    )


def refused(remote: str, path: str, code: str, reason: str) -> None:
    """One line for a request that was turned away at the door."""
    _log.warning("access.refused", remote=remote, path=path[:200], code=code, reason=reason[:200], query="")
