"""The tables of the ledger, as the migrations that make them.

``PRAGMA user_version`` counts the migrations a file has been through.
"""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE image (
        engine TEXT NOT NULL,
        image_id TEXT NOT NULL,
        first_seen REAL NOT NULL,
        last_tagged REAL,
        buildkit INTEGER NOT NULL,
        inspected INTEGER NOT NULL,
        exact INTEGER NOT NULL,
        depth INTEGER,
        top INTEGER,
        PRIMARY KEY (engine, image_id)
    ) WITHOUT ROWID;
    CREATE TABLE layer (
        id INTEGER PRIMARY KEY,
        engine TEXT NOT NULL,
        chain_id TEXT NOT NULL,
        diff_id TEXT NOT NULL,
        below INTEGER,
        size INTEGER,
        UNIQUE (engine, chain_id)
    );
    """,
    """
    CREATE TABLE last_use (
        engine TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (engine, kind, id)
    ) WITHOUT ROWID;
    CREATE TABLE lease (
        reference TEXT NOT NULL,
        job TEXT NOT NULL,
        written TEXT NOT NULL,
        until REAL NOT NULL,
        PRIMARY KEY (reference, job)
    ) WITHOUT ROWID;
    CREATE TABLE run (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        engine TEXT NOT NULL,
        engine_name TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        level TEXT NOT NULL,
        job TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started REAL NOT NULL,
        ended REAL,
        state TEXT NOT NULL,
        interrupted TEXT NOT NULL,
        steps INTEGER NOT NULL,
        planned_bytes INTEGER NOT NULL,
        estimated INTEGER NOT NULL,
        freed_bytes INTEGER NOT NULL,
        removed INTEGER NOT NULL,
        skipped INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        free_before INTEGER,
        free_after INTEGER
    );
    CREATE INDEX run_of_engine ON run (engine, state, ended);
    CREATE TABLE removal (
        run INTEGER NOT NULL,
        place INTEGER NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        names TEXT NOT NULL,
        tags TEXT NOT NULL,
        digests TEXT NOT NULL,
        labels TEXT NOT NULL,
        size INTEGER,
        planned_bytes INTEGER NOT NULL,
        freed_bytes INTEGER,
        result TEXT NOT NULL,
        detail TEXT NOT NULL,
        at REAL,
        PRIMARY KEY (run, place)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE pull (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        engine TEXT NOT NULL,
        registry TEXT NOT NULL,
        size INTEGER NOT NULL,
        seconds REAL NOT NULL
    );
    CREATE INDEX pull_of_registry ON pull (engine, registry);
    """,
)
"""One script a version. ``image.top`` is the layer on top of an image's stack, ``layer.below``
the one under it; a layer's size and an image's depth are null until they were weighed.
``lease.reference`` is in full, ``lease.written`` as the job wrote it. ``removal.place`` counts a
run's steps from 0; its lists and labels are JSON."""
