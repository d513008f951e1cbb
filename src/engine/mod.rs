//! The transaction engine, pure: events in, records and actions out. Must not know: codec, clock, tokio, zbus, rusqlite.
