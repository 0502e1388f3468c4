"""The tables and how older databases become the present one.

`MIGRATIONS[i]` takes a database from version i to i + 1; the version is SQLite's own `user_version`. Migrations are
only ever appended. Files, embeddings, patches, faults and measurements can be computed again; marks, corrections,
settings and projects cannot, and are saved from a damaged database where they can still be read.
"""

import sqlite3

MIGRATIONS = (
    """
    CREATE TABLE files (
        path BLOB PRIMARY KEY,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        reader TEXT NOT NULL,
        loop_id TEXT NOT NULL,
        duration_s REAL NOT NULL,
        sample_rate INTEGER NOT NULL,
        channels INTEGER NOT NULL,
        format TEXT NOT NULL,
        subtype TEXT NOT NULL,
        reason TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE embeddings (
        encoder_id TEXT NOT NULL,
        loop_id TEXT NOT NULL,
        checksum INTEGER NOT NULL,
        vector BLOB NOT NULL,
        UNIQUE (encoder_id, loop_id)
    );
    CREATE TABLE faults (
        version TEXT NOT NULL,
        loop_id TEXT NOT NULL,
        report TEXT NOT NULL,
        PRIMARY KEY (version, loop_id)
    ) WITHOUT ROWID;
    CREATE TABLE marks (
        loop_id TEXT PRIMARY KEY,
        mark TEXT,
        note TEXT NOT NULL,
        updated_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE settings (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE measurements (
        version TEXT NOT NULL,
        loop_id TEXT NOT NULL,
        report TEXT NOT NULL,
        PRIMARY KEY (version, loop_id)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE projects (
        project_id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        folder BLOB NOT NULL,
        name TEXT NOT NULL,
        opened_at REAL NOT NULL,
        state TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE project_files (
        project_id TEXT NOT NULL,
        path BLOB NOT NULL,
        loop_id TEXT NOT NULL,
        PRIMARY KEY (project_id, path)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE patches (
        patch_id TEXT NOT NULL,
        loop_id TEXT NOT NULL,
        checksum INTEGER NOT NULL,
        n_values INTEGER NOT NULL,
        patches BLOB NOT NULL,
        UNIQUE (patch_id, loop_id)
    );
    """,
    """
    CREATE TABLE corrections (
        loop_id TEXT PRIMARY KEY,
        bpm REAL,
        key TEXT,
        updated_at REAL NOT NULL
    ) WITHOUT ROWID;
    """,
)
VERSION = len(MIGRATIONS)
IRREPLACEABLE = {
    "marks": ("loop_id", "mark", "note", "updated_at"),
    "corrections": ("loop_id", "bpm", "key", "updated_at"),
    "settings": ("key", "value"),
    "projects": ("project_id", "owner", "folder", "name", "opened_at", "state"),
}
# Which of two rows with one key holds.
NEWEST = {"marks": "updated_at", "corrections": "updated_at", "projects": "opened_at"}
RECOMPUTABLE = ("files", "embeddings", "patches", "faults", "measurements")
COMPACT = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")  # VACUUM writes through the log, which then needs emptying


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the tables; 0 for a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the present version, all steps or none. Needs a connection in autocommit mode."""
    if version_of(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in MIGRATIONS[version_of(connection) :]:  # read again: another process may have been faster
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
