//! Answers for clients of the older format.

use bytes::BytesMut;

use crate::chat::PartBody;
use crate::dialect::{Dialect, Flavor};
use crate::event::{BlockKind, Delta, Event, EventWriter};
use crate::half::{Begun, Stamp};
use crate::json::{self, Object};
use crate::openai_chat::finish::write_finish;
use crate::openai_chat::usage::{is_blank, write_usage};
use crate::openai_chat::{DONE, error};
use crate::problem::Problem;
use crate::reply::{ChatReply, Finish, Reason, Usage};

/// Writes a whole answer.
pub(super) fn write_reply(reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
    json::object(|object| {
        let told = (reply.id.as_deref(), reply.model.as_deref(), reply.created);
        write_head(object, told, stamp);
        object.array("choices", |choices| {
            for (at, answer) in (0..).zip(std::iter::once(reply).chain(&reply.further)) {
                let text: String = answer.parts.iter().filter_map(|part| visible(&part.body)).chain(answer.verdict()).collect();
                choices.object(|choice| write_choice(choice, (at, &text), Some(&answer.finish), stamp));
            }
        });
        if let Some(usage) = &reply.usage {
            write_usage(object, usage, stamp.flavor);
        }
        object.option("service_tier", reply.service_tier.as_ref());
        // The readers of this format are those of its younger sister.
        for (key, value) in reply.extra.of(Dialect::OpenAiChat).iter().filter(|(key, _)| key == "system_fingerprint") {
            object.raw(key, value.get());
        }
    })
}

fn visible(body: &PartBody) -> Option<&str> {
    match body {
        PartBody::Text { text, .. } | PartBody::Refusal(text) => Some(text),
        _ => None,
    }
}

fn write_head(object: &mut Object<'_>, (id, model, created): (Option<&str>, Option<&str>, Option<u64>), stamp: &Stamp) {
    object.field("id", id.unwrap_or(&stamp.id));
    object.text("object", "text_completion");
    object.field("created", &created.unwrap_or(stamp.created));
    object.field("model", model.unwrap_or(&stamp.model));
    if stamp.flavor == Flavor::OpenRouter {
        object.option("provider", stamp.provider.as_ref());
    }
}

fn write_choice(choice: &mut Object<'_>, (at, text): (u64, &str), finish: Option<&Finish>, stamp: &Stamp) {
    choice.field("text", text);
    choice.field("index", &at);
    choice.field("logprobs", &());
    match finish {
        // There are no tools here, so nothing can end by calling one.
        Some(finish) if finish.reason == Reason::ToolCalls => choice.text("finish_reason", "stop"),
        Some(finish) => choice.field("finish_reason", write_finish(finish, false, false, stamp.flavor)),
        None => choice.field("finish_reason", &()),
    }
    // Where those who tell which stop sequence it was tell it, here as in chat.
    choice.option("stop_reason", finish.and_then(|finish| finish.stop_sequence.as_ref()));
    if let (Some(finish), Flavor::OpenRouter) = (finish, stamp.flavor) {
        choice.field("native_finish_reason", &finish.raw);
    }
}

/// Writes a stream.
#[derive(Debug)]
pub(super) struct Writer {
    stamp: Stamp,
    head: Vec<u8>,
    /// The blocks that are text, each with the answer it is of.
    shown: Vec<(u64, u32)>,
    /// The answers that say that the model declines.
    refused: Vec<u64>,
    usage: Option<Usage>,
}

impl Writer {
    pub(super) fn new(stamp: Stamp) -> Self {
        Self { stamp, head: Vec::new(), shown: Vec::new(), refused: Vec::new(), usage: None }
    }

    fn chunk(&self, said: (u64, &str), end: Option<(&Finish, Option<&String>)>, out: &mut BytesMut) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b",");
        let rest = json::object(|object| {
            let finish = end.map(|(finish, _)| finish);
            object.array("choices", |choices| choices.object(|choice| write_choice(choice, said, finish, &self.stamp)));
            object.option("service_tier", end.and_then(|(_, tier)| tier));
        });
        out.extend_from_slice(&rest[1..]);
        out.extend_from_slice(b"\n\n");
    }

    /// A step of one of the answers; the end of the first is that of the stream.
    fn step(&mut self, answer: u64, event: &Event, out: &mut BytesMut) {
        match event {
            Event::BlockStart { block, kind: kind @ (BlockKind::Text | BlockKind::Refusal) } => {
                self.shown.push((answer, *block));
                self.refused.extend((*kind == BlockKind::Refusal).then_some(answer));
            }
            Event::BlockDelta { block, delta: Delta::Text(text) } if self.shown.contains(&(answer, *block)) => {
                self.chunk((answer, text), None, out);
            }
            Event::End { finish, .. } => self.chunk((answer, self.verdict(answer, finish)), Some((finish, None)), out),
            _ => {}
        }
    }

    /// What is said of why there is no answer, where the answer says nothing of that.
    fn verdict<'a>(&self, answer: u64, finish: &'a Finish) -> &'a str {
        finish.refusal().filter(|_| !self.refused.contains(&answer)).unwrap_or_default()
    }

    fn end(&mut self, finish: &Finish, tier: Option<&String>, out: &mut BytesMut) {
        self.chunk((0, self.verdict(0, finish)), Some((finish, tier)), out);
        let wanted = self.stamp.stream_usage || self.stamp.flavor == Flavor::OpenRouter;
        if let Some(usage) = self.usage.take().filter(|usage| wanted && !is_blank(usage)) {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b",\"choices\":[],");
            out.extend_from_slice(&json::object(|object| write_usage(object, &usage, self.stamp.flavor))[1..]);
            out.extend_from_slice(b"\n\n");
        }
        out.extend_from_slice(DONE);
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start { id, model, created } => {
                self.head = b"data: ".to_vec();
                json::write_object(&mut self.head, |object| write_head(object, (id.as_deref(), model.as_deref(), *created), &self.stamp));
                self.head.pop();
            }
            Event::BlockStart { .. } | Event::BlockDelta { .. } => self.step(0, event, out),
            Event::Further { answer, event } => self.step(*answer, event, out),
            Event::Usage(usage) => self.usage.get_or_insert_default().merge((**usage).clone()),
            Event::End { finish, service_tier } => self.end(finish, service_tier.as_ref(), out),
            Event::Fault(fault) => {
                out.extend_from_slice(&error::write_stream_problem(
                    &Problem::from((**fault).clone()),
                    self.stamp.flavor,
                    &Begun::default(),
                ));
            }
            Event::BlockEnd { .. } | Event::Likely(_) | Event::Tier(_) | Event::Unknown(_) => {}
        }
    }
}
