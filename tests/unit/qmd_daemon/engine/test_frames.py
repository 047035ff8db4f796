from __future__ import annotations

import asyncio
import math
import socket
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.engine import frames
from qmd_daemon.engine.model import Line, Priority, Score
from qmd_daemon.weights import catalog

ENTRY = catalog.get("all-minilm-l6-v2")
MESSAGES = [
    frames.Start("ct2", "/models", {"embedding": ENTRY}, "auto", 0, {"embedding": 300.0}, 4 * 10**9, 0),
    frames.Rerank(1, Priority.AGENT, "q", ["a", "b"]),
    frames.Expand(2, Priority.AGENT, "q", ["lex", "vec"], 7.0, -1.0),
    frames.Load(4, "reranker", 0.0),
    frames.Unload(5, "expansion"),
    frames.Drop(3),
    frames.Ping(),
    frames.Ready(),
    frames.Models([frames.Resident("embedding", "m", "ready", "cpu", "int8", "fast", "", 5, 2, math.inf)], 7),
    frames.NotLoaded("reranker", "no_model", "It is not there.", "Install it."),
    frames.Begun([1, 2]),
    frames.Embedded(1, b"\x00" * 8),
    frames.Scored(1, [Score(0.5, 0.0)]),
    frames.Expanded(1, [Line("lex", "words")]),
    frames.Adopt(catalog.get("bge-m3")),
    frames.Done(4),
    frames.Failed(1, "deadline", "Too late.", ""),
    frames.Pong(1.5, 0.5),
]
texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5)


def to_worker(*messages: frames.ToWorker) -> list[frames.ToWorker]:
    """Send the messages through a pair of sockets, and read them as the worker does."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for message in messages:
            ours.sendall(frames.pack(message))
        ours.shutdown(socket.SHUT_WR)
        return list(frames.read(theirs))


async def from_worker(data: bytes) -> list[frames.FromWorker]:
    """Read bytes as the daemon does."""
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    while (message := await frames.receive(reader)) is not None:
        found.append(message)
    return found


@given(st.lists(st.builds(frames.Embed, st.integers(0, 2**63), st.sampled_from(Priority), texts, st.just("query"))))
def test_embeds_arrive_as_they_were_sent(messages: list[frames.Embed]) -> None:
    assert to_worker(*messages) == messages


async def test_every_message_goes_its_way() -> None:
    down, up = typing.get_args(frames.ToWorker), typing.get_args(frames.FromWorker)
    assert {type(message) for message in MESSAGES} | {frames.Embed} == {*down, *up}
    down_sent = [message for message in MESSAGES if isinstance(message, down)]
    up_sent = [message for message in MESSAGES if isinstance(message, up)]
    assert to_worker(*down_sent) == down_sent
    assert await from_worker(b"".join(frames.pack(message) for message in up_sent)) == up_sent


@given(st.integers(0, 30))
async def test_a_frame_that_is_cut_off_is_the_end(cut: int) -> None:
    whole = frames.pack(frames.Pong(0.5))
    part = frames.pack(frames.NotLoaded("embedding", "no_model", "a reason that is long enough", ""))
    assert await from_worker(whole + part[:cut]) == [frames.Pong(0.5)]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frames.pack(frames.Drop(1)) + part[:cut])
        ours.shutdown(socket.SHUT_WR)
        assert list(frames.read(theirs)) == [frames.Drop(1)]


async def test_what_is_no_message_is_an_error() -> None:
    with pytest.raises(msgspec.MsgspecError):
        await from_worker(b"\x01\x00\x00\x00\xc0")


def test_half_a_surrogate_pair_cannot_be_sent() -> None:
    with pytest.raises(UnicodeEncodeError):
        frames.pack(frames.Embed(1, Priority.AGENT, ["\ud800"], "query"))
