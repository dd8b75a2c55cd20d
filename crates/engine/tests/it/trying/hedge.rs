use std::time::Duration;

use http::HeaderValue;
use switchboard_engine::call::Call;
use switchboard_engine::meter::Outcome;
use switchboard_engine::principal::Principal;
use switchboard_engine::route::Names;
use switchboard_engine::settings::{Hedging, Settings};
use switchboard_engine::terms::{Budget, Level, Limit, NanoUsd, ScopeId, Terms, Unit, Window};
use switchboard_wire::Dialect;

use super::numbered;
use crate::exchange::rig::{Rig, ask, call};
use crate::exchange::upstream::{Act, Scripted, json, stalled, stream};
use crate::exchange::words::{opening, streamed, text_of, text_of_stream, whole};

const OPENAI: Dialect = Dialect::OpenAiChat;

fn hedging() -> Settings {
    let soon = Duration::from_millis(20);
    Settings { hedging: Some(Hedging { least: soon, unknown: Some(soon) }), ..Settings::default() }
}

async fn pair(first: Act, second: Act) -> (Rig, Scripted, Scripted) {
    let (first, second) = (Scripted::start(vec![first]).await, Scripted::start(vec![second]).await);
    let specs = vec![numbered(0, OPENAI, &first), numbered(1, Dialect::Anthropic, &second)];
    (Rig::trying(specs, Names::default(), hedging()), first, second)
}

#[tokio::test]
async fn a_slow_deployment_is_outrun_and_given_up() {
    for streams in [true, false] {
        let good = if streams { stream(&streamed(Dialect::Anthropic)) } else { json("200 OK", whole(Dialect::Anthropic)) };
        let slow = if streams { stalled(opening(OPENAI)) } else { Act::Hold };
        let (rig, first, second) = pair(slow, good).await;
        let told = rig.ask(&ask(OPENAI, streams)).await;
        assert_eq!(told.status, 200, "{told:?}");
        let text = if streams { text_of_stream(OPENAI, &told.body) } else { text_of(OPENAI, &told.json()) };
        assert_eq!(text, "Hello there");
        assert_eq!((told.header("x-switchboard-hedged"), told.header("x-litellm-model-id")), (Some("won"), Some("d1")));
        assert_eq!(told.header("x-litellm-attempted-retries"), Some("0"));
        first.left().await;
        assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
        let record = rig.record();
        assert_eq!((record.outcome, record.attempts, record.tried.len()), (Outcome::Complete, 2, 2), "{record:?}");
        let (lost, won) = (&record.tried[0], &record.tried[1]);
        assert_eq!((lost.deployment.spec.id.as_str(), lost.outrun, lost.hedge, lost.failure), ("d0", true, false, None));
        assert_eq!((won.deployment.spec.id.as_str(), won.outrun, won.hedge, won.failure), ("d1", false, true, None));
        // What the one that lost has cost its provider is told as a guess.
        assert!(record.estimated, "{record:?}");
        for id in ["d0", "d1"] {
            assert_eq!(rig.deployment(id).health.in_flight(), 0);
        }
        assert!(rig.deployment("d0").health.view(switchboard_engine::clock::now()).refusal.is_none(), "being slow is no failure");
    }
}

#[tokio::test]
async fn the_first_one_may_still_win() {
    let late = json("200 OK", whole(OPENAI));
    let (rig, first, second) = pair(Act::After(Duration::from_millis(150), Box::new(late)), Act::Hold).await;
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, told.header("x-switchboard-hedged"), told.header("x-litellm-model-id")), (200, Some("lost"), Some("d0")));
    second.left().await;
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
    let record = rig.record();
    let ids: Vec<_> = record.tried.iter().map(|attempt| (attempt.deployment.spec.id.as_str(), attempt.outrun)).collect();
    assert_eq!(ids, [("d1", true), ("d0", false)]);
}

#[tokio::test]
async fn failures_on_either_side_leave_the_other_one() {
    let fails = json("500 Internal Server Error", r#"{"error":{"message":"no"}}"#);
    let good = json("200 OK", whole(OPENAI));
    let slowly = |act: &Act| Act::After(Duration::from_millis(150), Box::new(act.clone()));
    let (rig, _first, _second) = pair(slowly(&good), fails.clone()).await;
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, told.header("x-litellm-model-id")), (200, Some("d0")), "{told:?}");
    let record = rig.record();
    assert_eq!(record.tried.len(), 2, "{record:?}");
    assert!(record.tried[0].failure.is_some() && record.tried[0].hedge, "{record:?}");

    let answer = json("200 OK", whole(Dialect::Anthropic));
    let (rig, _first, _second) = pair(slowly(&fails), Act::After(Duration::from_millis(400), Box::new(answer))).await;
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, told.header("x-switchboard-hedged")), (200, Some("won")), "{told:?}");
    assert_eq!(rig.record().tried.len(), 2);

    let (rig, _first, _second) = pair(slowly(&fails), slowly(&fails)).await;
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!(told.status, 502, "{told:?}");
    let record = rig.record();
    assert!(record.tried.iter().all(|attempt| attempt.failure.is_some()), "{record:?}");
    assert_eq!(record.tried.len() as u32, record.attempts);
}

#[tokio::test]
async fn only_mere_inference_is_asked_for_twice() {
    let bodies = [
        (OPENAI, r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"store":true}"#, false),
        (OPENAI, r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"mcp","server_url":"https://x"}]}"#, false),
        (
            OPENAI,
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]}"#,
            true,
        ),
        (Dialect::OpenAiResponses, r#"{"model":"m","input":"hi"}"#, false),
        (Dialect::OpenAiResponses, r#"{"model":"m","input":"hi","store":false}"#, true),
        (Dialect::OpenAiResponses, r#"{"model":"m","input":"hi","store":false,"previous_response_id":"r"}"#, false),
        (
            Dialect::Anthropic,
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}"#,
            true,
        ),
    ];
    for (client, body, twice) in bodies {
        let late = json("200 OK", whole(OPENAI));
        let (rig, _first, second) =
            pair(Act::After(Duration::from_millis(200), Box::new(late)), json("200 OK", whole(Dialect::Anthropic))).await;
        let told = rig.ask(&call(client, false, body)).await;
        assert_eq!(told.header("x-switchboard-hedged").is_some(), twice, "{body}: {told:?}");
        assert_eq!(second.requests().len(), usize::from(twice), "{body}");
    }
}

#[tokio::test]
async fn callers_may_say_whether_they_want_it() {
    for (settings, said, wanted) in [
        (hedging(), None, true),
        (hedging(), Some("false"), false),
        (Settings::default(), None, false),
        (Settings::default(), Some("true"), false),
    ] {
        let first = Scripted::start(vec![Act::After(Duration::from_millis(200), Box::new(json("200 OK", whole(OPENAI))))]).await;
        let second = Scripted::start(vec![json("200 OK", whole(OPENAI))]).await;
        let rig = Rig::trying(vec![numbered(0, OPENAI, &first), numbered(1, OPENAI, &second)], Names::default(), settings);
        let mut request = ask(OPENAI, false);
        request.headers.extend(said.map(|said| (http::HeaderName::from_static("x-switchboard-hedge"), HeaderValue::from_static(said))));
        assert_eq!(rig.ask(&request).await.status, 200);
        assert_eq!(second.requests().len(), usize::from(wanted), "{said:?}");
    }
}

/// Where the pace of a deployment is known, it is the pace that says when another one is asked.
#[tokio::test]
async fn what_is_usual_is_waited_for() {
    let late = || Act::After(Duration::from_millis(120), Box::new(json("200 OK", whole(OPENAI))));
    let (first, second) =
        (Scripted::start(vec![late(), late(), late(), Act::Hold]).await, Scripted::start(vec![json("200 OK", whole(OPENAI))]).await);
    let settings = Settings { hedging: Some(Hedging { least: Duration::from_millis(1), unknown: None }), ..Settings::default() };
    let rig = Rig::trying(vec![numbered(0, OPENAI, &first), numbered(1, OPENAI, &second)], Names::default(), settings);
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, second.requests().len()), (200, 0), "of its pace nothing was known");
    let health = rig.deployment("d0").health.clone();
    let known = async {
        loop {
            match health.slow(false, switchboard_engine::clock::now()) {
                Some(slow) => break slow,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    assert!(known.await >= Duration::from_millis(100));
    rig.ask(&ask(OPENAI, false)).await;
    rig.ask(&ask(OPENAI, false)).await;
    let told = rig.ask(&ask(OPENAI, false)).await;
    assert_eq!((told.status, told.header("x-switchboard-hedged")), (200, Some("won")), "{told:?}");
}

/// Both attempts are held for; one call counts once; and nothing stays held.
#[tokio::test]
async fn budgets_cover_both_attempts() {
    let (rig, first, _second) = pair(Act::Hold, json("200 OK", whole(Dialect::Anthropic))).await;
    let book = rig.gateway.admission().book().clone();
    let terms = Terms {
        budgets: vec![Budget::new(NanoUsd(1_000_000_000), Window::DAILY)],
        limits: vec![Limit::rpm(1), Limit::parallel(1)],
        ..Terms::default()
    };
    let scope = book.scope(ScopeId::new(Level::Key, "k"), terms);
    let principal = Principal { scopes: vec![scope.clone()], ..Principal::named("k") };
    let request = Call { principal: std::sync::Arc::new(principal), ..ask(OPENAI, false) };
    let told = rig.ask(&request).await;
    assert_eq!((told.status, told.header("x-switchboard-hedged")), (200, Some("won")), "{told:?}");
    first.left().await;
    let record = rig.record();
    assert_eq!(record.charged, scope.spent(), "what both cost is spent once");
    let standing = |unit: Unit| told.header(&format!("x-ratelimit-api_key-remaining-{}", unit.as_str())).map(str::to_owned);
    assert_eq!(standing(Unit::Requests).as_deref(), Some("0"), "{told:?}");
    // One call of one a minute is used up: a second one is refused for that and not because anything is still held.
    let refused = rig.ask(&request).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.body.contains("requests") || refused.body.contains("rpm"), "{refused:?}");
}

/// That there is no room for two says nothing of the first one, which fails or answers as ever.
#[tokio::test]
async fn without_room_for_two_there_is_one() {
    let late = Act::After(Duration::from_millis(150), Box::new(json("200 OK", whole(OPENAI))));
    let (rig, _first, second) = pair(late, json("200 OK", whole(Dialect::Anthropic))).await;
    let terms = Terms { budgets: vec![Budget::new(NanoUsd(1), Window::DAILY)], ..Terms::default() };
    let scope = rig.gateway.admission().book().scope(ScopeId::new(Level::Key, "k"), terms);
    let principal = Principal { scopes: vec![scope], ..Principal::named("k") };
    let told = rig.ask(&Call { principal: std::sync::Arc::new(principal), ..ask(OPENAI, false) }).await;
    assert_eq!((told.status, told.header("x-litellm-model-id"), second.requests().len()), (200, Some("d0"), 0), "{told:?}");
    let record = rig.record();
    assert_eq!(record.tried.len(), 1, "nor is one told that was never asked: {:?}", record.tried);
}

/// A client that leaves while both are under way leaves one record and nothing running.
#[tokio::test]
async fn a_client_that_leaves_takes_both_along() {
    let (rig, first, second) = pair(Act::Hold, Act::Hold).await;
    let request = ask(OPENAI, false);
    {
        let mut asking = Box::pin(rig.ask(&request));
        let both = async {
            first.asked().await;
            second.asked().await;
        };
        tokio::pin!(both);
        std::future::poll_fn(|ctx| {
            assert!(asking.as_mut().poll(ctx).is_pending());
            both.as_mut().poll(ctx)
        })
        .await;
    }
    first.left().await;
    second.left().await;
    let record = rig.record();
    assert_eq!((record.outcome, record.attempts, record.tried.len()), (Outcome::Cancelled, 2, 2), "{record:?}");
}

/// A group of one deployment, and another to fall back to.
async fn groups(first: Act, second: Act, settings: Settings) -> (Rig, Scripted, Scripted) {
    let (first, second) = (Scripted::start(vec![first]).await, Scripted::start(vec![second]).await);
    let mut spare = numbered(1, OPENAI, &second);
    spare.group = "spare".to_owned();
    let names = Names { fallbacks: vec![("m".to_owned(), vec!["spare".into()])], ..Names::default() };
    (Rig::trying(vec![numbered(0, OPENAI, &first), spare], names, settings), first, second)
}

#[tokio::test]
async fn where_a_group_has_no_other_the_one_it_falls_back_to_has() {
    for streams in [true, false] {
        let good = if streams { stream(&streamed(OPENAI)) } else { json("200 OK", whole(OPENAI)) };
        let (rig, first, second) = groups(Act::Hold, good, hedging()).await;
        let told = rig.ask(&ask(OPENAI, streams)).await;
        assert_eq!((told.header("x-switchboard-hedged"), told.header("x-litellm-model-id")), (Some("won"), Some("d1")), "{told:?}");
        // It is told which model it was.
        assert_eq!(told.header("x-litellm-model-group"), Some("spare"));
        first.left().await;
        assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
    }
    // Whoever wants no fallback gets none.
    let slow = Act::After(Duration::from_millis(150), Box::new(json("200 OK", whole(OPENAI))));
    let (rig, _first, second) = groups(slow, Act::Hold, hedging()).await;
    let body = r#"{"model":"m","disable_fallbacks":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let told = rig.ask(&call(OPENAI, false, body)).await;
    assert_eq!((told.status, told.header("x-switchboard-hedged"), second.requests().len()), (200, None, 0), "{told:?}");
}
