//! Chats that may be written in either of OpenAI's forms and are answered in the older one, as Cursor writes and reads them.
//!
//! A body with `input` is read in the newer form and written in the older one. Tools and the choice among them may be in either form,
//! each for itself. The name of a model that nobody knows may end in how hard it is to think.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use switchboard_engine::call::Door;
use switchboard_engine::wire::Dialect;
use switchboard_engine::wire::control::is_steering;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::half::{Head, Profile};
use switchboard_engine::wire::outline::{Edits, Outline};
use switchboard_engine::wire::prepare::{Route, Source, prepare};
use switchboard_engine::wire::problem::Problem;
use switchboard_engine::wire::seal::OPENAI;

use super::EITHER;
use crate::app::App;

/// What stands in a tool, beside its type.
const TOOLS: [(&str, &[&str]); 2] =
    [("custom", &["name", "description", "format"]), ("function", &["name", "description", "parameters", "strict"])];
/// What stands in a grammar.
const GRAMMAR: [&str; 2] = ["definition", "syntax"];
/// How a model's name says how hard it is to think, and that it is to be quick.
const THINKING: &str = "-thinking-";
const QUICK: &str = "-fast";
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "default"];

/// The request in the form in which it is answered; any other door's as it is.
pub(super) fn settled(door: &mut Door, body: Frames, outline: Outline, app: &App) -> Result<(Frames, Outline), Problem> {
    if door.shape != EITHER {
        return Ok((body, outline));
    }
    door.shape = "openai";
    let turns = outline.read::<Vec<IgnoredAny>>(&body, "messages").ok().flatten();
    let older = turns.is_some_and(|turns| !turns.is_empty()) || outline.get("input").is_none();
    let mut edits = Edits::default();
    if let Some(Value::Array(tools)) = outline.read(&body, "tools")? {
        let tools = tools.into_iter().map(|tool| in_form(tool, older)).collect();
        edits.set.push(("tools".to_owned(), Value::Array(tools).to_string()));
    }
    if let Some(choice @ Value::Object(_)) = outline.read(&body, "tool_choice")? {
        edits.set.push(("tool_choice".to_owned(), in_form(choice, older).to_string()));
    }
    named(&mut edits, (&body, &outline), older, app)?;
    let body = outline.apply(&body, &edits);
    let outline = Outline::scan(&body)?;
    if older {
        return Ok((body, outline));
    }
    let body = translated(&body, &outline)?;
    let outline = Outline::scan(&body)?;
    Ok((body, outline))
}

/// The newer form in the older one. What steers the gateway, and how usage is told, stays as it is.
fn translated(body: &Frames, outline: &Outline) -> Result<Frames, Problem> {
    const KEPT: [&str; 3] = ["stream_options", "metadata", "user"];
    // An empty conversation in the older form is no part of the newer one.
    let bare = outline.apply(body, &Edits { remove: vec!["messages".to_owned()], ..Edits::default() });
    let is_kept = |key: &str| KEPT.contains(&key) || is_steering(Dialect::OpenAiChat, key);
    let mut set = Vec::new();
    for entry in outline.entries().iter().filter(|entry| is_kept(&entry.key)) {
        let raw = body.slice(entry.value.start, entry.value.end);
        set.push((entry.key.clone().into_owned(), String::from_utf8_lossy(&raw).into_owned()));
    }
    // It is OpenAI's own form that is written: what it has no words for is for the target to say.
    let profile = Profile { vendor: Some(OPENAI.to_owned()), ..Profile::default() };
    let edits = Edits { set, ..Edits::default() };
    let route = Route {
        from: Dialect::OpenAiResponses,
        to: Dialect::OpenAiChat,
        profile: &profile,
        edits: &edits,
        laid: &[],
        fitted: false,
        lenient: false,
    };
    Ok(prepare(&route, &Head::default(), &Source::Bytes(&bare, &Outline::scan(&bare)?))?.body)
}

/// A tool, or the choice of one, in the older or the newer form.
fn in_form(tool: Value, older: bool) -> Value {
    let Some((kind, keys)) = TOOLS.into_iter().find(|(kind, _)| tool["type"] == *kind) else { return tool };
    let said = |key: &str| Some(tool[kind].get(key).or_else(|| tool.get(key))?.clone());
    let fields = keys.iter().filter_map(|key| {
        let value = said(key)?;
        Some(((*key).to_owned(), if *key == "format" { grammar(value, older) } else { value }))
    });
    let mut fields: Map<String, Value> = fields.collect();
    if !fields.contains_key("name") {
        return tool;
    }
    if older {
        return serde_json::json!({"type": kind, kind: fields});
    }
    fields.insert("type".to_owned(), kind.into());
    Value::Object(fields)
}

/// What free text must be like, in the older or the newer form.
fn grammar(format: Value, older: bool) -> Value {
    const KIND: &str = "grammar";
    if format["type"] != KIND {
        return format;
    }
    let said = |key: &str| Some((key.to_owned(), format[KIND].get(key).or_else(|| format.get(key))?.clone()));
    let mut fields: Map<String, Value> = GRAMMAR.into_iter().filter_map(said).collect();
    if older {
        return serde_json::json!({"type": KIND, KIND: fields});
    }
    fields.insert("type".to_owned(), KIND.into());
    Value::Object(fields)
}

/// Replaces a name that only Cursor knows, and says beside it what that told.
fn named(edits: &mut Edits, (body, outline): (&Frames, &Outline), older: bool, app: &App) -> Result<(), Problem> {
    let Some(model) = outline.read::<String>(body, "model")? else { return Ok(()) };
    let fleet = app.gateway.fleet();
    let is_known = |name: &str| fleet.find(name).is_some();
    let plain = model.strip_suffix(QUICK).unwrap_or(&model);
    let thinking = plain.rsplit_once(THINKING).filter(|(base, effort)| !base.is_empty() && EFFORTS.contains(effort));
    let (base, effort) = thinking.map_or((plain, None), |(base, effort)| (base, Some(effort)));
    if base == model || is_known(&model) || !is_known(base) {
        return Ok(());
    }
    let text = |text: &str| Value::from(text).to_string();
    edits.set.push(("model".to_owned(), text(base)));
    let Some(effort) = effort else { return Ok(()) };
    if older {
        edits.default.push(("reasoning_effort".to_owned(), text(effort)));
        return Ok(());
    }
    let mut reasoning: Map<String, Value> = outline.read(body, "reasoning").ok().flatten().unwrap_or_default();
    reasoning.entry("effort").or_insert_with(|| effort.into());
    edits.set.push(("reasoning".to_owned(), Value::Object(reasoning).to_string()));
    Ok(())
}
