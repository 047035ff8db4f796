"""CURVE keys: the daemon's own pair, made with the first client's, and the clients' files.

Of a client's pair only the public half is kept here, among the grants; its secret is in the file alone that is written.
"""

from __future__ import annotations

import json
import os
from typing import Any

import zmq

from ipc.errors import QmdError
from ipc.paths import Paths, private_dir
from qmd_daemon import grants
from qmd_daemon.grants import Grant


def server_secret(paths: Paths) -> str:
    """The daemon's secret key, in Z85. Raises QmdError: not_found before the first `create`, or unavailable."""
    return _server(paths.server_key_file)["secret"]


def create(paths: Paths, name: str, file: str, **limits: Any) -> Grant:
    """A new key, written to `file`, which must not be there yet, with mode 0600. `limits` are those of `grants.add`.

    Raises QmdError: conflict (the name or the file is taken), invalid, unavailable.
    """
    server = _make_server(paths)
    public, secret = (half.decode() for half in zmq.curve_keypair())
    _write(file, {"server": server["public"], "public": public, "secret": secret})
    try:
        return grants.add(paths, name, "key", public, **limits)
    except BaseException:
        os.unlink(file)  # a key to no door
        raise


def _make_server(paths: Paths) -> dict[str, str]:
    """The daemon's pair, made now if there is none."""
    private_dir(paths.data)
    if not os.path.exists(paths.server_key_file):
        public, secret = (half.decode() for half in zmq.curve_keypair())
        new = f"{paths.server_key_file}.{os.getpid()}"
        _write(new, {"public": public, "secret": secret})
        try:
            os.link(new, paths.server_key_file)
        except FileExistsError:
            pass  # somebody else was quicker, and there is one pair only
        finally:
            os.unlink(new)
    return _server(paths.server_key_file)


def _server(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            pair = json.load(file)
        return {half: str(pair[half]) for half in ("public", "secret")}
    except FileNotFoundError:
        raise QmdError("not_found", "The daemon has no key yet.", "`qmd keys create` makes it.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        hint = "Move it away, and make all keys anew with `qmd keys create`."
        raise QmdError("unavailable", f"{path} cannot be read: {error}.", hint) from None


def _write(path: str, content: dict[str, str]) -> None:
    """A new file, for its owner alone."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, 0o600)
            json.dump(content, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(fd)
    except FileExistsError:
        raise QmdError("conflict", f"There is a file {path} already.", "Choose another with --file.") from None
    except OSError as error:
        raise QmdError(
            "unavailable", f"Cannot write {path}: {error.strerror}.", "Choose another with --file."
        ) from None
