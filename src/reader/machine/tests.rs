//! Tests of the reader machine.
