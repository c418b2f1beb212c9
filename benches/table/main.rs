//! The table of what the daemon costs: `cargo bench --bench table` runs all of it and prints markdown;
//! `-- writes` only the rows whose section or name has that word, `-- --quick` fewer bytes and three rounds,
//! `-- --dir DIR` with the files in DIR, `-- --against BINARY` another build of the daemon in the peer's place.
//!
//! Each row alternates, within each round, between the daemon, the bare system-call loop that does the same (a process
//! of this program, so that its CPU time is measured alike) and the program that a user would otherwise pick. What is
//! shown are medians over the rounds, of ratios too: what disturbs a machine for a while then disturbs all alike.
//!
//! Linux only, as `/proc` is; elsewhere it says so.
#![cfg_attr(not(target_os = "linux"), allow(unused))]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints a table, and its progress")]

#[cfg(target_os = "linux")]
mod bare;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
mod daemon;
#[cfg(target_os = "linux")]
mod flow;
#[cfg(target_os = "linux")]
mod frames;
#[cfg(target_os = "linux")]
mod io_client;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod nginx;
#[cfg(target_os = "linux")]
mod openssl;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
mod stats;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod websockify;

/// Whatever goes wrong ends the run with one line.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some(bare::ROLE) => bare::run(&args[1..]),
        _ => options::Options::parse(&args).and_then(|options| {
            process::allow_descriptors()?;
            rows::run(&options)
        }),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the benchmarks read /proc, which only Linux has");
}
