//! A streamed answer. A text block has no start event, usage comes after the stop.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::{Calls, SERVER_TOOL, client_name, finish, read_citation, read_hosted, read_tier, read_usage};
use super::{HERE, error, sealer};
use crate::chat::{Cited, Hosted, Media, MediaSource};
use crate::event::{BlockKind, Delta, Event, EventReader, Frame, MOST_BLOCKS};
use crate::fields::Fields;
use crate::half::Memo;
use crate::json;
use crate::lenient::place;
use crate::problem::{Fault, Malformed};
use crate::reply::Finish;
use crate::seal::Sealed;

/// Reads `ConverseStream`'s events.
pub(super) struct Reader {
    memo: Memo,
    started: bool,
    over: bool,
    next: u32,
    open: Vec<Open>,
    calls: Calls,
    finish: Option<Finish>,
    metered: bool,
    tier: Option<String>,
    /// The bytes that were kept for the end of their block.
    held: usize,
}

/// A block under way: the API's index, and the block's id unless it is told only when whole.
struct Open {
    index: u32,
    block: u32,
    kind: Kind,
}

enum Kind {
    Text(Cited),
    Reasoning { signature: String, redacted: String },
    Call { is_empty: bool },
    Json,
    Hosted { key: &'static str, start: String, input: String, results: Vec<String> },
    Image { format: Option<String>, bytes: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart<'a> {
    #[serde(default, deserialize_with = "place")]
    content_block_index: u32,
    #[serde(borrow)]
    start: Option<Start<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow)]
    tool_use: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_result: Option<&'a RawValue>,
    image: Option<ImageStart>,
}

#[derive(Deserialize)]
struct ImageStart {
    format: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUseStart {
    tool_use_id: String,
    name: String,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta<'a> {
    #[serde(default, deserialize_with = "place")]
    content_block_index: u32,
    #[serde(borrow)]
    delta: Piece<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_use: Option<InputPiece<'a>>,
    #[serde(borrow)]
    tool_result: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    reasoning_content: Option<ReasoningPiece<'a>>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
    #[serde(borrow)]
    image: Option<ImagePiece<'a>>,
}

#[derive(Deserialize)]
struct InputPiece<'a> {
    #[serde(borrow)]
    input: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningPiece<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow)]
    redacted_content: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ImagePiece<'a> {
    #[serde(borrow)]
    source: Option<ImageBytes<'a>>,
}

#[derive(Deserialize)]
struct ImageBytes<'a> {
    #[serde(borrow)]
    bytes: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    #[serde(default, deserialize_with = "place")]
    content_block_index: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop<'a> {
    stop_reason: Option<String>,
    #[serde(borrow)]
    additional_model_response_fields: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
}

fn parse<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Malformed> {
    serde_json::from_slice(payload).map_err(|error| Malformed::new(&error.to_string()))
}

impl EventReader for Reader {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if self.over {
            return Ok(());
        }
        match frame.name {
            "messageStart" => self.start(out),
            "contentBlockStart" => self.block_start(parse(frame.payload)?, out)?,
            "contentBlockDelta" => {
                let before = out.len();
                self.block_delta(parse(frame.payload)?, out)?;
                if out.len() == before {
                    self.held += frame.payload.len();
                }
            }
            "contentBlockStop" => {
                let stop: BlockStop = parse(frame.payload)?;
                self.close(stop.content_block_index, out);
            }
            "messageStop" => self.message_stop(parse(frame.payload)?, out),
            "metadata" => self.metadata(&parse(frame.payload)?, out),
            name if name.ends_with("xception") => self.fail(error::in_stream(name, frame.payload), out),
            name => match serde_json::from_slice::<Box<RawValue>>(frame.payload) {
                Ok(raw) => out.push(Event::Unknown(raw)),
                // An error outside of the model of the API comes with a code and plain text.
                Err(_) => self.fail(error::in_stream(name, frame.payload), out),
            },
        }
        Ok(())
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if self.over {
            return;
        }
        if self.finish.is_some() {
            self.end(out);
        } else {
            self.fail(Fault::truncated(), out);
        }
    }

    fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn held(&self) -> usize {
        self.held
    }
}

impl Reader {
    pub(super) fn new(memo: Memo) -> Self {
        Self {
            memo,
            started: false,
            over: false,
            next: 0,
            open: Vec::new(),
            calls: Calls::default(),
            finish: None,
            metered: false,
            tier: None,
            held: 0,
        }
    }

    fn start(&mut self, out: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            out.push(Event::Start { id: None, model: None, created: None });
        }
    }

    fn fail(&mut self, fault: Fault, out: &mut Vec<Event>) {
        self.over = true;
        out.push(Event::Fault(Box::new(fault)));
    }

    fn block_start(&mut self, event: BlockStart<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.start(out);
        if self.open.len() == MOST_BLOCKS {
            return Err(Malformed::field("contentBlockIndex", "is of more blocks than any answer has"));
        }
        let Some(start) = event.start else { return Ok(()) };
        let index = event.content_block_index;
        if let Some(raw) = start.tool_use {
            let call: ToolUseStart = parse(raw.get().as_bytes())?;
            self.call_start(index, call, raw, out);
        } else if let Some(raw) = start.tool_result {
            self.add_open(index, hosted("toolResult", raw), out);
        } else if let Some(image) = start.image {
            self.add_open(index, Kind::Image { format: image.format, bytes: String::new() }, out);
        }
        Ok(())
    }

    fn call_start(&mut self, index: u32, call: ToolUseStart, raw: &RawValue, out: &mut Vec<Event>) {
        if call.r#type.as_deref() == Some(SERVER_TOOL) {
            self.add_open(index, hosted("toolUse", raw), out);
        } else if self.memo.json_tool.as_ref() == Some(&call.name) {
            self.calls.json = true;
            let block = self.add_open(index, Kind::Json, out);
            out.push(Event::BlockStart { block, kind: BlockKind::Text });
        } else {
            self.calls.client = true;
            let block = self.add_open(index, Kind::Call { is_empty: true }, out);
            let name = client_name(&self.memo, call.name);
            out.push(Event::BlockStart { block, kind: BlockKind::ToolCall { id: call.tool_use_id, name, custom: false, namespace: None } });
        }
    }

    /// Opens a block; one of that index that is still open ends.
    fn add_open(&mut self, index: u32, kind: Kind, out: &mut Vec<Event>) -> u32 {
        self.close(index, out);
        let block = self.next;
        self.next += 1;
        self.open.push(Open { index, block, kind });
        block
    }

    /// The open block of that index and of a kind that `fits`, or a new one.
    fn at(&mut self, index: u32, fits: fn(&Kind) -> bool, fresh: fn() -> (Kind, BlockKind), out: &mut Vec<Event>) -> usize {
        if let Some(at) = self.open.iter().position(|open| open.index == index && fits(&open.kind)) {
            return at;
        }
        let (kind, told) = fresh();
        let block = self.add_open(index, kind, out);
        out.push(Event::BlockStart { block, kind: told });
        self.open.len() - 1
    }

    fn block_delta(&mut self, event: BlockDelta<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        self.start(out);
        let BlockDelta { content_block_index: index, delta } = event;
        if let Some(text) = delta.text.filter(|text| !text.is_empty())
            && let Some((block, cited)) = self.text_at(index, out)
        {
            cited.say(&text);
            out.push(Event::BlockDelta { block, delta: Delta::Text(text.into_owned()) });
        }
        if let Some(raw) = delta.citation
            && let Some(citation) = read_citation(raw)
            && let Some((_, cited)) = self.text_at(index, out)
        {
            cited.cite(citation);
        }
        if let Some(piece) = delta.reasoning_content {
            self.reasoning(index, &piece, out);
        }
        if let Some(piece) = delta.tool_use {
            self.input(index, piece.input.as_deref().unwrap_or_default(), out)?;
        }
        for raw in delta.tool_result.into_iter().flatten() {
            if let Some(Kind::Hosted { results, .. }) = self.kind(index) {
                results.push(raw.get().to_owned());
            }
        }
        let bytes = delta.image.and_then(|image| image.source).and_then(|source| source.bytes);
        if let (Some(more), Some(Kind::Image { bytes, .. })) = (bytes, self.kind(index)) {
            bytes.push_str(&more);
        }
        Ok(())
    }

    /// The block of text of that index, and the sources of it.
    fn text_at(&mut self, index: u32, out: &mut Vec<Event>) -> Option<(u32, &mut Cited)> {
        let at = self.at(index, |kind| matches!(kind, Kind::Text(_)), || (Kind::Text(Cited::default()), BlockKind::Text), out);
        match self.open.get_mut(at) {
            Some(Open { block, kind: Kind::Text(cited), .. }) => Some((*block, cited)),
            _ => None,
        }
    }

    fn kind(&mut self, index: u32) -> Option<&mut Kind> {
        self.open.iter_mut().find(|open| open.index == index).map(|open| &mut open.kind)
    }

    fn push_delta(&self, at: usize, delta: Delta, out: &mut Vec<Event>) {
        if let Some(open) = self.open.get(at) {
            out.push(Event::BlockDelta { block: open.block, delta });
        }
    }

    fn reasoning(&mut self, index: u32, piece: &ReasoningPiece<'_>, out: &mut Vec<Event>) {
        let fresh = || {
            let kind = Kind::Reasoning { signature: String::new(), redacted: String::new() };
            (kind, BlockKind::Reasoning { id: None, summary: false })
        };
        let at = self.at(index, |kind| matches!(kind, Kind::Reasoning { .. }), fresh, out);
        if let Some(text) = piece.text.as_deref().filter(|text| !text.is_empty()) {
            self.push_delta(at, Delta::Text(text.to_owned()), out);
        }
        let vendor = sealer(self.memo.vendor.as_deref());
        let Some(Open { kind: Kind::Reasoning { signature, redacted }, .. }) = self.open.get_mut(at) else { return };
        // A later seal replaces the one before, so each holds all that came.
        let mut seals = Vec::new();
        if let Some(more) = piece.signature.as_deref().filter(|more| !more.is_empty()) {
            signature.push_str(more);
            seals.push(Sealed::signature(vendor, signature.as_str()));
        }
        if let Some(more) = piece.redacted_content.as_deref().filter(|more| !more.is_empty()) {
            redacted.push_str(more);
            seals.push(Sealed::encrypted(vendor, redacted.as_str()));
        }
        for seal in seals {
            self.push_delta(at, Delta::Seal(seal), out);
        }
    }

    fn input(&mut self, index: u32, more: &str, out: &mut Vec<Event>) -> Result<(), Malformed> {
        let open = self.open.iter_mut().find(|open| open.index == index);
        let open = open.ok_or_else(|| Malformed::field("contentBlockIndex", "a call goes on that never began"))?;
        if more.is_empty() {
            return Ok(());
        }
        let block = open.block;
        let delta = match &mut open.kind {
            Kind::Call { is_empty } => {
                *is_empty = false;
                Delta::Arguments(more.to_owned())
            }
            Kind::Json => Delta::Text(more.to_owned()),
            Kind::Hosted { input, .. } => {
                input.push_str(more);
                return Ok(());
            }
            Kind::Text(_) | Kind::Reasoning { .. } | Kind::Image { .. } => {
                return Err(Malformed::field("contentBlockIndex", "a call's input in a block that is none"));
            }
        };
        out.push(Event::BlockDelta { block, delta });
        Ok(())
    }

    /// The block of that index ends, if one is open.
    fn close(&mut self, index: u32, out: &mut Vec<Event>) {
        self.start(out);
        let Some(at) = self.open.iter().position(|open| open.index == index) else { return };
        let Open { block, kind, .. } = self.open.remove(at);
        match kind {
            Kind::Call { is_empty: true } => out.push(Event::BlockDelta { block, delta: Delta::Arguments("{}".to_owned()) }),
            Kind::Hosted { key, start, input, results } => match whole(key, &start, &input, &results) {
                Some(item) => out.push(Event::BlockStart { block, kind: BlockKind::Hosted(Box::new(item)) }),
                None => return,
            },
            Kind::Image { format, bytes } => {
                let media = Media::new(MediaSource::Base64(bytes), format.map(|format| format!("image/{format}")));
                out.push(Event::BlockStart { block, kind: BlockKind::Image(Box::new(media)) });
            }
            Kind::Text(cited) => {
                out.extend(cited.whole().map(|citation| Event::BlockDelta { block, delta: Delta::Citation(Box::new(citation)) }));
            }
            Kind::Call { .. } | Kind::Reasoning { .. } | Kind::Json => {}
        }
        out.push(Event::BlockEnd { block });
    }

    fn message_stop(&mut self, stop: MessageStop<'_>, out: &mut Vec<Event>) {
        self.start(out);
        self.finish = Some(finish(&self.memo, stop.stop_reason, self.calls, stop.additional_model_response_fields));
        if self.metered {
            self.end(out);
        }
    }

    fn metadata(&mut self, metadata: &Metadata<'_>, out: &mut Vec<Event>) {
        self.start(out);
        self.metered = true;
        self.tier = metadata.service_tier.and_then(read_tier);
        if let Some(usage) = metadata.usage.and_then(read_usage) {
            out.push(Event::Usage(Box::new(usage)));
        }
        if self.finish.is_some() {
            self.end(out);
        }
    }

    fn end(&mut self, out: &mut Vec<Event>) {
        while let Some(index) = self.open.first().map(|open| open.index) {
            self.close(index, out);
        }
        if let Some(finish) = self.finish.take() {
            self.over = true;
            out.push(Event::End { finish, service_tier: self.tier.take() });
        }
    }
}

fn hosted(key: &'static str, raw: &RawValue) -> Kind {
    Kind::Hosted { key, start: raw.get().to_owned(), input: String::new(), results: Vec::new() }
}

/// The item as a whole answer would hold it.
fn whole(key: &str, start: &str, input: &str, results: &[String]) -> Option<Hosted> {
    let start = json::raw(start)?;
    let fields = Fields::nested(&start).ok()?.rest(HERE);
    let item = json::object(|out| {
        out.object(key, |out| {
            out.extra(&fields, HERE);
            match key {
                "toolUse" => out.raw("input", json::raw(input).as_ref().map_or("{}", |raw| raw.get())),
                _ => out.array("content", |out| results.iter().for_each(|result| out.raw(result))),
            }
        });
    });
    let raw = json::raw(std::str::from_utf8(&item).ok()?)?;
    let read = Fields::nested(&raw).ok()?;
    let mut item = read_hosted(&raw, read);
    if key == "toolUse" {
        let call: ToolUseStart = serde_json::from_str(start.get()).ok()?;
        item.kind = SERVER_TOOL.to_owned();
        item.id = Some(call.tool_use_id);
    }
    Some(item)
}
