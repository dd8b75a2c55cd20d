//! A client's request as meaning.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::fit::ALIAS;
use super::read_blocks::{read_content, take_cache};
use super::{BETA, HERE};
use crate::chat::{ChatRequest, Function, Hosted, JsonSchema, Message, OutputFormat, Reasoning, Role, Tool, ToolChoice};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::Head;
use crate::json;
use crate::problem::Malformed;
use crate::tier;

/// Reads a request for an answer or for a count of tokens.
pub(super) fn read(head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
    let mut fields = Fields::scan(body)?;
    let mut request = ChatRequest { model: read_model(head, &mut fields)?, ..ChatRequest::default() };
    if let Some(system) = fields.take_raw("system").filter(|raw| raw.get() != "null") {
        request.system = read_content(system).map_err(|error| error.within("system"))?;
    }
    let messages: Vec<&RawValue> = fields.require("messages")?;
    for (at, message) in messages.into_iter().enumerate() {
        request.messages.push(read_message(message).map_err(|error| error.within(&format!("messages.{at}")))?);
    }
    let tools: Option<Vec<&RawValue>> = fields.take("tools")?;
    for (at, tool) in tools.unwrap_or_default().into_iter().enumerate() {
        request.tools.push(read_tool(tool).map_err(|error| error.within(&format!("tools.{at}")))?);
    }
    request.max_output_tokens = fields.take_count("max_tokens")?;
    request.sampling.temperature = fields.take("temperature")?;
    request.sampling.top_p = fields.take("top_p")?;
    request.sampling.top_k = fields.take("top_k")?;
    request.sampling.stop = fields.take::<Vec<String>>("stop_sequences")?.unwrap_or_default();
    request.stream = head.path_stream.or(fields.take("stream")?).unwrap_or(false);
    request.service_tier = fields.take("service_tier")?.map(tier::read);
    let mut kept = Vec::new();
    read_tool_choice(&mut fields, &mut request, &mut kept)?;
    read_metadata(&mut fields, &mut request, &mut kept)?;
    read_thinking(&mut fields, &mut request, &mut kept)?;
    let config = read_output(&mut fields, &mut request, &mut kept)?;
    if let Some(raw) = fields.peek_raw(CACHE_KEY).filter(|raw| raw.get().starts_with('"')) {
        request.cache_key = serde_json::from_str(raw.get()).ok();
        fields.take_raw(CACHE_KEY);
    }
    let aliased = read_alias(&mut fields, &mut request, &mut kept);
    let mut extra = fields.rest(HERE);
    if aliased {
        extra.note(ALIAS, "");
    }
    for (key, raw) in kept {
        extra.push(key, raw.to_owned());
    }
    if let Some(raw) = config {
        extra.push("output_config", raw);
    }
    keep_beta(head, &mut extra);
    request.extra = extra;
    Ok(request)
}

/// A field of OpenAI's that callers send here too.
const CACHE_KEY: &str = "prompt_cache_key";

/// Fields whose meaning was read but that hold more than it: written back as sent.
type Kept<'a> = Vec<(&'static str, &'a RawValue)>;

fn read_model(head: &Head<'_>, fields: &mut Fields<'_>) -> Result<String, Malformed> {
    let named: Option<String> = fields.take("model")?;
    match named.or_else(|| head.path_model.map(str::to_owned)) {
        Some(model) => Ok(model),
        // Bedrock and Vertex name the model in the path and a version in the body.
        None if fields.has("anthropic_version") => Ok(String::new()),
        None => Err(Malformed::field("model", "is missing")),
    }
}

/// The features the client opted into stand in a header; they belong to the request all the same.
fn keep_beta(head: &Head<'_>, extra: &mut Extra) {
    let Some(headers) = head.headers else { return };
    let values: Vec<&str> = headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() {
        return;
    }
    if let Some(raw) = json::raw(&serde_json::Value::from(values.join(",")).to_string()) {
        extra.push(BETA, raw);
    }
}

fn read_message(raw: &RawValue) -> Result<Message, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let role: String = fields.require("role")?;
    let role = match role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => return Err(Malformed::field("role", &format!("`{other}` is not `user`, `assistant` or `system`"))),
    };
    let content = fields.take_raw("content").ok_or_else(|| Malformed::field("content", "is missing"))?;
    let parts = read_content(content).map_err(|error| error.within("content"))?;
    Ok(Message { role, name: None, parts, extra: fields.rest(HERE) })
}

fn read_tool(raw: &RawValue) -> Result<Tool, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let kind = fields.peek_raw("type").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    if let Some(kind) = kind.filter(|kind| kind != "custom") {
        return Ok(Tool::Hosted(Hosted { from: HERE, kind, id: None, raw: raw.to_owned() }));
    }
    Ok(Tool::Function(Function {
        name: fields.require("name")?,
        description: fields.take("description")?,
        parameters: fields.take_raw("input_schema").filter(|raw| raw.get() != "null").map(ToOwned::to_owned),
        strict: fields.take("strict")?,
        cache: take_cache(&mut fields)?,
        extra: fields.rest(HERE),
    }))
}

fn read_tool_choice<'a>(fields: &mut Fields<'a>, request: &mut ChatRequest, kept: &mut Kept<'a>) -> Result<(), Malformed> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type")]
        kind: String,
        name: Option<String>,
        disable_parallel_tool_use: Option<bool>,
        #[serde(flatten)]
        unknown: BTreeMap<String, Option<IgnoredAny>>,
    }
    let Some(raw) = fields.take_raw("tool_choice").filter(|raw| raw.get() != "null") else { return Ok(()) };
    let Ok(wire) = serde_json::from_str::<Wire>(raw.get()) else {
        kept.push(("tool_choice", raw));
        return Ok(());
    };
    request.parallel_tools = wire.disable_parallel_tool_use.map(|disabled| !disabled);
    request.tool_choice = match (wire.kind.as_str(), wire.name) {
        ("auto", _) => Some(ToolChoice::Auto),
        ("none", _) => Some(ToolChoice::None),
        ("any", _) => Some(ToolChoice::Required),
        ("tool", Some(name)) => Some(ToolChoice::Tool(name)),
        ("tool", None) => return Err(Malformed::field("tool_choice.name", "is missing")),
        _ => {
            kept.push(("tool_choice", raw));
            None
        }
    };
    let more =
        wire.unknown.values().any(Option::is_some) || request.tool_choice == Some(ToolChoice::None) && request.parallel_tools.is_some();
    if more && request.tool_choice.is_some() {
        kept.push(("tool_choice", raw));
    }
    Ok(())
}

fn read_metadata<'a>(fields: &mut Fields<'a>, request: &mut ChatRequest, kept: &mut Kept<'a>) -> Result<(), Malformed> {
    let Some(raw) = fields.take_raw("metadata").filter(|raw| raw.get() != "null") else { return Ok(()) };
    let mut metadata = Fields::nested(raw).map_err(|error| error.within("metadata"))?;
    request.user = metadata.take("user_id").map_err(|error| error.within("metadata"))?;
    request.session = request.user.as_deref().and_then(session_of);
    if request.user.is_none() || !metadata.rest(HERE).is_empty() {
        kept.push(("metadata", raw));
    }
    Ok(())
}

/// The session that a user's id names, which Claude Code writes as an object.
fn session_of(user: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct User {
        session_id: String,
    }
    serde_json::from_str::<User>(user).ok().map(|user| user.session_id).filter(|session| !session.is_empty())
}

fn read_thinking<'a>(fields: &mut Fields<'a>, request: &mut ChatRequest, kept: &mut Kept<'a>) -> Result<(), Malformed> {
    let Some(raw) = fields.take_raw("thinking").filter(|raw| raw.get() != "null") else { return Ok(()) };
    let within = |error: Malformed| error.within("thinking");
    let mut thinking = Fields::nested(raw).map_err(within)?;
    let kind: String = thinking.require("type").map_err(within)?;
    let budget_tokens = thinking.take_count("budget_tokens").map_err(within)?;
    let summary = thinking.take("display").map_err(within)?;
    let mut reasoning = Reasoning { budget_tokens, summary, ..Reasoning::default() };
    match kind.as_str() {
        "enabled" => reasoning.enabled = Some(true),
        "disabled" => reasoning.enabled = Some(false),
        "adaptive" => reasoning.adaptive = true,
        _ => kept.push(("thinking", raw)),
    }
    if !thinking.rest(HERE).is_empty() && !kept.iter().any(|(key, _)| *key == "thinking") {
        kept.push(("thinking", raw));
    }
    request.reasoning = Some(reasoning);
    Ok(())
}

/// Reads OpenAI's word for how much to think. Whether it alone says so: the caller's words in this dialect win, but over `none`.
fn read_alias<'a>(fields: &mut Fields<'a>, request: &mut ChatRequest, kept: &mut Kept<'a>) -> bool {
    let Some(effort) = fields.peek_raw(ALIAS).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()) else { return false };
    fields.take_raw(ALIAS);
    if effort == "none" {
        kept.retain(|(key, _)| *key != "thinking");
        request.reasoning = None;
    }
    let reasoning = request.reasoning.get_or_insert_default();
    // An effort alone is how much, and not whether.
    let said = Reasoning { effort: reasoning.effort.clone(), ..Reasoning::default() };
    let alone = *reasoning == said && !kept.iter().any(|(key, _)| *key == "thinking");
    if alone || reasoning.adaptive {
        reasoning.effort.get_or_insert(effort);
    }
    alone
}

/// Reads the form of the answer and the effort. What else `output_config` says is given back.
fn read_output<'a>(fields: &mut Fields<'a>, request: &mut ChatRequest, kept: &mut Kept<'a>) -> Result<Option<Box<RawValue>>, Malformed> {
    let mut left = None;
    if let Some(raw) = fields.take_raw("output_config").filter(|raw| raw.get() != "null") {
        let within = |error: Malformed| error.within("output_config");
        let mut config = Fields::nested(raw).map_err(within)?;
        let effort: Option<String> = config.take("effort").map_err(within)?;
        if effort.is_some() {
            request.reasoning.get_or_insert_default().effort = effort;
        }
        if let Some(format) = config.peek_raw("format").filter(|raw| raw.get() != "null")
            && read_format(format, request).map_err(|error| within(error.within("format")))?
        {
            config.take_raw("format");
        }
        let rest = config.rest(HERE);
        left = json::raw(&json::text(json::object(|out| out.extra(&rest, HERE)))).filter(|_| !rest.is_empty());
    }
    // The name before structured outputs left beta.
    if let Some(raw) = fields.take_raw("output_format").filter(|raw| raw.get() != "null") {
        read_format(raw, request).map_err(|error| error.within("output_format"))?;
        kept.push(("output_format", raw));
    }
    Ok(left)
}

/// Reads a format. Whether that was all it holds.
fn read_format(raw: &RawValue, request: &mut ChatRequest) -> Result<bool, Malformed> {
    let mut format = Fields::nested(raw)?;
    let kind: String = format.require("type")?;
    if kind != "json_schema" {
        return Ok(false);
    }
    let schema = format.take_raw("schema").ok_or_else(|| Malformed::field("schema", "is missing"))?;
    request.output = OutputFormat::JsonSchema(JsonSchema { name: None, description: None, schema: schema.to_owned(), strict: Some(true) });
    Ok(format.rest(HERE).is_empty())
}
