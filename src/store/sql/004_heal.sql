-- What was broken, and what was done about it. Not part of the journal: nothing about money is in it, and old rows go.
CREATE TABLE heal (
    number INTEGER PRIMARY KEY,
    part   TEXT NOT NULL,
    cause  TEXT NOT NULL,
    began  INTEGER NOT NULL,
    -- Microseconds until it worked again; NULL while it does not.
    lasted INTEGER
) STRICT;
CREATE TABLE heal_measure (
    heal   INTEGER NOT NULL REFERENCES heal (number) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    rung   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    effect TEXT NOT NULL,
    PRIMARY KEY (heal, place)
) STRICT, WITHOUT ROWID;
