//! The daemon: see ARCHITECTURE.md for the map.

pub mod buffer;
pub mod config;
pub mod conn;
pub mod engine;
pub mod exit;
pub mod ids;
pub mod job;
pub mod limits;
pub mod logging;
pub mod oneline;
pub mod platform;
pub mod reactor;
pub mod ready;
mod run;
pub mod service;
pub mod state;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/absent.rs"]
pub mod tls;
pub mod workers;

pub use run::run;
