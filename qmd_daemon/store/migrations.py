"""The schema of the truth, and how an older one becomes this one. SQLite's `user_version` counts the steps taken."""

from __future__ import annotations

import sqlite3

# One entry a version; a released entry never changes.
STEPS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    -- A copy of index.yml for readers that load no YAML parser. `ignore` and `contexts` are JSON.
    CREATE TABLE collections (
        name TEXT PRIMARY KEY, path TEXT NOT NULL, pattern TEXT NOT NULL,
        ignore TEXT NOT NULL DEFAULT '[]', contexts TEXT NOT NULL DEFAULT '{}', included INTEGER NOT NULL DEFAULT 1
    ) WITHOUT ROWID;

    -- What files say, by the sha256 of the extracted text: a moved or copied file costs nothing.
    CREATE TABLE contents (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;

    -- Where they are. AUTOINCREMENT: an id is never used again, so that a derived index cannot confuse two.
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        collection TEXT NOT NULL, path TEXT NOT NULL, title TEXT NOT NULL,
        hash TEXT NOT NULL REFERENCES contents(hash),
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, indexed_at REAL NOT NULL,
        UNIQUE (collection, path)
    );
    CREATE INDEX documents_by_hash ON documents(hash);

    -- A space is what one model, cut one way, makes of the contents. Vectors of two are never compared.
    CREATE TABLE spaces (
        id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, model TEXT NOT NULL, dimension INTEGER NOT NULL
    );
    -- Contents that are done in a space, also those that have nothing to embed.
    CREATE TABLE embedded (
        space INTEGER NOT NULL REFERENCES spaces(id), hash TEXT NOT NULL REFERENCES contents(hash),
        PRIMARY KEY (space, hash)
    ) WITHOUT ROWID;
    -- Characters [start, stop) of the content; `line` is the first one's, from 1.
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        space INTEGER NOT NULL REFERENCES spaces(id), hash TEXT NOT NULL REFERENCES contents(hash),
        ord INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, line INTEGER NOT NULL,
        UNIQUE (space, hash, ord)
    );
    CREATE INDEX chunks_by_hash ON chunks(hash);
    CREATE TABLE vectors (
        chunk INTEGER PRIMARY KEY REFERENCES chunks(id), vector BLOB NOT NULL  -- float16, little-endian
    );

    -- What the derived indexes have to learn, in order. `item` is documents.id or vectors.chunk.
    CREATE TABLE changes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL CHECK (kind IN ('document', 'vector')),
        item INTEGER NOT NULL, removed INTEGER NOT NULL
    );
    """,
    """
    -- What the front matter of a content says, folded; a list has a row for each item.
    CREATE TABLE metadata (
        hash TEXT NOT NULL REFERENCES contents(hash) ON DELETE CASCADE, key TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (hash, key, value)
    ) WITHOUT ROWID;
    CREATE INDEX metadata_by_key ON metadata(key, value);
    -- Files that may have some are read again at the next update.
    UPDATE documents SET inode = 0 WHERE hash IN (SELECT hash FROM contents WHERE substr(text, 1, 3) = '---');
    """,
    """
    -- Long contents once more, in pages of whole lines; `line` is the first one's, from 1 (store/pages.py). Those that
    -- were here before have none, and are read whole.
    CREATE TABLE pages (
        hash TEXT NOT NULL REFERENCES contents(hash) ON DELETE CASCADE, line INTEGER NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (hash, line)
    ) WITHOUT ROWID;
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to the newest version, each step in its own transaction.

    Raises ValueError when a newer program wrote it.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(STEPS):
        raise ValueError(f"the index has schema {version}, this program knows {len(STEPS)}")
    for number, step in enumerate(STEPS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;")
