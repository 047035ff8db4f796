import pytest

from ipc.errors import QmdError
from qmd_daemon.weights.entry import Hub
from qmd_daemon.weights.selection import RemoteFile, select

SOURCE = Hub(repositories=("a/b",))
BASE = ["config.json", "tokenizer.json"]


def names(*listed: str) -> list[str]:
    files = [RemoteFile(name=name, size_bytes=1) for name in [*BASE, *listed]]
    return [file.name for file in select(files, SOURCE.files, SOURCE.fallback) if file.name not in BASE]


def test_safetensors_are_preferred() -> None:
    assert names("model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "README.md") == ["model.safetensors"]


def test_a_pickle_where_there_is_nothing_else() -> None:
    assert names("pytorch_model.bin", "training_args.bin") == ["pytorch_model.bin"]


def test_shards_come_with_their_index() -> None:
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    assert names(*shards) == shards


def test_the_whole_file_is_preferred_to_shards_and_other_precisions() -> None:
    assert names("model.safetensors", "model-00001-of-00001.safetensors", "model.fp16.safetensors") == [
        "model.safetensors"
    ]


@pytest.mark.parametrize(
    "name",
    [
        "../model.safetensors",
        "/etc/model.safetensors",
        "sub/model.safetensors",
        "model\n.safetensors",
        "model/../../x.safetensors",
        "model\x00.safetensors",
        "model" + "x" * 300 + ".safetensors",
    ],
)
def test_hostile_names_are_no_files(name: str) -> None:
    assert names("model.safetensors", name) == ["model.safetensors"]
    with pytest.raises(QmdError, match="no weights"):
        names(name)


@pytest.mark.parametrize("missing", BASE)
def test_what_a_conversion_needs(missing: str) -> None:
    files = [RemoteFile(name=name) for name in [*BASE, "model.safetensors"] if name != missing]
    with pytest.raises(QmdError, match=f"no {missing}"):
        select(files, SOURCE.files)


def test_beyond_all_reason() -> None:
    many = [f"model-{number:05}-of-00100.safetensors" for number in range(100)]
    with pytest.raises(QmdError, match="larger than any model"):
        names(*many)
    files = [RemoteFile(name=name, size_bytes=10**11) for name in [*BASE, "model.safetensors"]]
    with pytest.raises(QmdError, match="larger than any model"):
        select(files, SOURCE.files)


def test_what_a_list_says_is_not_believed_when_it_cannot_be() -> None:
    files = [RemoteFile(name=name, size_bytes=-1, sha256="x" * 64) for name in [*BASE, "model.safetensors"]]
    assert [(file.size_bytes, file.sha256) for file in select(files, SOURCE.files)] == [(0, "")] * 3
    files = [RemoteFile(name=name, sha256="A" * 64) for name in [*BASE, "model.safetensors"]]
    assert {file.sha256 for file in select(files, SOURCE.files)} == {"a" * 64}
