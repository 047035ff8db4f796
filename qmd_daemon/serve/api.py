"""The HTTP routes: requests of ours from bodies and URLs, answers as JSON or in parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, get_origin

import msgspec
import numpy as np
from aiohttp import web

from ipc import codec
from ipc.errors import QmdError
from ipc.protocol import (
    REPLIES,
    AnyRequest,
    Embed,
    EmbedReply,
    ErrorReply,
    Expand,
    Get,
    JobCancel,
    JobGet,
    JobList,
    Ps,
    PsReply,
    Query,
    Reply,
    Request,
    Rerank,
    RerankReply,
    Search,
    Similar,
    Status,
    Update,
    VSearch,
)
from qmd_daemon.engine.model import ModelInfo
from qmd_daemon.grants import Grant
from qmd_daemon.serve import access, answers, conventions, tokens
from qmd_daemon.serve.dispatch import Answer, Dispatcher
from qmd_daemon.serve.feed import Feed
from qmd_daemon.serve.incoming import CALLER, read, request_id
from qmd_daemon.serve.routes import Answering, Route

Q = TypeVar("Q", bound=Request)
# Whoever is behind a proxy is told that the connection still stands, before the proxy gives it up.
_BEAT_S = 15.0


class Api:
    """Knows the shapes of HTTP, and no operation: every request goes through the dispatcher."""

    def __init__(
        self, dispatcher: Dispatcher, feed: Feed, model: Callable[[], ModelInfo | None], body_s: float = 60.0
    ) -> None:
        """`model` describes the embedding model."""
        self._dispatcher = dispatcher
        self._feed = feed
        self._model = model
        self._body_s = body_s

    def routes(self) -> list[Route]:
        searches: list[tuple[type[Search | VSearch | Query], str]] = [
            (Search, "Find words."),
            (VSearch, "Find meaning."),
            (Query, "Find both, fused and reranked."),
        ]
        return [
            *(
                Route(
                    "POST",
                    f"/{_tag(kind)}",
                    summary,
                    self._search(kind),
                    REPLIES[kind],
                    (kind, conventions.TypedQueries) if kind is Query else (kind,),
                    streams=True,
                )
                for kind, summary in searches
            ),
            self._route("POST", "/similar", "Find what is like a document.", Similar),
            Route("POST", "/embed", "The vectors of texts, as a bare list.", self._embed, list[list[float]], (Embed,)),
            self._route("POST", "/rerank", "Judge documents by how well they answer.", Rerank),
            self._route("POST", "/expand", "Put a query in other words.", Expand),
            self._route("GET", "/documents/{ref}", "A document, or lines of it.", Get),
            self._route("GET", "/status", "What is indexed, and how the daemon is.", Status),
            self._route("GET", "/models", "Which models there are, and which are in memory.", Ps),
            self._route("POST", "/update", "Start the job that indexes what has changed.", Update),
            self._route("GET", "/jobs", "The jobs that run, wait, or ended lately.", JobList),
            Route("GET", "/jobs/{job}", "One job.", self._job, REPLIES[JobGet], query=JobGet, streams=True),
            self._route("POST", "/jobs/{job}/cancel", "End a job.", JobCancel),
            Route("GET", "/events", "What happens, as it happens.", self._events, str, media=answers.EVENTS),
            Route(
                "POST",
                "/v1/embeddings",
                "OpenAI's convention.",
                self._openai_embeddings,
                conventions.EmbeddingsAnswer,
                (conventions.EmbeddingsRequest,),
            ),
            Route("GET", "/v1/models", "OpenAI's convention.", self._openai_models, conventions.ModelsAnswer),
            Route(
                "POST",
                "/v1/rerank",
                "Cohere's and Jina's convention.",
                self._rerank,
                conventions.RerankAnswer,
                (conventions.RerankRequest,),
            ),
        ]

    # -- our own routes ------------------------------------------------------------------------

    def _route(self, method: str, path: str, summary: str, kind: type[Request]) -> Route:
        """One whose answer is the operation's."""
        from_body = method == "POST" and "{" not in path

        async def answer(request: web.Request) -> web.StreamResponse:
            asked = await self._body_of(request, kind) if from_body else _of_url(request, kind)
            return answers.json(answers.public((await self._ask(request, asked)).reply))

        body, query = ((kind,), None) if from_body else ((), kind)
        return Route(method, path, summary, answer, REPLIES[kind], body, query)

    def _search(self, kind: type[Search | VSearch | Query]) -> Answering:
        async def search(request: web.Request) -> web.StreamResponse:
            body = await read(request, self._body_s)
            asked: Search | VSearch | Query
            if kind is Query and _has_searches(body):
                asked = conventions.as_query(codec.decode_struct(body, conventions.TypedQueries))
            else:
                asked = codec.decode_body(body, kind)
            if not asked.stream and answers.EVENTS in request.headers.get("Accept", ""):
                asked = msgspec.structs.replace(asked, stream=True)
            if asked.stream:
                return await self._stream(request, asked)
            return answers.json(answers.public((await self._ask(request, asked)).reply))

        return search

    async def _embed(self, request: web.Request) -> web.Response:
        asked = await self._body_of(request, Embed)
        if asked.encoding != "json":
            raise QmdError("invalid", "HTTP answers in JSON.", "Ask for `f32` over ZeroMQ, or for base64 at /v1.")
        reply = (await self._ask(request, asked)).reply
        assert isinstance(reply, EmbedReply)  # noqa: S101  (for the type checker)
        return answers.json(reply.embeddings)

    async def _job(self, request: web.Request) -> web.StreamResponse:
        asked = _of_url(request, JobGet)
        if asked.stream or answers.EVENTS in request.headers.get("Accept", ""):
            return await self._stream(request, msgspec.structs.replace(asked, stream=True))
        return answers.json(answers.public((await self._ask(request, asked)).reply))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        grant = request[CALLER].grant
        wanted = set(request.query.getall("topic", []))
        stream = answers.Stream(request, events=True)
        async for event in self._feed.listen(_BEAT_S):
            if event is None:
                await stream.beat()
            elif grant is not None and not self._may_listen(grant):
                break
            elif (not wanted or event.topic in wanted) and (grant is None or access.hears(event.event, grant)):
                await stream.send(event.event, event.topic)
        return await stream.end()

    def _may_listen(self, grant: Grant) -> bool:
        """Whether a token is still valid: who listens has been let in long ago."""
        try:
            self._dispatcher.still(grant)
        except QmdError:
            return False
        return True

    # -- other programs' conventions -------------------------------------------------------------

    async def _openai_embeddings(self, request: web.Request) -> web.Response:
        asked = codec.decode_struct(await read(request, self._body_s), conventions.EmbeddingsRequest)
        model = self._model()
        texts, numbers = conventions.texts_or_tokens(asked)
        if model is not None:
            conventions.check_dimensions(asked.dimensions, model.dimension, model.dimensions)
            if numbers:
                texts = await asyncio.to_thread(tokens.decode, model, numbers)
        answer = await self._ask(request, Embed(texts=texts, encoding="f32"))
        reply = answer.reply
        assert isinstance(reply, EmbedReply)  # noqa: S101  (for the type checker)
        used = await asyncio.to_thread(tokens.count, model, texts) if model else 0
        vectors = np.frombuffer(answer.binary, "<f4").reshape(reply.count, reply.dimension)
        cut = conventions.cut(vectors, asked.dimensions)
        return answers.json(conventions.embeddings(cut, asked.encoding_format, reply.model, used))

    async def _openai_models(self, request: web.Request) -> web.Response:
        reply = (await self._ask(request, Ps())).reply
        assert isinstance(reply, PsReply)  # noqa: S101  (for the type checker)
        there = [conventions.Model(id=one.name, role=one.role) for one in reply.models if one.state != "missing"]
        return answers.json(conventions.ModelsAnswer(data=there))

    async def _rerank(self, request: web.Request) -> web.Response:
        asked = codec.decode_struct(await read(request, self._body_s), conventions.RerankRequest)
        texts = [one if isinstance(one, str) else one.text for one in asked.documents]
        reply = (await self._ask(request, Rerank(query=asked.query, documents=texts, top_n=asked.top_n))).reply
        assert isinstance(reply, RerankReply)  # noqa: S101  (for the type checker)
        return answers.json(conventions.ranked(asked, texts, reply))

    # -- between HTTP and the dispatcher ---------------------------------------------------------

    async def _body_of(self, request: web.Request, kind: type[Q]) -> Q:
        return codec.decode_body(await read(request, self._body_s), kind)

    async def _ask(self, request: web.Request, asked: AnyRequest | Request) -> Answer:
        answer = await self._run(request, asked, _no_stream)
        if isinstance(answer.reply, ErrorReply):
            raise codec.carried_error(answer.reply.error)
        return answer

    async def _stream(self, request: web.Request, asked: AnyRequest) -> web.StreamResponse:
        """A part for each stage, the last with `done`; a late error is a part, too."""
        stream = answers.Stream(request)

        async def emit(reply: Reply) -> None:
            await stream.send(answers.public(reply, done=True))

        reply = (await self._run(request, asked, emit)).reply
        if isinstance(reply, ErrorReply) and not stream.begun:
            raise codec.carried_error(reply.error)
        await emit(reply)
        return await stream.end()

    async def _run(self, request: web.Request, asked: Any, emit: Callable[[Reply], Awaitable[None]]) -> Answer:
        named = msgspec.structs.replace(asked, id=request_id(request))
        return await self._dispatcher.run(named, emit, request[CALLER])


async def _no_stream(_: Reply) -> None:
    """For requests that did not ask for one."""


def _of_url(request: web.Request, kind: type[Q]) -> Q:
    lists = {one.name for one in msgspec.structs.fields(kind) if get_origin(one.type) is list}
    repeated = {name: request.query.getall(name) for name in lists & request.query.keys()}
    return codec.decode_fields({**request.query, **repeated, **request.match_info}, kind)


def _has_searches(body: bytes) -> bool:
    """Whether it is the body of tobi/qmd's own server."""
    if b'"searches"' not in body:
        return False
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # the one who reads it says what is wrong
    return isinstance(found, dict) and "searches" in found


def _tag(kind: type[Request]) -> str:
    return str(kind.__struct_config__.tag)
