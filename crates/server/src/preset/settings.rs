//! What a preset says, in the words of every form of a request.

use serde_json::{Map, Value, json};
use switchboard_engine::wire::Dialect;

/// A preset in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preset {
    /// Its name in requests.
    pub slug: String,
    /// Whether it may be used.
    pub active: bool,
    /// What it says.
    pub settings: Settings,
}

/// What a preset says, in the words of chat completions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What the model is told first.
    pub system_prompt: Option<String>,
    /// Fields of requests.
    pub config: Map<String, Value>,
}

/// Fields that a preset may say, and their names in chats, responses and messages; empty: the form has none.
const FIELDS: [(&str, [&str; 3]); 33] = [
    ("models", ["models", "models", "models"]),
    ("provider", ["provider", "provider", "provider"]),
    ("plugins", ["plugins", "plugins", "plugins"]),
    ("route", ["route", "route", "route"]),
    ("temperature", ["temperature", "temperature", "temperature"]),
    ("top_p", ["top_p", "top_p", "top_p"]),
    ("top_k", ["top_k", "top_k", "top_k"]),
    ("top_a", ["top_a", "", ""]),
    ("min_p", ["min_p", "", ""]),
    ("seed", ["seed", "", ""]),
    ("frequency_penalty", ["frequency_penalty", "frequency_penalty", ""]),
    ("presence_penalty", ["presence_penalty", "presence_penalty", ""]),
    ("repetition_penalty", ["repetition_penalty", "", ""]),
    ("max_tokens", ["max_tokens", "max_output_tokens", "max_tokens"]),
    ("max_completion_tokens", ["max_completion_tokens", "max_output_tokens", "max_tokens"]),
    ("stop", ["stop", "", "stop_sequences"]),
    ("logit_bias", ["logit_bias", "", ""]),
    ("logprobs", ["logprobs", "", ""]),
    ("top_logprobs", ["top_logprobs", "top_logprobs", ""]),
    ("response_format", ["response_format", "", ""]),
    ("text", ["", "text", ""]),
    ("tool_choice", ["tool_choice", "", ""]),
    ("parallel_tool_calls", ["parallel_tool_calls", "parallel_tool_calls", ""]),
    ("reasoning", ["reasoning", "reasoning", ""]),
    ("reasoning_effort", ["reasoning_effort", "", ""]),
    ("thinking", ["", "", "thinking"]),
    ("verbosity", ["verbosity", "", ""]),
    ("modalities", ["modalities", "modalities", ""]),
    ("web_search_options", ["web_search_options", "", ""]),
    ("service_tier", ["service_tier", "service_tier", "service_tier"]),
    ("cache_control", ["cache_control", "cache_control", "cache_control"]),
    ("transforms", ["transforms", "", ""]),
    ("image_config", ["image_config", "image_config", ""]),
];

/// The place of a form's names; `None`: presets do not know it.
fn column(dialect: Dialect) -> Option<usize> {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiCompletions => Some(0),
        Dialect::OpenAiResponses => Some(1),
        Dialect::Anthropic => Some(2),
        _ => None,
    }
}

impl Settings {
    /// Whether a preset may say a field of that name.
    pub(crate) fn knows(name: &str) -> bool {
        matches!(name, "model" | "tools" | "description") || FIELDS.iter().any(|(known, _)| *known == name)
    }

    /// What of a request in that form a preset keeps.
    pub(crate) fn of(dialect: Dialect, mut body: Map<String, Value>) -> Self {
        let mut config = Map::new();
        let at = column(dialect).unwrap_or_default();
        for (name, forms) in FIELDS {
            let said = if forms[at].is_empty() { None } else { body.remove(forms[at]) };
            config.extend(said.filter(|value| !value.is_null()).map(|value| (name.to_owned(), value)));
        }
        let model = body.remove("model").filter(|model| model.as_str().is_some_and(|model| !model.is_empty() && !model.contains('@')));
        config.extend(model.map(|model| ("model".to_owned(), model)));
        if let Some(Value::Array(tools)) = body.remove("tools") {
            config.insert("tools".to_owned(), Value::Array(tools.into_iter().map(as_chat_tool).collect()));
        }
        let prompt = match dialect {
            Dialect::Anthropic => body.get("system").and_then(text),
            Dialect::OpenAiResponses => body.get("instructions").and_then(text),
            _ => body.get("messages").and_then(Value::as_array).and_then(|messages| instructions(messages)),
        };
        Self { system_prompt: prompt.filter(|prompt| !prompt.is_empty()), config }
    }

    /// The model it is for.
    pub(super) fn model(&self) -> Option<String> {
        let first = || self.config.get("models")?.as_array()?.first()?.as_str();
        self.config.get("model").and_then(Value::as_str).or_else(first).map(str::to_owned)
    }

    /// What a request in that form gets where it does not say it itself.
    pub(super) fn fields(&self, dialect: Dialect) -> Vec<(String, String)> {
        let Some(at) = column(dialect) else { return Vec::new() };
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, forms) in FIELDS {
            if let Some(value) = self.config.get(name).filter(|_| !forms[at].is_empty())
                && !fields.iter().any(|(known, _)| known == forms[at])
            {
                fields.push((forms[at].to_owned(), value.to_string()));
            }
        }
        fields
    }

    /// The tools it offers, as that form has them.
    pub(super) fn tools(&self, dialect: Dialect) -> Option<Vec<Value>> {
        let tools = self.config.get("tools")?.as_array().filter(|tools| !tools.is_empty())?;
        match dialect {
            Dialect::OpenAiChat => Some(tools.clone()),
            Dialect::OpenAiResponses => Some(tools.iter().map(|tool| with_function(tool, "parameters", true)).collect()),
            Dialect::Anthropic => Some(tools.iter().map(|tool| with_function(tool, "input_schema", false)).collect()),
            _ => None,
        }
    }
}

/// A tool of a chat with its function's fields beside its type.
fn with_function(tool: &Value, schema: &str, typed: bool) -> Value {
    let Some(function) = tool.get("function").and_then(Value::as_object) else { return tool.clone() };
    let mut flat = Map::new();
    if typed {
        flat.insert("type".to_owned(), json!("function"));
    }
    for (name, value) in function {
        let name = if name == "parameters" { schema } else { name };
        // Anthropic's tools are not told to be strict.
        if typed || name != "strict" {
            flat.insert(name.to_owned(), value.clone());
        }
    }
    if !typed && !flat.contains_key(schema) {
        flat.insert(schema.to_owned(), json!({"type": "object"}));
    }
    Value::Object(flat)
}

/// A tool as chats have it; one that is no function stays as it is.
fn as_chat_tool(tool: Value) -> Value {
    let Value::Object(mut fields) = tool else { return tool };
    let kind = fields.get("type").and_then(Value::as_str);
    let is_function = kind == Some("function") || matches!(kind, None | Some("custom")) && fields.contains_key("input_schema");
    if fields.contains_key("function") || !is_function {
        return Value::Object(fields);
    }
    fields.remove("type");
    if let Some(schema) = fields.remove("input_schema") {
        fields.insert("parameters".to_owned(), schema);
    }
    json!({"type": "function", "function": fields})
}

/// What the messages begin with that is not the conversation's.
fn instructions(messages: &[Value]) -> Option<String> {
    let told = messages.iter().take_while(|message| matches!(message["role"].as_str(), Some("system" | "developer")));
    let parts: Vec<String> = told.filter_map(|message| text(&message["content"])).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// A text, or the texts of parts.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_leaves_its_settings_and_nothing_else() {
        let chat = json!({
            "model": "a/b", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "secret"}],
            "temperature": 0.7, "stream": true, "user": "u", "max_tokens": null, "anything": 1,
        });
        let kept = Settings::of(Dialect::OpenAiChat, chat.as_object().expect("an object").clone());
        assert_eq!(kept.system_prompt.as_deref(), Some("Be brief."));
        assert_eq!(Value::Object(kept.config), json!({"model": "a/b", "temperature": 0.7}));
        let messages = json!({
            "model": "m", "system": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}], "max_tokens": 9, "messages": [],
            "stop_sequences": ["s"], "tools": [{"name": "f", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}],
        });
        let kept = Settings::of(Dialect::Anthropic, messages.as_object().expect("an object").clone());
        assert_eq!(kept.system_prompt.as_deref(), Some("One\nTwo"));
        assert_eq!((&kept.config["stop"], &kept.config["max_tokens"]), (&json!(["s"]), &json!(9)));
        assert_eq!(kept.config["tools"][0], json!({"type": "function", "function": {"name": "f", "parameters": {}}}));
        let responses = json!({"model": "m", "instructions": "Go.", "input": "x", "max_output_tokens": 4, "reasoning": {"effort": "high"}});
        let kept = Settings::of(Dialect::OpenAiResponses, responses.as_object().expect("an object").clone());
        assert_eq!((kept.system_prompt.as_deref(), &kept.config["max_tokens"]), (Some("Go."), &json!(4)));
    }
}
