//! For tests: recorded exchanges where they are at hand, and streams that arrive in every possible way.

use std::borrow::Cow;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::Value;

use crate::assemble::Assembly;
use crate::chat::PartBody;
use crate::dialect::Dialect;
use crate::event::{Event, EventWriter};
use crate::grammar::Grammar;
use crate::half::{Head, Memo, Outbound, Profile, Stamp};
use crate::problem::Fault;
use crate::relay::{Output, Relay};
use crate::reply::ChatReply;

/// One recorded exchange.
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) stream: bool,
    /// The request in OpenAI's form, best effort.
    pub(crate) neutral: Value,
}

/// Where recordings are: beside the repository, or beside the folder of its work trees.
const PLACES: [&str; 2] = ["/../../../shared/conformance", "/../../../../shared/conformance"];

/// The rows of that file about APIs of those names; none, and a line that says so, where the recordings are not at hand.
pub(crate) fn rows(file: &str, wanted: impl Fn(&str) -> bool) -> Vec<Value> {
    #[derive(Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        api: Cow<'a, str>,
    }
    let paths = PLACES.map(|place| Path::new(&[env!("CARGO_MANIFEST_DIR"), place].concat()).join(file));
    let Some(text) = paths.iter().find_map(|path| std::fs::read_to_string(path).ok()) else {
        println!("skipped: no recordings at {}", paths[0].display());
        return Vec::new();
    };
    let is_wanted = |line: &&str| wanted(&serde_json::from_str::<Row<'_>>(line).expect("a JSON line").api);
    text.lines().filter(is_wanted).map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// The recorded exchanges of that API.
pub(crate) fn exchanges(api: &str) -> Vec<Exchange> {
    rows("corpus.jsonl", |name| name == api).iter().map(exchange).collect()
}

/// A plain reading of the recorded answers of that API, by the exchange's id.
pub(crate) fn readings(api: &str) -> Vec<(String, Value)> {
    let rows = rows("oracle.jsonl", |name| name == api).into_iter().filter(|row| !row["direct"].is_null());
    rows.map(|row| (row["id"].as_str().unwrap_or_default().to_owned(), row["direct"].clone())).collect()
}

fn exchange(line: &Value) -> Exchange {
    let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let body = text("response_body");
    let mut headers = http::HeaderMap::new();
    for (name, value) in line["response_headers"].as_object().into_iter().flatten() {
        let name = name.parse::<http::HeaderName>();
        let value = value.as_str().and_then(|value| value.parse::<http::HeaderValue>().ok());
        if let (Ok(name), Some(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    Exchange {
        id: text("id"),
        url: text("url"),
        status: line["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        headers,
        body: if line["response_body_encoding"] == "base64" { STANDARD.decode(body).expect("base64") } else { body.into_bytes() },
        neutral: line["neutral_request"].clone(),
        stream: !line["stream_format"].is_null(),
    }
}

/// The recorded requests of that API, as a client of OpenAI's would send them, written for the provider.
pub(crate) fn written(api: &str, dialect: &dyn Outbound, profile_of: fn(&Exchange) -> Profile) -> Vec<(String, Value)> {
    let inbound = Dialect::OpenAiChat.inbound().expect("clients speak OpenAI's format");
    let write = |exchange: Exchange| {
        let request = inbound.read_request(&Head::default(), exchange.neutral.to_string().as_bytes());
        let request = request.unwrap_or_else(|error| panic!("{}: {error}", exchange.id));
        let written = dialect.write_request(&request, &profile_of(&exchange));
        let written = written.unwrap_or_else(|error| panic!("{}: {error}", exchange.id));
        (exchange.id, serde_json::from_slice(&written.body).expect("JSON"))
    };
    exchanges(api).into_iter().filter(|exchange| exchange.neutral.is_object()).map(write).collect()
}

/// A writer for a client that is not there.
struct Silent;

impl EventWriter for Silent {
    fn write(&mut self, _: &Event, _: &mut BytesMut) {}
}

/// The events of a stream that arrives in chunks of that size.
pub(crate) fn events(dialect: &dyn Outbound, memo: &Memo, stream: &[u8], chunk: usize) -> (Vec<Event>, Option<Fault>) {
    let mut relay = Relay::new(dialect.framing(), dialect.event_reader(memo.clone()), Output::Written(Box::new(Silent)));
    let mut events = Vec::new();
    let mut out = Vec::new();
    let mut seen = |event: &Event| events.push(event.clone());
    let mut fault = None;
    for chunk in stream.chunks(chunk.max(1)) {
        fault = relay.push(Bytes::copy_from_slice(chunk), &mut seen, &mut out).err();
        if fault.is_some() {
            break;
        }
    }
    if fault.is_none() {
        fault = relay.finish(&mut seen, &mut out).err();
    }
    (events, fault)
}

/// The answer of a stream. Checks that the events keep their order, and do not depend on how the stream is cut.
pub(crate) fn assemble(dialect: &dyn Outbound, memo: &Memo, stream: &[u8]) -> Result<ChatReply, Fault> {
    let (whole, _) = events(dialect, memo, stream, stream.len());
    for chunk in [1, 7, 100] {
        let (cut, _) = events(dialect, memo, stream, chunk);
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "in chunks of {chunk}");
    }
    assemble_once(dialect, memo, stream)
}

/// The answer of a stream. Checks that the events keep their order.
fn assemble_once(dialect: &dyn Outbound, memo: &Memo, stream: &[u8]) -> Result<ChatReply, Fault> {
    let (events, fault) = events(dialect, memo, stream, stream.len());
    let mut grammar = Grammar::new();
    let mut assembly = Assembly::new();
    for event in &events {
        assert_eq!(grammar.check(event), Ok(()));
        assembly.push(event);
    }
    match fault {
        Some(fault) => Err(fault),
        None => assembly.finish(),
    }
}

/// Wherever a stream is cut off, it ends in a fault and never in an end; `whole`: from which byte on it is complete.
pub(crate) fn check_cuts(dialect: &dyn Outbound, memo: &Memo, stream: &[u8], whole: usize) {
    for end in 0..whole {
        let (events, fault) = events(dialect, memo, &stream[..end], 4096);
        assert!(fault.is_some(), "cut at {end}: {events:?}");
        assert!(!events.iter().any(|event| matches!(event, Event::End { .. })), "cut at {end}: {events:?}");
    }
}

/// The text of an answer's parts of one sort.
pub(crate) fn text_of(reply: &ChatReply) -> String {
    let texts = reply.parts.iter().filter_map(|part| match &part.body {
        PartBody::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// The thoughts of an answer.
pub(crate) fn thoughts_of(reply: &ChatReply) -> String {
    let texts = reply.parts.iter().filter_map(|part| match &part.body {
        PartBody::Reasoning(thought) => Some(thought.text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// The calls of an answer, as the plain reading writes them.
pub(crate) fn calls_of(reply: &ChatReply) -> Vec<Value> {
    let calls = reply.parts.iter().filter_map(|part| match &part.body {
        PartBody::ToolCall(call) => {
            // No arguments are those of a call that takes none.
            let text = if call.arguments.is_empty() { "{}" } else { &call.arguments };
            let arguments = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
            Some(serde_json::json!({"name": call.name, "arguments": arguments}))
        }
        _ => None,
    });
    calls.collect()
}

/// What a client gets of a recorded stream or answer, and reads from it.
fn through(client: Dialect, provider: &dyn Outbound, memo: &Memo, exchange: &Exchange) -> Result<ChatReply, Fault> {
    let inbound = client.inbound().expect("clients speak it");
    let stamp = Stamp { id: "id".to_owned(), model: "model".to_owned(), stream_usage: true, ..Stamp::default() };
    let reader = client.outbound().expect("providers speak it");
    if !exchange.stream {
        let reply = provider.read_reply(memo, &exchange.body)?;
        return reader.read_reply(&Memo::default(), &inbound.write_reply(&reply, &stamp));
    }
    let output = Output::Written(inbound.event_writer(stamp));
    let mut relay = Relay::new(provider.framing(), provider.event_reader(memo.clone()), output);
    let mut out = Vec::new();
    relay.push(Bytes::copy_from_slice(&exchange.body), &mut |_| {}, &mut out)?;
    relay.finish(&mut |_| {}, &mut out)?;
    out.push(Bytes::from_static(inbound.epilogue()));
    assemble_once(reader, &Memo::default(), &out.concat())
}

/// Whatever a client speaks, it gets every recorded answer of that API as the provider gave it.
pub(crate) fn check_clients(api: &str, provider: &dyn Outbound, memo: &Memo) {
    for exchange in exchanges(api).iter().filter(|exchange| exchange.status < 400) {
        let direct =
            if exchange.stream { assemble_once(provider, memo, &exchange.body) } else { provider.read_reply(memo, &exchange.body) };
        let Ok(direct) = direct else { continue };
        for client in Dialect::ALL.into_iter().filter(|client| *client != Dialect::OpenAiCompletions && client.inbound().is_some()) {
            let at = format!("{} for {client}", exchange.id);
            let got = through(client, provider, memo, exchange).unwrap_or_else(|fault| panic!("{at}: {fault:?}"));
            assert_eq!(text_of(&got), text_of(&direct), "{at}");
            assert_eq!(thoughts_of(&got), thoughts_of(&direct), "{at}");
            assert_eq!(calls_of(&got), calls_of(&direct), "{at}");
            let counts = |reply: &ChatReply| reply.usage.as_ref().map(|usage| (usage.input, usage.output));
            if direct.usage.is_some() {
                assert_eq!(counts(&got), counts(&direct), "{at}");
            }
        }
    }
}
