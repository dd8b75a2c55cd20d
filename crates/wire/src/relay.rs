//! A provider's stream to a client: verbatim or translated, with a tap.

use bytes::{Bytes, BytesMut};

use crate::dialect::Flavor;
use crate::event::{BlockKind, Delta, Event, EventReader, EventWriter, MOST_BLOCKS, MOST_HELD};
use crate::framing::{Framer, Framing, Piece};
use crate::grammar::Grammar;
use crate::half::{Begun, Inbound};
use crate::problem::{Fault, Problem};
use crate::rename::Renamer;
use crate::resume::Splice;
use crate::sweep;

/// How frames reach the client.
pub enum Output {
    /// As they came. `hide_usage` leaves out frames that hold nothing but the usage the gateway asked for and the client did not;
    /// `epilogue` is added where the provider left it out.
    Verbatim {
        /// Whether usage-only frames are left out.
        hide_usage: bool,
        /// What ends a stream in this dialect.
        epilogue: &'static [u8],
        /// What puts in another name of the model.
        rename: Option<Box<Renamer>>,
    },
    /// As the items of one JSON array (Gemini without `alt=sse`).
    Array,
    /// In another dialect.
    Written(Box<dyn EventWriter>),
}

/// One upstream stream to one client. The same reader feeds the translation and, on the verbatim path, the meter alone.
pub struct Relay {
    framer: Framer,
    reader: Box<dyn EventReader>,
    output: Output,
    events: Vec<Event>,
    grammar: Grammar,
    stage: Stage,
    content: bool,
    done_marker: bool,
    array_open: bool,
    passed: u64,
    /// Frames that said anything, be it as little as that a block begins.
    alive: u64,
    /// How many blocks have begun.
    blocks: usize,
    splice: Option<Splice>,
    /// Whether frames may pass unread.
    skims: bool,
    /// What the last frame lacks to be complete, if something is to follow it.
    terminator: &'static [u8],
    /// What an answer that passes as it comes says of itself: its id, who answers, and since when.
    start: (Option<String>, Option<String>, Option<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Content,
    Ended,
    Broken,
}

impl Relay {
    /// A relay at the beginning of a stream.
    pub fn new(framing: Framing, reader: Box<dyn EventReader>, output: Output) -> Self {
        Self {
            framer: Framer::new(framing),
            reader,
            output,
            events: Vec::new(),
            grammar: Grammar::new(),
            stage: Stage::Waiting,
            content: false,
            done_marker: false,
            array_open: false,
            passed: 0,
            alive: 0,
            blocks: 0,
            splice: None,
            skims: true,
            terminator: b"",
            start: (None, None, None),
        }
    }

    /// The same, reading every frame: somebody wants to know more than an end and its usage.
    #[must_use]
    pub fn unskimmed(self) -> Self {
        Self { skims: false, ..self }
    }

    /// Whether what the client gets is written here.
    pub fn is_written(&self) -> bool {
        matches!(self.output, Output::Written(_))
    }

    /// Whether content has been seen: from here on the answer belongs to this provider.
    pub fn has_content(&self) -> bool {
        self.content
    }

    /// Whether the answer is complete.
    pub fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Whether the provider has said why the answer ends, and all that may follow is what it took.
    pub fn has_finished(&self) -> bool {
        self.stage != Stage::Broken && (self.has_ended() || self.reader.has_finished())
    }

    /// How much was said so far: a stream that only shows that it is still open does not make it grow.
    pub fn alive(&self) -> u64 {
        self.alive
    }

    /// Goes on with another provider's stream. Only what is written here can: see [`Output::Written`].
    pub fn resume(&mut self, framing: Framing, reader: Box<dyn EventReader>, splice: Splice) {
        (self.framer, self.reader, self.splice) = (Framer::new(framing), reader, Some(splice));
        (self.stage, self.done_marker) = (Stage::Content, false);
        self.grammar.resume();
        self.events.clear();
    }

    /// Takes what arrived and gives what the client is to get. After `Err` the stream is over; `out` holds what came before.
    pub fn push(&mut self, chunk: Bytes, seen: &mut dyn FnMut(&Event), out: &mut Vec<Bytes>) -> Result<(), Fault> {
        let whole = self.framer.is_empty().then(|| chunk.clone());
        let mark = out.len();
        self.framer.push(chunk);
        let clean = self.drain(seen, out)?;
        // A chunk that passed unchanged is one write, not one for each of its frames.
        if let (Some(whole), true, true) = (whole, clean, self.framer.is_empty())
            && out.len() > mark + 1
        {
            out.truncate(mark);
            out.push(whole);
        }
        Ok(())
    }

    /// The upstream closed the stream.
    pub fn finish(&mut self, seen: &mut dyn FnMut(&Event), out: &mut Vec<Bytes>) -> Result<(), Fault> {
        self.framer.end();
        self.drain(seen, out)?;
        if self.stage != Stage::Ended {
            let mut events = std::mem::take(&mut self.events);
            self.reader.eof(&mut events);
            let told = self.tell_joined(&mut events, seen, out);
            self.events = events;
            told?;
        }
        if self.stage != Stage::Ended {
            self.stage = Stage::Broken;
            return Err(Fault::truncated());
        }
        match &self.output {
            Output::Verbatim { epilogue, .. } if !self.done_marker && !epilogue.is_empty() => {
                out.push([self.terminator, epilogue].concat().into());
            }
            Output::Array if self.array_open => out.push(Bytes::from_static(b"]")),
            Output::Array => out.push(Bytes::from_static(b"[]")),
            Output::Verbatim { .. } | Output::Written(_) => {}
        }
        Ok(())
    }

    /// What ends the stream in the client's words after a failure: never a clean end. Nothing may follow it.
    pub fn break_off(&mut self, problem: &Problem, client: &dyn Inbound, flavor: Flavor) -> Bytes {
        self.stage = Stage::Broken;
        match &mut self.output {
            Output::Verbatim { rename, .. } => {
                let (id, model, created) = &self.start;
                let renamed = rename.as_ref().map(|rename| rename.told());
                let begun =
                    Begun { events: self.passed, id: id.as_deref(), model: renamed.as_deref().or(model.as_deref()), created: *created };
                [self.terminator, &client.write_stream_problem(problem, flavor, &begun)].concat().into()
            }
            Output::Array => {
                let mut out = if self.array_open { b",\r\n".to_vec() } else { b"[".to_vec() };
                out.extend(client.write_problem(problem, flavor).1);
                out.push(b']');
                out.into()
            }
            Output::Written(writer) => {
                let mut out = BytesMut::new();
                writer.write(&Event::Fault(Box::new(Fault::of_problem(problem))), &mut out);
                out.freeze()
            }
        }
    }

    /// Reads all complete frames. Whether every one of them passed verbatim.
    fn drain(&mut self, seen: &mut dyn FnMut(&Event), out: &mut Vec<Bytes>) -> Result<bool, Fault> {
        let mut clean = matches!(self.output, Output::Verbatim { .. });
        while let Some(piece) = self.framer.next_piece() {
            let result = match piece {
                Ok(piece) => self.piece(piece, seen, out),
                Err(malformed) => Err(Fault::protocol(&malformed.to_string())),
            };
            match result {
                Ok(passed) => clean &= passed,
                Err(fault) => {
                    self.stage = Stage::Broken;
                    return Err(fault);
                }
            }
        }
        Ok(clean)
    }

    fn piece(&mut self, piece: Piece, seen: &mut dyn FnMut(&Event), out: &mut Vec<Bytes>) -> Result<bool, Fault> {
        if piece.payload.is_empty() {
            if piece.cut {
                // A piece of a frame: what is written next would be glued to it.
                return Ok(false);
            }
            return Ok(self.pass(piece, false, out));
        }
        self.done_marker |= is_done_marker(&piece.payload);
        let verbatim = !matches!(self.output, Output::Written(_));
        let skimmed = verbatim && self.skims && self.stage == Stage::Content && self.reader.skim(piece.frame());
        if skimmed && sweep::is_object(&piece.payload) {
            self.alive += 1;
            return Ok(self.pass(piece, false, out));
        }
        let mut events = std::mem::take(&mut self.events);
        let read = self.reader.read(piece.frame(), &mut events);
        let only_usage = !events.is_empty() && events.iter().all(|event| matches!(event, Event::Usage(_)));
        self.alive += u64::from(events.iter().any(|event| !matches!(event, Event::Usage(_) | Event::Tier(_) | Event::Unknown(_))));
        let told = self.tell_joined(&mut events, seen, out);
        self.events = events;
        told?;
        read.map_err(|malformed| Fault::protocol(&malformed.to_string()))?;
        if self.held() > MOST_HELD {
            return Err(Fault::protocol("calls and the like are larger than any that mean something"));
        }
        Ok(self.pass(piece, only_usage, out))
    }

    /// How much of the answer is kept here.
    fn held(&self) -> usize {
        let written = if let Output::Written(writer) = &self.output { writer.held() } else { 0 };
        self.reader.held() + written
    }

    /// Shows events, as they follow what another provider said before, and leaves none of them.
    fn tell_joined(&mut self, events: &mut Vec<Event>, seen: &mut dyn FnMut(&Event), out: &mut Vec<Bytes>) -> Result<(), Fault> {
        if let Some(splice) = &mut self.splice {
            *events = splice.join(std::mem::take(events)).inspect_err(|_| self.stage = Stage::Broken)?;
        }
        let told = self.tell(events, seen, out);
        events.clear();
        told
    }

    /// Shows events to the meter and to the writer.
    fn tell(&mut self, events: &[Event], seen: &mut dyn FnMut(&Event), out: &mut Vec<Bytes>) -> Result<(), Fault> {
        let mut written = BytesMut::new();
        let mut fault = None;
        for event in events {
            if self.stage == Stage::Ended && !matches!(event, Event::Usage(_)) {
                continue;
            }
            if !matches!(self.output, Output::Verbatim { .. } | Output::Array) {
                debug_assert_eq!(self.grammar.check(event), Ok(()));
            }
            self.blocks += usize::from(matches!(event.step(), Event::BlockStart { .. }));
            if self.blocks > MOST_BLOCKS {
                fault = Some(Fault::protocol("the answer has more blocks than any that means something"));
                break;
            }
            seen(event);
            match event {
                Event::Fault(found) => {
                    fault = Some((**found).clone());
                    break;
                }
                Event::End { .. } => self.stage = Stage::Ended,
                Event::Start { id, model, created } if matches!(self.output, Output::Verbatim { .. }) => {
                    self.start = (id.clone(), model.clone(), *created);
                }
                event if self.stage == Stage::Waiting && is_content(event) => {
                    self.stage = Stage::Content;
                    self.content = true;
                }
                _ => {}
            }
            if let Output::Written(writer) = &mut self.output {
                writer.write(event, &mut written);
            }
        }
        if !written.is_empty() {
            out.push(written.freeze());
        }
        fault.map_or(Ok(()), Err)
    }

    /// Hands a frame on as it came, where that is what the client gets. Whether it did.
    fn pass(&mut self, piece: Piece, only_usage: bool, out: &mut Vec<Bytes>) -> bool {
        match &mut self.output {
            Output::Written(_) => false,
            Output::Verbatim { hide_usage, rename, .. } => {
                let hidden = *hide_usage && only_usage;
                if !hidden {
                    self.passed += u64::from(!piece.payload.is_empty());
                    if piece.cut {
                        self.terminator = if piece.raw.ends_with(b"\n") { b"\n" } else { b"\n\n" };
                    }
                    let renamed = rename.as_mut().filter(|_| !piece.payload.is_empty());
                    if let Some(parts) = renamed.and_then(|rename| rename.frame(&piece.raw, &piece.payload)) {
                        out.extend(parts);
                        return false;
                    }
                    out.push(piece.raw);
                }
                !hidden
            }
            Output::Array => {
                if !piece.payload.is_empty() && !is_done_marker(&piece.payload) {
                    out.push(Bytes::from_static(if self.array_open { b",\r\n" } else { b"[" }));
                    out.push(piece.payload);
                    self.array_open = true;
                }
                false
            }
        }
    }
}

/// Some providers leave a blank after the marker.
fn is_done_marker(payload: &[u8]) -> bool {
    payload.trim_ascii_end() == b"[DONE]"
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Relay").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// Whether the client gets something of the answer by that event; starts, roles and empty blocks are not content.
pub fn is_content(event: &Event) -> bool {
    match event.step() {
        Event::BlockStart { kind, .. } => match kind {
            BlockKind::ToolCall { .. } | BlockKind::Image(_) | BlockKind::Hosted(_) => true,
            BlockKind::Text | BlockKind::Refusal | BlockKind::Reasoning { .. } | BlockKind::Audio(_) => false,
        },
        Event::BlockDelta { delta, .. } => match delta {
            Delta::Text(text) | Delta::Arguments(text) | Delta::AudioData(text) | Delta::Transcript(text) => !text.is_empty(),
            Delta::Seal(_) | Delta::Citation(_) => true,
        },
        Event::Start { .. }
        | Event::BlockEnd { .. }
        | Event::Usage(_)
        | Event::End { .. }
        | Event::Fault(_)
        | Event::Likely(_)
        | Event::Tier(_)
        | Event::Further { .. }
        | Event::Unknown(_) => false,
    }
}
