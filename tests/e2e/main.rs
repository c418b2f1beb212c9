//! End-to-end tests of the real binary, over real sockets and processes. They wait for events with a deadline and
//! never for time to pass. Linux only, as they look into `/proc`; what they test is not.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "what was measured or skipped, for whoever reads the run")]

#[allow(dead_code, reason = "clients and probes for all tests, whichever are compiled")]
mod support;

mod admission;
mod command_line;
mod configuration;
mod descriptors;
mod files;
mod frozen;
mod hashing;
mod io;
mod lifecycle;
mod logs;
mod native_host;
mod orphaned_writes;
mod stream;
mod stream_deferred;
mod udp;
