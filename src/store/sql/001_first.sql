-- First schema. STRICT tables; times are Unix microseconds; amounts are minor units.
CREATE TABLE terminal (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    next_stan    INTEGER NOT NULL,
    batch        INTEGER NOT NULL,
    on_duty      TEXT,
    signed_in_at INTEGER
) STRICT;
INSERT INTO terminal (one, next_stan, batch) VALUES (1, 1, 1);

CREATE TABLE payment (
    id            INTEGER PRIMARY KEY,
    uid           INTEGER NOT NULL,
    key           TEXT NOT NULL,
    fingerprint   TEXT NOT NULL,
    kind          TEXT NOT NULL,
    amount        INTEGER NOT NULL CHECK (amount > 0),
    currency      TEXT NOT NULL,
    reference     TEXT,
    state         TEXT NOT NULL,
    outcome       TEXT,
    cause         TEXT,
    evidence      TEXT NOT NULL,
    code          TEXT,
    stan          INTEGER,
    batch         INTEGER,
    masked_pan    TEXT,
    scheme        TEXT,
    rrn           TEXT,
    auth_code     TEXT,
    response_code TEXT,
    response_zh   TEXT,
    response_en   TEXT,
    reversed      INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    UNIQUE (uid, key)
) STRICT;
CREATE INDEX payment_code ON payment (code) WHERE code IS NOT NULL;
-- Tiny: holds only what is under way, so that a start does not read the whole table.
CREATE INDEX payment_open ON payment (id) WHERE state <> 'finished';

-- Written with the request, before its first byte leaves; deleted when the host's answer is on disk.
CREATE TABLE reversal (
    id     INTEGER PRIMARY KEY REFERENCES payment (id),
    reason TEXT NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE operator (
    id     TEXT PRIMARY KEY,
    role   TEXT NOT NULL,
    hash   TEXT NOT NULL,
    failed INTEGER NOT NULL,
    locked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE secret (
    name   TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
