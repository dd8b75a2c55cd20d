//! A streamed answer for the client. The head of a chunk is the same every time and made once.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::error;
use super::finish::write_finish;
use super::usage::{is_blank, write_usage};
use super::write_messages::{write_call_seal, write_image};
use super::{citations, likelihood, media, reasoning};
use crate::chat::{MediaSource, Thought};
use crate::dialect::Flavor;
use crate::event::{BlockKind, Delta, Event, EventWriter};
use crate::half::{Begun, Stamp};
use crate::json::{self, Object};
use crate::problem::Problem;
use crate::reply::{Finish, Likelihood, Usage};
use crate::seal::{GOOGLE, Sealed};

/// What a block of the stream has become.
#[derive(Debug)]
enum Kind {
    /// It begins there in the message.
    Text {
        from: u64,
    },
    Refusal,
    Thought {
        at: usize,
        thought: Thought,
    },
    Call {
        at: usize,
        id: String,
        custom: bool,
        empty: bool,
    },
    Audio,
    Hidden,
}

/// Writes a stream.
#[derive(Debug)]
pub(super) struct Writer {
    stamp: Stamp,
    /// Which answer is written.
    index: u64,
    /// The further ones, each of which is written as the first.
    further: BTreeMap<u64, Writer>,
    /// `data: {"id":…,"object":…,"created":…,"model":…`
    head: Vec<u8>,
    blocks: Vec<(u32, Kind)>,
    usage: Option<Usage>,
    scratch: Vec<u8>,
    calls: usize,
    thoughts: usize,
    images: usize,
    refused: bool,
    /// Letters of text so far.
    letters: u64,
    /// How likely the tokens of what is written next were.
    likely: Vec<Likelihood>,
    /// The sources so far.
    sources: citations::Numbers,
    /// The format of thoughts whose seal has not come yet.
    format: String,
    /// The bytes of thoughts that were kept for their seals.
    held: usize,
}

impl Writer {
    pub(super) fn new(stamp: Stamp) -> Self {
        Self {
            format: reasoning::told_format(stamp.vendor.as_deref()),
            stamp,
            index: 0,
            further: BTreeMap::new(),
            head: Vec::new(),
            blocks: Vec::new(),
            usage: None,
            scratch: Vec::with_capacity(256),
            calls: 0,
            thoughts: 0,
            images: 0,
            refused: false,
            letters: 0,
            sources: citations::Numbers::default(),
            likely: Vec::new(),
            held: 0,
        }
    }

    fn start(&mut self, (id, model, created): (Option<&str>, Option<&str>, Option<u64>), out: &mut BytesMut) {
        let stamp = &self.stamp;
        let mut head = b"data: ".to_vec();
        json::write_object(&mut head, |object| {
            object.text("id", id.unwrap_or(&stamp.id));
            object.text("object", "chat.completion.chunk");
            object.field("created", &created.unwrap_or(stamp.created));
            object.text("model", model.unwrap_or(&stamp.model));
            if stamp.flavor == Flavor::OpenRouter {
                object.option("provider", stamp.provider.as_ref());
            }
        });
        head.pop();
        self.head = head;
        self.open(out);
    }

    fn open(&mut self, out: &mut BytesMut) {
        self.delta(out, |delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        });
    }

    fn further(&mut self, answer: u64, step: &Event, out: &mut BytesMut) {
        let other = self.further.entry(answer).or_insert_with(|| {
            let mut other = Self { index: answer, head: self.head.clone(), ..Self::new(self.stamp.clone()) };
            other.open(out);
            other
        });
        match step {
            Event::End { finish, .. } => other.stop(finish, None, out),
            step => other.write(step, out),
        }
    }

    /// A chunk up to what its choice adds.
    fn begin_chunk(&mut self) {
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.head);
        self.scratch.extend_from_slice(br#","choices":[{"index":"#);
        json::write_value(&mut self.scratch, &self.index);
        self.scratch.extend_from_slice(br#","delta":"#);
    }

    fn delta(&mut self, out: &mut BytesMut, write: impl FnOnce(&mut Object<'_>)) {
        self.begin_chunk();
        json::write_object(&mut self.scratch, write);
        self.tell_likely();
        if self.stamp.flavor == Flavor::OpenRouter {
            // Its clients refuse a choice that does not say whether it ended.
            self.scratch.extend_from_slice(br#","finish_reason":null,"native_finish_reason":null"#);
        }
        self.scratch.extend_from_slice(b"}]}\n\n");
        out.extend_from_slice(&self.scratch);
    }

    fn tell_likely(&mut self) {
        if !self.likely.is_empty() {
            let tail = json::object(|object| likelihood::write(object, &std::mem::take(&mut self.likely)));
            self.scratch.push(b',');
            self.scratch.extend_from_slice(&tail[1..tail.len() - 1]);
        }
    }

    fn begin(&mut self, block: u32, kind: &BlockKind, out: &mut BytesMut) {
        let begun = match kind {
            BlockKind::Text => Kind::Text { from: self.letters },
            BlockKind::Refusal => {
                self.refused = true;
                Kind::Refusal
            }
            BlockKind::Reasoning { .. } if self.stamp.hide_reasoning => Kind::Hidden,
            BlockKind::Reasoning { id, summary } => {
                self.thoughts += 1;
                let thought = Thought { id: id.clone(), summary: *summary, ..Thought::default() };
                Kind::Thought { at: self.thoughts - 1, thought }
            }
            BlockKind::ToolCall { id, name, custom, .. } => {
                let at = self.calls;
                self.calls += 1;
                self.delta(out, |delta| write_call_start(delta, at, (id, name, *custom)));
                Kind::Call { at, id: id.clone(), custom: *custom, empty: true }
            }
            BlockKind::Image(image) => {
                if let Some(url) = media::to_url(image) {
                    let at = self.images;
                    self.images += 1;
                    self.delta(out, |delta| delta.array("images", |list| list.object(|object| write_image(object, &url, at))));
                }
                Kind::Hidden
            }
            BlockKind::Audio(audio) => {
                let data = match &audio.source {
                    MediaSource::Base64(data) if !data.is_empty() => Some(data),
                    _ => None,
                };
                if audio.id.is_some() || data.is_some() || audio.transcript.is_some() {
                    self.delta(out, |delta| {
                        delta.object("audio", |sound| {
                            sound.option("id", audio.id.as_ref());
                            sound.option("data", data);
                            sound.option("transcript", audio.transcript.as_ref());
                        });
                    });
                }
                Kind::Audio
            }
            // Items of tools that the provider ran are not the client's to run.
            BlockKind::Hosted(_) => Kind::Hidden,
        };
        self.blocks.push((block, begun));
    }

    fn extend(&mut self, block: u32, delta: &Delta, out: &mut BytesMut) {
        let Some(found) = self.blocks.iter().rposition(|(id, _)| *id == block) else { return };
        let (id, mut kind) = self.blocks.swap_remove(found);
        match (&mut kind, delta) {
            (Kind::Text { .. }, Delta::Text(text)) => {
                self.letters += text.chars().count() as u64;
                self.delta(out, |object| object.field("content", text));
            }
            (Kind::Text { from }, Delta::Citation(citation)) => {
                let text = *from..self.letters;
                let mut sources = std::mem::take(&mut self.sources);
                self.delta(out, |object| sources.write(object, citation, &text));
                self.sources = sources;
            }
            (Kind::Refusal, Delta::Text(text)) => self.delta(out, |object| object.field("refusal", text)),
            (Kind::Thought { at, thought }, Delta::Text(text)) => self.think(*at, thought, text, out),
            (Kind::Thought { at, thought }, Delta::Seal(seal)) => self.seal_thought(*at, thought, seal, out),
            (Kind::Call { at, custom, empty, .. }, Delta::Arguments(text)) => {
                *empty &= text.is_empty();
                self.arguments(*at, *custom, text, out);
            }
            (Kind::Call { at, id, .. }, Delta::Seal(seal)) => self.seal_call(*at, id, seal, out),
            (Kind::Audio, Delta::AudioData(data)) => self.delta(out, |object| object.object("audio", |sound| sound.field("data", data))),
            (Kind::Audio, Delta::Transcript(text)) => {
                self.delta(out, |object| object.object("audio", |sound| sound.field("transcript", text)));
            }
            _ => {}
        }
        self.blocks.push((id, kind));
    }

    fn think(&mut self, at: usize, thought: &mut Thought, text: &str, out: &mut BytesMut) {
        match self.stamp.flavor {
            Flavor::OpenAi => {
                thought.text.push_str(text);
                self.held += text.len();
                self.delta(out, |object| object.text("reasoning_content", text));
            }
            Flavor::OpenRouter => {
                let piece = Thought { text: text.to_owned(), ..thought.clone() };
                let format = std::mem::take(&mut self.format);
                self.delta(out, |object| {
                    object.text("reasoning", text);
                    object.array(reasoning::DETAILS, |list| reasoning::write_details(list, &piece, (at, Some(&format))));
                });
                self.format = format;
            }
        }
    }

    /// The sealed block: in LiteLLM's form with all of its text, so that a client can keep it as it is.
    fn seal_thought(&mut self, at: usize, thought: &Thought, seal: &Sealed, out: &mut BytesMut) {
        let sealed = Thought { seal: Some(seal.clone()), ..thought.clone() };
        match self.stamp.flavor {
            Flavor::OpenAi => self.delta(out, |object| {
                object.array("thinking_blocks", |list| reasoning::write_block(list, &sealed, Some(at)));
            }),
            Flavor::OpenRouter => {
                self.delta(out, |object| object.array(reasoning::DETAILS, |list| reasoning::write_details(list, &sealed, (at, None))));
            }
        }
    }

    fn arguments(&mut self, at: usize, custom: bool, text: &str, out: &mut BytesMut) {
        let (outer, inner) = if custom { ("custom", "input") } else { ("function", "arguments") };
        self.delta(out, |delta| {
            delta.array("tool_calls", |list| {
                list.object(|call| {
                    call.field("index", &at);
                    call.object(outer, |object| object.text(inner, text));
                });
            });
        });
    }

    /// The seal of a call: OpenRouter's clients keep it with the thoughts.
    fn seal_call(&mut self, at: usize, id: &str, seal: &Sealed, out: &mut BytesMut) {
        if self.stamp.flavor == Flavor::OpenRouter {
            let (sealed, place) = (reasoning::of_call(id, seal), self.thoughts);
            self.thoughts += 1;
            return self.delta(out, |object| {
                object.array(reasoning::DETAILS, |list| reasoning::write_details(list, &sealed, (place, None)));
            });
        }
        let token = seal.to_token(GOOGLE, None);
        self.delta(out, |delta| {
            delta.array("tool_calls", |list| {
                list.object(|call| {
                    call.field("index", &at);
                    call.object("function", |function| function.text("arguments", ""));
                    write_call_seal(call, &token);
                });
            });
        });
    }

    /// A call without arguments has empty ones: an empty text would be no JSON.
    fn close(&mut self, block: u32, out: &mut BytesMut) {
        let kind = self.blocks.iter().rposition(|(id, _)| *id == block).map(|found| self.blocks.swap_remove(found).1);
        if let Some(Kind::Call { at, custom: false, empty: true, .. }) = kind {
            self.arguments(at, false, "{}", out);
        }
    }

    /// Says why the answer ended.
    fn stop(&mut self, finish: &Finish, tier: Option<&String>, out: &mut BytesMut) {
        if let Some(words) = finish.refusal().filter(|_| !self.refused) {
            self.delta(out, |delta| delta.text("refusal", words));
        }
        self.begin_chunk();
        self.scratch.extend_from_slice(b"{}");
        self.tell_likely();
        self.scratch.extend_from_slice(br#","finish_reason":"#);
        json::write_value(&mut self.scratch, write_finish(finish, self.calls > 0, self.refused, self.stamp.flavor));
        if self.stamp.flavor == Flavor::OpenRouter {
            self.scratch.extend_from_slice(br#","native_finish_reason":"#);
            json::write_value(&mut self.scratch, &finish.raw);
        }
        if let Some(stop) = &finish.stop_sequence {
            self.scratch.extend_from_slice(br#","stop_reason":"#);
            json::write_value(&mut self.scratch, stop);
        }
        self.scratch.extend_from_slice(b"}]");
        if let Some(tier) = tier {
            self.scratch.extend_from_slice(br#","service_tier":"#);
            json::write_value(&mut self.scratch, tier);
        }
        self.scratch.extend_from_slice(b"}\n\n");
        out.extend_from_slice(&self.scratch);
    }

    fn end(&mut self, finish: &Finish, tier: Option<&String>, out: &mut BytesMut) {
        self.stop(finish, tier, out);
        self.scratch.clear();
        let wanted = self.stamp.stream_usage || self.stamp.flavor == Flavor::OpenRouter;
        if let Some(usage) = self.usage.take().filter(|usage| wanted && !is_blank(usage)) {
            self.scratch.extend_from_slice(&self.head);
            self.scratch.extend_from_slice(br#","choices":[],"#);
            let tail = json::object(|object| write_usage(object, &usage, self.stamp.flavor));
            self.scratch.extend_from_slice(&tail[1..]);
            self.scratch.extend_from_slice(b"\n\n");
        }
        self.scratch.extend_from_slice(super::DONE);
        out.extend_from_slice(&self.scratch);
    }

    /// OpenRouter's clients read the error in a chunk like the others.
    fn break_off(&mut self, problem: &Problem, out: &mut BytesMut) {
        if self.head.is_empty() || self.stamp.flavor == Flavor::OpenAi {
            return out.extend_from_slice(&error::write_stream_problem(problem, self.stamp.flavor, &Begun::default()));
        }
        let tail = json::object(|object| error::write_break(object, problem, self.stamp.flavor));
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b",");
        out.extend_from_slice(&tail[1..]);
        out.extend_from_slice(b"\n\n");
    }
}

fn write_call_start(delta: &mut Object<'_>, at: usize, (id, name, custom): (&str, &str, bool)) {
    let (kind, input) = if custom { ("custom", "input") } else { ("function", "arguments") };
    delta.array("tool_calls", |list| {
        list.object(|call| {
            call.field("index", &at);
            call.text("id", id);
            call.text("type", kind);
            call.object(kind, |object| {
                object.text("name", name);
                object.field(input, "");
            });
        });
    });
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start { id, model, created } => self.start((id.as_deref(), model.as_deref(), *created), out),
            Event::BlockStart { block, kind } => self.begin(*block, kind, out),
            Event::BlockDelta { block, delta } => self.extend(*block, delta, out),
            Event::BlockEnd { block } => self.close(*block, out),
            Event::Usage(usage) => self.usage.get_or_insert_default().merge((**usage).clone()),
            Event::Further { answer, event } => self.further(*answer, event, out),
            Event::End { finish, service_tier } => self.end(finish, service_tier.as_ref(), out),
            Event::Fault(fault) => {
                let problem = Problem { provider: self.stamp.provider.clone(), ..Problem::from((**fault).clone()) };
                self.break_off(&problem, out);
            }
            Event::Likely(tokens) => self.likely.extend_from_slice(tokens),
            Event::Tier(_) | Event::Unknown(_) => {}
        }
    }

    fn held(&self) -> usize {
        self.held + self.further.values().map(Self::held).sum::<usize>()
    }
}
