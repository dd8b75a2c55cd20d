//! Items and blocks of a stream under way.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::items::{is_own_id, kind_of};
use crate::event::Delta;
use crate::problem::Malformed;

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
    /// An item as it is announced.
    pub(super) fn read(place: Option<u64>, raw: &RawValue) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        struct Head {
            id: Option<String>,
            name: Option<String>,
            namespace: Option<String>,
            call_id: Option<String>,
        }
        let head: Head = serde_json::from_str(raw.get()).map_err(|error| Malformed::field("item", &error.to_string()))?;
        let id = head.id.unwrap_or_default();
        let call = head.call_id.filter(|call| !call.is_empty()).unwrap_or_else(|| id.clone());
        Ok(Self { place, id, kind: kind_of(raw)?, name: head.name, namespace: head.namespace, call, done: false })
    }

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
