//! What the real daemon takes of memory under load, in a run of its own: its clients take all of the machine. Linux
//! only, as it looks into `/proc`.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "what was measured, for whoever reads the run")]

#[allow(dead_code, reason = "clients and probes for all tests, whichever are compiled")]
#[path = "../e2e/support/mod.rs"]
mod support;

mod hostile;
mod stall;
