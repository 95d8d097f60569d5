CREATE TABLE IF NOT EXISTS locks (
    run     TEXT NOT NULL REFERENCES runs (id),
    machine TEXT NOT NULL,
    host    TEXT NOT NULL,
    PRIMARY KEY (machine, run)
) STRICT;

CREATE TABLE IF NOT EXISTS requests (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    run      TEXT NOT NULL REFERENCES runs (id),
    asked_by TEXT NOT NULL,
    request  TEXT NOT NULL,
    reply    TEXT
) STRICT;
