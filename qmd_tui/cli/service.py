"""`qmd service`: the daemon as a service of this person, kept running by systemd."""

from __future__ import annotations

import argparse
import os

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.service import SOCKET, UNIT, directory
from qmd_tui import systemctl
from qmd_tui.cli.parser import whole_number
from qmd_tui.output import streams


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = actions.add_parser(
        "install", help="write the units, and have systemd start the daemon, now and from now on"
    )
    install.add_argument(
        "--socket", action="store_true", help="open the HTTP port only; the first request starts the daemon"
    )
    actions.add_parser("uninstall", help="stop it, and take the units away")
    actions.add_parser("status", help="what systemd says of it; exit code 0 when it runs, else 1")
    logs = actions.add_parser("logs", help="what it has written")
    logs.add_argument("-n", metavar="N", type=whole_number, default=50, help="the last N lines (50)")
    logs.add_argument("-f", "--follow", action="store_true", help="and what comes")


def run(args: argparse.Namespace, paths: Paths) -> int:
    if args.action == "install":
        return _install(paths, activated=args.socket)
    if args.action == "uninstall":
        return _uninstall()
    if not systemctl.installed():
        raise QmdError("not_found", "There is no service of this program.", "`qmd service install` makes one.")
    if args.action == "status":
        return int(systemctl.show("systemctl", "--user", "--no-pager", "status", UNIT) != 0)
    follow = ["--follow"] if args.follow else []
    return int(
        systemctl.show("journalctl", "--user", "--no-pager", f"--unit={UNIT}", f"--lines={args.n}", *follow) != 0
    )


def _install(paths: Paths, *, activated: bool) -> int:
    """Again for a change of paths: what is there is written anew."""
    from ipc.launch import stop_daemon

    systemctl.check()
    texts = _texts(paths, activated=activated)
    if systemctl.installed():
        _stop()
    # One that a command has started would keep its lock, and the service would end at once.
    stop_daemon(paths)
    for name, text in texts.items():
        _write(os.path.join(directory(), name), text)
    systemctl.call("daemon-reload")
    systemctl.call("enable", "--now", SOCKET if activated else UNIT)
    streams.result(f"installed: {os.path.join(directory(), UNIT)}")
    if not systemctl.lingers():
        streams.say("It runs while you are logged in. `loginctl enable-linger` keeps it running without a login.")
    return 0


def _uninstall() -> int:
    if not systemctl.installed():
        streams.result("not installed")
        return 0
    systemctl.check()
    _stop()
    systemctl.call("daemon-reload")
    streams.result("uninstalled")
    return 0


def _stop() -> None:
    """End it, and take away what `install` has written. What a person has put into qmd.service.d stays."""
    places = {name: os.path.join(directory(), name) for name in (SOCKET, UNIT)}
    there = [name for name, place in places.items() if os.path.exists(place)]
    systemctl.call("disable", "--now", *there)
    for name in there:
        os.unlink(places[name])


def _texts(paths: Paths, *, activated: bool) -> dict[str, str]:
    """name -> text of the units to be written. Raises QmdError("invalid") when there is no port to open."""
    from qmd_daemon import offline
    from qmd_tui import units

    found = {UNIT: units.service()}
    if activated:
        host, port = offline.http_address(paths) or ("", 0)
        if not port:
            hint = "Set `port` below [http] in config.toml, or leave out --socket."
            raise QmdError("invalid", "There is no HTTP port that systemd could open.", hint)
        found[SOCKET] = units.socket(host, port)
    return found


def _write(place: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise QmdError("unavailable", f"Cannot write {place}: {error.strerror}.", "Make it writable.") from None
