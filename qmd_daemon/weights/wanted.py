"""Which models are meant by what somebody typed: a profile's, some by name, or those that are used here."""

from __future__ import annotations

from collections.abc import Sequence

from qmd_daemon.config import Config
from qmd_daemon.weights import catalog, profiles
from qmd_daemon.weights.entry import Entry, Role
from qmd_daemon.weights.profiles import NONE, Machine, Profile

AUTO = "auto"


def entries(names: Sequence[str], settings: Config, machine: Machine) -> list[Entry]:
    """Return the models that are meant, each once; without names, those that the configuration asks for.

    Raises QmdError("invalid") for names nobody knows, and for GGUF files.
    """
    if not names:
        return used(settings, machine)
    found: dict[str, Entry] = {}
    for name in names:
        found |= {entry.name: entry for entry in _meant(name, settings, machine)}
    return list(found.values())


def used(settings: Config, machine: Machine) -> list[Entry]:
    """The models of the configuration: those of its profile, and over them those that it names."""
    engine, profile = settings.engine, _profile(settings.engine.profile, settings, machine)
    roles: list[tuple[Role, str]] = [
        ("embedding", engine.embedding or engine.model or profile.embedding),
        ("reranker", engine.reranker or profile.reranker),
        ("expansion", engine.expansion or profile.expansion),
    ]
    return [catalog.get(name, settings.models, role) for role, name in roles if name and name != NONE]


def _meant(name: str, settings: Config, machine: Machine) -> list[Entry]:
    if name == AUTO or any(profile.name == name for profile in profiles.PROFILES):
        profile = _profile(name, settings, machine)
        usual = (profile.embedding, profile.reranker, profile.expansion)
        return [catalog.get(model) for model in usual if model]
    return [catalog.get(name, settings.models)]


def usable(machine: Machine, settings: Config) -> Machine:
    """The machine without its card, where that must not be used."""
    return Machine() if settings.engine.device == "cpu" else machine


def _profile(name: str, settings: Config, machine: Machine) -> Profile:
    return profiles.default_profile(usable(machine, settings))[0] if name == AUTO else profiles.get(name)
