//! The daemon: see ARCHITECTURE.md for the map.

pub mod buffer;
pub mod config;
pub mod exit;
pub mod ids;
pub mod logging;
pub mod oneline;
pub mod platform;
pub mod reactor;
pub mod ready;
mod run;
pub mod time;

pub use run::run;
