//! The daemon: see ARCHITECTURE.md for the map.

pub mod buffer;
pub mod ids;
pub mod time;
