//! What operators and callers say of the way calls are tried, in LiteLLM's words and TrueFoundry's.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use switchboard_engine::call::Call;
use switchboard_engine::clock;
use switchboard_engine::deployment::Spec;
use switchboard_engine::guidance::Fallback;
use switchboard_engine::health::{ByClass, Failure, Why};
use switchboard_engine::route::Names;
use switchboard_engine::settings::{Cooldown, Settings};
use switchboard_wire::Dialect;

use super::fault::Fault;
use super::server::Chaos;
use crate::exchange::rig::{Rig, at_address, call};
use crate::exchange::words::text_of;

const OPENAI: Dialect = Dialect::OpenAiChat;

fn at(group: &str, number: u32, chaos: &Chaos) -> Spec {
    let id = format!("{group}-{number}");
    Spec { id, group: group.to_owned(), order: number, ..at_address(OPENAI, &chaos.address().to_string()) }
}

/// A call of the group `m` with those further fields and headers.
fn asking(fields: &str, headers: &[(&'static str, &'static str)]) -> Call {
    let body = format!(r#"{{"model":"m","stream":false,"messages":[{{"role":"user","content":"hi"}}]{fields}}}"#);
    let mut call = call(OPENAI, false, &body);
    for (name, value) in headers {
        call.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    call
}

fn falling_back(to: &[&str]) -> Names {
    Names { fallbacks: vec![("m".to_owned(), to.iter().map(|name| Fallback::to(*name)).collect())], ..Names::default() }
}

#[tokio::test]
async fn repetitions_are_as_many_as_were_asked_for() {
    let cases = [("", &[][..], 2), (r#","num_retries":0"#, &[], 1), ("", &[("x-litellm-num-retries", "1")], 2)];
    for (fields, headers, wanted) in cases {
        let chaos = Chaos::always(OPENAI, Some(Fault::Server500)).await;
        let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), Settings::default());
        assert_eq!(rig.ask(&asking(fields, headers)).await.status, 502);
        assert_eq!(chaos.requests(), wanted, "{fields} {headers:?}");
    }
    let chaos = Chaos::always(OPENAI, Some(Fault::Null)).await;
    let settings = Settings { num_retries: Some(2), ..Settings::default() };
    let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), settings);
    assert_eq!((rig.ask(&asking("", &[])).await.status, chaos.requests()), (502, 3), "the operator's word holds for every failure");
}

#[tokio::test]
async fn an_empty_answer_is_passed_on_where_no_repetition_is_wanted() {
    let chaos = Chaos::always(OPENAI, Some(Fault::Empty)).await;
    let settings = Settings { num_retries: Some(0), ..Settings::default() };
    let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), settings);
    let told = rig.ask(&asking("", &[])).await;
    assert_eq!((told.status, told.header("x-switchboard-empty"), chaos.requests()), (200, Some("1"), 1), "{told:?}");
}

#[tokio::test]
async fn repetitions_go_by_the_class_of_the_failure() {
    let policy = ByClass { rate_limit: Some(0), internal: Some(3), ..ByClass::default() };
    for (fault, wanted) in [(Fault::Server500, 4), (Fault::RateLimitedForAWhile, 1)] {
        let chaos = Chaos::always(OPENAI, Some(fault)).await;
        let settings = Settings { num_retries: Some(1), retry_policy: policy.clone(), ..Settings::default() };
        let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), settings);
        assert!(rig.ask(&asking("", &[])).await.status >= 429);
        assert_eq!(chaos.requests(), wanted, "{fault:?}");
    }
}

#[tokio::test]
async fn a_retry_rule_of_the_caller_names_statuses() {
    for (config, wanted) in [(r#"{"attempts":2,"delay":1,"onStatusCodes":[503]}"#, 3), (r#"{"attempts":2,"onStatusCodes":["500"]}"#, 1)] {
        let chaos = Chaos::always(OPENAI, Some(Fault::Overloaded503)).await;
        let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), Settings::default());
        assert_eq!(rig.ask(&asking("", &[("x-tfy-retry-config", config)])).await.status, 503);
        assert_eq!(chaos.requests(), wanted, "{config}");
    }
}

#[tokio::test]
async fn deadlines_of_the_caller_hold() {
    let spare = Chaos::always(OPENAI, None).await;
    let cases = [(r#","timeout":0.1"#, &[][..]), ("", &[("x-litellm-timeout", "0.1")]), ("", &[("x-tfy-request-timeout", "100")])];
    for (fields, headers) in cases {
        let chaos = Chaos::always(OPENAI, Some(Fault::Silent)).await;
        let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), Settings::default());
        let told = rig.ask(&asking(fields, headers)).await;
        assert_eq!(told.status, 504, "{fields} {headers:?}: {told:?}");
        let rig = Rig::trying(vec![at("m", 0, &chaos), at("m", 1, &spare)], Names::default(), Settings::default());
        assert_eq!(rig.ask(&asking(fields, headers)).await.status, 200, "{fields} {headers:?}: the time is one attempt's");
    }
}

#[tokio::test]
async fn a_deployment_rests_once_it_has_failed_too_often() {
    let chaos = Chaos::always(OPENAI, Some(Fault::Server502)).await;
    let cooldown = Cooldown { allowed_fails: Some(2), time: Some(Duration::from_secs(9)), ..Cooldown::default() };
    let settings = Settings { num_retries: Some(0), cooldown, ..Settings::default() };
    let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), settings);
    for asked in 1..=3 {
        assert_eq!(rig.ask(&asking("", &[])).await.status, 502);
        assert_eq!(chaos.requests(), asked);
    }
    let refused = rig.ask(&asking("", &[])).await;
    assert_eq!((refused.status, chaos.requests()), (429, 3), "{refused:?}");
    assert!(refused.retry_after.is_some_and(|after| after <= Duration::from_secs(9)), "{refused:?}");
    assert_eq!(rig.deployment("m-0").health.refusal(clock::now()).map(|refusal| refusal.why), Some(Why::Resting));
}

#[tokio::test]
async fn nothing_rests_where_the_operator_wants_no_rest() {
    let chaos = Chaos::always(OPENAI, Some(Fault::Server502)).await;
    let cooldown = Cooldown { disabled: true, ..Cooldown::default() };
    let settings = Settings { num_retries: Some(0), cooldown, ..Settings::default() };
    let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), settings);
    for asked in 1..=12 {
        assert_eq!(rig.ask(&asking("", &[])).await.status, 502);
        assert_eq!(chaos.requests(), asked);
    }
}

#[tokio::test]
async fn fallbacks_are_tried_upon_any_failure_and_named() {
    let good = Chaos::always(OPENAI, None).await;
    for fault in [Fault::Server500, Fault::BadRequest, Fault::Unauthorized, Fault::RateLimited, Fault::NotFound, Fault::Null] {
        let chaos = Chaos::always(OPENAI, Some(fault)).await;
        let dead = Chaos::always(OPENAI, Some(Fault::Overloaded503)).await;
        let specs = vec![at("m", 0, &chaos), at("second", 0, &dead), at("third", 0, &good)];
        let rig = Rig::trying(specs, falling_back(&["second", "third"]), Settings::default());
        let told = rig.ask(&asking("", &[])).await;
        assert_eq!(told.status, 200, "{fault:?}: {told:?}");
        assert_eq!(text_of(OPENAI, &told.json()), "Hello there");
        assert_eq!(told.header("x-litellm-attempted-fallbacks"), Some("2"), "{fault:?}: {told:?}");
        assert_eq!(told.header("x-litellm-model-group"), Some("third"));
        assert_eq!(told.header("x-litellm-model-id"), Some("third-0"));
        let record = rig.record();
        assert_eq!(record.tried.last().map(|attempt| attempt.failure), Some(None));
        // Whoever asked for a model hears of that model.
        let specs = vec![at("m", 0, &chaos), at("second", 0, &dead)];
        let rig = Rig::trying(specs, falling_back(&["second"]), Settings::default());
        let alone = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), Settings::default());
        assert_eq!(rig.ask(&asking("", &[])).await.status, alone.ask(&asking("", &[])).await.status, "{fault:?}");
    }
}

#[tokio::test]
async fn made_up_failures_go_to_the_fallbacks_meant_for_them() {
    let (own, general) = (Chaos::always(OPENAI, None).await, Chaos::always(OPENAI, None).await);
    let (context, policy) = (Chaos::always(OPENAI, None).await, Chaos::always(OPENAI, None).await);
    let list = |name: &str| vec![("m".to_owned(), vec![Fallback::to(name)])];
    let names =
        || Names { context_window_fallbacks: list("context"), content_policy_fallbacks: list("policy"), ..falling_back(&["general"]) };
    let specs = || vec![at("m", 0, &own), at("general", 0, &general), at("context", 0, &context), at("policy", 0, &policy)];
    let cases = [
        ("mock_testing_fallbacks", "general"),
        ("mock_testing_context_fallbacks", "context"),
        ("mock_testing_content_policy_fallbacks", "policy"),
    ];
    for (field, group) in cases {
        let rig = Rig::trying(specs(), names(), Settings::default());
        let told = rig.ask(&asking(&format!(r#","{field}":true"#), &[])).await;
        assert_eq!((told.status, told.header("x-litellm-model-group")), (200, Some(group)), "{field}: {told:?}");
        let alone = Rig::trying(specs(), names(), Settings::default());
        let told = alone.ask(&asking(&format!(r#","{field}":true,"disable_fallbacks":true"#), &[])).await;
        assert!(told.status >= 400, "{field}: {told:?}");
    }
    assert_eq!(own.requests(), 0, "what is made up asks nobody");
    let rig = Rig::trying(specs(), names(), Settings::default());
    let told = rig.ask(&asking(r#","mock_response":"made up""#, &[])).await;
    assert_eq!((&told.json()["usage"]["prompt_tokens"], &told.json()["usage"]["completion_tokens"]), (&10.into(), &20.into()));
    assert_eq!((told.status, text_of(OPENAI, &told.json()).as_str()), (200, "made up"), "{told:?}");
    let streamed = Call { stream: true, ..asking(r#","mock_response":"made up""#, &[]) };
    let told = Rig::trying(specs(), names(), Settings::default()).ask(&streamed).await;
    told.says(&["made up", "[DONE]"]);
    let told =
        Rig::trying(specs(), Names::default(), Settings::default()).ask(&asking(r#","mock_response":"litellm.RateLimitError""#, &[])).await;
    assert_eq!(told.status, 429, "{told:?}");
}

#[tokio::test]
async fn a_deployment_may_make_its_answers_up() {
    let (chaos, spare) = (Chaos::always(OPENAI, None).await, Chaos::always(OPENAI, None).await);
    let made_up = |text: &str, number, chaos: &Chaos| Spec { mock: Some(text.to_owned()), ..at("m", number, chaos) };
    let rig = Rig::trying(vec![made_up("made up", 0, &chaos)], Names::default(), Settings::default());
    let told = rig.ask(&asking("", &[])).await;
    assert_eq!((told.status, text_of(OPENAI, &told.json()).as_str()), (200, "made up"), "{told:?}");
    assert_eq!((told.header("x-litellm-model-id"), chaos.requests()), (Some("m-0"), 0));
    let rig = Rig::trying(vec![made_up("made up", 0, &chaos)], Names::default(), Settings::default());
    rig.ask(&Call { stream: true, ..asking("", &[]) }).await.says(&["made up", "[DONE]"]);
    // A failure is that of the deployment: the next one is tried.
    let specs = vec![made_up("litellm.InternalServerError", 0, &chaos), at("m", 1, &spare)];
    let rig = Rig::trying(specs, Names::default(), Settings::default());
    let told = rig.ask(&asking("", &[])).await;
    assert_eq!((told.status, told.header("x-litellm-model-id"), spare.requests()), (200, Some("m-1"), 1), "{told:?}");
    assert_eq!((rig.record().attempts, rig.record().tried.len(), chaos.requests()), (1, 2, 0));
}

#[tokio::test]
async fn a_request_may_say_what_the_router_is_to_do() {
    let (one, other) = (Chaos::always(OPENAI, None).await, Chaos::always(OPENAI, None).await);
    let specs = vec![Spec { order: 0, ..at("m", 0, &one) }, Spec { order: 0, ..at("m", 1, &other) }];
    let rig = Rig::trying(specs, Names::default(), Settings::default());
    for _ in 0..40 {
        let told = rig.ask(&asking(r#","router_settings_override":{"weights":{"m":{"m-1":1,"m-0":0}}}"#, &[])).await;
        assert_eq!((told.status, told.header("x-litellm-model-id")), (200, Some("m-1")), "{told:?}");
    }
    assert_eq!((one.requests(), other.requests()), (0, 40));
    let told = rig.ask(&asking(r#","router_settings_override":{"weights":{"m-1":-1}}"#, &[])).await;
    assert_eq!(told.status, 400, "{told:?}");
    let chaos = Chaos::always(OPENAI, Some(Fault::Server500)).await;
    let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), Settings::default());
    assert_eq!(rig.ask(&asking(r#","router_settings_override":{"num_retries":0}"#, &[])).await.status, 502);
    assert_eq!(chaos.requests(), 1);
}

#[tokio::test]
async fn a_limit_that_is_soon_free_is_waited_for() {
    let chaos = Chaos::start(OPENAI, Arc::new(|number| (number == 0).then_some(Fault::RateLimitedForAWhile))).await;
    let rig = Rig::trying(vec![at("m", 0, &chaos)], Names::default(), Settings::default());
    assert_eq!((rig.ask(&asking("", &[])).await.status, chaos.requests()), (200, 2));
    assert_eq!(rig.record().tried[0].failure, Some(Failure::RateLimited));
}
