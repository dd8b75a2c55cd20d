//! Driving the two halves as the gateway does, and the recorded exchanges.

use bytes::Bytes;
use serde_json::Value;

use crate::assemble::Assembly;
use crate::event::{Event, EventReader};
use crate::grammar::Grammar;
use crate::half::{Inbound, Memo, Outbound, Stamp};
use crate::problem::Fault;
use crate::recorded::rows;
use crate::relay::{Output, Relay};
use crate::reply::ChatReply;

/// The recorded exchanges of APIs of those names.
pub(crate) fn exchanges(wanted: impl Fn(&str) -> bool) -> Vec<Value> {
    rows("corpus.jsonl", wanted)
}

/// The events of a stream, read in pieces of that size.
pub(crate) fn events(reader: Box<dyn EventReader>, body: &[u8], piece: usize) -> Result<Vec<Event>, Fault> {
    let mut relay = Relay::new(crate::framing::Framing::Sse, reader, Output::Verbatim { hide_usage: false, epilogue: b"", rename: None });
    let (mut seen, mut out) = (Vec::new(), Vec::new());
    let mut told = |event: &Event| seen.push(event.clone());
    for chunk in body.chunks(piece.max(1)) {
        relay.push(Bytes::copy_from_slice(chunk), &mut told, &mut out)?;
    }
    relay.finish(&mut told, &mut out)?;
    Ok(seen)
}

/// The same without the relay's shortcuts: every frame is read.
pub(crate) fn all_events(mut reader: Box<dyn EventReader>, body: &[u8]) -> Vec<Event> {
    let mut framer = crate::framing::Framer::new(crate::framing::Framing::Sse);
    framer.push(Bytes::copy_from_slice(body));
    framer.end();
    let mut out = Vec::new();
    while let Some(piece) = framer.next_piece() {
        let piece = piece.unwrap();
        if !piece.payload.is_empty() {
            reader.read(piece.frame(), &mut out).unwrap();
        }
    }
    reader.eof(&mut out);
    let mut grammar = Grammar::new();
    for event in &out {
        grammar.check(event).unwrap();
    }
    assert!(grammar.ended(), "{out:?}");
    out
}

pub(crate) fn assembled(events: &[Event]) -> Result<ChatReply, Fault> {
    let mut assembly = Assembly::new();
    events.iter().for_each(|event| assembly.push(event));
    assembly.finish()
}

/// What the writer makes of events.
pub(crate) fn written(inbound: &dyn Inbound, events: &[Event], stamp: Stamp) -> Vec<u8> {
    let mut writer = inbound.event_writer(stamp);
    let mut out = bytes::BytesMut::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    out.to_vec()
}

pub(crate) fn read_stream(outbound: &dyn Outbound, body: &[u8]) -> Result<ChatReply, Fault> {
    assembled(&all_events(outbound.event_reader(Memo::default()), body))
}
