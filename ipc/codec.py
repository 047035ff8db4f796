"""Messages to bytes and back. What comes from outside is checked here, once; inside, the types are trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast, get_args

import msgspec
from msgspec import Struct

from ipc.errors import CODES, ProtocolMismatch, QmdError
from ipc.protocol import (
    PROTOCOL_VERSION,
    AnyRequest,
    ErrorBody,
    ErrorReply,
    Ping,
    Reply,
    Request,
    SearchRequest,
    Shutdown,
)

R = TypeVar("R", bound=Reply)
Q = TypeVar("Q", bound=Request)
S = TypeVar("S", bound=Struct)

OPERATIONS: dict[str, type[Request]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyRequest)}
# Clients of every version may ask these, so that an old daemon can be found and stopped.
_ANY_VERSION: tuple[type[Request], ...] = (Ping, Shutdown)
# Of a sentence to a person. A path may have 4096, and some name two.
_MOST_CHARACTERS = 10_000

_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)


class Head(Struct, frozen=True, kw_only=True):
    """What every reply begins with: enough to tell whose it is, and whether it is the last."""

    id: str = ""
    ok: bool = True
    done: bool = True
    error: ErrorBody | None = None


_heads = msgspec.json.Decoder(Head)


def encode(message: Struct | dict[str, Any] | list[Any]) -> bytes:
    """JSON. The bytes of a file name that are no UTF-8 become question marks."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        import json

        return json.dumps(msgspec.to_builtins(message), ensure_ascii=False).encode("utf-8", "replace")


def decode_request(body: bytes) -> AnyRequest:
    """Read one request.

    Raises QmdError: malformed (not a JSON object), unknown_op, version, or invalid, with the nearest known name.
    """
    try:
        request = _requests.decode(body)
    except msgspec.ValidationError as error:
        fields = _fields(body)
        return cast("AnyRequest", _repair(fields, _operation(fields), error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from None
    if request.protocol != PROTOCOL_VERSION and not isinstance(request, _ANY_VERSION):
        raise _other_version(request.protocol)
    return request


def decode_body(body: bytes, kind: type[Q]) -> Q:
    """Read a request whose operation is known from elsewhere, such as the route of an HTTP request.

    Raises QmdError: malformed or invalid.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        return _repair(_fields(body), kind, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from None


def decode_struct(body: bytes, kind: type[S]) -> S:
    """Read an object that is no request of ours, such as one of another program's conventions.

    Raises QmdError: malformed or invalid.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        _fields(body)  # complains of what is no object
        raise QmdError("invalid", f"{error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from None


def decode_fields(fields: Mapping[str, str | list[str]], kind: type[Q]) -> Q:
    """Read a request from texts by name, such as the query of a URL. Raises QmdError("invalid")."""
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), kind) from None


def request_id(body: bytes) -> str:
    """The id of a request that could not be read, for its error reply; "" where there is none."""
    try:
        found = msgspec.json.decode(body, type=dict[str, Any]).get("id", "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return str(found) if isinstance(found, str | int) else ""


def error_reply(error: QmdError, request_id: str = "") -> ErrorReply:
    """The reply that carries an error: its sentences, however much of a request they quote, at a readable length."""
    body = ErrorBody(code=error.code, message=_readable(error.message), hint=_readable(error.hint))
    return ErrorReply(id=request_id, error=body)


def carried_error(error: ErrorBody | None) -> QmdError:
    """The error that an ErrorReply carries, to be raised here."""
    if error is None:
        return QmdError("internal", "The daemon reported an error and did not say which.")
    if error.code == "version":
        return ProtocolMismatch(error.message, error.hint)
    # A newer daemon may know codes that we do not.
    return QmdError(error.code if error.code in CODES else "internal", error.message, error.hint)


def decode_head(body: bytes) -> Head:
    """Read what tells whose reply this is. Raises QmdError("internal") for bytes that are no reply."""
    try:
        return _heads.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def decode_reply(head: Head, body: bytes, kind: type[R]) -> R:
    """Read a reply of the given kind, or raise the error that it carries."""
    if not head.ok:
        raise carried_error(head.error)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def decode_raw(head: Head, body: bytes) -> dict[str, Any]:
    """A reply as plain dicts and lists, for output that shows it as it is; raise the error that it carries."""
    if not head.ok:
        raise carried_error(head.error)
    return msgspec.json.decode(body, type=dict[str, Any])


def _readable(sentence: str) -> str:
    return sentence if len(sentence) <= _MOST_CHARACTERS else f"{sentence[:_MOST_CHARACTERS]}…"


def _fields(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(error) from None
    if not isinstance(found, dict):
        raise QmdError("malformed", "A request is one JSON object.", 'Such as {"op": "ping"}.')
    return found


def _operation(fields: dict[str, Any]) -> type[Request]:
    op = fields.get("op")
    if not isinstance(op, str):
        raise QmdError("invalid", "The request has no `op`.", f"Known: {', '.join(OPERATIONS)}.")
    if op not in OPERATIONS:
        raise QmdError("unknown_op", f"There is no operation {op[:64]!r}.", _nearest(op, OPERATIONS))
    return OPERATIONS[op]


def _repair(fields: dict[str, Any], kind: type[Q], error: msgspec.ValidationError) -> Q:
    """Read what is meant though it is not the schema's letter, or say what is wrong with it."""
    version = fields.get("protocol", PROTOCOL_VERSION)
    if version != PROTOCOL_VERSION:
        if kind in _ANY_VERSION:
            return kind(id=str(fields.get("id", "")))
        raise _other_version(version)
    if issubclass(kind, SearchRequest) and "limit" in fields:
        if "top_k" in fields:
            raise QmdError("invalid", "`limit` and `top_k` are the same.", "Give one of them.")
        fields["top_k"] = fields.pop("limit")
        try:
            return msgspec.convert(fields, kind)
        except msgspec.ValidationError as second:
            error = second
    raise _invalid(str(error), kind) from None


def _invalid(text: str, kind: type[Request]) -> QmdError:
    hint = ""
    if "unknown field" in text:
        known = [*kind.__struct_fields__, *(["limit"] if issubclass(kind, SearchRequest) else [])]
        hint = _nearest(text.split("`")[1], known)
    return QmdError("invalid", f"Not a valid {kind.__struct_config__.tag} request: {text}.", hint)


def _nearest(name: str, known: Any) -> str:
    import difflib

    near = difflib.get_close_matches(name[:64], known, n=1)
    return f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known)}."


def _malformed(error: Exception) -> QmdError:
    return QmdError("malformed", f"The request is not JSON: {error}.")


def _other_version(version: Any) -> QmdError:
    return QmdError(
        "version",
        f"The request is of protocol {version!r}, the daemon speaks {PROTOCOL_VERSION}.",
        "Restart the daemon: `qmd stop`, then run the command again.",
    )


def _unreadable(error: Exception) -> QmdError:
    return QmdError("internal", f"The daemon's answer cannot be read: {error}.", "Restart it: `qmd stop`.")
