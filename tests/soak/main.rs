//! Everything at once for a while, random but seeded, against the real binary: after it, nothing may be left over, no
//! byte may be missing, and memory must be where it was. A program of its own, as it takes its time:
//!
//!     cargo test --release --test soak -- --seconds 600 --seed 1
//!
//! Linux only, as it looks into `/proc`; what it tests is not.
#![allow(clippy::print_stdout, reason = "it is a program, and this is what it has to say")]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod run;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("there is no /proc to look into here: skipped");
    ExitCode::SUCCESS
}
