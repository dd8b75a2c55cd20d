//! A stream, written for a client.
//!
//! OpenAI's libraries put the stream together again and are strict about it: every event has its number and place, an item is
//! announced before anything is said of it, what came in pieces is said again as a whole, and the last event holds everything.

mod item;
mod late;

use bytes::BytesMut;
use item::{Item, Kind};
use serde_json::value::RawValue;

use super::error::{write_error_event, write_failed};
use super::output::{self, Ids, Response, Status, response_id, write_response};
use super::reply::write_finish;
use super::send::{Sender, names, part_added, place_of, write_part};
use super::usage::write_usage_and_searches;
use super::write_content::write_annotation;
use super::{DIALECT, echo, likelihood};
use crate::chat::{Hosted, Media, Part, PartBody, Thought, ToolCall};
use crate::dialect::Flavor;
use crate::event::{BlockKind, Delta, Event, EventWriter};
use crate::half::Stamp;
use crate::json::write_array;
use crate::problem::Problem;
use crate::reply::{Finish, Likelihood, Usage};

/// The block in which is said what the provider says of an answer's end. No stream has as many.
const LAST: u32 = u32::MAX;

/// Where a block of ours stands.
#[derive(Debug)]
struct Slot {
    block: u32,
    place: usize,
    part: usize,
    /// Its place among those of its sort in the item.
    index: usize,
    /// Whether it was announced: a thought is once it has a text.
    told: bool,
}

/// Writes a stream of this API.
#[derive(Debug)]
pub(super) struct Writer {
    stamp: Stamp,
    ids: Ids,
    sender: Sender,
    id: String,
    model: String,
    created: u64,
    items: Vec<Item>,
    slots: Vec<Slot>,
    /// Texts that were told to be over, of which more may be told.
    over: Vec<late::Over>,
    /// The items that are whole, by place.
    finished: Vec<Vec<u8>>,
    usage: Option<Usage>,
    /// How likely the tokens of what is written next were, and those of the open text so far.
    likely: Vec<Likelihood>,
    said: Vec<Likelihood>,
    image_told: bool,
    /// Whether the model said that it declines.
    refused: bool,
    /// The bytes that were kept for the last event, of what came in pieces.
    held: usize,
    /// Whether thoughts of other APIs are told as what the client asked for, which may show nothing else: summaries.
    summaries: bool,
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start { id, model, created } => self.on_start(id.as_deref(), model.as_deref(), *created, out),
            Event::BlockStart { block, kind } => self.on_block(*block, kind, out),
            Event::BlockDelta { block, delta } => {
                self.held += if matches!(delta, Delta::AudioData(_)) { 0 } else { delta.weight() };
                self.on_delta(*block, delta, out);
            }
            Event::BlockEnd { block } => self.on_block_end(*block, out),
            Event::Usage(usage) => self.usage.get_or_insert_with(Usage::default).merge((**usage).clone()),
            Event::End { finish, service_tier } => self.on_end(finish, service_tier.as_deref(), out),
            Event::Fault(fault) => self.on_fault(&Problem::from((**fault).clone()), out),
            Event::Likely(tokens) => self.likely.extend_from_slice(tokens),
            // Nobody asks for further answers in this format.
            Event::Further { .. } | Event::Tier(_) | Event::Unknown(_) => {}
        }
    }

    fn held(&self) -> usize {
        self.held
    }
}

impl Writer {
    /// A writer at the beginning of a stream.
    pub(super) fn new(stamp: Stamp) -> Self {
        Self {
            ids: Ids::new(&stamp.id),
            id: response_id(None, &stamp.id),
            model: stamp.model.clone(),
            created: stamp.created,
            summaries: echo::asks_for_summaries(&stamp.echo),
            stamp,
            sender: Sender::default(),
            items: Vec::new(),
            slots: Vec::new(),
            over: Vec::new(),
            finished: Vec::new(),
            usage: None,
            likely: Vec::new(),
            said: Vec::new(),
            image_told: false,
            refused: false,
            held: 0,
        }
    }

    // === beginning and end ===

    fn on_start(&mut self, id: Option<&str>, model: Option<&str>, created: Option<u64>, out: &mut BytesMut) {
        self.id = response_id(id, &self.stamp.id);
        if let Some(model) = model {
            model.clone_into(&mut self.model);
        }
        self.created = created.unwrap_or(self.created);
        for name in ["response.created", "response.in_progress"] {
            let response = Response { status: "in_progress", ..response(&self.id, &self.model, self.created, &self.stamp, b"[]") };
            self.sender.send(out, name, |object| {
                object.object("response", |object| {
                    write_response(object, &response);
                    object.raw("usage", "null");
                });
            });
        }
    }

    fn on_end(&mut self, finish: &Finish, service_tier: Option<&str>, out: &mut BytesMut) {
        if let Some(words) = finish.refusal().filter(|_| !self.refused) {
            self.on_block(LAST, &BlockKind::Refusal, out);
            self.on_delta(LAST, &Delta::Text(words.to_owned()), out);
            self.on_block_end(LAST, out);
        }
        self.settle(true, out);
        let (status, incomplete) = write_finish(finish);
        let output = output::join(&self.finished);
        let name = if status == "incomplete" { "response.incomplete" } else { "response.completed" };
        let whole = response(&self.id, &self.model, self.created, &self.stamp, &output);
        let response = Response { status, incomplete, service_tier, ..whole };
        let usage = self.usage.as_ref();
        self.sender.send(out, name, |object| {
            object.object("response", |object| {
                write_response(object, &response);
                write_usage_and_searches(object, usage);
            });
        });
    }

    /// What is whole by then is told again; nothing is said of the rest, nor of a usage that nobody knows yet.
    fn on_fault(&mut self, problem: &Problem, out: &mut BytesMut) {
        let flavor = self.stamp.flavor;
        out.extend_from_slice(&write_error_event(problem, flavor, self.sender.number));
        self.sender.number += 1;
        let output = output::join(&self.finished);
        let whole = response(&self.id, &self.model, self.created, &self.stamp, &output);
        write_failed(&mut self.sender, &Response { failed: Some((problem, flavor)), ..whole }, out);
    }

    // === items ===

    /// Takes the next place in the output.
    fn place(&mut self) -> usize {
        self.finished.push(Vec::new());
        self.finished.len() - 1
    }

    /// Finishes the items that nothing more is said of. Where all are meant, also those whose blocks are open.
    fn settle(&mut self, all: bool, out: &mut BytesMut) {
        let mut at = 0;
        while at < self.items.len() {
            self.items[at].passed = true;
            if all || self.items[at].open == 0 {
                let item = self.items.remove(at);
                self.finish(&item, out);
            } else {
                at += 1;
            }
        }
    }

    fn finish(&mut self, item: &Item, out: &mut BytesMut) {
        let whole = item.written(Status::Completed);
        self.send_item("response.output_item.done", item.place, &whole, out);
        self.finished[item.place] = whole;
        self.slots.retain(|slot| slot.place != item.place);
        if let (Kind::Call, Some(seal), Some(PartBody::ToolCall(call))) = (item.kind, &item.seal, item.parts.first().map(|part| &part.body))
        {
            let mut carrier = Vec::new();
            output::write_call_seal(&mut carrier, &self.ids.next("rs"), &call.id, seal);
            self.whole(carrier, out);
        }
    }

    fn send_item(&mut self, name: &str, place: usize, item: &[u8], out: &mut BytesMut) {
        self.sender.send(out, name, |object| {
            object.field("output_index", &place);
            object.raw("item", std::str::from_utf8(item).unwrap_or("null"));
        });
    }

    /// An item that comes whole.
    fn whole(&mut self, item: Vec<u8>, out: &mut BytesMut) {
        let place = self.place();
        self.send_item("response.output_item.added", place, &item, out);
        self.send_item("response.output_item.done", place, &item, out);
        self.finished[place] = item;
    }

    /// Begins an item.
    fn begin(&mut self, kind: Kind, id: String, thought: Option<String>, out: &mut BytesMut) -> usize {
        self.settle(false, out);
        let place = self.place();
        self.items.push(Item { place, id, kind, parts: Vec::new(), thought, seal: None, open: 0, passed: false });
        self.items.len() - 1
    }

    fn announce(&mut self, at: usize, out: &mut BytesMut) {
        let (place, item) = (self.items[at].place, self.items[at].written(Status::InProgress));
        self.send_item("response.output_item.added", place, &item, out);
    }

    // === blocks ===

    fn on_block(&mut self, block: u32, kind: &BlockKind, out: &mut BytesMut) {
        let image_told = std::mem::replace(&mut self.image_told, false);
        match kind {
            BlockKind::Text => self.begin_said(block, Part::text(""), out),
            BlockKind::Refusal => {
                self.refused = true;
                self.begin_said(block, Part::new(PartBody::Refusal(String::new())), out);
            }
            // Sound has no form here; its transcript is text.
            BlockKind::Audio(media) => self.begin_said(block, Part::text(media.transcript.clone().unwrap_or_default()), out),
            BlockKind::Reasoning { .. } if self.stamp.hide_reasoning => {}
            BlockKind::Reasoning { id, summary } => self.begin_thought(block, id.as_ref(), *summary, out),
            BlockKind::ToolCall { id, name, custom, namespace } => {
                let (id, name, namespace) = (id.clone(), name.clone(), namespace.clone());
                let call = ToolCall { id, name, custom: *custom, namespace, ..ToolCall::default() };
                self.begin_call(block, call, out);
            }
            BlockKind::Hosted(hosted) => self.write_hosted(hosted, out),
            BlockKind::Image(media) if !image_told => self.write_image(media, out),
            BlockKind::Image(_) => {}
        }
    }

    fn write_hosted(&mut self, hosted: &Hosted, out: &mut BytesMut) {
        if hosted.from == DIALECT {
            self.settle(false, out);
            self.whole(hosted.raw.get().as_bytes().to_vec(), out);
            self.image_told = hosted.kind == "image_generation_call";
        }
    }

    fn write_image(&mut self, media: &Media, out: &mut BytesMut) {
        self.settle(false, out);
        let mut item = Vec::new();
        output::write_image(&mut item, &self.ids.next("ig"), media);
        self.whole(item, out);
    }

    /// Adds a block to an item; `index` is its place among those of its sort.
    fn join(&mut self, at: usize, block: u32, part: Part, index: usize) -> usize {
        let item = &mut self.items[at];
        item.parts.push(part);
        item.open += 1;
        self.slots.push(Slot { block, place: item.place, part: item.parts.len() - 1, index, told: false });
        self.slots.len() - 1
    }

    fn begin_said(&mut self, block: u32, part: Part, out: &mut BytesMut) {
        let joinable = self.items.iter().position(|item| item.kind == Kind::Message && !item.passed);
        let at = match joinable {
            Some(at) => at,
            None => {
                let id = self.ids.next("msg");
                let at = self.begin(Kind::Message, id, None, out);
                self.announce(at, out);
                at
            }
        };
        let index = self.items[at].parts.len();
        let slot = self.join(at, block, part, index);
        self.tell_part("response.content_part.added", slot, out);
    }

    fn begin_thought(&mut self, block: u32, id: Option<&String>, summary: bool, out: &mut BytesMut) {
        let summary = summary || id.is_none() && self.summaries;
        let same = |item: &Item| item.kind == Kind::Reasoning && !item.passed && id.is_some() && item.thought.as_ref() == id;
        let at = match self.items.iter().position(same) {
            Some(at) => at,
            None => {
                let name = id.cloned().unwrap_or_else(|| self.ids.next("rs"));
                let at = self.begin(Kind::Reasoning, name, id.cloned(), out);
                self.announce(at, out);
                at
            }
        };
        let sort =
            |part: &&Part| matches!(&part.body, PartBody::Reasoning(thought) if thought.summary == summary && !thought.text.is_empty());
        let index = self.items[at].parts.iter().filter(sort).count();
        let thought = Thought { id: id.cloned(), summary, ..Thought::default() };
        self.join(at, block, Part::new(PartBody::Reasoning(thought)), index);
    }

    fn begin_call(&mut self, block: u32, call: ToolCall, out: &mut BytesMut) {
        self.end_said(out);
        let id = self.ids.next("fc");
        let at = self.begin(Kind::Call, id, None, out);
        self.join(at, block, Part::new(PartBody::ToolCall(call)), 0);
        self.announce(at, out);
    }

    /// The item and the slot of a block.
    fn find(&self, block: u32) -> Option<(usize, usize)> {
        let slot = self.slots.iter().rposition(|slot| slot.block == block)?;
        let at = self.items.iter().position(|item| item.place == self.slots[slot].place)?;
        Some((at, slot))
    }

    fn on_delta(&mut self, block: u32, delta: &Delta, out: &mut BytesMut) {
        let Some((at, slot)) = self.find(block) else { return self.tell_late(block, delta) };
        match delta {
            Delta::Text(text) | Delta::Arguments(text) | Delta::Transcript(text) => self.more(at, slot, text, out),
            Delta::Seal(seal) => self.items[at].seal = Some(seal.clone()),
            Delta::Citation(citation) => {
                let item = &mut self.items[at];
                let Slot { part, index, place, .. } = self.slots[slot];
                let PartBody::Text { text, citations } = &mut item.parts[part].body else { return };
                let mut annotation = Vec::new();
                write_array(&mut annotation, |array| write_annotation(array, citation, text));
                if annotation == b"[]" {
                    return;
                }
                let count = citations.len();
                citations.push((**citation).clone());
                let id = &item.id;
                self.sender.send(out, "response.output_text.annotation.added", |object| {
                    object.field("item_id", id);
                    object.field("output_index", &place);
                    object.field("content_index", &index);
                    object.field("annotation_index", &count);
                    object.raw("annotation", std::str::from_utf8(&annotation[1..annotation.len() - 1]).unwrap_or("null"));
                });
            }
            Delta::AudioData(_) => {}
        }
    }

    /// More of a text.
    fn more(&mut self, at: usize, slot: usize, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if self.items[at].kind == Kind::Reasoning && !self.slots[slot].told {
            self.tell_part(part_added(&self.items[at].parts[self.slots[slot].part]), slot, out);
        }
        let item = &mut self.items[at];
        let Slot { part, index, place, .. } = self.slots[slot];
        let part = &mut item.parts[part];
        match &mut part.body {
            PartBody::Text { text: whole, .. } | PartBody::Refusal(whole) => whole.push_str(text),
            PartBody::Reasoning(thought) => thought.text.push_str(text),
            PartBody::ToolCall(call) => call.arguments.push_str(text),
            _ => {}
        }
        let (name, key) = names(part);
        let (id, is_text) = (&item.id, matches!(part.body, PartBody::Text { .. }));
        let likely = if is_text { std::mem::take(&mut self.likely) } else { Vec::new() };
        self.sender.send(out, name.0, |object| {
            place_of(object, id, place, key, index);
            object.field("delta", text);
            if is_text {
                object.raw("logprobs", &likelihood::written(&likely));
            }
        });
        self.said.extend(likely);
    }

    fn on_block_end(&mut self, block: u32, out: &mut BytesMut) {
        let Some((at, slot)) = self.find(block) else { return };
        self.items[at].open -= 1;
        let Slot { part, index, place, told, .. } = self.slots[slot];
        if let text @ Part { body: PartBody::Text { .. }, .. } = &mut self.items[at].parts[part] {
            self.said.append(&mut self.likely);
            likelihood::tell(text, &std::mem::take(&mut self.said));
        }
        let item = &self.items[at];
        let part = &item.parts[part];
        let id = &item.id;
        if item.kind != Kind::Reasoning || told {
            let (name, key) = names(part);
            self.sender.send(out, name.1, |object| {
                place_of(object, id, place, key, index);
                match &part.body {
                    PartBody::Text { text, .. } => {
                        object.field("text", text);
                        object.raw("logprobs", likelihood::own(part).map_or("[]", RawValue::get));
                    }
                    PartBody::Refusal(text) => object.field("refusal", text),
                    PartBody::Reasoning(thought) => object.field("text", &thought.text),
                    PartBody::ToolCall(call) if call.custom => object.field("input", &call.arguments),
                    PartBody::ToolCall(call) => {
                        object.field("name", &call.name);
                        object.field("arguments", &call.arguments);
                    }
                    _ => {}
                }
            });
        }
        match item.kind {
            Kind::Call => {
                let item = self.items.remove(at);
                self.finish(&item, out);
            }
            Kind::Message => self.tell_part("response.content_part.done", slot, out),
            Kind::Reasoning if told => {
                let summary = matches!(&part.body, PartBody::Reasoning(thought) if thought.summary);
                let name = if summary { "response.reasoning_summary_part.done" } else { "response.content_part.done" };
                self.tell_part(name, slot, out);
            }
            Kind::Reasoning => {}
        }
        self.slots.retain(|slot| slot.block != block);
        if let Some(at) = self.items.iter().position(|item| item.passed && item.open == 0) {
            let item = self.items.remove(at);
            self.finish(&item, out);
        }
    }

    /// Says that a piece begins, or what it came to.
    fn tell_part(&mut self, name: &str, slot: usize, out: &mut BytesMut) {
        let Slot { part, index, place, .. } = self.slots[slot];
        self.slots[slot].told = true;
        let Some(item) = self.items.iter().find(|item| item.place == place) else { return };
        // OpenRouter's specification has these of what is said alone.
        let said = !matches!(&item.parts[part].body, PartBody::Reasoning(thought) if !thought.summary);
        if self.stamp.flavor == Flavor::OpenRouter && !said {
            return;
        }
        let piece = write_part(&item.parts[part]);
        let (_, key) = names(&item.parts[part]);
        self.sender.send(out, name, |object| {
            place_of(object, &item.id, place, key, index);
            object.raw("part", std::str::from_utf8(&piece).unwrap_or("null"));
        });
    }
}

fn response<'a>(id: &'a str, model: &'a str, created: u64, stamp: &'a Stamp, output: &'a [u8]) -> Response<'a> {
    Response { output, echo: &stamp.echo, ..Response::new(id, model, created) }
}
