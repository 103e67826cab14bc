"""The tables in a SQLite file, and their history since the first version."""

from sqlalchemy import Connection, text

from warehouse.store.migrating import FILE_VERSION
from warehouse.store.pictures import PictureStore

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
        """CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    epoch TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    location TEXT NOT NULL,
    verdict TEXT NOT NULL,
    captured TEXT NOT NULL,
    received TEXT NOT NULL,
    alert TEXT,
    payload TEXT NOT NULL
) STRICT""",
        "CREATE INDEX events_by_location ON events (location, number)",
        "CREATE INDEX events_by_alert ON events (alert, number) WHERE alert IS NOT NULL",
        """CREATE TABLE latest (
    agent TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('state', 'status', 'health', 'coverage')),
    subject TEXT NOT NULL,
    received TEXT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (agent, kind, subject)
) STRICT, WITHOUT ROWID""",
        """CREATE TABLE pictures (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    jpeg BLOB NOT NULL
) STRICT""",
        "CREATE INDEX pictures_by_size ON pictures (size)",
        """CREATE TABLE epochs (
    agent TEXT NOT NULL,
    epoch TEXT NOT NULL,
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    highest INTEGER NOT NULL,
    missing INTEGER,
    asked INTEGER NOT NULL DEFAULT 0,
    asked_to INTEGER NOT NULL DEFAULT 0,
    ask_at REAL NOT NULL DEFAULT 0,
    UNIQUE (agent, epoch)
) STRICT""",
        """CREATE TABLE ranges (
    epoch INTEGER NOT NULL REFERENCES epochs (number),
    kind TEXT NOT NULL CHECK (kind IN ('stored', 'lost')),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (epoch, kind, first)
) STRICT, WITHOUT ROWID""",
        """CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    received TEXT NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    epoch TEXT,
    sequence INTEGER
) STRICT""",
        """CREATE TABLE webhooks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    location TEXT NOT NULL,
    body BLOB NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0
) STRICT""",
        "CREATE INDEX webhooks_by_location ON webhooks (location, number)",
        """CREATE VIEW locations AS SELECT
    subject AS location,
    agent,
    json_extract(payload, '$.data.verdict') AS verdict,
    json_extract(payload, '$.data.expected.sku') AS expected_sku,
    json_extract(payload, '$.data.seen.sku') AS seen_sku,
    json_extract(payload, '$.data.since') AS since,
    json_extract(payload, '$.data.last_verified') AS last_verified,
    json_extract(payload, '$.data.valid_until') AS valid_until,
    json_extract(payload, '$.data.alert.status') AS alert
FROM latest WHERE kind = 'state'""",
    ),
    (
        "ALTER TABLE epochs ADD COLUMN contiguous_to INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE epochs ADD COLUMN present INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE epochs ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0",
        """UPDATE epochs SET contiguous_to = (
    WITH RECURSIVE reached (place) AS (
        SELECT 0
        UNION SELECT ranges.last FROM ranges, reached
        WHERE ranges.epoch = epochs.number AND ranges.first - 1 <= reached.place AND ranges.last > reached.place
    )
    SELECT max(place) FROM reached
)""",
        "UPDATE epochs SET present = 1 WHERE number IN (SELECT max(number) FROM epochs GROUP BY agent)",
        "CREATE UNIQUE INDEX epochs_present ON epochs (agent) WHERE present = 1",
        "CREATE INDEX events_by_sequence ON events (epoch, sequence)",
        "CREATE INDEX dead_letters_by_topic ON dead_letters (topic)",
        "ALTER TABLE pictures ADD COLUMN agent TEXT",
        "ALTER TABLE pictures ADD COLUMN location TEXT",
    ),
    (
        "ALTER TABLE pictures ADD COLUMN file TEXT NOT NULL DEFAULT ''",
        """INSERT INTO meta SELECT 'last_number', coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)
WHERE true ON CONFLICT DO NOTHING""",
    ),
)
"""The statements of every version of the schema; `user_version` says how many of them a file has had."""


def bring_over(connection: Connection, pictures: str) -> None:
    """Bring a file of any earlier version, or an empty one, to this one's tables.

    Pictures leave their rows for files: those are on the disk before the transaction ends, and a run that is killed
    leaves the former database, and files that the next one writes again.
    """
    found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    for statements in MIGRATIONS[found:]:
        for statement in statements:
            connection.exec_driver_sql(statement)
    _take_out(connection, pictures)
    connection.exec_driver_sql("ALTER TABLE pictures DROP COLUMN jpeg")
    connection.exec_driver_sql(f"PRAGMA user_version = {FILE_VERSION}")


def _take_out(connection: Connection, pictures: str) -> None:
    after = 0
    place = None
    one = text(
        "SELECT number, event, agent, location, jpeg FROM pictures WHERE number > :after ORDER BY number LIMIT 1"
    )
    noted = text("UPDATE pictures SET file = :file WHERE number = :number")
    while row := connection.execute(one, {"after": after}).fetchone():
        after, event, agent, location, jpeg = row
        place = place or PictureStore(pictures)
        file = place.add(agent or "", location or "", event, bytes(jpeg))
        connection.execute(noted, {"file": file, "number": after})
