//! What an answer means, field by field, for comparing.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::chat::{Citation, Media, MediaSource, PartBody};
use switchboard_wire::problem::{Fault, Problem};
use switchboard_wire::reply::ChatReply;
use switchboard_wire::seal::{GOOGLE, SealKind};

/// The fields of an answer that have a value, by name.
pub(crate) type Meaning = BTreeMap<&'static str, Value>;

/// What became of a field on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// It is gone.
    Lost,
    /// It says something else.
    Changed,
    /// It was not there before.
    Invented,
}

/// A field that is not what it was.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) field: &'static str,
    pub(crate) change: Change,
    pub(crate) was: Value,
    pub(crate) is: Value,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |value: &Value| value.to_string().chars().take(160).collect::<String>();
        write!(out, "{} {:?}: {} -> {}", self.field, self.change, cut(&self.was), cut(&self.is))
    }
}

/// What is different between two meanings.
pub(crate) fn differences(was: &Meaning, is: &Meaning) -> Vec<Difference> {
    let mut found = Vec::new();
    for (&field, value) in was {
        let now = is.get(field);
        if now != Some(value) {
            let change = if now.is_some() { Change::Changed } else { Change::Lost };
            found.push(Difference { field, change, was: value.clone(), is: now.cloned().unwrap_or_default() });
        }
    }
    for (&field, value) in is.iter().filter(|(field, _)| !was.contains_key(*field)) {
        found.push(Difference { field, change: Change::Invented, was: Value::Null, is: value.clone() });
    }
    found
}

/// The parts of an answer as lists, under way.
#[derive(Default)]
struct Lists {
    text: String,
    before: u64,
    reasoning: String,
    refusal: String,
    lists: BTreeMap<&'static str, Vec<Value>>,
}

impl Lists {
    fn add(&mut self, field: &'static str, value: Value) {
        self.lists.entry(field).or_default().push(value);
    }

    fn citation(&mut self, citation: &Citation) {
        // One list for each field: a format without one of them is then seen to keep the others.
        self.add("citation.url", json!(citation.url));
        self.add("citation.title", json!(citation.title));
        self.add("citation.cited_text", json!(citation.cited_text));
        self.add("citation.document", json!(citation.document));
        // A place of no length is none.
        let before = self.before;
        let place = citation.end.filter(|end| *end > 0).map(|end| (citation.start.map(|start| before + start), before + end));
        self.add("citation.span", json!([place.and_then(|place| place.0), place.map(|place| place.1)]));
    }

    fn media(&mut self, kind: &str, media: &Media) {
        let source = match &media.source {
            MediaSource::Base64(text) => json!({"base64": text}),
            MediaSource::Url(text) => json!({"url": text}),
            MediaSource::FileId(text) => json!({"file": text}),
            MediaSource::Text(text) => json!({"text": text}),
        };
        self.add("media", json!({"kind": kind, "source": source}));
        if let Some(transcript) = &media.transcript {
            self.add("media.transcript", json!(transcript));
        }
    }

    fn part(&mut self, body: &PartBody, same: Option<Dialect>) {
        let seal = match body {
            PartBody::Text { text, citations } => {
                // Formats cut an answer's text into parts as they like.
                self.before = self.text.chars().count() as u64;
                self.text.push_str(text);
                citations.iter().for_each(|citation| self.citation(citation));
                None
            }
            PartBody::Refusal(text) => {
                self.refusal.push_str(text);
                None
            }
            PartBody::Reasoning(thought) => {
                self.reasoning.push_str(&thought.text);
                thought.seal.as_ref()
            }
            PartBody::ToolCall(call) => {
                // Where the provider gives a call no id it gets one of ours, new for each reading.
                self.add("call.id", json!(if call.id.starts_with("call_swb_") { "(ours)" } else { &call.id }));
                self.add("call.name", json!(call.name));
                self.add("call.arguments", arguments(&call.arguments, call.custom));
                self.add("call.custom", json!(call.custom));
                call.seal.as_ref()
            }
            PartBody::Image(media) => return self.media("image", media),
            PartBody::Audio(media) => return self.media("audio", media),
            PartBody::Video(media) => return self.media("video", media),
            PartBody::File(media) => return self.media("file", media),
            PartBody::Hosted(hosted) => {
                // Nobody else's to run, so nobody else's to see.
                if same == Some(hosted.from) {
                    self.add("hosted", json!({"kind": hosted.kind, "id": hosted.id}));
                }
                None
            }
            PartBody::ToolResult(result) => {
                self.add("tool_result", json!(result.call));
                None
            }
        };
        if let Some(seal) = seal {
            // Google has one kind of seal; only Anthropic takes the two back in different places.
            let kind = if seal.kind == SealKind::Signature || seal.vendor == GOOGLE { "signature" } else { "encrypted" };
            self.add("seals", json!([seal.vendor, kind, seal.bytes]));
        }
    }
}

fn arguments(text: &str, custom: bool) -> Value {
    if custom {
        return json!(text);
    }
    let text = if matches!(text.trim(), "" | "null" | "[]") { "{}" } else { text };
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// The meaning of a whole answer. `same`: the dialect whose own items count.
pub(crate) fn of_reply(reply: &ChatReply, same: Option<Dialect>) -> Meaning {
    let mut lists = Lists::default();
    reply.parts.iter().for_each(|part| lists.part(&part.body, same));
    // Formats that have no other place for it take it for the model's.
    lists.refusal.extend(reply.verdict());
    let mut meaning = Meaning::new();
    for (field, text) in [("text", lists.text), ("thoughts", lists.reasoning), ("refusal", lists.refusal)] {
        if !text.is_empty() {
            meaning.insert(field, json!(text));
        }
    }
    let empty = |value: &Value| value.is_null() || *value == json!([null, null]) || *value == json!(false);
    let lists = lists.lists.into_iter().filter(|(_, list)| !list.iter().all(empty));
    meaning.extend(lists.map(|(field, list)| (field, Value::Array(list))));
    meaning.insert("finish", json!(format!("{:?}", reply.finish.reason)));
    if !reply.further.is_empty() {
        meaning.insert("further", reply.further.iter().map(said).collect());
    }
    if let Some(stop) = &reply.finish.stop_sequence {
        meaning.insert("stop_sequence", json!(stop));
    }
    if let Some(tier) = &reply.service_tier {
        meaning.insert("service_tier", json!(tier));
    }
    if let Some(usage) = &reply.usage {
        meaning.extend(usage.counts().into_iter().filter_map(|(field, count)| Some((field, json!(count?)))));
        // Some formats tell the sum, others leave the adding to the reader.
        if let (None, Some(input), Some(output)) = (usage.total, usage.input, usage.output) {
            meaning.insert("total", json!(input.saturating_add(output)));
        }
        if let Some(cost) = &usage.cost {
            meaning.insert("cost", json!(cost));
        }
    }
    meaning
}

/// What a further answer says: its text, and the names of its calls.
fn said(reply: &ChatReply) -> Value {
    let mut said = (String::new(), Vec::new());
    for part in &reply.parts {
        match &part.body {
            PartBody::Text { text, .. } => said.0.push_str(text),
            PartBody::ToolCall(call) => said.1.push(&call.name),
            _ => {}
        }
    }
    json!(said)
}

/// The meaning of a failure, as a caller sees it.
pub(crate) fn of_fault(fault: &Fault) -> Meaning {
    let mut meaning = Meaning::from([("error.kind", json!(fault.kind.as_str())), ("error.message", json!(fault.message))]);
    if let Some(param) = &fault.param {
        meaning.insert("error.param", json!(param));
    }
    meaning
}

/// The meaning of what is answered, or of what broke it.
pub(crate) fn of_result(result: &Result<ChatReply, Fault>, same: Option<Dialect>) -> Meaning {
    match result {
        Ok(reply) => of_reply(reply, same),
        Err(fault) => of_fault(fault),
    }
}

/// What the caller is told of a failure.
pub(crate) fn problem_of(fault: &Fault) -> Problem {
    Problem::from(fault.clone())
}
