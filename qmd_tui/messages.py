"""What moves inside the terminal UI: facts from the session, wishes from the screens.

The session's facts go to every open screen and stop there (`bubble=False`); a screen's wishes
bubble up to the app, which hands them to the session. What they carry are structs of the contract.

They are compared by nothing, and each has a docstring: else a dataclass makes methods and a signature for every one of
them, which every start would wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct
from textual.message import Message

from ipc.errors import QmdError
from ipc.protocol import (
    DocumentReply,
    EngineStatus,
    GpuSample,
    Hit,
    IndexStatus,
    Job,
    LogEvent,
    Reply,
    Request,
    SearchReply,
)

Mode = Literal["search", "vsearch", "query"]
MODES: tuple[Mode, ...] = ("search", "vsearch", "query")


class Question(Struct, frozen=True):
    """What stands in the input. Every edit gets the next `number`; an answer to an older one is stale.

    `depth`: how many results. The same question is asked deeper when its end is scrolled to.
    `like`: the address of a document to find others like, in place of the text.
    """

    text: str
    mode: Mode
    number: int
    depth: int = 0
    like: str = ""


class Wanted(Struct, frozen=True):
    """The lines of a document around `line` (from 1)."""

    file: str
    line: int


# -- facts, from the session -----------------------------------------------------------------


@dataclass(eq=False, repr=False)
class ConnectionChanged(Message, bubble=False):
    """`text` says what is waited for, or what went wrong. `retry_s`: when the next attempt is made."""

    state: Literal["connecting", "ready", "lost"]
    text: str = ""
    retry_s: float = 0.0


@dataclass(eq=False, repr=False)
class IndexReported(Message, bubble=False):
    """The index as it is now."""

    index: IndexStatus

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, IndexReported)


@dataclass(eq=False, repr=False)
class EngineReported(Message, bubble=False):
    """The models as they are now."""

    engine: EngineStatus

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, EngineReported)


@dataclass(eq=False, repr=False)
class GpuSampled(Message, bubble=False):
    """What the card does, or the processor where there is none; once a second."""

    sample: GpuSample

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, GpuSampled)


@dataclass(eq=False, repr=False)
class JobProgressed(Message, bubble=False):
    """A newer snapshot of a job swallows an older one of the same that has not been shown yet."""

    job: Job

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, JobProgressed) and message.job.id == self.job.id


@dataclass(eq=False, repr=False)
class Answered(Message, bubble=False):
    """`final`: nothing better will come for this question."""

    question: Question
    reply: SearchReply
    final: bool


@dataclass(eq=False, repr=False)
class AskFailed(Message, bubble=False):
    """There is no answer to this question."""

    question: Question
    error: QmdError


@dataclass(eq=False, repr=False)
class LogReported(Message, bubble=False):
    """A line of the daemon's log."""

    event: LogEvent


@dataclass(eq=False, repr=False)
class Granted(Message, bubble=False):
    """The daemon has done what a screen wished."""

    request: Request
    reply: Reply


@dataclass(eq=False, repr=False)
class Refused(Message, bubble=False):
    """The daemon has not done what a screen wished."""

    request: Request
    error: QmdError


@dataclass(eq=False, repr=False)
class LanguageChanged(Message, bubble=False):
    """Everything is to be said again, in the language that is spoken now."""


@dataclass(eq=False, repr=False)
class DocumentLoaded(Message, bubble=False):
    """The lines that were wanted."""

    wanted: Wanted
    document: DocumentReply


@dataclass(eq=False, repr=False)
class DocumentFailed(Message, bubble=False):
    """The lines that were wanted cannot be had."""

    wanted: Wanted
    error: QmdError


# -- wishes, from the screens ----------------------------------------------------------------


@dataclass(eq=False, repr=False)
class QuestionAsked(Message):
    """The input has changed. An empty text asks nothing, and ends what was asked."""

    question: Question


@dataclass(eq=False, repr=False)
class DocumentWanted(Message):
    """Some lines of a document are to be shown."""

    wanted: Wanted


@dataclass(eq=False, repr=False)
class OpenRequested(Message):
    """Open this hit's file at `line`, in the person's editor or pager."""

    hit: Hit
    line: int
    using: Literal["editor", "pager"] = "editor"


@dataclass(eq=False, repr=False)
class LeaveRequested(Message):
    """Leave, and print where these hits are."""

    hits: list[Hit]


@dataclass(eq=False, repr=False)
class Wished(Message):
    """Something that the daemon is to do; `Granted` or `Refused` follows."""

    request: Request
