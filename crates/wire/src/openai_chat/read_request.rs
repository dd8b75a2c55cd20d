//! A client's request: what stands beside the conversation.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::free_text;
use super::read_messages::{read_cache, read_messages};
use crate::chat::{
    BESIDE_FUNCTION, CacheMark, ChatRequest, Function, Hosted, JsonSchema, OutputFormat, Reasoning, Sampling, Tool, ToolChoice,
};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::Head;
use crate::openai;
use crate::problem::Malformed;

const HERE: Dialect = Dialect::OpenAiChat;

/// Reads a request.
pub(super) fn read_request(head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
    let mut fields = Fields::scan(body)?;
    let mut request = ChatRequest { model: read_model(&mut fields, head)?, ..ChatRequest::default() };
    let messages = fields.take_raw("messages").filter(|raw| raw.get() != "null");
    let messages = messages.ok_or_else(|| Malformed::field("messages", "is missing"))?;
    read_messages(messages, &mut request)?;
    read_knobs(&mut fields, head, &mut request)?;
    request.sampling.logprobs = fields.take("logprobs")?;
    let mut keep = Vec::new();
    read_output(&mut fields, &mut request, &mut keep)?;
    let spelled = read_reasoning(&mut fields, &mut request, &mut keep)?;
    read_tools(&mut fields, &mut request)?;
    read_labels(&mut fields, &mut request, &mut keep)?;
    let limits = ["max_completion_tokens", "max_tokens"].map(|key| fields.take_count(key));
    let [newer, older] = limits;
    let (newer, older) = (newer?, older?);
    request.max_output_tokens = newer.or(older);
    let stop = fields.take_raw("stop").filter(|raw| raw.get() != "null");
    request.sampling.stop = stop.map(read_stop).transpose()?.unwrap_or_default();
    let (user, is_newer) = openai::take_user(&mut fields)?;
    request.user = user;
    request.extra = fields.rest(HERE);
    for (key, raw) in keep {
        request.extra.push(key, raw);
    }
    if newer.is_some() {
        request.extra.note("limit", "max_completion_tokens");
    }
    if stop.is_some_and(|raw| raw.get().starts_with('"')) {
        request.extra.note("stop", "string");
    }
    if is_newer {
        openai::note_newer_user(&mut request.extra);
    }
    if !spelled.fields.is_empty() {
        request.extra.note("reasoning", spelled.fields.join(","));
    }
    for (key, extra) in spelled.rest {
        let object = crate::json::object(|object| object.extra(&extra, HERE));
        request.extra.note(key, crate::json::text(object));
    }
    Ok(request)
}

/// The model, from the body or (Azure's deployments) from the path.
pub(crate) fn read_model(fields: &mut Fields<'_>, head: &Head<'_>) -> Result<String, Malformed> {
    let named: Option<String> = fields.take("model")?;
    named.or_else(|| head.path_model.map(str::to_owned)).ok_or_else(|| Malformed::field("model", "is missing"))
}

/// The knobs that this format shares with its older sister.
pub(crate) fn read_knobs(fields: &mut Fields<'_>, head: &Head<'_>, request: &mut ChatRequest) -> Result<(), Malformed> {
    request.sampling = Sampling {
        temperature: fields.take("temperature")?,
        top_p: fields.take("top_p")?,
        top_k: fields.take("top_k")?,
        min_p: fields.take("min_p")?,
        top_a: fields.take("top_a")?,
        frequency_penalty: fields.take("frequency_penalty")?,
        presence_penalty: fields.take("presence_penalty")?,
        repetition_penalty: fields.take("repetition_penalty")?,
        seed: fields.take("seed")?,
        stop: Vec::new(),
        n: fields.take_count("n")?,
        logprobs: None,
        top_logprobs: fields.take_count("top_logprobs")?,
        logit_bias: fields.take_raw("logit_bias").map(|raw| raw.get().to_owned()).filter(|raw| raw != "null"),
    };
    request.stream = fields.take("stream")?.or(head.path_stream).unwrap_or(false);
    if let Some(raw) = fields.take_raw("stream_options").filter(|raw| raw.get() != "null") {
        let mut options = Fields::nested(raw).map_err(|error| error.within("stream_options"))?;
        request.stream_usage = options.take("include_usage").map_err(|error| error.within("stream_options"))?;
    }
    Ok(())
}

/// One text or several.
pub(crate) fn read_stop(raw: &RawValue) -> Result<Vec<String>, Malformed> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stop {
        One(String),
        Many(Vec<String>),
    }
    match serde_json::from_str(raw.get()) {
        Ok(Stop::One(text)) => Ok(vec![text]),
        Ok(Stop::Many(texts)) => Ok(texts),
        Err(_) => Err(Malformed::field("stop", "must be a string or an array of strings")),
    }
}

type Kept = Vec<(String, Box<RawValue>)>;

fn read_output(fields: &mut Fields<'_>, request: &mut ChatRequest, keep: &mut Kept) -> Result<(), Malformed> {
    request.modalities = fields.take("modalities")?.unwrap_or_default();
    let voice = |raw| Fields::nested(raw).ok()?.take("voice").ok().flatten();
    request.voice = fields.peek_raw("audio").and_then(voice);
    request.verbosity = fields.take("verbosity")?;
    let Some(raw) = fields.take_raw("response_format").filter(|raw| raw.get() != "null") else { return Ok(()) };
    let inside = |error: Malformed| error.within("response_format");
    let mut format = Fields::nested(raw).map_err(inside)?;
    match format.require::<String>("type").map_err(inside)?.as_str() {
        "text" => {}
        "json_object" => request.output = OutputFormat::Json,
        "json_schema" => {
            let schema: &RawValue = format.require("json_schema").map_err(inside)?;
            match read_schema(schema).map_err(|error| inside(error.within("json_schema")))? {
                Some(schema) => request.output = OutputFormat::JsonSchema(schema),
                None => keep.push(("response_format".to_owned(), raw.to_owned())),
            }
        }
        _ => keep.push(("response_format".to_owned(), raw.to_owned())),
    }
    Ok(())
}

/// `None` where there is a name alone, which OpenAI allows.
fn read_schema(raw: &RawValue) -> Result<Option<JsonSchema>, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let Some(schema) = fields.take::<&RawValue>("schema")? else { return Ok(None) };
    Ok(Some(JsonSchema {
        name: fields.take("name")?,
        description: fields.take("description")?,
        schema: schema.to_owned(),
        strict: fields.take("strict")?,
    }))
}

/// OpenAI's, OpenRouter's and LiteLLM's ways of asking for thoughts. Which of them were used, for writing them back.
fn read_reasoning(fields: &mut Fields<'_>, request: &mut ChatRequest, keep: &mut Kept) -> Result<Spelled, Malformed> {
    let mut reasoning = Reasoning::default();
    let mut spelled = Vec::new();
    let mut rest = Vec::new();
    if let Some(effort) = fields.take("reasoning_effort")? {
        reasoning.effort = Some(effort);
        spelled.push("reasoning_effort");
    }
    if let Some(raw) = fields.take_raw("reasoning").filter(|raw| raw.get() != "null") {
        let inside = |error: Malformed| error.within("reasoning");
        let mut object = Fields::nested(raw).map_err(inside)?;
        if let Some(effort) = object.take("effort").map_err(inside)? {
            reasoning.effort = Some(effort);
        }
        reasoning.budget_tokens = object.take_count("max_tokens").map_err(inside)?;
        reasoning.exclude = object.take("exclude").map_err(inside)?;
        reasoning.enabled = object.take("enabled").map_err(inside)?;
        reasoning.summary = object.take("summary").map_err(inside)?;
        spelled.push("reasoning");
        rest.push(("reasoning_rest", object.rest(HERE)));
    }
    if let Some(shown) = fields.take::<bool>("include_reasoning")? {
        reasoning.exclude = reasoning.exclude.or(Some(!shown));
        spelled.push("include_reasoning");
    }
    if let Some(raw) = fields.take_raw("thinking").filter(|raw| raw.get() != "null") {
        // Some providers have a switch of that name; it is not this object.
        match Fields::nested(raw) {
            Ok(mut object) => {
                read_thinking(&mut object, &mut reasoning).map_err(|error| error.within("thinking"))?;
                spelled.push("thinking");
                rest.push(("thinking_rest", object.rest(HERE)));
            }
            Err(_) => keep.push(("thinking".to_owned(), raw.to_owned())),
        }
    }
    if !spelled.is_empty() {
        request.reasoning = Some(reasoning);
    }
    rest.retain(|(_, extra)| !extra.is_empty());
    Ok(Spelled { fields: spelled, rest })
}

/// How the client asked for thoughts: in which fields, and what it said there beyond what the meaning holds.
struct Spelled {
    fields: Vec<&'static str>,
    rest: Vec<(&'static str, Extra)>,
}

fn read_thinking(object: &mut Fields<'_>, reasoning: &mut Reasoning) -> Result<(), Malformed> {
    match object.take::<String>("type")?.as_deref() {
        Some("disabled") => reasoning.enabled = Some(false),
        Some("adaptive" | "auto") => reasoning.adaptive = true,
        Some(_) => reasoning.enabled = Some(true),
        None => {}
    }
    if let Some(budget) = object.take_count("budget_tokens")? {
        reasoning.budget_tokens = Some(budget);
    }
    Ok(())
}

fn read_tools(fields: &mut Fields<'_>, request: &mut ChatRequest) -> Result<(), Malformed> {
    let tools: Vec<&RawValue> = fields.take("tools")?.unwrap_or_default();
    for (at, raw) in tools.into_iter().enumerate() {
        request.tools.push(read_tool(raw).map_err(|error| error.within(&format!("tools[{at}]")))?);
    }
    let functions: Vec<&RawValue> = fields.take("functions")?.unwrap_or_default();
    for (at, raw) in functions.into_iter().enumerate() {
        let function = read_function(raw, None).map_err(|error| error.within(&format!("functions[{at}]")))?;
        request.tools.push(Tool::Function(function));
    }
    if let Some(raw) = fields.take_raw("web_search_options").filter(|raw| raw.get() != "null") {
        let kind = "web_search_options".to_owned();
        request.tools.push(Tool::Hosted(Hosted { from: HERE, kind, id: None, raw: raw.to_owned() }));
    }
    for key in ["tool_choice", "function_call"] {
        if let Some(raw) = fields.take_raw(key).filter(|raw| raw.get() != "null") {
            request.tool_choice = Some(read_choice(raw).map_err(|error| error.within(key))?);
        }
    }
    request.parallel_tools = fields.take("parallel_tool_calls")?;
    Ok(())
}

fn read_tool(raw: &RawValue) -> Result<Tool, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let kind: Option<String> = fields.take("type")?;
    match kind.as_deref() {
        None if !fields.has("function") => match google_tool(raw) {
            Some(kind) => Ok(Tool::Hosted(Hosted { from: HERE, kind, id: None, raw: raw.to_owned() })),
            None => Err(Malformed::field("function", "is missing")),
        },
        None | Some("function") => {
            let function: &RawValue = fields.require("function")?;
            let cache = read_cache(&mut fields)?;
            let mut function = read_function(function, cache).map_err(|error| error.within("function"))?;
            for key in BESIDE_FUNCTION {
                let said = fields.take_raw(key).filter(|_| function.extra.fields().iter().all(|(known, _)| known != key));
                if let Some(value) = said {
                    function.extra.push(key, value.to_owned());
                }
            }
            Ok(Tool::Function(function))
        }
        Some("custom") => {
            let custom: &RawValue = fields.require("custom")?;
            let mut custom = Fields::nested(custom).map_err(|error| error.within("custom"))?;
            Ok(Tool::Custom {
                name: custom.require("name").map_err(|error| error.within("custom"))?,
                description: custom.take("description").map_err(|error| error.within("custom"))?,
                format: custom.take_raw("format").map(free_text::flat),
                extra: custom.rest(HERE),
            })
        }
        Some(kind) => Ok(Tool::Hosted(Hosted { from: HERE, kind: kind.to_owned(), id: None, raw: raw.to_owned() })),
    }
}

/// The name of a tool in Google's form, which has no type: one key with an object.
fn google_tool(raw: &RawValue) -> Option<String> {
    let tool = Fields::nested(raw).ok()?.rest(HERE);
    let [(kind, value)] = tool.fields() else { return None };
    value.get().starts_with('{').then(|| kind.clone())
}

fn read_function(raw: &RawValue, cache: Option<CacheMark>) -> Result<Function, Malformed> {
    let mut fields = Fields::nested(raw)?;
    let inner = read_cache(&mut fields)?;
    Ok(Function {
        name: fields.require("name")?,
        description: fields.take("description")?,
        parameters: fields.take::<&RawValue>("parameters")?.map(RawValue::to_owned),
        strict: fields.take("strict")?,
        cache: cache.or(inner),
        extra: fields.rest(HERE),
    })
}

fn read_choice(raw: &RawValue) -> Result<ToolChoice, Malformed> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Deserialize)]
    struct Choice {
        #[serde(rename = "type")]
        kind: Option<String>,
        name: Option<String>,
        function: Option<Named>,
        custom: Option<Named>,
        allowed_tools: Option<Allowed>,
    }
    #[derive(Deserialize)]
    struct Allowed {
        mode: Option<String>,
        #[serde(default)]
        tools: Vec<Choice>,
    }
    fn named(choice: Choice) -> Option<String> {
        choice.function.or(choice.custom).map(|named| named.name).or(choice.name)
    }
    let choice = if raw.get().starts_with('"') {
        let kind = serde_json::from_str(raw.get()).map_err(|error| Malformed::new(&error.to_string()))?;
        Choice { kind: Some(kind), name: None, function: None, custom: None, allowed_tools: None }
    } else {
        serde_json::from_str(raw.get()).map_err(|error| Malformed::new(&error.to_string()))?
    };
    if let Some(allowed) = choice.allowed_tools {
        let must = allowed.mode.as_deref() == Some("required");
        return Ok(ToolChoice::Among(allowed.tools.into_iter().filter_map(named).collect(), must));
    }
    match choice.kind.as_deref() {
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some("required" | "any") => Ok(ToolChoice::Required),
        _ => named(choice).map(ToolChoice::Tool).ok_or_else(|| Malformed::new("is not a known choice")),
    }
}

fn read_labels(fields: &mut Fields<'_>, request: &mut ChatRequest, keep: &mut Kept) -> Result<(), Malformed> {
    request.service_tier = fields.take("service_tier")?;
    request.cache_key = fields.take("prompt_cache_key")?;
    request.store = fields.take("store")?;
    if let Some(raw) = fields.take_raw("metadata").filter(|raw| raw.get() != "null") {
        // Labels are texts with OpenAI; with other gateways anything goes, and what is not a text stays as it is.
        match read_strings(raw) {
            Some(labels) => request.metadata = labels,
            None => keep.push(("metadata".to_owned(), raw.to_owned())),
        }
    }
    Ok(())
}

fn read_strings(raw: &RawValue) -> Option<Vec<(String, String)>> {
    let mut list = Vec::new();
    for (key, value) in Fields::nested(raw).ok()?.rest(HERE).fields() {
        list.push((key.clone(), super::text::string(value)?.into_owned()));
    }
    Some(list)
}
