"""What the person has set: the collections in index.yml, and the environment."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping

from ipc.errors import QmdError
from ipc.finding import Finding, fail, ok, warn
from qmd_daemon.config import ENVIRONMENT
from qmd_daemon.ingest.index_file import IndexFile

KNOWN = frozenset({
    *ENVIRONMENT, "QMD_HOME", "QMD_HTTP_PORT", "QMD_EDITOR_URI", "QMD_TRUST_UPDATE_HOOKS", "QMD_FAKE_DELAY_MS",
    "QMD_FAKE_LOAD_MS", "QMD_FAKE_FAIL", "QMD_THEME", "QMD_LANGUAGE", "QMD_KEY",
})  # fmt: skip
_DEVICE = "Set QMD_DEVICE: auto, cpu or cuda."
_CONFIG = "Set what is meant in config.toml."
# tobi/qmd's own, which somebody who comes from there may still have set.
ELSEWHERE = {
    "INDEX_PATH": "Set QMD_HOME, or use --index.",
    "QMD_CONFIG_DIR": "Set QMD_HOME, which moves everything.",
    "QMD_EMBED_MODEL": "Set QMD_MODEL, or `embedding` in config.toml.",
    "QMD_RERANK_MODEL": "Set `reranker` in config.toml.",
    "QMD_GENERATE_MODEL": "Set `expansion` in config.toml.",
    "QMD_FORCE_CPU": _DEVICE,
    "QMD_LLAMA_GPU": _DEVICE,
    "QMD_EMBED_PARALLELISM": "Set `threads` in config.toml.",
    "QMD_EMBED_CONTEXT_SIZE": _CONFIG,
    "QMD_RERANK_CONTEXT_SIZE": _CONFIG,
    "QMD_EXPAND_CONTEXT_SIZE": _CONFIG,
    "QMD_HOST": "Set `host` in config.toml.",
    "QMD_ALLOWED_HOSTS": "Set `hosts` in config.toml.",
    "QMD_ALLOWED_ORIGINS": "Web pages may not ask here: use a token.",
    "QMD_TRUST_LOCAL_CONFIG": "Say `qmd trust` in the project.",
    "QMD_SKILLS_DIR": "There is one skill: `qmd skill show`.",
    "QMD_DOCTOR_DEVICE_PROBE": "Take it away.",
    "QMD_SQLITE_BUSY_TIMEOUT": "Take it away: one process writes.",
}


def collections(path: str) -> Iterator[Finding]:
    """Whether index.yml can be read, and the directories that it names are there."""
    check = os.path.basename(path)
    try:
        found = IndexFile(path).collections
    except QmdError as error:
        yield fail(check, error.message, error.hint or "Correct that line, or take it away.")
        return
    gone = [one for one in found if not os.path.isdir(one.path)]
    for one in gone:
        hint = f"Bring it back, or `qmd collection remove {one.name}`: until then, what was indexed stays."
        yield warn(check, f"The directory of {one.name} is not there: {one.path}.", hint)
    if not gone:
        yield ok(check, f"Collections: {', '.join(one.name for one in found) or 'none yet'}.")


def environment(env: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """What is set there, and what is and has no effect."""
    check = "environment"
    for name in sorted(env):
        if name in ELSEWHERE:
            yield warn(check, f"{name} is tobi/qmd's, and has no effect here.", ELSEWHERE[name])
        elif name.startswith("QMD_") and name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            yield warn(check, f"{name} has no effect.", f"Is {near[0]} meant?" if near else "Take it away.")
    used = sorted(name for name in KNOWN if env.get(name))
    yield ok(check, f"In effect: {', '.join(used)}." if used else "Nothing of it changes anything.")
