//! What a request asks for, field by field, for comparing.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use switchboard_wire::chat::{ChatRequest, Media, MediaSource, OutputFormat, Part, PartBody, Role, Tool, ToolChoice};
use switchboard_wire::half::Memo;

use crate::meaning::Meaning;

/// Text without its white space: where formats join texts they differ in it.
fn letters(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

fn media(media: &Media) -> Value {
    match &media.source {
        // A text is the same document, in base64 or not.
        MediaSource::Base64(data) => match STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(text) => json!(letters(&text)),
            // In either alphabet, padded or not.
            None => json!(data.replace('-', "+").replace('_', "/").trim_end_matches('=')),
        },
        MediaSource::Url(url) => json!(url),
        MediaSource::FileId(id) => json!(id),
        MediaSource::Text(text) => json!(letters(text)),
    }
}

/// One side's turn: neighbours are joined, as formats that need alternation do.
#[derive(Default)]
struct Turn {
    user: bool,
    text: String,
    calls: Vec<Value>,
    results: Vec<Value>,
    media: Vec<Value>,
}

/// Reading a request.
struct Reader<'a> {
    memo: &'a Memo,
    ids: Vec<String>,
    system: String,
    turns: Vec<Turn>,
}

impl Reader<'_> {
    /// An id by its place: formats differ in what an id may be.
    fn id(&mut self, id: &str) -> Value {
        let at = self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        });
        json!(at)
    }

    fn name(&self, name: &str) -> Value {
        json!(self.memo.renamed.iter().find(|(sent, _)| sent == name).map_or(name, |(_, own)| own))
    }

    fn turn(&mut self, user: bool) -> &mut Turn {
        if self.turns.last().is_none_or(|turn| turn.user != user) {
            self.turns.push(Turn { user, ..Turn::default() });
        }
        self.turns.last_mut().expect("a turn")
    }

    fn part(&mut self, user: bool, part: &Part) {
        match &part.body {
            PartBody::Text { text, .. } | PartBody::Refusal(text) if !text.trim().is_empty() => {
                self.turn(user).text.push_str(&letters(text));
            }
            PartBody::Image(found) | PartBody::Audio(found) | PartBody::Video(found) | PartBody::File(found) => {
                self.turn(user).media.push(media(found));
            }
            PartBody::ToolCall(call) => {
                let (id, name) = (self.id(&call.id), self.name(&call.name));
                let text = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
                // No arguments are none, however they are said.
                let text = if matches!(text, "null" | "[]") { "{}" } else { text };
                let arguments = serde_json::from_str(text).unwrap_or_else(|_| json!({"input": text}));
                self.turn(user).calls.push(json!([id, name, arguments]));
            }
            PartBody::ToolResult(result) => {
                let id = self.id(&result.call);
                let (mut text, mut files) = (String::new(), Vec::new());
                for part in &result.parts {
                    match &part.body {
                        PartBody::Text { text: more, .. } => text.push_str(&letters(more)),
                        PartBody::Image(found) | PartBody::Audio(found) | PartBody::Video(found) | PartBody::File(found) => {
                            files.push(media(found));
                        }
                        _ => {}
                    }
                }
                let text = unwrapped(text);
                let turn = self.turn(user);
                turn.results.push(json!([id, text]));
                turn.media.extend(files);
            }
            _ => {}
        }
    }
}

/// The text of a result: Gemini's results are objects, and a text stands in their `output`.
fn unwrapped(text: String) -> String {
    let object: Option<BTreeMap<String, Value>> = serde_json::from_str(&text).ok();
    let only = object.filter(|object| object.len() == 1).and_then(|mut object| object.remove("output").or_else(|| object.remove("error")));
    let text = match only {
        Some(Value::String(inner)) => inner,
        Some(inner) => inner.to_string(),
        None => text,
    };
    // A result that is JSON is the same however it is written.
    let json: Option<Value> = serde_json::from_str(&text).ok();
    letters(&json.filter(|value| value.is_object() || value.is_array()).map_or(text, |value| value.to_string()))
}

/// A schema without its name for the language it is written in; that of a tool without input is an object's.
fn schema_of(json: &str) -> Value {
    let mut schema: Value = serde_json::from_str(json).unwrap_or_default();
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        if object.get("properties").is_some_and(|inner| *inner == json!({})) {
            object.remove("properties");
        }
    }
    if schema == json!({"type": "object"}) { Value::Null } else { schema }
}

/// What a request asks for. `memo`: what its writer renamed.
pub(crate) fn of_request(request: &ChatRequest, memo: &Memo) -> Meaning {
    let mut reader = Reader { memo, ids: Vec::new(), system: String::new(), turns: Vec::new() };
    let text_of = |part: &Part| if let PartBody::Text { text, .. } = &part.body { letters(text) } else { String::new() };
    request.system.iter().for_each(|part| reader.system.push_str(&text_of(part)));
    for message in &request.messages {
        match message.role {
            Role::System => message.parts.iter().for_each(|part| reader.system.push_str(&text_of(part))),
            role => message.parts.iter().for_each(|part| reader.part(role == Role::User, part)),
        }
    }
    let turns: Vec<Value> = reader.turns.iter().map(|turn| json!([turn.user, turn.text, turn.calls, turn.results, turn.media])).collect();
    let mut asked = Meaning::from([("turns", json!(turns)), ("system", json!(reader.system)), ("tools", tools(request, &reader))]);
    if let Some(choice) = request.tool_choice.as_ref().filter(|choice| **choice != ToolChoice::Auto) {
        let choice = match choice {
            ToolChoice::Tool(name) => json!({"tool": reader.name(name)}),
            other => json!(format!("{other:?}")),
        };
        asked.insert("tool_choice", choice);
    }
    match &request.output {
        OutputFormat::Text => {}
        OutputFormat::Json => drop(asked.insert("format", json!("json"))),
        OutputFormat::JsonSchema(schema) => {
            let mut form = schema_of(schema.schema.get());
            // Where there is no place beside it, what is said of it is said in it.
            let said = schema.description.as_ref().filter(|said| !said.is_empty());
            if let (Some(said), Some(keywords)) = (said, form.as_object_mut()) {
                keywords.entry("description").or_insert_with(|| json!(said));
            }
            asked.insert("format", form);
        }
    }
    asked.extend(knobs(request));
    asked
}

fn tools(request: &ChatRequest, reader: &Reader<'_>) -> Value {
    let tools = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function(function) => {
            let schema = function.parameters.as_ref().map_or(Value::Null, |raw| schema_of(raw.get()));
            Some(json!({"name": reader.name(&function.name), "description": function.description.as_deref().unwrap_or_default(), "schema": schema}))
        }
        Tool::Custom { name, .. } => Some(json!({"custom": reader.name(name)})),
        Tool::Hosted(_) => None,
    });
    tools.collect()
}

/// The knobs that are set.
pub(crate) fn knobs(request: &ChatRequest) -> Meaning {
    let sampling = &request.sampling;
    let numbers = [
        ("temperature", &sampling.temperature),
        ("top_p", &sampling.top_p),
        ("top_k", &sampling.top_k),
        ("min_p", &sampling.min_p),
        ("top_a", &sampling.top_a),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("presence_penalty", &sampling.presence_penalty),
        ("repetition_penalty", &sampling.repetition_penalty),
        ("seed", &sampling.seed),
    ];
    let texts = [
        ("verbosity", &request.verbosity),
        ("user", &request.user),
        ("service_tier", &request.service_tier),
        ("cache_key", &request.cache_key),
        ("logit_bias", &sampling.logit_bias.clone().filter(|biases| biases != "{}")),
    ];
    let others = [
        ("max_output_tokens", request.max_output_tokens.map(|limit| json!(limit))),
        ("n", sampling.n.map(|n| json!(n))),
        ("logprobs", sampling.logprobs.map(|wanted| json!(wanted))),
        ("top_logprobs", sampling.top_logprobs.map(|count| json!(count))),
        ("parallel_tools", request.parallel_tools.map(|wanted| json!(wanted))),
        ("store", request.store.map(|wanted| json!(wanted))),
        ("stop", (!sampling.stop.is_empty()).then(|| json!(sampling.stop))),
        ("metadata", (!request.metadata.is_empty()).then(|| json!(request.metadata))),
        // Efforts and budgets stand for each other: only whether there is to be thinking is compared.
        (
            "reasoning",
            request
                .reasoning
                .as_ref()
                .filter(|asked| {
                    asked.effort.as_deref().is_some_and(|effort| effort != "none") || asked.budget_tokens.is_some_and(|budget| budget > 0)
                })
                .map(|_| json!(true)),
        ),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, json!(number.as_ref()?.as_f64()))));
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, json!(text.as_ref()?))));
    let all = numbers.chain(texts).chain(others.into_iter().filter_map(|(name, value)| Some((name, value?))));
    all.filter(|(name, value)| !is_default(name, value)).collect()
}

/// Whether a knob says what is so anyway.
fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "n" | "top_p" => value.as_f64() == Some(1.0),
        "frequency_penalty" | "presence_penalty" => value.as_f64() == Some(0.0),
        "parallel_tools" => *value == json!(true),
        // Only one API keeps exchanges unless told not to.
        "store" => *value == json!(false),
        "service_tier" => ["auto", "default", "standard", "on_demand"].iter().any(|tier| value == tier),
        _ => false,
    }
}
