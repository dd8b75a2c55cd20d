//! What leaves a deployment out, and what the caller is told.

use super::*;
use crate::guidance::Guidance;
use crate::route::settings::{Settings, TagRule};

/// Two deployments: a plain one of which little is known, and one of which everything is.
fn pair() -> Fleet {
    let known = deployment("known", |spec| {
        spec.provider = "anthropic".to_owned();
        spec.model = "claude-sonnet-4-5".to_owned();
        spec.prices =
            vec![("input_cost_per_token".to_owned(), "3e-6".to_owned()), ("output_cost_per_token".to_owned(), "15e-6".to_owned())];
        let traits = &mut spec.traits;
        (traits.trains, traits.retains, traits.distillable) = (Some(false), Some(false), Some(true));
        traits.region = Some("eu-central-1".to_owned());
        traits.quantization = Some("fp8".to_owned());
    });
    let plain = deployment("plain", |spec| spec.traits.trains = None);
    fleet(vec![known, plain], Names::default())
}

/// Further fields of a body, what is left, what is left out and why.
type Case = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

#[test]
fn every_demand_leaves_out_what_does_not_meet_it() {
    let pair = pair();
    let cases: [Case; 20] = [
        (r#""provider":{"only":["anthropic"]}"#, &["known"], &[("plain", "allowed_providers")]),
        (r#""provider":{"only":["Anthropic/eu-central-1"]}"#, &["known"], &[("plain", "allowed_providers")]),
        (r#""provider":{"only":["anthropic/turbo"]}"#, &[], &[("known", "allowed_providers"), ("plain", "allowed_providers")]),
        (r#""provider":{"ignore":["openai"]}"#, &["known"], &[("plain", "ignored_providers")]),
        (r#""provider":{"data_collection":"deny"}"#, &["known"], &[]),
        (r#""provider":{"zdr":true}"#, &["known"], &[("plain", "data_policy:zdr")]),
        (r#""provider":{"quantizations":["FP8"]}"#, &["known"], &[("plain", "quantization")]),
        (r#""provider":{"quantizations":["unknown"]}"#, &["plain"], &[("known", "quantization")]),
        (r#""provider":{"enforce_distillable_text":true}"#, &["known"], &[("plain", "distillable_text")]),
        (r#""provider":{"max_price":{"prompt":3,"completion":"15"}}"#, &["known"], &[("plain", "max_price")]),
        (r#""provider":{"max_price":{"prompt":"2.999999"}}"#, &[], &[("known", "max_price"), ("plain", "max_price")]),
        (r#""provider":{"max_price":{"image":0}}"#, &["known", "plain"], &[]),
        (r#""provider":{"require_parameters":true},"logit_bias":{}"#, &["plain"], &[("known", "require_parameters")]),
        (r#""provider":{"require_parameters":true},"tools":[]"#, &["known", "plain"], &[]),
        (r#""provider":{"require_parameters":true},"logprobs":false,"parallel_tool_calls":true"#, &["known", "plain"], &[]),
        (r#""provider":{"require_parameters":true},"logprobs":true"#, &["plain"], &[("known", "require_parameters")]),
        (r#""allowed_model_region":"eu""#, &["known"], &[("plain", "data_region")]),
        (r#""allowed_model_region":"us""#, &[], &[("known", "data_region"), ("plain", "data_region")]),
        (r#""provider":{"order":["openai"],"allow_fallbacks":false}"#, &["plain"], &[("known", "fallbacks_disabled")]),
        (r#""provider":null"#, &["known", "plain"], &[]),
    ];
    for (fields, left, out) in cases {
        let plan = plan(&pair, &ask("m", fields));
        let mut found = ids(&plan);
        found.sort_unstable();
        // What the row of a provider says of training is the row's to say.
        let training = fields.contains("data_collection");
        assert!(training || found == *left, "{fields}: {found:?}");
        assert!(!training || found.contains(&"known"), "{fields}: {found:?}");
        let why: Vec<(&str, &str)> = excluded(&plan).into_iter().map(|(id, reasons)| (id, reasons[0])).collect();
        assert!(training || why == *out, "{fields}: {why:?}");
    }
}

#[test]
fn every_reason_is_kept() {
    let plan = plan(&pair(), &ask("m", r#""provider":{"only":["x"],"zdr":true,"max_price":{"prompt":0}}"#));
    let all = excluded(&plan);
    assert_eq!(all[0], ("known", vec!["allowed_providers", "max_price"]));
    assert_eq!(all[1], ("plain", vec!["allowed_providers", "data_policy:zdr", "max_price"]));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for fields in [
        r#""provider":{"sort":"fastest"}"#,
        r#""provider":{"max_price":{"prompt":"cheap"}}"#,
        r#""provider":{"only":"openai"}"#,
        r#""models":"m""#,
        r#""provider":{"preferred_max_latency":-1}"#,
        r#""fallbacks":[{"temperature":1}]"#,
    ] {
        let error = pair().plan(&ask("m", fields)).expect_err(fields);
        assert_eq!(error.problem.status().as_u16(), 400, "{fields}");
        assert!(error.problem.param.is_some(), "{fields}");
    }
}

#[test]
fn nobody_left_is_told_with_reasons() {
    let openrouter = |fields: &str| {
        let mut call = ask("m", fields);
        call.door.flavor = Flavor::OpenRouter;
        call
    };
    let cases = [
        (r#""provider":{"only":["x"]}"#, "constraint_filtered", 404, Some("provider.only")),
        (r#""provider":{"zdr":true,"ignore":["anthropic"]}"#, "constraint_filtered", 404, None),
        (r#""provider":{"zdr":true,"only":["openai"]}"#, "constraint_filtered", 404, None),
        (r#""allowed_model_region":"us""#, "region_restricted", 403, Some("region")),
    ];
    for (fields, code, status, field) in cases {
        let call = openrouter(fields);
        let error = plan(&pair(), &call).refusal(&call, Instant::now());
        let availability = error.problem.availability.as_ref().expect("it is told why");
        assert_eq!((availability.code, error.problem.status().as_u16()), (code, status), "{fields}");
        assert_eq!(availability.constraint.as_ref().map(|constraint| constraint.field), field, "{fields}");
        assert!(!availability.retryable && availability.retry_after.is_none());
        assert_eq!(availability.requested_models, ["m"]);
        assert_eq!(availability.affected_providers, ["Anthropic", "OpenAI"]);
    }
    let free = openrouter("");
    let error = pair().plan(&Call { model: "m:free".to_owned(), ..free }).expect("a plan").refusal(&openrouter(""), Instant::now());
    assert_eq!(error.problem.availability.expect("why").code, "free_variant_ended");
    let unknown = pair().plan(&ask("nothing", "")).expect_err("no such model");
    assert_eq!(unknown.problem.status().as_u16(), 400);
    let mut call = openrouter("");
    call.model = "nothing".to_owned();
    let unknown = pair().plan(&call).expect_err("no such model");
    assert_eq!((unknown.problem.status().as_u16(), unknown.problem.availability.expect("why").code), (400, "model_not_found"));
}

#[test]
fn all_at_rest_is_a_limit_to_litellm_and_a_pause_to_openrouter() {
    let pair = pair();
    let now = Instant::now();
    for id in ["known", "plain"] {
        health_of(&pair, id).health.rest_until(now + Duration::from_secs(30));
    }
    let mut call = ask("m", "");
    let plan = pair.plan_at(&call, &mut Moment { now, ..moment(1) }).expect("a plan");
    assert!(plan.targets.is_empty());
    assert_eq!(excluded(&plan), [("known", vec!["cooldown"]), ("plain", vec!["cooldown"])]);
    let error = plan.refusal(&call, now);
    assert_eq!(error.problem.status().as_u16(), 429);
    assert!(error.problem.retry_after.is_some_and(|after| (29..=30).contains(&after.as_secs())), "{:?}", error.problem.retry_after);
    assert!(error.problem.message.contains("no deployments available"), "{}", error.problem.message);
    call.door.flavor = Flavor::OpenRouter;
    let error = plan.refusal(&call, now);
    let availability = error.problem.availability.clone().expect("why");
    assert_eq!((error.problem.status().as_u16(), availability.code, availability.retryable), (503, "temporarily_unavailable", true));
}

#[test]
fn long_prompts_are_counted_only_where_it_could_matter() {
    let settings = Settings { pre_call_checks: true, ..Settings::default() };
    let deployments = ["short", "long"]
        .map(|id| deployment(id, |spec| spec.traits.max_input_tokens = Some(if id == "short" { 1_000 } else { 1_000_000 })));
    let fleet = fleet(deployments.into(), Names { settings, ..Names::default() });
    let small = plan(&fleet, &ask("m", ""));
    assert!(!small.uncounted && small.targets.len() == 2);
    let call = ask("m", &format!(r#""user":"{}""#, "x".repeat(3_000)));
    assert!(plan(&fleet, &call).uncounted);
    assert_eq!(fleet.plan_counted(&call, Some(900)).expect("a plan").targets.len(), 2);
    let counted = fleet.plan_counted(&call, Some(1_001)).expect("a plan");
    assert_eq!((ids(&counted), excluded(&counted)), (vec!["long"], vec![("short", vec!["context_length"])]));
    let none = fleet.plan_counted(&call, Some(2_000_000)).expect("a plan");
    assert_eq!(none.refusal(&call, Instant::now()).problem.code.as_deref(), Some("context_length_exceeded"));
}

#[test]
fn pictures_go_to_models_that_see() {
    let blind = deployment("blind", |spec| spec.model = "gpt-3.5-turbo".to_owned());
    let seeing = deployment("seeing", |spec| spec.model = "gpt-4o".to_owned());
    let fleet = fleet(vec![blind, seeing], Names::default());
    let picture = r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}"#;
    let body = format!(r#"{{"model":"m","provider":{{}},"messages":[{picture}]}}"#);
    let body = Frames::from(Bytes::from(body));
    let content = Content::Json(Outline::scan(&body).expect("an object"));
    let call = Call { body, content, ..ask("m", "") };
    let plan = plan(&fleet, &call);
    assert_eq!((ids(&plan), excluded(&plan)), (vec!["seeing"], vec![("blind", vec!["modality"])]));
}

#[test]
fn rules_of_a_key_hold_beside_the_requests_own() {
    let guidance = Guidance {
        provider: serde_json::from_str(r#"{"only":["anthropic","openai"],"ignore":["openai"]}"#).expect("preferences"),
        ..Guidance::default()
    };
    let mut call = ask("m", r#""provider":{"only":["openai"]}"#);
    call.principal = Arc::new(Principal { guidance: Some(Arc::new(guidance)), ..Principal::named("k") });
    assert_eq!(excluded(&plan(&pair(), &call)), [("known", vec!["allowed_providers"]), ("plain", vec!["ignored_providers"])]);
}

#[test]
fn tags_blocks_and_places_hold() {
    let rule = TagRule::default();
    let settings = Settings { tags: Some(rule), ..Settings::default() };
    let tagged = |id: &str, tag: &str| deployment(id, |spec| spec.traits.tags = vec![tag.to_owned()]);
    let tags = fleet(vec![tagged("a", "free"), tagged("b", "paid")], Names { settings, ..Names::default() });
    assert_eq!(ids(&plan(&tags, &ask("m", r#""metadata":{"tags":["paid"]}"#))), ["b"]);
    assert_eq!(ids(&plan(&tags, &ask("m", r#""tags":["free"]"#))), ["a"]);
    let mut call = ask("m", "");
    call.headers.insert("x-litellm-tags", http::HeaderValue::from_static("paid, other"));
    assert_eq!(ids(&plan(&tags, &call)), ["b"]);
    let call = ask("m", r#""tags":["other"]"#);
    let none = plan(&tags, &call);
    assert_eq!(none.refusal(&call, Instant::now()).problem.status().as_u16(), 401);
    let blocked = fleet(vec![deployment("a", |spec| spec.traits.blocked = true)], Names::default());
    assert_eq!(excluded(&plan(&blocked, &ask("m", ""))), [("a", vec!["blocked"])]);
    let narrow = fleet(vec![deployment("a", |spec| spec.traits.max_parallel = Some(1)), deployment("b", |_| ())], Names::default());
    let held = health_of(&narrow, "a").health.begin_anyway(Instant::now());
    assert_eq!(excluded(&plan(&narrow, &ask("m", ""))), [("a", vec!["rate_limit"])]);
    drop(held);
}
