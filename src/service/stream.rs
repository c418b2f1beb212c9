//! Streaming (PROTOCOL §5): an open file for players, bytes that are missing yet included.

mod ranges;

pub use ranges::{available, channel_closed, channel_opened, new_deferred, told, unavailable};
