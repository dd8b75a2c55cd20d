//! Presets: a request names settings that are kept here, and gets what of them it does not say itself.
//!
//! OpenRouter's: `@preset/slug` in place of a model, `model@preset/slug`, or the field `preset`. What a request says wins, field by
//! field; its tools and a preset's are offered together, each name once. Settings are kept in the words of chat completions and said
//! in those of the request's own form; what a form has no word for is left out, as its own clients could not have said it either.

mod known;
mod settings;

use serde_json::{Value, json};
use switchboard_engine::call::{Call, Content};
use switchboard_engine::wire::Dialect;
use switchboard_engine::wire::control::is_steering;
use switchboard_engine::wire::outline::Edits;
use switchboard_engine::wire::problem::Problem;

pub(crate) use known::Presets;
pub use settings::{Preset, Settings};

/// What stands between a model and the preset it is to be used with.
const MARK: &str = "@preset/";
/// The field that names one.
const FIELD: &str = "preset";

/// The model a request without one stands for: its preset.
pub(crate) fn as_model(name: &str) -> String {
    format!("{MARK}{name}")
}

/// Whether the call names one.
pub(crate) fn is_named(call: &Call) -> bool {
    named(call).is_some()
}

/// The model and the preset that a call names.
pub(crate) fn named(call: &Call) -> Option<(Option<String>, String)> {
    if let Some((model, slug)) = call.model.split_once(MARK) {
        return Some(((!model.is_empty()).then(|| model.to_owned()), slug.to_owned()));
    }
    let Content::Json(outline) = &call.content else { return None };
    outline.get(FIELD).filter(|_| is_steering(call.door.dialect, FIELD))?;
    let slug = call.text(FIELD).filter(|slug| !slug.is_empty())?;
    Some((Some(call.model.clone()), slug.strip_prefix(MARK).map_or(slug.clone(), str::to_owned)))
}

/// The call with those settings; `None`: there is no model.
pub(crate) fn with(mut call: Call, model: Option<String>, settings: &Settings) -> Result<Call, Option<Problem>> {
    let Content::Json(outline) = &call.content else { return Ok(call) };
    let dialect = call.door.dialect;
    let model = model.or_else(|| settings.model()).ok_or(None)?;
    let wrong = |problem: Problem| Some(problem);
    let mut edits = Edits { default: settings.fields(dialect), remove: vec![FIELD.to_owned()], ..Edits::default() };
    if dialect != Dialect::Gemini {
        edits.set.push(("model".to_owned(), json!(model).to_string()));
    }
    if let Some(own) = settings.tools(dialect) {
        let mut tools: Vec<Value> = outline.read(&call.body, "tools").map_err(|error| wrong(error.into()))?.unwrap_or_default();
        let new: Vec<Value> = own.into_iter().filter(|tool| !tools.iter().any(|known| identity(known) == identity(tool))).collect();
        tools.extend(new);
        edits.set.push(("tools".to_owned(), Value::Array(tools).to_string()));
    }
    if let Some(prompt) = &settings.system_prompt {
        match dialect {
            Dialect::Anthropic => edits.default.push(("system".to_owned(), json!(prompt).to_string())),
            Dialect::OpenAiResponses => edits.default.push(("instructions".to_owned(), json!(prompt).to_string())),
            Dialect::OpenAiChat => {
                let messages: Vec<Value> = outline.read(&call.body, "messages").map_err(|error| wrong(error.into()))?.unwrap_or_default();
                let instructed = messages.iter().any(|message| matches!(message["role"].as_str(), Some("system" | "developer")));
                if !instructed {
                    let mut all = vec![json!({"role": "system", "content": prompt})];
                    all.extend(messages);
                    edits.set.push(("messages".to_owned(), Value::Array(all).to_string()));
                }
            }
            _ => {}
        }
    }
    (call.model, call.model_in_path) = (model, dialect == Dialect::Gemini);
    call.edited(&edits).map_err(|error| wrong(error.into()))
}

/// What tells one tool from another.
fn identity(tool: &Value) -> (Option<&str>, Option<&str>) {
    let name = tool["function"]["name"].as_str().or_else(|| tool["name"].as_str());
    // A function is one by any of its forms.
    (tool["type"].as_str().filter(|kind| !matches!(*kind, "function" | "custom")), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let function = json!({"type": "function", "function": {"name": "look_up", "description": "d", "parameters": {"type": "object"}}});
        let config = json!({
            "models": ["a/b", "c/d"], "temperature": 0.2, "max_tokens": 50, "stop": ["x"], "tools": [function],
            "provider": {"only": ["p"]}, "top_k": 4, "reasoning": {"effort": "low"},
        });
        Settings { system_prompt: Some("Be brief.".to_owned()), config: config.as_object().expect("an object").clone() }
    }

    fn applied_to(dialect: Dialect, model: Option<&str>, body: Value) -> (Call, Value) {
        let call = Call::chat(dialect, body.to_string()).expect("a call");
        let call = with(call, model.map(str::to_owned), &settings()).expect("applied");
        let body = serde_json::from_slice(&call.body.join()).expect("JSON");
        (call, body)
    }

    #[test]
    fn what_a_request_says_wins_and_the_rest_is_the_presets() {
        let request = json!({"model": "@preset/x", "messages": [{"role": "user", "content": "hi"}], "temperature": 1, "preset": "x"});
        let (call, body) = applied_to(Dialect::OpenAiChat, None, request);
        assert_eq!((call.model.as_str(), &body["model"], &body["models"]), ("a/b", &json!("a/b"), &json!(["a/b", "c/d"])));
        assert_eq!((&body["temperature"], &body["max_tokens"], &body["provider"]), (&json!(1), &json!(50), &json!({"only": ["p"]})));
        assert_eq!(body["messages"][0], json!({"role": "system", "content": "Be brief."}));
        assert!(body.get("preset").is_none());
        let request = json!({"model": "m", "messages": [{"role": "system", "content": "Be long."}], "max_completion_tokens": 9});
        let (call, body) = applied_to(Dialect::OpenAiChat, Some("m"), request);
        assert_eq!((call.model.as_str(), body["messages"].as_array().map(Vec::len)), ("m", Some(1)));
        assert_eq!(body["max_completion_tokens"], 9);
    }

    #[test]
    fn tools_of_both_are_offered_each_once() {
        let own = json!({"type": "function", "function": {"name": "own"}});
        let same = json!({"type": "function", "function": {"name": "look_up", "description": "another"}});
        let (_, body) = applied_to(Dialect::OpenAiChat, Some("m"), json!({"model": "m", "messages": [], "tools": [own, same]}));
        assert_eq!(body["tools"], json!([own, same]));
        let (_, body) = applied_to(Dialect::OpenAiChat, Some("m"), json!({"model": "m", "messages": [], "tools": [own]}));
        assert_eq!(body["tools"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn each_form_hears_it_in_its_own_words() {
        let (_, body) = applied_to(Dialect::Anthropic, Some("m"), json!({"model": "m", "messages": [], "max_tokens": 7}));
        assert_eq!((&body["system"], &body["stop_sequences"], &body["max_tokens"]), (&json!("Be brief."), &json!(["x"]), &json!(7)));
        assert_eq!(body["tools"], json!([{"name": "look_up", "description": "d", "input_schema": {"type": "object"}}]));
        assert!(body.get("reasoning").is_none() && body.get("stop").is_none(), "{body}");
        let (_, body) = applied_to(Dialect::OpenAiResponses, Some("m"), json!({"model": "m", "input": "x"}));
        assert_eq!((&body["instructions"], &body["max_output_tokens"]), (&json!("Be brief."), &json!(50)));
        assert_eq!(body["tools"], json!([{"type": "function", "name": "look_up", "description": "d", "parameters": {"type": "object"}}]));
        assert_eq!(body["reasoning"], json!({"effort": "low"}));
    }

    #[test]
    fn presets_are_named_in_three_ways() {
        let named_in = |body: Value| named(&Call::chat(Dialect::OpenAiChat, body.to_string()).expect("a call"));
        assert_eq!(named_in(json!({"model": "@preset/x", "messages": []})), Some((None, "x".to_owned())));
        assert_eq!(named_in(json!({"model": "a/b@preset/x", "messages": []})), Some((Some("a/b".to_owned()), "x".to_owned())));
        assert_eq!(named_in(json!({"model": "a/b", "preset": "x", "messages": []})), Some((Some("a/b".to_owned()), "x".to_owned())));
        assert_eq!(named_in(json!({"model": "a/b", "messages": []})), None);
    }
}
