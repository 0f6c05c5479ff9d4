//! Fuzzes `fuzz::answer_stream`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::answer_stream(data));
