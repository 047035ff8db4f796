"""What tobi/qmd has and we have otherwise: names that we take, too, and flags about which we say what to do instead."""

from __future__ import annotations

ALIASES = {"deep-search": "query", "vector-search": "vsearch", "skills": "skill"}

_BATCHES = "Batches are cut by tokens here, and what is done is stored document by document."
_SERVER = "The daemon serves HTTP by itself, agents at /mcp; `qmd server --http-port PORT` chooses the port."
FLAGS = {
    "--no-gpu": 'Set QMD_DEVICE=cpu for the daemon, or device = "cpu" in config.toml.',
    "--max-docs-per-batch": _BATCHES,
    "--max-batch-mb": _BATCHES,
    "--timeout": "It runs until it is done; Ctrl+C keeps what there is, and the next run goes on from there.",
    "--chunk-strategy": "Text is cut at headings and paragraphs, code at functions and classes, without a flag.",
    "--http": _SERVER,
    "--daemon": _SERVER,
    "--port": _SERVER,
    "--host": _SERVER,
    "--refresh": "What is damaged is fetched again by itself; after `qmd models remove NAME`, everything is.",
    "--progress": "Progress is shown on a terminal, without a flag.",
    "--yes": "Nothing is asked here; -f writes over a file that is different.",
    "--context": "Say `qmd context add PLACE TEXT`.",
    "--connect": "It stands before the command: `qmd --connect PLACE query …`.",
    "--skill": "Say `qmd skill show`.",
}
