#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| midmirror_verify::fuzzing::manifest(data));
