from types import SimpleNamespace

import pytest

from ipc.errors import QmdError
from qmd_daemon.config import Config, EngineConfig, ModelConfig
from qmd_daemon.weights import machine, wanted
from qmd_daemon.weights.profiles import Machine

LAPTOP, CARD = Machine(), Machine(vram_bytes=8 * 10**9)
OWN = ModelConfig(role="reranker", repositories=("me/own",), like="bge-reranker-base")
GPU = ["qwen3-embedding-0.6b", "qwen3-reranker-0.6b", "qwen3-0.6b"]


def names(*typed: str, here: Machine = LAPTOP, own: dict[str, ModelConfig] | None = None, **engine: str) -> list[str]:
    settings = Config(engine=EngineConfig(**engine), models=own or {})
    return [entry.name for entry in wanted.entries(typed, settings, here)]


def test_without_a_name_what_the_configuration_uses() -> None:
    assert names() == ["multilingual-e5-small", "mmarco-mminilmv2-l12-h384-v1"]
    assert names(here=CARD) == GPU
    assert names(here=CARD, device="cpu") == names()
    assert names(profile="gpu", reranker="none", embedding="bge-m3") == ["bge-m3", "qwen3-0.6b"]
    assert names(profile="embedded", reranker="own", own={"own": OWN}) == ["all-minilm-l6-v2", "own"]


def test_a_profile_and_models_by_name_each_once() -> None:
    assert names("gpu", "bge-m3", "qwen3-0.6b") == [*GPU, "bge-m3"]
    assert names("auto", here=CARD) == GPU
    assert names("own", own={"own": OWN}) == ["own"]


@pytest.mark.parametrize("name", ["model.gguf", "Qwen3-0.6B-Q8_0.GGUF", "hf:ggml-org/embeddinggemma-300M-GGUF"])
def test_gguf_is_refused(name: str) -> None:
    with pytest.raises(QmdError, match="GGUF") as caught:
        names(name)
    assert (caught.value.code, "safetensors" in caught.value.hint) == ("invalid", True)


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(QmdError, match="not a known model") as caught:
        names("bge-m4")
    assert "'bge-m3'" in caught.value.hint


def driver(*totals: int) -> SimpleNamespace:
    """Stands for the module pynvml, with cards of so much memory."""
    return SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(totals),
        nvmlDeviceGetHandleByIndex=lambda index: totals[index],
        nvmlDeviceGetMemoryInfo=lambda total: SimpleNamespace(total=total),
    )


def test_the_machine() -> None:
    assert machine.detect(lambda: driver(4, 8)) == Machine(vram_bytes=8)
    assert machine.detect(driver) == Machine()

    def none() -> None:
        raise RuntimeError("no driver")

    assert machine.detect(none) == Machine()
