//! A request for Gemini.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::answer::TIERS;
use super::keys::snake;
use super::read_request::{GENERATION, THINKING, TOOL_CONFIG};
use super::schema;
use super::thinking::write_thinking;
use super::write_parts::{TurnWriter, merge};
use crate::chat::{ChatRequest, Function, Hosted, OutputFormat, Role, Tool, ToolChoice};
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::half::{Memo, Profile, Thinking, Written};
use crate::json::{self, Object};
use crate::loss::{Losses, Why};
use crate::pen::schema::described;
use crate::pen::{answer, knob};
use crate::problem::Unsupported;
use crate::tier;

/// The most stop sequences the API takes.
const MAX_STOP: usize = 5;
const MAX_NAME: usize = 64;
/// What is said where nothing is: a request needs a turn, and a turn words.
const EMPTY: &str = r#"{"text":"."}"#;

/// Google's tools by both of their names; clients of OpenAI's format send them as Google's do.
const TOOLS: [(&str, &str); 8] = [
    ("googleSearch", "google_search"),
    ("googleSearchRetrieval", "google_search_retrieval"),
    ("enterpriseWebSearch", "enterprise_web_search"),
    ("urlContext", "url_context"),
    ("codeExecution", "code_execution"),
    ("googleMaps", "google_maps"),
    ("computerUse", "computer_use"),
    ("fileSearch", "file_search"),
];

pub(super) fn write_request(request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
    let mut losses = Losses::new();
    // A schema that the model does not take is told in words.
    let told = match &request.output {
        OutputFormat::JsonSchema(sent) if profile.json_schema == Some(false) && !is_own(request) => {
            Some(answer::told(request, &answer::of_schema(sent)))
        }
        _ => None,
    };
    let request = told.as_ref().unwrap_or(request);
    let wave = form(request).as_deref() == Some(WAVE) && !request.stream;
    let memo = Memo { vendor: profile.vendor.clone(), renamed: rename_tools(request), wave, ..Memo::default() };
    let body = write_body(request, profile, &memo, &mut losses)?;
    Ok(Written { body: Bytes::from(body), headers: Vec::new(), losses, memo })
}

fn write_body(request: &ChatRequest, profile: &Profile, memo: &Memo, losses: &mut Losses) -> Result<Vec<u8>, Unsupported> {
    refuse(request)?;
    let own = is_own(request);
    note_losses(request, losses);
    let (system, turns) = write_turns(request, profile, memo, losses)?;
    let tools = write_tools(request, memo, losses)?;
    let mut config = Vec::new();
    json::write_object(&mut config, |out| write_generation(request, profile, losses, out));
    Ok(json::object(|out| {
        if !system.is_empty() {
            out.object("systemInstruction", |out| out.array("parts", |out| system.iter().for_each(|part| out.raw(part))));
        }
        out.array("contents", |out| {
            for (role, parts) in &turns {
                out.object(|out| {
                    out.field("role", role);
                    out.array("parts", |out| parts.iter().for_each(|part| out.raw(part)));
                });
            }
        });
        if !tools.is_empty() {
            out.array("tools", |out| tools.iter().for_each(|tool| out.raw(tool)));
        }
        write_tool_config(request, memo, out);
        if config != b"{}" {
            out.raw("generationConfig", &json::text(config));
        }
        out.option("serviceTier", tier_of(request));
        if own && !request.metadata.is_empty() {
            out.object("labels", |out| request.metadata.iter().for_each(|(key, value)| out.field(key, value)));
        }
        for (key, raw) in request.extra.of(Dialect::Gemini).iter().filter(|(key, _)| !is_nested(key)) {
            out.raw(key, raw.get());
        }
        guests(request, &GUESTS).for_each(|(key, raw)| out.raw(key, raw.get()));
    }))
}

/// Fields of this API that clients of OpenAI's format add to their requests, by both of their names.
const GUESTS: [(&str, &str); 2] = [("safetySettings", "safety_settings"), ("cachedContent", "cached_content")];
/// The same of its `generationConfig`.
const GUESTS_CONFIG: [(&str, &str); 4] = [
    ("imageConfig", "image_config"),
    ("speechConfig", "speech_config"),
    ("mediaResolution", "media_resolution"),
    ("audioTimestamp", "audio_timestamp"),
];
/// The same of its `thinkingConfig`.
const LEVEL: (&str, &str) = ("thinkingLevel", "thinking_level");
/// All fields of a request; it is refused with any other.
const FIELDS: [&str; 11] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "labels",
    "serviceTier",
    "modelArmorConfig",
    "model",
];
/// Where clients of OpenAI's format choose a voice.
const SPOKEN: &str = "audio";

/// Whether clients of OpenAI's format say that field for this API.
pub(super) fn is_guest(name: &str) -> bool {
    GUESTS.iter().chain(&GUESTS_CONFIG).chain([&LEVEL]).any(|(camel, snake)| name == *camel || name == *snake) || name == SPOKEN
}

/// Whether a request has a field of that name.
pub(super) fn is_own_field(name: &str) -> bool {
    FIELDS.iter().any(|field| name == *field || name == snake(field))
}

/// How much a client of OpenAI's format wants thought, in this API's words.
pub(super) fn level(request: &ChatRequest) -> Option<&RawValue> {
    let (_, raw) = guests(request, &[LEVEL]).next()?;
    Some(raw)
}

/// Those of such fields that the client said, by the names that they have here.
fn guests<'r>(request: &'r ChatRequest, known: &'r [(&'static str, &'static str)]) -> impl Iterator<Item = (&'static str, &'r RawValue)> {
    let said = |(camel, snake): &(&'static str, &'static str)| {
        let (_, raw) = request.extra.of(Dialect::OpenAiChat).iter().find(|(key, _)| key == camel || key == snake)?;
        (raw.get() != "null").then_some((*camel, &**raw))
    };
    known.iter().filter_map(said)
}

/// The voice that a client of OpenAI's format wants to hear.
fn voice(request: &ChatRequest) -> Option<&String> {
    request.voice.as_ref().filter(|_| !is_own(request))
}

/// The form that a client of OpenAI's chat wants sound in.
fn form(request: &ChatRequest) -> Option<String> {
    let (_, raw) = request.extra.of(Dialect::OpenAiChat).iter().find(|(key, _)| key == SPOKEN)?;
    Fields::nested(raw).ok()?.take("format").ok().flatten()
}

/// Samples with a head; what this API gives are the samples alone.
const WAVE: &str = "wav";
const SAMPLES: &str = "pcm16";

fn is_own(request: &ChatRequest) -> bool {
    request.extra.from() == Some(Dialect::Gemini)
}

/// Whether the client's format has a place for how likely an answer's tokens were.
fn tells_likelihoods(request: &ChatRequest) -> bool {
    matches!(request.extra.from(), Some(Dialect::Gemini | Dialect::OpenAiChat | Dialect::OpenAiResponses))
}

fn is_nested(key: &str) -> bool {
    key.starts_with(GENERATION) || key.starts_with(TOOL_CONFIG)
}

/// What changes the answer's form in ways that other dialects cannot hold passes only between Gemini's own.
fn refuse(request: &ChatRequest) -> Result<(), Unsupported> {
    if is_own(request) {
        return Ok(());
    }
    if request.sampling.logprobs == Some(true) && !tells_likelihoods(request) {
        return Err(Unsupported::new("logprobs", Dialect::Gemini, "the client's format has no place for log probabilities"));
    }
    Ok(())
}

fn note_losses(request: &ChatRequest, losses: &mut Losses) {
    let sampling = &request.sampling;
    let knobs = [
        ("min_p", sampling.min_p.is_some()),
        ("top_a", sampling.top_a.is_some()),
        ("repetition_penalty", sampling.repetition_penalty.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("parallel_tool_calls", request.parallel_tools == Some(false)),
        ("verbosity", request.verbosity.is_some()),
        ("user", request.user.is_some()),
        ("prompt_cache_key", request.cache_key.is_some()),
        ("metadata", !request.metadata.is_empty() && !is_own(request)),
        ("store", request.store == Some(true)),
        // `auto` is what Gemini does anyhow.
        ("service_tier", tier_of(request).is_none() && request.service_tier.as_deref().is_some_and(|tier| tier != "auto")),
        ("top_logprobs", sampling.top_logprobs.is_some_and(|top| top > 0) && !tells_likelihoods(request)),
    ];
    for (name, _) in knobs.iter().filter(|(_, set)| *set) {
        losses.dropped(*name);
    }
    knob::lose_marks(losses, request, Dialect::Gemini);
    if form(request).is_some_and(|form| form != SAMPLES && (form != WAVE || request.stream)) {
        losses.add("audio.format", Why::Approximated);
    }
    let guest = request.extra.from() == Some(Dialect::OpenAiChat);
    let takes = |name: &str| guest && is_guest(name) && (name != SPOKEN || voice(request).is_some());
    if !is_own(request) {
        for (key, _) in request.extra.fields().iter().filter(|(key, _)| !takes(key)) {
            losses.dropped(key.clone());
        }
    }
}

type Turns = (Vec<String>, Vec<(&'static str, Vec<String>)>);

fn write_turns(request: &ChatRequest, profile: &Profile, memo: &Memo, losses: &mut Losses) -> Result<Turns, Unsupported> {
    let signs = matches!(profile.thinking, Some(Thinking::Effort | Thinking::Adaptive)) && !is_own(request);
    let mut writer = TurnWriter::new(&memo.renamed, signs, losses);
    let mut system = Vec::new();
    for part in &request.system {
        writer.part(part, "system", &mut system)?;
    }
    let mut turns = Vec::new();
    for (at, message) in request.messages.iter().enumerate() {
        let mut parts = writer.message(message, at)?;
        match message.role {
            Role::Assistant => merge(&mut turns, "model", parts),
            Role::User => merge(&mut turns, "user", parts),
            Role::System if turns.is_empty() => system.append(&mut parts),
            Role::System => {
                // Gemini knows no instructions in the middle of a conversation.
                writer.losses.add(format!("messages[{at}].role"), Why::Approximated);
                merge(&mut turns, "user", parts);
            }
        }
    }
    if turns.is_empty() && !system.is_empty() {
        // A request needs at least one turn.
        losses.add("messages[0].role", Why::Approximated);
        turns.push(("user", std::mem::take(&mut system)));
    } else if turns.is_empty() && !is_own(request) {
        losses.add("messages", Why::Approximated);
        turns.push(("user", vec![EMPTY.to_owned()]));
    }
    Ok((system, turns))
}

/// New names for tools whose own Gemini refuses: a letter or `_`, then letters, digits and `_.:-`, 64 at most.
fn rename_tools(request: &ChatRequest) -> Vec<(String, String)> {
    let mut renamed: Vec<(String, String)> = Vec::new();
    let names = request.tools.iter().filter_map(|tool| if let Tool::Function(function) = tool { Some(&function.name) } else { None });
    let taken: Vec<&String> = names.clone().collect();
    for name in names {
        let valid = |at: usize, letter: char| match letter {
            'a'..='z' | 'A'..='Z' | '_' => true,
            '0'..='9' | '.' | ':' | '-' => at > 0,
            _ => false,
        };
        if name.len() <= MAX_NAME && name.chars().enumerate().all(|(at, letter)| valid(at, letter)) {
            continue;
        }
        let clean: String = name.chars().map(|letter| if valid(1, letter) { letter } else { '_' }).collect();
        let start = if clean.starts_with(|letter| valid(0, letter)) { "" } else { "_" };
        let stem: String = format!("{start}{clean}").chars().take(MAX_NAME - 4).collect();
        let free = |sent: &String| !taken.contains(&sent) && !renamed.iter().any(|(known, _)| known == sent);
        let sent = std::iter::once(stem.clone()).chain((2..1000).map(|count| format!("{stem}_{count}"))).find(free);
        renamed.push((sent.unwrap_or(stem), name.clone()));
    }
    renamed
}

fn sent_name<'a>(memo: &'a Memo, name: &'a str) -> &'a str {
    memo.renamed.iter().find(|(_, own)| own == name).map_or(name, |(sent, _)| sent.as_str())
}

fn write_tools(request: &ChatRequest, memo: &Memo, losses: &mut Losses) -> Result<Vec<String>, Unsupported> {
    let mut functions = Vec::new();
    let mut hosted = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => functions.push(write_function(function, at, memo, losses)),
            Tool::Hosted(tool) => hosted.push(write_hosted(tool, at, losses)?),
            Tool::Custom { name, .. } => {
                let why = format!("the tool `{name}` takes free text");
                return Err(Unsupported::new(format!("tools[{at}]"), Dialect::Gemini, why));
            }
        }
    }
    if !functions.is_empty() {
        let declarations = format!("{{\"functionDeclarations\":[{}]}}", functions.join(","));
        hosted.insert(0, declarations);
    }
    Ok(hosted)
}

fn write_function(function: &Function, at: usize, memo: &Memo, losses: &mut Losses) -> String {
    if function.strict == Some(true) {
        losses.dropped(format!("tools[{at}].function.strict"));
    }
    if function.extra.from() != Some(Dialect::Gemini) {
        for (key, _) in function.extra.fields() {
            losses.dropped(format!("tools[{at}].{key}"));
        }
    }
    let as_sent = function.extra.of(Dialect::Gemini).iter().any(|(key, _)| key == "parameters");
    let bytes = json::object(|out| {
        out.field("name", sent_name(memo, &function.name));
        out.option("description", function.description.as_ref());
        if let Some(parameters) = function.parameters.as_ref().filter(|_| !as_sent) {
            out.raw("parametersJsonSchema", schema::to_gemini(parameters).get());
        }
        out.extra(&function.extra, Dialect::Gemini);
    });
    String::from_utf8(bytes).unwrap_or_else(|_| "{}".to_owned())
}

/// A tool that the provider runs. What others call web search, page fetching and code execution Google has too, without their knobs.
fn write_hosted(tool: &Hosted, at: usize, losses: &mut Losses) -> Result<String, Unsupported> {
    if tool.from == Dialect::Gemini {
        return Ok(tool.raw.get().to_owned());
    }
    if tool.from == Dialect::OpenAiChat
        && let Some((camel, _)) = TOOLS.iter().find(|(camel, snake)| tool.kind == *camel || tool.kind == *snake)
        && let Some(value) = Fields::nested(&tool.raw).ok().and_then(|mut fields| fields.take_raw(&tool.kind))
    {
        return Ok(format!("{{\"{camel}\":{}}}", value.get()));
    }
    let key = match tool.kind.as_str() {
        kind if kind.starts_with("web_search") => "googleSearch",
        kind if kind.starts_with("web_fetch") => "urlContext",
        kind if kind.starts_with("code_execution") || kind == "code_interpreter" => "codeExecution",
        kind => {
            let why = format!("Google runs no tool of the type `{kind}`");
            return Err(Unsupported::new(format!("tools[{at}]"), Dialect::Gemini, why));
        }
    };
    losses.add(format!("tools[{at}]"), Why::Approximated);
    Ok(format!("{{\"{key}\":{{}}}}"))
}

fn write_tool_config(request: &ChatRequest, memo: &Memo, out: &mut Object<'_>) {
    let kept: Vec<_> =
        request.extra.of(Dialect::Gemini).iter().filter_map(|(key, raw)| Some((key.strip_prefix(TOOL_CONFIG)?, raw))).collect();
    let as_sent = kept.iter().any(|(key, _)| *key == "functionCallingConfig");
    let names = |names: &[String]| -> Vec<String> { names.iter().map(|name| sent_name(memo, name).to_owned()).collect() };
    // Without tools of the client's there is nothing to choose from.
    let callable = request.tools.iter().any(|tool| matches!(tool, Tool::Function(_))) || is_own(request);
    let choice = match &request.tool_choice {
        _ if as_sent || !callable => None,
        None => None,
        Some(ToolChoice::Auto) => Some(("AUTO", Vec::new())),
        Some(ToolChoice::None) => Some(("NONE", Vec::new())),
        Some(ToolChoice::Required) => Some(("ANY", Vec::new())),
        Some(ToolChoice::Tool(name)) => Some(("ANY", names(std::slice::from_ref(name)))),
        Some(ToolChoice::Among(list, true)) => Some(("ANY", names(list))),
        Some(ToolChoice::Among(list, false)) => Some(("VALIDATED", names(list))),
    };
    if choice.is_none() && kept.is_empty() {
        return;
    }
    out.object("toolConfig", |out| {
        if let Some((mode, names)) = &choice {
            out.object("functionCallingConfig", |out| {
                out.field("mode", mode);
                out.option("allowedFunctionNames", Some(names).filter(|names| !names.is_empty()));
            });
        }
        kept.iter().for_each(|(key, raw)| out.raw(key, raw.get()));
    });
}

fn write_generation(request: &ChatRequest, profile: &Profile, losses: &mut Losses, out: &mut Object<'_>) {
    let sampling = &request.sampling;
    if profile.sampling == Some(false) {
        let knobs = [("temperature", &sampling.temperature), ("top_p", &sampling.top_p), ("top_k", &sampling.top_k)];
        knobs.iter().filter(|(_, value)| value.is_some()).for_each(|(name, _)| losses.dropped(*name));
    } else {
        out.option("temperature", sampling.temperature.as_ref());
        out.option("topP", sampling.top_p.as_ref());
        out.option("topK", sampling.top_k.as_ref());
    }
    out.option("maxOutputTokens", request.max_output_tokens);
    let most = profile.max_stop.unwrap_or(MAX_STOP);
    if sampling.stop.len() > most {
        losses.add("stop", Why::Clamped);
    }
    let stop: Vec<&String> = sampling.stop.iter().take(most).collect();
    out.option("stopSequences", Some(stop).filter(|stop| !stop.is_empty()));
    out.option("seed", sampling.seed.as_ref());
    out.option("presencePenalty", sampling.presence_penalty.as_ref());
    out.option("frequencyPenalty", sampling.frequency_penalty.as_ref());
    out.option("candidateCount", sampling.n.filter(|n| is_own(request) || *n > 1));
    if tells_likelihoods(request) {
        let likely = sampling.top_logprobs.is_some_and(|top| top > 0 && !is_own(request)).then_some(true);
        out.option("responseLogprobs", sampling.logprobs.or(likely));
        out.option("logprobs", sampling.top_logprobs);
    }
    let modalities: Vec<String> = request.modalities.iter().map(|name| name.to_ascii_uppercase()).collect();
    out.option("responseModalities", Some(modalities).filter(|list| !list.is_empty()));
    write_output(request, profile, losses, out);
    write_thinking(request, profile, losses, out);
    guests(request, &GUESTS_CONFIG).for_each(|(key, raw)| out.raw(key, raw.get()));
    if let Some(voice) = voice(request).filter(|_| guests(request, &GUESTS_CONFIG).all(|(key, _)| key != "speechConfig")) {
        let named = serde_json::json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}});
        out.field("speechConfig", &named);
    }
    let own = request.extra.of(Dialect::Gemini).iter();
    for (key, raw) in own.filter_map(|(key, raw)| Some((key.strip_prefix(GENERATION)?, raw))) {
        if !key.starts_with(&THINKING[GENERATION.len()..]) {
            out.raw(key, raw.get());
        }
    }
}

fn write_output(request: &ChatRequest, profile: &Profile, losses: &mut Losses, out: &mut Object<'_>) {
    let has = |key: &str| request.extra.of(Dialect::Gemini).iter().any(|(known, _)| known.strip_prefix(GENERATION) == Some(key));
    if matches!(request.output, OutputFormat::Text) || has("responseMimeType") {
        return;
    }
    out.text("responseMimeType", "application/json");
    let OutputFormat::JsonSchema(sent) = &request.output else { return };
    if has("responseSchema") {
        return;
    }
    if profile.json_schema == Some(false) {
        return losses.add("response_format.json_schema", Why::Approximated);
    }
    out.raw("responseJsonSchema", schema::to_gemini(&described(sent)).get());
}

/// The tier in Gemini's words, where it has some. Its own clients may know one that is new.
fn tier_of(request: &ChatRequest) -> Option<&str> {
    let name = request.service_tier.as_deref()?;
    tier::among(&TIERS, name).or(Some(name).filter(|_| is_own(request)))
}
