//! Writes the payloads of `fixtures/nnsight`: `cargo run -p truenorth-protocol --example
//! nnsight_payloads -- fixtures/nnsight`. Then `python fixtures/make/nnsight_check.py --fixtures`
//! runs them on the package.

#[path = "../tests/support/nnsight_cases.rs"]
mod nnsight_cases;

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("name the folder to write to")?);
    for case in nnsight_cases::cases() {
        let payload = case.with(|r| r.payload())?;
        std::fs::write(folder.join(format!("{}.pkl", case.name)), payload)?;
    }
    Ok(())
}
