//! Items and blocks of a stream under way.

use super::items::is_own_id;
use crate::event::Delta;

/// What a block of an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Text,
    Refusal,
    Summary,
    Thought,
    Call,
}

/// A block under way.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) item: usize,
    pub(super) slot: Slot,
    pub(super) index: u64,
    pub(super) id: u32,
    /// How many bytes of text came.
    pub(super) came: usize,
    pub(super) citations: usize,
    /// Whether it was told how likely its tokens were.
    pub(super) likely: bool,
    pub(super) open: bool,
}

/// An item under way.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) place: Option<u64>,
    pub(super) id: String,
    pub(super) kind: String,
    /// The id of the call, or of the thought.
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) call: String,
    pub(super) done: bool,
}

impl Known {
    /// The id of a thought, if it is a provider's.
    pub(super) fn thought_id(&self) -> Option<String> {
        let id = self.name.as_ref().unwrap_or(&self.id);
        (!id.is_empty() && !is_own_id(id)).then(|| id.clone())
    }
}

/// More of a block of that sort.
pub(super) fn say(slot: Slot, text: String) -> Delta {
    if slot == Slot::Call { Delta::Arguments(text) } else { Delta::Text(text) }
}
