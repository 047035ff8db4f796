"""File descriptors: each connection takes one, and a usual limit of 1,024 is less than what one may ask for."""

from __future__ import annotations

import resource

import structlog

# For everything that is not an HTTP connection: indexes, readers, ZeroMQ, the worker, logs.
RESERVED = 256
# More than anybody needs; some systems have a hard limit of a thousand million.
_MOST = 1 << 18

log = structlog.get_logger()


def room_for(connections: int) -> int:
    """Raise this process's limit as far as that many connections need, and return how many there is room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= connections + RESERVED:
        return connections
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    raised = max(soft, min(most, connections + RESERVED))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    except (OSError, ValueError):  # a sandbox that does not allow it
        raised = soft
    room = max(1, min(connections, raised - RESERVED))
    if room < connections:
        log.warning("http.few_descriptors", limit=raised, connections=room)
    return room
