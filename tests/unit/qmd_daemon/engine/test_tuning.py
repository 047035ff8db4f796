from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qmd_daemon.engine import tuning

ALL = "fpu sse2 avx2 avx512f avx512dq avx512bw avx512vl"


def test_the_flags_of_the_processor(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\nflags\t\t: {ALL}\nbugs\t\t: x\n\nprocessor\t: 1\nflags\t\t: other\n")
    assert tuning.cpu_flags(str(file)) == set(ALL.split())
    assert tuning.cpu_flags(str(tmp_path / "missing")) == set()


@pytest.mark.parametrize(("flags", "forced"), [(ALL, True), (ALL.replace("avx512vl", ""), False), ("", False)])
def test_avx512_is_forced_only_where_it_is_there(monkeypatch: pytest.MonkeyPatch, flags: str, forced: bool) -> None:
    monkeypatch.setattr(tuning, "cpu_flags", lambda: set(flags.split()))
    assert tuning.environment().get("CT2_FORCE_CPU_ISA") == ("AVX512" if forced else None)


def test_tuning_a_process_works_on_this_machine() -> None:
    """In a process of its own: the allocator of this one serves the other tests."""
    code = "import sys; from qmd_daemon.engine.tuning import *; tune(); trim(); print(sys.getswitchinterval())"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert float(said) < 0.001
