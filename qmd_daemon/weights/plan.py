"""What fits on a card, computed before anything is downloaded: weights, context, and the memory of the work itself.

Computed, not measured: `qmd ps` tells what a model that is in memory really takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ipc.errors import QmdError
from qmd_daemon.weights import catalog, profiles
from qmd_daemon.weights.entry import DECODERS, Entry, Role
from qmd_daemon.weights.profiles import GB, Profile
from qmd_daemon.weights.shapes import SHAPES, Shape

# What CUDA and cuBLAS take of a card before there is a model: some hundred megabytes, by card and driver.
CONTEXT_BYTES = 500_000_000
# The most tokens of one batch, and the longest text that is likely in it.
BATCH_TOKENS = 16_384
TEXT_TOKENS = 512
# A prompt that asks for an expansion, with its answer; how many at once.
PROMPT_TOKENS, PROMPTS = 640, 1
_FLOAT16 = 2
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)


class Need(Struct, frozen=True, kw_only=True):
    """What one model takes of a card: its weights, and while it works."""

    name: str
    role: Role
    download_bytes: int
    weights_bytes: int
    work_bytes: int


class Fit(Struct, frozen=True, kw_only=True):
    """`together`: all models stay in memory. `one_by_one`: each fits, when the others go."""

    profile: str
    summary: str
    models: list[Need]
    context_bytes: int
    together_bytes: int
    largest_bytes: int
    together: bool
    one_by_one: bool


def parse_size(text: str) -> int:
    """Bytes of `4G`, `3.5GB`, `4GiB`, `800M`. Raises QmdError("invalid")."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise QmdError("invalid", f"{text!r} is not a size.", "Write it as 4G, 3.5GB or 800M.")
    unit = match[2].upper()
    base = 1024 ** "KMGT".index(unit) * 1024 if match[3] and unit else _UNITS[unit]
    return int(float(match[1]) * base)


def plan(vram_bytes: int, names: Sequence[str] = ()) -> list[Fit]:
    """For each of the profiles (all, without names), whether its models fit. Raises QmdError("invalid")."""
    wanted = [profiles.get(name) for name in names] or list(profiles.PROFILES)
    return [fit(profile, vram_bytes) for profile in wanted]


def fit(profile: Profile, vram_bytes: int) -> Fit:
    names = (profile.embedding, profile.reranker, profile.expansion)
    models = [need(catalog.get(name)) for name in names if name]
    # Batches of two models are not computed at once: the larger work is what is needed beside all weights.
    together = CONTEXT_BYTES + sum(m.weights_bytes for m in models) + max(m.work_bytes for m in models)
    largest = CONTEXT_BYTES + max(m.weights_bytes + m.work_bytes for m in models)
    return Fit(
        profile=profile.name,
        summary=profile.summary,
        models=models,
        context_bytes=CONTEXT_BYTES,
        together_bytes=together,
        largest_bytes=largest,
        together=together <= vram_bytes,
        one_by_one=largest <= vram_bytes,
    )


def need(entry: Entry) -> Need:
    """What a model of the catalog takes as it is loaded on a card: a decoder in int8, an encoder in float16."""
    return Need(
        name=entry.name,
        role=entry.role,
        download_bytes=entry.download_bytes,
        weights_bytes=entry.converted_bytes * (1 if entry.family in DECODERS else _FLOAT16),
        work_bytes=work_bytes(SHAPES[entry.name], entry),
    )


def work_bytes(shape: Shape, entry: Entry) -> int:
    """The largest temporaries of one layer, for a full batch; of a language model also its keys and values."""
    if entry.role == "expansion":
        kept = PROMPTS * PROMPT_TOKENS * shape.layers * 2 * shape.keys * shape.head * _FLOAT16
        return kept + _layer_bytes(shape, PROMPTS * PROMPT_TOKENS, PROMPT_TOKENS)
    return _layer_bytes(shape, BATCH_TOKENS, min(TEXT_TOKENS, entry.max_tokens))


def _layer_bytes(shape: Shape, tokens: int, text_tokens: int) -> int:
    """Attention and the inner layer do not live at the same time: the larger of the two counts."""
    queries = shape.hidden + (shape.heads + 2 * shape.keys) * shape.head
    scores = shape.heads * text_tokens  # for each token, one with every other of its text
    inner = shape.hidden * 2 + shape.inner * (2 if shape.gated else 1)
    return tokens * max(queries + 2 * scores, inner) * _FLOAT16


def text(fits: Iterable[Fit], vram_bytes: int) -> str:
    """A paragraph for each profile."""
    return "\n\n".join(_paragraph(one, vram_bytes) for one in fits)


def _paragraph(one: Fit, vram_bytes: int) -> str:
    width = max(len(model.name) for model in one.models)
    lines = [
        f"{one.profile}: {one.summary}",
        *(
            f"  {m.name:<{width}}  weights {_gb(m.weights_bytes)}  at work {_gb(m.work_bytes)}"
            f"  to download {_gb(m.download_bytes)}"
            for m in one.models
        ),
        f"  CUDA itself {_gb(one.context_bytes)}",
    ]
    room = _gb(vram_bytes).strip()
    if one.together:
        lines.append(f"  fits: {_gb(one.together_bytes).strip()} of {room}, all of it in memory at once")
    elif one.one_by_one:
        lines.append(
            f"  fits one model at a time: {_gb(one.largest_bytes).strip()} of {room}"
            f" ({_gb(one.together_bytes).strip()} for all at once)"
        )
    else:
        lines.append(f"  does not fit: {_gb(one.largest_bytes).strip()} for its largest model, of {room}")
    return "\n".join(lines)


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / GB:5.2f} GB"
