//! See `targets::reader_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| targets::reader_frame(input));
