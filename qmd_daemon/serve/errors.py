"""Errors and refusals over HTTP: every one is `{"error": {"code", "message", "hint"}}`, never a traceback."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from msgspec.structs import replace

from ipc import codec
from ipc.errors import CODES, QmdError
from ipc.protocol import ErrorBody
from qmd_daemon.serve.dispatch import internal

# Long enough for a queue to move or a model to load.
RETRY_AFTER_S = 5
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# What aiohttp raises for what is no HTTP, such as a body that is not the gzip it says.
_BROKEN = (HttpProcessingError, web.RequestPayloadError)

log = structlog.get_logger()


def response(error: ErrorBody, status: int | None = None, headers: dict[str, str] | None = None) -> web.Response:
    """The response for an error; its status is its code's, unless the protocol of HTTP has a better one."""
    status = status or CODES[error.code][0]
    headers = dict(headers or {})
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="qmd"'
    if status in {429, 503}:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return web.Response(
        body=codec.encode({"error": error}), status=status, headers=headers, content_type="application/json"
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever is raised into a response."""
    try:
        return await handler(request)
    except QmdError as error:
        return response(_told(request, error))
    except web.HTTPException as error:
        return _of_http(request, error)
    except _BROKEN as error:
        return response(ErrorBody(code="malformed", message=f"The body cannot be read: {_reason(error)}."))
    except Exception:
        token = secrets.token_hex(4)
        log.exception("http.failed", request=token, path=request.path)
        return response(codec.error_reply(internal(token)).error)


def refuse_strangers(request: web.Request, is_ours: Callable[[str], bool]) -> None:
    """Serve only who asks for this machine by its own name. Raises QmdError("forbidden").

    A web page may send requests here from a person's browser: `Origin` tells. One whose name was made to
    point to 127.0.0.1 (DNS rebinding) is of our origin, but does not know our `Host`.
    """
    if not is_ours(_hostname(f"//{request.headers.get('Host', '')}")):
        hint = "Ask for 127.0.0.1, or add the name to [http] hosts."
        raise QmdError("forbidden", "The Host of this request is not this machine.", hint)
    # A page may load from here without an Origin, too, as an image or a script; but the browser says whose it is.
    if request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"} and "Origin" not in request.headers:
        raise QmdError("forbidden", "Web pages from elsewhere may not ask here.")
    origin = request.headers.get("Origin")
    if origin is not None and not is_loopback(_hostname(origin)):
        raise QmdError("forbidden", f"Web pages of {origin[:200]!r} may not ask here.")


def quieten(record: logging.LogRecord) -> bool:
    """A filter for aiohttp's log: what is no HTTP gets its 400 from aiohttp, and is worth a line, not a traceback."""
    if record.exc_info and isinstance(record.exc_info[1], _BROKEN):
        record.msg, record.args = "http.malformed", ()
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.exc_info = None
    return True


def is_loopback(host: str) -> bool:
    return host in _LOOPBACK


def _told(request: web.Request, error: QmdError) -> ErrorBody:
    """The clients of other programs' conventions show the message alone: there, it has the hint in it."""
    body = codec.error_reply(error).error
    return replace(body, message=f"{body.message} {body.hint}".strip()) if request.path.startswith("/v1/") else body


def _reason(error: Exception) -> str:
    return str(getattr(error, "message", error)).partition("\n")[0].rstrip(".:")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _of_http(request: web.Request, error: web.HTTPException) -> web.Response:
    match error:
        case web.HTTPNotFound():
            body = ErrorBody(code="not_found", message=f"There is no {request.path}.", hint="See /health, /query.")
        case web.HTTPMethodNotAllowed():
            hint = f"Use {' or '.join(sorted(error.allowed_methods))}."
            body = ErrorBody(code="unknown_op", message=f"{request.path} does not take {request.method}.", hint=hint)
        case web.HTTPRequestEntityTooLarge():
            body = ErrorBody(code="too_large", message="The body is over the limit.", hint="Send it in parts.")
        case web.HTTPRequestTimeout():
            body = ErrorBody(code="malformed", message="The body did not arrive in time.")
        case _:
            body = ErrorBody(code="malformed", message=f"{error.reason}.")
    allow = error.headers.get("Allow")
    found = response(body, error.status, {"Allow": allow} if allow else None)
    if isinstance(error, web.HTTPRequestTimeout):
        found.force_close()  # the rest of its body is not to be taken for the next request
    return found
