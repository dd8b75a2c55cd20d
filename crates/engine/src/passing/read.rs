//! What an answer that passes as it came has taken of its provider.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::value::RawValue;
use switchboard_wire::Operation;
use switchboard_wire::bedrock::invoked;
use switchboard_wire::event::Frame;
use switchboard_wire::frames::Frames;
use switchboard_wire::framing::Framing;
use switchboard_wire::half::{Memo, Outbound};
use switchboard_wire::job;
use switchboard_wire::outline::Edits;
use switchboard_wire::relay::{Output, Relay};
use switchboard_wire::usage::StreamedUsage;

use crate::admit::{Tab, cap_key};
use crate::answer::{AnswerBody, StreamBody};
use crate::answer_id;
use crate::call::{Call, Content, OWN_FORM};
use crate::catalog::JOB;
use crate::control;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::exchange::framing_of;
use crate::figures;
use crate::meter::Meter;
use crate::operation;
use crate::passing::took;
use crate::upstream::UpstreamBody;
use crate::worker::Worker;

/// Of a body, what is meant for the gateway alone.
const OWN: &str = "litellm_metadata";
/// Streams that are read for what they took, by their content types.
const EVENTS: [(&str, Framing); 2] = [("text/event-stream", Framing::Sse), ("application/vnd.amazon.eventstream", Framing::AwsEventStream)];

/// The body as the provider gets it: as it came, without what is for the gateway, told to report what it takes, and bounded where
/// a budget has no room for more.
pub(super) fn body(call: &Call, target: &Deployment, tab: Option<&Tab>) -> Frames {
    let Content::Json(outline) = &call.content else { return call.body.clone() };
    let mut edits = Edits::default();
    if outline.get(OWN).is_some() {
        edits.remove.push(OWN.to_owned());
    }
    if call.door.operation == Operation::Chat && call.door.shape != OWN_FORM {
        let dialect = call.door.dialect;
        if let Some(outbound) = dialect.outbound().filter(|_| call.stream && target.ask_usage) {
            edits.set.extend(outbound.metering_edits(outline, &call.body).set);
        }
        let newer = outline.get("max_completion_tokens").is_some() || target.profile.max_completion_tokens == Some(true);
        if let (Some(cap), Some(key)) = (tab.and_then(Tab::cap), cap_key(dialect, newer)) {
            key.set(cap, &mut edits);
        }
    }
    if edits.is_empty() { call.body.clone() } else { outline.apply(&call.body, &edits) }
}

/// The body of an answer for its client; the meter sees it as it passes.
pub(super) async fn answer(
    (headers, length, body): (&mut HeaderMap, Option<HeaderValue>, UpstreamBody),
    mut meter: Meter,
    (call, worker): (&Call, &Worker),
) -> Result<AnswerBody, Error> {
    let door = call.door;
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // What is no sound, no text and no stream is JSON, whatever its provider calls it.
    let is_else =
        matches!(door.operation, Operation::PassThrough | Operation::Speech | Operation::Transcriptions | Operation::Translations);
    let is_json = kind.starts_with("application/json") || !is_else && !call.stream;
    let framing = EVENTS.iter().find(|(name, _)| kind.starts_with(name)).map(|(_, framing)| *framing);
    let is_known = framing.is_some() || kind.starts_with("application/json");
    let reads = door.operation == Operation::Chat && door.shape != OWN_FORM;
    let outbound = door.dialect.outbound().filter(|_| reads);
    let relay = match (outbound, door.operation) {
        (_, Operation::PassThrough) => None,
        (Some(outbound), _) => framing_of(outbound, headers).filter(|_| is_known || call.stream).map(|framing| {
            let asks = door.dialect.inbound().is_some_and(|inbound| inbound.asks_for_usage());
            let hide_usage = asks && !control::wants_stream_usage(call);
            let epilogue = door.dialect.inbound().map_or(&b""[..], |inbound| inbound.epilogue());
            Relay::new(framing, outbound.event_reader(Memo::default()), Output::Verbatim { hide_usage, epilogue, rename: None })
        }),
        (None, _) => framing.map(|framing| {
            let output = Output::Verbatim { hide_usage: false, epilogue: b"", rename: None };
            Relay::new(framing, Box::new(StreamedUsage::of(door.operation)), output)
        }),
    };
    took::asked(&mut meter, call);
    let is_unread = door.operation == Operation::PassThrough && !took::is_read(&door);
    if relay.is_some() || is_unread || !is_json {
        if relay.is_none() {
            meter.content();
            figures::whole(headers, &mut meter);
            // Nothing is added and nothing left out.
            headers.extend(length.map(|length| (CONTENT_LENGTH, length)));
        }
        return Ok(AnswerBody::Stream(Box::new(StreamBody::new(body, relay, meter, door)).read_on_by(worker.upstream.late())));
    }
    let body = body.collect().await.map_err(|error| {
        let error = Error::dial(error);
        meter.end(&error);
        meter.fail(&error, &door);
        error
    })?;
    meter.content();
    match outbound {
        Some(outbound) => whole(outbound, &body, &mut meter),
        None if door.shape == JOB => {
            job::id(&body).iter().for_each(|id| meter.answered(id));
            meter.complete(None, None);
        }
        None => {
            let mut spent = took::of(&mut meter, &door, (headers, &body));
            spent.usage = spent.usage.or_else(|| invoked(headers));
            if door.operation == Operation::Chat && meter.is_untold(spent.usage.as_ref()) {
                meter.deliver_whole(None, &body);
            }
            operation::note(&mut meter, spent);
            meter.complete(None, None);
        }
    }
    figures::whole(headers, &mut meter);
    Ok(AnswerBody::Whole(Some(body)))
}

/// Reads a whole answer to a chat: of one that cannot be read, nothing is known but that it came.
fn whole(outbound: &dyn Outbound, body: &Bytes, meter: &mut Meter) {
    if let Some(id) = answer_id::of(body) {
        meter.answered(id);
    }
    if let Some(glance) = outbound.glance(body).filter(|_| !meter.may_be_cited_in(body)) {
        if meter.is_untold(glance.usage.as_ref()) {
            meter.deliver_whole(outbound.read_reply(&Memo::default(), body).ok().as_ref(), body);
        }
        glance.usage.into_iter().for_each(|usage| meter.usage(usage));
        return meter.complete(Some(glance.finish), glance.service_tier);
    }
    if let Ok(reading) = outbound.read_reply(&Memo::default(), body) {
        meter.cited_in(&reading);
        if meter.is_untold(reading.usage.as_ref()) {
            meter.deliver_whole(Some(&reading), body);
        }
        reading.usage.into_iter().for_each(|usage| meter.usage(usage));
        return meter.complete(Some(reading.finish), reading.service_tier);
    }
    // A stream may also be one list of its pieces.
    if let Ok(pieces) = serde_json::from_slice::<Vec<&RawValue>>(body) {
        let (mut reader, mut events) = (outbound.event_reader(Memo::default()), Vec::new());
        let read = pieces.iter().take_while(|piece| reader.read(Frame::new(piece.get().as_bytes()), &mut events).is_ok()).count();
        tracing::debug!(pieces = pieces.len(), read, "an answer is a list of pieces");
        events.iter().for_each(|event| meter.see(event));
    } else {
        meter.deliver_whole(None, body);
    }
    meter.complete(None, None);
}
