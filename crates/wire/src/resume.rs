//! A text that breaks off at one provider and goes on at another.
//!
//! [`Said`] keeps what the client has been told, as long as that is one plain text. [`Splice`] makes another provider's stream the rest
//! of it: what opens an answer is left out, what was said already is not said again, and anything but text is a fault. Tool calls and
//! thoughts of two models are never joined.

use std::collections::VecDeque;

use crate::event::{BlockKind, Delta, Event};
use crate::problem::Fault;

/// Longer texts are not kept, and so not continued.
const LONGEST: usize = 512 * 1024;
/// A repetition of so many bytes is no chance.
const CERTAIN: usize = 16;
/// One of whole words is none either, if it has so many letters or digits.
const LETTERS: usize = 3;

/// What a client has been told.
#[derive(Debug, Default)]
pub struct Said {
    text: String,
    open: Option<u32>,
    next: u32,
    /// More than plain text, more than can be kept, or complete.
    over: bool,
}

impl Said {
    /// Sees an event of the answer.
    pub fn see(&mut self, event: &Event) {
        match event {
            Event::BlockStart { block, kind } => {
                self.next = self.next.max(block + 1);
                self.over |= *kind != BlockKind::Text || self.open.is_some();
                self.open = Some(*block);
            }
            Event::BlockDelta { delta: Delta::Text(text), .. } if self.text.len() + text.len() <= LONGEST => self.text.push_str(text),
            Event::BlockDelta { .. } | Event::Further { .. } | Event::End { .. } => self.over = true,
            Event::BlockEnd { .. } => self.open = None,
            Event::Start { .. } | Event::Usage(_) | Event::Fault(_) | Event::Likely(_) | Event::Tier(_) | Event::Unknown(_) => {}
        }
    }

    /// The text, if it is all there is and more may follow it.
    pub fn text(&self) -> Option<&str> {
        Some(self.text.as_str()).filter(|text| !self.over && !text.trim().is_empty())
    }

    /// What joins another provider's stream to it.
    pub fn splice(&self) -> Splice {
        Splice { seam: Some(Seam::new(&self.text)), open: self.open, base: self.next, names: Vec::new(), quiet: Vec::new() }
    }
}

/// Makes another provider's stream the rest of a text.
#[derive(Debug)]
pub struct Splice {
    /// Until it is known what of the new text was said already.
    seam: Option<Seam>,
    /// The block of the text that broke off, where it is still open.
    open: Option<u32>,
    base: u32,
    /// The new stream's blocks, and what they are called here.
    names: Vec<(u32, u32)>,
    /// Blocks of the new stream that are not shown.
    quiet: Vec<u32>,
}

impl Splice {
    /// The events as they follow what was said.
    pub fn join(&mut self, events: Vec<Event>) -> Result<Vec<Event>, Fault> {
        let mut out = Vec::with_capacity(events.len());
        for event in events {
            match event {
                Event::Start { .. } | Event::Unknown(_) => {}
                Event::BlockStart { block, kind: BlockKind::Text } => match self.open.take() {
                    Some(open) => self.names.push((block, open)),
                    None => {
                        let name = self.base + block;
                        self.names.push((block, name));
                        out.push(Event::BlockStart { block: name, kind: BlockKind::Text });
                    }
                },
                Event::BlockStart { block, kind: BlockKind::Reasoning { .. } } => self.quiet.push(block),
                Event::BlockStart { .. } | Event::Further { .. } => {
                    return Err(Fault::protocol("the answer was to go on as text and did not"));
                }
                Event::BlockDelta { block, .. } | Event::BlockEnd { block } if self.quiet.contains(&block) => {}
                Event::BlockDelta { block, delta: Delta::Text(text) } => {
                    let text = match &mut self.seam {
                        Some(seam) => seam.push(&text),
                        None => text,
                    };
                    self.seam.take_if(|seam| seam.is_decided());
                    if !text.is_empty() {
                        out.push(Event::BlockDelta { block: self.name(block), delta: Delta::Text(text) });
                    }
                }
                Event::BlockDelta { block, delta } => out.push(Event::BlockDelta { block: self.name(block), delta }),
                Event::BlockEnd { block } => {
                    self.flush(block, &mut out);
                    out.push(Event::BlockEnd { block: self.name(block) });
                }
                Event::End { .. } => {
                    // The text may have been complete: then nothing new came, and its block is still open.
                    out.extend(self.open.take().map(|block| Event::BlockEnd { block }));
                    out.push(event);
                }
                Event::Usage(_) | Event::Likely(_) | Event::Tier(_) | Event::Fault(_) => out.push(event),
            }
        }
        Ok(out)
    }

    /// What is held back until it is known whether it was said before.
    fn flush(&mut self, block: u32, out: &mut Vec<Event>) {
        if let Some(rest) = self.seam.take().map(Seam::finish).filter(|rest| !rest.is_empty()) {
            out.push(Event::BlockDelta { block: self.name(block), delta: Delta::Text(rest) });
        }
    }

    fn name(&self, block: u32) -> u32 {
        self.names.iter().rev().find(|(theirs, _)| *theirs == block).map_or(self.base + block, |(_, name)| *name)
    }
}

/// Where one text ends and another one begins that may repeat the end of the first, or all of it.
#[derive(Debug)]
struct Seam {
    said: String,
    /// What came and has not been passed on.
    held: String,
    /// Where in `said` a repetition may have begun: `held` agrees with what stands there as far as both go.
    starts: Option<VecDeque<usize>>,
    decided: bool,
}

impl Seam {
    fn new(said: &str) -> Self {
        Self { said: said.to_owned(), held: String::new(), starts: None, decided: false }
    }

    fn is_decided(&self) -> bool {
        self.decided
    }

    /// Takes more of the new text and gives what of it is new, as far as that is known.
    fn push(&mut self, text: &str) -> String {
        let before = self.held.len();
        self.held.push_str(text);
        let (said, held) = (self.said.as_str(), self.held.as_str());
        let agrees = |at: &usize| {
            let rest = &said.as_bytes()[*at..];
            let from = before.min(rest.len());
            let to = held.len().min(rest.len());
            rest[from..to] == held.as_bytes()[from..to]
        };
        match &mut self.starts {
            Some(starts) => starts.retain(agrees),
            none => *none = Some(said.char_indices().map(|(at, _)| at).filter(agrees).collect()),
        }
        let open = self.starts.as_ref().is_some_and(|starts| starts.iter().any(|at| said.len() - at > held.len()));
        if open { String::new() } else { self.decide() }
    }

    /// The text is over: what is held back and is no repetition.
    fn finish(mut self) -> String {
        self.decide()
    }

    fn decide(&mut self) -> String {
        self.decided = true;
        let held = std::mem::take(&mut self.held);
        // The longest repetition that reaches the end of what was said.
        let complete = self.starts.iter().flatten().copied().filter(|at| self.said.len() - at <= held.len());
        let overlap = complete.map(|at| self.said.len() - at).find(|length| self.is_repetition(*length, &held)).unwrap_or(0);
        let new = &held[overlap..];
        // A provider may leave out the blank that the text ended with, or write it once more.
        let doubled = overlap == 0 && self.said.ends_with(char::is_whitespace);
        if doubled { new.trim_start_matches([' ', '\t']).to_owned() } else { new.to_owned() }
    }

    /// Whether so long an agreement is a repetition and not the way words happen to go on.
    fn is_repetition(&self, length: usize, held: &str) -> bool {
        let at = self.said.len() - length;
        let repeated = &self.said[at..];
        let letters = repeated.chars().filter(|letter| letter.is_alphanumeric()).count();
        let begins_word = at == 0 || !self.said[..at].ends_with(char::is_alphanumeric) || !repeated.starts_with(char::is_alphanumeric);
        let ends_word = !held[length..].starts_with(char::is_alphanumeric) || !repeated.ends_with(char::is_alphanumeric);
        length == self.said.len() || length >= CERTAIN || begins_word && (ends_word || letters >= LETTERS * 2) && letters >= LETTERS
    }
}

#[cfg(test)]
mod tests;
