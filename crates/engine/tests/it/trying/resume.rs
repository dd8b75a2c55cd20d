use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;
use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_engine::settings::Settings;
use switchboard_wire::Dialect;

use super::{numbered, serve};
use crate::exchange::rig::{PROMPT, Rig, ask, call};
use crate::exchange::upstream::{Act, Scripted, cut, json, stream};
use crate::exchange::words::{ALL, clean_end, closing, content, opening, stream_error, text_of_stream};

fn continuing() -> Settings {
    Settings { continue_streams: true, ..Settings::default() }
}

/// Those pieces, numbered where the dialect numbers its events.
fn said(dialect: Dialect, pieces: &[&str]) -> String {
    let numbered =
        |(at, piece): (usize, &&str)| content(dialect, piece).replace("\"sequence_number\":3", &format!("\"sequence_number\":{}", 3 + at));
    pieces.iter().enumerate().map(numbered).collect()
}

/// A stream of those pieces that breaks off.
fn broken(dialect: Dialect, pieces: &[&str]) -> Act {
    let said = said(dialect, pieces);
    cut(&format!("{}{said}", opening(dialect)))
}

/// A stream of those pieces that ends well.
fn complete(dialect: Dialect, pieces: &[&str]) -> Act {
    let said = said(dialect, pieces);
    let done = if dialect == Dialect::OpenAiChat { "data: [DONE]\n\n" } else { "" };
    let closing = closing(dialect).replace("Hello there", &pieces.concat());
    stream(&format!("{}{said}{closing}{done}", opening(dialect)))
}

async fn two(first: (Dialect, Act), second: (Dialect, Act), settings: Settings) -> (Arc<Rig>, Scripted, Scripted) {
    let upstreams = (Scripted::start(vec![first.1]).await, Scripted::start(vec![second.1]).await);
    let specs = vec![numbered(0, first.0, &upstreams.0), numbered(1, second.0, &upstreams.1)];
    (Arc::new(Rig::trying(specs, Names::default(), settings)), upstreams.0, upstreams.1)
}

#[tokio::test]
async fn a_text_goes_on_at_another_provider_in_every_dialect() {
    for client in ALL {
        for first in ALL {
            for second in ALL {
                // One goes on, one begins anew, one repeats the last word.
                for rest in [&[" three", " four"][..], &["one two three", " four"], &["two thr", "ee four"]] {
                    let shown = format!("{client} of {first}, then {second} with {rest:?}");
                    let acts = (broken(first, &["one ", "two"]), complete(second, rest));
                    let (rig, _first, spare) = two((first, acts.0), (second, acts.1), continuing()).await;
                    let told = serve(&rig, &ask(client, true)).await;
                    assert_eq!(told.status, 200, "{shown}: {told:?}");
                    assert_eq!(text_of_stream(client, &told.body), "one two three four", "{shown}: {told:?}");
                    told.says(&[clean_end(client)]);
                    assert_eq!(told.body.matches("\n: continued by another provider").count(), 1, "{shown}: {told:?}");
                    let record = rig.record();
                    assert_eq!((record.outcome, record.attempts, record.continued), (Outcome::Complete, 2, 1), "{shown}: {record:?}");
                    assert!(record.tried[0].failure.is_some() && record.tried[1].failure.is_none(), "{shown}: {record:?}");
                    let asked = String::from_utf8(spare.requests()[0].1.clone()).unwrap();
                    assert!(asked.contains(PROMPT) && asked.contains("one two"), "{shown}: {asked}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_model_is_given_what_it_said_as_its_own_turn() {
    let acts = (broken(Dialect::OpenAiChat, &["one ", "two "]), complete(Dialect::Anthropic, &["three"]));
    let (rig, _first, spare) = two((Dialect::OpenAiChat, acts.0), (Dialect::Anthropic, acts.1), continuing()).await;
    let told = serve(&rig, &ask(Dialect::OpenAiChat, true)).await;
    assert_eq!(text_of_stream(Dialect::OpenAiChat, &told.body), "one two three");
    let body = spare.body();
    let last = body["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["role"], last.to_string().contains("one two\"")), (&Value::from("assistant"), true), "{body}");

    // A model that takes no such beginning is asked in words.
    let refusal = json("400 Bad Request", r#"{"type":"error","error":{"type":"invalid_request_error","message":"no prefill"}}"#);
    let first = Scripted::start(vec![broken(Dialect::OpenAiChat, &["one ", "two"])]).await;
    let second = Scripted::start(vec![refusal, complete(Dialect::Anthropic, &["one two three"])]).await;
    let specs = vec![numbered(0, Dialect::OpenAiChat, &first), numbered(1, Dialect::Anthropic, &second)];
    let rig = Arc::new(Rig::trying(specs, Names::default(), continuing()));
    let told = serve(&rig, &ask(Dialect::OpenAiChat, true)).await;
    assert_eq!(text_of_stream(Dialect::OpenAiChat, &told.body), "one two three", "{told:?}");
    let body: Value = serde_json::from_slice(&second.requests()[1].1).unwrap();
    assert_eq!(body["messages"].as_array().unwrap().last().unwrap()["role"], "user", "{body}");
}

#[tokio::test]
async fn what_is_no_plain_text_ends_in_an_error() {
    let call = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]},\"finish_reason\":null}]}\n\n";
    let thought = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"},\"finish_reason\":null}]}\n\n";
    let openai = Dialect::OpenAiChat;
    for before in [call, thought] {
        let act = cut(&format!("{}{}{before}", opening(openai), content(openai, "one ")));
        let (rig, _first, spare) = two((openai, act), (openai, complete(openai, &["two"])), continuing()).await;
        let told = serve(&rig, &ask(openai, true)).await;
        assert!(told.body.contains("error") && !told.body.contains(clean_end(openai)), "{told:?}");
        assert_eq!(spare.requests().len(), 0, "nothing to go on from");
    }
    // The other one wants to call a tool.
    let calls = stream(&format!("{}{call}{}data: [DONE]\n\n", opening(openai), closing(openai)));
    let (rig, _first, _second) = two((openai, broken(openai, &["one "])), (openai, calls), continuing()).await;
    let told = serve(&rig, &ask(openai, true)).await;
    assert!(told.body.contains("error") && !told.body.contains(clean_end(openai)), "{told:?}");
    assert!(!told.body.contains("tool_calls\":[{"), "{told:?}");
    assert!(matches!(rig.record().outcome, Outcome::Failed(_)));
}

#[tokio::test]
async fn an_answer_that_is_to_have_a_form_is_not_put_together() {
    let openai = Dialect::OpenAiChat;
    for form in
        [r#"{"type":"json_object"}"#, r#"{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":{"type":"object"}}}"#]
    {
        let acts = (broken(openai, &[r#"{\"a\": 1,"#]), complete(openai, &[r#"{\"b\": 2}"#]));
        let (rig, _first, spare) = two((openai, acts.0), (openai, acts.1), continuing()).await;
        let body = format!(r#"{{"model":"m","stream":true,"response_format":{form},"messages":[{{"role":"user","content":"{PROMPT}"}}]}}"#);
        let told = serve(&rig, &call(openai, true, &body)).await;
        assert!(told.body.contains("error") && !told.body.contains(clean_end(openai)), "{told:?}");
        assert_eq!(spare.requests().len(), 0, "{form}");
    }
}

#[tokio::test]
async fn only_who_asks_for_it_gets_it_and_only_after_a_fault() {
    let openai = Dialect::OpenAiChat;
    let acts = || (broken(openai, &["one "]), complete(openai, &["two"]));
    let (rig, _first, spare) = two((openai, acts().0), (openai, acts().1), Settings::default()).await;
    let told = rig.ask(&ask(openai, true)).await;
    assert!(told.body.contains("error") && spare.requests().is_empty(), "{told:?}");
    let (rig, _first, _second) = two((openai, acts().0), (openai, acts().1), Settings::default()).await;
    let mut request = ask(openai, true);
    request.headers.insert("x-switchboard-continue", HeaderValue::from_static("true"));
    assert_eq!(text_of_stream(openai, &serve(&rig, &request).await.body), "one two");
    // Nobody else has anything: the error is told as it was.
    let (rig, _first, _second) = two((openai, acts().0), (openai, json("500 Internal Server Error", "{}")), continuing()).await;
    let told = serve(&rig, &ask(openai, true)).await;
    assert!(told.body.contains("upstream_truncated") && !told.body.contains(clean_end(openai)), "{told:?}");
    let record = rig.record();
    assert_eq!((record.status, record.tried.len()), (200, 2), "{record:?}");
    // An error event is a fault like any other, and so is silence.
    let overloaded = stream(&format!("{}{}{}", opening(openai), content(openai, "one "), stream_error(openai, "too many")));
    let (rig, _first, _second) = two((openai, overloaded), (openai, acts().1), continuing()).await;
    assert_eq!(text_of_stream(openai, &serve(&rig, &ask(openai, true)).await.body), "one two");
    let stalled = crate::exchange::upstream::stalled(&format!("{}{}", opening(openai), content(openai, "one ")));
    let upstreams = (Scripted::start(vec![stalled]).await, Scripted::start(vec![acts().1]).await);
    let mut rig = Rig::trying(vec![numbered(0, openai, &upstreams.0), numbered(1, openai, &upstreams.1)], Names::default(), continuing());
    rig.worker.timeouts.idle = Duration::from_millis(200);
    assert_eq!(text_of_stream(openai, &serve(&Arc::new(rig), &ask(openai, true)).await.body), "one two");
}

#[tokio::test]
async fn a_group_to_fall_back_to_may_go_on_too() {
    let dialect = Dialect::OpenAiChat;
    let acts = (broken(dialect, &["one ", "two"]), complete(dialect, &[" three"]));
    let upstreams = (Scripted::start(vec![acts.0]).await, Scripted::start(vec![acts.1]).await);
    let mut spare = numbered(1, dialect, &upstreams.1);
    spare.group = "spare".to_owned();
    let names = Names { fallbacks: vec![("m".to_owned(), vec!["spare".into()])], ..Names::default() };
    let rig = Arc::new(Rig::trying(vec![numbered(0, dialect, &upstreams.0), spare], names, continuing()));
    let told = serve(&rig, &ask(dialect, true)).await;
    assert_eq!(text_of_stream(dialect, &told.body), "one two three", "{told:?}");
    told.says(&[clean_end(dialect)]);
}
