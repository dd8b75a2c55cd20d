//! Automatic models and rules on content over deployments that are never called.

mod models;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::outline::Outline;
use switchboard_wire::{Dialect, Operation};

use super::{AutoModel, Ceiling, Choice, ContentRule, Settings, Smart};
use crate::call::{Call, Content, Door};
use crate::catalog::{Auth, Catalog, Rate};
use crate::classify::Tier;
use crate::deployment::{Deployment, Spec};
use crate::principal::Principal;
use crate::route::hooks::{Advice, Advisor, Hooks};
use crate::route::{Fleet, Names};
use crate::sign::{self, Signer};
use crate::upstream::Origin;

const PROOF: &str = "Prove that there are infinitely many prime numbers.";
const HELLO: &str = "Hello!";

fn deployment(name: &str, usd: &str, labels: &[&str]) -> Deployment {
    let each = format!("{usd}e-6");
    let mut spec = Spec {
        id: format!("{name}-id"),
        group: name.to_owned(),
        provider: "openai".to_owned(),
        model: format!("up-{name}"),
        base: Some("http://localhost:9/v1".to_owned()),
        prices: vec![("input_cost_per_token".to_owned(), each.clone()), ("output_cost_per_token".to_owned(), each)],
        ..Spec::default()
    };
    spec.traits.labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let signer = |_: &Auth, origin: &Origin| Ok(Arc::new(Signer::new(origin.clone(), sign::Auth::None)));
    Deployment::build(spec, Catalog::embedded(), &|_| None, &signer).expect("a deployment")
}

/// Four models of rising prices, the second of which runs here.
fn fleet() -> Fleet {
    let all = vec![
        deployment("tiny", "1", &[]),
        deployment("small", "2", &["local"]),
        deployment("big", "8", &[]),
        deployment("huge", "30", &[]),
    ];
    Fleet::new(all, Names::default(), Box::new(|_, _| None))
}

fn call_of(door: Door, body: &Value) -> Call {
    let body_bytes = Frames::from(Bytes::from(body.to_string()));
    let outline = Outline::scan(&body_bytes).expect("an object");
    Call {
        id: "call".to_owned(),
        door,
        principal: Arc::new(Principal::named("k")),
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        model_in_path: false,
        stream: false,
        headers: HeaderMap::new(),
        body: body_bytes,
        content: Content::Json(outline),
        strict: false,
        lenient: false,
        received: Instant::now(),
        created: 0,
        mentioned: Default::default(),
        laid: Default::default(),
    }
}

const CHAT: Door = Door { operation: Operation::Chat, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false };

fn ask(model: &str, text: &str, extra: &Value) -> Call {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    call_of(CHAT, &body)
}

fn auto() -> AutoModel {
    AutoModel { names: vec!["auto".to_owned()], ..AutoModel::default() }
}

fn smart(auto: AutoModel) -> Smart {
    Smart::new(Settings { auto: vec![auto], content: Vec::new() }, &fleet())
}

fn advise(smart: &Smart, call: &Call) -> Advice {
    smart.advise(call, &call.model, Instant::now()).expect("advice").expect("some")
}

fn model(smart: &Smart, call: &Call) -> String {
    advise(smart, call).choices.remove(0).model
}

fn choices(names: &[&str]) -> Vec<Choice> {
    names.iter().map(|name| Choice { model: (*name).to_owned(), params: Vec::new() }).collect()
}

#[test]
fn says_nothing_of_requests_that_ask_for_nothing() {
    let smart = smart(auto());
    assert!(smart.advise(&ask("tiny", PROOF, &json!({})), "tiny", Instant::now()).expect("advice").is_none());
}

#[test]
fn tiers_follow_from_prices_where_nobody_says() {
    let smart = smart(auto());
    let of = |text: &str| model(&smart, &ask("auto", text, &json!({})));
    assert_eq!(of(HELLO), "tiny");
    assert_eq!(of("Explain how photosynthesis works."), "small");
    assert_eq!(
        of("Design a scalable microservice architecture for an online shop with payments, authentication and disaster recovery."),
        "big"
    );
    assert_eq!(of(PROOF), "huge");
}

#[test]
fn configured_models_come_first_and_neighbours_stand_in() {
    let mut auto = auto();
    auto.tiers = [
        choices(&["small"]),
        Vec::new(),
        Vec::new(),
        vec![Choice { model: "big".to_owned(), params: vec![("reasoning_effort".to_owned(), "\"high\"".to_owned())] }],
    ];
    let smart = smart(auto);
    assert_eq!(model(&smart, &ask("auto", HELLO, &json!({}))), "small");
    // Nothing for standard: rather more than less.
    let advice = advise(&smart, &ask("auto", "Explain how photosynthesis works.", &json!({})));
    assert_eq!((advice.tier, &*advice.choices[0].model), (Some("standard"), "big"));
    assert_eq!(advice.choices[0].params, [("reasoning_effort".to_owned(), "\"high\"".to_owned())]);
    let fleet = fleet().with_hooks(Hooks { advisor: Some(Arc::new(smart)), ..Hooks::default() });
    let plan = fleet.plan(&ask("auto", PROOF, &json!({}))).expect("a plan");
    assert_eq!((&*plan.group, plan.targets.len()), ("big", 1));
    assert_eq!(plan.targets[0].overrides.as_ref().map(|overrides| overrides.params.len()), Some(1));
    assert_eq!(plan.advice.and_then(|advice| advice.tier), Some("reasoning"));
}

#[test]
fn a_conversation_rises_and_does_not_fall_back() {
    let smart = smart(auto());
    let now = Instant::now();
    let session = json!({"session_id": "s1"});
    let tier = |text: &str, at: Instant| smart.advise(&ask("auto", text, &session), "auto", at).expect("advice").expect("some").tier;
    assert_eq!(tier(HELLO, now), Some("simple"));
    assert_eq!(tier(PROOF, now), Some("reasoning"));
    assert_eq!(tier(HELLO, now + Duration::from_secs(60)), Some("reasoning"));
    assert_eq!(tier(HELLO, now + Duration::from_secs(60 + 3600)), Some("simple"));
    let other = ask("auto", HELLO, &json!({"session_id": "s2"}));
    assert_eq!(advise(&smart, &other).tier, Some("simple"));
}

#[test]
fn conversations_are_told_by_what_was_said_in_them_and_not_by_how_they_began() {
    let smart = smart(auto());
    let tier = |turns: &[&str]| {
        let role = |at: usize| if at.is_multiple_of(2) { "user" } else { "assistant" };
        let messages: Vec<Value> = turns.iter().enumerate().map(|(at, text)| json!({"role": role(at), "content": text})).collect();
        let body = json!({"model": "auto", "prompt_cache_key": "the-app", "messages": messages});
        advise(&smart, &call_of(CHAT, &body)).tier.expect("a tier")
    };
    assert_eq!(tier(&[HELLO]), "simple");
    assert_eq!(tier(&[HELLO, "Hi!", PROOF]), "reasoning");
    assert_eq!(tier(&[HELLO, "Hi!", PROOF, "It is so.", "Thanks!"]), "reasoning", "it goes on");
    assert_eq!(tier(&[HELLO]), "simple", "another that begins alike");
    assert_eq!(tier(&[HELLO, "Hi!", "What is the capital of Peru?"]), "simple");
    assert_eq!(tier(&[HELLO, "Hi!", PROOF, "It is so.", "Thanks!", "Welcome.", "What is the capital of Peru?"]), "reasoning");
    // What a client marks for caches on the way changes nothing.
    let marked = json!([{"type": "text", "text": PROOF, "cache_control": {"type": "ephemeral"}}]);
    let turns =
        json!([{"role": "user", "content": marked}, {"role": "assistant", "content": "So."}, {"role": "user", "content": "Thanks!"}]);
    assert_eq!(tier(&[PROOF]), "reasoning");
    assert_eq!(advise(&smart, &call_of(CHAT, &json!({"model": "auto", "messages": turns}))).tier, Some("reasoning"));
    let by_session = Smart::new(Settings { auto: vec![AutoModel { by_session: true, ..auto() }], content: Vec::new() }, &fleet());
    assert_eq!(advise(&by_session, &ask("auto", PROOF, &json!({}))).tier, Some("reasoning"));
    assert_eq!(advise(&by_session, &call_of(CHAT, &json!({"model": "auto", "messages": turns}))).tier, Some("simple"));
}

#[test]
fn everything_that_leaves_is_looked_at() {
    let mail = "a.bee@example.com";
    let told = |extra: &Value| {
        let call = ask("m", HELLO, extra);
        Smart::read(&call).expect("a reading").classes
    };
    let encoded = "a.bee@example.com".bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    for extra in [
        json!({"prediction": {"type": "content", "content": mail}}),
        json!({"tools": [{"type": "function", "function": {"name": "f", "description": mail, "parameters": {"type": "object"}}}]}),
        json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"to": {"enum": [mail]}}}}}]}),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"description": mail}}}}),
        json!({"stop": [mail]}),
        json!({"user": mail}),
        json!({"metadata": {"who": mail}}),
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "to a.bee@"}, {"type": "text", "text": "example.com"}]}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": format!("https://x.example/?to={encoded}")}}]}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "file", "file":
            {"filename": "a.txt", "file_data": "data:text/plain;base64,YS5iZWVAZXhhbXBsZS5jb20="}}]}]}),
        json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function",
            "function": {"name": "f", "arguments": "{\"to\": \"a.bee\\u0040example.com\"}"}}]}, {"role": "user", "content": "hi"}]}),
    ] {
        assert_eq!(told(&extra), ["email"], "{extra}");
    }
    let card =
        json!({"type": "tool_use", "id": "1", "name": "pay", "input": {"password": "Sommer2024!x", "card": 4_111_111_111_111_111_u64}});
    let body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "content": [card]}, {"role": "user", "content": "hi"}]});
    let call = call_of(Door { dialect: Dialect::Anthropic, ..CHAT }, &body);
    assert_eq!(Smart::read(&call).expect("a reading").classes, ["credit_card", "secret"]);
    assert!(told(&json!({"api_key": "sk-proj-4f8Kq0ZtR7yB2nWm9xLd3VcP6sHj1GaE"})).is_empty(), "what opens a provider's door is no content");
}

#[test]
fn callers_and_operators_bound_the_choice() {
    let plugin = |fields: Value| {
        let mut plugin = json!({"id": "auto-router"});
        plugin.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"plugins": [plugin]})
    };
    let free = smart(auto());
    assert_eq!(model(&free, &ask("auto", PROOF, &plugin(json!({"allowed_models": ["openai/up-s*", "tiny"]})))), "small");
    assert_eq!(model(&free, &ask("auto", PROOF, &plugin(json!({"excluded_models": ["hu*"]})))), "big");
    assert_eq!(model(&free, &ask("auto", PROOF, &plugin(json!({"cost_tier": "low"})))), "tiny");
    let none = ask("auto", PROOF, &plugin(json!({"allowed_models": ["nobody/*"]})));
    let error = free.advise(&none, "auto", Instant::now()).expect_err("nothing matches");
    assert_eq!(error.problem.status().as_u16(), 404);
    let bound = smart(AutoModel { ceiling: Ceiling { prompt: Rate::parse_scaled("8", -6).ok(), answer: None }, ..auto() });
    assert_eq!(model(&bound, &ask("auto", PROOF, &json!({}))), "big");
    let mut call = ask("auto", PROOF, &json!({}));
    call.principal = Arc::new(Principal { allowed: vec!["auto".to_owned()], ..Principal::named("k") });
    assert_eq!(model(&free, &call), "huge", "who may use the name may use what it stands for");
    call.principal = Arc::new(Principal { allowed: vec!["t*".to_owned(), "s*".to_owned()], ..Principal::named("k") });
    assert_eq!(model(&free, &call), "small");
}

#[test]
fn words_decide_where_the_operator_says_so() {
    let smart = smart(AutoModel { words: vec![(vec!["Escalate".to_owned()], Tier::Reasoning)], ..auto() });
    assert_eq!(model(&smart, &ask("auto", "please escalate: hi", &json!({}))), "huge");
}

#[test]
fn a_real_model_of_that_name_goes_first() {
    let mut all = vec![deployment("auto", "1", &[])];
    all.push(deployment("big", "8", &[]));
    let fleet = Fleet::new(all, Names::default(), Box::new(|_, _| None));
    let smart = Smart::new(Settings { auto: vec![auto()], content: Vec::new() }, &fleet);
    let call = ask("auto", PROOF, &json!({}));
    assert!(smart.advise(&call, "auto", Instant::now()).expect("advice").is_none());
    let explicit = Smart::new(Settings { auto: vec![AutoModel { explicit: true, ..auto() }], content: Vec::new() }, &fleet);
    assert_eq!(model(&explicit, &call), "big");
}

#[test]
fn content_goes_only_where_it_may() {
    let rules = vec![
        ContentRule { classes: vec!["medical".to_owned(), "credit_card".to_owned()], labels: vec!["local".to_owned(), "hipaa".to_owned()] },
        ContentRule { classes: vec!["*".to_owned()], labels: vec!["local".to_owned()] },
    ];
    let all = || vec![deployment("m", "1", &["hipaa"]), deployment("m", "2", &["local"])];
    let fleet = Fleet::new(all(), Names::default(), Box::new(|_, _| None));
    let smart = Smart::new(Settings { auto: Vec::new(), content: rules }, &fleet);
    let fleet = fleet.with_hooks(Hooks { advisor: Some(Arc::new(smart)), ..Hooks::default() });
    let plan = fleet.plan(&ask("m", "My card number is 4111 1111 1111 1111.", &json!({}))).expect("a plan");
    assert_eq!(plan.targets.len(), 1);
    assert_eq!(plan.targets[0].deployment.spec.traits.labels, ["local"]);
    assert_eq!(plan.excluded[0].reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>(), ["content_class"]);
    assert_eq!(plan.advice.and_then(|advice| advice.classes), Some(vec!["credit_card"]));
    let plan = fleet.plan(&ask("m", "What is the capital of Peru?", &json!({}))).expect("a plan");
    assert_eq!((plan.targets.len(), plan.excluded.len()), (2, 0));
}

#[test]
fn every_dialect_is_read_and_what_programs_add_is_not() {
    let told = |dialect: Dialect, body: Value| {
        let reading = Smart::read(&Call { model_in_path: dialect == Dialect::Gemini, ..call_of(Door { dialect, ..CHAT }, &body) })
            .expect("a reading");
        (reading.complexity.tier, reading.classes)
    };
    let mail = "Write to anna@example.org";
    assert_eq!(
        told(
            Dialect::Anthropic,
            json!({"model": "m", "max_tokens": 9, "system": mail, "messages": [
            {"role": "user", "content": [{"type": "text", "text": PROOF}, {"type": "text", "text": "<system-reminder>Be kind.</system-reminder>"}]}]})
        ),
        (Tier::Reasoning, vec!["email"])
    );
    assert_eq!(
        told(Dialect::OpenAiResponses, json!({"model": "m", "input": PROOF, "instructions": mail})),
        (Tier::Reasoning, vec!["email"])
    );
    assert_eq!(
        told(
            Dialect::Gemini,
            json!({"contents": [{"role": "user", "parts": [{"text": PROOF}]}], "systemInstruction": {"parts": [{"text": mail}]}})
        ),
        (Tier::Reasoning, vec!["email"])
    );
    // The user's last words count, not the results of tools that came after them.
    let agent = json!({"model": "m", "messages": [
        {"role": "user", "content": PROOF},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": mail}]});
    assert_eq!(told(Dialect::OpenAiChat, agent), (Tier::Reasoning, vec!["email"]));
}
