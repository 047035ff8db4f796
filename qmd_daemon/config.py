"""The daemon's configuration: defaults < config.toml < environment < flags, merged once into one frozen Config."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ipc.errors import QmdError
from ipc.paths import HTTP_HOST, HTTP_PORT, Paths
from ipc.protocol import KeepAlive, Role

Positive = Annotated[float, Meta(gt=0)]
Size = Annotated[str, Meta(pattern=r"^\d+(\.\d+)?\s*([KMGT]i?B?|B)?$")]
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class EngineConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "fake"` computes hashed words instead of a model: the whole system, without weights."""

    kind: Literal["ct2", "fake"] = "ct2"
    profile: str = "auto"  # which models; auto: what suits this machine, of what is installed
    embedding: str = ""  # a model instead of the profile's: by name, or a directory in Hugging Face's layout
    reranker: str = ""  # the same; "none" for none
    expansion: str = ""  # the same; "none" for none
    dimension: Annotated[int, Meta(ge=0)] = 0  # of the vectors, where the model has several; 0: its usual one
    model: str = ""  # the older name of `embedding`
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Meta(ge=0, le=256)] = 0  # CPU replicas of one thread each; 0: one for each core
    idle_s: Positive = 300.0  # a model is taken out of memory after so long without work, and with the last the worker
    keep_alive: dict[Role, KeepAlive] = {}  # instead of idle_s, by role: { reranker = "1h", embedding = -1 }
    max_vram: Size = "4G"  # what the worker may take of a card; "0": all there is
    max_ram: Size = "0"  # what it may take without a card; "0": no ceiling
    hang_s: Positive = 60.0  # a worker silent for so long, or stuck in one batch, is killed
    start_s: Positive = 120.0  # to load (and, once, to convert) a model
    queue_texts: Annotated[int, Meta(ge=1)] = 20_000  # texts waiting; more is refused as overloaded


class ModelConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model of the user's own: in a `directory`, or in `repositories` of the hub and `like` a model that we know.

    What is left out is as in the directory's own files, or as with that model.
    """

    role: Literal["embedding", "reranker", "expansion"]
    directory: str = ""
    repositories: tuple[str, ...] = ()  # the same model under several names, tried in order
    revision: str = "master"
    like: str = ""
    dimension: Annotated[int, Meta(ge=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=8)] | None = None
    pooling: Literal["mean", "cls", "last"] | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    template: str | None = None
    end_token: str | None = None
    languages: tuple[str, ...] | None = None
    license: str | None = None


class HubConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where models come from."""

    endpoint: str = ""  # a mirror, such as https://hub.example.org; empty: ModelScope itself
    directory: str = ""  # instead of a hub: a directory with the repositories in it, as OWNER/NAME or as NAME


class HttpConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool = True
    host: str = HTTP_HOST
    port: Annotated[int, Meta(ge=0, le=65535)] = HTTP_PORT
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 16 * 1024 * 1024
    require_token: bool = False  # also on loopback, such as behind a proxy
    hosts: tuple[str, ...] = ()  # names by which others may ask for this machine, besides its own
    connections: Annotated[int, Meta(ge=1, le=100_000)] = 2000  # open at once; more get a 503
    client_requests: Annotated[int, Meta(ge=1)] = 128  # of one client under way; more get a 429
    header_s: Positive = 10.0  # for the head of a request to arrive
    body_s: Positive = 60.0  # for its body to arrive, and for a client to read what it has been sent


class ZmqConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ZeroMQ for others, besides the Unix sockets: only with keys, made by `qmd keys create`."""

    listen: Annotated[str, Meta(pattern=r"^(tcp://\S+:\d{1,5})?$")] = ""  # such as tcp://0.0.0.0:18766; empty: nowhere


class IngestConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    max_file_bytes: Annotated[int, Meta(ge=1)] = 10 * 1024 * 1024


class LogConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    max_bytes: Annotated[int, Meta(ge=4096)] = 5 * 1024 * 1024
    keep: Annotated[int, Meta(ge=1)] = 3
    audit_queries: bool = False  # what those with a token have searched for, in the audit log


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a person can set. The tables of config.toml are the fields here."""

    engine: EngineConfig = EngineConfig()
    models: dict[str, ModelConfig] = {}
    hub: HubConfig = HubConfig()
    http: HttpConfig = HttpConfig()
    zmq: ZmqConfig = ZmqConfig()
    ingest: IngestConfig = IngestConfig()
    log: LogConfig = LogConfig()


# variable -> (table, key)
ENVIRONMENT: dict[str, tuple[str, str]] = {
    "QMD_ENGINE": ("engine", "kind"),
    "QMD_PROFILE": ("engine", "profile"),
    "QMD_MODEL": ("engine", "embedding"),
    "QMD_DEVICE": ("engine", "device"),
    "QMD_HUB_ENDPOINT": ("hub", "endpoint"),
    "QMD_HUB_DIRECTORY": ("hub", "directory"),
    "QMD_LOG_LEVEL": ("log", "level"),
}


def size_bytes(size: str) -> int:
    """Read a size: "4G" and "4 GB" are decimal, "4GiB" is binary."""
    number, unit = re.match(r"([\d.]+)\s*(\w*)", size).groups()  # type: ignore[union-attr]
    factor = _UNITS.get(unit[:1], 1)
    return int(float(number) * (2 ** (10 * (1 + "KMGT".index(unit[0]))) if "i" in unit else factor))


def load(
    paths: Paths, env: Mapping[str, str] = os.environ, flags: Mapping[str, Mapping[str, Any]] | None = None
) -> Config:
    """Merge the file, the environment and `flags` (table -> key -> value) into a Config.

    Raises QmdError("invalid") that names the source, the key and the nearest known key.
    """
    tables = _read(paths.config_file)
    _checked(tables, paths.config_file)
    if env.get("QMD_HTTP_PORT") or "port" not in tables.get("http", {}):
        tables.setdefault("http", {})["port"] = paths.http_port  # Paths has checked it
    for variable, (table, key) in ENVIRONMENT.items():
        if text := env.get(variable):
            tables.setdefault(table, {})[key] = text
            _checked(tables, f"{variable}={text}")
    for table, values in (flags or {}).items():
        tables.setdefault(table, {}).update(values)
    return _checked(tables, "The command line")


def _checked(tables: dict[str, Any], source: str) -> Config:
    """Errors are of the source that was merged in last: what was there before has passed."""
    try:
        return msgspec.convert(tables, Config)
    except msgspec.ValidationError as error:
        raise QmdError("invalid", f"{source}: {error}.", _nearest(str(error))) from None


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QmdError("invalid", f"{path} is not TOML: {error}.", "Fix it, or move it away.") from None
    except OSError as error:
        raise QmdError("invalid", f"Cannot read {path}: {error.strerror}.") from None


def _nearest(message: str) -> str:
    unknown = message.split("`")[1] if "unknown field" in message else ""
    tables = (EngineConfig, ModelConfig, HubConfig, HttpConfig, ZmqConfig, IngestConfig, LogConfig, Config)
    known = [name for table in tables for name in table.__struct_fields__]
    near = difflib.get_close_matches(unknown, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else ""
