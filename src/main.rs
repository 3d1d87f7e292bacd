//! The command line of truenorth.
fn main() {}
