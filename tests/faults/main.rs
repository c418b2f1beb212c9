//! What goes wrong around the daemon, done to the real binary: it is killed, the power fails, calls fail, disks fill up
//! and go away, clients misbehave. Each time nothing that was acknowledged is lost, nothing hangs, the client is told, and
//! memory and descriptors come back.
//!
//! What needs root rights or a tool says so and is left out where they are missing; a missing tool is a failure where
//! `CI` is set.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "what was done or left out, for whoever reads the run")]

#[path = "../soak/run/pattern.rs"]
#[allow(dead_code, reason = "shared with the soak test")]
mod pattern;
#[path = "../soak/run/random.rs"]
#[allow(dead_code, reason = "shared with the soak test")]
mod random;
#[path = "../e2e/support/mod.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod support;

mod crash;
mod load;
mod shadow;
mod volume;

/// A number that the environment may set, such as how often to do something.
fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => default,
    }
}
