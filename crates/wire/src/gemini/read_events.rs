//! Gemini's stream to events. A chunk is a whole `GenerateContentResponse` that holds what is new.
//!
//! Nothing marks the end of a stream: the last finish reason that was seen counts once the stream is over, and a stream that ends
//! without one was cut.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::{Answer, AnswerPart, Candidate, FunctionCall, Name, PromptFeedback, Text, read_usage, reason_of, unix_seconds};
use super::citation::{LookedUp, Said, count_fetches, grounds, read_citations, read_grounding};
use super::partial::OpenCall;
use super::{error, likelihood, token};
use crate::chat::{Citation, Hosted, Media, MediaSource};
use crate::dialect::Dialect;
use crate::event::{BlockKind, Delta, Event, EventReader, Frame, MOST_BLOCKS};
use crate::half::Memo;
use crate::json;
use crate::problem::{Fault, Malformed};
use crate::reply::{Finish, Reason, Usage};
use crate::wave;

/// Reads a stream, or a whole answer as a stream of one chunk.
#[derive(Debug, Default)]
pub(super) struct Reader {
    memo: Memo,
    started: bool,
    broken: bool,
    id: String,
    next: u32,
    open: Option<(u32, Open)>,
    /// A text that others follow, but whose sources may be named yet.
    lingering: Option<u32>,
    said: Said,
    /// Whether all of the answer is there, and nobody reads the events as they come.
    whole: bool,
    calls: usize,
    /// The call that is under way.
    call: Option<OpenCall>,
    /// The further answers, each of which is read as the first.
    further: BTreeMap<u64, Reader>,
    finish: Option<String>,
    /// What is said of why it ends.
    words: Option<String>,
    blocked: Option<Finish>,
    tier: Option<String>,
    /// What is counted beside the usage, which may be told later.
    counted: Usage,
    looked_up: LookedUp,
}

/// The kinds of block that several chunks may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thought,
}

impl Reader {
    pub(super) fn new(memo: Memo) -> Self {
        Self { memo, ..Self::default() }
    }

    /// Reads an answer that is all in one chunk.
    pub(super) fn whole(memo: Memo) -> Self {
        Self { memo, whole: true, ..Self::default() }
    }

    fn on_answer(&mut self, answer: Answer<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if let Some(error) = answer.error {
            self.broken = true;
            out.push(Event::Fault(Box::new(error::fault_in_stream(error))));
            return Ok(());
        }
        self.start(&answer, out);
        let says_nothing = answer.candidates.as_ref().is_none_or(Vec::is_empty) && self.next == 0;
        if let Some(feedback) = answer.prompt_feedback.filter(|feedback| says_nothing || feedback.block_reason.is_some()) {
            self.on_feedback(feedback);
        }
        for (place, candidate) in (0..).zip(answer.candidates.into_iter().flatten()) {
            match candidate.index.unwrap_or(place) {
                0 => self.on_candidate(candidate, out)?,
                index => self.on_further(index, candidate, out)?,
            }
        }
        self.looked_up.tell(&mut self.counted);
        if let Some((mut usage, tier)) = answer.usage_metadata.and_then(read_usage) {
            if let Some(tier) = tier.filter(|tier| self.tier.as_ref() != Some(tier)) {
                out.push(Event::Tier(tier.clone()));
                self.tier = Some(tier);
            }
            usage.merge(self.counted.clone());
            out.push(Event::Usage(Box::new(usage)));
        }
        Ok(())
    }

    fn start(&mut self, answer: &Answer<'_>, out: &mut Vec<Event>) {
        if self.started {
            return;
        }
        self.started = true;
        let plain = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.clone().into_owned());
        let id = plain(&answer.response_id);
        self.id = id.clone().unwrap_or_default();
        let created = answer.create_time.as_ref().and_then(|time| unix_seconds(&time.0));
        out.push(Event::Start { id, model: plain(&answer.model_version), created });
    }

    fn on_feedback(&mut self, feedback: PromptFeedback) {
        // No reason is told where it is the one that has no name.
        let reason = feedback.block_reason.unwrap_or(Name::Number(0));
        let blocked = Finish::new(Reason::ContentFilter, reason.block_reason());
        self.blocked = Some(blocked.with_words(feedback.block_reason_message));
    }

    fn on_further(&mut self, index: u64, candidate: Candidate<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.further.len() == MOST_BLOCKS {
            return Err(Malformed::field("candidates", "are more answers than anybody asks for"));
        }
        // What was looked up is counted for all of them.
        candidate.grounding_metadata.into_iter().for_each(|raw| self.looked_up.see(&read_grounding(raw)));
        let begin =
            || Self { memo: self.memo.clone(), whole: self.whole, started: true, id: format!("{index}-{}", self.id), ..Self::default() };
        let mut steps = Vec::new();
        let read = self.further.entry(index).or_insert_with(begin).on_candidate(candidate, &mut steps);
        out.extend(Event::further(index, steps));
        read
    }

    fn on_candidate(&mut self, candidate: Candidate<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let likely = candidate.logprobs_result.map(likelihood::read).unwrap_or_default();
        if !likely.is_empty() {
            out.push(Event::Likely(likely));
        }
        for part in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
            self.on_part(part, out)?;
        }
        let mut citations = Vec::new();
        if let Some(raw) = candidate.grounding_metadata {
            let grounding = read_grounding(raw);
            self.looked_up.see(&grounding);
            citations = grounds(grounding);
        }
        citations.extend(candidate.citation_metadata.map(read_citations).unwrap_or_default());
        if let Some(raw) = candidate.url_context_metadata {
            self.counted.web_fetches = count_fetches(raw).or(self.counted.web_fetches);
        }
        citations.into_iter().for_each(|citation| self.cite(citation, out));
        if let Some(reason) = candidate.finish_reason {
            self.finish = Some(reason.finish_reason());
            self.end_call(out);
        }
        self.words = candidate.finish_message.or(self.words.take());
        Ok(())
    }

    /// A source belongs to the text it names, or to the last one.
    fn cite(&mut self, mut citation: Citation, out: &mut Vec<Event>) {
        let last = match self.open {
            Some((block, Open::Text)) => Some(block),
            _ => self.lingering.or_else(|| self.said.last().filter(|_| self.whole)),
        };
        let named = self.said.place(&mut citation).filter(|named| self.whole || last == Some(*named));
        if named.is_none() {
            (citation.start, citation.end) = (None, None);
        }
        let block = named.or(last).unwrap_or_else(|| self.enter(Open::Text, out));
        out.push(Event::BlockDelta { block, delta: Delta::Citation(Box::new(citation)) });
    }

    fn on_part(&mut self, part: AnswerPart<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let signature = part.thought_signature.as_ref().map(|text| &*text.0);
        if let Some(call) = part.function_call {
            return self.on_call(call, signature, out);
        }
        if let Some((kind, key, raw)) = hosted_member(&part) {
            self.on_hosted((kind, key), raw, signature, out);
            return Ok(());
        }
        if let Some(raw) = part.inline_data {
            return self.on_inline(raw, part.thought == Some(true), signature, out);
        }
        let text = part.text.map(|text| text.0).unwrap_or_default();
        let kind = if part.thought == Some(true) { Open::Thought } else { Open::Text };
        if !text.is_empty() {
            let block = self.enter(kind, out);
            if kind == Open::Text {
                self.said.add(block, &text);
            } else {
                self.settle(out);
            }
            out.push(Event::BlockDelta { block, delta: Delta::Text(text.into_owned()) });
        }
        if let Some(signature) = signature {
            self.seal(kind, signature, out);
        }
        Ok(())
    }

    /// A signature on a thought seals it; any other is a thought of its own, without text, after what it stands on.
    fn seal(&mut self, kind: Open, signature: &str, out: &mut Vec<Event>) {
        if kind == Open::Text {
            self.set_aside(out);
        }
        let block = self.enter(Open::Thought, out);
        out.push(Event::BlockDelta { block, delta: Delta::Seal(token::read_signature(signature)) });
        self.set_aside(out);
    }

    /// A call, the beginning of one, or more of the one that is under way.
    fn on_call(&mut self, call: FunctionCall<'_>, signature: Option<&str>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let pieces = call.partial_args.as_deref().unwrap_or_default();
        let (args, goes_on) = (call.args, call.will_continue == Some(true));
        if let Some(name) = call.name.filter(|name| !name.is_empty()) {
            self.end_call(out);
            self.call = Some(OpenCall::new(self.begin_call(call.id, name, out)));
        }
        // The seal first: in a stream of Anthropic's it belongs to the beginning of a call.
        if let (Some(open), Some(signature)) = (&self.call, signature) {
            out.push(Event::BlockDelta { block: open.block, delta: Delta::Seal(token::read_signature(signature)) });
        }
        match &mut self.call {
            Some(open) => open.extend(args, pieces)?,
            None if args.is_none() && pieces.is_empty() => {}
            None => return Err(Malformed::field("functionCall", "a call goes on that never began")),
        }
        if !goes_on {
            self.end_call(out);
        }
        Ok(())
    }

    fn begin_call(&mut self, id: Option<String>, sent: String, out: &mut Vec<Event>) -> u32 {
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| token::own_id(&self.id, self.calls));
        self.calls += 1;
        let renamed = self.memo.renamed.iter().find(|(renamed, _)| *renamed == sent);
        let name = renamed.map_or(sent, |(_, own)| own.clone());
        self.begin(BlockKind::ToolCall { id, name, custom: false, namespace: None }, out)
    }

    /// Tells the arguments of the call that is under way, and ends it.
    fn end_call(&mut self, out: &mut Vec<Event>) {
        if let Some(call) = self.call.take() {
            let block = call.block;
            out.push(Event::BlockDelta { block, delta: Delta::Arguments(call.arguments()) });
            out.push(Event::BlockEnd { block });
        }
    }

    fn on_hosted(&mut self, (kind, key): (&str, &str), raw: &RawValue, signature: Option<&str>, out: &mut Vec<Event>) {
        let whole = json::object(|out| {
            out.raw(key, raw.get());
            out.option("thoughtSignature", signature);
        });
        let Some(whole) = String::from_utf8(whole).ok().and_then(|text| json::raw(&text)) else { return };
        let id = id_of(raw);
        let block = self.begin(BlockKind::Hosted(Box::new(Hosted { from: Dialect::Gemini, kind: kind.to_owned(), id, raw: whole })), out);
        out.push(Event::BlockEnd { block });
    }

    fn on_inline(&mut self, raw: &RawValue, thought: bool, signature: Option<&str>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let sent: Inline = serde_json::from_str(raw.get()).map_err(|error| Malformed::field("inlineData", &error.to_string()))?;
        let media_type = sent.mime_type.unwrap_or_default();
        let is_image = media_type.starts_with("image/");
        if thought || !is_image && !media_type.starts_with("audio/") {
            // A draft the model made on the way, or something the other formats have no answer for.
            let kind = if thought { "thought_media" } else { "inline_data" };
            self.on_hosted((kind, "inlineData"), raw, signature, out);
            return Ok(());
        }
        let (data, media_type) = if self.memo.wave { in_file(sent.data, media_type) } else { (sent.data, media_type) };
        let media = Box::new(Media::new(MediaSource::Base64(data), Some(media_type)));
        let block = self.begin(if is_image { BlockKind::Image(media) } else { BlockKind::Audio(media) }, out);
        out.push(Event::BlockEnd { block });
        if let Some(signature) = signature {
            self.seal(Open::Text, signature, out);
        }
        Ok(())
    }

    /// Begins a block that is complete in itself.
    fn begin(&mut self, kind: BlockKind, out: &mut Vec<Event>) -> u32 {
        self.set_aside(out);
        let block = self.next;
        self.next += 1;
        out.push(Event::BlockStart { block, kind });
        block
    }

    /// The block of that kind: the open one, or a new one.
    fn enter(&mut self, kind: Open, out: &mut Vec<Event>) -> u32 {
        match self.open {
            Some((block, open)) if open == kind => block,
            _ => {
                let started = match kind {
                    Open::Text => BlockKind::Text,
                    Open::Thought => BlockKind::Reasoning { id: None, summary: true },
                };
                if kind == Open::Text {
                    self.leave(out);
                }
                let block = self.begin(started, out);
                self.open = Some((block, kind));
                block
            }
        }
    }

    /// Leaves the open block: a text lingers until another one begins.
    fn set_aside(&mut self, out: &mut Vec<Event>) {
        match self.open.take() {
            Some((block, Open::Text)) => self.lingering = Some(block),
            Some((block, Open::Thought)) => out.push(Event::BlockEnd { block }),
            None => {}
        }
    }

    /// Ends a text that lingers.
    fn settle(&mut self, out: &mut Vec<Event>) {
        out.extend(self.lingering.take().map(|block| Event::BlockEnd { block }));
    }

    /// Ends what has not ended.
    fn leave(&mut self, out: &mut Vec<Event>) {
        self.set_aside(out);
        self.settle(out);
    }

    /// Ends a whole answer, which is complete even where it gives no reason.
    pub(super) fn end_whole(&mut self, out: &mut Vec<Event>) {
        self.end_call(out);
        if self.started && !self.broken && self.finish.is_none() && self.blocked.is_none() {
            self.leave(out);
            self.end_further(out);
            let finish = Finish { reason: if self.calls > 0 { Reason::ToolCalls } else { Reason::Other }, ..Finish::default() };
            out.push(Event::End { finish, service_tier: self.tier.take() });
            self.broken = true;
        } else {
            self.eof(out);
        }
    }

    fn end_further(&mut self, out: &mut Vec<Event>) {
        for (index, mut other) in std::mem::take(&mut self.further) {
            let mut steps = Vec::new();
            if self.whole {
                other.end_whole(&mut steps)
            } else {
                other.eof(&mut steps)
            }
            out.extend(Event::further(index, steps));
        }
    }
}

/// A tool's item that Google ran, and its key.
fn hosted_member<'a>(part: &AnswerPart<'a>) -> Option<(&'static str, &'static str, &'a RawValue)> {
    let of = |kind, key, raw: Option<&'a RawValue>| raw.map(|raw| (kind, key, raw));
    of("executable_code", "executableCode", part.executable_code)
        .or_else(|| of("code_execution_result", "codeExecutionResult", part.code_execution_result))
        .or_else(|| of("tool_call", "toolCall", part.tool_call))
        .or_else(|| of("tool_response", "toolResponse", part.tool_response))
        .or_else(|| of("file_data", "fileData", part.file_data))
}

/// Bare samples as a file that says what they are; anything else as it is.
fn in_file(data: String, media_type: String) -> (String, String) {
    match BASE64_STANDARD.decode(&data) {
        Ok(samples) if wave::is_samples(&media_type) => (BASE64_STANDARD.encode(wave::of(&samples, &media_type)), wave::TYPE.to_owned()),
        _ => (data, media_type),
    }
}

#[derive(Deserialize)]
struct Inline {
    #[serde(rename = "mimeType", alias = "mime_type")]
    mime_type: Option<String>,
    #[serde(default)]
    data: String,
}

/// The item's own id.
pub(super) fn id_of(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Item {
        id: Option<String>,
    }
    serde_json::from_str::<Item>(raw.get()).ok()?.id
}

impl EventReader for Reader {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let payload = frame.payload.trim_ascii();
        if self.broken || payload.is_empty() || payload == b"[DONE]" {
            return Ok(());
        }
        let unreadable = |error: serde_json::Error| Malformed::new(&error.to_string());
        if payload.first() == Some(&b'[') {
            for answer in serde_json::from_slice::<Vec<Answer<'_>>>(payload).map_err(unreadable)? {
                self.on_answer(answer, out)?;
            }
            return Ok(());
        }
        self.on_answer(serde_json::from_slice(payload).map_err(unreadable)?, out)
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if self.broken {
            return;
        }
        self.broken = true;
        let cut = !self.whole && self.further.values().any(|other| other.finish.is_none());
        let finish = match (self.finish.take().filter(|_| !cut), self.blocked.take()) {
            (Some(name), _) => Finish::new(reason_of(&name, self.calls > 0), name).with_words(self.words.take()),
            (None, Some(blocked)) => blocked,
            (None, None) => return out.push(Event::Fault(Box::new(Fault::truncated()))),
        };
        self.end_call(out);
        self.leave(out);
        self.end_further(out);
        out.push(Event::End { finish, service_tier: self.tier.take() });
    }

    fn has_finished(&self) -> bool {
        self.finish.is_some() && self.further.values().all(Self::has_finished)
    }

    fn held(&self) -> usize {
        self.call.as_ref().map_or(0, |call| call.held) + self.further.values().map(Self::held).sum::<usize>()
    }

    fn skim(&self, frame: Frame<'_>) -> bool {
        // Most chunks report the usage so far, and the last report counts even where the client hangs up: only chunks without
        // one need no reading.
        let has = |needle: &str| memmem::find(frame.payload, needle.as_bytes()).is_some();
        has("\"text\"") && !KEYS_TO_READ.iter().any(|key| has(key))
    }
}

const KEYS_TO_READ: [&str; 9] = [
    "\"logprobsResult\"",
    "\"usage_metadata\"",
    "\"finishReason\"",
    "\"finish_reason\"",
    "\"error\"",
    "\"promptFeedback\"",
    "\"functionCall\"",
    "\"function_call\"",
    "Metadata\"",
];
