"""`qmd init`: an index of the project's own, in the directory one is in."""

from __future__ import annotations

import argparse
import os

from ipc import project
from ipc.errors import QmdError
from ipc.paths import Paths, private_dir
from qmd_tui.output import streams

_CONFIG = """\
# The index of this project: `qmd` uses it in this directory and below.
# `qmd collection add .` fills it. Other people who have this file need not trust it: see `qmd trust --help`.
collections: {}
"""
# The configuration may be shared; what is derived from the files is not.
_IGNORE = "*\n!.gitignore\n!index.yml\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(_: argparse.Namespace, __: Paths) -> int:
    here = os.getcwd()
    if os.path.realpath(here) == os.path.realpath(os.path.expanduser("~")):
        hint = "Your own index needs none: `qmd collection add PATH`."
        raise QmdError("invalid", "Refusing to initialize a local index in $HOME.", hint)
    place = os.path.join(here, project.LOCAL)
    if os.path.lexists(project.config_file(place)):
        raise QmdError("conflict", f"There is a local index already: {project.config_file(place)}.")
    private_dir(place)
    for name, text in (("index.yml", _CONFIG), (".gitignore", _IGNORE)):
        with open(os.path.join(place, name), "w", encoding="utf-8") as file:
            file.write(text)
    streams.result("ready to go with new local index")
    return 0
