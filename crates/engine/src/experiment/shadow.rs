//! Copies of requests that go to another model, whose answers reach nobody.
//!
//! A call only hands a copy over; whoever has the [`Mirror`] sends it when it can, or not at all.

use std::sync::Arc;

use bytes::Bytes;
use switchboard_wire::Dialect;
use switchboard_wire::assemble::Assembly;
use switchboard_wire::chat::PartBody;
use switchboard_wire::half::Memo;
use switchboard_wire::relay::{Output, Relay};
use switchboard_wire::reply::ChatReply;
use tokio::sync::oneshot;

use super::assign::unit;
use super::{Role, Trial};
use crate::call::Call;
use crate::deployment::Shadow;

impl Shadow {
    /// Whether that call is copied.
    pub fn takes(&self, call: &Call) -> bool {
        self.share >= 1.0 || unit(&["shadow", &self.model, &call.id]) < self.share
    }
}

/// A copy to be sent.
#[derive(Debug)]
pub struct Job {
    /// The call, as it came.
    pub call: Call,
    /// Where it goes.
    pub shadow: Arc<Shadow>,
    /// Its part.
    pub trial: Trial,
    /// The arm that answers the caller.
    pub live: Arc<str>,
    /// That answer, where it is to be compared.
    pub answer: Option<oneshot::Receiver<Spoken>>,
}

/// Sends copies. Must not block, and may drop what it has no room for.
pub trait Mirror: Send + Sync {
    /// Takes a copy.
    fn reflect(&self, job: Job);
}

/// The most of an answer that is kept for a comparison.
const LONGEST: usize = 256 * 1024;

/// An answer as its caller got it, while it is kept for a comparison.
#[derive(Debug)]
pub struct Tap {
    spoken: Spoken,
    size: usize,
    done: Option<oneshot::Sender<Spoken>>,
}

/// The bytes of an answer.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// The client's dialect.
    pub dialect: Dialect,
    /// Whether it is a stream.
    pub stream: bool,
    /// Its bytes.
    pub chunks: Vec<Bytes>,
}

impl Tap {
    /// Keeps an answer in that dialect, and hands it on when it is whole.
    pub fn new(dialect: Dialect, stream: bool, done: oneshot::Sender<Spoken>) -> Self {
        Self { spoken: Spoken { dialect, stream, chunks: Vec::new() }, size: 0, done: Some(done) }
    }

    /// A piece went by. One too many, and nothing is kept.
    pub fn pass(&mut self, chunk: &Bytes) {
        self.size += chunk.len();
        if self.size > LONGEST {
            (self.done, self.spoken.chunks) = (None, Vec::new());
        }
        if self.done.is_some() {
            self.spoken.chunks.push(chunk.clone());
        }
    }

    /// That was all.
    pub fn end(mut self) {
        if let Some(done) = self.done.take() {
            // Whoever wanted it may have gone.
            let _ = done.send(self.spoken);
        }
    }
}

impl Spoken {
    /// The text of the answer; `None` where it cannot be read.
    pub fn text(&self) -> Option<String> {
        let outbound = self.dialect.outbound()?;
        if !self.stream {
            let body: Vec<u8> = self.chunks.concat();
            return outbound.read_reply(&Memo::default(), &body).ok().map(|reply| text_of(&reply));
        }
        let output = Output::Verbatim { hide_usage: false, epilogue: b"", rename: None };
        // All of it is wanted: what passes unread would not be in the text.
        let mut relay = Relay::new(outbound.framing(), outbound.event_reader(Memo::default()), output).unskimmed();
        let (mut assembly, mut out) = (Assembly::new(), Vec::new());
        for chunk in &self.chunks {
            relay.push(chunk.clone(), &mut |event| assembly.push(event), &mut out).ok()?;
            out.clear();
        }
        relay.finish(&mut |event| assembly.push(event), &mut out).ok()?;
        assembly.finish().ok().map(|reply| text_of(&reply))
    }
}

/// What an answer says: its text, and the tools it calls.
pub(crate) fn text_of(reply: &ChatReply) -> String {
    let mut text = String::new();
    for part in &reply.parts {
        match &part.body {
            PartBody::Text { text: piece, .. } | PartBody::Refusal(piece) => text.push_str(piece),
            PartBody::ToolCall(call) => text.push_str(&format!("\n[calls {} with {}]\n", call.name, call.arguments)),
            _ => {}
        }
    }
    text
}

impl Trial {
    /// The part of a copy of that call.
    pub fn copy_of(call: &Call, experiment: &Arc<str>, model: &str) -> Self {
        Self { experiment: experiment.clone(), arm: Arc::from(model), role: Role::Shadow, of: Some(call.id.clone()) }
    }
}
