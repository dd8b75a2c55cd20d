//! Another gateway's reading of the same exchanges, and a plain one: where ours differs, and why.

use std::collections::HashMap;

use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::chat::PartBody;
use switchboard_wire::half::Memo;
use switchboard_wire::reply::ChatReply;

use crate::answers::{Answer, stamp};
use crate::corpus;
use crate::meaning::problem_of;

/// Whose reading ours differs from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// The provider's answer read plainly, in its own words.
    Direct,
    /// LiteLLM's answer in OpenAI's format.
    LiteLlm,
}

/// A field that we read otherwise.
pub(crate) struct Other {
    pub(crate) whose: Whose,
    pub(crate) field: &'static str,
    pub(crate) theirs: Value,
    pub(crate) ours: Value,
}

/// The readings, by the exchange's id.
pub(crate) fn readings() -> HashMap<String, Value> {
    let lines = corpus::oracle().unwrap_or_default();
    lines.into_iter().map(|line| (line["id"].as_str().expect("an id").to_owned(), line)).collect()
}

fn summary(reply: &ChatReply) -> (String, String, Vec<Value>) {
    let (mut text, mut reasoning, mut calls) = (String::new(), String::new(), Vec::new());
    for part in &reply.parts {
        match &part.body {
            PartBody::Text { text: more, .. } => text.push_str(more),
            PartBody::Reasoning(thought) => reasoning.push_str(&thought.text),
            PartBody::ToolCall(call) => {
                let text = if call.arguments.is_empty() { "{}" } else { &call.arguments };
                let arguments: Value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
                calls.push(json!({"id": call.id, "name": call.name, "arguments": arguments}));
            }
            _ => {}
        }
    }
    (text, reasoning, calls)
}

/// The same list without ids.
fn nameless(calls: &Value) -> Value {
    let strip = |call: &Value| json!({"name": call["name"], "arguments": call["arguments"]});
    json!(calls.as_array().into_iter().flatten().map(strip).collect::<Vec<_>>())
}

/// What we read otherwise than the plain reading.
fn direct(reply: &ChatReply, direct: &Value) -> Vec<Other> {
    let (text, reasoning, calls) = summary(reply);
    let pairs = [
        ("text", direct["text"].clone(), json!(text)),
        ("reasoning", direct["reasoning"].clone(), json!(reasoning)),
        ("tool_calls", nameless(&direct["tool_calls"]), nameless(&json!(calls))),
        ("finish", direct["finish"].clone(), json!(reply.finish.raw)),
    ];
    others(Whose::Direct, pairs)
}

fn others<const N: usize>(whose: Whose, pairs: [(&'static str, Value, Value); N]) -> Vec<Other> {
    let absent = |value: &Value| value.is_null() || *value == json!("") || *value == json!([]) || *value == json!(0);
    let differ = |(_, theirs, ours): &(&'static str, Value, Value)| theirs != ours && !(absent(theirs) && absent(ours));
    pairs.into_iter().filter(differ).map(|(field, theirs, ours)| Other { whose, field, theirs, ours }).collect()
}

/// What a client of OpenAI's format gets otherwise than from LiteLLM.
fn litellm(reply: &ChatReply, result: &Value) -> Vec<Other> {
    let (Some(inbound), Some(outbound)) = (Dialect::OpenAiChat.inbound(), Dialect::OpenAiChat.outbound()) else { return Vec::new() };
    let body = inbound.write_reply(reply, &stamp());
    let written: Value = serde_json::from_slice(&body).expect("JSON");
    let Ok(back) = outbound.read_reply(&Memo::default(), &body) else { return Vec::new() };
    let (text, reasoning, calls) = summary(&back);
    let usage = |name: &str| (result["usage"][name].clone(), written["usage"][name].clone());
    let (input, output, total) = (usage("prompt_tokens"), usage("completion_tokens"), usage("total_tokens"));
    let pairs = [
        ("text", result["content"].clone(), json!(text)),
        ("reasoning", result["reasoning_content"].clone(), json!(reasoning)),
        ("tool_calls", nameless(&result["tool_calls"]), nameless(&json!(calls))),
        ("finish", result["finish_reason"].clone(), written["choices"][0]["finish_reason"].clone()),
        ("input", input.0, input.1),
        ("output", output.0, output.1),
        ("total", total.0, total.1),
    ];
    others(Whose::LiteLlm, pairs)
}

/// What we read otherwise than the others did.
pub(crate) fn compare(answer: &Answer, reading: &Value) -> Vec<Other> {
    let mut found = Vec::new();
    match &answer.result {
        Ok(reply) => {
            if reading["direct"].is_object() {
                found.extend(direct(reply, &reading["direct"]));
            }
            if reading["result"].is_object() {
                found.extend(litellm(reply, &reading["result"]));
            } else if reading["error"].is_object() {
                found.push(Other { whose: Whose::LiteLlm, field: "error", theirs: reading["error"].clone(), ours: json!("an answer") });
            }
        }
        Err(fault) if reading["error"].is_object() => {
            let (theirs, ours) = (reading["error"]["status_code"].clone(), json!(problem_of(fault).status().as_u16()));
            if theirs != ours {
                found.push(Other { whose: Whose::LiteLlm, field: "status", theirs: reading["error"].clone(), ours });
            }
        }
        Err(fault) => {
            found.push(Other { whose: Whose::LiteLlm, field: "fault", theirs: reading["result"].clone(), ours: json!(fault.message) });
        }
    }
    found
}
