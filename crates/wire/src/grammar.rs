//! The law of event order, for tests and debug builds.

use std::collections::BTreeMap;

use crate::event::Event;

/// Checks the order of events: `Start`, blocks opened once and closed once, one `End` or `Fault`, nothing after it; and the same of each
/// further answer, from the start to the end of the first.
#[derive(Debug, Default)]
pub struct Grammar {
    started: bool,
    ended: bool,
    known: Vec<u32>,
    open: Vec<u32>,
    further: BTreeMap<u64, Grammar>,
}

impl Grammar {
    /// At the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether that event may come now; if not, why.
    pub fn check(&mut self, event: &Event) -> Result<(), String> {
        if self.ended {
            return Err(format!("{event:?} after the end"));
        }
        if !self.started && !matches!(event, Event::Start { .. } | Event::Fault(_) | Event::Unknown(_)) {
            return Err(format!("{event:?} before the start"));
        }
        match event {
            Event::Start { .. } if self.started => return Err("a second start".to_owned()),
            Event::Start { .. } => self.started = true,
            Event::BlockStart { block, .. } => {
                if self.known.contains(block) {
                    return Err(format!("block {block} starts twice"));
                }
                self.known.push(*block);
                self.open.push(*block);
            }
            Event::BlockDelta { block, .. } if !self.open.contains(block) => {
                return Err(format!("block {block} goes on but is not open"));
            }
            Event::BlockEnd { block } => match self.open.iter().position(|open| open == block) {
                Some(at) => drop(self.open.remove(at)),
                None => return Err(format!("block {block} ends but is not open")),
            },
            Event::Further { answer, event } => {
                let other = self.further.entry(*answer).or_insert_with(|| Self { started: true, ..Self::default() });
                other.check(event).map_err(|why| format!("answer {answer}: {why}"))?;
            }
            Event::End { .. } if self.further.values().any(|other| !other.ended) => {
                return Err("the end before that of all answers".to_owned());
            }
            Event::End { .. } if !self.open.is_empty() => return Err(format!("the end with blocks {:?} open", self.open)),
            Event::End { .. } | Event::Fault(_) => self.ended = true,
            Event::BlockDelta { .. } | Event::Usage(_) | Event::Likely(_) | Event::Tier(_) | Event::Unknown(_) => {}
        }
        Ok(())
    }

    /// What broke off goes on.
    pub fn resume(&mut self) {
        self.ended = false;
    }

    /// Whether the stream came to its end.
    pub fn ended(&self) -> bool {
        self.ended
    }
}
