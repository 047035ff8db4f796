from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from ipc import transport
from ipc.link import Link
from ipc.paths import Paths, private_dir

WAIT_S = 10.0


class Peer:
    """The other end: a ROUTER that the test answers with by hand."""

    def __init__(self, context: zmq.Context[Any], address: str) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.listener = transport.Listener(self.socket, address)

    def go(self) -> None:
        self.socket.close()
        self.listener.remove()


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def peer(context: zmq.Context[Any], home: Paths) -> Iterator[Peer]:
    private_dir(home.runtime)
    peer = Peer(context, home.rpc)
    yield peer
    peer.go()


@pytest.fixture
def link(context: zmq.Context[Any], home: Paths, peer: Peer) -> Iterator[Link]:
    link = Link(context, home.rpc)
    yield link
    link.close()


def wait_for(link: Link, what: str) -> None:
    while not getattr(link, what):
        assert link.wait(WAIT_S), f"the link is not {what}"
        link.pump()


def test_what_arrived_before_the_loss_is_not_lost(link: Link, peer: Peer, context: zmq.Context[Any]) -> None:
    """The reply to `shutdown` is the last thing that a daemon says."""
    wait_for(link, "up")
    link.send(b"question")
    identity, question = peer.socket.recv_multipart()
    peer.socket.send_multipart([identity, b"answer"])
    monitor = peer.socket.get_monitor_socket(zmq.EVENT_CLOSED)
    peer.go()
    assert monitor.poll(int(WAIT_S * 1000))
    monitor.close()
    wait_for(link, "lost")
    assert question == b"question"
    assert list(link.inbox) == [[b"answer"]]
    assert not link.up


def test_nothing_is_up_before_somebody_listens(context: zmq.Context[Any], home: Paths) -> None:
    link = Link(context, home.rpc)
    link.pump()
    assert (link.up, link.lost, link.wait(0)) == (False, False, False)
    link.close()


def test_what_was_sent_to_a_daemon_that_died_reaches_no_later_one(
    peer: Peer, context: zmq.Context[Any], home: Paths
) -> None:
    link = Link(context, home.rpc)
    wait_for(link, "up")
    peer.go()
    link.send(b"for the dead")  # the link does not know yet
    wait_for(link, "lost")
    link.close()
    later, again = Peer(context, home.rpc), Link(context, home.rpc)
    wait_for(again, "up")
    again.send(b"for the living")
    assert later.socket.recv_multipart()[1] == b"for the living"
    again.close()
    later.go()
