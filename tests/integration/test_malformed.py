"""Whatever comes in over the sockets: an error each, the daemon alive, the next good request answered."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import zmq
from hypothesis import example, given
from hypothesis import strategies as st

from ipc import transport
from ipc.codec import OPERATIONS
from ipc.errors import CODES
from ipc.protocol import MAX_MESSAGE_BYTES, CollectionAdd
from tests.integration import corpus

ANSWER_MS = 20_000
LONGEST = 10_001  # of a sentence
# What a stranger may get to see. Anything else is a bug: `internal` (500) first of all.
REFUSALS = {400, 404, 409, 413, 422, 504}
ROUTES = ("/search", "/vsearch", "/query", "/embed")
# They would end the daemon, or let it read what lies on this machine; the last three start jobs.
STRONG = {"shutdown", "collection_add", "collection_remove", "update", "embed_index"}

surrogates = st.text(st.characters(categories=["Cs", "L", "Cc"]), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**400, 0, -1, 1, 7, 10_000])
    | st.floats()
    | st.text(max_size=20)
    | surrogates
    | st.sampled_from(
        ["", "\0", "/\0", "~\0", "#", "#\ud800", "qmd://", "a" * 20_000, '"', "-a", "lex:", "vec: a\nhyde: b", "*"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from(
    [*sorted({field for kind in OPERATIONS.values() for field in kind.__struct_fields__}), "limit", "op", "topk", ""]
)
fields = st.dictionaries(names, values, max_size=5)
queries = st.fixed_dictionaries({"query": st.text(max_size=30) | surrogates}) | st.fixed_dictionaries({"query": values})
texts = st.fixed_dictionaries({"texts": st.lists(st.text(max_size=30) | surrogates, max_size=4)})
refs = st.fixed_dictionaries({"ref": st.text(max_size=20) | surrogates | scalars})
requests = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    fields,
    queries | texts | refs | fields,
)


def dumps(value: object) -> bytes:
    return json.dumps(value).encode()


DEEP = [b"[" * 100_000, b"[" * 900 + b"]" * 900, b'{"op":' * 50_000, b'{"protocol":' + b"[" * 900 + b"]" * 900 + b"}"]
BAD = [
    b"",
    b" ",
    b"null",
    b"{}",
    b"[]",
    b"[{}]",
    b'"ping"',
    b"{",
    b'{"op"}',
    b"\xff\xfe{\x00",
    b'{"op": "\xff"}',
    b"\x00",
    b'{"op": "ping", "id": "\xed\xa0\x80"}',
    b'{"op": NaN}',
    b'{"op": 1e999}',
    b'{"id": ' + b"9" * 5000 + b"}",
    b'{"op": "ping"} {"op": "ping"}',
    "\ufeff{}".encode(),
    '{"op": "ping"}'.encode("utf-16"),
    *DEEP,
]


@pytest.fixture(scope="module")
def daemon(shared_daemon: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real daemon with a few notes. Whatever the tests did, its log has no traceback."""
    notes = tmp_path_factory.mktemp("notes")
    corpus.write(notes, 10)
    with shared_daemon.connect() as client:
        corpus.finish(client, CollectionAdd(path=str(notes), name="notes"))
    yield shared_daemon
    assert "Traceback" not in shared_daemon.log
    assert "Traceback" not in shared_daemon.stderr


# -- ROUTER ----------------------------------------------------------------------------------


class Stranger:
    """A DEALER that sends whatever it likes."""

    def __init__(self, context: zmq.Context[Any], address: str) -> None:
        self._socket = transport.connect(context, zmq.DEALER, address)

    def send(self, *frames: bytes) -> None:
        self._socket.send_multipart(frames)

    def answer(self) -> dict[str, Any]:
        """The next reply, without the delimiter that some requests had."""
        assert self._socket.poll(ANSWER_MS), "no answer"
        frames = self._socket.recv_multipart()
        reply: dict[str, Any] = json.loads(frames[1] if frames[0] == b"" else frames[0])
        return reply

    def last_answer(self) -> dict[str, Any]:
        while not (reply := self.answer())["done"]:
            pass
        return reply

    def is_answered(self) -> None:
        """The next good request is."""
        self.send(dumps({"op": "ping", "id": "good"}))
        assert (reply := self.answer())["id"] == "good"
        assert reply["ready"] is True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def stranger(daemon: Any) -> Iterator[Stranger]:
    with zmq.Context() as context:
        found = Stranger(context, daemon.endpoint.rpc)
        yield found
        found.close()


def refused(reply: dict[str, Any]) -> str:
    """The code of an error that tells its reader something, and not too much."""
    assert reply["ok"] is False
    assert reply["done"] is True
    error = reply["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] in CODES.keys() - {"internal"}
    assert 0 < len(error["message"]) <= LONGEST
    assert "Traceback" not in error["message"]
    return str(error["code"])


def is_answered_or_refused(reply: dict[str, Any]) -> None:
    if not reply["ok"]:
        refused(reply)


@pytest.mark.parametrize("body", BAD, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize("delimiter", [(), (b"",)], ids=["dealer", "req"])
def test_what_is_no_request(stranger: Stranger, delimiter: tuple[bytes, ...], body: bytes) -> None:
    stranger.send(*delimiter, body)
    assert refused(stranger.answer()) in {"malformed", "invalid", "version"}
    stranger.is_answered()


@given(st.binary(max_size=200))
def test_random_bytes(stranger: Stranger, body: bytes) -> None:
    stranger.send(body)
    assert refused(stranger.answer()) in {"malformed", "invalid"}
    stranger.is_answered()


@given(st.lists(st.binary(max_size=20), min_size=2, max_size=40).filter(lambda frames: len(frames) > 2 or frames[0]))
def test_many_frames(stranger: Stranger, frames: list[bytes]) -> None:
    stranger.send(*frames)
    assert refused(stranger.answer()) == "malformed"
    stranger.is_answered()


@given(values)
def test_json_that_is_no_request(stranger: Stranger, value: object) -> None:
    stranger.send(dumps(value))
    assert refused(stranger.answer()) in {"malformed", "invalid", "version", "unknown_op"}
    stranger.is_answered()


@given(st.sampled_from(sorted(OPERATIONS.keys() - STRONG)), requests)
@example("get", {"ref": "/\0"})
@example("get", {"ref": "~\0/a"})
@example("get", {"ref": "\ud800"})
@example("search", {"query": "a", "protocol": "x" * 100_000})
@example("search", {"query": "a", "collections": ["x" * 100_000]})
@example("search", {"query": "\ud800 a"})
@example("query", {"query": "a", "collections": ["\ud800"]})
@example("search", {"query": "a", "index": "語" * 64})
@example("ping", {"protocol": "x" * 100_000})
def test_almost_right_requests(stranger: Stranger, op: str, request: dict[str, object]) -> None:
    stranger.send(dumps({**request, "op": op}))
    is_answered_or_refused(stranger.last_answer())
    stranger.is_answered()


@pytest.mark.parametrize("path", ["", "relative", "/\0", "\ud800", "/no/such/directory", "~\0", "/" + "a" * 50_000])
def test_directories_that_are_none(stranger: Stranger, path: str) -> None:
    stranger.send(dumps({"op": "collection_add", "path": path}))
    assert refused(stranger.answer()) in {"invalid", "not_found", "malformed"}
    stranger.is_answered()


def test_too_large_is_told(stranger: Stranger) -> None:
    stranger.send(b" " * (MAX_MESSAGE_BYTES + 1))
    assert refused(stranger.answer()) == "too_large"
    stranger.is_answered()


def test_far_too_large_loses_only_its_own_connection(daemon: Any, stranger: Stranger) -> None:
    with zmq.Context() as context:
        other = Stranger(context, daemon.endpoint.rpc)
        other.send(b" " * (transport.HARD_MAX_BYTES + 1))
        stranger.is_answered()
        other.close()


def test_a_flood_is_answered_one_by_one(stranger: Stranger) -> None:
    for number in range(500):
        stranger.send(b"{" * (number % 7))
    assert {refused(stranger.answer()) for _ in range(500)} == {"malformed"}
    stranger.is_answered()


def test_a_stranger_who_speaks_no_zeromq(daemon: Any, stranger: Stranger) -> None:
    for greeting in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 5000,
        b"\xff\0\0\0\0\0\0\0\1\x7f\3" + b"\0" * 53 + b"\xff" * 999,
    ):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(transport.path_of(daemon.endpoint.rpc))
            raw.sendall(greeting)
            stranger.is_answered()


# -- HTTP ------------------------------------------------------------------------------------


class Web:
    """One connection at a time, kept alive as long as the server likes."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).hostname or ""
        self.port = urlsplit(address).port or 0
        self._connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_MS / 1000)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.getheader("Content-Type") == "application/x-ndjson":
            return response.status, [json.loads(line) for line in content.splitlines()]
        return response.status, json.loads(content) if content else None

    def raw(self, sent: bytes, *, shut: bool = True) -> bytes:
        """Everything that the server says to these bytes until it closes the connection."""
        with socket.create_connection((self.host, self.port), timeout=ANSWER_MS / 1000) as one:
            one.sendall(sent)
            if shut:
                one.shutdown(socket.SHUT_WR)
            said = b""
            while part := one.recv(65536):
                said += part
        return said

    def is_answered(self) -> None:
        status, body = self.ask("GET", "/health")
        assert (status, body["ready"]) == (200, True)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def web(daemon: Any) -> Iterator[Web]:
    found = Web(daemon.endpoint.http)
    yield found
    found.close()


def refusal(answer: tuple[int, Any], allowed: set[int] = REFUSALS) -> int:
    status, body = answer
    assert status in allowed, body
    error = body["error"]
    assert set(error) == {"code", "message", "hint"}
    assert CODES[error["code"]][0] == status or status == 405
    assert 0 < len(error["message"]) <= LONGEST
    return status


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", [body for body in BAD if body != b"{}"], ids=lambda body: repr(body[:20]))
def test_http_bodies_that_are_no_request(web: Web, route: str, body: bytes) -> None:
    assert refusal(web.ask("POST", route, body)) in {400, 409, 422}
    web.is_answered()


@given(st.sampled_from(ROUTES), st.binary(max_size=200))
def test_http_random_bytes(web: Web, route: str, body: bytes) -> None:
    assert refusal(web.ask("POST", route, body)) in {400, 422}
    web.is_answered()


@given(st.sampled_from(ROUTES), values)
def test_http_json_of_the_wrong_shape(web: Web, route: str, value: object) -> None:
    status = refusal(web.ask("POST", route, dumps(value)))
    # Half a surrogate pair is no JSON to begin with.
    assert status in ({400, 422} if isinstance(value, dict) else {400})
    web.is_answered()


@given(st.sampled_from(ROUTES), requests)
def test_http_almost_right(web: Web, route: str, request: dict[str, object]) -> None:
    answer = web.ask("POST", route, dumps(request))
    if answer[0] != 200:
        refusal(answer)
    web.is_answered()


@given(
    st.sampled_from(["/documents/", "/status?index=", "/", "/documents/a?from_line="]),
    st.text(max_size=20) | st.binary(max_size=20),
)
@example("/documents/", "\0")
@example("/documents/", b"/\xff\xfe")
@example("/documents/", "/../../etc/passwd")
def test_http_addresses(web: Web, prefix: str, rest: str | bytes) -> None:
    answer = web.ask("GET", prefix + quote(rest, safe=""))
    if answer[0] != 200:
        refusal(answer, REFUSALS | {405})
    web.is_answered()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/query"), ("PUT", "/embed"), ("POST", "/health"), ("DELETE", "/status"), ("PATCH", "/search")],
)
def test_http_methods(web: Web, method: str, path: str) -> None:
    assert refusal(web.ask(method, path), {405}) == 405
    web.is_answered()


def test_http_too_large(web: Web) -> None:
    assert refusal(web.ask("POST", "/embed", dumps({"texts": ["a"] * 1001}))) == 413
    assert refusal(web.ask("POST", "/embed", b" " * (16 * 1024 * 1024 + 1))) == 413
    web.is_answered()


def post(*headers: str, body: bytes = b'{"query": "a"}') -> bytes:
    return "\r\n".join(["POST /query HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode("latin-1") + body


HALVES: dict[str, bytes] = {
    "less body than announced": post("Content-Length: 100"),
    "more body than announced": post("Content-Length: 3", "Connection: close"),
    "a negative length": post("Content-Length: -1"),
    "a length that is no number": post("Content-Length: many"),
    "a huge length": post(f"Content-Length: {10**30}"),
    "two lengths": post("Content-Length: 14", "Content-Length: 15"),
    "a length and chunks": post("Content-Length: 14", "Transfer-Encoding: chunked"),
    "chunks that are none": post("Transfer-Encoding: chunked", body=b"zz\r\nabc\r\n"),
    "chunks that do not end": post("Transfer-Encoding: chunked", body=b"5\r\nabcde\r\n"),
    "not the encoding it says": post("Content-Length: 14", "Content-Encoding: gzip", "Connection: close"),
    "half a head": b"POST /query HTT",
    "a head without end": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 100_000,
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 100,
    "another version": b"GET /health HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "a name with a control character": b"GET /health HTTP/1.1\r\nHo\0st: 127.0.0.1\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("how", HALVES)
def test_http_that_is_broken(web: Web, how: str) -> None:
    said = web.raw(HALVES[how])
    assert said == b"" or said.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert b"Traceback" not in said
    web.is_answered()


def test_http_half_open_connections_keep_nobody_waiting(web: Web) -> None:
    beginnings: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: b"POST /query HT",
        lambda: post("Content-Length: 100"),
    ]
    held = []
    try:
        for number in range(60):
            one = socket.create_connection((web.host, web.port), timeout=ANSWER_MS / 1000)
            held.append(one)
            one.sendall(beginnings[number % 3]())
        web.is_answered()
        assert web.ask("POST", "/query", dumps({"query": corpus.question(3)}))[0] == 200
    finally:
        for one in held:
            one.close()
    web.is_answered()
