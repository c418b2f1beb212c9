//! What the system tells about the machine, as plain data. Nothing here is called by the core.

pub mod interfaces;
