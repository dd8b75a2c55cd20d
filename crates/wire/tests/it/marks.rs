//! Marks of what to keep in a cache: where a provider takes none they are told, wherever they stand.

use serde_json::{Value, json};
use switchboard_wire::Dialect;

use crate::likely::sent;

/// A conversation of Anthropic's with a mark at that place alone.
fn marked(place: &str) -> Value {
    let at = |here: &str, mut piece: Value| {
        if here == place {
            piece["cache_control"] = json!({"type": "ephemeral"});
        }
        piece
    };
    let text = |here: &str, text: &str| at(here, json!({"type": "text", "text": text}));
    let call = at("call", json!({"type": "tool_use", "id": "c", "name": "f", "input": {}}));
    let result = at("result", json!({"type": "tool_result", "tool_use_id": "c", "content": [text("inner", "fine")]}));
    let tool = at("tool", json!({"name": "f", "input_schema": {"type": "object", "properties": {}}}));
    json!({"model": "m", "max_tokens": 9, "system": [text("system", "Be brief.")], "tools": [tool], "messages": [
        {"role": "user", "content": [text("user", "hi")]},
        {"role": "assistant", "content": [text("assistant", "Well."), call]},
        {"role": "user", "content": [result]},
    ]})
}

#[test]
fn marks_are_told_wherever_they_stand() {
    for to in [Dialect::Gemini, Dialect::Cohere, Dialect::Ollama, Dialect::OpenAiResponses] {
        let (_, unmarked) = sent(Dialect::Anthropic, to, false, &marked("nowhere"));
        assert!(!unmarked.contains("cache_control"), "{to}: {unmarked}");
        for place in ["system", "user", "assistant", "call", "result", "inner", "tool"] {
            let (body, lost) = sent(Dialect::Anthropic, to, false, &marked(place));
            assert!(lost.split(", ").any(|name| name == "cache_control"), "{to}, {place}: {lost}");
            assert!(!body.to_string().contains("cache_control"), "{to}, {place}: {body}");
        }
    }
}
