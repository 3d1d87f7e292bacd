#![no_main]

#[path = "../targets.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::answer(bytes);
});
