#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let report = midmirror_verify::fuzzing::verifier(data);
    serde_json::to_vec(&report).expect("a report serialises");
});
