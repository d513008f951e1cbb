-- Offline payments, the standing of reversals, script reports, the clock, the journal. Columns are added in place: no row
-- is rewritten, so that a million payments are upgraded as fast as none.
ALTER TABLE terminal ADD COLUMN clock_boot TEXT;
ALTER TABLE terminal ADD COLUMN clock_mono INTEGER;
ALTER TABLE terminal ADD COLUMN clock_wall INTEGER;
-- Payments are numbered from here on: a restore jumps over numbers that may have been used after the backup.
ALTER TABLE terminal ADD COLUMN first_id INTEGER NOT NULL DEFAULT 1;
-- Changes whenever it is tried whether a write goes through.
ALTER TABLE terminal ADD COLUMN touched INTEGER NOT NULL DEFAULT 0;
-- Of the sealing key, so that another one is known at once.
ALTER TABLE terminal ADD COLUMN key_check BLOB;
-- The head of the journal, kept apart from its rows: the last number, and a keyed hash over the last row's.
ALTER TABLE terminal ADD COLUMN journal_last INTEGER NOT NULL DEFAULT 0;
ALTER TABLE terminal ADD COLUMN journal_seal BLOB;

ALTER TABLE payment ADD COLUMN mode TEXT NOT NULL DEFAULT 'online-only';
ALTER TABLE payment ADD COLUMN forwarding TEXT;
ALTER TABLE payment ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payment ADD COLUMN resolution TEXT;

ALTER TABLE reversal ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reversal ADD COLUMN standing TEXT NOT NULL DEFAULT 'due';

-- What was accepted offline. The row stays, the sealed card data go when the host has the payment or a person gave it up.
CREATE TABLE offline (
    id          INTEGER PRIMARY KEY REFERENCES payment (id),
    -- 0 to be sent, 1 waits for a person, NULL neither. Follows payment.forwarding by trigger.
    held        INTEGER,
    accepted_at INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    -- Keyed hash of the card number.
    card        BLOB NOT NULL,
    sealed      BLOB
) STRICT;
-- Holds only what is unsent.
CREATE INDEX offline_unsent ON offline (held, accepted_at) WHERE held IS NOT NULL;
CREATE INDEX offline_card ON offline (day, card);

-- What is unsent, counted as it changes.
CREATE TABLE queue (
    currency TEXT PRIMARY KEY,
    waiting  INTEGER NOT NULL CHECK (waiting >= 0),
    held     INTEGER NOT NULL CHECK (held >= 0),
    sum      INTEGER NOT NULL CHECK (sum >= 0)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER payment_forwarded AFTER UPDATE OF forwarding ON payment
WHEN CASE old.forwarding WHEN 'waiting' THEN 0 WHEN 'in-flight' THEN 0 WHEN 'held' THEN 1 END
  IS NOT CASE new.forwarding WHEN 'waiting' THEN 0 WHEN 'in-flight' THEN 0 WHEN 'held' THEN 1 END
BEGIN
    SELECT RAISE(ABORT, 'a payment to be forwarded is not stored')
    WHERE NOT EXISTS (SELECT 1 FROM offline WHERE id = new.id);
    UPDATE offline
    SET held = CASE new.forwarding WHEN 'waiting' THEN 0 WHEN 'in-flight' THEN 0 WHEN 'held' THEN 1 END
    WHERE id = new.id;
    INSERT INTO queue (currency, waiting, held, sum) VALUES (new.currency, 0, 0, 0) ON CONFLICT DO NOTHING;
    UPDATE queue SET
        waiting = waiting + (new.forwarding IS 'waiting' OR new.forwarding IS 'in-flight')
                          - (old.forwarding IS 'waiting' OR old.forwarding IS 'in-flight'),
        held = held + (new.forwarding IS 'held') - (old.forwarding IS 'held'),
        sum = sum + new.amount *
            ((new.forwarding IS 'waiting' OR new.forwarding IS 'in-flight' OR new.forwarding IS 'held')
           - (old.forwarding IS 'waiting' OR old.forwarding IS 'in-flight' OR old.forwarding IS 'held'))
    WHERE currency = new.currency;
END;
CREATE TRIGGER payment_forwarded_once AFTER UPDATE OF forwarding ON payment
WHEN new.forwarding IS NOT old.forwarding AND (
    new.forwarding IS NULL
    OR old.forwarding IS 'accepted'
    OR (old.forwarding IS 'abandoned' AND new.forwarding IS NOT 'accepted'))
BEGIN
    SELECT RAISE(ABORT, 'a payment that the host has, or that was given up, is not sent again');
END;

-- The life of a payment, as it is drawn in life.rs: what is finished stays as it ended.
CREATE TRIGGER payment_life BEFORE UPDATE OF state, outcome ON payment
WHEN (new.state IS NOT old.state OR new.outcome IS NOT old.outcome)
 AND old.state || ' ' || coalesce(old.outcome, '') || '>' || new.state || ' ' || coalesce(new.outcome, '') NOT IN (
    'created >authorising ',
    'created >finished cancelled',
    'created >finished declined',
    'created >finished approved-offline',
    'authorising >finished approved',
    'authorising >finished declined',
    'authorising >finished cancelled',
    'authorising >finished unknown',
    'authorising >reversing unknown',
    'reversing unknown>finished cancelled',
    'reversing unknown>finished unknown')
BEGIN
    SELECT RAISE(ABORT, 'a payment cannot go from where it is to there');
END;

-- Cards that are not accepted offline: by keyed hash.
CREATE TABLE denied (
    card BLOB PRIMARY KEY,
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Script results to be reported; deleted when the report is about to leave.
CREATE TABLE script (
    id     INTEGER PRIMARY KEY REFERENCES payment (id),
    sealed BLOB NOT NULL
) STRICT;

-- One row a commit, each chained to the one before by a keyed hash. Rows are only ever added.
CREATE TABLE journal (
    number INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    entry  TEXT NOT NULL,
    chain  BLOB NOT NULL
) STRICT;
CREATE TRIGGER journal_unchanged BEFORE UPDATE ON journal
BEGIN
    SELECT RAISE(ABORT, 'the journal is only ever added to');
END;
CREATE TRIGGER journal_kept BEFORE DELETE ON journal
BEGIN
    SELECT RAISE(ABORT, 'the journal is only ever added to');
END;
-- INSERT OR REPLACE would delete without asking the trigger above.
CREATE TRIGGER journal_in_order BEFORE INSERT ON journal
WHEN EXISTS (SELECT 1 FROM journal WHERE number >= new.number)
BEGIN
    SELECT RAISE(ABORT, 'the journal is only ever added to');
END;
