from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_daemon.config import EngineConfig
from qmd_daemon.weights import catalog, profiles
from qmd_daemon.weights.profiles import GB, Choice, Machine


def choose(models: Path, vram: float = 0, **settings: object) -> Choice:
    config = EngineConfig(**settings)  # type: ignore[arg-type]
    return profiles.choose(config, str(models), machine=Machine(vram_bytes=int(vram * GB)))


def fetched(models: Path, *names: str) -> None:
    """Make it look as if these had been fetched."""
    for name in names:
        directory = Path(catalog.originals(catalog.get(name), str(models)))
        directory.mkdir(parents=True)
        for file in ("config.json", "tokenizer.json", "model.safetensors"):
            (directory / file).write_bytes(b"{}")


def test_every_profile_names_models_of_their_roles() -> None:
    for profile in profiles.PROFILES:
        for role in ("embedding", "reranker", "expansion"):
            if name := getattr(profile, role):
                assert catalog.get(name).role == role
        if profile.dimension:
            assert catalog.with_dimension(catalog.get(profile.embedding), profile.dimension).dimension == 768
        assert profile.summary


def test_the_profiles_fit_their_memory() -> None:
    """In int8, with 1.5 GB for CUDA itself and for what is being computed."""
    for name, limit in (("gpu", 4 * GB), ("gpu-small", 3 * GB)):
        profile = profiles.get(name)
        models = (profile.embedding, profile.reranker, profile.expansion)
        assert sum(catalog.get(model).converted_bytes for model in models) + 1.5 * GB < limit


@pytest.mark.parametrize(
    ("vram", "name", "why"),
    [(0, "cpu", "no GPU"), (1, "cpu", "only 1.0 GB"), (2, "gpu-small", "only 2.0 GB"), (3.9, "gpu", "3.9 GB")],
)
def test_the_default_follows_the_machine(vram: float, name: str, why: str) -> None:
    profile, reason = profiles.default_profile(Machine(vram_bytes=int(vram * GB)))
    assert profile.name == name
    assert name in reason
    assert why in reason


@pytest.mark.parametrize("vram", [0, 2, 8])
def test_nothing_fetched_is_the_embedded_profile_with_a_reason(tmp_path: Path, vram: float) -> None:
    choice = choose(tmp_path, vram)
    assert (choice.profile, choice.embedding.name) == ("embedded", "all-minilm-l6-v2")
    assert (choice.reranker, choice.expansion) == (None, None)
    assert "Not downloaded" in choice.reason
    assert "qmd pull" in choice.reason


def test_what_is_fetched_is_used(tmp_path: Path) -> None:
    fetched(tmp_path, "qwen3-embedding-0.6b", "qwen3-reranker-0.6b", "qwen3-0.6b")
    choice = choose(tmp_path, 8)
    assert choice.profile == "gpu"
    assert (choice.embedding.name, choice.embedding.dimension) == ("qwen3-embedding-0.6b", 768)
    assert choice.reranker
    assert choice.reranker.name == "qwen3-reranker-0.6b"
    assert choice.expansion
    assert choice.expansion.name == "qwen3-0.6b"
    assert (choice.reason, choice.rerank) == ("", True)


def test_what_is_not_fetched_is_left_out(tmp_path: Path) -> None:
    fetched(tmp_path, "multilingual-e5-small")
    choice = choose(tmp_path, profile="cpu")
    assert (choice.profile, choice.embedding.name, choice.reranker) == ("cpu", "multilingual-e5-small", None)
    assert "mmarco" in choice.reason
    shutil.rmtree(tmp_path / "multilingual-e5-small")
    assert choose(tmp_path, profile="cpu").embedding.name == "all-minilm-l6-v2"


def test_the_cpu_reranks_only_for_who_asks(tmp_path: Path) -> None:
    fetched(tmp_path, "multilingual-e5-small", "mmarco-mminilmv2-l12-h384-v1")
    assert not choose(tmp_path).rerank
    assert choose(tmp_path, reranker="mmarco-mminilmv2-l12-h384-v1").rerank


@pytest.mark.parametrize("key", ["model", "embedding"])
def test_a_model_by_name_wins_also_when_it_is_not_there(tmp_path: Path, key: str) -> None:
    choice = choose(tmp_path, **{key: "bge-m3", "reranker": "none"})
    assert choice.embedding.name == "bge-m3"
    assert choice.embedding.dimension == 1024
    assert choice.reranker is None


def test_a_dimension_by_order(tmp_path: Path) -> None:
    assert choose(tmp_path, embedding="qwen3-embedding-0.6b", dimension=1024).embedding.dimension == 1024
    with pytest.raises(QmdError, match="1000 dimensions"):
        choose(tmp_path, embedding="qwen3-embedding-0.6b", dimension=1000)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"profile": "gpu-large"}, "not a known profile"),
        ({"embedding": "qwen3-0.6b"}, "is a model for expansion, not for embedding"),
        ({"reranker": "bge-m3"}, "is a model for embedding, not for reranker"),
        ({"expansion": "gpt"}, "not a known model"),
    ],
)
def test_mistakes(tmp_path: Path, settings: dict[str, str], reason: str) -> None:
    with pytest.raises(QmdError, match=reason) as caught:
        choose(tmp_path, **settings)
    assert caught.value.code == "invalid"
