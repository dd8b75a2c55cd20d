//! The fields of a request that its answer repeats.
//!
//! They are repeated as they were sent. What the API says of an answer and requests may leave out is added with null, or with the
//! default it documents; what tells a tool's server who asks is not repeated, as OpenAI does not.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::frames::Frames;
use crate::outline::Outline;

/// What an answer repeats, and what stands there where the request does not say it: nothing where the format allows it, else what
/// the API documents as its default.
const DEFAULTS: [(&str, &str); 16] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("reasoning", "null"),
    ("store", "false"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_p", "null"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];
/// What it repeats only where the request says it.
const IF_SAID: [&str; 4] = ["prompt_cache_key", "prompt_cache_retention", "safety_identifier", "top_logprobs"];
/// What a tool's description says to the tool's server alone.
const SECRETS: [&str; 2] = ["authorization", "headers"];

/// What the answer to that request repeats of it, as JSON.
pub(super) fn of(outline: &Outline, body: &Frames) -> Vec<(&'static str, String)> {
    // Nothing is stored where an answer is written here, whatever was asked.
    let names = DEFAULTS.iter().map(|(name, _)| *name).filter(|name| *name != "store").chain(IF_SAID);
    let said = |name: &'static str| {
        let raw: Box<RawValue> = outline.read(body, name).ok().flatten()?;
        (raw.get() != "null").then(|| (name, completed(name, raw.get())))
    };
    names.filter_map(said).collect()
}

/// Every field that an answer has beside its own, by what its request said.
pub(super) fn fields<'a>(said: &'a [(&'static str, String)]) -> impl Iterator<Item = (&'static str, &'a str)> {
    let find = |name: &str| said.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let always = DEFAULTS.iter().map(move |(name, default)| (*name, find(name).unwrap_or(default)));
    always.chain(said.iter().filter(|(name, _)| IF_SAID.contains(name)).map(|(name, value)| (*name, value.as_str())))
}

/// Whether that request asks for summaries of thoughts.
pub(super) fn asks_for_summaries(said: &[(&'static str, String)]) -> bool {
    #[derive(serde::Deserialize)]
    struct Reasoning {
        summary: Option<String>,
    }
    let reasoning = said.iter().find(|(name, _)| *name == "reasoning");
    reasoning.and_then(|(_, raw)| serde_json::from_str::<Reasoning>(raw).ok()).is_some_and(|reasoning| reasoning.summary.is_some())
}

fn completed(name: &str, raw: &str) -> String {
    match name {
        "text" => with(raw, &[("format", r#"{"type":"text"}"#)]),
        "reasoning" => with(raw, &[("effort", "null"), ("summary", "null")]),
        "tools" => {
            let tools: Vec<Box<RawValue>> = serde_json::from_str(raw).unwrap_or_default();
            let tools: Vec<String> = tools.iter().map(|tool| tool_of(tool.get())).collect();
            format!("[{}]", tools.join(","))
        }
        _ => raw.to_owned(),
    }
}

fn tool_of(raw: &str) -> String {
    let Ok(Value::Object(mut tool)) = serde_json::from_str(raw) else { return raw.to_owned() };
    if tool.get("type").and_then(Value::as_str) == Some("function") {
        return with(raw, &[("parameters", "null"), ("strict", "null")]);
    }
    if SECRETS.into_iter().all(|secret| !tool.contains_key(secret)) {
        return raw.to_owned();
    }
    tool.retain(|name, _| !SECRETS.contains(&name.as_str()));
    Value::Object(tool).to_string()
}

/// The object with those fields, where it lacks them; all else as it is.
fn with(raw: &str, fields: &[(&str, &str)]) -> String {
    let Ok(Value::Object(known)) = serde_json::from_str(raw) else { return raw.to_owned() };
    let Some(open) = raw.trim_end().strip_suffix('}') else { return raw.to_owned() };
    let mut out = open.to_owned();
    let mut comma = !known.is_empty();
    for (name, value) in fields.iter().filter(|(name, _)| !known.contains_key(*name)) {
        out.push_str(&format!("{}\"{name}\":{value}", if comma { "," } else { "" }));
        comma = true;
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn said(request: &Value) -> Value {
        let body = Frames::from(Bytes::from(request.to_string()));
        let outline = Outline::scan(&body).expect("an object");
        let said = of(&outline, &body);
        let value = |(name, value): (&str, &str)| (name.to_owned(), serde_json::from_str(value).expect("JSON"));
        Value::Object(fields(&said).map(value).collect())
    }

    #[test]
    fn what_a_request_says_is_repeated_as_it_was_sent() {
        let request = json!({
            "model": "m", "input": "hi", "instructions": "Be brief.", "temperature": 0.25, "top_p": null, "metadata": {"a": "b"},
            "parallel_tool_calls": false, "store": true, "text": {"verbosity": "low"}, "reasoning": {"effort": "low"}, "safety_identifier": "s",
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "function", "name": "g", "strict": true}],
        });
        let told = said(&request);
        for name in ["instructions", "temperature", "metadata", "parallel_tool_calls", "safety_identifier"] {
            assert_eq!(told[name], request[name], "{name}");
        }
        assert_eq!(told["store"], json!(false), "nothing is stored here");
        assert_eq!(told["text"], json!({"verbosity": "low", "format": {"type": "text"}}));
        assert_eq!(told["reasoning"], json!({"effort": "low", "summary": null}));
        assert_eq!(told["tools"][0], json!({"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": null}));
        assert_eq!(told["tools"][1], json!({"type": "function", "name": "g", "strict": true, "parameters": null}));
        assert_eq!((&told["top_p"], &told["tool_choice"], &told["user"]), (&Value::Null, &json!("auto"), &Value::Null));
        assert!(told.get("prompt_cache_key").is_none() && told.get("input").is_none());
    }

    #[test]
    fn what_only_a_tools_server_is_told_is_not_repeated() {
        let told = said(&json!({"tools": [{"type": "mcp", "server_label": "s", "authorization": "secret", "headers": {"x": "secret"}}]}));
        assert_eq!(told["tools"], json!([{"type": "mcp", "server_label": "s"}]));
    }

    #[test]
    fn objects_are_completed_whatever_their_spacing() {
        assert_eq!(with("{ }", &[("a", "1"), ("b", "2")]), "{ \"a\":1,\"b\":2}");
        assert_eq!(with("{\"a\": 0} ", &[("a", "1"), ("b", "2")]), "{\"a\": 0,\"b\":2}");
        assert_eq!(with("[1]", &[("a", "1")]), "[1]");
    }
}
