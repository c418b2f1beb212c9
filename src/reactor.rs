//! The only place that knows mio and the clock.

pub mod parent;
pub mod signals;
pub mod stdin;
