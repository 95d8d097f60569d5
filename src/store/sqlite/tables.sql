CREATE TABLE runs (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE,
    plan      TEXT NOT NULL,
    plan_path TEXT NOT NULL,
    begun_by  TEXT NOT NULL,
    hosts     INTEGER NOT NULL,
    begun_at  TEXT NOT NULL,
    ended_at  TEXT,
    state     TEXT NOT NULL,
    epoch     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    hash      BLOB NOT NULL
) STRICT;

CREATE TABLE events (
    run     TEXT NOT NULL REFERENCES runs (id),
    seq     INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    at      TEXT NOT NULL,
    hash    BLOB NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;

CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE run = NEW.run AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'events are never replaced'); END;

CREATE TRIGGER epochs_are_not_lowered BEFORE UPDATE OF epoch ON runs
WHEN NEW.epoch <= OLD.epoch
BEGIN SELECT RAISE(ABORT, 'epochs only rise'); END;
