"""The tables of the ledger, as the migrations that make them.

``PRAGMA user_version`` counts the migrations a file has been through.
"""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE image (
        engine TEXT NOT NULL, image_id TEXT NOT NULL, first_seen REAL NOT NULL,
        last_tagged REAL, buildkit INTEGER NOT NULL, inspected INTEGER NOT NULL,
        exact INTEGER NOT NULL, depth INTEGER, top INTEGER,
        PRIMARY KEY (engine, image_id)
    ) WITHOUT ROWID;
    CREATE TABLE layer (
        id INTEGER PRIMARY KEY, engine TEXT NOT NULL, chain_id TEXT NOT NULL,
        diff_id TEXT NOT NULL, below INTEGER, size INTEGER,
        UNIQUE (engine, chain_id)
    );
    """,
    """
    CREATE TABLE last_use (
        engine TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (engine, kind, id)
    ) WITHOUT ROWID;
    CREATE TABLE lease (
        reference TEXT NOT NULL, job TEXT NOT NULL, written TEXT NOT NULL,
        until REAL NOT NULL,
        PRIMARY KEY (reference, job)
    ) WITHOUT ROWID;
    CREATE TABLE run (
        id INTEGER PRIMARY KEY AUTOINCREMENT, engine TEXT NOT NULL,
        engine_name TEXT NOT NULL, endpoint TEXT NOT NULL, level TEXT NOT NULL,
        job TEXT NOT NULL, pid INTEGER NOT NULL, started REAL NOT NULL, ended REAL,
        state TEXT NOT NULL, interrupted TEXT NOT NULL, steps INTEGER NOT NULL,
        planned_bytes INTEGER NOT NULL, estimated INTEGER NOT NULL,
        freed_bytes INTEGER NOT NULL, removed INTEGER NOT NULL, skipped INTEGER NOT NULL,
        failed INTEGER NOT NULL, free_before INTEGER, free_after INTEGER
    );
    CREATE INDEX run_of_engine ON run (engine, state, ended);
    CREATE TABLE removal (
        run INTEGER NOT NULL, place INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
        names TEXT NOT NULL, tags TEXT NOT NULL, digests TEXT NOT NULL,
        labels TEXT NOT NULL, size INTEGER, planned_bytes INTEGER NOT NULL,
        freed_bytes INTEGER, result TEXT NOT NULL, detail TEXT NOT NULL, at REAL,
        PRIMARY KEY (run, place)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE pull (
        id INTEGER PRIMARY KEY AUTOINCREMENT, engine TEXT NOT NULL, registry TEXT NOT NULL,
        size INTEGER NOT NULL, seconds REAL NOT NULL
    );
    CREATE INDEX pull_of_registry ON pull (engine, registry);
    """,
    """
    CREATE TABLE watch (
        id INTEGER PRIMARY KEY, engine TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
        events INTEGER NOT NULL, anchored INTEGER NOT NULL, builds REAL NOT NULL,
        looked REAL NOT NULL
    );
    CREATE TABLE used (
        engine TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, first REAL NOT NULL,
        last REAL NOT NULL, count INTEGER NOT NULL, gap REAL, began REAL,
        PRIMARY KEY (engine, kind, id)
    ) WITHOUT ROWID;
    INSERT INTO used SELECT engine, kind, id, at, at, 1, NULL, NULL FROM last_use;
    DROP TABLE last_use;
    CREATE TABLE company (
        engine TEXT NOT NULL, reference TEXT NOT NULL, uses REAL NOT NULL,
        followers TEXT NOT NULL,
        PRIMARY KEY (engine, reference)
    ) WITHOUT ROWID;
    CREATE TABLE own_pull (
        engine TEXT NOT NULL, reference TEXT NOT NULL, began REAL NOT NULL,
        ended REAL NOT NULL
    );
    CREATE TABLE past_reference (
        id INTEGER PRIMARY KEY, watch INTEGER NOT NULL, name TEXT NOT NULL,
        image INTEGER NOT NULL, last_use INTEGER NOT NULL,
        UNIQUE (watch, name)
    );
    CREATE TABLE past_image (
        id INTEGER PRIMARY KEY, watch INTEGER NOT NULL, image_id TEXT NOT NULL,
        size INTEGER NOT NULL, created REAL NOT NULL, layers TEXT,
        last_use INTEGER NOT NULL,
        UNIQUE (watch, image_id)
    );
    CREATE TABLE past_use (
        id INTEGER PRIMARY KEY, at REAL NOT NULL, reference INTEGER NOT NULL,
        image INTEGER NOT NULL, pulled INTEGER NOT NULL
    );
    """,
    """
    CREATE TABLE registry_word (
        engine TEXT NOT NULL, reference TEXT NOT NULL, has INTEGER, said TEXT NOT NULL,
        asked REAL NOT NULL, seen REAL NOT NULL,
        PRIMARY KEY (engine, reference)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE image ADD COLUMN arrived REAL;
    ALTER TABLE image ADD COLUMN loaded INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE image ADD COLUMN pinned TEXT NOT NULL DEFAULT '';
    ALTER TABLE image ADD COLUMN tagged_in TEXT NOT NULL DEFAULT '';
    """,
    """
    CREATE TABLE ended (
        engine TEXT NOT NULL, id TEXT NOT NULL, seen REAL NOT NULL,
        PRIMARY KEY (engine, id)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE watch ADD COLUMN listed REAL NOT NULL DEFAULT 0;",
    "ALTER TABLE removal ADD COLUMN platforms TEXT NOT NULL DEFAULT '[]';",
    """
    ALTER TABLE image ADD COLUMN dated_tags TEXT NOT NULL DEFAULT '';
    ALTER TABLE image ADD COLUMN dated REAL;
    """,
    """
    CREATE TABLE engine (
        mark TEXT PRIMARY KEY, info TEXT NOT NULL, at REAL NOT NULL
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE run ADD COLUMN target_free INTEGER;",
    """
    ALTER TABLE run ADD COLUMN options TEXT;
    ALTER TABLE removal ADD COLUMN reasons TEXT;
    ALTER TABLE removal ADD COLUMN pressure INTEGER;
    """,
    """
    ALTER TABLE run ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE run ADD COLUMN look_until REAL;
    ALTER TABLE removal ADD COLUMN lost TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE removal ADD COLUMN looked INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX run_to_look_at ON run (engine) WHERE look_until IS NOT NULL;
    CREATE INDEX removal_with_losses ON removal (id) WHERE lost != '[]';
    """,
    """
    CREATE TABLE host (
        uuid TEXT PRIMARY KEY, engine_id TEXT NOT NULL, name TEXT NOT NULL,
        endpoints TEXT NOT NULL, machine TEXT NOT NULL, boot TEXT NOT NULL,
        first_seen REAL NOT NULL, last_seen REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX host_of_engine ON host (engine_id);
    """,
    """
    CREATE TABLE sample (
        engine TEXT NOT NULL, span INTEGER NOT NULL, at INTEGER NOT NULL, total INTEGER,
        free INTEGER, images INTEGER, containers INTEGER, cache INTEGER, volumes INTEGER,
        PRIMARY KEY (engine, span, at)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE scheduled (
        engine TEXT NOT NULL, job TEXT NOT NULL, due REAL NOT NULL, began REAL NOT NULL,
        PRIMARY KEY (engine, job)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE success (
        engine TEXT NOT NULL, job TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (engine, job)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE sample ADD COLUMN available INTEGER;",
    """
    ALTER TABLE run ADD COLUMN not_tried INTEGER NOT NULL DEFAULT 0;
    UPDATE removal SET result = 'not_tried'
        WHERE result = 'failed' AND NOT looked AND detail LIKE 'not tried%';
    UPDATE run SET not_tried = (
        SELECT count(*) FROM removal WHERE run = run.id AND result = 'not_tried'
    );
    UPDATE run SET failed = max(0, failed - not_tried) WHERE not_tried;
    """,
    """
    CREATE TABLE audit (
        engine TEXT NOT NULL PRIMARY KEY, at REAL NOT NULL, used INTEGER NOT NULL,
        named INTEGER NOT NULL, dark INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
)
"""One script a version. ``image.top`` is the layer on top of an image's stack, ``layer.below``
the one under it; a layer's size and an image's depth are null until they were weighed.
The column ``engine`` of a table is the key of a host and an image store: the host's UUID, a slash,
and the store. What earlier versions kept has the engine's ID in place of the UUID until its host is
seen again: ``store.hosts`` gives it the new key then. ``host.endpoints`` is JSON.
``image.pinned``, ``image.tagged_in`` and ``image.dated_tags`` are names with blanks between them.
``lease.reference`` is in full, ``lease.written`` as the job wrote it. ``removal.place`` counts a
run's steps from 0; its lists and labels are JSON. ``run.options``, ``removal.reasons`` and
``removal.pressure`` are null in what earlier versions of holystone wrote.

``removal.result`` is empty until the removal is asked for, ``unknown`` until it is known how it
ended, and ``not_tried`` where its run ended before; ``removal.looked`` says that a look at what is
there told that, and no answer.
``removal.lost`` are the references that an image lost while it stayed. ``run.look_until`` is how
long a run that has ended is looked at again for the results of its removals, null for not at all.

``sample.span`` is how many seconds a sample stands for; ``sample.available`` is null in what
earlier versions of holystone wrote.

``scheduled.due`` is the latest due time of a job that the agent has served. Of a job that has not
run yet both times are those at which the agent first had it in its schedule.

``ended.seen`` is when a container was first seen stopped of which the engine tells no end.

``used`` are the summaries: what a plan reads. ``watch.events`` is in nanoseconds, as engines count.
``past_use`` is the log of single uses, which only an export reads, by the ``watch`` of its engine;
``last_use`` is the latest row of it that names a reference or an image, ``past_reference.image``
the image that was behind it then. ``past_image.layers`` is JSON, and null if they were not read
yet: as long as the image is here the tables ``image`` and ``layer`` may."""
