//! The command line of truenorth; see `truenorth --help`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
