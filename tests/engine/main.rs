//! Tests of the engine's services without a socket, a thread or a clock: bytes in, effects out, jobs done in line on a
//! real folder.

#[allow(dead_code, reason = "a harness for all tests, whichever are compiled")]
mod harness;

mod checked;
mod config;
mod dialect;
mod failures;
mod files;
mod hash;
mod hash_chunks;
mod io;
mod life;
mod overview;
mod routes;
