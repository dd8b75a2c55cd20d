//! Streams and whole answers are two forms of one thing: this file turns each into the other.

use std::collections::BTreeMap;

use crate::chat::{Media, MediaSource, Part, PartBody, Thought, ToolCall};
use crate::event::{BlockKind, Delta, Event};
use crate::problem::Fault;
use crate::reply::{ChatReply, Usage};

/// A whole answer under way, from the events of its stream.
#[derive(Debug, Default)]
pub struct Assembly {
    reply: ChatReply,
    blocks: Vec<(u32, usize)>,
    further: BTreeMap<u64, Assembly>,
    fault: Option<Fault>,
    ended: bool,
}

impl Assembly {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what that event says.
    pub fn push(&mut self, event: &Event) {
        match event {
            Event::Start { id, model, created } => {
                self.reply.id.clone_from(id);
                self.reply.model.clone_from(model);
                self.reply.created = *created;
            }
            Event::BlockStart { block, kind } => {
                self.blocks.push((*block, self.reply.parts.len()));
                self.reply.parts.push(Part::new(body_of(kind)));
            }
            Event::BlockDelta { block, delta } => {
                let at = self.blocks.iter().rev().find(|(id, _)| id == block).map(|(_, at)| *at);
                if let Some(part) = at.and_then(|at| self.reply.parts.get_mut(at)) {
                    extend(&mut part.body, delta);
                }
            }
            Event::Usage(usage) => self.reply.usage.get_or_insert_with(Usage::default).merge((**usage).clone()),
            Event::End { finish, service_tier } => {
                self.reply.finish = finish.clone();
                self.reply.service_tier.clone_from(service_tier);
                self.ended = true;
            }
            Event::Likely(tokens) => self.reply.likelihoods.extend_from_slice(tokens),
            Event::Further { answer, event } => self.further.entry(*answer).or_default().push(event),
            Event::Fault(fault) => self.fault = Some((**fault).clone()),
            Event::BlockEnd { .. } | Event::Tier(_) | Event::Unknown(_) => {}
        }
    }

    /// The whole answer, or what broke it.
    pub fn finish(self) -> Result<ChatReply, Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if !self.ended => Err(Fault::truncated()),
            None => {
                let further = self.further.into_values().map(Self::finish).collect::<Result<_, _>>()?;
                Ok(ChatReply { further, ..self.reply })
            }
        }
    }
}

fn body_of(kind: &BlockKind) -> PartBody {
    match kind {
        BlockKind::Text => PartBody::Text { text: String::new(), citations: Vec::new() },
        BlockKind::Refusal => PartBody::Refusal(String::new()),
        BlockKind::Reasoning { id, summary } => {
            PartBody::Reasoning(Thought { id: id.clone(), text: String::new(), summary: *summary, seal: None })
        }
        BlockKind::ToolCall { id, name, custom, namespace } => {
            let (id, name, namespace) = (id.clone(), name.clone(), namespace.clone());
            PartBody::ToolCall(ToolCall { id, name, custom: *custom, namespace, ..ToolCall::default() })
        }
        BlockKind::Image(media) => PartBody::Image((**media).clone()),
        BlockKind::Audio(media) => PartBody::Audio((**media).clone()),
        BlockKind::Hosted(hosted) => PartBody::Hosted((**hosted).clone()),
    }
}

fn extend(body: &mut PartBody, delta: &Delta) {
    match (body, delta) {
        (PartBody::Text { text, .. } | PartBody::Refusal(text), Delta::Text(more)) => text.push_str(more),
        (PartBody::Reasoning(thought), Delta::Text(more)) => thought.text.push_str(more),
        (PartBody::Reasoning(thought), Delta::Seal(seal)) => thought.seal = Some(seal.clone()),
        (PartBody::ToolCall(call), Delta::Arguments(more)) => call.arguments.push_str(more),
        (PartBody::ToolCall(call), Delta::Seal(seal)) => call.seal = Some(seal.clone()),
        (PartBody::Text { citations, .. }, Delta::Citation(citation)) => citations.push((**citation).clone()),
        (PartBody::Audio(Media { source: MediaSource::Base64(data), .. }), Delta::AudioData(more)) => data.push_str(more),
        (PartBody::Audio(media), Delta::Transcript(more)) => media.transcript.get_or_insert_default().push_str(more),
        _ => {}
    }
}

/// The events of a whole answer, for clients that asked for a stream where the provider gave none.
pub fn events_of(reply: &ChatReply) -> Vec<Event> {
    let mut events = vec![Event::Start { id: reply.id.clone(), model: reply.model.clone(), created: reply.created }];
    say(reply, &mut events);
    for (answer, other) in (1..).zip(&reply.further) {
        let mut steps = Vec::new();
        say(other, &mut steps);
        steps.push(Event::End { finish: other.finish.clone(), service_tier: None });
        events.extend(Event::further(answer, steps));
    }
    if let Some(usage) = &reply.usage {
        events.push(Event::Usage(Box::new(usage.clone())));
    }
    events.push(Event::End { finish: reply.finish.clone(), service_tier: reply.service_tier.clone() });
    events
}

/// What one answer says, block by block.
fn say(reply: &ChatReply, events: &mut Vec<Event>) {
    if !reply.likelihoods.is_empty() {
        events.push(Event::Likely(reply.likelihoods.clone()));
    }
    for (block, part) in (0_u32..).zip(&reply.parts) {
        let Some((kind, deltas)) = block_of(&part.body) else { continue };
        events.push(Event::BlockStart { block, kind });
        events.extend(deltas.into_iter().map(|delta| Event::BlockDelta { block, delta }));
        events.push(Event::BlockEnd { block });
    }
}

fn block_of(body: &PartBody) -> Option<(BlockKind, Vec<Delta>)> {
    let text_of = |text: &String| if text.is_empty() { Vec::new() } else { vec![Delta::Text(text.clone())] };
    Some(match body {
        PartBody::Text { text, citations } => {
            let mut deltas = text_of(text);
            deltas.extend(citations.iter().map(|citation| Delta::Citation(Box::new(citation.clone()))));
            (BlockKind::Text, deltas)
        }
        PartBody::Refusal(text) => (BlockKind::Refusal, text_of(text)),
        PartBody::Reasoning(thought) => {
            let mut deltas = text_of(&thought.text);
            deltas.extend(thought.seal.clone().map(Delta::Seal));
            (BlockKind::Reasoning { id: thought.id.clone(), summary: thought.summary }, deltas)
        }
        PartBody::ToolCall(call) => {
            let mut deltas: Vec<Delta> = call.seal.clone().map(Delta::Seal).into_iter().collect();
            if !call.arguments.is_empty() {
                deltas.push(Delta::Arguments(call.arguments.clone()));
            }
            let (id, name, namespace) = (call.id.clone(), call.name.clone(), call.namespace.clone());
            (BlockKind::ToolCall { id, name, custom: call.custom, namespace }, deltas)
        }
        PartBody::Image(media) => (BlockKind::Image(Box::new(media.clone())), Vec::new()),
        PartBody::Audio(media) => (BlockKind::Audio(Box::new(media.clone())), Vec::new()),
        PartBody::Hosted(hosted) => (BlockKind::Hosted(Box::new(hosted.clone())), Vec::new()),
        PartBody::Video(_) | PartBody::File(_) | PartBody::ToolResult(_) => return None,
    })
}
