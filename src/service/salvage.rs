//! What a job brings home to someone who has gone: its buffers go back to the pool, a file that it opened is closed.

use crate::buffer::Buffer;
use crate::ids::ConnId;
use crate::job::{Ask, Done, FileHandle, Lane};
use crate::state::State;
use std::sync::Arc;

/// Puts everything of value back in its place.
pub fn salvage(state: &mut State, done: Done) {
    match done {
        Done::Read(buffer, _) => state.buffers.give(buffer),
        Done::Write(buffers, _) | Done::HashBytes(_, buffers) | Done::HashInOrder(buffers) => {
            give_all(state, buffers)
        }
        Done::Open(Ok(opened)) => forget(state, opened.file),
        _ => {}
    }
}

/// Gives buffers back.
pub fn give_all(state: &mut State, buffers: Vec<Buffer>) {
    for buffer in buffers {
        state.buffers.give(buffer);
    }
}

/// Lets the descriptor of a file go that nobody needs any more.
pub fn forget(state: &mut State, file: Arc<FileHandle>) {
    let lane = Lane::Disk(file.root.number);
    state.submit(ConnId::NOBODY, lane, None, Ask::Forget(file));
}
