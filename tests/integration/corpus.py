"""Generated notes, each about words of its own, so that the right answer to a question is known."""

from __future__ import annotations

import random
from pathlib import Path

from ipc.protocol import CollectionAdd, EmbedIndex, Job, JobGet, JobReply, Request, Update
from ipc.sync import SyncClient

_COMMON = "the of and a to in is that for it as was with be by on not he this are or his from at which but have".split()
_CHINESE = "显存 监控 数据 检索 向量 索引 模型 线程 队列 缓存 日志 恢复 备份 网络 内核 进程 文件 目录 中文 分词".split()
_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu".split()
_SENTENCES = 12
_WAIT_S = 60.0


def words(number: int) -> list[str]:
    """Six words that only note `number` has."""
    chosen = random.Random(number)
    return ["".join(chosen.choices(_SYLLABLES, k=3)) + str(number) for _ in range(6)]


def question(number: int) -> str:
    """What note `number` is the best answer to."""
    return " ".join(words(_original(number)))


def name(number: int) -> str:
    return f"part{number % 5}/note-{number}.md"


def answers(number: int) -> set[str]:
    """The names of the notes that say what note `number` says: itself, and its copy."""
    return {name(same) for same in (number - 1, number, number + 1) if _original(same) == _original(number)}


def write(directory: Path, count: int) -> None:
    """Notes 0 to `count`, the same every time. Every tenth is a copy of the one before."""
    for number in range(count):
        path = directory / name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_text(_original(number)), encoding="utf-8")


def _original(number: int) -> int:
    return number - 1 if number % 10 == 9 else number


def _text(number: int) -> str:
    chosen = random.Random(f"text {number}")
    lines = [f"# Note {number} on {words(number)[0]}", ""]
    for sentence in range(_SENTENCES):
        some = chosen.choices(_COMMON, k=8) + chosen.sample(words(number), k=4) + chosen.choices(_CHINESE, k=2)
        chosen.shuffle(some)
        lines += [" ".join(some) + ".", "", *([f"## Part {sentence}", ""] if sentence % 4 == 3 else [])]
    return "\n".join(lines)


def start(client: SyncClient, request: CollectionAdd | Update | EmbedIndex) -> Job:
    return client.call(request, JobReply, timeout_s=_WAIT_S).job


def finish(client: SyncClient, request: Request | Job) -> Job:
    """Start a job, or take one that runs, and wait for its end, which must be a good one."""
    job = request if isinstance(request, Job) else client.call(request, JobReply, timeout_s=_WAIT_S).job
    for reply in client.stream(JobGet(job=job.id, stream=True), JobReply):
        job = reply.job
    assert (job.state, job.error) == ("done", None)
    return job
