//! Wiring: configuration, core loop, supervision, journal.
