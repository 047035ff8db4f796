"""The limit of file descriptors is raised as far as it may be, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from qmd_daemon.serve.descriptors import RESERVED

ASK = """
import json, resource, sys
from qmd_daemon.serve.descriptors import room_for
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(json.dumps([room_for(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "room", "limit"),
    [
        (1024, 4096, 2000, 2000, 2000 + RESERVED),
        (3000, 4096, 2000, 2000, 3000),
        (1024, 1024, 2000, 1024 - RESERVED, 1024),
        (1024, 1500, 2000, 1500 - RESERVED, 1500),
    ],
)
def test_room_for_connections(soft: int, hard: int, wanted: int, room: int, limit: int) -> None:
    command = [sys.executable, "-c", ASK, str(soft), str(hard), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [room, limit, hard]
    assert ("few_descriptors" in done.stdout) is (room < wanted)
