"""`qmd search` as a whole process, against an empty Python: what a person waits for at the prompt.

    python benchmarks/cold_start.py [--path DIRECTORY --query WORDS] [--rounds N]

The sample notes (or DIRECTORY) are indexed by a daemon in an installation of its own, which is then stopped. The
two take turns, so that a busy machine is busy for both; what counts is the ratio of their medians. Exit code 1
when it is over the limit of 4.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence

LIMIT = 4.0
SAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "qmd_tui", "samples")
QUERY = "GPU显存监控"
QMD = os.path.join(sysconfig.get_path("scripts"), "qmd")
NOTHING = [sys.executable, "-c", "pass"]


def main() -> int:
    options = _options()
    search = [QMD, "search", options.query]
    with tempfile.TemporaryDirectory(prefix="qmd-bench-") as home:
        env = {**os.environ, "QMD_HOME": home, "QMD_HTTP_PORT": "0", "QMD_ENGINE": "fake"}
        # An installed program has its bytecode beside it; compiling it anew each time would be all that is measured.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            print(_run([QMD, "collection", "add", options.path], env).partition("\nEmbedded")[0])
        finally:
            _run([QMD, "stop"], env)
        if not _run(search, env):
            raise SystemExit(f"qmd search {options.query!r} finds nothing: nothing would be measured.")
        empty, whole = _measure([NOTHING, search], env, options.rounds)
        imports = _import_ms(search, env) - _import_ms(NOTHING, env)
    ratio = statistics.median(whole) / statistics.median(empty)
    print(f"{'python -c pass':<16}{_spread(empty)}")
    print(f"{'qmd search':<16}{_spread(whole)}")
    print(
        f"ratio {ratio:.2f}, at most {LIMIT:g}; of the difference, {imports:.0f} ms are imports (traced: a bit slower)"
    )
    return 0 if ratio <= LIMIT else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default=SAMPLES, help="what is indexed (the sample notes)")
    parser.add_argument("--query", default=QUERY, help=f"what is looked for ({QUERY})")
    parser.add_argument("--rounds", type=int, default=60, help="runs of each (60)")
    return parser.parse_args()


def _run(command: Sequence[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def _measure(commands: Sequence[Sequence[str]], env: dict[str, str], rounds: int) -> list[list[float]]:
    """The wall times of each in ms. The first round, which fills caches and writes bytecode, is left out."""
    times: list[list[float]] = [[] for _ in commands]
    for number in range(rounds + 1):
        for command, found in zip(commands, times, strict=True):
            started = time.perf_counter()
            subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
            if number:
                found.append(1000 * (time.perf_counter() - started))
    return times


def _import_ms(command: Sequence[str], env: dict[str, str]) -> float:
    """What its imports take, as Python itself counts it: the median of five."""
    sums = []
    for _ in range(5):
        traced = {**env, "PYTHONPROFILEIMPORTTIME": "1"}
        lines = subprocess.run(command, env=traced, capture_output=True, text=True, check=True).stderr.splitlines()
        own = [line.removeprefix("import time:").partition("|")[0].strip() for line in lines]
        sums.append(sum(int(one) for one in own if one.isdigit()) / 1000)
    return statistics.median(sums)


def _spread(times: Sequence[float]) -> str:
    tenths = statistics.quantiles(times, n=10)
    return f"{statistics.median(times):6.1f} ms   (p10 {tenths[0]:.1f}, p90 {tenths[-1]:.1f}, {len(times)} runs)"


if __name__ == "__main__":
    sys.exit(main())
