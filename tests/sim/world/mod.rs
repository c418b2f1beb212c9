//! The world around the engine, under one source of choices: virtual time, sockets, workers, a disk, clients, a judge.
//! Whoever includes this module (tests, fuzz targets) runs a [`World`] and takes a panic for what it found.

mod agenda;
mod client;
mod dialect;
mod dice;
mod disk;
mod invariants;
mod io;
mod judge;
mod link;
mod menu;
mod request;
mod response;
mod shadow;
mod socket;
mod swarm;
mod trace;
mod workers;
#[allow(clippy::module_inception, reason = "it is the world")]
mod world;

pub(crate) use dice::Dice;
pub(crate) use swarm::Kind;
pub(crate) use world::{Summary, World};

/// Runs the world that `seed` determines.
pub(crate) fn run_seed(seed: u64) -> Summary {
    World::new(Dice::seeded(seed), Kind::Any).run()
}

/// Runs a world whose choices are a fuzzer's bytes.
pub(crate) fn run_bytes(bytes: &[u8]) -> Summary {
    World::new(Dice::of_bytes(bytes), Kind::Any).run()
}

/// The same with clients of `/io` alone.
pub(crate) fn run_io_bytes(bytes: &[u8]) -> Summary {
    World::new(Dice::of_bytes(bytes), Kind::Io).run()
}
