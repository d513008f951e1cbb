-- For lists by outcome. Most payments are approved, so the newest of those are near the end of the table, and an ordinary
-- sale writes nothing here; the others are found without reading all payments.
CREATE INDEX payment_outcome ON payment (outcome) WHERE outcome <> 'approved';
