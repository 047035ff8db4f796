"""`qmd token`: who may ask over HTTP from elsewhere, or with less than everything."""

from __future__ import annotations

import argparse

from ipc.paths import Paths
from qmd_tui.cli import granting
from qmd_tui.output import streams


def add_arguments(parser: argparse.ArgumentParser) -> None:
    granting.add_actions(parser, "make one; it is shown once")


def run(args: argparse.Namespace, paths: Paths) -> int:
    if args.action != "create":
        return granting.run(args, paths, "token", "token")
    from qmd_daemon import offline

    streams.result(offline.create_token(paths, args.name, **granting.limits(args, paths)))
    streams.say("It is kept nowhere: copy it now. Send it as `Authorization: Bearer TOKEN`.")
    return 0
