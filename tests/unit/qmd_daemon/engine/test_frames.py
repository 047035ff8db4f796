from __future__ import annotations

import asyncio
import socket
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.engine import frames

MESSAGES = {
    frames.Load("ct2", "all-minilm-l6-v2", "/models", "auto", 0),
    frames.Drop(3),
    frames.Ping(),
    frames.Loading("converting"),
    frames.Ready("cpu", "int8", ""),
    frames.Refused("no_model", "It is not there.", "Install it."),
    frames.Embedded(1, b"\x00" * 8),
    frames.Failed(1, "deadline", "Too late.", ""),
    frames.Pong(1.5),
}
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


@given(
    st.lists(st.builds(frames.Embed, st.integers(0, 2**63), texts, st.just("query"), st.sampled_from(frames.Priority)))
)
def test_embeds_arrive_as_they_were_sent(messages: list[frames.Embed]) -> None:
    assert to_worker(*messages) == messages


async def test_every_message_goes_its_way() -> None:
    down, up = typing.get_args(frames.ToWorker), typing.get_args(frames.FromWorker)
    down_sent = [message for message in MESSAGES if isinstance(message, down)]
    up_sent = [message for message in MESSAGES if isinstance(message, up)]
    assert to_worker(*down_sent) == down_sent
    assert await from_worker(b"".join(frames.pack(message) for message in up_sent)) == up_sent


@given(st.integers(0, 30))
async def test_a_frame_that_is_cut_off_is_the_end(cut: int) -> None:
    whole, part = frames.pack(frames.Pong(0.5)), frames.pack(frames.Loading("a reason that is long enough"))
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
        frames.pack(frames.Embed(1, ["\ud800"], "query", frames.Priority.AGENT))
