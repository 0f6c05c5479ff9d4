//! Fuzzes `fuzz::answer_head`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::answer_head(data));
