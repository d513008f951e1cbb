//! See `targets::scanner_line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::scanner_line(input));
