"""Tokens with the real program: made, listed and revoked on the command line, asked for over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ipc.paths import Paths
from ipc.protocol import CollectionAdd
from qmd_tui.cli.main import execute
from tests.integration import corpus


@pytest.fixture
def indexed(daemon: Any, tmp_path: Path) -> Any:
    """A daemon with two collections that have the same notes."""
    with daemon.connect() as client:
        for name in ("notes", "diary"):
            (tmp_path / name).mkdir()
            (tmp_path / name / f"{name}.md").write_text(f"# A backup\n\nThis backup is of {name}.\n")
            corpus.finish(client, CollectionAdd(path=str(tmp_path / name), name=name))
    return daemon


@pytest.fixture
def make(home: Paths, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`qmd token create`: the token."""

    def make(name: str, *flags: str) -> str:
        assert execute(["token", "create", "--name", name, *flags]) == 0
        return capsys.readouterr().out.strip()

    return make


def ask(daemon: Any, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    place = urlsplit(daemon.endpoint.http)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_answers_are_of_its_collections_alone(indexed: Any, make: Callable[..., str]) -> None:
    token = bearer(make("phone", "--collections", "notes"))
    _, everything = ask(indexed, "POST", "/search", {"query": "backup"})
    assert {hit["collection"] for hit in everything["results"]} == {"notes", "diary"}
    docids = {hit["collection"]: hit["docid"].removeprefix("#") for hit in everything["results"]}
    for route in ("/search", "/vsearch", "/query"):
        status, body = ask(indexed, "POST", route, {"query": "backup"}, **token)
        assert (status, {hit["collection"] for hit in body["results"]}) == (200, {"notes"})
        status, body = ask(indexed, "POST", route, {"query": "backup", "collections": ["diary"]}, **token)
        assert (status, body["error"]["code"]) == (403, "forbidden")
    assert ask(indexed, "GET", f"/documents/{docids['notes']}", **token)[0] == 200
    for ref in (docids["diary"], "diary/diary.md", "diary.md", "nowhere"):
        status, body = ask(indexed, "GET", f"/documents/{ref}", **token)
        assert (status, body["error"]["message"]) == (404, "There is nothing of that name for you.")
    status, body = ask(indexed, "GET", "/status", **token)
    assert (status, "diary" in json.dumps(body)) == (200, False)
    _, whole = ask(indexed, "GET", "/status")
    for count in ("documents", "chunks", "vectors"):
        assert 0 < body["index"][count] < whole["index"][count]
    assert body["index"] == ask(indexed, "GET", "/status?collections=notes")[1]["index"] | {"size_bytes": 0}
    _, both = ask(indexed, "GET", "/status?collections=notes&collections=diary")
    assert both["index"]["chunks"] == whole["index"]["chunks"]


def test_read_only(indexed: Any, make: Callable[..., str]) -> None:
    assert ask(indexed, "POST", "/update", {}, **bearer(make("writer")))[0] == 200
    status, body = ask(indexed, "POST", "/update", {}, **bearer(make("reader", "--read-only")))
    assert (status, body["error"]["code"]) == (403, "forbidden")


def test_its_rate(indexed: Any, make: Callable[..., str]) -> None:
    token = bearer(make("slow", "--rate", "1/h"))
    assert ask(indexed, "GET", "/models", **token)[0] == 200
    assert ask(indexed, "GET", "/models", **token)[0] == 429
    assert ask(indexed, "GET", "/models")[0] == 200


def test_revoked_and_wrong_ones_are_refused(indexed: Any, make: Callable[..., str]) -> None:
    token = make("phone")
    assert ask(indexed, "GET", "/status", **bearer(token))[0] == 200
    assert ask(indexed, "GET", "/status", **bearer(token[:-2] + "xx"))[0] == 401
    assert execute(["token", "revoke", "phone"]) == 0
    assert ask(indexed, "GET", "/status", **bearer(token))[0] == 401
    assert execute(["token", "revoke", "phone"]) == 1


def test_what_came_through_a_proxy_needs_one(indexed: Any, make: Callable[..., str]) -> None:
    through = {"X-Forwarded-For": "203.0.113.7"}
    status, body = ask(indexed, "GET", "/status", **through)
    assert (status, body["error"]["code"]) == (401, "unauthorized")
    assert ask(indexed, "GET", "/status", **through, **bearer(make("team")))[0] == 200
    assert ask(indexed, "GET", "/health", **through) == (200, {"status": "ok", "ready": True, "state": "ready"})


def test_the_audit_log_says_who_and_not_what(indexed: Any, make: Callable[..., str]) -> None:
    token = make("phone", "--collections", "notes")
    ask(indexed, "POST", "/search", {"query": "my secret wish"}, **bearer(token))
    ask(indexed, "GET", "/status", **bearer("qmd_nobody"))
    path = os.path.join(indexed.paths.state, "audit.log")
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert [(line["event"], line["code"]) for line in lines] == [
        ("access.request", "ok"),
        ("access.refused", "unauthorized"),
    ]
    assert (lines[0]["token"], lines[0]["op"], lines[0]["collections"]) == ("phone", "search", [])
    said = Path(path).read_text() + indexed.log
    assert "secret" not in said
    assert token not in said
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_an_address_for_others_needs_a_token(
    home: Paths, start_daemon: Callable[..., Any], make: Callable[..., str]
) -> None:
    with open(home.config_file, "w", encoding="utf-8") as file:
        file.write('[http]\nhost = "0.0.0.0"\nhosts = ["search.example"]\n')
    done = subprocess.run(
        [sys.executable, "-m", "qmd_daemon"], stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "qmd token create" in done.stderr
    assert "Traceback" not in done.stderr
    token = make("team")
    running = start_daemon()
    running.wait_ready()
    assert ask(running, "GET", "/status")[0] == 401
    for host in ("192.0.2.1:1", "search.example", "localhost"):
        assert ask(running, "GET", "/status", Host=host, **bearer(token))[0] == 200
    assert ask(running, "GET", "/status", Host="evil.example", **bearer(token))[0] == 403
    assert running.terminate() == 0


def test_the_list_shows_no_token(home: Paths, make: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    token = make("phone", "--rate", "10/s", "--expires", "90d", "--read-only")
    assert execute(["token", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["rate"], row["read_only"], row["expired"]) == ("phone", 10.0, True, False)
    assert execute(["token", "list"]) == 0
    shown = capsys.readouterr().out
    assert "phone  all collections; read-only; 10/s; until " in shown
    assert token not in shown


def test_a_collection_that_is_none_is_told(home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["token", "create", "--name", "phone", "--collections", "nots"]) == 1
    assert "Collection not found: nots" in capsys.readouterr().err
    assert not os.path.exists(home.grants_file)


def test_metrics_count_what_was_asked_and_hide_other_collections(indexed: Any, make: Callable[..., str]) -> None:
    def scrape(**headers: str) -> str:
        place = urlsplit(indexed.endpoint.http)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
        try:
            connection.request("GET", "/metrics", headers=headers)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    ask(indexed, "POST", "/search", {"query": "backup"})
    everything = scrape()
    assert 'qmd_requests_total{code="ok",op="search"} 1.0' in everything
    assert 'qmd_collection_documents{collection="diary",index="index"} 1.0' in everything
    own = scrape(**bearer(make("phone", "--collections", "notes")))
    assert 'qmd_collection_documents{collection="notes",index="index"} 1.0' in own
    assert "diary" not in own
    assert "qmd_requests_total" not in own
