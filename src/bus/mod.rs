//! The D-Bus face: interfaces, authority, errors, client proxy.
