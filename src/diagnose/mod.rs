//! Causes, evidence and remedies as data, pure.
