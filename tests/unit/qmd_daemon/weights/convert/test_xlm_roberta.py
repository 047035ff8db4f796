"""What is particular to XLM-RoBERTa: positions, names, its vocabulary, and the classifier."""

from __future__ import annotations

import json
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from qmd_daemon.weights import heads
from qmd_daemon.weights.convert import bert as plain
from qmd_daemon.weights.convert import xlm_roberta

Tensors = dict[str, np.ndarray]


def write(bert, source: Path, tensors: Tensors, **config: object) -> None:
    """A checkpoint with a Unigram vocabulary: tokens and scores, in the order of their ids."""
    bert(source, tensors, **config)
    words = [["<s>", 0], ["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁a", -1.5]]
    added = [{"id": 5, "content": "<mask>"}]
    (source / "tokenizer.json").write_text(json.dumps({"model": {"vocab": words}, "added_tokens": added}))


def convert(family, source: Path, head: str = "none") -> Path:
    target = source.parent / f"target{len(list(source.parent.iterdir()))}"
    target.mkdir()
    family.convert(str(source), str(target), "float32", head)
    return target


def hidden(directory: Path, tokens: list[int]) -> np.ndarray:
    return np.array(
        ctranslate2.Encoder(str(directory), compute_type="float32").forward_batch([tokens]).last_hidden_state
    )


@pytest.mark.parametrize("padding", [0, 1, 3])
def test_positions_begin_behind_the_padding(bert, tensors: Tensors, tmp_path: Path, padding: int) -> None:
    """The same as a BERT whose first positions were cut off."""
    write(
        bert, tmp_path / "source", {f"roberta.{name}": tensor for name, tensor in tensors.items()}, pad_token_id=padding
    )
    ours = convert(xlm_roberta, tmp_path / "source")
    positions = "embeddings.position_embeddings.weight"
    bert(tmp_path / "shifted", {**tensors, positions: tensors[positions][padding + 1 :]})
    theirs = convert(plain, tmp_path / "shifted")
    assert np.array_equal(hidden(ours, [4, 5, 6]), hidden(theirs, [4, 5, 6]))


def test_a_unigram_vocabulary(bert, tensors: Tensors, tmp_path: Path) -> None:
    write(bert, tmp_path / "source", tensors, pad_token_id=1)
    directory = convert(xlm_roberta, tmp_path / "source")
    vocabulary = json.loads((directory / "vocabulary.json").read_text())
    assert vocabulary[:7] == ["<s>", "<pad>", "</s>", "<unk>", "▁a", "<mask>", "<extra_id_0>"]
    assert json.loads((directory / "config.json").read_text())["unk_token"] == "<unk>"


def classifier(tensors: Tensors, labels: int = 1) -> Tensors:
    size = tensors["pooler.dense.bias"].shape[0]
    random = np.random.default_rng(5)
    shapes = {
        "classifier.dense.weight": (size, size),
        "classifier.dense.bias": (size,),
        "classifier.out_proj.weight": (labels, size),
        "classifier.out_proj.bias": (labels,),
    }
    return {**tensors, **{name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}}


def test_the_classifier_is_kept(bert, tensors: Tensors, tmp_path: Path) -> None:
    write(bert, tmp_path / "source", classifier(tensors), pad_token_id=1)
    directory = convert(xlm_roberta, tmp_path / "source", "dense-out")
    assert not (convert(xlm_roberta, tmp_path / "source") / heads.FILE).exists()
    states = hidden(directory, [4, 5, 6])
    named = classifier(tensors)
    dense = np.tanh(states[0, 0] @ named["classifier.dense.weight"].T + named["classifier.dense.bias"])
    expected = dense @ named["classifier.out_proj.weight"][0] + named["classifier.out_proj.bias"][0]
    assert heads.load(str(directory)).scores(states)[0] == pytest.approx(float(expected), abs=1e-5)


def test_several_classes_are_no_score(bert, tensors: Tensors, tmp_path: Path) -> None:
    write(bert, tmp_path / "source", classifier(tensors, labels=3), pad_token_id=1)
    with pytest.raises(ValueError, match="3 outputs instead of one"):
        convert(xlm_roberta, tmp_path / "source", "dense-out")


def test_a_reranker_without_a_classifier(bert, tensors: Tensors, tmp_path: Path) -> None:
    write(bert, tmp_path / "source", tensors, pad_token_id=1)
    with pytest.raises(ValueError, match=r"no tensor classifier\.dense\.weight"):
        convert(xlm_roberta, tmp_path / "source", "dense-out")
