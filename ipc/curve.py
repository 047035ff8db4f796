"""CURVE: who is at the other end of a TCP connection, and nobody reads along.

A client has one file, which `qmd keys create` has written: the daemon's public key, and a pair of its own. Both sides
prove with each connection that they have their secret half, with numbers that are new each time: what somebody has
recorded is worth nothing.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Annotated, Any

import msgspec
import zmq
from msgspec import Meta, Struct

from ipc.errors import QmdError

# A key in Z85: 32 bytes as 40 characters.
Z85 = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}$")]
_TCP = re.compile(r"tcp://\S+:\d{1,5}")
# A peer that is cut off, rather than closed, is noticed after so long.
_HEARTBEAT_MS = 15_000
_SILENCE_MS = 45_000
# Whoever has not proved who he is by then is not waited for.
_HANDSHAKE_MS = 10_000


class Keys(Struct, frozen=True, kw_only=True):
    """What a client needs: the daemon's public key, and both halves of its own."""

    server: Z85
    public: Z85
    secret: Z85


def is_tcp(address: str) -> bool:
    """Whether an address is that of a daemon elsewhere: `tcp://HOST:PORT`."""
    return bool(_TCP.fullmatch(address))


def read(path: str) -> Keys:
    """The keys in a file. Raises QmdError: not_found, or invalid: no key file, or one that others may read."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise QmdError("invalid", f"Others may read the key in {path}.", f"`chmod 600 {path}`")
            return msgspec.json.decode(file.read(), type=Keys)
    except FileNotFoundError:
        hint = "`qmd keys create --name NAME` makes one where the daemon is; bring it here, and name it with --key."
        raise QmdError("not_found", f"There is no key in {path}.", hint) from None
    except OSError as error:
        raise QmdError("invalid", f"Cannot read {path}: {error.strerror}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise QmdError("invalid", f"{path} is no key file.", "`qmd keys create --name NAME` makes one.") from None


def be_client(socket: zmq.Socket[Any], keys: Keys) -> None:
    """Have a socket that is not connected yet speak to the owner of `keys.server` alone."""
    socket.setsockopt(zmq.IPV6, 1)  # what has an address of the older kind alone is found, too
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
    _notice_silence(socket)


def be_server(socket: zmq.Socket[Any], secret: str, domain: str) -> None:
    """Have a socket that listens nowhere yet speak CURVE alone; `domain` is whom the authenticator is asked as."""
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, secret.encode())
    socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    _notice_silence(socket)


def _notice_silence(socket: zmq.Socket[Any]) -> None:
    socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _SILENCE_MS)
