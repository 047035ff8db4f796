from collections.abc import Iterator
from typing import Any, Self

import msgspec
import pytest

from ipc.errors import QmdError
from ipc.launch import Endpoint
from ipc.protocol import ErrorBody, Job, JobCancel, JobGet, JobReply, Request, Skipped, Update
from qmd_tui.cli import follow

ENDPOINT = Endpoint("ipc://nowhere", "ipc://nowhere", 1, "")
QUEUED = Job(id="j1", kind="update", index="index", state="queued")
RUNNING = msgspec.structs.replace(QUEUED, state="running", phase="indexing", done=1, total=2)
DONE = msgspec.structs.replace(RUNNING, state="done", counts={"new": 2})
CANCELLED = msgspec.structs.replace(RUNNING, state="cancelled", counts={"new": 1})


class FakeDaemon:
    """Stands for SyncClient. Plays the states, one list for each time that somebody watches."""

    def __init__(self, *plays: list[Job | type[BaseException]]) -> None:
        self._plays = iter(plays)
        self.requests: list[Request] = []
        self.closed = 0

    def __call__(self, address: str) -> Self:
        assert address == ENDPOINT.rpc
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, request: Request, _: type[JobReply], **__: Any) -> JobReply:
        self.requests.append(request)
        return JobReply(job=QUEUED)

    def stream(self, request: Request, _: type[JobReply]) -> Iterator[JobReply]:
        self.requests.append(request)
        try:
            for state in next(self._plays):
                if not isinstance(state, Job):
                    raise state
                yield JobReply(job=state)
        finally:
            self.closed += 1


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(*plays: list[Job | type[BaseException]]) -> FakeDaemon:
        fake = FakeDaemon(*plays)
        monkeypatch.setattr(follow, "SyncClient", fake)
        return fake

    return install


def test_a_job_is_followed_to_its_end(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake = daemon([RUNNING, DONE])
    assert follow.run_job(ENDPOINT, Update()) == DONE
    assert fake.requests == [Update(), JobGet(job="j1", stream=True)]
    assert fake.closed == 1
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_cancels_the_job_and_waits_for_its_end(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake = daemon([RUNNING, KeyboardInterrupt], [CANCELLED])
    assert follow.run_job(ENDPOINT, Update()) == CANCELLED
    assert JobCancel(job="j1") in fake.requests
    assert capsys.readouterr().err == "qmd: cancelling …\n"


def test_a_second_ctrl_c_gets_through(daemon: Any) -> None:
    fake = daemon([RUNNING, KeyboardInterrupt], [KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        follow.run_job(ENDPOINT, Update())
    assert fake.closed == 2


def test_a_failed_job_is_its_error(daemon: Any) -> None:
    error = ErrorBody(code="no_model", message="No model.", hint="Install it.")
    daemon([msgspec.structs.replace(RUNNING, state="failed", error=error)])
    with pytest.raises(QmdError, match="No model") as caught:
        follow.run_job(ENDPOINT, Update())
    assert (caught.value.hint, caught.value.exit_code) == ("Install it.", 3)


def test_report(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = [Skipped(path="a.bin", reason="binary")]
    job = msgspec.structs.replace(DONE, counts={"new": 2, "skipped": 1}, skipped=skipped)
    assert follow.report(job) == 0
    assert capsys.readouterr() == (
        "Indexed: 2 new, 0 updated, 0 unchanged, 0 removed\n",
        "qmd: skipped a.bin: binary\nqmd: skipped 1 file.\nqmd: `qmd embed` makes the vectors of what is new.\n",
    )


def test_report_of_a_cancelled_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow.report(CANCELLED) == 130
    out, err = capsys.readouterr()
    assert out.startswith("Indexed: 1 new")
    assert "cancelled. What was done is kept" in err
