//! What differs between operating systems, each subject behind one small interface in a file of its own. Nothing here
//! is called by the core, and nothing above names a system.

pub(crate) mod files;
pub mod interfaces;
pub(crate) mod low_water;
pub mod memory;
pub(crate) mod names;
