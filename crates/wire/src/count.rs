//! Counting the tokens of a chat request: the bodies around the request and the counts in the answers.
//!
//! | shape | request | answer |
//! |---|---|---|
//! | `anthropic` | the messages request, without what only an answer needs | `input_tokens` |
//! | `gemini` | `{contents}`, or `{generateContentRequest}` with the model in it | `totalTokens` |
//! | `bedrock` | `{input: {converse}}` | `inputTokens` |
//! | `openai` | the responses request, without what only an answer needs | `input_tokens` |

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::frames::Frames;
use crate::json;
use crate::outline::{Edits, Outline};
use crate::problem::{Fault, Malformed};

#[cfg(test)]
#[path = "count/tests.rs"]
mod tests;

/// The chat dialect of a count shape in a provider's row.
pub fn dialect(shape: &str) -> Option<Dialect> {
    match shape {
        "anthropic" => Some(Dialect::Anthropic),
        "gemini" => Some(Dialect::Gemini),
        "bedrock" => Some(Dialect::Bedrock),
        "openai" => Some(Dialect::OpenAiResponses),
        _ => None,
    }
}

/// What a client of that dialect asks to have counted, as the chat request it is about.
pub fn chat_body(from: Dialect, body: &Frames) -> Result<Frames, Malformed> {
    if from == Dialect::Gemini
        && let Some(inner) = Outline::scan(body)?.get("generateContentRequest").map(|entry| entry.value)
    {
        let mut out = Frames::new();
        body.slice_into(inner.start, inner.end, &mut out);
        return Ok(out);
    }
    if from == Dialect::Anthropic {
        // Required of a chat request, absent here; it changes no count.
        let default = vec![("max_tokens".to_owned(), "1".to_owned())];
        return Ok(Outline::scan(body)?.apply(body, &Edits { default, ..Edits::default() }));
    }
    Ok(body.clone())
}

/// A client's own count request for a provider of the same dialect: only the model's name changes.
pub fn same(dialect: Dialect, body: &Frames, outline: &Outline, model: &str) -> Result<Frames, Malformed> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut edits = Edits::default();
    match dialect {
        Dialect::Gemini => {
            if let Some(entry) = outline.get("generateContentRequest") {
                let inner = Frames::from(body.slice(entry.value.start, entry.value.end));
                let model = format!("models/{}", model.trim_start_matches("models/"));
                let set = vec![("model".to_owned(), quoted(&model))];
                let inner = Outline::scan(&inner)?.apply(&inner, &Edits { set, ..Edits::default() }).join();
                edits.set.push(("generateContentRequest".to_owned(), String::from_utf8_lossy(&inner).into_owned()));
            }
        }
        _ => edits.set.push(("model".to_owned(), quoted(model))),
    }
    Ok(outline.apply(body, &edits))
}

/// Fields of a messages request that change its count; the endpoint refuses others.
const ANTHROPIC: [&str; 12] = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "mcp_servers",
    "output_config",
    "output_format",
    "context_management",
    "cache_control",
    "anthropic_version",
];
/// Fields of a Converse request that change its count.
const CONVERSE: [&str; 4] = ["messages", "system", "toolConfig", "additionalModelRequestFields"];

/// Fields of a responses request that change its count; the endpoint refuses others.
const RESPONSES: [&str; 11] = [
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "truncation",
    "parallel_tool_calls",
    "previous_response_id",
    "conversation",
];

/// The count request around a chat request that was written for that dialect.
pub fn wrap(dialect: Dialect, chat: &[u8], model: &str) -> Result<Vec<u8>, Malformed> {
    let frames = Frames::from(bytes::Bytes::copy_from_slice(chat));
    let outline = Outline::scan(&frames)?;
    let text = std::str::from_utf8(chat).map_err(|_| Malformed::new("the body is not valid UTF-8"))?;
    let pick = |known: &[&str], out: &mut json::Object<'_>| {
        for entry in outline.entries().iter().filter(|entry| known.contains(&&*entry.key)) {
            out.raw(&entry.key, &text[entry.value.start..entry.value.end]);
        }
    };
    Ok(match dialect {
        Dialect::Gemini => json::object(|out| {
            out.object("generateContentRequest", |out| {
                out.field("model", &format!("models/{}", model.trim_start_matches("models/")));
                for entry in outline.entries().iter().filter(|entry| entry.key != "model") {
                    out.raw(&entry.key, &text[entry.value.start..entry.value.end]);
                }
            });
        }),
        Dialect::OpenAiResponses => json::object(|out| pick(&RESPONSES, out)),
        Dialect::Bedrock => json::object(|out| out.object("input", |out| out.object("converse", |out| pick(&CONVERSE, out)))),
        _ => json::object(|out| {
            if outline.get("model").is_none() {
                out.field("model", model);
            }
            pick(&ANTHROPIC, out);
        }),
    })
}

#[derive(Deserialize)]
struct Count {
    #[serde(alias = "totalTokens", alias = "inputTokens")]
    input_tokens: u64,
}

/// The count in a provider's answer.
pub fn read_reply(body: &[u8]) -> Result<u64, Fault> {
    let raw = || bytes::Bytes::copy_from_slice(body);
    serde_json::from_slice::<Count>(body)
        .map(|count| count.input_tokens)
        .map_err(|error| Fault { raw: raw(), ..Fault::protocol(&error.to_string()) })
}

/// The answer for a client of that dialect.
pub fn write_reply(to: Dialect, count: u64) -> Vec<u8> {
    json::object(|out| match to {
        Dialect::Gemini => out.field("totalTokens", &count),
        Dialect::OpenAiResponses => {
            out.text("object", "response.input_tokens");
            out.field("input_tokens", &count);
        }
        _ => out.field("input_tokens", &count),
    })
}

/// The text of a JSON value that is counted as it stands (schemas, arguments of tools).
pub fn compact(raw: &RawValue) -> String {
    serde_json::from_str::<serde_json::Value>(raw.get()).map_or_else(|_| raw.get().to_owned(), |value| value.to_string())
}

/// Whether a body looks like a count request of that dialect: it holds what is to be counted.
pub fn check(from: Dialect, body: &[u8]) -> Result<(), Malformed> {
    let fields = Fields::scan(body)?;
    let needed: &[&str] = match from {
        Dialect::Gemini => &["contents", "generateContentRequest"],
        Dialect::OpenAiResponses => &["input", "previous_response_id", "conversation"],
        _ => &["messages"],
    };
    if needed.iter().any(|key| fields.has(key)) { Ok(()) } else { Err(Malformed::field(needed[0], "is missing")) }
}
