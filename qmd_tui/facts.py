"""What is known by now, for screens that open later than it was learnt."""

from __future__ import annotations

from collections import deque

from textual.message import Message

from ipc.protocol import EngineStatus, IndexStatus, Job, LogEvent
from qmd_tui.messages import (
    ConnectionChanged,
    EngineReported,
    GpuSampled,
    IndexReported,
    JobProgressed,
    LogReported,
)
from qmd_tui.widgets.meter import History

_LOG_LINES = 2000
_JOBS = 50


class Facts:
    """The latest of each kind; of the log and the meter, so many as a screen can show."""

    def __init__(self) -> None:
        self.connection = ConnectionChanged("connecting")
        self.index: IndexStatus | None = None
        self.engine: EngineStatus | None = None
        self.meter = History()
        self.jobs: dict[str, Job] = {}  # by id, the newest last
        self.log: deque[LogEvent] = deque(maxlen=_LOG_LINES)

    def note(self, fact: Message) -> None:
        match fact:
            case ConnectionChanged():
                self.connection = fact
            case IndexReported(index=index):
                self.index = index
            case EngineReported(engine=engine):
                self.engine = engine
            case GpuSampled(sample=sample):
                self.meter.add(sample)
            case JobProgressed(job=job):
                self.jobs[job.id] = job
                while len(self.jobs) > _JOBS:
                    del self.jobs[next(iter(self.jobs))]
            case LogReported(event=event):
                self.log.append(event)
