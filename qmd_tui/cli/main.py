"""`qmd`: which command is meant, and nothing more. Only that command's module is imported."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence

from ipc import project
from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX, Paths, check_index_name
from qmd_tui.output import streams

INTERRUPTED = 130  # 128 + SIGINT
# Flags of the full-screen UI, which is no command (qmd_tui.cli.screen).
SCREEN_FLAGS = frozenset({"--pick", "--linear"})
# Commands that may ask a daemon elsewhere; all others are about this machine.
REMOTE = frozenset({"search", "vsearch", "query", "similar", "rerank", "get", "status", "ps", "top"})
# Options that may stand before the command -> what is missing where nothing follows them.
_LEADING = {
    "--index": ("a name", "Such as `qmd --index work search …`."),
    "--connect": ("a place", "Such as `qmd --connect tcp://desk:18766 query …`."),
    "--key": ("a file", "`qmd keys create --name NAME` makes one."),
}
BROKEN_PIPE = 141  # 128 + SIGPIPE


# command -> (the module below qmd_tui.cli that has `add_arguments` and `run`, its line in the help)
COMMANDS: dict[str, tuple[str, str]] = {
    "search": ("search", "find words; needs no daemon"),
    "vsearch": ("ask", "find meaning"),
    "query": ("ask", "find both, fused: the best answer"),
    "similar": ("ask", "find what is like a document"),
    "rerank": ("rerank", "order lines from standard input by their meaning for a question"),
    "get": ("get", "show a document or some of its lines"),
    "multi-get": ("multi_get", "show many documents, by glob or list"),
    "ls": ("ls", "what is indexed, by collection or directory"),
    "collection": ("collection", "the directories that are searched: add, list, show, rename, remove …"),
    "context": ("context", "say what lies where: it is returned with what is found there"),
    "update": ("update", "index what has changed in the collections"),
    "embed": ("update", "make the vectors that are missing"),
    "cleanup": ("update", "take away what nobody needs any more, and give its room back"),
    "init": ("init", "make an index of this directory's own"),
    "trust": ("trust", "allow what a project's index.yml asks for"),
    "bench": ("bench", "measure the searches: a fixture, judgments, or your own documents"),
    "skill": ("skill", "teach an agent to use qmd"),
    "mcp": ("mcp", "the tools for an AI agent, on stdin and stdout"),
    "pull": ("pull", "fetch models: of a profile, or by name"),
    "models": ("models", "list, remove, export, import and plan models"),
    "status": ("status", "what is indexed, and whether the daemon runs"),
    "service": ("service", "keep the daemon running with systemd: install, uninstall, status, logs"),
    "doctor": ("doctor", "what is wrong with this installation, and what to do about it"),
    "token": ("token", "who may ask over HTTP from elsewhere"),
    "keys": ("keys", "who may ask over ZeroMQ from elsewhere"),
    "ps": ("ps", "which models are in memory, and until when"),
    "top": ("top", "what the daemon does at this moment, as a live view"),
    "completion": ("completion", "what the shell needs to complete commands and flags"),
    "check": ("check", "whether the models are there"),
    "server": ("server", "run the daemon in the foreground"),
    "stop": ("stop", "stop the daemon"),
    "demo": ("demo", "try it on sample notes"),
}


def main() -> int:
    """The console script. Returns the exit code."""
    reads_only = _reads_only(sys.argv[1:])
    if reads_only:
        gc.disable()  # 3 of 35 ms, to find no garbage in modules that are being imported
    code = execute(sys.argv[1:])
    if reads_only:
        # Python takes 5 ms to take itself apart, and a process that has only read has nothing to put away.
        os._exit(code)
    return code


def _reads_only(argv: Sequence[str]) -> bool:
    try:
        _, rest = _leading(argv)
    except QmdError:  # told by whoever runs it
        return False
    return rest[:1] in (["search"], ["get"])


def execute(argv: Sequence[str]) -> int:
    """Run a command line, and report what goes wrong. Returns the exit code; everything is written by then."""
    streams.prepare()
    try:
        code = _reported(argv)
        streams.close()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        streams.abandon()
        return BROKEN_PIPE
    return code


def _reported(argv: Sequence[str]) -> int:
    try:
        return _run(argv)
    except QmdError as error:
        streams.error(error)
        return error.exit_code


def _run(argv: Sequence[str]) -> int:
    given, rest = _leading(argv)
    if not rest or rest[0] in SCREEN_FLAGS:
        return _without_command(given, rest)
    name, *arguments = rest
    if name == "help" and arguments:
        name, arguments = arguments[0], ["--help"]
    if name in {"-h", "--help", "help"}:
        streams.result(_help())
        return 0
    if name in {"-V", "-v", "--version", "version"}:
        return _version()
    if name not in COMMANDS:
        from qmd_tui.cli.elsewhere import ALIASES

        if name not in ALIASES:
            raise QmdError("invalid", f"Unknown command {name!r}.", _nearest(name))
        name = ALIASES[name]
    return _command(name, given, arguments)


def _command(name: str, given: Mapping[str, str], argv: Sequence[str]) -> int:
    from importlib import import_module

    from qmd_tui.cli.parser import Parser

    if given.get("--connect") and name not in REMOTE:
        hint = f"Those that may ask elsewhere: {', '.join(sorted(REMOTE))}."
        raise QmdError("invalid", f"`qmd {name}` is about this machine.", hint)
    module_name, summary = COMMANDS[name]
    module = import_module(f"qmd_tui.cli.{module_name}")
    parser = Parser(prog=f"qmd {name}", description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(command=name, connect=given.get("--connect", ""), key=given.get("--key", ""))
    module.add_arguments(parser)
    parser.add_everywhere(
        "--index", metavar="NAME", default=given.get("--index"), help="another index than the default one"
    )
    # `qmd collection help`, as tobi/qmd has it; what takes no subcommand may look for the word.
    asks = list(argv) == ["help"] and any(action.dest == "action" for action in parser._actions)  # noqa: SLF001
    args = parser.parse(["--help"] if asks else argv)
    args.index = _index(args.index)
    code: int = module.run(args, Paths.from_environment())
    return code


def _index(name: str | None) -> str:
    """The index that is meant: the one named, else that of the project we are in, else the default one."""
    if name is not None:
        return check_index_name(name)
    try:
        here = os.getcwd()
    except OSError:  # removed meanwhile
        return DEFAULT_INDEX
    return project.find(here, os.path.expanduser("~")) or DEFAULT_INDEX


def _leading(argv: Sequence[str]) -> tuple[dict[str, str], Sequence[str]]:
    """The options that stand before the command, and the rest."""
    given: dict[str, str] = {}
    while argv:
        flag, equals, value = argv[0].partition("=")
        if flag not in _LEADING:
            break
        if not equals:
            if len(argv) < 2:
                what, hint = _LEADING[flag]
                raise QmdError("invalid", f"{flag} needs {what}.", hint)
            value = argv[1]
        given[flag] = value
        argv = argv[1 if equals else 2 :]
    return given, argv


def _without_command(given: Mapping[str, str], flags: Sequence[str]) -> int:
    """The terminal UI. Only its flags are read here: nothing heavy is imported before they are known to be right."""
    from qmd_tui.cli.screen import read, terminal_for

    wanted = read([*(f"{flag}={value}" for flag, value in given.items()), *flags])
    if not wanted.linear and not terminal_for(wanted):
        streams.heading(_help())
        return 1
    chosen = _index(wanted.index)
    if wanted.linear:
        from qmd_tui import linear

        return linear.run(Paths.from_environment(), index=chosen, place=wanted.connect, key=wanted.key)
    gc.disable()  # until the first frame: it would look for garbage in what is being imported
    # The words' results come some ten milliseconds after the key that they answer: at 60 frames, they miss the next.
    os.environ.setdefault("TEXTUAL_FPS", "120")
    from qmd_tui import start

    paths = Paths.from_environment()
    return start.run(paths, index=chosen, pick=wanted.pick, place=wanted.connect, key=wanted.key)


def _version() -> int:
    from qmd_daemon import __version__

    streams.result(f"qmd {__version__}")
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join([
        "Search the notes, documents and code on this machine.",
        "",
        "Usage: qmd                      the full-screen UI",
        "       qmd --pick               the same; what is picked is printed: vim $(qmd --pick)",
        "       qmd --linear             the same search as plain lines, for screen readers",
        "       qmd --connect PLACE      with a daemon elsewhere: tcp://HOST:PORT, or a forwarded socket",
        "       qmd [--index NAME] [--connect PLACE [--key FILE]] COMMAND …",
        "",
        *lines,
        "",
        "`qmd COMMAND --help` says more.",
        "Exit codes: 0 found or done, 1 nothing found, 2 usage, 3 daemon or model unavailable, 130 interrupted.",
    ])  # fmt: skip


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"Did you mean `qmd {near[0]}`?" if near else "See `qmd --help`; `qmd doctor` looks for what is wrong."


if __name__ == "__main__":
    sys.exit(main())
