//! A client's request, read.

use serde_json::value::RawValue;

use super::content::{self, is_string};
use super::items::{REFERENCE, kind_of, mark, own_reference, quoted, read_item};
use super::{DIALECT, likelihood};
use crate::chat::{
    ChatRequest, Function, Hosted, JsonSchema, Message, OutputFormat, Part, PartBody, Reasoning, Role, Sampling, Tool, ToolChoice,
    ToolResult,
};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::Head;
use crate::json;
use crate::openai::{self, OF_MESSAGE};
use crate::problem::{Malformed, Unsupported};
use crate::seal::{OPENAI, Sealed};

/// Fields that name something only the provider holds.
const STATEFUL: [(&str, &str); 3] = [
    ("previous_response_id", "the conversation so far is kept by another provider: send the whole input instead"),
    ("conversation", "conversations are kept by another provider: send the whole input instead"),
    ("prompt", "prompt templates are kept by another provider: send the whole input instead"),
];

/// Reads a client's request.
pub(super) fn read_request(head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
    let mut fields = Fields::scan(body)?;
    let model = match (fields.take::<String>("model")?, head.path_model) {
        (Some(model), _) => model,
        (None, Some(model)) => model.to_owned(),
        // A stored prompt may name the model.
        (None, None) if fields.has("prompt") => String::new(),
        (None, None) => return Err(Malformed::field("model", "is missing")),
    };
    let mut request = ChatRequest { model, ..ChatRequest::default() };
    if let Some(text) = fields.take::<String>("instructions")? {
        request.system.push(Part::text(text));
    }
    read_input(fields.take_raw("input"), &mut request)?;
    request.stream = fields.take("stream")?.or(head.path_stream).unwrap_or(false);
    request.max_output_tokens = fields.take_count("max_output_tokens")?;
    request.parallel_tools = fields.take("parallel_tool_calls")?;
    request.sampling.temperature = fields.take("temperature")?;
    request.sampling.top_p = fields.take("top_p")?;
    request.sampling.top_logprobs = fields.take_count("top_logprobs")?;
    let (user, is_newer) = openai::take_user(&mut fields)?;
    request.user = user;
    request.service_tier = fields.take("service_tier")?;
    request.cache_key = fields.take("prompt_cache_key")?;
    request.store = fields.take("store")?;
    let mut left = Vec::new();
    let include = read_include(&mut fields, &mut request.sampling)?;
    left.extend(include.map(|raw| ("include", raw)));
    if let Some(raw) = fields.take_raw("tools").filter(|raw| raw.get() != "null") {
        request.tools = read_tools(raw)?;
    }
    if let Some(raw) = fields.take_raw("tool_choice").filter(|raw| raw.get() != "null") {
        request.tool_choice = read_tool_choice(raw)?;
        if request.tool_choice.is_none() {
            left.push(("tool_choice", raw.to_owned()));
        }
    }
    if let Some(raw) = fields.take_raw("metadata").filter(|raw| raw.get() != "null") {
        match read_metadata(raw) {
            Some(metadata) => request.metadata = metadata,
            None => left.push(("metadata", raw.to_owned())),
        }
    }
    if let Some(raw) = fields.take_raw("text").filter(|raw| raw.get() != "null") {
        let rest = read_text(raw, &mut request).map_err(|malformed| malformed.within("text"))?;
        left.extend(object_of(rest).map(|raw| ("text", raw)));
    }
    if let Some(raw) = fields.take_raw("reasoning").filter(|raw| raw.get() != "null") {
        let rest = read_reasoning(raw, &mut request).map_err(|malformed| malformed.within("reasoning"))?;
        left.extend(object_of(rest).map(|raw| ("reasoning", raw)));
    }
    request.extra = fields.rest(DIALECT);
    if is_newer {
        openai::note_newer_user(&mut request.extra);
    }
    for (key, raw) in left {
        request.extra.push(key, raw);
    }
    Ok(request)
}

/// Reads what the answer is to hold beside what it always does; what of it has no meaning here is given back.
fn read_include(fields: &mut Fields<'_>, sampling: &mut Sampling) -> Result<Option<Box<RawValue>>, Malformed> {
    let Some(mut include) = fields.take::<Vec<String>>("include")? else { return Ok(None) };
    let said = include.len();
    include.retain(|what| what != likelihood::ASKED);
    sampling.logprobs = (include.len() < said).then_some(true);
    let left = sampling.logprobs.is_none() || !include.is_empty();
    Ok(serde_json::value::to_raw_value(&include).ok().filter(|_| left))
}

/// What only a provider of this format can do for the client, since it keeps what the request only names.
pub(super) fn check_translation(request: &ChatRequest, target: Dialect) -> Result<(), Unsupported> {
    for (key, raw) in request.extra.of(DIALECT) {
        if let Some((field, why)) = STATEFUL.iter().find(|(field, _)| field == key).filter(|_| raw.get() != "null") {
            return Err(Unsupported::new(*field, target, *why));
        }
        if key == "background" && raw.get() == "true" {
            return Err(Unsupported::new("background", target, "an answer in the background cannot be fetched later: send without it"));
        }
    }
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let PartBody::Hosted(hosted @ Hosted { from: DIALECT, kind, .. }) = &part.body else { continue };
        match own_reference(hosted) {
            Some(true) => {}
            Some(false) => return Err(not_kept(hosted, target)),
            None if matches!(kind.as_str(), REFERENCE | "compaction") => {
                let why = format!("only the provider that made it can read a `{kind}` item: send the whole input instead");
                return Err(Unsupported::new("input", target, why));
            }
            None => {}
        }
    }
    Ok(())
}

/// The refusal of a reference to an item that was answered here and is kept nowhere: without it the model would not know what it said.
pub(super) fn not_kept(hosted: &Hosted, target: Dialect) -> Unsupported {
    let id = hosted.id.as_deref().unwrap_or_default();
    let why = format!(
        "the item `{id}` was not stored: send the items themselves instead of references to them, as clients do that are told `store: false`"
    );
    Unsupported::new("input", target, why)
}

/// The fields as one JSON object; `None` where there are none.
fn object_of(rest: Extra) -> Option<Box<RawValue>> {
    if rest.is_empty() {
        return None;
    }
    let bytes = json::object(|object| object.extra(&rest, DIALECT));
    String::from_utf8(bytes).ok().and_then(|text| RawValue::from_string(text).ok())
}

fn read_metadata(raw: &RawValue) -> Option<Vec<(String, String)>> {
    let mut fields = Fields::nested(raw).ok()?;
    let keys: Vec<String> = serde_json::from_str::<KeyOrder>(raw.get()).ok()?.0;
    keys.into_iter().map(|key| fields.take::<String>(&key).ok().flatten().map(|value| (key, value))).collect()
}

/// The keys of an object, in order, each once.
struct KeyOrder(Vec<String>);

impl<'de> serde::Deserialize<'de> for KeyOrder {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = KeyOrder;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<KeyOrder, A::Error> {
                let mut keys: Vec<String> = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
                Ok(KeyOrder(keys))
            }
        }
        reader.deserialize_map(Visitor)
    }
}

/// Reads `text`: the form and the length of the answer.
fn read_text(raw: &RawValue, request: &mut ChatRequest) -> Result<Extra, Malformed> {
    let mut fields = Fields::nested(raw)?;
    request.verbosity = fields.take("verbosity")?;
    if let Some(raw) = fields.take_raw("format").filter(|raw| raw.get() != "null") {
        request.output = read_format(raw).map_err(|malformed| malformed.within("format"))?;
    }
    Ok(fields.rest(DIALECT))
}

fn read_format(raw: &RawValue) -> Result<OutputFormat, Malformed> {
    let mut fields = Fields::nested(raw)?;
    Ok(match fields.require::<String>("type")?.as_str() {
        "text" => OutputFormat::Text,
        "json_object" => OutputFormat::Json,
        "json_schema" => OutputFormat::JsonSchema(JsonSchema {
            name: fields.take("name")?,
            description: fields.take("description")?,
            schema: fields.take_raw("schema").ok_or_else(|| Malformed::field("schema", "is missing"))?.to_owned(),
            strict: fields.take("strict")?,
        }),
        other => return Err(Malformed::field("type", &format!("`{other}` is not a form of answer"))),
    })
}

fn read_reasoning(raw: &RawValue, request: &mut ChatRequest) -> Result<Extra, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let effort: Option<String> = fields.take("effort")?;
    let enabled = (effort.as_deref() == Some("none")).then_some(false);
    request.reasoning = Some(Reasoning { enabled, effort, summary: fields.take("summary")?, ..Reasoning::default() });
    Ok(fields.rest(DIALECT))
}

// === tools ===

fn read_tools(raw: &RawValue) -> Result<Vec<Tool>, Malformed> {
    let list = content::list(raw).map_err(|malformed| malformed.within("tools"))?;
    let tools = list.into_iter().enumerate();
    tools.map(|(at, raw)| read_tool(raw).map_err(|malformed| malformed.within(&format!("tools.{at}")))).collect()
}

/// Reads one tool.
pub(crate) fn read_tool(raw: &RawValue) -> Result<Tool, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let kind: String = fields.require("type")?;
    match kind.as_str() {
        "function" => Ok(Tool::Function(Function {
            name: fields.require("name")?,
            description: fields.take("description")?,
            parameters: fields.take_raw("parameters").filter(|raw| raw.get() != "null").map(ToOwned::to_owned),
            strict: fields.take("strict")?,
            cache: None,
            extra: fields.rest(DIALECT),
        })),
        "custom" => {
            let name = fields.require("name")?;
            let description = fields.take("description")?;
            let format = fields.take_raw("format").filter(|raw| raw.get() != "null").map(|raw| raw.get().to_owned());
            Ok(Tool::Custom { name, description, format, extra: fields.rest(DIALECT) })
        }
        _ => Ok(hosted(kind, raw)),
    }
}

fn hosted(kind: String, raw: &RawValue) -> Tool {
    Tool::Hosted(Hosted { from: DIALECT, kind, id: None, raw: raw.to_owned() })
}

/// Reads `tool_choice`; `None` for the forms that name tools of the provider's.
fn read_tool_choice(raw: &RawValue) -> Result<Option<ToolChoice>, Malformed> {
    let within = |malformed: Malformed| malformed.within("tool_choice");
    if is_string(raw) {
        return match content::string(raw)?.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            other => Err(Malformed::field("tool_choice", &format!("`{other}` is not a choice"))),
        };
    }
    let mut fields = Fields::nested(raw).map_err(within)?;
    Ok(match fields.require::<String>("type").map_err(within)?.as_str() {
        "function" | "custom" => Some(ToolChoice::Tool(fields.require("name").map_err(within)?)),
        "allowed_tools" => {
            let must = fields.take::<String>("mode").map_err(within)?.as_deref() == Some("required");
            let tools = fields.take_raw("tools").map(content::list).transpose().map_err(within)?.unwrap_or_default();
            let names: Option<Vec<String>> = tools.into_iter().map(allowed_name).collect();
            names.map(|names| ToolChoice::Among(names, must))
        }
        _ => None,
    })
}

/// The name of an allowed tool, if it is a function of the client's.
fn allowed_name(raw: &RawValue) -> Option<String> {
    let mut fields = Fields::nested(raw).ok()?;
    let function = fields.take::<String>("type").ok()?.as_deref() == Some("function");
    fields.take("name").ok().flatten().filter(|_| function)
}

// === input ===

/// The turns read so far, and the seals of calls that wait for their calls.
struct Turns<'a> {
    request: &'a mut ChatRequest,
    seals: Vec<(String, Sealed)>,
    /// The ids of calls with free text.
    custom: Vec<String>,
}

fn read_input(raw: Option<&RawValue>, request: &mut ChatRequest) -> Result<(), Malformed> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(()) };
    if is_string(raw) {
        request.messages.push(Message::new(Role::User, vec![Part::text(content::string(raw)?)]));
        return Ok(());
    }
    let items = content::list(raw).map_err(|malformed| malformed.within("input"))?;
    let mut turns = Turns { request, seals: Vec::new(), custom: Vec::new() };
    for (at, raw) in items.into_iter().enumerate() {
        turns.read(raw).map_err(|malformed| malformed.within(&format!("input.{at}")))?;
    }
    turns.seal_calls();
    Ok(())
}

/// The id of a call with free text.
fn custom_call(part: &Part) -> Option<String> {
    match &part.body {
        PartBody::ToolCall(call) if call.custom => Some(call.id.clone()),
        _ => None,
    }
}

impl Turns<'_> {
    fn read(&mut self, raw: &RawValue) -> Result<(), Malformed> {
        let kind = kind_of(raw)?;
        match kind.as_str() {
            "message" => self.read_message(raw),
            "function_call_output" | "custom_tool_call_output" => self.read_result(&kind, raw),
            _ => {
                let item = read_item(&kind, raw, OPENAI)?;
                self.seals.extend(item.seal);
                self.custom.extend(item.parts.iter().filter_map(custom_call));
                let theirs = !(kind.ends_with("_output") || kind.ends_with("_response") || kind == "additional_tools");
                if theirs {
                    self.push_assistant(item.parts);
                } else {
                    self.request.messages.push(Message::new(Role::User, item.parts));
                }
                Ok(())
            }
        }
    }

    fn read_message(&mut self, raw: &RawValue) -> Result<(), Malformed> {
        let mut fields = Fields::nested(raw)?;
        let kind = fields.take_raw("type");
        let role: String = fields.require("role")?;
        let parts = content::read_content(fields.take_raw("content"))?;
        if kind.is_none() && parts.is_empty() && !fields.has("content") {
            return Err(Malformed::field("content", "is missing"));
        }
        let mut rest = fields.rest(DIALECT);
        match role.as_str() {
            "user" => self.request.messages.push(Message { extra: rest, ..Message::new(Role::User, parts) }),
            "assistant" => self.push_assistant(mark(parts, rest)),
            "system" | "developer" => {
                rest.push("role", quoted(&role));
                if self.request.messages.is_empty() {
                    self.request.system.extend(mark(parts, rest));
                } else {
                    self.request.messages.push(Message { extra: rest, ..Message::new(Role::System, parts) });
                }
            }
            other => return Err(Malformed::field("role", &format!("`{other}` is not a role"))),
        }
        Ok(())
    }

    /// The items of the model between two turns of the user are one turn: formats with turns need the calls beside the text.
    fn push_assistant(&mut self, mut parts: Vec<Part>) {
        let plain = |part: &Part| matches!(part.body, PartBody::Text { .. } | PartBody::Refusal(_));
        match self.request.messages.last_mut() {
            Some(last) if last.role == Role::Assistant => {
                let beside = last.parts.last().is_some_and(plain);
                if let (true, Some(first)) = (beside, parts.first_mut().filter(|first| plain(first))) {
                    first.extra.push(format!("{OF_MESSAGE}type"), quoted("message"));
                }
                last.parts.extend(parts);
            }
            _ if parts.is_empty() => {}
            _ => self.request.messages.push(Message::new(Role::Assistant, parts)),
        }
    }

    fn read_result(&mut self, kind: &str, raw: &RawValue) -> Result<(), Malformed> {
        let mut fields = Fields::nested(raw)?;
        fields.take_raw("type");
        let call: String = fields.require("call_id")?;
        let output = fields.take_raw("output");
        let parts = match output {
            // Some clients send their result as an object.
            Some(raw) if raw.get().starts_with('{') => vec![Part::text(raw.get())],
            output => content::read_content(output).map_err(|malformed| malformed.within("output"))?,
        };
        let custom = self.custom.contains(&call);
        let mut part = Part::new(PartBody::ToolResult(ToolResult { call, name: None, parts, is_error: false }));
        part.extra = fields.rest(DIALECT);
        if custom != (kind == "custom_tool_call_output") {
            part.extra.push("type", quoted(kind));
        }
        let results = |message: &&mut Message| {
            message.role == Role::User && message.parts.iter().all(|part| matches!(part.body, PartBody::ToolResult(_)))
        };
        match self.request.messages.last_mut().filter(results).filter(|message| !message.parts.is_empty()) {
            Some(message) => message.parts.push(part),
            None => self.request.messages.push(Message::new(Role::User, vec![part])),
        }
        Ok(())
    }

    fn seal_calls(&mut self) {
        for (id, seal) in std::mem::take(&mut self.seals) {
            let parts = self.request.messages.iter_mut().flat_map(|message| &mut message.parts);
            for part in parts {
                if let PartBody::ToolCall(call) = &mut part.body
                    && call.id == id
                {
                    call.seal = Some(seal.clone());
                }
            }
        }
    }
}
