//! What the shipping client names in fields and in the target: a root by its key, a file by `X-Path-Base64`
//! (PROTOCOL §4, "The shipping client's dialect").

use super::{Call, files};
use crate::job::Root;
use crate::state::State;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::path::RelPath;
use jstorrent_io_proto::percent::{Plus, decode};
use jstorrent_io_proto::query::parse_number;
use std::sync::Arc;

/// The root that the target's `{key}` names.
pub fn root(state: &State, call: &Call<'_>) -> Result<Arc<Root>, Refusal> {
    let key = decode(call.found.key, Plus::Literal).ok_or_else(|| {
        Refusal::because(Code::BadParameter, "The root's key is not percent-encoded UTF-8.")
    })?;
    files::root(state, &key)
}

/// The file that `X-Path-Base64` names.
pub fn path(call: &Call<'_>) -> Result<RelPath, Refusal> {
    let value = call.head.single("X-Path-Base64")?;
    let value = value.ok_or_else(|| Refusal::because(Code::BadParameter, "X-Path-Base64 is missing."))?;
    RelPath::parse_base64(value.as_bytes(), false)
}

/// A field that holds a number.
pub fn number(call: &Call<'_>, name: &str) -> Result<Option<u64>, Refusal> {
    call.head.single(name)?.map(|text| parse_number(name, text)).transpose()
}
