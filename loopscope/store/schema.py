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
    # One version of all fault checks becomes one each (`faults.memory`): these are what the last of them stood for.
    """
    UPDATE faults SET version = 'checks 76346822e97d9ec5' WHERE version = '12-64a3a6d4b669';
    INSERT INTO faults VALUES ('sets of checks', 'checks 76346822e97d9ec5', '
     {"click": "1-defc6dec", "clipping": "1-8bd7de32", "dropout": "1-7d226974", "digital_silence": "1-edf9096d",
     "dc_offset": "1-40dac6e6", "hum": "1-14c6293b", "noise": "1-8c03a22a", "stereo_phase": "1-e2a2c068",
     "dead_channel": "1-73ee87e4", "near_silence": "1-f8834c55", "seam": "1-2a8b1ac5", "band_limited":
     "1-fe07469c", "note_out_of_tune": "1-30bf46c2", "off_tuning": "1-586eea45", "drift": "1-4bfd8c83", "off_grid":
     "1-efc5ca1d", "reversed": "1-bb6858e8", "stutter": "1-d1344e07", "cut": "1-d2412ba0", "noise_burst":
     "1-3e72a624", "spectral_seam": "1-01c8048f", "true_peak": "1-b66116ac", "false_stereo": "1-22778b74",
     "bit_depth": "1-a0601ac2", "silence": "1-d1f0679a", "off_level": "1-2c6591e8", "other_tempo": "1-8625af20"}
    ');
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
