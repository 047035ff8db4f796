"""Models of the user's own: a directory in Hugging Face's layout, or a table of config.toml."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ipc.errors import QmdError
from qmd_daemon.config import ModelConfig
from qmd_daemon.weights.entry import PICKLED, Directory, Entry, Family, Head, Hub, Pooling, Role
from qmd_daemon.weights.models.expanders import QWEN2_CHAT, QWEN3_CHAT
from qmd_daemon.weights.models.rerankers import QWEN3_RERANKER

T = TypeVar("T")
_HEADS: dict[tuple[Role, Family], Head] = {
    ("embedding", "bert"): "none",
    ("embedding", "xlm-roberta"): "none",
    ("embedding", "qwen2"): "hidden",
    ("embedding", "qwen3"): "hidden",
    ("reranker", "bert"): "pooler-classifier",
    ("reranker", "xlm-roberta"): "dense-out",
    ("reranker", "qwen3"): "yes-no",
    ("expansion", "qwen2"): "lm",
    ("expansion", "qwen3"): "lm",
}
_TEMPLATES = {"yes-no": QWEN3_RERANKER, "lm": QWEN2_CHAT}
# What a table of config.toml may say of a model.
OVERRIDES = (
    "dimension",
    "max_tokens",
    "pooling",
    "query_prompt",
    "document_prompt",
    "template",
    "end_token",
    "languages",
    "license",
)
# So many pieces of a file, spread over it, stand for all of it: training changes every tensor.
_SAMPLES, _SAMPLE_BYTES = 256, 4096


class _Config(Struct, frozen=True):
    """What we need of config.json."""

    model_type: str
    hidden_size: int
    max_position_embeddings: int
    pad_token_id: int | None = None


class _Pooling(Struct, frozen=True):
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_lasttoken: bool = False


class _Length(Struct, frozen=True):
    max_seq_length: int | None = None


class _Prompts(Struct, frozen=True):
    prompts: dict[str, str] = {}


class _Tokenizer(Struct, frozen=True):
    """`eos_token` is a text, or an object with the text in `content`."""

    eos_token: str | dict[str, Any] | None = None
    model_max_length: float | None = None


class _Module(Struct, frozen=True):
    type: str


def from_directory(path: str, role: Role) -> Entry:
    """Describe the model in a directory, by its own files. Named after the directory and what is in it.

    Raises QmdError("invalid") when there is none, or it is of a kind that we cannot run.
    """
    path = os.path.abspath(os.path.expanduser(path))
    config = _read(path, "config.json", _Config)
    if config is None:
        raise _refused(path, "it has no config.json")
    family = _family(path, role, config)
    head = _HEADS[role, family]
    tokenizer = _read(path, "tokenizer_config.json", _Tokenizer) or _Tokenizer()
    digest = _digest(path)
    entry = Entry(
        name=f"{os.path.basename(path).lower()}-{digest[:8]}",
        role=role,
        family=family,
        max_tokens=_max_tokens(path, family, config, tokenizer),
        head=head,
        template=QWEN3_CHAT if (head, family) == ("lm", "qwen3") else _TEMPLATES.get(head, ""),
        end_token=_end(tokenizer) if role == "expansion" else "",
        license="unknown",
        source=Directory(path=path, digest=digest),
    )
    return _embedding(path, entry, config, tokenizer) if role == "embedding" else entry


def from_config(name: str, config: ModelConfig, known: Mapping[str, Entry]) -> Entry:
    """The model of the table [models.NAME]: what it says, over what its directory or the model that it is like says.

    Raises QmdError("invalid").
    """
    if config.directory:
        base = from_directory(config.directory, config.role)
    elif config.like in known and config.repositories:
        base = known[config.like]
    else:
        hint = "Give `directory`, or `repositories` and `like` (a known model of the same kind)."
        raise QmdError("invalid", f"[models.{name}] does not say where its weights are, or what they are.", hint)
    if base.role != config.role:
        raise QmdError("invalid", f"[models.{name}] is no {config.role}: {base.name} is a {base.role}.")
    stated = {field: value for field in OVERRIDES if (value := getattr(config, field)) is not None}
    if config.repositories:
        stated["source"] = Hub(repositories=config.repositories, revision=config.revision)
    return msgspec.structs.replace(base, name=name, **stated)


def _embedding(path: str, entry: Entry, config: _Config, tokenizer: _Tokenizer) -> Entry:
    decoder = entry.head == "hidden"
    modules = [module.type.rpartition(".")[2] for module in _read(path, "modules.json", list[_Module]) or []]
    if unknown := set(modules) - {"Transformer", "Pooling", "Normalize"}:
        raise _refused(path, f"its vectors go through {unknown.pop()}")
    prompts = (_read(path, "config_sentence_transformers.json", _Prompts) or _Prompts()).prompts
    return msgspec.structs.replace(
        entry,
        dimension=config.hidden_size,
        pooling=_pooling(path, "last" if decoder else "mean"),
        # Vectors are compared by their angle: of length 1 they are right for every model.
        normalise=True,
        query_prompt=prompts.get("query", ""),
        document_prompt=prompts.get("document") or prompts.get("passage", ""),
        end_token=_end(tokenizer) if decoder else "",
    )


def _family(path: str, role: Role, config: _Config) -> Family:
    for known_role, family in _HEADS:
        if (known_role, family) == (role, config.model_type):
            return family
    families = sorted(family for known_role, family in _HEADS if known_role == role)
    raise _refused(path, f"a {role} of the family {config.model_type} is not known, but {', '.join(families)}")


def _pooling(path: str, default: Pooling) -> Pooling:
    modes = _read(path, os.path.join("1_Pooling", "config.json"), _Pooling)
    if modes is None:
        return default
    chosen: list[Pooling] = []
    if modes.pooling_mode_cls_token:
        chosen.append("cls")
    if modes.pooling_mode_mean_tokens:
        chosen.append("mean")
    if modes.pooling_mode_lasttoken:
        chosen.append("last")
    if len(chosen) != 1:
        raise _refused(path, "its pooling is none of cls, mean and last token")
    return chosen[0]


def _max_tokens(path: str, family: Family, config: _Config, tokenizer: _Tokenizer) -> int:
    """The least of what its files say: an XLM-RoBERTa's positions begin behind that of its padding."""
    offset = (1 if config.pad_token_id is None else config.pad_token_id) + 1 if family == "xlm-roberta" else 0
    limits = [config.max_position_embeddings - offset]
    if (length := _read(path, "sentence_bert_config.json", _Length)) and length.max_seq_length:
        limits.append(length.max_seq_length)
    # Many a tokenizer says 1e30 for "no limit".
    if tokenizer.model_max_length:
        limits.append(int(tokenizer.model_max_length))
    return min(limits)


def _end(tokenizer: _Tokenizer) -> str:
    token = tokenizer.eos_token
    return str(token.get("content", "")) if isinstance(token, dict) else token or ""


def _digest(path: str) -> str:
    """The sha256 of the configuration and of samples of the weights: a gigabyte is not read to name a model."""
    digest = hashlib.sha256()
    names = sorted(name for name in os.listdir(path) if name.endswith(".safetensors") or name == PICKLED)
    for name in ["config.json", *names]:
        with open(os.path.join(path, name), "rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            digest.update(f"{name} {size_bytes} ".encode())
            for number in range(_SAMPLES):
                file.seek(max(0, size_bytes - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _read(path: str, name: str, kind: type[T]) -> T | None:
    try:
        with open(os.path.join(path, name), "rb") as file:
            return msgspec.json.decode(file.read(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _refused(path, f"{name} cannot be read: {error}") from None


def _refused(path: str, why: str) -> QmdError:
    hint = "It has to be a directory in Hugging Face's layout: config.json, tokenizer.json, model.safetensors."
    return QmdError("invalid", f"The model in {path} cannot be used: {why}.", hint)
