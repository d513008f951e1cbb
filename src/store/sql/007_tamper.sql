-- When the terminal was opened, and what was seen; empty once a new master key is in.
ALTER TABLE terminal ADD COLUMN tampered_at INTEGER;
ALTER TABLE terminal ADD COLUMN tampered TEXT;
