"""Every directory, socket, port and lock of the program, in one place.

Standard library only: `qmd search` imports this and pays for nothing else.

`QMD_HOME=DIR` moves everything below DIR. Otherwise the XDG directories are used. The runtime
directory must come out the same for a client in tmux, cron or ssh, where `XDG_RUNTIME_DIR` is
missing, so it falls back on what the user id alone decides.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from ipc import project
from ipc.errors import QmdError

HTTP_HOST = "127.0.0.1"
HTTP_PORT = 18765
DEFAULT_INDEX = "index"
# sun_path is 108 bytes with its terminating zero; libzmq refuses longer paths.
SOCKET_PATH_MAX_BYTES = 107
_LONGEST_SOCKET_NAME = "events.sock"


class Paths(NamedTuple):
    """Where this installation keeps things. Build it with `from_environment`."""

    config: str
    data: str
    state: str
    cache: str
    runtime: str
    http_port: int = HTTP_PORT

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> Paths:
        """Read QMD_HOME, QMD_HTTP_PORT and the XDG variables. Creates nothing.

        Raises QmdError("invalid") when QMD_HTTP_PORT is not a port (0 means: any free one).
        """
        port = _port(env.get("QMD_HTTP_PORT", ""))
        home = env.get("QMD_HOME", "")
        if home:
            root = os.path.abspath(os.path.expanduser(home))
            config, data, state, cache = (os.path.join(root, d) for d in ("config", "data", "state", "cache"))
            return cls(config, data, state, cache, _short(os.path.join(root, "run")), port)

        def xdg(variable: str, default: str) -> str:
            base = env.get(variable, "")
            if not os.path.isabs(base):  # the specification: a relative path is to be ignored
                base = os.path.join(os.path.expanduser("~"), default)
            return os.path.join(base, "qmd")

        return cls(
            xdg("XDG_CONFIG_HOME", ".config"),
            xdg("XDG_DATA_HOME", ".local/share"),
            xdg("XDG_STATE_HOME", ".local/state"),
            xdg("XDG_CACHE_HOME", ".cache"),
            _short(_runtime(env)),
            port,
        )

    # sockets and locks
    @property
    def rpc(self) -> str:
        return f"ipc://{self.runtime}/rpc.sock"

    @property
    def events(self) -> str:
        return f"ipc://{self.runtime}/events.sock"

    @property
    def daemon_lock(self) -> str:
        """Held for the daemon's life. Beside the data it guards, so that no second runtime directory can defeat it."""
        return os.path.join(self.data, "daemon.lock")

    @property
    def launch_lock(self) -> str:
        return os.path.join(self.data, "launch.lock")

    # files
    @property
    def config_file(self) -> str:
        return os.path.join(self.config, "config.toml")

    @property
    def log_file(self) -> str:
        return os.path.join(self.state, "daemon.log")

    @property
    def crash_file(self) -> str:
        """What the launched daemon wrote to stderr: a start that failed before there was a log."""
        return os.path.join(self.state, "daemon.stderr")

    @property
    def grants_file(self) -> str:
        """Who may ask from elsewhere: hashes of tokens, and public keys."""
        return os.path.join(self.data, "access.json")

    @property
    def server_key_file(self) -> str:
        """The daemon's own CURVE key, for ZeroMQ over TCP."""
        return os.path.join(self.data, "server.key")

    @property
    def client_key_file(self) -> str:
        """The key for a daemon elsewhere, where no other is named."""
        return os.path.join(self.config, "client.key")

    @property
    def models(self) -> str:
        return os.path.join(self.data, "models")

    def collections_file(self, index: str = DEFAULT_INDEX) -> str:
        """The index.yml. `index` is a name, or the path of a project's own index (`ipc.project`)."""
        if project.is_local(index):
            return project.config_file(project.check(index))
        return os.path.join(self.config, f"{check_index_name(index)}.yml")

    def index_dir(self, index: str = DEFAULT_INDEX) -> str:
        """Holds `index.sqlite` (the truth), `lexical/` and `vectors/` (derived from it)."""
        if project.is_local(index):
            return project.check(index)
        return os.path.join(self.data, "indexes", check_index_name(index))

    def database(self, index: str = DEFAULT_INDEX) -> str:
        return os.path.join(self.index_dir(index), "index.sqlite")


def check_index_name(name: str) -> str:
    """Return the name; raise QmdError("invalid") when it could leave its directory."""
    if not name or len(name) > 64 or name[0] in ".-" or not all(c.isalnum() or c in "._-" for c in name):
        raise QmdError("invalid", f"{name!r} is not an index name.", "Use letters, digits, '.', '_' and '-'.")
    return name


def private_dir(path: str) -> str:
    """Make the directory, mode 0700, and return it.

    Raises QmdError("unavailable") when it cannot be made, is not a directory, or is somebody else's.
    """
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode) and found.st_uid == os.getuid():
            found = os.stat(path)  # data on a larger disk, configuration kept with the other dotfiles
    except OSError as error:
        raise QmdError(
            "unavailable", f"Cannot use the directory {path}: {error.strerror}.", "Set QMD_HOME to one that is yours."
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        # Another user's link would let them decide where our sockets are.
        raise QmdError("unavailable", f"{path} is not a directory.", "Remove it, or set QMD_HOME.")
    if found.st_uid != os.getuid():
        raise QmdError("unavailable", f"{path} belongs to user {found.st_uid}, not to you.", "Set QMD_HOME.")
    if found.st_mode & 0o077:
        os.chmod(path, 0o700)
    return path


def _port(text: str) -> int:
    if not text:
        return HTTP_PORT
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise QmdError("invalid", f"QMD_HTTP_PORT={text!r} is not a port.", "Use a number from 0 to 65535.")
    return int(text)


def _runtime(env: Mapping[str, str]) -> str:
    base = env.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(base) and os.path.isdir(base):
        return os.path.join(base, "qmd")
    login = f"/run/user/{os.getuid()}"
    return os.path.join(login, "qmd") if os.path.isdir(login) else _fallback()


def _short(runtime: str) -> str:
    """The directory itself, or, where a socket's path in it would be too long, a short one that it decides."""
    longest = os.fsencode(os.path.join(runtime, _LONGEST_SOCKET_NAME))
    if len(longest) <= SOCKET_PATH_MAX_BYTES:
        return runtime
    return f"{_fallback()}-{zlib.crc32(os.fsencode(runtime)):08x}"


def _fallback() -> str:
    # Predictable, so that every client finds it; safe, because `private_dir` refuses another user's directory.
    return f"/tmp/qmd-{os.getuid()}"  # noqa: S108
