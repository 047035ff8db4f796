import pytest

from ipc.errors import QmdError
from qmd_daemon.weights import catalog, plan, profiles
from qmd_daemon.weights.profiles import GB
from qmd_daemon.weights.shapes import SHAPES


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("4G", 4 * GB),
        ("3.5GB", 3_500_000_000),
        ("4GiB", 4 * 2**30),
        ("800m", 800_000_000),
        ("1Ki", 1024),
        ("42", 42),
    ],
)
def test_a_size(text: str, size_bytes: int) -> None:
    assert plan.parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "G", "4X", "-4G", "4G 2", "1e9"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(QmdError, match="is not a size"):
        plan.parse_size(text)


def test_every_model_of_the_catalog_has_its_shape() -> None:
    assert set(SHAPES) == {entry.name for entry in catalog.ENTRIES}


@pytest.mark.parametrize("entry", catalog.ENTRIES, ids=lambda entry: entry.name)
def test_the_shape_agrees_with_what_else_is_known(entry: catalog.Entry) -> None:
    """The weights of the layers, in int8, are a part of the converted file; the rest is words' and positions'."""
    shape = SHAPES[entry.name]
    attention = shape.hidden * shape.head * (2 * shape.heads + 2 * shape.keys)
    layers = shape.layers * (attention + shape.hidden * shape.inner * (3 if shape.gated else 2))
    vocabulary = entry.converted_bytes - layers
    assert 20_000 < vocabulary / shape.hidden < 300_000
    assert entry.role != "embedding" or entry.dimension in {shape.hidden, *entry.dimensions}


def test_a_profile_that_fits_and_one_that_does_not() -> None:
    gpu, small = plan.plan(4 * GB, ["gpu", "gpu-small"])
    assert gpu.together
    assert small.together
    assert gpu.together_bytes == plan.CONTEXT_BYTES + sum(m.weights_bytes for m in gpu.models) + max(
        m.work_bytes for m in gpu.models
    )
    (tight,) = plan.plan(2 * GB, ["gpu"])
    assert (tight.together, tight.one_by_one) == (False, True)
    (tiny,) = plan.plan(GB, ["gpu"])
    assert not tiny.one_by_one
    assert [one.profile for one in plan.plan(GB)] == [profile.name for profile in profiles.PROFILES]


def test_weights_are_counted_as_a_card_has_them() -> None:
    """Encoders in float16, decoders in int8: engine/device.py."""
    assert plan.need(catalog.get("bge-reranker-base")).weights_bytes == 2 * 282_800_000
    assert plan.need(catalog.get("qwen3-0.6b")).weights_bytes == 598_300_000


def test_in_words() -> None:
    assert "fits: 3.00 GB of 4.00 GB, all of it in memory at once" in plan.text(plan.plan(4 * GB, ["gpu"]), 4 * GB)
    assert "fits one model at a time: " in plan.text(plan.plan(2 * GB, ["gpu"]), 2 * GB)
    assert "does not fit: " in plan.text(plan.plan(GB, ["gpu"]), GB)


def test_longer_texts_and_larger_networks_take_more() -> None:
    entries = {entry.name: entry for entry in catalog.ENTRIES}

    def work(name: str) -> int:
        return plan.work_bytes(SHAPES[name], entries[name])

    assert work("all-minilm-l6-v2") < work("bge-small-en-v1.5") < work("bge-base-en-v1.5") < work("bge-m3")
