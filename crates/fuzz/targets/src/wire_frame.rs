//! Fuzzes `fuzz::wire_frame`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::wire_frame(data));
