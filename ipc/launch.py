"""Find the daemon, or start it: whoever comes first launches, everybody else waits and connects.

"Alive" is only ever a ping answered in time. The launch lock lets one client start the daemon while
the others wait; the daemon's own lock, held for its life, has the last word on who serves.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple, Self

from ipc import service, transport
from ipc.curve import Keys
from ipc.errors import DaemonUnreachable, ProtocolMismatch, QmdError
from ipc.holder import EXIT_ALREADY_RUNNING, is_locked, open_lock, read_holder
from ipc.paths import Paths, private_dir
from ipc.protocol import PROTOCOL_VERSION, Done, Pong, Shutdown
from ipc.sync import SyncClient

PING_S = 2.0
_POLL_S = 0.05
_LOG_LINES = 10


class Endpoint(NamedTuple):
    """A daemon that has answered, and is ready; or one elsewhere, which has `keys` and nothing else than `rpc`."""

    rpc: str
    events: str = ""
    pid: int = 0
    http: str = ""
    keys: Keys | None = None

    def connect(self) -> SyncClient:
        """A client of it, to be entered."""
        return SyncClient(self.rpc, self.keys)


def find_daemon(paths: Paths, timeout_s: float = PING_S) -> Endpoint | None:
    """The daemon that answers a ping within `timeout_s`, ready or not; None when there is none.

    Raises ProtocolMismatch when it speaks another protocol.
    """
    found = _ping(paths, timeout_s)
    return found[0] if found else None


def ensure_daemon(
    paths: Paths,
    *,
    wait_s: float = 60.0,
    on_wait: Callable[[str], None] = lambda _: None,
    env: Mapping[str, str] = os.environ,
) -> Endpoint:
    """The daemon, started if there is none. Blocks until it is ready.

    `on_wait` gets a phrase for each thing that is waited for. `env` is the environment that `paths` came
    from: the daemon is started with it, so that it finds the same.
    Raises ProtocolMismatch, or DaemonUnreachable with the last lines of the log.
    """
    private_dir(paths.data)
    private_dir(paths.state)
    with _Launch(paths, env, on_wait) as launch:
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if endpoint := launch.step():
                return endpoint
        raise launch.failure(f"The daemon was not ready within {wait_s:g} s.")


def stop_daemon(paths: Paths, *, wait_s: float = 15.0) -> int:
    """Ask the daemon to stop, and wait until it has let go of its lock. Returns its pid; 0 when there was none.

    Works with a daemon of any protocol version. Raises DaemonUnreachable when it does not stop in time.
    """
    deadline = time.monotonic() + wait_s
    found = _ping(paths, PING_S, any_version=True)
    if found is None:
        if is_locked(paths.daemon_lock):
            raise DaemonUnreachable(
                f"A daemon{_who(paths)} holds the lock and answers no ping.", "End that process yourself."
            )
        return 0
    endpoint, _ = found
    with SyncClient(endpoint.rpc) as client:
        client.call(Shutdown(), Done, timeout_s=wait_s)
    while is_locked(paths.daemon_lock):
        if time.monotonic() > deadline:
            raise DaemonUnreachable(
                f"The daemon (pid {endpoint.pid}) has not stopped within {wait_s:g} s.", "End that process yourself."
            )
        time.sleep(_POLL_S)
    return endpoint.pid


class _Launch:
    """One client's way to a daemon that is ready, in steps that each take well under a second."""

    def __init__(self, paths: Paths, env: Mapping[str, str], on_wait: Callable[[str], None]) -> None:
        self._paths = paths
        self._env = dict(env)
        if home := self._env.get("QMD_HOME"):
            self._env["QMD_HOME"] = os.path.abspath(os.path.expanduser(home))  # the daemon starts in /
        self._on_wait = on_wait
        self._said = ""
        self._child: subprocess.Popen[bytes] | None = None
        self._systemd: service.Start | None = None
        self._starting = "the daemon to start"
        self._pause_s = _POLL_S
        self._has_lock = False

    def __enter__(self) -> Self:
        self._lock = open_lock(self._paths.launch_lock)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)  # and with it the lock
        if self._systemd is not None:
            self._systemd.close()
        if self._child is not None and self._child.returncode is None:
            # It is to live on. Somebody has to read its exit code, or it stays a zombie after `qmd stop`.
            threading.Thread(target=self._child.wait, daemon=True, name="reap-daemon").start()

    def step(self) -> Endpoint | None:
        """Look once. Returns the endpoint of a daemon that is ready."""
        if found := _ping(self._paths, PING_S):
            endpoint, pong = found
            if pong.ready:
                return endpoint
            self._wait(f"the daemon, which is {pong.state}")
        elif self._child is not None:
            self._watch_child(self._child)
        elif not self._has_lock:
            # Look again before anything is started: whoever had the lock may have been quicker.
            self._has_lock = self._try_lock()
            if not self._has_lock:
                self._wait("another program to start the daemon")
        else:
            self._start()
        return None

    def failure(self, message: str) -> DaemonUnreachable:
        """The error to raise: with who holds the lock, or what the daemon last said."""
        if is_locked(self._paths.daemon_lock):
            who = f"A daemon{_who(self._paths)} holds the lock and is not ready."
            return DaemonUnreachable(f"{message} {who}", "Stop it with `qmd stop`, or end that process.")
        lines = _last_lines(self._paths.crash_file) or "(it said nothing)"
        return DaemonUnreachable(f"{message}\n{lines}\n", f"The log is {self._paths.log_file}.")

    def _start(self) -> None:
        """Have systemd start it, where it is a service; else, and when that does not work, start it."""
        if self._systemd is None and service.enabled(self._paths, self._env):
            self._systemd = service.Start(self._env)
        why = self._systemd.failure() if self._systemd else ""
        if self._systemd is not None and not why:
            self._wait("systemd to start the daemon")
            return
        if why:
            self._starting = f"the daemon to start; systemd has not started it: {why}"
        self._child = self._spawn()
        self._wait(self._starting)

    def _watch_child(self, child: subprocess.Popen[bytes]) -> None:
        self._wait(self._starting)
        code = child.poll()
        if code is None:
            return
        if code != EXIT_ALREADY_RUNNING:
            raise self.failure(f"The daemon ended with exit code {code} before it was ready.")
        # Another one holds the lock: it is starting, or ending. Ask again, and try again, less and less often.
        self._child = None
        self._pause_s = min(2 * self._pause_s, 2.0)

    def _wait(self, what: str) -> None:
        if what != self._said:
            self._said = what
            self._on_wait(what)
        time.sleep(self._pause_s)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _spawn(self) -> subprocess.Popen[bytes]:
        private_dir(self._paths.runtime)  # its own complaint would only be found in a log
        # -P: the directory it starts in is no place to import from.
        command = [sys.executable, "-P", "-m", "qmd_daemon", "--detached"]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        crash = os.open(self._paths.crash_file, flags, 0o600)
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=crash,
                stderr=crash,
                cwd="/",  # or it would keep a file system from being unmounted
                env=self._env,
                start_new_session=True,  # so that the terminal's Ctrl-C and hang-up are not the daemon's
                close_fds=True,
            )
        except OSError as error:
            raise DaemonUnreachable(f"Cannot start {sys.executable}: {error.strerror}.") from None
        finally:
            os.close(crash)


def _ping(paths: Paths, timeout_s: float, *, any_version: bool = False) -> tuple[Endpoint, Pong] | None:
    """Ask for a sign of life where the lock's holder says that it listens, else where it should."""
    holder = read_holder(paths.daemon_lock)
    places = [(paths.rpc, paths.events)]
    if holder is not None and holder.rpc != paths.rpc:
        places.insert(0, (holder.rpc, holder.events))
    for rpc, events in places:
        pong = _ping_at(rpc, timeout_s)
        if pong is None:
            continue
        if pong.protocol != PROTOCOL_VERSION and not any_version:
            raise ProtocolMismatch(
                f"The daemon (pid {pong.pid}, version {pong.version}) speaks protocol {pong.protocol}, "
                f"this program {PROTOCOL_VERSION}."
            )
        return Endpoint(rpc, events, pong.pid, pong.http), pong
    return None


def _ping_at(rpc: str, timeout_s: float) -> Pong | None:
    try:
        if not transport.is_listening(rpc):
            return None
        with SyncClient(rpc) as client:
            return client.ping(timeout_s=timeout_s)
    except QmdError:
        return None


def _who(paths: Paths) -> str:
    holder = read_holder(paths.daemon_lock)
    return f" (pid {holder.pid})" if holder else ""


def _last_lines(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-_LOG_LINES:]).strip()
    except OSError:
        return ""
