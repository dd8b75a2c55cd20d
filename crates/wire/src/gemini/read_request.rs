//! A client's request. Both spellings of every field are read; what is not known stays, under a dotted path.

use serde_json::value::RawValue;

use super::keys::{Keys, items};
use super::read_parts::Turns;
use super::schema;
use crate::chat::{ChatRequest, Function, Hosted, JsonSchema, OutputFormat, Reasoning, Tool, ToolChoice};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::half::Head;
use crate::problem::Malformed;
use crate::tier;

/// Where the fields of `generationConfig` that the meaning does not know are kept in [`Extra`].
pub(super) const GENERATION: &str = "generationConfig.";
/// The same for its `thinkingConfig`.
pub(super) const THINKING: &str = "generationConfig.thinkingConfig.";
/// The same for `toolConfig`.
pub(super) const TOOL_CONFIG: &str = "toolConfig.";

pub(super) fn read_request(head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed> {
    let mut fields = Keys::scan(body)?;
    let named: Option<String> = fields.take("model")?;
    let model = head.path_model.map(str::to_owned).or_else(|| Some(named?.trim_start_matches("models/").to_owned()));
    let model = model.ok_or_else(|| Malformed::field("model", "is missing"))?;
    let mut request = read_body(fields)?;
    request.model = model;
    request.stream = head.path_stream.unwrap_or(false);
    Ok(request)
}

/// Reads everything but the model's name.
pub(super) fn read_body(mut fields: Keys<'_>) -> Result<ChatRequest, Malformed> {
    let mut request = ChatRequest::default();
    let mut turns = Turns::default();
    if let Some(raw) = fields.take_raw("systemInstruction") {
        request.system = turns.read_system(raw).map_err(|error| error.within("systemInstruction"))?;
    }
    let contents = fields.take_raw("contents").ok_or_else(|| Malformed::field("contents", "is missing"))?;
    for (at, raw) in items(contents).map_err(|error| error.within("contents"))?.into_iter().enumerate() {
        let message = turns.read_message(raw).map_err(|error| error.within(&format!("contents[{at}]")))?;
        request.messages.push(message);
    }
    let mut extra = Extra::new(Dialect::Gemini);
    if let Some(raw) = fields.take_raw("tools") {
        read_tools(raw, &mut request).map_err(|error| error.within("tools"))?;
    }
    if let Some(raw) = fields.take_raw("toolConfig") {
        read_tool_config(raw, &mut request, &mut extra).map_err(|error| error.within("toolConfig"))?;
    }
    if let Some(raw) = fields.take_raw("generationConfig") {
        read_generation(raw, &mut request, &mut extra).map_err(|error| error.within("generationConfig"))?;
    }
    request.service_tier = fields.take("serviceTier")?.filter(|name| name != "unspecified").map(tier::read);
    if let Some(labels) = fields.take::<std::collections::BTreeMap<String, String>>("labels")? {
        request.metadata = labels.into_iter().collect();
    }
    for (key, raw) in fields.rest(Dialect::Gemini).fields() {
        extra.push(key.clone(), raw.clone());
    }
    request.extra = extra;
    Ok(request)
}

fn keep(fields: Keys<'_>, prefix: &str, extra: &mut Extra) {
    for (key, raw) in fields.rest(Dialect::Gemini).fields() {
        extra.push(format!("{prefix}{key}"), raw.clone());
    }
}

fn read_tools(raw: &RawValue, request: &mut ChatRequest) -> Result<(), Malformed> {
    for raw in items(raw)? {
        let mut fields = Keys::nested(raw)?;
        if let Some(declarations) = fields.take_raw("functionDeclarations") {
            for declaration in items(declarations)? {
                request.tools.push(Tool::Function(read_function(declaration)?));
            }
        }
        for (key, value) in fields.rest(Dialect::Gemini).fields() {
            let whole = crate::json::object(|out| out.raw(key, value.get()));
            if let Some(raw) = String::from_utf8(whole).ok().and_then(|text| crate::json::raw(&text)) {
                request.tools.push(Tool::Hosted(Hosted { from: Dialect::Gemini, kind: key.clone(), id: None, raw }));
            }
        }
    }
    Ok(())
}

fn read_function(raw: &RawValue) -> Result<Function, Malformed> {
    let mut fields = Keys::nested(raw)?;
    let name = fields.take("name")?.ok_or_else(|| Malformed::field("name", "is missing"))?;
    let description = fields.take("description")?;
    let json_schema = fields.take_raw("parametersJsonSchema").map(ToOwned::to_owned);
    let openapi = fields.take_raw("parameters");
    let mut extra = fields.rest(Dialect::Gemini);
    if let Some(raw) = openapi {
        // Kept as sent for Gemini; the meaning gets it as a JSON schema.
        extra.push("parameters", raw.to_owned());
    }
    let parameters = json_schema.or_else(|| openapi.map(schema::from_openapi));
    Ok(Function { name, description, parameters, strict: None, cache: None, extra })
}

fn read_tool_config(raw: &RawValue, request: &mut ChatRequest, extra: &mut Extra) -> Result<(), Malformed> {
    let mut fields = Keys::nested(raw)?;
    if let Some(raw) = fields.take_raw("functionCallingConfig") {
        let mut calling = Keys::nested(raw)?;
        let mode = calling.take::<String>("mode")?.unwrap_or_default().to_ascii_uppercase();
        let names: Vec<String> = calling.take("allowedFunctionNames")?.unwrap_or_default();
        let more = calling.rest(Dialect::Gemini);
        let (choice, exact) = match (mode.as_str(), names.len()) {
            ("AUTO", 0) => (Some(ToolChoice::Auto), true),
            ("AUTO" | "VALIDATED", _) if names.is_empty() || mode == "AUTO" => (Some(ToolChoice::Auto), false),
            ("NONE", count) => (Some(ToolChoice::None), count == 0),
            ("ANY", 0) => (Some(ToolChoice::Required), true),
            ("ANY", 1) => (names.first().cloned().map(ToolChoice::Tool), true),
            ("ANY", _) => (Some(ToolChoice::Among(names, true)), true),
            ("VALIDATED", _) => (Some(ToolChoice::Among(names, false)), true),
            _ => (None, false),
        };
        request.tool_choice = choice;
        if !exact || !more.is_empty() {
            extra.push(format!("{TOOL_CONFIG}functionCallingConfig"), raw.to_owned());
        }
    }
    keep(fields, TOOL_CONFIG, extra);
    Ok(())
}

fn read_generation(raw: &RawValue, request: &mut ChatRequest, extra: &mut Extra) -> Result<(), Malformed> {
    let mut fields = Keys::nested(raw)?;
    let sampling = &mut request.sampling;
    sampling.temperature = fields.take("temperature")?;
    sampling.top_p = fields.take("topP")?;
    sampling.top_k = fields.take("topK")?;
    sampling.seed = fields.take("seed")?;
    sampling.presence_penalty = fields.take("presencePenalty")?;
    sampling.frequency_penalty = fields.take("frequencyPenalty")?;
    sampling.stop = fields.take("stopSequences")?.unwrap_or_default();
    sampling.n = fields.take_count("candidateCount")?;
    sampling.logprobs = fields.take("responseLogprobs")?;
    sampling.top_logprobs = fields.take_count("logprobs")?;
    request.max_output_tokens = fields.take_count("maxOutputTokens")?;
    let modalities: Vec<String> = fields.take("responseModalities")?.unwrap_or_default();
    request.modalities = modalities.into_iter().map(|name| name.to_ascii_lowercase()).collect();
    request.voice = fields.peek_raw("speechConfig").and_then(voice);
    read_output(&mut fields, request, extra)?;
    if let Some(raw) = fields.take_raw("thinkingConfig") {
        let mut thinking = Keys::nested(raw)?;
        request.reasoning = Some(read_thinking(&mut thinking)?);
        keep(thinking, THINKING, extra);
    }
    keep(fields, GENERATION, extra);
    Ok(())
}

/// Who speaks, where it is one.
fn voice(raw: &RawValue) -> Option<String> {
    let voice = Keys::nested(raw).ok()?.take_raw("voiceConfig")?;
    let named = Keys::nested(voice).ok()?.take_raw("prebuiltVoiceConfig")?;
    Keys::nested(named).ok()?.take("voiceName").ok().flatten()
}

fn read_output(fields: &mut Keys<'_>, request: &mut ChatRequest, extra: &mut Extra) -> Result<(), Malformed> {
    let json_schema = fields.take_raw("responseJsonSchema");
    let openapi = fields.take_raw("responseSchema");
    let media_type: Option<String> = fields.take("responseMimeType")?;
    let is_json = media_type.as_deref() == Some("application/json");
    if let Some(media_type) = media_type.filter(|_| !is_json)
        && let Some(raw) = crate::json::raw(&serde_json::Value::from(media_type).to_string())
    {
        extra.push(format!("{GENERATION}responseMimeType"), raw);
    }
    if let Some(raw) = openapi {
        extra.push(format!("{GENERATION}responseSchema"), raw.to_owned());
    }
    let schema = json_schema.map(ToOwned::to_owned).or_else(|| openapi.map(schema::from_openapi));
    request.output = match schema {
        Some(schema) => OutputFormat::JsonSchema(JsonSchema { name: None, description: None, schema, strict: None }),
        None if is_json => OutputFormat::Json,
        None => OutputFormat::Text,
    };
    Ok(())
}

fn read_thinking(fields: &mut Keys<'_>) -> Result<Reasoning, Malformed> {
    let budget: Option<f64> = fields.take("thinkingBudget")?;
    if budget.is_some_and(|budget| budget.fract() != 0.0) {
        return Err(Malformed::field("thinkingBudget", "is not a whole number"));
    }
    let budget = budget.map(|budget| budget as i64);
    let level: Option<String> = fields.take("thinkingLevel")?;
    let include: Option<bool> = fields.take("includeThoughts")?;
    let level = level.map(|level| level.to_ascii_lowercase()).filter(|level| level != "thinking_level_unspecified");
    Ok(Reasoning {
        enabled: (budget == Some(0)).then_some(false),
        adaptive: budget.is_some_and(|budget| budget < 0),
        effort: level,
        budget_tokens: budget.and_then(|budget| u64::try_from(budget).ok()),
        summary: None,
        exclude: include.map(|include| !include),
    })
}
