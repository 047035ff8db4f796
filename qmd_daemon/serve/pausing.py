"""Searching at every key: words at once, and the models only once the typing has paused."""

from __future__ import annotations

import asyncio

import msgspec

from ipc.errors import QmdError
from ipc.protocol import Query, Reply, Search, SearchReply, VSearch
from qmd_daemon.engine.model import Priority
from qmd_daemon.search.pipeline import Searcher
from qmd_daemon.serve.dispatch import Emit

# The words' answer is for the first look: a page of it, since each row costs a snippet.
FIRST_ROWS = 12


async def paused(
    searcher: Searcher, request: Search | VSearch | Query, emit: Emit | None, priority: Priority
) -> SearchReply:
    """Answer as `Searcher.search` does, but ask no model before the request's pause is over.

    A search of the words has nothing to wait for. Cancelled within the pause, no model has heard of it.
    """
    if isinstance(request, Search) or not request.pause_ms:
        return await searcher.search(request, emit, priority)
    loop = asyncio.get_running_loop()
    pause_ends = loop.time() + request.pause_ms / 1000
    told = False
    if emit is not None and isinstance(request, Query):
        told = await _tell_words(searcher, request, emit, priority)
    await asyncio.sleep(pause_ends - loop.time())

    async def later(reply: Reply) -> None:
        if emit is not None and not (told and isinstance(reply, SearchReply) and reply.stage == "lexical"):
            await emit(reply)

    return await searcher.search(request, later if emit else None, priority)


async def _tell_words(searcher: Searcher, request: Query, emit: Emit, priority: Priority) -> bool:
    """Reply with what the words alone find. False where the query has none, but may have a meaning."""
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    fields["top_k"] = min(request.top_k, FIRST_ROWS)
    try:
        reply = await searcher.search(Search(**fields), None, priority)
    except QmdError as error:
        if error.code != "invalid":
            raise
        return False  # what is wrong with it, if anything is, the whole query says better
    await emit(msgspec.structs.replace(reply, done=False))
    return True
