-- The hash of the secret part of an operator's scanned code; NULL while none is issued.
ALTER TABLE operator ADD COLUMN code TEXT;
