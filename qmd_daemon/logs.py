"""Structured logs: JSON lines into a rotated file, readable text on a terminal, and the `log` topic.

Events are dotted facts (`request.done`) with fields, never sentences. What a person searched for is in none of them.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from ipc.protocol import LogEvent, Publish
from qmd_daemon.config import LogConfig

# The log of who with a token asked what: a file of its own, beside the other.
AUDIT = "qmd.audit"
# Fields of a line that are not fields of its event.
_FRAME = frozenset({"event", "level", "timestamp", "exc_info"})


class _PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A log names files and collections: it is for its owner alone."""

    def _open(self) -> Any:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return open(descriptor, self.mode, encoding="utf-8")

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - as logging calls it
        """Once the file is full. Logging's own, before a line that would fill it, renders every line twice."""
        if self.stream is None:
            self.stream = self._open()
        return bool(self.stream.tell() >= self.maxBytes)


class _Publisher(logging.Handler):
    """Sends each line to whoever listens to the `log` topic."""

    def __init__(self, publish: Publish) -> None:
        super().__init__(logging.INFO)
        self._publish = publish

    def emit(self, record: logging.LogRecord) -> None:
        line: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        fields = {name: str(value) for name, value in line.items() if name not in _FRAME and not name.startswith("_")}
        event = LogEvent(at=record.created, level=record.levelname.lower(), event=str(line["event"]), fields=fields)
        self._publish("log", event)


def configure(config: LogConfig, file: str, terminal: TextIO | None = None) -> None:
    """Send the log of this process to `file`, and as text to `terminal` if there is one. May be called again."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(config.level),
        cache_logger_on_first_use=False,  # tests configure more than once
    )
    rotated = _PrivateRotatingFile(file, maxBytes=config.max_bytes, backupCount=config.keep, delay=True)
    rotated.setFormatter(_formatter(shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()))
    handlers: list[logging.Handler] = [rotated]
    if terminal is not None:
        text = logging.StreamHandler(terminal)
        # A plain traceback: the default one shows local variables, and with them what was searched for.
        renderer = structlog.dev.ConsoleRenderer(
            colors=terminal.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        text.setFormatter(_formatter(shared, renderer))
        handlers.append(text)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(config.level.upper())
    _configure_audit(config, os.path.join(os.path.dirname(file), "audit.log"), shared)
    logging.captureWarnings(True)
    # A line that cannot be written (a full disk) must not fill stderr with tracebacks of logging itself.
    logging.raiseExceptions = sys.flags.dev_mode


def set_level(level: str) -> None:
    """Log from this level on, here and in libraries; the audit log stays as it is."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    logging.getLogger().setLevel(level.upper())


def _configure_audit(config: LogConfig, file: str, shared: list[structlog.typing.Processor]) -> None:
    def without_query(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if not config.audit_queries:
            line.pop("query", None)
        return line

    rotated = _PrivateRotatingFile(file, maxBytes=config.max_bytes, backupCount=config.keep, delay=True)
    rotated.setFormatter(_formatter(shared, without_query, structlog.processors.JSONRenderer()))
    audit = logging.getLogger(AUDIT)
    for old in audit.handlers[:]:
        audit.removeHandler(old)
        old.close()
    audit.addHandler(rotated)
    audit.setLevel(logging.INFO)
    audit.propagate = False


@contextmanager
def published(publish: Publish) -> Iterator[None]:
    """Send the log to the `log` topic as well, while inside."""
    handler = _Publisher(publish)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _formatter(
    shared: list[structlog.typing.Processor], *last: structlog.typing.Processor
) -> structlog.stdlib.ProcessorFormatter:
    """Renders the lines of structlog and those of libraries alike."""
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove, *last])
