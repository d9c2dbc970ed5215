#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::parse_stored_password(data));
