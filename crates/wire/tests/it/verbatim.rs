//! The first law: where the formats agree, bytes pass as they came.

use bytes::Bytes;
use serde_json::Value;
use switchboard_wire::Dialect;
use switchboard_wire::assemble::Assembly;
use switchboard_wire::event::Event;
use switchboard_wire::frames::Frames;
use switchboard_wire::framing::{Framer, Framing};
use switchboard_wire::half::{Inbound, Memo, Outbound, Profile};
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::prepare::{Route, Source, prepare};
use switchboard_wire::problem::Fault;
use switchboard_wire::relay::{Output, Relay};

use crate::answers::{Answer, stamp};
use crate::corpus::Exchange;
use crate::cutting::{Cut, Dice, pieces};
use crate::meaning;

/// Sends a request to a provider of its own dialect.
fn prepared(exchange: &Exchange, dialect: Dialect, body: &Frames, edits: &Edits) -> Result<Bytes, String> {
    let outline = Outline::scan(body).map_err(|malformed| malformed.to_string())?;
    let profile = Profile::default();
    let route = Route { from: dialect, to: dialect, profile: &profile, edits, laid: &[], fitted: false, lenient: false };
    let prepared = prepare(&route, &exchange.head(), &Source::Bytes(body, &outline)).map_err(|problem| problem.message)?;
    Ok(prepared.body.join())
}

/// What is wrong with the passage of a request; nothing where there is none.
pub(crate) fn request(exchange: &Exchange) -> Vec<String> {
    let (Some(dialect), Some(bytes)) = (exchange.dialect(), &exchange.request) else { return Vec::new() };
    if !bytes.starts_with(b"{") {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let mut dice = Dice::named(&exchange.id);
    let body: Frames = pieces(bytes, Cut::Random(900), Framing::Sse, &mut dice).into_iter().collect();
    match prepared(exchange, dialect, &body, &Edits::default()) {
        Ok(sent) if sent == *bytes => {}
        Ok(_) => wrong.push("the request's bytes changed without an edit".to_owned()),
        Err(why) => wrong.push(format!("the request was refused: {why}")),
    }
    let Some(outbound) = dialect.outbound() else { return wrong };
    if let Some(key) = outbound.model_key() {
        let edits = Edits { set: vec![(key.to_owned(), "\"another\"".to_owned())], ..Edits::default() };
        wrong.extend(edited(exchange, dialect, &body, &edits, &[key]));
    }
    if let Ok(outline) = Outline::scan(&body) {
        let edits = outbound.metering_edits(&outline, &body);
        let keys: Vec<&str> = edits.set.iter().chain(&edits.default).map(|(key, _)| key.as_str()).collect();
        wrong.extend(edited(exchange, dialect, &body, &edits, &keys));
    }
    wrong
}

/// What an edit changed that it was not to change.
fn edited(exchange: &Exchange, dialect: Dialect, body: &Frames, edits: &Edits, keys: &[&str]) -> Option<String> {
    let without = |bytes: &[u8]| -> Option<Value> {
        let mut value: Value = serde_json::from_slice(bytes).ok()?;
        keys.iter().for_each(|key| drop(value.as_object_mut().and_then(|object| object.remove(*key))));
        Some(value)
    };
    let sent = match prepared(exchange, dialect, body, edits) {
        Ok(sent) => sent,
        Err(why) => return Some(why),
    };
    let value: Value = serde_json::from_slice(&sent).unwrap_or_default();
    let set = edits.set.iter().all(|(key, wanted)| value.get(key) == serde_json::from_str(wanted).ok().as_ref());
    (without(&sent) != without(&body.join()) || !set).then(|| format!("an edit of {keys:?} changed more or less than that"))
}

/// What a relay makes of a stream.
pub(crate) struct Passed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) seen: Vec<Event>,
    pub(crate) result: Result<(), Fault>,
}

/// Sends a stream through a relay.
pub(crate) fn relayed(framing: Framing, dialect: Dialect, output: Output, chunks: &[Bytes]) -> Passed {
    let reader = dialect.outbound().expect("a provider's dialect").event_reader(Memo::default());
    let mut relay = Relay::new(framing, reader, output);
    let (mut seen, mut out) = (Vec::new(), Vec::new());
    let mut told = |event: &Event| seen.push(event.clone());
    let mut result = chunks.iter().try_for_each(|chunk| relay.push(chunk.clone(), &mut told, &mut out));
    if result.is_ok() {
        result = relay.finish(&mut told, &mut out);
    }
    Passed { bytes: out.concat(), seen, result }
}

fn epilogue(dialect: Dialect) -> &'static [u8] {
    dialect.inbound().map_or(b"", Inbound::epilogue)
}

/// What is wrong with the passage of a stream to a client of its own dialect, however it is cut.
pub(crate) fn stream(exchange: &Exchange, answer: &Answer) -> Vec<String> {
    let (Some(framing), Some(_)) = (exchange.framing, &answer.events) else { return Vec::new() };
    let mut wrong = Vec::new();
    let mut dice = Dice::named(&exchange.id);
    let mut wanted = exchange.response.to_vec();
    if answer.result.is_ok() && memchr::memmem::find(&wanted, b"[DONE]").is_none() {
        wanted.extend_from_slice(epilogue(answer.dialect));
    }
    for cut in Cut::ALL {
        let output = Output::Verbatim { hide_usage: false, epilogue: epilogue(answer.dialect), rename: None };
        let passed = relayed(framing, answer.dialect, output, &pieces(&exchange.response, cut, framing, &mut dice));
        let same = if answer.result.is_ok() { passed.bytes == wanted } else { wanted.starts_with(&passed.bytes) };
        if !same {
            wrong.push(format!("the stream's bytes changed, cut by {cut:?}"));
        }
        if passed.result.is_ok() != answer.result.is_ok() {
            wrong.push(format!("the relay's end differs, cut by {cut:?}: {:?}", passed.result));
        }
        wrong.extend(metered(&passed.seen, answer).map(|why| format!("cut by {cut:?}: {why}")));
    }
    wrong.extend(hidden(exchange, answer, framing));
    wrong
}

/// What the meter misses on the verbatim path, where most frames pass unread.
fn metered(seen: &[Event], answer: &Answer) -> Option<String> {
    let Ok(reply) = &answer.result else { return None };
    let mut assembly = Assembly::new();
    seen.iter().for_each(|event| assembly.push(event));
    let found = match assembly.finish() {
        Ok(found) => found,
        Err(fault) => return Some(fault.message),
    };
    let (wanted, found) = ((&reply.usage, &reply.finish), (&found.usage, &found.finish));
    (wanted != found).then(|| format!("the meter saw {found:?} instead of {wanted:?}"))
}

/// What is wrong where frames that hold nothing but usage are left out: all others must pass, in order.
fn hidden(exchange: &Exchange, answer: &Answer, framing: Framing) -> Option<String> {
    if !answer.dialect.inbound().is_some_and(Inbound::asks_for_usage) {
        return None;
    }
    let output = Output::Verbatim { hide_usage: true, epilogue: b"", rename: None };
    let passed = relayed(framing, answer.dialect, output, std::slice::from_ref(&exchange.response));
    let mut rest = passed.bytes.as_slice();
    let mut framer = Framer::new(framing);
    framer.push(exchange.response.clone());
    framer.end();
    while let Some(Ok(piece)) = framer.next_piece() {
        match rest.strip_prefix(&piece.raw[..]) {
            Some(after) => rest = after,
            None if passed.result.is_err() => return None,
            None if is_lone_usage(&piece.payload) => {}
            None => return Some(format!("more than usage was left out: {}", String::from_utf8_lossy(&piece.payload))),
        }
    }
    (!rest.is_empty()).then(|| "bytes came from nowhere".to_owned())
}

/// Whether a frame tells usage and nothing of any choice.
fn is_lone_usage(payload: &[u8]) -> bool {
    let frame: Value = serde_json::from_slice(payload).unwrap_or_default();
    frame.get("usage").is_some_and(Value::is_object) && frame.get("choices").and_then(Value::as_array).is_none_or(Vec::is_empty)
}

/// What is wrong with the translation of a stream that arrives in other pieces.
pub(crate) fn translation(exchange: &Exchange, answer: &Answer, client: Dialect, inbound: &dyn Inbound) -> Vec<String> {
    let (Some(framing), Some(_)) = (exchange.framing, &answer.events) else { return Vec::new() };
    let mut dice = Dice::named(&exchange.id);
    let mut first: Option<Vec<u8>> = None;
    let mut wrong = Vec::new();
    for cut in Cut::ALL {
        let chunks = pieces(&exchange.response, cut, framing, &mut dice);
        let passed = relayed(framing, answer.dialect, Output::Written(inbound.event_writer(stamp())), &chunks);
        let wanted = first.get_or_insert_with(|| passed.bytes.clone());
        if *wanted != passed.bytes {
            wrong.push(format!("as {client}, cut by {cut:?}, the stream is another"));
        }
    }
    wrong
}

/// What is wrong between a stream and the same answer given whole, in one client's format.
pub(crate) fn as_whole(answer: &Answer, client: Dialect, inbound: &dyn Inbound, outbound: &dyn Outbound) -> Vec<String> {
    let (Some(events), Ok(reply)) = (&answer.events, &answer.result) else { return Vec::new() };
    let whole = outbound.read_reply(&Memo::default(), &inbound.write_reply(reply, &stamp()));
    let streamed = crate::answers::through_stream(events, client, inbound, outbound);
    let whole = meaning::of_result(&whole, Some(client));
    let streamed = meaning::of_result(&crate::answers::assembled(&streamed), Some(client));
    // Broken arguments stream as they came, where whole ones must be an object; a source may be told before the text it is for.
    let found = meaning::differences(&whole, &streamed)
        .into_iter()
        .filter(|difference| !matches!(difference.field, "call.arguments" | "citation.span"));
    found.map(|difference| format!("as {client}, streamed and whole differ: {difference}")).collect()
}
