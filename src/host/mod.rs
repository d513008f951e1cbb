//! The acquirer's side, sans-IO: profile, message building, session, keys, MAC, PIN block. Must not know: reader, keypad, any fd.
