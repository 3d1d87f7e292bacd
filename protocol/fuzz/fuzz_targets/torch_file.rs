//! Files of `torch.save`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = truenorth_protocol::torch_file::read(bytes);
});
