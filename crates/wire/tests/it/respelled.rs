//! The same answers, spelled otherwise: JSON leaves much to whoever writes it, and none of that may change what is read.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use switchboard_wire::Dialect;
use switchboard_wire::framing::Framing;
use switchboard_wire::half::{Outbound, Profile};

use crate::answers::{self, Answer};
use crate::corpus::{self, Exchange};
use crate::cutting::Dice;
use crate::meaning::{self, differences};
use crate::verbatim;

/// Ways to spell JSON that all mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spelling {
    /// Members in the order of the alphabet, white space wherever it may stand.
    Spaced,
    /// Members in the reverse order; what need not be escaped is.
    Escaped,
    /// `null` for members that others of the kind have.
    Nulls,
    /// Members that nobody knows, in every object.
    Unknown,
    /// Whole numbers with a decimal point.
    Decimals,
}

const SPELLINGS: [Spelling; 5] = [Spelling::Spaced, Spelling::Escaped, Spelling::Nulls, Spelling::Unknown, Spelling::Decimals];

/// Members whose value is somebody's own: it stays as it is.
const OWN: [&str; 22] = [
    "input_schema",
    "inputSchema",
    "parametersJsonSchema",
    "responseSchema",
    "responseJsonSchema",
    "response_schema",
    "grammar",
    "response",
    "args",
    "arguments",
    "parameters",
    "schema",
    "metadata",
    "logit_bias",
    "response_metadata",
    "functionResponse",
    "labels",
    "function_response",
    "properties",
    "tool_plan_parameters",
    "json_schema",
    "additionalModelResponseFields",
];

/// The name of a member that nobody knows, and its value: of the kind that hasty searches take for something else.
const NOBODY: &str = "x_nobody_knows";
const UNKNOWN: &str =
    r#"{"usage": {"prompt_tokens": 9, "output_tokens": 9}, "content": [{"type": "text", "text": "no"}], "finish_reason": "length"}"#;

fn is_own(dialect: Dialect, key: &str, value: &RawValue) -> bool {
    // Cloudflare's models give an object where an object was asked for.
    // A mark with a member that nobody knows is the format's own. In Gemini's format what a tool has not got is what it is not: a member that nobody knows is a tool that nobody knows.
    OWN.contains(&key)
        || key == "cache_control"
        || key == "tools" && dialect == Dialect::Gemini
        || key == "input" && value.get().starts_with('{')
        || key == "content" && dialect == Dialect::OpenAiChat && value.get().starts_with('{')
}

/// A value as it is written.
enum Written<'a> {
    Object(BTreeMap<String, &'a RawValue>),
    Array(Vec<&'a RawValue>),
    Text(String),
    Plain(&'a str),
}

impl<'a> Written<'a> {
    fn of(value: &'a RawValue) -> Self {
        let text = value.get();
        match text.as_bytes()[0] {
            b'{' => Self::Object(serde_json::from_str(text).expect("an object")),
            b'[' => Self::Array(serde_json::from_str(text).expect("an array")),
            b'"' => Self::Text(serde_json::from_str(text).expect("a string")),
            _ => Self::Plain(text),
        }
    }
}

/// The members that objects at a path have, by dialect.
type Kinds = BTreeMap<(Dialect, String), BTreeSet<String>>;

struct Scribe<'a> {
    spelling: Spelling,
    dialect: Dialect,
    kinds: &'a Kinds,
}

impl Scribe<'_> {
    fn value(&self, value: &RawValue, path: &str, out: &mut String) {
        match Written::of(value) {
            Written::Object(members) => self.object(&members, path, out),
            Written::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.space(out);
                    self.value(item, path, out);
                    self.space(out);
                }
                out.push(']');
            }
            Written::Text(text) => self.text(&text, out),
            Written::Plain(number) if self.spelling == Spelling::Decimals && number.parse::<u64>().is_ok() => out.extend([number, ".0"]),
            Written::Plain(plain) => out.push_str(plain),
        }
    }

    fn space(&self, out: &mut String) {
        if self.spelling == Spelling::Spaced {
            out.push_str("  ");
        }
    }

    fn text(&self, text: &str, out: &mut String) {
        if self.spelling != Spelling::Escaped {
            return out.push_str(&Value::from(text).to_string());
        }
        out.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => out.extend(['\\', letter]),
                '/' => out.push_str("\\/"),
                ' '..='~' if !"<>&'".contains(letter) => out.push(letter),
                letter => letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04X}"))),
            }
        }
        out.push('"');
    }

    fn object(&self, members: &BTreeMap<String, &RawValue>, path: &str, out: &mut String) {
        let mut all: Vec<(&str, &str)> = members.iter().map(|(key, value)| (key.as_str(), value.get())).collect();
        match self.spelling {
            Spelling::Escaped => all.reverse(),
            // A vendor's own tools, and how its documents are cited, go on as they are.
            Spelling::Unknown if path.starts_with(".tools") || path == ".messages.content.citations" => {}
            Spelling::Unknown => all.insert(all.len() / 2, (NOBODY, UNKNOWN)),
            Spelling::Nulls => {
                let known = self.kinds.get(&(self.dialect, path.to_owned())).into_iter().flatten();
                all.extend(known.filter(|key| !members.contains_key(*key)).map(|key| (key.as_str(), "null")));
            }
            Spelling::Spaced | Spelling::Decimals => {}
        }
        out.push('{');
        for (at, (key, value)) in all.into_iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            self.space(out);
            out.push_str(&Value::from(key).to_string());
            self.space(out);
            out.push(':');
            self.space(out);
            match members.get(key).filter(|value| !is_own(self.dialect, key, value)) {
                Some(value) => self.value(value, &format!("{path}.{key}"), out),
                None => out.push_str(value),
            }
            self.space(out);
        }
        out.push('}');
    }

    /// The text of one event or of a whole answer.
    fn payload(&self, payload: &str) -> Option<String> {
        let value: &RawValue = serde_json::from_str(payload).ok()?;
        let mut out = String::new();
        self.value(value, &kind(payload), &mut out);
        Some(out)
    }
}

/// Events are of the kinds that their `type` names.
fn kind(payload: &str) -> String {
    let value: Value = serde_json::from_str(payload).unwrap_or_default();
    ["type", "object", "event"].iter().find_map(|key| value.get(key)?.as_str()).unwrap_or_default().to_owned()
}

/// The JSON texts in an answer, each replaced.
fn replaced(exchange: &Exchange, mut with: impl FnMut(&str) -> Option<String>) -> Option<Bytes> {
    let text = std::str::from_utf8(&exchange.response).ok()?;
    let mut out = String::with_capacity(text.len());
    match exchange.framing {
        None | Some(Framing::JsonArray) => out = with(text)?,
        Some(Framing::JsonLines) => {
            for line in text.lines() {
                out += &with(line).unwrap_or_else(|| line.to_owned());
                out.push('\n');
            }
        }
        Some(Framing::Sse) => {
            for line in text.split_inclusive('\n') {
                let end = line.trim_end_matches(['\r', '\n']).len();
                let said = line[..end].strip_prefix("data:").and_then(|payload| with(payload.trim()));
                match said {
                    Some(said) => out.extend(["data:", &said, &line[end..]]),
                    None => out.push_str(line),
                }
            }
        }
        Some(_) => return None,
    }
    Some(out.into())
}

fn note(value: &RawValue, dialect: Dialect, path: &str, kinds: &mut Kinds) {
    match Written::of(value) {
        Written::Object(members) => {
            for (key, value) in members {
                kinds.entry((dialect, path.to_owned())).or_default().insert(key.clone());
                if !is_own(dialect, &key, value) {
                    note(value, dialect, &format!("{path}.{key}"), kinds);
                }
            }
        }
        Written::Array(items) => items.into_iter().for_each(|item| note(item, dialect, path, kinds)),
        Written::Text(_) | Written::Plain(_) => {}
    }
}

fn answered(exchanges: &'static [Exchange]) -> impl Iterator<Item = (&'static Exchange, Dialect)> {
    exchanges.iter().filter(|exchange| exchange.is_success()).filter_map(|exchange| Some((exchange, exchange.dialect()?)))
}

fn means(answer: &Answer) -> meaning::Meaning {
    meaning::of_result(&answer.result, Some(answer.dialect))
}

/// What went wrong, counted by what it is, each with the last of its kind.
#[derive(Default)]
struct Wrong(BTreeMap<(Dialect, String), (usize, String)>);

impl Wrong {
    fn note(&mut self, exchange: &Exchange, (dialect, spelling): (Dialect, Spelling), fault: &str) {
        let what = fault.chars().take(90).take_while(|letter| *letter != ':').collect::<String>();
        let entry = self.0.entry((dialect, format!("{spelling:?} {what}"))).or_default();
        *entry = (entry.0 + 1, format!("{} {}: {fault}", exchange.id, exchange.api));
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        let told: Vec<String> =
            self.0.iter().map(|((dialect, what), (count, last))| format!("{dialect} {what}, {count} times, last {last}")).collect();
        assert!(told.is_empty() || std::thread::panicking(), "{} kinds:\n{}", told.len(), told.join("\n"));
    }
}

/// The spellings an exchange is looked at in: of many exchanges each in one, which is another for each.
fn spellings(exchange: &Exchange) -> impl Iterator<Item = Spelling> {
    let few = corpus::fixtures().iter().any(|own| own.id == exchange.id);
    let one = SPELLINGS[Dice::named(&exchange.id).below(SPELLINGS.len())];
    SPELLINGS.into_iter().filter(move |spelling| few || *spelling == one)
}

fn answers_hold(exchanges: &'static [Exchange]) {
    let mut kinds = Kinds::new();
    for (exchange, dialect) in answered(exchanges) {
        replaced(exchange, |text| {
            if let Ok(value) = serde_json::from_str::<&RawValue>(text) {
                note(value, dialect, &kind(text), &mut kinds);
            }
            None
        });
    }
    let mut wrong = Wrong::default();
    for (exchange, dialect) in answered(exchanges) {
        let Some(was) = answers::read(exchange) else { continue };
        for spelling in spellings(exchange) {
            let scribe = Scribe { spelling, dialect, kinds: &kinds };
            let Some(response) = replaced(exchange, |text| scribe.payload(text)) else { continue };
            let other = exchange.answering(response);
            let Some(is) = answers::read(&other) else { continue };
            let mut faults: Vec<String> = differences(&means(&was), &means(&is)).iter().map(ToString::to_string).collect();
            if is.events.is_some() {
                faults.extend(verbatim::stream(&other, &is));
            }
            faults.iter().for_each(|fault| wrong.note(exchange, (dialect, spelling), fault));
        }
    }
}

/// A request as providers of every other dialect get it.
fn sent(exchange: &Exchange, dialect: Dialect, body: &Bytes) -> Vec<String> {
    let read = dialect.inbound().map(|inbound| inbound.read_request(&exchange.head(), body));
    let asked = match read {
        Some(Ok(asked)) => asked,
        Some(Err(malformed)) => return vec![malformed.to_string()],
        None => return Vec::new(),
    };
    let others = Dialect::ALL.into_iter().filter(|to| *to != dialect).filter_map(|to| Some((to, to.outbound()?)));
    let write = |(to, outbound): (Dialect, &dyn Outbound)| match outbound.write_request(&asked, &Profile::default()) {
        Ok(written) => format!("{to} gets {}", plain(serde_json::from_slice(&written.body).expect("JSON"))),
        Err(refused) => format!("{to} refuses `{}`", refused.field),
    };
    others.map(write).collect()
}

/// A value whose numbers are all of one kind, whose lone texts are no lists, and in which nothing is `null`.
fn plain(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(mut items)
            if items.len() == 1 && items[0]["type"] == "text" && items[0].as_object().is_some_and(|text| text.len() == 2) =>
        {
            items[0]["text"].take()
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(members) => {
            members.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, plain(value))).collect()
        }
        other => other,
    }
}

fn asked(exchanges: &'static [Exchange]) -> impl Iterator<Item = (&'static Exchange, Dialect, &'static str)> {
    let asked = |exchange: &'static Exchange| {
        let body = std::str::from_utf8(exchange.request.as_ref()?).ok().filter(|body| body.starts_with('{'))?;
        Some((exchange, exchange.dialect()?, body))
    };
    exchanges.iter().filter_map(asked)
}

fn requests_hold(exchanges: &'static [Exchange]) {
    let mut kinds = Kinds::new();
    for (_, dialect, body) in asked(exchanges) {
        note(serde_json::from_str(body).expect("JSON"), dialect, "", &mut kinds);
    }
    let mut wrong = Wrong::default();
    for (exchange, dialect, body) in asked(exchanges) {
        let was = sent(exchange, dialect, &Bytes::from_static(body.as_bytes()));
        for spelling in spellings(exchange) {
            let scribe = Scribe { spelling, dialect, kinds: &kinds };
            let mut other = String::new();
            scribe.value(serde_json::from_str(body).expect("JSON"), "", &mut other);
            let is = sent(exchange, dialect, &Bytes::from(other));
            for (was, is) in was.iter().zip(&is).filter(|(was, is)| was != is) {
                let at = was.bytes().zip(is.bytes()).take_while(|(one, other)| one == other).count().saturating_sub(60);
                let cut =
                    |text: &str| String::from_utf8_lossy(&text.as_bytes()[at.min(text.len())..(at + 180).min(text.len())]).into_owned();
                let to = was.split(' ').next().unwrap_or_default();
                wrong.note(exchange, (dialect, spelling), &format!("to {to}: {} | {}", cut(was), cut(is)));
            }
        }
    }
}

#[test]
fn our_own_answers_may_be_spelled_otherwise() {
    answers_hold(corpus::fixtures());
}

#[test]
fn our_own_requests_may_be_spelled_otherwise() {
    requests_hold(corpus::fixtures());
}

#[test]
fn recorded_answers_may_be_spelled_otherwise() {
    answers_hold(corpus::recorded().unwrap_or_default());
}

#[test]
fn recorded_requests_may_be_spelled_otherwise() {
    requests_hold(corpus::recorded().unwrap_or_default());
}
