//! The configuration (PROTOCOL §3): read at start and on request through one function, replaced in one step, never
//! written.

use super::answer::Answer;
use super::{Cx, Step, Task};
use crate::ids::ConnId;
use crate::job::{Ask, Lane};
use crate::state::State;
use crate::state::notes::Note;
use jstorrent_io_proto::error::{Code, Refusal};
use jstorrent_io_proto::limits::RPC_INFO_BYTES_MAX;
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
    if changed {
        for (channel, _) in state.channels.iter() {
            state.notes.send(channel, Note::RootsChanged);
        }
    }
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

/// A request that waits for a reading.
#[derive(Debug)]
pub struct Refresh {
    me: ConnId,
    wanted: u64,
}

/// `POST /api/read-rpc-info-from-disk`. With `--dev` there is no file, and nothing to read.
pub fn refresh(cx: &mut Cx<'_>) -> Task {
    if cx.state.settings.rpc_info_path.is_none() {
        return Task::ready(Answer::done());
    }
    let (wanted, begin) = cx.state.rereads.want(cx.me);
    if begin {
        begin_reading(cx.state);
    }
    Task::Refresh(Refresh { me: cx.me, wanted })
}

/// The reading belongs to nobody: it goes on, and counts, when the connection that asked for it has gone.
fn begin_reading(state: &mut State) {
    let path = state.settings.rpc_info_path.clone().unwrap_or_default();
    let ask = Ask::ReadConfig { path, bytes_max: RPC_INFO_BYTES_MAX };
    state.submit(ConnId::NOBODY, Lane::Local, None, ask);
}

/// A reading has come home.
pub fn read(state: &mut State, content: Result<Vec<u8>, String>) {
    let outcome = apply(state, content);
    if state.rereads.ended(outcome, &mut state.notes) {
        begin_reading(state);
    }
}

impl Refresh {
    pub(super) fn advance(&self, cx: &Cx<'_>) -> Step {
        match cx.state.rereads.outcome(self.wanted) {
            None => Step::Wait,
            Some(Ok(())) => Step::Reply(Answer::done()),
            Some(Err(refusal)) => Step::Reply(refusal.clone().into()),
        }
    }

    pub(super) fn release(&self, state: &mut State) {
        state.rereads.forget(self.me);
    }
}
