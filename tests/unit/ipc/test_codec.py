from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc import codec
from ipc.errors import ProtocolMismatch, QmdError
from ipc.protocol import (
    PROTOCOL_VERSION,
    REPLIES,
    Done,
    ErrorBody,
    Get,
    Ping,
    Pong,
    Query,
    Search,
    Shutdown,
    VSearch,
)


def request(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def refusal(body: bytes) -> QmdError:
    with pytest.raises(QmdError) as caught:
        codec.decode_request(body)
    return caught.value


def outcome(decode: Callable[[], object]) -> str:
    try:
        decode()
    except QmdError as error:
        return error.code
    return "ok"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list(codec.OPERATIONS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ["op", "id", "query", "limit", "top_k", "protocol", "deadline_s", "texts", "target", "x"]


class TestRequests:
    def test_every_operation_has_a_struct_and_a_reply(self) -> None:
        assert set(codec.OPERATIONS.values()) == set(REPLIES)

    def test_a_search_is_read_with_its_defaults(self) -> None:
        assert codec.decode_request(request(op="query", id="7", query="笔记")) == Query(id="7", query="笔记")

    @pytest.mark.parametrize("kind", [Search, VSearch, Query])
    def test_limit_is_another_name_of_top_k(self, kind: type[Search]) -> None:
        op = kind.__struct_config__.tag
        assert codec.decode_request(request(op=op, query="a", limit=3)) == kind(query="a", top_k=3)
        assert codec.decode_body(request(query="a", limit=3), kind) == kind(query="a", top_k=3)

    def test_limit_and_top_k_together_are_refused(self) -> None:
        assert refusal(request(op="search", query="a", limit=3, top_k=3)).code == "invalid"

    def test_limit_is_checked_like_top_k(self) -> None:
        error = refusal(request(op="search", query="a", limit=0))
        assert error.code == "invalid"
        assert "top_k" in error.message

    @pytest.mark.parametrize(
        ("field", "near"),
        [("colections", "collections"), ("top_K", "top_k"), ("limits", "limit"), ("min_scor", "min_score")],
    )
    def test_an_unknown_field_is_refused_with_the_nearest_name(self, field: str, near: str) -> None:
        error = refusal(request(op="search", query="a", **{field: 1}))
        assert error.code == "invalid"
        assert field in error.message
        assert near in error.hint

    def test_an_unknown_operation_is_refused_with_the_nearest_name(self) -> None:
        error = refusal(request(op="serch", query="a"))
        assert error.code == "unknown_op"
        assert "search" in error.hint

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"ping"', b"\xff", b'{"op": "ping"} {}', b"{}" * 2])
    def test_what_is_no_json_object_is_malformed(self, body: bytes) -> None:
        assert refusal(body).code == "malformed"

    @pytest.mark.parametrize("body", [b'{"op":"search","query":' + b'{"a":' * 100_000, b"[" * 1_000_000])
    def test_deep_nesting_is_malformed(self, body: bytes) -> None:
        assert refusal(body).code == "malformed"

    @pytest.mark.parametrize("fields", [{}, {"op": 1}, {"op": None}, {"op": []}])
    def test_a_request_without_an_operation_is_invalid(self, fields: dict[str, Any]) -> None:
        assert refusal(request(**fields)).code == "invalid"

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        assert outcome(lambda: codec.decode_request(body)) in {"ok", "malformed", "invalid", "unknown_op", "version"}
        codec.request_id(body)

    @given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
    def test_any_object_is_read_or_refused(self, fields: dict[str, Any]) -> None:
        body = request(**fields)
        assert outcome(lambda: codec.decode_request(body)) in {"ok", "malformed", "invalid", "unknown_op", "version"}


class TestVersions:
    def test_another_protocol_is_refused(self) -> None:
        error = refusal(request(op="search", query="a", protocol=PROTOCOL_VERSION + 1))
        assert error.code == "version"

    def test_also_when_it_has_fields_that_we_do_not_know(self) -> None:
        assert refusal(request(op="search", query="a", protocol=PROTOCOL_VERSION + 1, mood="blue")).code == "version"

    @pytest.mark.parametrize("kind", [Ping, Shutdown])
    def test_a_daemon_can_always_be_found_and_stopped(self, kind: type[Ping]) -> None:
        op = str(kind.__struct_config__.tag)
        newer = request(op=op, id="1", protocol=PROTOCOL_VERSION + 1, mood="blue")
        assert codec.decode_request(newer) == kind(id="1")


class TestIds:
    @pytest.mark.parametrize(
        ("body", "found"),
        [
            (b'{"id": "7", "x": 1}', "7"),
            (b'{"id": 7}', "7"),
            (b'{"id": []}', ""),
            (b"{}", ""),
            (b"[", ""),
            (b"\xff", ""),
        ],
    )
    def test_the_id_of_an_unreadable_request(self, body: bytes, found: str) -> None:
        assert codec.request_id(body) == found


class TestReplies:
    def test_an_error_crosses_the_wire(self) -> None:
        sent = codec.encode(codec.error_reply(QmdError("no_model", "No model.", "Install one."), "7"))
        head = codec.decode_head(sent)
        assert (head.id, head.ok, head.done) == ("7", False, True)
        with pytest.raises(QmdError) as caught:
            codec.decode_reply(head, sent, Done)
        assert (caught.value.code, caught.value.message, caught.value.hint) == ("no_model", "No model.", "Install one.")

    def test_a_version_error_is_a_protocol_mismatch(self) -> None:
        assert isinstance(codec.carried_error(ErrorBody(code="version", message="Old.")), ProtocolMismatch)

    def test_a_code_of_a_newer_daemon_is_an_internal_error(self) -> None:
        assert codec.carried_error(ErrorBody(code="lunar", message="Full moon.")).code == "internal"

    def test_fields_of_a_newer_daemon_are_ignored(self) -> None:
        body = b'{"id":"","ok":true,"protocol":1,"version":"9","pid":1,"ready":true,"state":"ready","mood":"blue"}'
        assert codec.decode_reply(codec.decode_head(body), body, Pong).version == "9"

    @given(st.binary(max_size=100))
    def test_any_bytes_are_a_reply_or_an_error(self, body: bytes) -> None:
        assert outcome(lambda: codec.decode_reply(codec.decode_head(body), body, Done)) in {"ok", "internal"}

    def test_a_file_name_that_is_no_unicode_is_sent_with_a_question_mark(self) -> None:
        body = codec.encode(codec.error_reply(QmdError("not_found", b"caf\xe9".decode("utf-8", "surrogateescape"))))
        assert msgspec.json.decode(body)["error"]["message"] == "caf?"


class TestFields:
    def test_texts_become_numbers(self) -> None:
        assert codec.decode_fields({"ref": "#abc123", "from_line": "3"}, Get) == Get(ref="#abc123", from_line=3)

    @pytest.mark.parametrize("fields", [{"ref": "a", "from_lin": "3"}, {"ref": "a", "from_line": "x"}, {}])
    def test_the_rest_is_invalid(self, fields: dict[str, str]) -> None:
        with pytest.raises(QmdError) as caught:
            codec.decode_fields(fields, Get)
        assert caught.value.code == "invalid"
