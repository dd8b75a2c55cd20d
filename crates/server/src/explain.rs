//! `POST /v1/route/explain`: where a request would go, and why. Nothing is sent there.

use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use serde_json::{Number, Value, json};
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::catalog::PicoUsd;
use switchboard_engine::classify::Dimension;
use switchboard_engine::route::hooks::Advice;
use switchboard_engine::route::{Exclusion, Plan, Target};
use switchboard_engine::smart::{Reading, Smart};
use switchboard_engine::wire::Dialect;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::problem::{Kind, Problem};

use crate::answered::{Answered, document};
use crate::app::App;
use crate::ask;
use crate::auth::Caller;
use crate::draft::Draft;
use crate::edge::RequestBody;
use crate::refusal::{Refusal, body_refusal, shown};

/// The forms a body may have, by the names that `?format=` takes.
const FORMATS: [(&str, Dialect); 9] = [
    ("openai", Dialect::OpenAiChat),
    ("openai-chat", Dialect::OpenAiChat),
    ("chat", Dialect::OpenAiChat),
    ("completions", Dialect::OpenAiCompletions),
    ("openai-responses", Dialect::OpenAiResponses),
    ("responses", Dialect::OpenAiResponses),
    ("anthropic", Dialect::Anthropic),
    ("messages", Dialect::Anthropic),
    ("gemini", Dialect::Gemini),
];

/// Explains one request.
pub(crate) async fn answer(
    app: &App,
    parts: Parts,
    body: RequestBody,
    (door, caller, received): (Door, Arc<Caller>, Instant),
) -> Result<Answered, Refusal> {
    let told = |problem: Problem| Refusal { error: problem.into(), dialect: door.dialect, flavor: door.flavor };
    let (frames, _drawn) = body.collect().await.map_err(|error| body_refusal(&error, &door))?.into_parts();
    let frames: Frames = frames.into_iter().collect();
    let outline = Outline::scan(&frames).map_err(|malformed| told(malformed.into()))?;
    let query = |name: &str| parts.uri.query().and_then(|query| crate::query::value(query, name));
    let dialect = match query("format") {
        Some(name) => named(&name).map_err(told)?,
        None => shape(&outline, &parts),
    };
    let door = Door { dialect, shape: if dialect == Dialect::Gemini { "gemini" } else { door.shape }, ..door };
    // Gemini's bodies name no model; its paths do.
    let path_model = query("model").or_else(|| outline.read(&frames, "model").ok().flatten()).filter(|_| dialect == Dialect::Gemini);
    let (principal, path_stream) = (caller.principal.clone(), path_model.as_ref().map(|_| false));
    let draft = Draft { door, principal, headers: parts.headers, path_stream, path_model, received };
    let call = draft.call(frames, app).map_err(told)?;
    let call = ask::named(call, &caller, app).await.map_err(|refused| shown(refused, &door))?;
    let call = ask::engaged(call, &caller, app).await.map_err(|refused| shown(refused, &door))?;
    let plan = app.gateway.explain(&call).await;
    let plan = plan.map_err(|error| Refusal { error, dialect: door.dialect, flavor: door.flavor })?;
    let fallbacks = app.gateway.explain_fallbacks(&call, &plan).await;
    Ok(document(&explanation(&call, &plan, &fallbacks)))
}

fn named(name: &str) -> Result<Dialect, Problem> {
    let found = FORMATS.iter().find(|(known, _)| *known == name);
    found.map(|(_, dialect)| *dialect).ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|(known, _)| *known).collect();
        Problem::new(Kind::BadRequest, format!("`format` must be one of: {}", names.join(", "))).with_param("format")
    })
}

/// The form that a body is in, by the fields that only one form has.
fn shape(outline: &Outline, parts: &Parts) -> Dialect {
    let has = |key: &str| outline.get(key).is_some();
    if has("contents") {
        Dialect::Gemini
    } else if !has("messages") && has("input") {
        Dialect::OpenAiResponses
    } else if !has("messages") && has("prompt") {
        Dialect::OpenAiCompletions
    } else if has("system") || has("stop_sequences") || has("thinking") || parts.headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAiChat
    }
}

fn explanation(call: &Call, plan: &Plan, fallbacks: &[(&str, String, Plan)]) -> Value {
    debug_assert!(matches!(call.content, Content::Json(_)), "a form is not explained");
    let advice = plan.advice.as_deref();
    // What decided, where something did; else what would have, had it been asked.
    let reading = Smart::read(call);
    let told = reading.as_ref();
    let mut explained = json!({
        "model": &*plan.group,
        "tier": advice.and_then(|advice| advice.tier).or_else(|| Some(told?.complexity.tier.name())),
        "classes": advice.and_then(|advice| advice.classes.as_ref()).or_else(|| Some(&told?.classes)),
        "classify_us": told.map(|reading| reading.classify_us),
        "score": told.map(|reading| rounded(reading.complexity.score)),
        "features": told.map(features),
        "strategy": advice.and_then(|advice| advice.strategy).unwrap_or(plan.strategy),
        "order": plan.targets.iter().map(target).collect::<Vec<_>>(),
        "excluded": plan.excluded.iter().map(exclusion).collect::<Vec<_>>(),
    });
    // Said of those requests alone whose model was chosen for them.
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            explained[name] = value;
        }
    };
    let further = |(kind, model, plan): &(&str, String, Plan)| {
        let order = plan.targets.iter().map(target).collect::<Vec<_>>();
        let excluded = plan.excluded.iter().map(exclusion).collect::<Vec<_>>();
        json!({"model": model, "kind": kind, "order": order, "excluded": excluded})
    };
    add("fallbacks", (!fallbacks.is_empty()).then(|| fallbacks.iter().map(further).collect()));
    add("classified_by", advice.and_then(|advice| advice.told_by).map(Value::from));
    add("savings", advice.and_then(|advice| savings(advice, plan)));
    let trial = advice.and_then(|advice| advice.trial.as_ref());
    add("experiment", trial.map(|trial| json!({"name": &*trial.experiment, "arm": &*trial.arm})));
    explained
}

/// What the reference would cost, and what is saved against it.
fn savings(advice: &Advice, plan: &Plan) -> Option<Value> {
    let reference = advice.reference.as_ref()?;
    let saved = advice.reference_cost.zip(plan.targets.first().and_then(|target| target.expected_cost));
    let number = |cost: PicoUsd| serde_json::from_str::<Number>(&cost.to_string()).ok();
    Some(json!({
        "reference_model": reference.spec.group,
        "reference_cost_usd": advice.reference_cost.and_then(number),
        "expected_saving_usd": saved.and_then(|(reference, cost)| number(PicoUsd(reference.0 - cost.0))),
    }))
}

/// What the score is made of.
fn features(reading: &Reading) -> Value {
    let share = |(dimension, share): &(Dimension, f32)| (dimension.name().to_owned(), rounded(*share));
    Value::Object(reading.complexity.features.iter().map(share).collect())
}

fn rounded(share: f32) -> Value {
    json!((f64::from(share) * 1000.0).round() / 1000.0)
}

fn target(target: &Target) -> Value {
    let spec = &target.deployment.spec;
    // As written: a float would not be the price.
    let cost = target.expected_cost.and_then(|cost| serde_json::from_str::<Number>(&cost.to_string()).ok());
    let latency = target.expected_latency.and_then(|latency| Number::from_f64(latency.as_micros() as f64 / 1000.0));
    json!({
        "deployment": spec.id,
        "model": spec.model,
        "provider": spec.provider,
        "expected_cost_usd": cost,
        "expected_latency_ms": latency,
    })
}

fn exclusion(exclusion: &Exclusion) -> Value {
    let reasons: Vec<&str> = exclusion.reasons.iter().map(|reason| reason.as_str()).collect();
    json!({"deployment": exclusion.deployment.spec.id, "reasons": reasons})
}
