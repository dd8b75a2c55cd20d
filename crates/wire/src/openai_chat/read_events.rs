//! A provider's stream, chunk by chunk.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::calls::Calls;
use super::chunk::{Choice, Chunk, DeltaOf};
use super::finish::read_finish;
use super::reasoning::{Block, Detail, is_summary};
use super::text::{count, string, word};
use super::usage::{read_usage, tier_of};
use super::{citations, error, likelihood, read_messages, reply, skim};
use crate::chat::{Citation, Media, MediaSource, Part, PartBody};
use crate::event::{BlockKind, Delta, Event, EventReader, Frame, MOST_BLOCKS};
use crate::fields::Fields;
use crate::half::Memo;
use crate::problem::{Fault, Malformed};
use crate::seal::{GOOGLE, Sealed};
use crate::tier;

/// What the open block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Refusal,
    /// With the index of `reasoning_details`, where there is one, and whether it is a summary.
    Reasoning(Option<u64>, bool),
    Audio,
}

/// Reads a stream.
#[derive(Debug)]
pub(super) struct Reader {
    memo: Memo,
    started: bool,
    done: bool,
    next: u32,
    open: Option<(u32, Open)>,
    /// The text of the open thought: some providers repeat all of it beside its signature.
    thought: String,
    /// Encrypted items that name an id and have not found it yet.
    sealed: Vec<(String, Sealed)>,
    calls: Calls,
    /// The further answers, each of which is read as the first.
    further: BTreeMap<u64, Reader>,
    /// The last finish reason and stop sequence; held back, since the usage may still come.
    finish: Option<(String, Option<String>)>,
    tier: Option<String>,
    cited: bool,
    /// The bytes of thoughts and seals that were kept.
    held: usize,
    /// The letters of what was said, and of those the ones before the open text.
    letters: u64,
    before: u64,
}

impl Reader {
    pub(super) fn new(memo: Memo) -> Self {
        Self {
            memo,
            started: false,
            done: false,
            next: 0,
            open: None,
            thought: String::new(),
            sealed: Vec::new(),
            calls: Calls::default(),
            further: BTreeMap::new(),
            finish: None,
            tier: None,
            cited: false,
            held: 0,
            letters: 0,
            before: 0,
        }
    }

    fn block(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if let Some((block, _)) = self.open.take() {
            self.thought.clear();
            out.push(Event::BlockEnd { block });
        }
    }

    /// The open block of that sort; opens one where another, or none, is open.
    fn opened(&mut self, sort: Open, kind: impl FnOnce() -> BlockKind, out: &mut Vec<Event>) -> u32 {
        match self.open {
            Some((block, open)) if open == sort => block,
            _ => {
                self.close(out);
                let block = self.block();
                self.open = Some((block, sort));
                self.before = self.letters;
                out.push(Event::BlockStart { block, kind: kind() });
                block
            }
        }
    }

    fn text(&mut self, text: Cow<'_, str>, out: &mut Vec<Event>) {
        if !text.is_empty() {
            let block = self.opened(Open::Text, || BlockKind::Text, out);
            self.letters += text.chars().count() as u64;
            out.push(Event::BlockDelta { block, delta: Delta::Text(text.into_owned()) });
        }
    }

    fn cite(&mut self, found: Vec<Citation>, out: &mut Vec<Event>) {
        for citation in found {
            let block = self.opened(Open::Text, || BlockKind::Text, out);
            out.push(Event::BlockDelta { block, delta: Delta::Citation(Box::new(citation)) });
        }
    }

    /// A piece of a thought. Pieces without an index belong to the open one, whatever its index is.
    fn think(&mut self, (index, summary): (Option<u64>, bool), id: Option<String>, text: &str, out: &mut Vec<Event>) -> u32 {
        let sort = match self.open {
            Some((_, open @ Open::Reasoning(known, was))) if (index.is_none() || known == index) && (text.is_empty() || was == summary) => {
                open
            }
            _ => Open::Reasoning(index, summary),
        };
        let block = self.opened(sort, || BlockKind::Reasoning { id, summary }, out);
        if !text.is_empty() {
            self.thought.push_str(text);
            self.held += text.len();
            out.push(Event::BlockDelta { block, delta: Delta::Text(text.to_owned()) });
        }
        block
    }

    /// A seal ends its thought.
    fn seal(&mut self, block: u32, seal: Sealed, out: &mut Vec<Event>) {
        out.push(Event::BlockDelta { block, delta: Delta::Seal(seal) });
        self.close(out);
    }

    fn start(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Event>) {
        self.started = true;
        let id = word(chunk.id);
        self.calls.name_after(reply::spare_id(id.as_deref()));
        let created = count(chunk.created).filter(|created| *created > 0);
        out.push(Event::Start { id, model: word(chunk.model), created });
    }

    fn chunk(&mut self, chunk: Chunk<'_>, payload: &[u8], out: &mut Vec<Event>) -> Result<(), Malformed> {
        let choices = chunk.choices.as_deref().unwrap_or_default();
        let reported = chunk.error.or_else(|| choices.first()?.error).filter(|raw| error::says_something(raw));
        if reported.is_some() || chunk.choices.is_none() && error::is_error(chunk.object) {
            self.done = true;
            let fault = reported.map_or_else(|| error::read_event(payload), |raw| error::read_error(raw, payload));
            out.push(Event::Fault(Box::new(fault)));
            return Ok(());
        }
        let counts = chunk.usage.or_else(|| choices.iter().find_map(|choice| choice.usage)).or_else(|| groq_usage(chunk.x_groq));
        let usage = counts.and_then(read_usage);
        // Azure opens with a chunk of filter results that names neither answer nor model.
        if !self.started && (!choices.is_empty() || usage.is_some() || word(chunk.id).is_some()) {
            self.start(&chunk, out);
        }
        let tier = word(chunk.service_tier).map(tier::read);
        let tier = tier.or_else(|| tier_of(usage.as_ref()).filter(|_| self.tier.is_none()));
        if let Some(tier) = tier.filter(|tier| self.tier.as_ref() != Some(tier)) {
            if !choices.is_empty() {
                out.push(Event::Tier(tier.clone()));
            }
            self.tier = Some(tier);
        }
        let before = out.len();
        if !self.cited && (chunk.search_results.is_some() || chunk.citations.is_some()) && !choices.is_empty() {
            self.late_sources(&chunk, out);
        }
        for choice in choices {
            match count(choice.index).unwrap_or(0) {
                0 => self.choice(choice, out)?,
                index => self.further(index, choice, out)?,
            }
        }
        if let Some(usage) = usage {
            if out.len() == before && !choices.is_empty() && self.started {
                // Not a frame of usage alone: whoever hides those must not hide this one.
                out.extend(serde_json::from_str("{}").ok().map(Event::Unknown));
            }
            out.push(Event::Usage(Box::new(usage)));
        }
        Ok(())
    }

    /// Perplexity repeats its sources in every chunk; they belong to the text, and are told once there is some.
    fn late_sources(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Event>) {
        if matches!(self.open, Some((_, Open::Text))) {
            self.cited = true;
            self.cite(reply::sources(chunk.search_results, chunk.citations), out);
        }
    }

    fn further(&mut self, index: u64, choice: &Choice<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.further.len() == MOST_BLOCKS {
            return Err(Malformed::field("index", "is of more answers than anybody asks for"));
        }
        let begin = || Self { started: true, calls: self.calls.of_further(index), ..Self::new(self.memo.clone()) };
        let mut steps = Vec::new();
        let read = self.further.entry(index).or_insert_with(begin).choice(choice, &mut steps);
        out.extend(Event::further(index, steps));
        read
    }

    fn choice(&mut self, choice: &Choice<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let likely = likelihood::read(choice.logprobs);
        if !likely.is_empty() {
            out.push(Event::Likely(likely));
        }
        if let Some(delta) = &choice.delta {
            self.delta(delta, out)?;
        } else if let Some(raw) = choice.text {
            self.content(raw, out)?;
        } else if let Some(message) = choice.message.filter(|_| self.next == 0) {
            let delta: DeltaOf<'_> =
                serde_json::from_str(message.get()).map_err(|error| Malformed::field("message", &error.to_string()))?;
            self.delta(&delta, out)?;
        }
        if let Some(raw) = word(choice.finish_reason) {
            self.place_seals(true, out);
            self.close(out);
            self.calls.close(out);
            let stop = choice.stop_reason.and_then(string).map(Cow::into_owned);
            self.finish = Some((raw, stop));
        }
        Ok(())
    }

    fn delta(&mut self, delta: &DeltaOf<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.thoughts(delta, out)?;
        if let Some(raw) = delta.content {
            self.content(raw, out)?;
        }
        if let Some(text) = delta.refusal.and_then(string).filter(|text| !text.is_empty()) {
            let block = self.opened(Open::Refusal, || BlockKind::Refusal, out);
            out.push(Event::BlockDelta { block, delta: Delta::Text(text.into_owned()) });
        }
        self.media(delta, out)?;
        if let Some(pieces) = delta.tool_calls.as_deref().filter(|pieces| !pieces.is_empty()) {
            self.close(out);
            self.calls.pieces(pieces, &mut self.sealed, &mut self.next, out)?;
        }
        if let Some(function) = &delta.function_call {
            self.close(out);
            self.calls.legacy(function, &mut self.next, out);
        }
        self.place_seals(false, out);
        Ok(())
    }

    /// Gives seals to the calls they name; at the end what names none is a thought of its own.
    fn place_seals(&mut self, at_the_end: bool, out: &mut Vec<Event>) {
        if self.sealed.is_empty() {
            return;
        }
        for (id, seal) in std::mem::take(&mut self.sealed) {
            match self.calls.block_of(&id) {
                Some(block) => out.push(Event::BlockDelta { block, delta: Delta::Seal(seal) }),
                // Google's calls come after their seals.
                None if seal.vendor == GOOGLE && !at_the_end => self.sealed.push((id, seal)),
                None => {
                    let block = self.think((None, false), Some(id), "", out);
                    self.seal(block, seal, out);
                }
            }
        }
    }

    /// Thoughts, from the richest field there is. Encrypted items that may be the seal of a call are placed later.
    fn thoughts(&mut self, delta: &DeltaOf<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let plain = delta.reasoning_content.or(delta.reasoning).and_then(string).filter(|text| !text.is_empty());
        let details: Vec<Detail<'_>> = read_list(delta.reasoning_details, "reasoning_details")?;
        if !details.is_empty() {
            if let (Some(text), false) = (&plain, details.iter().any(|detail| detail.visible().is_some())) {
                self.think((None, false), None, text, out);
            }
            for detail in &details {
                self.detail(detail, out);
            }
            if self.sealed.len() > MOST_BLOCKS {
                return Err(Malformed::field("reasoning_details", "has more seals than there are calls"));
            }
            return Ok(());
        }
        let blocks: Vec<Block<'_>> = read_list(delta.thinking_blocks, "thinking_blocks")?;
        for block in &blocks {
            self.thinking_block(block, out);
        }
        if let (Some(text), true) = (plain, blocks.is_empty()) {
            self.think((None, false), None, &text, out);
        }
        Ok(())
    }

    fn detail(&mut self, detail: &Detail<'_>, out: &mut Vec<Event>) {
        let (text, seal) = (detail.visible(), detail.seal(self.memo.vendor.as_deref()));
        let same = |index: Option<u64>| index.is_some() && index == detail.index() && !detail.is_of_call();
        let joins = matches!(self.open, Some((_, Open::Reasoning(index, _))) if same(index));
        if let (Some(seal), Some(id), None, false) = (&seal, detail.id(), text, joins) {
            self.held += id.len() + seal.bytes.len();
            self.sealed.push((id, seal.clone()));
            return;
        }
        if text.is_none_or(|(text, _)| text.is_empty()) && seal.is_none() {
            return;
        }
        let (text, summary) = text.unwrap_or_default();
        let block = self.think((detail.index(), summary), detail.id(), text, out);
        if let Some(seal) = seal {
            self.seal(block, seal, out);
        }
    }

    fn thinking_block(&mut self, block: &Block<'_>, out: &mut Vec<Event>) {
        let text = block.thinking.as_ref().map_or("", |text| &*text.0);
        let (seal, id) = block.seal().map_or((None, None), |(seal, id)| (Some(seal), id));
        // Beside the signature some repeat the whole text, others send its last piece or nothing.
        let repeated = seal.is_some() && !self.thought.is_empty() && text == self.thought;
        if text.is_empty() && seal.is_none() {
            return;
        }
        let summary = is_summary(text, seal.as_ref());
        let at = self.think((None, summary && !repeated), id, if repeated { "" } else { text }, out);
        if let Some(seal) = seal {
            self.seal(at, seal, out);
        }
    }

    fn content(&mut self, raw: &RawValue, out: &mut Vec<Event>) -> Result<(), Malformed> {
        match raw.get().as_bytes().first() {
            Some(b'"') => {
                let text = string(raw).ok_or_else(|| Malformed::field("content", "is not a valid string"))?;
                self.text(text, out);
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = read_list(Some(raw), "content")?;
                for item in items {
                    let mut parts = Vec::new();
                    read_messages::read_part(item, &mut parts).map_err(|error| error.within("content"))?;
                    parts.into_iter().for_each(|part| self.part(part, out));
                }
            }
            _ => self.text(read_messages::texts(raw), out),
        }
        Ok(())
    }

    fn part(&mut self, part: Part, out: &mut Vec<Event>) {
        match part.body {
            PartBody::Text { text, citations } => {
                self.text(Cow::Owned(text), out);
                self.cite(citations, out);
            }
            PartBody::Reasoning(thought) => {
                let block = self.think((None, thought.summary), thought.id, &thought.text, out);
                if let Some(seal) = thought.seal {
                    self.seal(block, seal, out);
                }
            }
            PartBody::Image(media) => {
                self.close(out);
                let block = self.block();
                out.push(Event::BlockStart { block, kind: BlockKind::Image(Box::new(media)) });
                out.push(Event::BlockEnd { block });
            }
            _ => {}
        }
    }

    fn media(&mut self, delta: &DeltaOf<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        for (list, name) in [(delta.annotations, "annotations"), (delta.citations, "citations")] {
            let sources: Vec<&RawValue> = read_list(list, name)?;
            let before = if self.open.is_some_and(|(_, open)| open == Open::Text) { self.before } else { self.letters };
            let found = sources.into_iter().filter_map(citations::read).map(|citation| citations::after(before, citation));
            self.cite(found.collect(), out);
        }
        for raw in read_list::<&RawValue>(delta.images, "images")? {
            let mut parts = Vec::new();
            read_messages::read_part(raw, &mut parts).map_err(|error| error.within("images"))?;
            parts.into_iter().for_each(|part| self.part(part, out));
        }
        let Some(raw) = delta.audio else { return Ok(()) };
        let Ok(mut sound) = Fields::nested(raw) else { return Ok(()) };
        let [id, data, transcript] = ["id", "data", "transcript"].map(|key| word(sound.take_raw(key)));
        if id.is_none() && data.is_none() && transcript.is_none() {
            return Ok(());
        }
        let media = || Media { id, ..Media::new(MediaSource::Base64(String::new()), None) };
        let block = self.opened(Open::Audio, || BlockKind::Audio(Box::new(media())), out);
        let pieces = [data.map(Delta::AudioData), transcript.map(Delta::Transcript)];
        out.extend(pieces.into_iter().flatten().map(|delta| Event::BlockDelta { block, delta }));
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Event>) {
        self.done = true;
        if self.started {
            self.place_seals(true, out);
        }
        self.close(out);
        self.calls.close(out);
        if !self.started {
            out.push(Event::Fault(Box::new(Fault::protocol("the stream holds no answer"))));
            return;
        }
        for (index, mut other) in std::mem::take(&mut self.further) {
            let mut steps = Vec::new();
            other.end(&mut steps);
            out.extend(Event::further(index, steps));
        }
        let (raw, stop) = self.finish.take().map_or((None, None), |(raw, stop)| (Some(raw), stop));
        let finish = read_finish(raw.as_deref(), stop, self.calls.any(), &self.memo);
        out.push(Event::End { finish, service_tier: self.tier.take() });
    }
}

fn read_list<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, key: &str) -> Result<Vec<T>, Malformed> {
    match raw {
        Some(raw) if raw.get() != "null" => serde_json::from_str(raw.get()).map_err(|error| Malformed::field(key, &error.to_string())),
        _ => Ok(Vec::new()),
    }
}

fn groq_usage(raw: Option<&RawValue>) -> Option<&RawValue> {
    Fields::nested(raw?).ok()?.take_raw("usage").filter(|raw| raw.get() != "null")
}

impl EventReader for Reader {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.done {
            return Ok(());
        }
        let payload = frame.payload.trim_ascii();
        if payload == b"[DONE]" {
            self.end(out);
            return Ok(());
        }
        if frame.name == "error" {
            self.done = true;
            out.push(Event::Fault(Box::new(error::read_event(payload))));
            return Ok(());
        }
        if !payload.starts_with(b"{") {
            // Events with a name are none of this API's: a gateway on the way shows that it is there.
            let known = matches!(frame.name, "" | "message");
            return if known { Err(Malformed::new("an event is no JSON object")) } else { Ok(()) };
        }
        let chunk: Chunk<'_> = serde_json::from_slice(payload).map_err(|error| Malformed::new(&error.to_string()))?;
        self.chunk(chunk, payload, out)
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if self.done {
            return;
        }
        if self.has_finished() {
            self.end(out);
        } else {
            self.done = true;
            out.push(Event::Fault(Box::new(Fault::truncated())));
        }
    }

    fn skim(&self, frame: Frame<'_>) -> bool {
        frame.name != "error" && skim::says_no_more_than_text(frame.payload)
    }

    fn has_finished(&self) -> bool {
        self.finish.is_some() && self.further.values().all(Self::has_finished)
    }

    fn held(&self) -> usize {
        self.held + self.calls.held() + self.further.values().map(Self::held).sum::<usize>()
    }
}
