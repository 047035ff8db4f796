"""What a load balancer and a person's first curl ask: is it alive, is it ready. Reads memory only."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from msgspec import Struct

from ipc.protocol import PROTOCOL_VERSION, EngineStatus
from qmd_daemon.serve import answers
from qmd_daemon.serve.door import PROBING
from qmd_daemon.serve.incoming import CALLER
from qmd_daemon.serve.lifecycle import Lifecycle


class Health(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`device` is what the embedding model runs on, `reason` why it is not the one that was wanted."""

    status: str
    version: str = ""
    protocol: int = 0
    pid: int = 0
    ready: bool
    state: str
    uptime_s: float = 0.0
    engine: str = ""
    model: str = ""
    device: str = ""
    compute_type: str = ""
    reason: str = ""
    queued: int = -1


class Ready(Struct, frozen=True, kw_only=True):
    ready: bool
    state: str


class Probes:
    def __init__(self, lifecycle: Lifecycle, engine_status: Callable[[], EngineStatus]) -> None:
        self._lifecycle = lifecycle
        self._engine_status = engine_status

    async def health(self, request: web.Request) -> web.Response:
        if request[CALLER] is PROBING:
            return answers.json({"status": "ok", "ready": self._lifecycle.pong().ready, "state": self._lifecycle.phase})
        pong, engine = self._lifecycle.pong(), self._engine_status()
        return answers.json(
            {
                "status": "ok",
                "version": pong.version,
                "protocol": PROTOCOL_VERSION,
                "pid": pong.pid,
                "ready": pong.ready,
                "state": pong.state,
                "uptime_s": round(self._lifecycle.uptime_s, 3),
                "engine": engine.state,
                "model": engine.model,
                "device": engine.device,
                "compute_type": engine.compute_type,
                "reason": engine.reason,
                "queued": engine.queued,
            }
        )

    async def ready(self, _: web.Request) -> web.Response:
        """200, or 503 while the daemon starts, loads a model, or drains."""
        pong, engine = self._lifecycle.pong(), self._engine_status()
        loading = engine.state == "starting"
        state = f"loading {engine.model or 'the model'}" if pong.ready and loading else pong.state
        ready = Ready(ready=pong.ready and not loading, state=state)
        return answers.json(ready, 200 if ready.ready else 503)
