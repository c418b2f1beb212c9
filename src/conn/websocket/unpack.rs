//! A BATCH whose messages are handled as far as there is memory for what they bring, and for their replies: the rest
//! waits where it lies. One that came in one read is unpacked in place (`inbound`), unless it has to wait.

use super::{Phase, WebSocket};
use crate::buffer::Block;
use crate::state::State;
use jstorrent_io_proto::frame::DataKind;
use jstorrent_io_proto::message::Batch;
use std::ops::Range;
use std::sync::Arc;

/// Where its messages lie.
#[derive(Debug)]
pub(super) enum Stock {
    Small(Vec<u8>),
    Large(Arc<Block>),
}

/// A batch under way.
#[derive(Debug)]
pub(super) struct Unpacking {
    stock: Stock,
    kind: DataKind,
    request_id: u32,
    /// What was not handled yet.
    range: Range<usize>,
}

impl Unpacking {
    pub(super) fn new(stock: Stock, kind: DataKind, request_id: u32, range: Range<usize>) -> Unpacking {
        Unpacking { stock, kind, request_id, range }
    }

    /// Bytes of it that are no block's.
    pub(super) fn small_bytes(&self) -> usize {
        if let Stock::Small(bytes) = &self.stock { bytes.len() } else { 0 }
    }

    /// Gives its memory back.
    pub(super) fn release(self, state: &mut State) {
        if let Stock::Large(block) = self.stock {
            state.gathering.release(block);
        }
    }
}

impl WebSocket {
    pub(super) fn is_unpacking(&self) -> bool {
        self.unpacking.is_some()
    }

    /// Whether no further message may be handled at present: its client takes no replies, as much waits for peers as
    /// may, or so much work on files is under way that there is no room for more. The last is waited for only while it
    /// makes progress.
    pub(super) fn must_wait(&mut self, state: &State) -> bool {
        if matches!(self.phase, Phase::Closing { .. }) {
            return false;
        }
        !state.channels.may_be_read(self.id) || state.peers_are_full(self.id) || self.works_wait(state)
    }

    /// Handles messages of a batch until one may not be.
    pub(super) fn unpack(&mut self, state: &mut State) {
        let Some(mut unpacking) = self.unpacking.take() else { return };
        while !unpacking.range.is_empty() && !matches!(self.phase, Phase::Closing { .. }) {
            if self.must_wait(state) {
                self.unpacking = Some(unpacking);
                return;
            }
            self.unpack_one(state, &mut unpacking);
        }
        unpacking.release(state);
    }

    fn unpack_one(&mut self, state: &mut State, unpacking: &mut Unpacking) {
        let Unpacking { stock, kind, request_id, range } = unpacking;
        let (part, end, request_id) = (range.clone(), range.end, *request_id);
        if let (Stock::Large(block), DataKind::Binary) = (&mut *stock, &kind) {
            let block = block.clone();
            let mut batch = Batch::resume_binary(request_id, &block.bytes()[part]);
            let next = batch.next_client();
            range.start = end - batch.rest().len();
            next.into_iter().for_each(|next| self.element(state, next, Some(&block)));
            return state.gathering.release(block);
        }
        // In JSON nobody shares a block: what is escaped is changed in place.
        let Some(bytes) = stock.bytes_mut() else { return range.start = end };
        let mut batch = match kind {
            DataKind::Binary => Batch::resume_binary(request_id, &bytes[part]),
            DataKind::Text => Batch::resume_json(request_id, &mut bytes[part]),
        };
        let next = batch.next_client();
        range.start = end - batch.rest().len();
        next.into_iter().for_each(|next| self.element(state, next, None));
    }
}

impl Stock {
    fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Stock::Small(bytes) => Some(bytes),
            Stock::Large(block) => Arc::get_mut(block).map(Block::bytes_mut),
        }
    }
}
