//! The `planrun` program: everything is in [`planrun::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    planrun::cli::main()
}
