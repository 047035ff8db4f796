"""Many people at once: one daemon, one worker, and everybody gets the right answer."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ipc.launch import stop_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd
from tests.integration import corpus

QMD = os.path.join(sysconfig.get_path("scripts"), "qmd")
PROCESSES = 50


def test_fifty_vsearch_processes_and_no_daemon(home: Paths, start_daemon: Callable[..., Any], tmp_path: Path) -> None:
    corpus.write(tmp_path, PROCESSES)
    before = start_daemon()
    before.wait_ready()
    with before.connect() as client:
        corpus.finish(client, CollectionAdd(path=str(tmp_path), name="notes"))
    assert before.terminate() == 0
    os.unlink(home.log_file)

    racers = [
        subprocess.Popen(
            [QMD, "vsearch", corpus.question(number), "--json", "-n", "1"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(PROCESSES)
    ]
    said = [racer.communicate() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * PROCESSES, said
    for number, (out, _) in enumerate(said):
        best = json.loads(out)[0]["file"].removeprefix("qmd://notes/")
        assert best in corpus.answers(number)

    with open(home.log_file, encoding="utf-8") as log:
        events = [json.loads(line)["event"] for line in log]
    assert {event: events.count(event) for event in ("daemon.ready", "engine.started", "engine.died")} == {
        "daemon.ready": 1,
        "engine.started": 1,
        "engine.died": 0,
    }
    assert stop_daemon(home) > 0
