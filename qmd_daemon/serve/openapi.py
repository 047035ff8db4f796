"""/openapi.json: made of the routes and of the structs that they take and give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ipc.errors import CODES
from ipc.protocol import ErrorBody, Reply, Request, SearchRequest
from qmd_daemon.serve.answers import EVENTS, HIDDEN, LINES
from qmd_daemon.serve.routes import Route

# What the route says already, or a header.
_NOT_IN_REQUESTS = frozenset({"op", "id", "protocol"})
_EVERYWHERE = (400, 401, 403, 429, 503)  # a 500 is a bug, and nowhere described
_OF_A_BODY = (408, 409, 413, 415, 422, 499, 504)
_OF_A_QUERY = (404, 409, 422, 499, 504)
_REF = "#/components/schemas/{name}"
_MEANINGS = {
    408: "The body did not arrive in time.",
    415: "The body is not what its headers say.",
    **{status: code.replace("_", " ") for code, (status, _) in CODES.items()},
}


class Failure(Struct, frozen=True):
    """Every error, whatever its status."""

    error: ErrorBody


def describe(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole description, in OpenAPI 3.1."""
    kinds = list(dict.fromkeys([Failure, *(kind for route in routes for kind in _kinds(route))]))
    references, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    of = dict(zip(map(_key, kinds), references, strict=True))
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Request):
            _trim_request(schemas[kind.__name__], kind)
        elif isinstance(kind, type) and issubclass(kind, Reply):
            _trim(schemas[kind.__name__], HIDDEN)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, of, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "QMD",
            "version": version,
            "description": "Search the notes, documents and code of a machine. Every error has the same shape.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # Without one on the machine itself, with one from elsewhere.
        "security": [{}, {"token": []}],
    }


def _kinds(route: Route) -> Iterator[Any]:
    yield route.reply
    yield from route.body
    if route.query:
        yield route.query


def _key(kind: Any) -> Any:
    return kind if isinstance(kind, type) else repr(kind)


def _operation(route: Route, of: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-z0-9]+', '_', route.path.lower())}".strip("_"),
        "summary": route.summary,
        "responses": dict(_responses(route, of)),
    }
    parameters = [_parameter(name) for name in re.findall(r"{(\w+)}", route.path)]
    if route.query:
        found["parameters"] = parameters + list(_query(route.query, schemas, route.path))
    elif parameters:
        found["parameters"] = parameters
    if route.body:
        choices = [of[kind] for kind in route.body]
        schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _responses(route: Route, of: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    answer = of[_key(route.reply)]
    content = {route.media: {"schema": answer} if route.media == "application/json" else {}}
    if route.streams:
        content |= {LINES: {}, EVENTS: {}}
    yield "200", {"description": "Done.", "content": content}
    statuses = {*_EVERYWHERE, *route.statuses}
    if route.body:
        statuses |= {*_OF_A_BODY, 404}
    if route.query:
        statuses |= set(_OF_A_QUERY)
    if "{" in route.path:
        statuses.add(404)
    for status in sorted(statuses):
        schema = of[Failure] if (status, route.path) != (503, "/ready") else {"anyOf": [answer, of[Failure]]}
        content = {"application/json": {"schema": schema}}
        yield str(status), {"description": _MEANINGS.get(status, "An error."), "content": content}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query(kind: type[Struct], schemas: dict[str, Any], path: str) -> Iterator[dict[str, Any]]:
    schema = schemas[kind.__name__]
    for name, shape in schema["properties"].items():
        if f"{{{name}}}" not in path:
            # In a URL there is no null: what is not there is none.
            plain = [one for one in shape.get("anyOf", [shape]) if one != {"type": "null"}]
            only = {key: value for key, value in (plain[0] if len(plain) == 1 else shape).items() if key != "default"}
            yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": only}


def _trim_request(schema: dict[str, Any], kind: type[Request]) -> None:
    _trim(schema, _NOT_IN_REQUESTS)
    schema["additionalProperties"] = False
    if issubclass(kind, SearchRequest):
        schema["properties"]["limit"] = {**schema["properties"]["top_k"], "description": "Another name of `top_k`."}
        schema["not"] = {"required": ["limit", "top_k"]}


def _trim(schema: dict[str, Any], names: frozenset[str]) -> None:
    schema["properties"] = {name: one for name, one in schema["properties"].items() if name not in names}
    schema["required"] = [name for name in schema.get("required", ()) if name not in names]
    if not schema["required"]:
        del schema["required"]
