"""Who may ask from elsewhere, and for what: tokens over HTTP, keys over ZeroMQ. One file, for its owner alone.

Of a token only a hash is kept: it is 32 random bytes, so that a fast hash is as good as a slow one. Of a key the
public half is kept, which is no secret. The daemon looks at the file at every request, so that what was revoked is
refused at once. Standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX, Paths, check_index_name, private_dir

_PREFIX = "qmd"
_SECRET_BYTES = 32
_ID_BYTES = 4
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m|h)")
_SPAN = re.compile(r"(\d+)(s|m|h|d|w)")
_NAME = re.compile(r"[\w.-]{1,64}")
# What an unknown token is compared with, so that it takes as long as a known one.
_NOBODY = "0" * 64


@dataclass(frozen=True)
class Grant:
    """What one token or key allows. `collections` empty: all of its index. Times are seconds since the epoch.

    `check` is the SHA-256 of a token, or a CURVE public key. `rate` is in requests a second; 0 is no limit.
    `expires_at` 0: never.
    """

    id: str
    name: str
    kind: Literal["token", "key"]
    check: str
    index: str = DEFAULT_INDEX
    collections: tuple[str, ...] = ()
    read_only: bool = False
    rate: float = 0.0
    created_at: float = 0.0
    expires_at: float = 0.0

    def expired(self, now: float) -> bool:
        return bool(self.expires_at) and now >= self.expires_at

    def covers(self, collection: str) -> bool:
        return not self.collections or collection in self.collections


class Grants:
    """The file, read again whenever it has changed."""

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._seen: tuple[int, int, int] | None = None
        self._grants: tuple[Grant, ...] = ()

    def all(self) -> tuple[Grant, ...]:
        """Every grant, expired ones as well. Raises QmdError("unavailable") when the file cannot be read."""
        try:
            stat = os.stat(self._path)
        except FileNotFoundError:
            self._seen, self._grants = None, ()
            return ()
        seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if seen != self._seen:
            self._grants = tuple(_read(self._path))
            self._seen = seen
        return self._grants

    def valid(self, kind: Literal["token", "key"]) -> list[Grant]:
        now = self._clock()
        return [one for one in self.all() if one.kind == kind and not one.expired(now)]

    def of_token(self, token: str) -> Grant:
        """Whose token it is. Raises QmdError("unauthorized") for one that is unknown, revoked or expired.

        Takes the same time for every token that is not valid, but for the length of the list.
        """
        digest = _digest(token)
        found = None
        for one in self.all():
            if hmac.compare_digest(one.check if one.kind == "token" else _NOBODY, digest):
                found = one
        if found is None:
            raise QmdError("unauthorized", "This token is not known.", "`qmd token create` makes one.")
        if found.expired(self._clock()):
            raise QmdError("unauthorized", f"The token {found.name!r} has expired.", "`qmd token create` makes one.")
        return found

    def of_key(self, public: str) -> Grant | None:
        """Whose key it is; None when it is unknown, revoked or expired."""
        return next((one for one in self.valid("key") if one.check == public), None)

    def check(self, grant: Grant) -> None:
        """Raises QmdError("unauthorized") when it has been revoked, or has expired, since it was looked up."""
        if all(one.id != grant.id for one in self.valid(grant.kind)):
            raise QmdError("unauthorized", f"The {grant.kind} {grant.name!r} is not valid any more.")


def create(paths: Paths, name: str, **limits: Any) -> tuple[Grant, str]:
    """A new token: what it allows, and the token itself, which nobody can be told again. Raises as `add` does."""
    number = secrets.token_hex(_ID_BYTES)
    token = f"{_PREFIX}_{number}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return add(paths, name, "token", _digest(token), number=number, **limits), token


def add(
    paths: Paths,
    name: str,
    kind: Literal["token", "key"],
    check: str,
    *,
    number: str = "",
    index: str = DEFAULT_INDEX,
    collections: Sequence[str] = (),
    read_only: bool = False,
    rate: str = "",
    expires: str = "",
) -> Grant:
    """Remember a grant. Raises QmdError: `invalid`, or `conflict` for a name that is taken."""
    now = time.time()
    if not _NAME.fullmatch(name):
        raise QmdError("invalid", f"{name!r} is not a name.", "Use letters, digits, '.', '_' and '-'.")
    grant = Grant(
        id=number or secrets.token_hex(_ID_BYTES),
        name=name,
        kind=kind,
        check=check,
        index=check_index_name(index),
        collections=tuple(dict.fromkeys(collections)),
        read_only=read_only,
        rate=per_second(rate),
        created_at=now,
        expires_at=now + span_s(expires) if expires else 0.0,
    )
    with _edited(paths) as grants:
        if any(one.name == name and one.kind == kind for one in grants):
            raise QmdError("conflict", f"There is a {kind} {name!r} already.", "Revoke it, or choose another name.")
        grants.append(grant)
    return grant


def revoke(paths: Paths, name: str, kind: Literal["token", "key"]) -> bool:
    """Forget a grant, by name or id; False when there is none."""
    with _edited(paths) as grants:
        left = [one for one in grants if one.kind != kind or name not in {one.name, one.id}]
        revoked = len(left) < len(grants)
        grants[:] = left
    return revoked


def per_second(text: str) -> float:
    """`10/s`, `300/m` -> requests a second; "" -> 0. Raises QmdError("invalid")."""
    found = _RATE.fullmatch(text)
    if text and not found:
        raise QmdError("invalid", f"{text!r} is not a rate.", "Such as 10/s, 300/m or 1000/h.")
    if not found:
        return 0.0
    if not (number := float(found[1])):
        raise QmdError("invalid", "A rate of nothing lets nobody in.", "`revoke` does that.")
    return number / _UNITS_S[found[2]]


def span_s(text: str) -> float:
    """`90d`, `12h` -> seconds. Raises QmdError("invalid")."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise QmdError("invalid", f"{text!r} is not a time span.", "Such as 12h, 90d or 26w.")
    return float(found[1]) * _UNITS_S[found[2]]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _read(path: str) -> Iterator[Grant]:
    try:
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
        for row in rows:
            yield Grant(**{**row, "collections": tuple(row["collections"])})
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError) as error:
        # Nobody is let in on a guess.
        raise QmdError(
            "unavailable", f"{path} cannot be read: {error}.", "Move it away, and make new tokens."
        ) from None


@contextmanager
def _edited(paths: Paths) -> Iterator[list[Grant]]:
    """The grants, to be changed; written back when the body ends without an error. One writer at a time."""
    private_dir(paths.data)
    path = paths.grants_file
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        grants = list(_read(path))
        yield grants
        new = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(new, "w", encoding="utf-8") as file:
            json.dump([asdict(one) for one in grants], file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
    finally:
        os.close(lock)
