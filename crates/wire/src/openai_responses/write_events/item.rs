//! One item of a stream's output, as far as it has come.

use super::super::output::{self, Status};
use crate::chat::{Part, PartBody};
use crate::extra::Extra;
use crate::seal::{OPENAI, Sealed};

/// An item under way.
#[derive(Debug)]
pub(super) struct Item {
    /// Its place in the output.
    pub(super) place: usize,
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Its pieces: of a message its content, of a thought its texts, of a call the call.
    pub(super) parts: Vec<Part>,
    /// The provider's id of a thought, and its seal.
    pub(super) thought: Option<String>,
    pub(super) seal: Option<Sealed>,
    /// How many of its blocks are open.
    pub(super) open: usize,
    /// Whether another item has begun since: nothing joins it any more.
    pub(super) passed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Reasoning,
    Call,
}

impl Item {
    /// As it is sent.
    pub(super) fn written(&self, status: Status) -> Vec<u8> {
        let mut out = Vec::new();
        match self.kind {
            Kind::Message => output::write_message(&mut out, &self.id, status, &self.parts),
            Kind::Call => {
                if let Some(PartBody::ToolCall(call)) = self.parts.first().map(|part| &part.body) {
                    output::write_call(&mut out, &self.id, status, call, &Extra::default());
                }
            }
            Kind::Reasoning => {
                let thoughts = self.parts.iter().filter_map(|part| match &part.body {
                    PartBody::Reasoning(thought) => Some(thought),
                    _ => None,
                });
                let token = self.seal.as_ref().map(|seal| seal.to_token(OPENAI, self.thought.as_deref()));
                output::write_thoughts(&mut out, &self.id, thoughts, (false, token.as_deref()), &Extra::default());
            }
        }
        out
    }
}
