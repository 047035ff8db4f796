"""The models that are used, and the card that could compute them. Loads none."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator

from ipc.finding import Finding, fail, ok, warn
from ipc.protocol import GpuSample
from qmd_daemon.config import Config
from qmd_daemon.engine.gpu import Meter
from qmd_daemon.weights import catalog, installed, machine, manifest, profiles, wanted
from qmd_daemon.weights.entry import Entry


def examine(settings: Config, models: str) -> Iterator[Finding]:
    """A line for each model that is used here. Raises QmdError("invalid") for names nobody knows."""
    if settings.engine.kind == "fake":
        yield ok("model", "fake: hashed words instead of a model.")
        return
    here = wanted.usable(machine.detect(), settings)
    choice = profiles.choose(settings.engine, models, own=settings.models, machine=here)
    engine = settings.engine
    named = {engine.embedding or engine.model, engine.reranker, engine.expansion}
    used = {entry.name: entry for entry in (choice.embedding, choice.reranker, choice.expansion) if entry}
    # Those that would only suit this machine are no fault when they are not here: `qmd check` tells of them.
    asked = wanted.used(settings, machine.detect())
    used |= {entry.name: entry for entry in asked if engine.profile != wanted.AUTO or entry.name in named}
    for entry in used.values():
        yield _model(entry, models)


def card(settings: Config, sample: Callable[[], GpuSample] = lambda: Meter(lambda: 0).sample()) -> Finding:
    """Which card there is, or why the processor computes."""
    reading = sample()
    if not reading.cards:
        if settings.engine.device == "cuda":
            hint = 'Install the driver, or set `device = "auto"` in config.toml.'
            return fail("gpu", f"cuda is asked for, but the processor computes: {reading.reason}.", hint)
        return ok("gpu", f"The processor computes: {reading.reason}.")
    names = ", ".join(one.name for one in reading.cards)
    if settings.engine.device == "cpu":
        return ok("gpu", f"{names}; the processor computes: the configuration says so.")
    if not _has_cublas():
        hint = "`pip install 'qmd[cuda]'` in the environment of this program."
        return warn("gpu", f"{names}; the processor computes where the system has no cuBLAS 12 of its own.", hint)
    return ok("gpu", names)


def _model(entry: Entry, models: str) -> Finding:
    check = f"{entry.role} model"
    if installed.locate(entry, models) is None:
        return fail(check, f"{entry.name} is not installed.", catalog.install_hint(entry))
    forms = installed.converted(entry, models)
    for quantization, directory in forms.items():
        fault = manifest.fault(directory, catalog.weights_fingerprint(entry), quantization)
        if fault:
            hint = f"`qmd models test {entry.name}` converts and tests it again."
            return fail(check, f"{entry.name} ({quantization}) is damaged: {fault}.", hint)
    if forms:  # what fails its self-test gets no manifest
        return ok(check, f"{entry.name} ({', '.join(forms)}) is whole, and passed its self-test when it was converted.")
    return ok(check, f"{entry.name} is installed; it is converted and tested when it is first used.")


def _has_cublas() -> bool:
    try:
        spec = importlib.util.find_spec("nvidia.cublas")
    except (ImportError, ValueError):
        return False
    roots = (spec and spec.submodule_search_locations) or ()
    return any(os.path.isdir(os.path.join(root, "lib")) for root in roots)
