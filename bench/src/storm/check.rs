//! Whether an answer is the one that was ordered: text, nonce, usage and the proper end.

use std::io;
use std::time::Duration;

use serde::Deserialize;

use crate::script::Script;

use super::{Format, Plan};

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Connect,
    Broken,
    Truncated,
    Framing,
    Timeout,
    Status(u16),
    ContentType,
    Json,
    Text,
    Nonce,
    Usage,
    ErrorEvent,
    NoEnd,
    AfterEnd,
}

impl Flaw {
    pub(super) fn connect(_: io::Error) -> Self {
        Self::Connect
    }

    pub(super) fn io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            io::ErrorKind::InvalidData => Self::Framing,
            _ => Self::Broken,
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Status(status) => format!("status_{status}"),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}

/// What is right, known before the first answer.
#[derive(Debug)]
pub(super) struct Check {
    format: Format,
    whole_text: String,
    whole_tokens: u64,
    stream_text: String,
    stream_tokens: u64,
    usage_required: bool,
    pace: Duration,
}

impl Check {
    pub(super) fn new(plan: &Plan) -> Self {
        let script = Script::of_model(plan.expect.as_deref().unwrap_or(&plan.model));
        Self {
            format: plan.format,
            whole_text: script.answer_text(),
            whole_tokens: u64::from(script.answer_tokens()),
            stream_text: if plan.stream { script.stream_text() } else { String::new() },
            stream_tokens: u64::from(script.chunks),
            usage_required: !(plan.stream && plan.no_usage),
            pace: script.pace,
        }
    }

    /// The time between two pieces of a stream.
    pub(super) fn pace(&self) -> Duration {
        self.pace
    }

    /// Judges an answer that is no stream.
    pub(super) fn whole(&self, body: &[u8], nonce: &[u8]) -> Result<(), Flaw> {
        let answer: Answer = serde_json::from_slice(body).map_err(|_| Flaw::Json)?;
        if answer.error.is_some() {
            return Err(Flaw::ErrorEvent);
        }
        let text = match self.format {
            Format::Openai => answer.choices.first().and_then(|choice| choice.message.as_ref()).and_then(|m| m.content),
            Format::Anthropic => answer.content.first().and_then(|part| part.text),
        };
        check_text(text.unwrap_or_default(), nonce, &self.whole_text)?;
        check_usage(answer.usage, self.whole_tokens)
    }

    /// Begins to judge a stream.
    pub(super) fn stream<'a>(&'a self, nonce: &'a [u8]) -> StreamCheck<'a> {
        StreamCheck { check: self, nonce, pending: Vec::new(), text: String::new(), usage: None, deltas: 0, ended: false }
    }
}

/// A stream under judgement.
#[derive(Debug)]
pub(super) struct StreamCheck<'a> {
    check: &'a Check,
    nonce: &'a [u8],
    pending: Vec<u8>,
    text: String,
    usage: Option<Usage>,
    deltas: u64,
    ended: bool,
}

impl StreamCheck<'_> {
    /// How many pieces of text have come.
    pub(super) fn said(&self) -> u64 {
        self.deltas
    }

    /// Whether any text has come.
    pub(super) fn has_content(&self) -> bool {
        !self.text.is_empty()
    }

    /// Takes the next bytes, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            if self.pending.is_empty() {
                self.read_line(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.pending);
                whole.extend_from_slice(line);
                self.read_line(&whole)?;
            }
            rest = &after[1..];
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), Flaw> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(payload) = line.strip_prefix(b"data:") else {
            return Ok(());
        };
        let payload = payload.trim_ascii_start();
        if self.ended {
            return Err(Flaw::AfterEnd);
        }
        if payload == b"[DONE]" {
            self.ended = true;
            return Ok(());
        }
        let event: Event = serde_json::from_slice(payload).map_err(|_| Flaw::Json)?;
        if event.error.is_some() {
            return Err(Flaw::ErrorEvent);
        }
        match self.check.format {
            Format::Openai => self.read_openai(&event),
            Format::Anthropic => self.read_anthropic(&event),
        }
        Ok(())
    }

    fn read_openai(&mut self, event: &Event<'_>) {
        for choice in &event.choices {
            self.add(choice.delta.as_ref().and_then(|delta| delta.content));
        }
        self.add_usage(event.usage);
    }

    fn read_anthropic(&mut self, event: &Event<'_>) {
        self.add(event.delta.as_ref().and_then(|delta| delta.text));
        self.add_usage(event.message.as_ref().and_then(|message| message.usage));
        self.add_usage(event.usage);
        self.ended = event.kind == Some("message_stop");
    }

    fn add(&mut self, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.deltas += 1;
            self.text.push_str(text);
        }
    }

    fn add_usage(&mut self, newer: Option<Usage>) {
        let Some(newer) = newer else { return };
        let older = self.usage.unwrap_or_default();
        self.usage =
            Some(Usage { input: newer.input.or(older.input), output: newer.output.or(older.output), total: newer.total.or(older.total) });
    }

    /// Judges the end and tells how many pieces of text came.
    pub(super) fn finish(self) -> Result<u64, Flaw> {
        if !self.ended || !self.pending.is_empty() {
            return Err(Flaw::NoEnd);
        }
        check_text(&self.text, self.nonce, &self.check.stream_text)?;
        if self.check.usage_required || self.usage.is_some() {
            check_usage(self.usage, self.check.stream_tokens)?;
        }
        Ok(self.deltas)
    }
}

fn check_text(text: &str, nonce: &[u8], expected: &str) -> Result<(), Flaw> {
    let rest = text.as_bytes().strip_prefix(nonce).and_then(|rest| rest.strip_prefix(b" ")).ok_or(Flaw::Nonce)?;
    if rest == expected.as_bytes() { Ok(()) } else { Err(Flaw::Text) }
}

fn check_usage(usage: Option<Usage>, output: u64) -> Result<(), Flaw> {
    let usage = usage.ok_or(Flaw::Usage)?;
    let input = usage.input.filter(|tokens| *tokens > 0).ok_or(Flaw::Usage)?;
    let sums = usage.total.is_none_or(|total| total == input + output);
    if usage.output == Some(output) && sums { Ok(()) } else { Err(Flaw::Usage) }
}

/// The parts of both dialects' answers that are judged. Texts are borrowed: what the mock says needs no escapes.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default, borrow)]
    choices: Vec<Choice<'a>>,
    #[serde(default, borrow)]
    content: Vec<Words<'a>>,
    usage: Option<Usage>,
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(default, borrow)]
    choices: Vec<Choice<'a>>,
    #[serde(borrow)]
    delta: Option<Words<'a>>,
    message: Option<Envelope>,
    usage: Option<Usage>,
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Envelope {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<Words<'a>>,
    #[serde(borrow)]
    delta: Option<Words<'a>>,
}

#[derive(Deserialize)]
struct Words<'a> {
    content: Option<&'a str>,
    text: Option<&'a str>,
}

#[derive(Deserialize, Debug, Default, Clone, Copy)]
struct Usage {
    #[serde(alias = "prompt_tokens", alias = "input_tokens")]
    input: Option<u64>,
    #[serde(alias = "completion_tokens", alias = "output_tokens")]
    output: Option<u64>,
    #[serde(alias = "total_tokens")]
    total: Option<u64>,
}
