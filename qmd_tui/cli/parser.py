"""argparse as the command line wants it: mistakes are QmdErrors that name the nearest option."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from ipc.errors import QmdError

# argparse asks gettext for the translation of its headings, and gettext imports locale: 1.3 ms, to find none.
argparse._ = str  # type: ignore[attr-defined]


class _Formatter(argparse.HelpFormatter):
    """The usual one looks for the width through shutil, whose import costs 2 ms; one is made for each argument."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = 0
        super().__init__(prog, width=max(columns or 100, 40) - 2)


class Parser(argparse.ArgumentParser):
    """A parser that knows no abbreviations, and raises QmdError("invalid") (exit code 2) instead of exiting."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Formatter, **options)

    def subparsers(self) -> dict[str, Parser]:
        """Those of its subcommands, by every name they have."""
        nested = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001
        return {name: inner for action in nested for name, inner in action.choices.items()}

    def add_everywhere(self, *flags: str, default: Any, **options: Any) -> None:
        """Add an option that may stand before a subcommand or after it."""
        self.add_argument(*flags, default=default, **options)
        for inner in dict.fromkeys(self.subparsers().values()):
            inner.add_argument(*flags, default=argparse.SUPPRESS, **options)

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Read the arguments; raises QmdError("invalid") with what was probably meant."""
        args, unknown = self.parse_known_args(argv)
        if unknown:
            # After a subcommand, it is that one's options that are meant.
            raise self.subparsers().get(getattr(args, "action", None) or "", self).mistake(unknown)
        return args

    def mistake(self, unknown: Sequence[str]) -> QmdError:
        """The error for words that are no arguments of this command."""
        flags = [word for word in unknown if word.startswith("-")]
        kind = "option" if flags else "argument"
        return QmdError("invalid", f"{self._name()}: unknown {kind} {(flags or unknown)[0]!r}.", self._meant(flags))

    def error(self, message: str) -> NoReturn:
        """What argparse itself finds wrong: a missing argument, a value of the wrong kind."""
        raise QmdError("invalid", f"{self._name()}: {message}.", self.format_usage().strip())

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """argparse's own sentence lists what there is; ours says what was probably meant."""
        if action.choices is None or value in action.choices:
            return
        import difflib

        known = list(map(str, action.choices))
        near = difflib.get_close_matches(str(value), known, n=1)
        name = action.option_strings[0] if action.option_strings else action.metavar
        what = "Unknown subcommand" if action.dest == "action" else f"Unknown {name} value"
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
        raise QmdError("invalid", f"{self._name()}: {what} {value!r}.", hint)

    def _name(self) -> str:
        return self.prog.removeprefix("qmd ")

    def _meant(self, flags: Sequence[str]) -> str:
        import difflib

        if flags:
            from qmd_tui.cli.elsewhere import FLAGS

            if instead := FLAGS.get(flags[0].partition("=")[0]):
                return instead
            near = difflib.get_close_matches(flags[0].partition("=")[0], self._option_string_actions, n=1)
            if near:
                return f"Did you mean {near[0]}?"
        return f"See `{self.prog} --help`. Words that begin with a dash come after `--`."


def whole_number(text: str) -> int:
    """A number from 1 on. argparse shows the sentence when it is none."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)
