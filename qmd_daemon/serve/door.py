"""The door of HTTP: by which name this machine is asked, from which page, and with which token."""

from __future__ import annotations

import ipaddress
import socket

from aiohttp import web

from ipc.errors import QmdError
from qmd_daemon.config import HttpConfig
from qmd_daemon.grants import Grants
from qmd_daemon.serve import audit, errors
from qmd_daemon.serve.caller import Caller

# What proxies add: whoever asks then is not on this machine, though the connection comes from it.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
# Load balancers have no token, and are told no more than yes or no.
_PROBES = frozenset({"/health", "/ready"})
PROBING = Caller("probe")


class Door:
    """Says who a request is of. Tokens are looked up at each: what is revoked is refused at once."""

    def __init__(self, config: HttpConfig, grants: Grants) -> None:
        self._config = config
        self._grants = grants
        self._open = errors.is_loopback(config.host)  # to this machine alone, so that nobody needs a token
        self._names = {name.lower() for name in (*config.hosts, *([] if self._open else [socket.gethostname()]))}

    def check_address(self) -> None:
        """Raises QmdError("invalid") when others could ask here, and nobody has a token."""
        if not self._open and not self._grants.valid("token"):
            raise QmdError(
                "invalid",
                f"HTTP on {self._config.host!r} is for others, and nobody has a token.",
                "Make one with `qmd token create --name NAME`, or set [http] host to 127.0.0.1.",
            )

    def admit(self, request: web.Request) -> Caller:
        """Who asks. Raises QmdError: forbidden (Host, Origin) or unauthorized (the token)."""
        try:
            errors.refuse_strangers(request, self._is_ours)
            return self._caller(request)
        except QmdError as error:
            audit.refused(request.remote or "", request.path, error.code, error.message)
            raise

    def _caller(self, request: web.Request) -> Caller:
        given = request.headers.get("Authorization")
        if given is not None:
            scheme, _, token = given.partition(" ")
            if scheme.lower() == "bearer" and token.startswith("qmd_"):
                grant = self._grants.of_token(token.strip())
                return Caller(f"token:{grant.id}", grant)
        if self._needs_token(request):
            if request.path in _PROBES:
                return PROBING
            message = "This token is not one of QMD." if given else "A token is needed."
            raise QmdError("unauthorized", message, "Send `Authorization: Bearer TOKEN`; `qmd token create` makes one.")
        return Caller(f"http:{request.remote}")

    def _needs_token(self, request: web.Request) -> bool:
        forwarded = any(name in request.headers for name in _FORWARDED)
        return not self._open or self._config.require_token or forwarded

    def _is_ours(self, host: str) -> bool:
        """A page that has made a name of its own point here does not know ours; an address cannot be made to."""
        return errors.is_loopback(host) or host in self._names or (not self._open and _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
