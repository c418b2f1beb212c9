//! The JSON encoding of `/io` messages (PROTOCOL §7): one flat object, read where it lies and without a tree, so that a
//! hostile text costs no memory beyond its own bytes. Owns reading and writing fields; not which fields a message has.

mod in_place;
mod message;
mod object;
mod scan;
mod writer;

pub(crate) use in_place::base64_in_place;
pub(crate) use object::{JsonObject, Members, string};
pub(crate) use scan::{NotJson, Scanner};
pub(crate) use writer::JsonWriter;
