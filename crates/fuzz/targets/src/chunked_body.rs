//! Fuzzes `fuzz::chunked_body`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::chunked_body(data));
