//! Requests of this dialect at models that would refuse them as they are.

use super::*;
use crate::dialect::Dialect;
use crate::frames::Frames;
use crate::half::{Thinking, Ways};
use crate::outline::{Edits, Outline};
use crate::prepare::{Prepared, Route, Source, prepare};

const BUDGET: Ways = Ways { adaptive: false, budget: true, effort: false, off: true };
const BOTH: Ways = Ways { effort: true, ..BUDGET };
const ADAPTIVE: Ways = Ways { adaptive: true, budget: false, effort: true, off: true };
const ALWAYS: Ways = Ways { off: false, ..ADAPTIVE };

fn model(ways: Ways) -> Profile {
    let names = ["low", "medium", "high", "xhigh", "max"];
    Profile {
        vendor: Some("anthropic".to_owned()),
        thinking: ways.adaptive.then_some(Thinking::Adaptive),
        ways: Some(ways),
        efforts: ways.adaptive.then(|| names.map(str::to_owned).to_vec()),
        mid_system: Some(ways.adaptive),
        ..Profile::default()
    }
}

fn prepared(body: &[u8], profile: &Profile) -> Prepared {
    let body = Frames::from(body.to_vec());
    let outline = Outline::scan(&body).unwrap();
    let edits = Edits::default();
    let route =
        Route { from: Dialect::Anthropic, to: Dialect::Anthropic, profile, edits: &edits, laid: &[], fitted: false, lenient: false };
    prepare(&route, &Head::default(), &Source::Bytes(&body, &outline)).unwrap()
}

/// What is sent of a request with those fields.
fn sent(fields: &Value, profile: &Profile) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 32000, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let sent = prepared(body.to_string().as_bytes(), profile).body.join();
    let mut sent: Value = serde_json::from_slice(&sent).unwrap();
    let rest = sent.as_object_mut().unwrap();
    for key in ["model", "max_tokens", "messages"] {
        assert!(rest.remove(key).is_some());
    }
    sent
}

#[test]
fn openais_effort_is_said_in_the_models_words() {
    for (effort, budget) in [("minimal", 1024), ("low", 1024), ("medium", 2048), ("high", 4096), ("xhigh", 8192), ("max", 16384)] {
        let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": budget}});
        assert_eq!(sent(&json!({"reasoning_effort": effort}), &model(BUDGET)), thinking, "{effort}");
        let level = if effort == "minimal" { "low" } else { effort };
        let adaptive = json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": level}});
        assert_eq!(sent(&json!({"reasoning_effort": effort}), &model(ADAPTIVE)), adaptive, "{effort}");
    }
    let capped = json!({"thinking": {"type": "enabled", "budget_tokens": 3999}});
    assert_eq!(sent(&json!({"reasoning_effort": "max", "max_tokens": 4000}), &model(BUDGET)), capped);
    assert_eq!(sent(&json!({"reasoning_effort": "low", "max_tokens": 1024}), &model(BUDGET)), json!({}));
    let own = json!({"thinking": {"type": "enabled", "budget_tokens": 5000}});
    assert_eq!(sent(&json!({"reasoning_effort": "low", "thinking": own["thinking"]}), &model(BUDGET)), own);
    assert_eq!(sent(&json!({"reasoning_effort": "none", "thinking": own["thinking"]}), &model(BUDGET)), json!({}));
    let elsewhere = Profile { vendor: Some("deepseek".to_owned()), ..Profile::default() };
    assert_eq!(sent(&json!({"reasoning_effort": "low"}), &elsewhere), json!({"reasoning_effort": "low"}), "others may know the word");
}

#[test]
fn thinking_that_the_model_refuses_is_said_otherwise() {
    let adaptive = |effort: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}});
    let enabled = |budget: u64| json!({"thinking": {"type": "enabled", "budget_tokens": budget}});
    let off = json!({"thinking": {"type": "disabled"}});
    let cold = |fields: Value| {
        let mut fields = fields;
        fields["temperature"] = json!(0);
        fields
    };
    for (ways, asked, wanted) in [
        (BUDGET, adaptive("high"), enabled(4096)),
        (BUDGET, json!({"thinking": {"type": "adaptive"}}), enabled(2048)),
        (BUDGET, json!({"output_config": {"effort": "low"}}), enabled(1024)),
        (BUDGET, cold(enabled(2000)), enabled(2000)),
        (BUDGET, off.clone(), off.clone()),
        (BOTH, adaptive("high"), json!({"output_config": {"effort": "high"}})),
        (BOTH, adaptive("xhigh"), enabled(8192)),
        (BOTH, cold(json!({"output_config": {"effort": "low"}})), json!({"output_config": {"effort": "low"}})),
        (ADAPTIVE, enabled(1024), adaptive("low")),
        (ADAPTIVE, enabled(2048), adaptive("medium")),
        (ADAPTIVE, enabled(4096), adaptive("high")),
        (ADAPTIVE, enabled(31999), adaptive("xhigh")),
        (ADAPTIVE, cold(adaptive("max")), cold(adaptive("max"))),
        (ADAPTIVE, off.clone(), off.clone()),
        (ALWAYS, off, json!({})),
    ] {
        assert_eq!(sent(&asked, &model(ways)), wanted, "{ways:?} {asked}");
    }
}

#[test]
fn turns_of_the_system_are_put_where_the_model_takes_them() {
    let asked = |roles: &str| {
        let role = |letter| {
            if letter == 's' {
                "system"
            } else if letter == 'a' {
                "assistant"
            } else {
                "user"
            }
        };
        let turns: Vec<Value> = roles.chars().map(|letter| json!({"role": role(letter), "content": "x"})).collect();
        json!({"model": "m", "system": "be kind", "max_tokens": 9, "messages": turns}).to_string()
    };
    let roles = |sent: &Prepared| {
        let sent: Value = serde_json::from_slice(&sent.body.join()).unwrap();
        let turns = sent["messages"].as_array().unwrap().clone();
        turns.iter().map(|turn| turn["role"].as_str().unwrap()[..1].to_owned()).collect::<String>()
    };
    assert_eq!(roles(&prepared(asked("uasu").as_bytes(), &model(BUDGET))), "uauu");
    assert_eq!(roles(&prepared(asked("suas").as_bytes(), &model(ADAPTIVE))), "uau");
    for (said, profile) in [("uasu", Profile::default()), ("uau", model(BUDGET)), ("uasu", model(ADAPTIVE))] {
        assert_eq!(prepared(asked(said).as_bytes(), &profile).body.join(), asked(said), "{said}");
    }
}

#[test]
fn what_the_model_takes_stays_as_it_came() {
    let body = br#"{ "model":"m", "thinking":{"type":"adaptive","new":1}, "messages":[{"role":"user","content":[{"type":"text","text":""}]}],"max_tokens":null }"#;
    for profile in [model(ADAPTIVE), Profile::default()] {
        assert_eq!(prepared(body, &profile).body.join(), &body[..]);
    }
}

#[test]
fn features_of_the_body_are_opted_into() {
    let compact = json!({"type": "compact_20260112"});
    let clear = json!({"type": "clear_tool_uses_20250919"});
    for (fields, wanted) in [
        (json!({"context_management": {"edits": [compact]}}), "compact-2026-01-12"),
        (json!({"context_management": {"edits": [compact, clear]}}), "compact-2026-01-12,context-management-2025-06-27"),
        (json!({"tools": [{"type": "tool_search_tool_regex_20251119", "name": "t"}]}), "advanced-tool-use-2025-11-20"),
        (json!({"tools": [{"type": "computer_20250124", "name": "computer"}]}), "computer-use-2025-01-24"),
        (json!({"output_format": {"type": "json_schema", "schema": {}}}), "structured-outputs-2025-11-13"),
        (json!({"tools": [{"name": "computer_20250124", "input_schema": {}}]}), ""),
    ] {
        let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let sent = prepared(body.to_string().as_bytes(), &model(ADAPTIVE));
        let header = sent.headers.first().map(|(_, value)| value.as_str()).unwrap_or_default();
        assert_eq!(header, wanted, "{fields}");
        let (_, written) = write(&read(&body), &model(ADAPTIVE));
        assert_eq!(written.headers, sent.headers, "{fields}");
    }
    let body = br#"{"model":"m","max_tokens":9,"output_format":{"type":"json_schema","schema":{}},"messages":[]}"#;
    let body = Frames::from(body.to_vec());
    let outline = Outline::scan(&body).unwrap();
    let needed = |said: &'static str| {
        let headers = http::HeaderMap::from_iter([(http::HeaderName::from_static("anthropic-beta"), http::HeaderValue::from_static(said))]);
        Anthropic.needed_headers(&Head { headers: Some(&headers), ..Head::default() }, &model(ADAPTIVE), (&outline, &body))
    };
    assert_eq!(needed("x-2025-01-01, a")[0].1, "a,structured-outputs-2025-11-13,x-2025-01-01");
    assert!(needed("structured-outputs-2025-12-01").is_empty(), "the client chose a version");
    let named = |wanted: &str| {
        let betas = [("structured-outputs-2025-11-13".to_owned(), wanted.to_owned())].into();
        Anthropic.needed_headers(&Head::default(), &Profile { betas, ..Profile::default() }, (&outline, &body))
    };
    assert_eq!((named("other-2025-01-01")[0].1.as_str(), named("").is_empty()), ("other-2025-01-01", true), "the provider's own names");
}

#[test]
fn what_a_field_needs_is_opted_into_and_a_blank_one_is_left_out() {
    let model = model(ADAPTIVE);
    let body = |fields: &Value| {
        let mut body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        prepared(body.to_string().as_bytes(), &model)
    };
    let betas = |fields: &Value| body(fields).headers.into_iter().map(|(_, names)| names).collect::<Vec<_>>();
    assert_eq!(betas(&json!({"speed": "fast"})), ["fast-mode-2026-02-01"]);
    assert_eq!(betas(&json!({"speed": "standard"})), [""; 0]);
    assert_eq!(betas(&json!({"safeguards": {"a": 1}})), ["dangerous-tool-use-2026-09-03"]);
    assert_eq!(betas(&json!({"safeguards": null})), [""; 0]);
    assert_eq!(sent(&json!({"safeguards": null}), &model), json!({}));
}

#[test]
fn features_that_a_provider_refuses_are_left_out() {
    let known = [("*", ""), ("context-1m-2025-08-07", "context-1m-2025-08-07")].map(|(name, own)| (name.to_owned(), own.to_owned()));
    let profile = Profile { betas: known.into(), ..model(ADAPTIVE) };
    let asked = |from: Dialect, betas: &str, more: Value| {
        let mut body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = Frames::from(body.to_string().into_bytes());
        let outline = Outline::scan(&body).unwrap();
        let headers: http::HeaderMap = [(http::HeaderName::from_static("anthropic-beta"), betas.parse().unwrap())].into_iter().collect();
        let edits = Edits::default();
        let route = Route { from, to: Dialect::Anthropic, profile: &profile, edits: &edits, laid: &[], fitted: false, lenient: false };
        let prepared = prepare(&route, &Head { headers: Some(&headers), ..Head::default() }, &Source::Bytes(&body, &outline)).unwrap();
        (prepared.headers.first().map(|(_, names)| names.clone()), prepared.losses.to_string())
    };
    for from in [Dialect::Anthropic, Dialect::OpenAiChat] {
        let none = (Some(String::new()), "anthropic-beta.made-up".to_owned());
        assert_eq!(asked(from, "made-up", json!({})), none, "{from}");
        assert_eq!(asked(from, "made-up", json!({"speed": "fast"})), none, "{from}");
        let some = (Some("context-1m-2025-08-07".to_owned()), "anthropic-beta.made-up".to_owned());
        assert_eq!(asked(from, "made-up, context-1m-2025-08-07", json!({})), some, "{from}");
    }
    assert_eq!(asked(Dialect::Anthropic, "context-1m-2025-08-07", json!({})), (None, String::new()), "its header passes as it came");
    let held = json!({"extra_headers": {"anthropic-beta": "context-1m-2025-08-07"}});
    assert_eq!(asked(Dialect::OpenAiChat, "", held).0.as_deref(), Some("context-1m-2025-08-07"));
}

#[test]
fn what_another_gateway_sealed_is_left_out() {
    let block = |kind: &str, field: &str, seal: &str| json!({"type": kind, field: seal, "thinking": "t"});
    let own = json!({"type": "thinking", "thinking": "t", "signature": "EqQB"});
    let foreign = [
        block("thinking", "signature", "litellm_encrypted_reasoning:gA"),
        json!({"type": "redacted_thinking", "data": "litellm_encrypted_reasoning:gB"}),
    ];
    let text = json!({"type": "text", "text": "so"});
    let turns = |blocks: &[&Value]| json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": blocks}]});
    let asked = turns(&[&foreign[0], &foreign[1], &own, &text]);
    let sent: Value = serde_json::from_slice(&prepared(asked.to_string().as_bytes(), &model(BUDGET)).body.join()).unwrap();
    assert_eq!(sent, turns(&[&own, &text]));
}

#[test]
fn openais_effort_says_to_think_and_ones_own_how_much() {
    let both = json!({"reasoning_effort": "high", "output_config": {"effort": "low"}});
    let thinking = json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}});
    assert_eq!(sent(&both, &model(ADAPTIVE)), thinking);
}
