//! Owns SQLite: records, counters, operators, sealed keys.
