//! Texts that end before their time.
//!
//! Some providers tell the sources of a text after what came behind it, and leave it open until then. Clients of this API keep
//! things in the order in which they end, and would have the model speak after its call: so a text ends where a call begins, and what
//! is told of it later stands in the last event alone.

use bytes::BytesMut;

use super::item::{Item, Kind};
use super::{Status, Writer};
use crate::chat::PartBody;
use crate::event::Delta;

/// A message that was told to be over, and its blocks that are not: block and part.
#[derive(Debug)]
pub(super) struct Over {
    item: Item,
    blocks: Vec<(u32, usize)>,
}

impl Writer {
    /// Ends the texts that are open.
    pub(super) fn end_said(&mut self, out: &mut BytesMut) {
        while let Some(at) = self.items.iter().position(|item| item.kind == Kind::Message && item.open > 0) {
            let place = self.items[at].place;
            // It is ended here, and not with its last block.
            self.items[at].passed = false;
            let slots = self.slots.iter().filter(|slot| slot.place == place);
            let blocks: Vec<(u32, usize)> = slots.map(|slot| (slot.block, slot.part)).collect();
            blocks.iter().for_each(|(block, _)| self.on_block_end(*block, out));
            let item = self.items.remove(at);
            self.finish(&item, out);
            self.over.push(Over { item, blocks });
        }
    }

    /// What is told of a text that is over: its sources have a place yet.
    pub(super) fn tell_late(&mut self, block: u32, delta: &Delta) {
        let (Delta::Citation(citation), over) = (delta, &mut self.over) else { return };
        let found = over.iter_mut().find_map(|over| {
            let (_, part) = *over.blocks.iter().find(|(known, _)| *known == block)?;
            Some((part, &mut over.item))
        });
        if let Some((part, item)) = found
            && let PartBody::Text { citations, .. } = &mut item.parts[part].body
        {
            citations.push((**citation).clone());
            self.finished[item.place] = item.written(Status::Completed);
        }
    }
}
