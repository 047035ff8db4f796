"""Every family, converted by us and run by CTranslate2, against the same checkpoint in transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="make parity has it")
pytest.importorskip("transformers", reason="make parity has it")

from qmd_daemon.weights import heads  # noqa: E402
from qmd_daemon.weights.convert import bert, qwen2, qwen3, xlm_roberta  # noqa: E402
from qmd_daemon.weights.entry import Head  # noqa: E402
from tests.parity import checkpoints  # noqa: E402
from tests.parity.checkpoints import MODELS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
CONVERT = {"bert": bert.convert, "xlm-roberta": xlm_roberta.convert, "qwen2": qwen2.convert, "qwen3": qwen3.convert}
ENCODERS = [name for name, (family, _, _) in MODELS.items() if "qwen" not in family]
CLASSIFIERS = [name for name in ENCODERS if "classifier" in name]
DECODERS = [name for name in MODELS if name not in ENCODERS]
LANGUAGE_MODELS = [name for name in DECODERS if MODELS[name][1].endswith("CausalLM")]
MAX_ERROR, MIN_COSINE, MIN_MEAN_COSINE = 1e-4, 0.998, 0.999
BOUNDS = ["float32", "int8"]


def batch(name: str) -> list[list[int]]:
    """Texts of mixed length, from one token to all positions, without padding tokens in them."""
    random = np.random.default_rng(11)
    lengths = [7, 1, 23, 2, checkpoints.POSITIONS, 12]
    return [random.integers(5, checkpoints.VOCABULARY - 20, length).tolist() for length in lengths]


def convert(name: str, tmp_path: Path, head: Head, quantization: str = "float32", **how: Any) -> Path:
    source, target = tmp_path / "source", tmp_path / f"{head}-{quantization}"
    if not source.exists():
        checkpoints.make(name, source, **how)
    target.mkdir()
    CONVERT[MODELS[name][0]](str(source), str(target), quantization, head)
    return target


def encode(directory: Path, texts: list[list[int]], types: list[list[int]] | None = None) -> np.ndarray:
    compute = "int8" if directory.name.endswith("int8") else "float32"
    encoder = ctranslate2.Encoder(str(directory), compute_type=compute)
    return np.array(encoder.forward_batch(texts, token_type_ids=types).last_hidden_state)


def decode(directory: Path, texts: list[list[int]]) -> np.ndarray:
    compute = "int8" if directory.name.endswith("int8") else "float32"
    return np.array(ctranslate2.Generator(str(directory), compute_type=compute).forward_batch(texts))


def hidden_states(name: str, source: Path, texts: list[list[int]], **more: Any) -> list[np.ndarray]:
    """What transformers gives for each text, without the padding."""
    model = checkpoints.reference(name, source)
    inner = getattr(model, model.base_model_prefix, model)
    with torch.no_grad():
        states = inner(**checkpoints.padded(texts, MODELS[name][2].pad_token_id), **more).last_hidden_state
    return [rows[: len(text)].numpy() for rows, text in zip(states, texts, strict=True)]


def close(ours: np.ndarray, theirs: list[np.ndarray], quantization: str) -> None:
    mine = np.concatenate([rows[: len(truth)] for rows, truth in zip(ours, theirs, strict=True)])
    truth = np.concatenate(theirs)
    if quantization == "float32":
        assert np.abs(mine - truth).max() <= MAX_ERROR
    else:
        cosines = (mine * truth).sum(-1) / np.linalg.norm(mine, axis=-1) / np.linalg.norm(truth, axis=-1)
        assert cosines.min() >= MIN_COSINE
        assert cosines.mean() >= MIN_MEAN_COSINE


def close_scores(ours: np.ndarray, theirs: np.ndarray, quantization: str) -> None:
    """The scores of a batch, in int8 by the cosine of all of them."""
    if quantization == "float32":
        assert np.abs(ours - theirs).max() <= MAX_ERROR
    else:
        assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) >= MIN_COSINE


@pytest.mark.parametrize("quantization", BOUNDS)
@pytest.mark.parametrize("dtype", checkpoints.DTYPES)
@pytest.mark.parametrize("name", ENCODERS)
def test_hidden_states_of_encoders(name: str, dtype: str, quantization: str, tmp_path: Path) -> None:
    texts = batch(name)
    directory = convert(name, tmp_path, "none", quantization, dtype=dtype)
    close(encode(directory, texts), hidden_states(name, tmp_path / "source", texts), quantization)


@pytest.mark.parametrize("quantization", BOUNDS)
@pytest.mark.parametrize("dtype", checkpoints.DTYPES)
@pytest.mark.parametrize("name", DECODERS)
def test_hidden_states_of_decoders(name: str, dtype: str, quantization: str, tmp_path: Path) -> None:
    texts = batch(name)
    directory = convert(name, tmp_path, "hidden", quantization, dtype=dtype)
    close(decode(directory, texts), hidden_states(name, tmp_path / "source", texts), quantization)


def test_types_of_tokens(tmp_path: Path) -> None:
    name, texts = "bert", batch("bert")
    types = [[0] * (len(text) // 2) + [1] * (len(text) - len(text) // 2) for text in texts]
    ours = encode(convert(name, tmp_path, "none"), texts, types)
    more = {"token_type_ids": checkpoints.padded(types, 0)["input_ids"]}
    close(ours, hidden_states(name, tmp_path / "source", texts, **more), "float32")


@pytest.mark.parametrize("quantization", BOUNDS)
@pytest.mark.parametrize("dtype", checkpoints.DTYPES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_scores_of_classifiers(name: str, dtype: str, quantization: str, tmp_path: Path) -> None:
    texts = batch(name)
    head = "pooler-classifier" if "bert" in MODELS[name][0] and "xlm" not in name else "dense-out"
    directory = convert(name, tmp_path, head, quantization, dtype=dtype)
    ours = heads.load(str(directory)).scores(encode(directory, texts))
    model = checkpoints.reference(name, tmp_path / "source")
    with torch.no_grad():
        theirs = model(**checkpoints.padded(texts, MODELS[name][2].pad_token_id)).logits[:, 0].numpy()
    close_scores(ours, theirs, quantization)


@pytest.mark.parametrize("quantization", BOUNDS)
@pytest.mark.parametrize("dtype", checkpoints.DTYPES)
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_logits_of_language_models(name: str, dtype: str, quantization: str, tmp_path: Path) -> None:
    texts = batch(name)
    ours = decode(convert(name, tmp_path, "lm", quantization, dtype=dtype), texts)
    judged = decode(convert(name, tmp_path, "yes-no", quantization), texts)
    model = checkpoints.reference(name, tmp_path / "source")
    with torch.no_grad():
        logits = model(**checkpoints.padded(texts, 0)).logits.numpy()
    close(ours, [rows[: len(text)] for rows, text in zip(logits, texts, strict=True)], quantization)
    yes, no = (checkpoints.WORDS.index(word) + 1 for word in ("yes", "no"))
    last = np.array([rows[len(text) - 1, [yes, no]] for rows, text in zip(logits, texts, strict=True)])
    theirs = last[:, 0] - last[:, 1]
    scores = heads.yes_no(judged, [len(text) for text in texts])
    close_scores(scores, theirs, quantization)


@pytest.mark.parametrize("how", ["sharded", "pickled"])
@pytest.mark.parametrize("dtype", checkpoints.DTYPES)
@pytest.mark.parametrize("name", ["bert classifier", "xlm-roberta", "qwen2, untied, own keys", "qwen3"])
def test_how_it_is_stored_makes_no_difference(name: str, dtype: str, how: str, tmp_path: Path) -> None:
    head: Head = "hidden" if name in DECODERS else "none"
    whole = convert(name, tmp_path / "whole", head, dtype=dtype)
    other = convert(name, tmp_path / how, head, dtype=dtype, how=how)
    if how == "sharded":
        assert len(list((tmp_path / how / "source").glob("model-*.safetensors"))) > 1
    assert (other / "model.bin").read_bytes() == (whole / "model.bin").read_bytes()


def test_embeddings_that_are_tied_and_stored_twice(tmp_path: Path) -> None:
    """As Qwen3-0.6B is published."""
    plain = convert("qwen3", tmp_path, "lm")
    from safetensors.torch import load_file, save_file

    path = tmp_path / "source" / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, path)
    (plain / "model.bin").rename(tmp_path / "plain.bin")
    (plain / "config.json").unlink()
    qwen3.convert(str(tmp_path / "source"), str(plain), "float32", "lm")
    assert (plain / "model.bin").read_bytes() == (tmp_path / "plain.bin").read_bytes()
