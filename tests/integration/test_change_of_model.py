"""Another embedding model: its vectors are made in the background, and no search meanwhile goes without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ipc.paths import Paths
from ipc.protocol import (
    Catalog,
    CatalogReply,
    CollectionAdd,
    JobGet,
    JobList,
    JobReply,
    JobsReply,
    ModelsUse,
    Ps,
    PsReply,
    SearchReply,
    VSearch,
)
from ipc.sync import SyncClient
from qmd_daemon.weights import catalog
from tests.conftest import Daemon, WaitUntil

MINILM = catalog.get("all-minilm-l6-v2")
pytestmark = pytest.mark.skipif(catalog.find(MINILM) is None, reason=catalog.install_hint(MINILM))
SUBJECTS = {
    "bread": "Sourdough needs flour, water, salt and a day of patience.",
    "server": "Restart the machine when the service does not answer any more.",
    "tax": "The return is due in May, and the receipts are in the blue folder.",
}
# The same weights, which see less of a text: to us another model.
CONFIG = """
[models.mine]
role = "embedding"
directory = "{directory}"
max_tokens = 64
languages = ["en"]
"""


def find_bread(client: SyncClient) -> str:
    """The best hit for a question that shares no word with it."""
    reply = client.call(VSearch(query="how do I bake a loaf"), SearchReply)
    assert not any("another model" in note for note in reply.notes)
    return reply.results[0].path


def test_a_change_of_model_interrupts_no_search(
    home: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start_daemon: Callable[..., Daemon],
    wait_until: WaitUntil,
) -> None:
    for name, text in SUBJECTS.items():
        (tmp_path / f"{name}.md").write_text(f"{text}\n")
    Path(home.config_file).write_text(CONFIG.format(directory=catalog.find(MINILM)))
    monkeypatch.setenv("QMD_ENGINE", "ct2")
    monkeypatch.setenv("QMD_DEVICE", "cpu")
    monkeypatch.setenv("QMD_MODEL", MINILM.name)
    first = start_daemon()
    first.wait_ready()
    with first.connect() as client:
        job = client.call(CollectionAdd(path=str(tmp_path)), JobReply).job
        *_, last = client.stream(JobGet(job=job.id, stream=True))
        assert last.job.state == "done"
        assert find_bread(client) == "bread.md"
    assert first.terminate() == 0

    monkeypatch.setenv("QMD_MODEL", "mine")
    second = start_daemon()
    second.wait_ready()
    with second.connect() as client:
        # The vectors are the old model's still, which is asked beside the new one.
        assert find_bread(client) == "bread.md"
        assert MINILM.name in [model.name for model in client.call(Ps(), PsReply).models]

        def renewed() -> bool:
            assert find_bread(client) == "bread.md"
            return any(job.kind == "embed" and job.state == "done" for job in client.call(JobList(), JobsReply).jobs)

        wait_until(renewed, "vectors of the new model", 60)
        assert find_bread(client) == "bread.md"
        newest = [model for model in client.call(Ps(), PsReply).models if model.name == "mine"]
        assert [model.state for model in newest] == ["ready"]


def test_another_model_is_taken_while_the_daemon_runs(
    home: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start_daemon: Callable[..., Daemon],
    wait_until: WaitUntil,
) -> None:
    for name, text in SUBJECTS.items():
        (tmp_path / f"{name}.md").write_text(f"{text}\n")
    before = f'# ours\n[engine]\nembedding = "{MINILM.name}"\n{CONFIG.format(directory=catalog.find(MINILM))}'
    Path(home.config_file).write_text(before)
    monkeypatch.setenv("QMD_ENGINE", "ct2")
    monkeypatch.setenv("QMD_DEVICE", "cpu")
    daemon = start_daemon()
    daemon.wait_ready()
    with daemon.connect() as client:
        job = client.call(CollectionAdd(path=str(tmp_path)), JobReply).job
        *_, last = client.stream(JobGet(job=job.id, stream=True))
        assert last.job.state == "done"

        client.call(ModelsUse(role="embedding", name="mine"), PsReply)
        assert Path(home.config_file).read_text() == before.replace(
            f'embedding = "{MINILM.name}"', 'embedding = "mine"'
        )
        used = [model.name for model in client.call(Catalog(), CatalogReply).models if model.used]
        assert "mine" in used
        assert MINILM.name not in used

        def renewed() -> bool:
            assert find_bread(client) == "bread.md"
            return any(job.kind == "embed" and job.state == "done" for job in client.call(JobList(), JobsReply).jobs)

        wait_until(renewed, "vectors of the new model", 60)
        newest = [model for model in client.call(Ps(), PsReply).models if model.name == "mine"]
        assert [model.state for model in newest] == ["ready"]
        assert newest[0].loaded_at > 0
    assert daemon.terminate() == 0
