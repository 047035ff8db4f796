"""Another model for a role: written to config.toml, and used from the next quiet moment on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

import structlog
from msgspec.structs import replace

from ipc.errors import QmdError
from ipc.protocol import ModelsUse
from qmd_daemon import config_file
from qmd_daemon.config import ENVIRONMENT, Config
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.weights import catalog, installed, machine, profiles, wanted

_log = structlog.get_logger()


class Chooser:
    """`reread` is what the configuration is by now. It raises QmdError, where that is wrong."""

    def __init__(
        self,
        file: str,
        models: str,
        engine: Engine,
        reread: Callable[[], Config],
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """`file` is config.toml, `models` the directory of what was fetched."""
        self._file = file
        self._models = models
        self._engine = engine
        self._reread = reread
        self._env = env

    async def use(self, request: ModelsUse) -> None:
        """Raises QmdError: invalid for a model that cannot have the role, no_model for one that is not here, conflict
        where the environment says otherwise.
        """
        self._refuse_what_the_environment_decides(request)
        await asyncio.to_thread(self._check, request)
        await asyncio.to_thread(config_file.put, self._file, "engine", request.role, request.name)
        settings = self._reread()
        _log.info("models.chosen", role=request.role, model=request.name or "the profile's")
        self._engine.use(settings.engine, settings.models)

    def _check(self, request: ModelsUse) -> None:
        """Nothing is written that the next start would refuse, or that leaves searches without a model."""
        settings = self._reread()
        engine = replace(settings.engine, **{request.role: request.name})
        usable = wanted.usable(machine.detect(), settings)
        choice = profiles.choose(engine, self._models, own=settings.models, machine=usable)
        if request.name in {"", profiles.NONE}:
            if request.role == "embedding" and request.name:
                raise QmdError("invalid", "There is no search by meaning without an embedding model.")
            return
        entry = {"embedding": choice.embedding, "reranker": choice.reranker, "expansion": choice.expansion}[
            request.role
        ]
        if entry is not None and installed.locate(entry, self._models) is None:
            raise catalog.missing(entry)

    def _refuse_what_the_environment_decides(self, request: ModelsUse) -> None:
        for variable, place in ENVIRONMENT.items():
            if place == ("engine", request.role) and self._env.get(variable):
                raise QmdError(
                    "conflict",
                    f"The daemon was started with {variable}={self._env[variable]}, which wins over config.toml.",
                    f"Start it without {variable}.",
                )
