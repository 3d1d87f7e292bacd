//! The pickle reader: any bytes give a value or an error, and never much memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use truenorth_protocol::pickle::{Limits, read};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { bytes: 1 << 20, values: 1 << 16, text: 1 << 20, depth: 64 };
    let _ = read(bytes, &limits, &|module, name| module != "os" && !name.starts_with('_'));
});
