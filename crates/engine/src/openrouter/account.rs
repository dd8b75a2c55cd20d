//! How an answer came about, for OpenRouter's clients that ask for it: one more field of a whole answer, or in what ends a stream.
//!
//! It is put in where the bytes leave for the client, so that it is told whether they were written here or pass as they came, with one
//! choice or with several, of whichever target answered first, and after another one went on with a text that broke off.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::outline::Outline;
use switchboard_wire::{Dialect, charged, complete};

use crate::call::Call;
use crate::catalog::Family;
use crate::deployment::Deployment;
use crate::meter::Meter;
use crate::openrouter;
use crate::route::{Plan, Target};

/// The headers with which clients ask how an answer came about.
const ASKED: [&str; 2] = ["x-openrouter-metadata", "x-openrouter-experimental-metadata"];
/// The field.
const FIELD: &str = "openrouter_metadata";
/// What ends a stream of chunks.
const DONE: &[u8] = b"[DONE]";
/// More of one event than this is passed on unread.
const LONGEST: usize = 8 * 1024 * 1024;

/// How an answer comes about, as far as it has come.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    told: Value,
    head: Value,
}

impl Account {
    /// What is told of that call by the targets of its plan and the attempts so far, where the client asks for it.
    pub(crate) fn of(call: &Call, plan: &Plan, fallen_back: bool, meter: &Meter) -> Option<Self> {
        if call.door.flavor != Flavor::OpenRouter {
            return None;
        }
        let asked = ASKED.iter().find_map(|name| call.headers.get(*name))?;
        if asked.as_bytes() != b"enabled" {
            return None;
        }
        let strategy = match plan.advice.as_deref() {
            Some(advice) if !advice.choices.is_empty() => "auto",
            _ if fallen_back => "fallback",
            _ if Family::of(&call.model).is_some() => "latest",
            _ if plan.targets.iter().any(|target| target.deployment.listed_name() == call.model) => "direct",
            _ if *plan.group != *call.model && call.model.ends_with(":free") => "free",
            _ if *plan.group != *call.model => "alias",
            _ => "direct",
        };
        let available: Vec<Value> = plan.targets.iter().map(|target| named(&target.deployment)).collect();
        // One that never answered has no status of its own; its clients know that as a bad gateway.
        let attempts = meter.tried().iter().map(|attempt| with_status(named(&attempt.deployment), attempt.answered.unwrap_or(502)));
        let told = json!({
            "requested": call.model, "strategy": strategy, "attempts": attempts.collect::<Vec<_>>(),
            "endpoints": {"total": plan.targets.len() + plan.excluded.len(), "available": available},
        });
        let object = if call.door.dialect == Dialect::OpenAiCompletions { "text_completion" } else { "chat.completion.chunk" };
        let head = json!({"id": call.id, "object": object, "created": call.created, "model": call.model, "choices": []});
        Some(Self { told, head })
    }

    /// The same once that target of the plan has answered, or one of a group that answers for it.
    #[must_use]
    pub(crate) fn answered(mut self, plan: &Plan, target: &Target) -> Self {
        let at = plan.targets.iter().position(|one| Arc::ptr_eq(&one.deployment, &target.deployment));
        if let Some(available) = self.told["endpoints"]["available"].as_array_mut() {
            for (place, one) in available.iter_mut().enumerate() {
                one["selected"] = Value::from(Some(place) == at);
            }
        }
        self.attempt(&target.deployment, target.own.is_some());
        self
    }

    /// The target that was answering broke off, and that one goes on.
    pub(crate) fn goes_on(&mut self, target: &Deployment, own: bool) {
        if let Some(last) = self.told["attempts"].as_array_mut().and_then(|attempts| attempts.last_mut()) {
            last["status"] = Value::from(502);
        }
        self.attempt(target, own);
    }

    fn attempt(&mut self, target: &Deployment, own: bool) {
        let attempts = self.told["attempts"].as_array_mut().map_or(0, |attempts| {
            attempts.push(with_status(named(target), 200));
            attempts.len()
        });
        let available = self.told["endpoints"]["available"].as_array().map_or(0, Vec::len);
        let told = &mut self.told;
        told["attempt"] = Value::from(attempts);
        told["region"] = Value::from(target.facts.region.clone());
        told["is_byok"] = Value::from(own);
        told["summary"] = Value::from(format!("available={available}, selected={}", target.provider_name));
    }

    /// The same where nobody has answered.
    pub(crate) fn failed(mut self) -> Box<str> {
        let told = &mut self.told;
        let attempts = told["attempts"].as_array().map_or(0, Vec::len);
        let available = told["endpoints"]["available"].as_array_mut().map_or(0, |available| {
            available.iter_mut().for_each(|one| one["selected"] = Value::Bool(false));
            available.len()
        });
        told["attempt"] = Value::from(attempts);
        told["region"] = Value::Null;
        told["is_byok"] = Value::Bool(false);
        told["summary"] = Value::from(format!("available={available}"));
        told.to_string().into()
    }

    /// A whole answer that tells it.
    pub(crate) fn tell(&self, body: &Bytes) -> Bytes {
        with_field(body, &self.told)
    }
}

fn named(target: &Deployment) -> Value {
    json!({"provider": target.provider_name, "model": target.listed_name()})
}

fn with_status(mut attempt: Value, status: u16) -> Value {
    attempt["status"] = Value::from(status);
    attempt
}

fn with_field(body: &[u8], told: &Value) -> Bytes {
    let text = body.trim_ascii_end();
    let Some(open) = text.strip_suffix(b"}").filter(|_| text.starts_with(b"{")) else { return Bytes::copy_from_slice(body) };
    let joint = if open.trim_ascii_end() == b"{" { "" } else { "," };
    [open, format!("{joint}\"{FIELD}\":{told}}}").as_bytes()].concat().into()
}

/// Puts it into a stream on its way to the client, event by event, and into the events what the specification requires of them.
#[derive(Debug)]
pub(crate) struct Telling {
    pub(crate) account: Option<Account>,
    dialect: Dialect,
    /// The beginning of an event whose end has not come yet.
    held: BytesMut,
    /// The id that the chunks of a chat have.
    id: Option<String>,
    done: bool,
}

impl Telling {
    /// For a stream of that dialect; `None`: it may pass as it is.
    pub(crate) fn new(account: Option<Account>, dialect: Dialect) -> Option<Self> {
        let works = account.is_some() || complete::has_events(dialect) || dialect == Dialect::OpenAiCompletions;
        works.then(|| Self { account, dialect, held: BytesMut::new(), id: None, done: false })
    }

    /// A stream that is known as a whole.
    pub(crate) fn whole(mut self, body: &Bytes) -> Bytes {
        let passed = self.pass(body.clone(), None);
        match self.rest(None) {
            None => passed,
            Some(rest) => [passed, rest].concat().into(),
        }
    }

    /// What of those bytes may go on to the client, which may be nothing.
    pub(crate) fn pass(&mut self, bytes: Bytes, meter: Option<&Meter>) -> Bytes {
        if self.done {
            return bytes;
        }
        self.held.extend_from_slice(&bytes);
        let mut out = BytesMut::new();
        while let Some(end) = end_of_event(&self.held) {
            let event = self.held.split_to(end);
            self.event(&event, meter, &mut out);
        }
        if self.done || self.held.len() > LONGEST {
            out.unsplit(self.held.split());
        }
        out.freeze()
    }

    /// What is left at the end of the stream.
    pub(crate) fn rest(&mut self, meter: Option<&Meter>) -> Option<Bytes> {
        let event = self.held.split();
        let mut out = BytesMut::new();
        self.event(&event, meter, &mut out);
        (!out.is_empty()).then(|| out.freeze())
    }

    fn event(&mut self, event: &[u8], meter: Option<&Meter>, out: &mut BytesMut) {
        let Some((from, to)) = payload(event) else { return out.extend_from_slice(event) };
        let filled = complete::event(self.dialect, &event[from..to]);
        let filled = self.charged(filled.as_deref().unwrap_or(&event[from..to]), meter).or(filled);
        let payload = filled.as_deref().unwrap_or(&event[from..to]);
        if self.id.is_none() && self.account.is_some() && matches!(self.dialect, Dialect::OpenAiChat | Dialect::OpenAiCompletions) {
            self.id = id_of(payload);
        }
        let told = self.told(payload);
        self.done |= told.is_some();
        let instead = match &told {
            Some(Told::Before(payload)) => {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(payload);
                out.extend_from_slice(b"\n\n");
                None
            }
            Some(Told::Instead(payload)) => Some(payload),
            None => filled.as_ref(),
        };
        match instead {
            None => out.extend_from_slice(event),
            Some(payload) => {
                out.extend_from_slice(&event[..from]);
                out.extend_from_slice(payload);
                out.extend_from_slice(&event[to..]);
            }
        }
    }

    /// What an event with that payload becomes, if it is the one whose usage says what the answer cost.
    fn charged(&self, payload: &[u8], meter: Option<&Meter>) -> Option<Bytes> {
        let meter = meter.filter(|_| charged::may_tell(self.dialect, payload))?;
        openrouter::charged(self.dialect, payload, meter)
    }

    /// What an event with that payload becomes, if it is the one that tells.
    fn told(&self, payload: &[u8]) -> Option<Told> {
        let Account { told, head } = self.account.as_ref()?;
        match self.dialect {
            Dialect::OpenAiChat | Dialect::OpenAiCompletions => {
                (payload.trim_ascii() == DONE).then(|| {
                    // Its id is that of the chunks before it.
                    let mut head = head.clone();
                    self.id.iter().for_each(|id| head["id"] = Value::from(id.as_str()));
                    Told::Before(with_field(head.to_string().as_bytes(), told))
                })
            }
            Dialect::Anthropic => is_of_type(payload, &["message_stop"]).then(|| Told::Instead(with_field(payload, told))),
            Dialect::OpenAiResponses if is_of_type(payload, &["response.completed", "response.incomplete"]) => {
                let frames = Frames::from(payload.to_vec());
                let response = Outline::scan(&frames).ok()?.get("response")?.value;
                let inner = with_field(&payload[response.start..response.end], told);
                Some(Told::Instead([&payload[..response.start], &inner, &payload[response.end..]].concat().into()))
            }
            _ => None,
        }
    }
}

/// The id that a chunk says.
fn id_of(payload: &[u8]) -> Option<String> {
    let frames = Frames::from(payload.to_vec());
    Outline::scan(&frames).ok()?.read(&frames, "id").ok().flatten()
}

enum Told {
    /// This stands in place of the payload.
    Instead(Bytes),
    /// This is an event of its own before it.
    Before(Bytes),
}

/// Whether an event says that it is of one of those types. Few do: the others are not read.
fn is_of_type(payload: &[u8], types: &[&str]) -> bool {
    if !types.iter().any(|name| memchr::memmem::find(payload, name.as_bytes()).is_some()) {
        return false;
    }
    let frames = Frames::from(payload.to_vec());
    let said: Option<String> = Outline::scan(&frames).ok().and_then(|outline| outline.read(&frames, "type").ok().flatten());
    said.is_some_and(|said| types.contains(&said.as_str()))
}

/// Where the first event ends: behind its empty line.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Where the data of an event stands, if it is one line.
fn payload(event: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    for line in event.split_inclusive(|byte| *byte == b'\n') {
        if let Some(data) = line.strip_prefix(b"data:") {
            let start = from + line.len() - data.trim_ascii_start().len();
            return Some((start, from + line.trim_ascii_end().len()));
        }
        from += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telling(dialect: Dialect) -> Telling {
        let head = json!({"id": "i", "choices": []});
        Telling::new(Some(Account { told: json!({"a": 1}), head }), dialect).expect("there is something to tell")
    }

    /// The stream as the client gets it, in pieces of that length.
    fn passed(dialect: Dialect, stream: &str, length: usize) -> String {
        let mut telling = telling(dialect);
        let mut out = Vec::new();
        for piece in stream.as_bytes().chunks(length) {
            out.extend_from_slice(&telling.pass(Bytes::copy_from_slice(piece), None));
        }
        out.extend_from_slice(&telling.rest(None).unwrap_or_default());
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_is_told_is_one_more_field_of_an_object() {
        let add = |body: &'static str| String::from_utf8(with_field(body.as_bytes(), &json!({"a": 1})).to_vec()).expect("text");
        assert_eq!(add("{\"id\":\"x\"}\n"), "{\"id\":\"x\",\"openrouter_metadata\":{\"a\":1}}");
        assert_eq!(add("{}"), "{\"openrouter_metadata\":{\"a\":1}}");
        assert_eq!(add("[1]"), "[1]");
        assert_eq!(add("RIFF}"), "RIFF}");
    }

    #[test]
    fn streams_tell_it_where_they_end_however_they_are_cut() {
        let told = "\"openrouter_metadata\":{\"a\":1}";
        let chat = ": ping\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"message_stop [DONE]\"}}]}\n\n";
        // It lacks nothing, so that nothing is filled in.
        let response = complete::whole(Dialect::OpenAiResponses, &Bytes::from_static(b"{\"id\":\"r\"}"));
        let response = std::str::from_utf8(&response).expect("text");
        let open = response.strip_suffix('}').expect("an object");
        let responses = "event: x\ndata: {\"type\":\"x\",\"delta\":\"response.completed\"}\r\n\r\n";
        let cases = [
            (
                Dialect::OpenAiChat,
                format!("{chat}data: [DONE]\n\n"),
                format!("{chat}data: {{\"choices\":[],\"id\":\"i\",{told}}}\n\ndata: [DONE]\n\n"),
            ),
            // What ends without its empty line is told all the same.
            (
                Dialect::OpenAiChat,
                format!("{chat}data: [DONE]"),
                format!("{chat}data: {{\"choices\":[],\"id\":\"i\",{told}}}\n\ndata: [DONE]"),
            ),
            (
                Dialect::OpenAiChat,
                "data: {\"id\":\"c\",\"choices\":[]}\n\ndata: [DONE]\n\n".to_owned(),
                format!("data: {{\"id\":\"c\",\"choices\":[]}}\n\ndata: {{\"choices\":[],\"id\":\"c\",{told}}}\n\ndata: [DONE]\n\n"),
            ),
            (
                Dialect::Anthropic,
                format!("{chat}event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"),
                format!("{chat}event: message_stop\ndata: {{\"type\":\"message_stop\",{told}}}\n\n"),
            ),
            (
                Dialect::OpenAiResponses,
                format!("{responses}data: {{\"type\":\"response.completed\",\"response\":{response},\"sequence_number\":3}}\n\n"),
                format!("{responses}data: {{\"type\":\"response.completed\",\"response\":{open},{told}}},\"sequence_number\":3}}\n\n"),
            ),
        ];
        for (dialect, stream, expected) in cases {
            for length in [1, 2, 3, 7, 64, 4096] {
                let got = passed(dialect, &stream, length);
                assert_eq!(got, expected, "{dialect:?} in pieces of {length}");
            }
        }
    }

    #[test]
    fn events_get_what_the_specification_requires_of_them() {
        let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"message_delta\"}}\n\n";
        let stream = format!("event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{}}}}\n\n{delta}");
        for length in [1, 5, 4096] {
            let mut telling = Telling::new(None, Dialect::Anthropic).expect("events may lack something");
            let pieces = stream.as_bytes().chunks(length).map(|piece| telling.pass(Bytes::copy_from_slice(piece), None));
            let out = String::from_utf8(pieces.collect::<Vec<_>>().concat()).expect("text");
            assert!(out.contains("\"delta\":{\"container\":null,") && out.ends_with(delta), "{out}");
        }
        assert!(Telling::new(None, Dialect::OpenAiChat).is_none());
    }

    #[test]
    fn what_does_not_end_is_not_told_of() {
        let broken = "data: {\"choices\":[]}\n\ndata: {\"error\":{}}\n\n";
        assert_eq!(passed(Dialect::OpenAiChat, broken, 5), broken);
    }
}
