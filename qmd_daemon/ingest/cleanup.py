"""Taking away what nobody needs any more, and giving its room on the disk back."""

from __future__ import annotations

from functools import partial

from qmd_daemon.ingest.collections import drop_unused, remove_orphans
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.store import chunks, waste
from qmd_daemon.store.index import Index

_FORGET_AT_ONCE = 500


async def cleanup(index: Index, progress: Progress) -> None:
    """Remove what `waste.count` counts, build the lexical index anew, and compact the database."""
    progress.begin("clean up")
    before = (await index.status()).size_bytes
    for name, number in (await index.database.read(waste.count)).items():
        progress.count(f"removed_{name}", number)
    await remove_orphans(index)
    await drop_unused(index)
    for space in await index.database.read(chunks.others):
        while await index.database.write(partial(chunks.forget, space=space, limit=_FORGET_AT_ONCE)):
            pass
    await index.catch_up()
    progress.begin("compact")
    await index.compact()
    progress.count("freed_bytes", max(0, before - (await index.status()).size_bytes))
