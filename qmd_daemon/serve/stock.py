"""What there is of each model of the catalog on this machine, for whoever chooses one."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable

import msgspec

from ipc.errors import QmdError
from ipc.protocol import CatalogModel, CatalogReply
from qmd_daemon.config import Config
from qmd_daemon.weights import machine, profiles, wanted

_LOOK_S = 30.0


class Stock:
    """Has `qmd models list` look: what knows conversions can make them, too, and the daemon must not load that."""

    def __init__(self, reread: Callable[[], Config], models: str) -> None:
        """`reread` is what the configuration is by now, `models` the directory of what was fetched."""
        self._reread = reread
        self._models = models

    async def catalog(self) -> CatalogReply:
        """Raises QmdError: unavailable when the list cannot be had, invalid when the configuration is wrong by now."""
        found = msgspec.json.decode(await _listed(), type=list[CatalogModel])
        choice = await asyncio.to_thread(self._choose)
        return CatalogReply(
            models=[msgspec.structs.replace(one, profiles=_used_by(one.name)) for one in found],
            profile=choice.profile,
            reason=choice.reason,
        )

    def _choose(self) -> profiles.Choice:
        config = self._reread()
        usable = wanted.usable(machine.detect(), config)
        return profiles.choose(config.engine, self._models, own=config.models, machine=usable)


async def _listed() -> bytes:
    command = (sys.executable, "-P", "-m", "qmd_daemon.weights.manage", "list", "--json")
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(_LOOK_S):
            listed, complaint = await process.communicate()
    except TimeoutError:
        raise QmdError("unavailable", "The list of models takes too long.", "Try `qmd models list`.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise QmdError("unavailable", lines[-1] if lines else "There is no list of models.", "Try `qmd models list`.")
    return listed


def _used_by(name: str) -> list[str]:
    return [one.name for one in profiles.PROFILES if name in {one.embedding, one.reranker, one.expansion}]
