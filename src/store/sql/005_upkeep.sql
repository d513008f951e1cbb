-- What wears, one number a counter and day; only the newest days stay. Not part of the journal: nothing about money is in it.
CREATE TABLE upkeep (
    day     INTEGER NOT NULL,
    counter TEXT NOT NULL,
    value   INTEGER NOT NULL,
    PRIMARY KEY (day, counter)
) STRICT, WITHOUT ROWID;
-- The inspection log: what was done at the terminal, by whom. Nothing in it is altered or goes.
CREATE TABLE upkeep_log (
    number   INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    item     TEXT NOT NULL,
    operator TEXT,
    uid      INTEGER NOT NULL,
    note     TEXT NOT NULL
) STRICT;
CREATE TRIGGER upkeep_log_stays BEFORE UPDATE ON upkeep_log
BEGIN
    SELECT RAISE(ABORT, 'the inspection log is not altered');
END;
CREATE TRIGGER upkeep_log_is_whole BEFORE DELETE ON upkeep_log
BEGIN
    SELECT RAISE(ABORT, 'the inspection log loses nothing');
END;
