"""`python -m qmd_daemon`: what `qmd server` becomes, and what a client launches."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from functools import partial
from typing import Any

from ipc.errors import QmdError
from ipc.holder import EXIT_ALREADY_RUNNING
from ipc.paths import Paths, private_dir
from qmd_daemon import __version__, config
from qmd_daemon.singleton import AlreadyRunning, Singleton

# In the foreground, when another program has the HTTP port.
EXIT_PORT_TAKEN = 12


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop. Returns 0 then, 11 when another daemon runs, 12 when the HTTP port is taken."""
    # Until the event loop takes over, there is nothing to drain.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.umask(0o077)  # what people wrote is in the index, and what they asked for may be in the log
    options = _parser().parse_args(argv)
    try:
        return _serve(options)
    except AlreadyRunning as error:
        _complain(error)
        return EXIT_ALREADY_RUNNING
    except QmdError as error:
        _complain(error)
        return error.exit_code


def _serve(options: argparse.Namespace) -> int:
    paths = Paths.from_environment()
    reread = partial(config.load, paths, flags=_flags(options))
    settings = reread()
    for directory in (paths.data, paths.state, paths.runtime):
        private_dir(directory)
    with Singleton(paths.daemon_lock) as lock:
        # Only now: whoever loses the race has not paid for any of it.
        import asyncio

        import structlog

        from qmd_daemon import logs
        from qmd_daemon.app import App
        from qmd_daemon.serve.http import PortTaken

        logs.configure(settings.log, paths.log_file, None if options.detached else sys.stderr)
        try:
            asyncio.run(App(settings, paths, lock, foreground=not options.detached, reread=reread).run())
        except Exception as error:  # noqa: BLE001 - nobody above can say more about it
            cause = _cause(error)
            if isinstance(cause, PortTaken):
                _complain(cause)
                return EXIT_PORT_TAKEN
            if isinstance(cause, QmdError):
                structlog.get_logger().error("daemon.failed", code=cause.code, reason=str(cause))
                raise cause from None
            structlog.get_logger().exception("daemon.failed")
            raise QmdError("internal", f"The daemon failed: {cause}.", f"The log is {paths.log_file}.") from None
    return 0


def _cause(error: Exception) -> Exception:
    """The error itself, where task groups have wrapped it."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qmd server", description="Serve searches to everybody on this machine.")
    parser.add_argument("--version", action="version", version=f"qmd {__version__}")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--foreground", action="store_true", help="log to the terminal, too (this is what it does)")
    where.add_argument("--detached", action="store_true", help="log to the file only; do without a taken HTTP port")
    parser.add_argument("--engine", choices=("ct2", "fake"), help="what computes vectors")
    parser.add_argument("--http-port", type=int, metavar="N", help="0: any free one")
    parser.add_argument("--listen", metavar="ADDRESS", help="ZeroMQ for others, with keys: tcp://0.0.0.0:18766")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    return parser


def _flags(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What was given, as the tables of the configuration."""
    given = {
        "engine": {"kind": options.engine},
        "http": {"port": options.http_port},
        "zmq": {"listen": options.listen},
        "log": {"level": options.log_level},
    }
    return {table: values for table, values in given.items() if None not in values.values()}


def _complain(error: QmdError) -> None:
    sys.stderr.write(f"qmd: {error}\n")


if __name__ == "__main__":
    sys.exit(main())
