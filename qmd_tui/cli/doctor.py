"""`qmd doctor`: a line for each thing that can be wrong, and what to do about it. Starts and changes nothing."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Iterator

from ipc import launch
from ipc.errors import QmdError
from ipc.finding import Finding, fail, ok, warn
from ipc.holder import is_locked, read_holder
from ipc.launch import Endpoint
from ipc.paths import Paths
from qmd_tui.output import findings, rows, streams
from qmd_tui.output.style import style_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="a JSON array of {check, state, message, hint}")


def run(args: argparse.Namespace, paths: Paths) -> int:
    """Exit code 0 when nothing has failed, else 1. A warning is no failure."""
    told: list[Finding] = []
    for finding in _examine(paths, args.index):
        told.append(finding)
        if not args.json:  # at once: a large index takes seconds to read
            streams.result(findings.line(finding, style_of()))
    if args.json:
        streams.result(rows.encode([one._asdict() for one in told]))
    return int(any(one.state == "fail" for one in told))


def _examine(paths: Paths, index: str) -> Iterator[Finding]:
    from qmd_daemon import offline

    daemon, finding = _daemon(paths)
    yield finding
    yield _port(paths, daemon)
    yield from _tcp(paths)
    yield _service()
    yield _hardening(daemon)
    if daemon is not None:
        yield from _devices(daemon)
    yield from offline.examine(paths, index=index)


def _daemon(paths: Paths) -> tuple[Endpoint | None, Finding]:
    """The daemon that answers, and how it is; locks and sockets that are left."""
    try:
        found = launch.find_daemon(paths)
    except QmdError as error:  # of another version
        return None, fail("daemon", error.message, error.hint)
    if found is not None:
        return found, ok("daemon", f"Process {found.pid} answers.")
    if is_locked(paths.daemon_lock):
        holder = read_holder(paths.daemon_lock)
        who = f"Process {holder.pid}" if holder else "A process"
        hint = f"It may be starting; look again. Else end it, and read {paths.log_file}."
        return None, fail("daemon", f"{who} holds the lock and answers no ping.", hint)
    if is_locked(paths.launch_lock):
        return None, warn("daemon", "It is being started.", "Look again in a moment.")
    left = [name for name in ("rpc.sock", "events.sock") if os.path.exists(os.path.join(paths.runtime, name))]
    if left:
        message = f"It does not run, and has left {' and '.join(left)} behind: it was killed."
        return None, warn("daemon", message, f"The next one replaces them. Why it ended may be in {paths.log_file}.")
    return None, ok("daemon", "It does not run; the first command that needs it starts it.")


def _port(paths: Paths, daemon: Endpoint | None) -> Finding:
    """Whether HTTP is served by us, or could be."""
    from qmd_daemon import offline

    try:
        wanted = offline.http_address(paths)
    except QmdError:  # the configuration has a line of its own
        return warn("port", "Nobody knows which one: the configuration is wrong.", "See below.")
    if wanted is None:
        return ok("port", "HTTP is switched off.")
    if daemon is not None and daemon.http:
        return ok("port", f"The daemon serves {daemon.http}.")
    return _wanted_port(*wanted, running=daemon is not None)


def _wanted_port(host: str, port: int, *, running: bool) -> Finding:
    if port == 0:
        return ok("port", "Any that is free.")
    if not _is_free(host, port):
        hint = "End who has it (`ss -ltnp`), or set QMD_HTTP_PORT; then `qmd stop`."
        return fail("port", f"{host}:{port} is taken by another program.", hint)
    if running:
        return warn("port", "The daemon serves no HTTP: the port was taken when it started.", "`qmd stop`.")
    return ok("port", f"{host}:{port} is free.")


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError:
        return False
    return True


def _tcp(paths: Paths) -> Iterator[Finding]:
    """Whether ZeroMQ for others, where that is asked for, can be served: nobody without a key is."""
    from qmd_daemon import offline

    try:
        address = offline.tcp_address(paths)
        keys = sum(not one["expired"] for one in offline.granted(paths, "key"))
    except QmdError:  # the configuration, or the file of grants, has a line of its own
        return
    if address and not keys:
        yield fail("tcp", f"Nobody has a key for {address}: the daemon does not start.", "`qmd keys create --name N`")
    elif address:
        yield ok("tcp", f"ZeroMQ for others on {address}; keys that are valid: {keys}.")


def _service() -> Finding:
    """Whether systemd keeps the daemon running."""
    from qmd_tui import systemctl

    if not systemctl.installed():
        return ok("service", "Not installed as a service: `qmd service install` would.")
    state = systemctl.state()
    if state == "failed":
        return fail("service", "systemd has given it up.", "`qmd service logs` says why.")
    return ok("service", f"Installed as a service: {state or 'systemd does not answer'}.")


def _hardening(daemon: Endpoint | None) -> Finding:
    """What protects the person's files from the service, should somebody take it over."""
    from qmd_tui import hardening, systemctl

    if not systemctl.installed():
        return ok(hardening.CHECK, "Not looked at: it is no service.")
    try:
        found = systemctl.properties(*hardening.PROPERTIES)
    except QmdError as error:
        return ok(hardening.CHECK, f"Not looked at: {error.message}")
    return hardening.examine(found, daemon.pid if daemon else 0)


def _devices(daemon: Endpoint) -> Iterator[Finding]:
    """Where models in memory are, and why not elsewhere."""
    from ipc.protocol import Ps

    try:
        with daemon.connect() as client:
            models = client.call_raw(Ps())["models"]
    except QmdError as error:
        yield fail("device", error.message, error.hint)
        return
    for model in models:
        where = f"{model['role']}: {model['name']}, {model['device'] or model['state']}"
        told = f"{where}: {model['reason']}" if model["reason"] else f"{where}."
        if model["fallback"] or model["state"] in {"missing", "failed"}:
            yield warn("device", told, model["hint"] or "See `qmd ps`.")
        else:
            yield ok("device", told)
