//! The only place that knows mio and the clock: one poll thread that owns every socket, and what wakes it.

mod connect;
mod datagrams;
pub mod event_loop;
mod listeners;
mod moderation;
pub mod parent;
mod servers;
pub mod signals;
mod sources;
pub mod stdin;
mod stream;
pub mod turn;
