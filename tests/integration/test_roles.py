"""Three roles, many clients, one daemon: one worker, and one copy of each model, by counting them."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil

from ipc.protocol import (
    Embed,
    EmbedReply,
    Expand,
    ExpandReply,
    ModelsLoad,
    ModelsUnload,
    Ps,
    PsReply,
    Rerank,
    RerankReply,
    Status,
    StatusReply,
)
from ipc.sync import SyncClient

CLIENTS = 10
ROUNDS = 5


def workers(daemon: Any) -> list[int]:
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    return [child.pid for child in children if "qmd_daemon.engine.worker" in " ".join(child.cmdline())]


def converse(daemon: Any, number: int) -> None:
    """What one client does: all three roles, several times, and every answer is its own."""
    with daemon.connect() as client:
        for turn in range(ROUNDS):
            word = f"client{number}turn{turn}"
            embedded = client.call(Embed(texts=[word, "other"]), EmbedReply)
            assert (embedded.count, embedded.dimension) == (2, 384)
            judged = client.call(Rerank(query=word, documents=["nothing", f"about {word}"]), RerankReply)
            assert [one.index for one in judged.results] == [1, 0]
            expanded = client.call(Expand(query=f"where is {word}", kinds=["lex"]), ExpandReply)
            assert [line.text for line in expanded.lines] == [word]


def test_ten_clients_share_one_copy_of_each_model(daemon: Any, client: SyncClient) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        for outcome in [pool.submit(converse, daemon, number) for number in range(CLIENTS)]:
            outcome.result(60)
    ps = client.call(Ps(), PsReply)
    assert workers(daemon) == [ps.pid]
    assert [(model.role, model.state, model.copies) for model in ps.models] == [
        ("embedding", "ready", 1),
        ("reranker", "ready", 1),
        ("expansion", "ready", 1),
    ]
    assert daemon.log.count("engine.loaded") == 3
    assert client.call(Status(), StatusReply).engine.restarts == 0


def test_loading_unloading_and_the_end_of_the_worker(daemon: Any, client: SyncClient, wait_until: Any) -> None:
    assert client.call(Ps(), PsReply).pid == 0
    loaded = client.call(ModelsLoad(roles=["reranker"], keep_alive=-1), PsReply)
    assert {model.role: (model.state, model.until) for model in loaded.models} == {
        "embedding": ("off", 0.0),
        "reranker": ("ready", None),
        "expansion": ("off", 0.0),
    }
    (worker,) = workers(daemon)
    assert client.call(ModelsUnload(), PsReply).models[1].state == "off"
    wait_until(lambda: not psutil.pid_exists(worker), "the end of a worker without models")
    assert client.call(Ps(), PsReply).pid == 0


def test_over_http(daemon: Any) -> None:
    def ask(route: str, body: dict[str, object] | None = None) -> dict[str, object]:
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"{daemon.endpoint.http}{route}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            found: dict[str, object] = json.loads(response.read())
        return found

    judged = ask("/rerank", {"query": "restart server", "documents": ["apple pie", "restart the server"], "top_n": 1})
    assert [one["index"] for one in judged["results"]] == [1]
    expanded = ask("/expand", {"query": "重启服务器", "kinds": ["vec"]})
    assert expanded["lines"] == [{"kind": "vec", "text": "关于重启服务器的说明"}]
    states = {model["role"]: model["state"] for model in ask("/models")["models"]}
    assert states == {"embedding": "off", "reranker": "ready", "expansion": "ready"}
