"""What there is of each model of the catalog on this machine, for whoever chooses one."""

from __future__ import annotations

import asyncio

from ipc.protocol import CatalogModel, CatalogReply
from qmd_daemon.config import Config
from qmd_daemon.weights import inventory, machine, profiles, wanted


class Stock:
    """Looks at the disk, so it takes some milliseconds, in a thread."""

    def __init__(self, config: Config, models: str) -> None:
        """`models`: the directory of what was fetched."""
        self._config = config
        self._models = models

    async def catalog(self) -> CatalogReply:
        return await asyncio.to_thread(self._look)

    def _look(self) -> CatalogReply:
        here = machine.detect()
        config = self._config
        choice = profiles.choose(config.engine, self._models, own=config.models, machine=wanted.usable(here, config))
        found = [
            CatalogModel(
                name=item.name,
                role=item.role,
                state=item.state,
                used=item.used,
                size_bytes=item.size_bytes,
                download_bytes=item.download_bytes,
                license=item.license,
                quantizations=item.quantizations,
                source=item.source,
                profiles=[profile.name for profile in profiles.PROFILES if item.name in _models_of(profile)],
            )
            for item in inventory.items(config, self._models, here)
        ]
        return CatalogReply(models=found, profile=choice.profile, reason=choice.reason)


def _models_of(profile: profiles.Profile) -> tuple[str, str, str]:
    return profile.embedding, profile.reranker, profile.expansion
