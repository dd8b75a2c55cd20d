//! What OpenRouter's specification requires of an answer and nobody has said.
//!
//! Its clients are generated from that specification, and some refuse an answer without a field that it requires, though `null` would
//! do. So what is missing is put in, whether the answer was written here or passes as it came: `null` wherever the specification has
//! it, else what the format means by leaving it out. Nothing that was said is changed, and no byte of an answer that has everything.

use bytes::Bytes;
use memchr::memmem;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::frames::Frames;
use crate::outline::{Edits, Outline};

/// What an object must have.
struct Shape {
    /// Its fields, and what stands for each of which nothing was said; empty: it is left out, and may not be `null`.
    fields: &'static [(&'static str, &'static str)],
    /// The fields that are objects, or lists of them, with shapes of their own.
    within: &'static [(&'static str, Within)],
}

/// What stands in a field.
enum Within {
    /// An object.
    One(&'static Shape),
    /// An object whose shape its `type` tells.
    Kind(fn(&str) -> Option<&'static Shape>),
    /// A list of such objects.
    Each(fn(&str) -> Option<&'static Shape>),
}

const NULL: &str = "null";
/// Where nothing was said there is nothing.
const LEFT_OUT: &str = "";
/// Without any other caller, a tool was called by the model itself.
const DIRECT: &str = r#"{"type":"direct"}"#;

static CHAT: Shape = Shape { fields: &[("system_fingerprint", NULL)], within: &[] };

static TEXT: Shape = Shape { fields: &[("citations", NULL)], within: &[] };
static TOOL: Shape = Shape { fields: &[("caller", DIRECT)], within: &[] };

/// The format requires both counts where it has either.
static SERVER_TOOLS: Shape = Shape { fields: &[("web_search_requests", "0"), ("web_fetch_requests", "0")], within: &[] };

static MESSAGES_USAGE: Shape = Shape {
    fields: &[
        ("cache_creation", NULL),
        ("cache_creation_input_tokens", NULL),
        ("cache_read_input_tokens", NULL),
        ("inference_geo", NULL),
        ("output_tokens_details", NULL),
        ("server_tool_use", NULL),
        ("service_tier", NULL),
    ],
    within: &[("server_tool_use", Within::One(&SERVER_TOOLS))],
};

static MESSAGE: Shape = Shape {
    fields: &[("container", NULL), ("stop_details", NULL), ("stop_reason", NULL), ("stop_sequence", NULL)],
    within: &[("content", Within::Each(block)), ("usage", Within::One(&MESSAGES_USAGE))],
};

static MESSAGE_START: Shape = Shape { fields: &[], within: &[("message", Within::One(&MESSAGE))] };

static BLOCK_START: Shape = Shape { fields: &[], within: &[("content_block", Within::Kind(block))] };

static MESSAGE_END: Shape =
    Shape { fields: &[("container", NULL), ("stop_details", NULL), ("stop_reason", NULL), ("stop_sequence", NULL)], within: &[] };

static END_USAGE: Shape = Shape {
    fields: &[
        ("cache_creation_input_tokens", NULL),
        ("cache_read_input_tokens", NULL),
        ("input_tokens", NULL),
        ("output_tokens_details", NULL),
        ("server_tool_use", NULL),
    ],
    within: &[("server_tool_use", Within::One(&SERVER_TOOLS))],
};

static MESSAGE_DELTA: Shape = Shape { fields: &[], within: &[("delta", Within::One(&MESSAGE_END)), ("usage", Within::One(&END_USAGE))] };

/// The shape of a block of that type.
fn block(kind: &str) -> Option<&'static Shape> {
    match kind {
        "text" => Some(&TEXT),
        "tool_use" | "web_search_tool_result" | "web_fetch_tool_result" => Some(&TOOL),
        _ => None,
    }
}

static RESPONSE: Shape = Shape {
    fields: &[
        ("completed_at", NULL),
        ("error", NULL),
        ("frequency_penalty", NULL),
        ("incomplete_details", NULL),
        ("instructions", NULL),
        ("metadata", NULL),
        ("parallel_tool_calls", "true"),
        ("presence_penalty", NULL),
        ("temperature", NULL),
        ("tool_choice", "\"auto\""),
        ("tools", "[]"),
        ("top_p", NULL),
        ("usage", LEFT_OUT),
    ],
    within: &[],
};

static RESPONSE_EVENT: Shape = Shape { fields: &[], within: &[("response", Within::One(&RESPONSE))] };

/// A whole answer of that dialect with everything in it.
pub fn whole(dialect: Dialect, body: &Bytes) -> Bytes {
    let shape = match dialect {
        Dialect::OpenAiChat => &CHAT,
        Dialect::OpenAiResponses => &RESPONSE,
        Dialect::Anthropic => &MESSAGE,
        _ => return body.clone(),
    };
    filled(shape, body).unwrap_or_else(|| body.clone())
}

/// An answer with pictures, whose tokens are counted there under the names they have in chat completions.
pub fn pictures(body: &Bytes) -> Bytes {
    let counted = |usage: &[u8]| {
        let frames = Frames::from(Bytes::copy_from_slice(usage));
        let outline = Outline::scan(&frames).ok()?;
        let same = |key: &str, other: &str| {
            let value = outline.get(other)?.value;
            Some((key.to_owned(), String::from_utf8(usage[value.start..value.end].to_vec()).ok()?))
        };
        let default = [same("prompt_tokens", "input_tokens")?, same("completion_tokens", "output_tokens")?].into();
        String::from_utf8(outline.apply(&frames, &Edits { default, ..Edits::default() }).join().to_vec()).ok()
    };
    let with_counts = || {
        let frames = Frames::from(body.clone());
        let outline = Outline::scan(&frames).ok()?;
        let value = outline.get("usage")?.value;
        let set = vec![("usage".to_owned(), counted(&body[value.start..value.end])?)];
        Some(outline.apply(&frames, &Edits { set, ..Edits::default() }).join())
    };
    with_counts().unwrap_or_else(|| body.clone())
}

/// Whether events of that dialect's streams may lack anything.
pub fn has_events(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::OpenAiResponses | Dialect::Anthropic)
}

/// An event of that dialect with everything in it; `None`: it stays as it is.
pub fn event(dialect: Dialect, payload: &[u8]) -> Option<Bytes> {
    filled(shape_of_event(dialect, payload)?, payload)
}

/// The shape of an event. Most only add to a text: these are told by a look for a word, without being read.
fn shape_of_event(dialect: Dialect, payload: &[u8]) -> Option<&'static Shape> {
    let named = |name: &str| memmem::find(payload, name.as_bytes()).is_some();
    match dialect {
        Dialect::OpenAiResponses if named("\"response\"") => Some(&RESPONSE_EVENT),
        Dialect::Anthropic if !named("\"content_block_delta\"") => match kind_of(payload)?.as_str() {
            "message_start" => Some(&MESSAGE_START),
            "content_block_start" => Some(&BLOCK_START),
            "message_delta" => Some(&MESSAGE_DELTA),
            _ => None,
        },
        _ => None,
    }
}

/// The `type` of an object.
fn kind_of(object: &[u8]) -> Option<String> {
    let frames = Frames::from(Bytes::copy_from_slice(object));
    Outline::scan(&frames).ok()?.read(&frames, "type").ok().flatten()
}

/// The object with what it lacks; `None`: it lacks nothing, or is no object.
fn filled(shape: &Shape, object: &[u8]) -> Option<Bytes> {
    let frames = Frames::from(Bytes::copy_from_slice(object));
    let outline = Outline::scan(&frames).ok()?;
    let (mut default, mut remove, mut set) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in shape.fields {
        match outline.get(key) {
            None if *value != LEFT_OUT => default.push(((*key).to_owned(), (*value).to_owned())),
            Some(entry) if *value == LEFT_OUT && object[entry.value.start..entry.value.end] == *NULL.as_bytes() => {
                remove.push((*key).to_owned());
            }
            _ => {}
        }
    }
    for (key, within) in shape.within {
        let Some(entry) = outline.get(key) else { continue };
        if let Some(value) = filled_within(within, &object[entry.value.start..entry.value.end]) {
            set.push(((*key).to_owned(), String::from_utf8(value.to_vec()).ok()?));
        }
    }
    let edits = Edits { default, remove, set, ..Edits::default() };
    (!edits.is_empty()).then(|| outline.apply(&frames, &edits).join())
}

fn filled_within(within: &Within, value: &[u8]) -> Option<Bytes> {
    match within {
        Within::One(shape) => filled(shape, value),
        Within::Kind(shape_of) => filled(shape_of(&kind_of(value)?)?, value),
        Within::Each(shape_of) => {
            let items: Vec<&RawValue> = serde_json::from_slice(value).ok()?;
            let each = |item: &&RawValue| filled(shape_of(&kind_of(item.get().as_bytes())?)?, item.get().as_bytes());
            let new: Vec<Option<Bytes>> = items.iter().map(each).collect();
            if new.iter().all(Option::is_none) {
                return None;
            }
            let written = items.iter().zip(&new).map(|(old, new)| new.as_deref().unwrap_or(old.get().as_bytes()));
            let mut out = vec![b'['];
            for (at, item) in written.enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(item);
            }
            out.push(b']');
            Some(out.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn made(dialect: Dialect, body: &Value) -> Value {
        serde_json::from_slice(&whole(dialect, &Bytes::from(body.to_string()))).expect("JSON")
    }

    #[test]
    fn what_nobody_said_of_a_message_is_null() {
        let content = json!([{"type": "text", "text": "a"}, {"type": "thinking", "thinking": "b"}, {"type": "tool_use", "id": "t"}]);
        let message = json!({"id": "m", "content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2}});
        let found = made(Dialect::Anthropic, &message);
        assert_eq!(found["stop_reason"], "end_turn");
        assert_eq!(found["usage"]["input_tokens"], 1);
        for key in ["container", "stop_details", "stop_sequence"] {
            assert_eq!(found.get(key), Some(&Value::Null), "{key}");
        }
        for (key, _) in MESSAGES_USAGE.fields {
            assert_eq!(found["usage"].get(key), Some(&Value::Null), "{key}");
        }
        assert_eq!(found["content"][0], json!({"type": "text", "text": "a", "citations": null}));
        assert_eq!(found["content"][1], content[1]);
        assert_eq!(found["content"][2], json!({"type": "tool_use", "id": "t", "caller": {"type": "direct"}}));
        let searched = made(Dialect::Anthropic, &json!({"usage": {"server_tool_use": {"web_search_requests": 3}}}));
        assert_eq!(searched["usage"]["server_tool_use"], json!({"web_search_requests": 3, "web_fetch_requests": 0}));
    }

    #[test]
    fn what_has_everything_keeps_its_bytes() {
        let whole_one = whole(Dialect::Anthropic, &Bytes::from_static(b"{ \"id\": 1.50,\n\"content\":[{\"type\":\"x\"}] }"));
        assert_eq!(whole(Dialect::Anthropic, &whole_one), whole_one);
        assert!(whole_one.starts_with(b"{ \"id\": 1.50,\n\"content\":[{\"type\":\"x\"}]"), "{whole_one:?}");
        let response = whole(Dialect::OpenAiResponses, &Bytes::from_static(b"{\"temperature\":0.7,\"tools\":[1]}"));
        assert!(response.starts_with(b"{\"temperature\":0.7,\"tools\":[1],\"completed_at\":null"), "{response:?}");
        for other in [&b"[1]"[..], b"no JSON", b"{}"] {
            let body = Bytes::from(other.to_vec());
            assert_eq!(whole(Dialect::Gemini, &body), body);
        }
        assert_eq!(whole(Dialect::Anthropic, &Bytes::from_static(b"[1]")), "[1]");
    }

    #[test]
    fn tokens_of_pictures_are_told_under_both_names() {
        let body = Bytes::from_static(b"{\"data\":[],\"usage\":{\"input_tokens\":5,\"output_tokens\":8}}");
        let found: Value = serde_json::from_slice(&pictures(&body)).expect("JSON");
        assert_eq!(found["usage"], json!({"input_tokens": 5, "output_tokens": 8, "prompt_tokens": 5, "completion_tokens": 8}));
        for same in ["{\"data\":[]}", "{\"usage\":{\"output_tokens\":8}}", "{\"usage\":null}", "no JSON"] {
            assert_eq!(pictures(&Bytes::from_static(same.as_bytes())), same);
        }
    }

    #[test]
    fn events_that_begin_and_end_are_filled_and_no_others() {
        let read = |dialect, event_: &Value| -> Option<Value> {
            event(dialect, event_.to_string().as_bytes()).map(|bytes| serde_json::from_slice(&bytes).expect("JSON"))
        };
        let begins = read(Dialect::Anthropic, &json!({"type": "message_start", "message": {"usage": {}}})).expect("filled");
        assert_eq!(begins["message"]["usage"].get("service_tier"), Some(&Value::Null));
        let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        assert_eq!(read(Dialect::Anthropic, &block).expect("filled")["content_block"].get("citations"), Some(&Value::Null));
        let ends = read(Dialect::Anthropic, &json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 1}}));
        let ends = ends.expect("filled");
        assert_eq!((ends["delta"].get("container"), ends["usage"].get("input_tokens")), (Some(&Value::Null), Some(&Value::Null)));
        let says = json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "\"type\":\"message_start\""}});
        assert_eq!(read(Dialect::Anthropic, &says), None);
        let response = json!({"type": "response.created", "response": {"id": "r"}});
        assert_eq!(read(Dialect::OpenAiResponses, &response).expect("filled")["response"]["parallel_tool_calls"], true);
        let begun = read(Dialect::OpenAiResponses, &json!({"type": "response.created", "response": {"id": "r", "usage": null}}));
        assert_eq!(begun.expect("filled")["response"].get("usage"), None);
        assert_eq!(read(Dialect::OpenAiResponses, &json!({"type": "response.output_text.delta", "delta": "x"})), None);
        assert_eq!(read(Dialect::OpenAiChat, &json!({"object": "chat.completion.chunk"})), None);
    }
}
