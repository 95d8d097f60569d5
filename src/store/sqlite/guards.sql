CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;

CREATE TRIGGER runs_are_not_removed BEFORE DELETE ON runs
BEGIN SELECT RAISE(ABORT, 'runs are never removed'); END;
