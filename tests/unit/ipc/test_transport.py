from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from ipc import transport
from ipc.errors import QmdError
from ipc.paths import Paths, private_dir
from ipc.protocol import MAX_MESSAGE_BYTES


class Open:
    """Sockets that are closed when the test ends."""

    def __init__(self) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self._sockets: list[Any] = []

    def router(self) -> Any:
        return self._keep(self.context.socket(zmq.ROUTER))

    def peer(self, kind: int, address: str) -> Any:
        return self._keep(transport.connect(self.context, kind, address))

    def _keep(self, socket: Any) -> Any:
        self._sockets.append(socket)
        return socket

    def close(self) -> None:
        for opened in self._sockets:
            opened.close(0)
        self.context.term()


@pytest.fixture
def opened() -> Iterator[Open]:
    sockets = Open()
    yield sockets
    sockets.close()


@pytest.fixture
def address(home: Paths) -> str:
    private_dir(home.runtime)
    return home.rpc


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER])
def test_a_reply_finds_its_way_to_both_kinds_of_peers(opened: Open, address: str, kind: int) -> None:
    router = opened.router()
    transport.Listener(router, address)
    peer = opened.peer(kind, address)
    peer.send(b"ask")
    sender, parts = transport.read_frames(router.recv_multipart())
    assert parts == [b"ask"]
    assert sender.delimited == (kind == zmq.REQ)
    router.send_multipart(sender.frames(b"answer", b"vectors"))
    assert peer.recv_multipart() == [b"answer", b"vectors"]


@pytest.mark.parametrize(
    ("frames", "delimited", "parts"),
    [
        ([b"i"], False, []),
        ([b"i", b""], False, [b""]),
        ([b"i", b"", b"x"], True, [b"x"]),
        ([b"i", b"x", b"y"], False, [b"x", b"y"]),
        ([b"i", b"", b"", b"x"], True, [b"", b"x"]),
    ],
)
def test_frames(frames: list[bytes], delimited: bool, parts: list[bytes]) -> None:
    assert transport.read_frames(frames) == (transport.Peer(b"i", delimited), parts)


@pytest.mark.parametrize(
    ("parts", "code"),
    [([], "malformed"), ([b"{}", b"{}"], "malformed"), ([b" " * (MAX_MESSAGE_BYTES + 1)], "too_large")],
)
def test_a_request_is_one_frame_of_limited_size(parts: list[bytes], code: str) -> None:
    with pytest.raises(QmdError) as caught:
        transport.check_frames(parts)
    assert caught.value.code == code


class TestListener:
    def test_its_file_is_for_the_owner_alone(self, opened: Open, address: str) -> None:
        transport.Listener(opened.router(), address)
        assert stat.S_IMODE(os.stat(transport.path_of(address)).st_mode) == 0o600

    def test_it_does_not_steal_the_address_of_another(self, opened: Open, address: str) -> None:
        transport.Listener(opened.router(), address)
        with pytest.raises(QmdError, match="Cannot listen"):
            transport.Listener(opened.router(), address)

    def test_it_removes_its_file(self, opened: Open, address: str) -> None:
        listener = transport.Listener(opened.router(), address)
        listener.remove()
        listener.remove()
        assert not os.path.exists(transport.path_of(address))

    def test_it_leaves_the_file_of_whoever_came_after(self, opened: Open, address: str) -> None:
        old, new = opened.router(), opened.router()
        listener = transport.Listener(old, address)
        os.unlink(transport.path_of(address))
        transport.Listener(new, address)
        listener.remove()
        old.close()
        assert transport.is_listening(address)

    def test_what_somebody_listens_on_is_not_stale(self, opened: Open, address: str) -> None:
        transport.Listener(opened.router(), address)
        with pytest.raises(QmdError) as caught:
            transport.unlink_stale(address)
        assert caught.value.code == "conflict"
        assert transport.is_listening(address)

    def test_a_path_that_is_too_long_is_an_error(self, opened: Open, tmp_path: object) -> None:
        with pytest.raises(QmdError) as caught:
            transport.Listener(opened.router(), f"ipc://{tmp_path}/{'x' * 120}")
        assert caught.value.code == "unavailable"


class TestIsListening:
    def test_nothing_there(self, address: str) -> None:
        assert not transport.is_listening(address)

    def test_a_stale_socket(self, address: str) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(transport.path_of(address))
        assert not transport.is_listening(address)
        transport.unlink_stale(address)
        transport.unlink_stale(address)

    def test_an_ordinary_file(self, address: str) -> None:
        with open(transport.path_of(address), "w", encoding="utf-8"):
            pass
        assert not transport.is_listening(address)

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
    def test_a_socket_of_somebody_else_is_nobody(self, opened: Open, address: str) -> None:
        transport.Listener(opened.router(), address)
        os.chown(transport.path_of(address), 12345, 12345)
        assert not transport.is_listening(address)


def test_only_unix_sockets_are_spoken() -> None:
    with pytest.raises(QmdError):
        transport.path_of("tcp://127.0.0.1:1")
