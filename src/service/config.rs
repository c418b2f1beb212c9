//! The configuration (PROTOCOL §3): read at start and on request through one function, replaced in one step, never
//! written.

use crate::state::State;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::rpc_info::{self, Profile, RpcInfoError};

/// Puts the content of rpc-info.json, or the reason why there is none, into force. Where it is no good, the old state
/// is kept and the refusal says why.
pub fn apply(state: &mut State, content: Result<Vec<u8>, String>) -> Result<(), Refusal> {
    let Some(install_id) = state.settings.install_id.clone() else { return Ok(()) };
    let profile = content
        .map_err(|reason| unreadable(&reason))
        .and_then(|bytes| rpc_info::parse(&bytes, &install_id).map_err(refusal))
        .inspect_err(|refusal| log::warn!("rpc-info.json: {}", refusal.detail))?;
    replace(state, profile);
    Ok(())
}

/// Puts a profile into force.
pub fn replace(state: &mut State, profile: Profile) {
    let count = profile.roots.len();
    let changed = state.roots.replace(profile);
    log::info!("{count} download roots{}", if changed { ", changed" } else { "" });
}

fn unreadable(reason: &str) -> Refusal {
    Refusal::because(Code::RpcInfoUnreadable, format!("rpc-info.json can't be used: {reason}"))
}

fn refusal(error: RpcInfoError) -> Refusal {
    match error {
        RpcInfoError::Unreadable(reason) => unreadable(&reason),
        RpcInfoError::InstallIdUnknown => Code::InstallIdUnknown.into(),
    }
}
