//! How an answer came about is told in every form of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::Value;
use switchboard_engine::call::{Call, Content};
use switchboard_engine::route::Names;
use switchboard_engine::settings::{Hedging, Settings};
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::outline::Outline;

use super::{numbered, serve};
use crate::exchange::rig::{Rig, ask};
use crate::exchange::upstream::{Act, Scripted, cut, json, stream};
use crate::exchange::words::{clean_end, content, opening, streamed, whole};

const FACES: [Dialect; 3] = [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Anthropic];

/// A call of OpenRouter's that asks how its answer came about.
fn curious(dialect: Dialect, streams: bool) -> Call {
    let mut call = ask(dialect, streams);
    call.door.flavor = Flavor::OpenRouter;
    call.headers.insert("x-openrouter-metadata", HeaderValue::from_static("enabled"));
    call
}

/// What is told in a stream of that dialect: once, and where its clients look for it.
fn told(dialect: Dialect, body: &str) -> Value {
    let events = body.split("\n\n").filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")));
    let events = events.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str::<Value>(data).unwrap());
    let place = |event: &Value| match dialect {
        Dialect::OpenAiResponses => event["response"]["openrouter_metadata"].clone(),
        _ => event["openrouter_metadata"].clone(),
    };
    let found: Vec<Value> = events.map(|event| place(&event)).filter(|told| !told.is_null()).collect();
    assert_eq!(found.len(), 1, "{dialect:?}: {body}");
    found[0].clone()
}

fn statuses(told: &Value) -> Vec<u64> {
    told["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].as_u64().unwrap()).collect()
}

fn selected(told: &Value) -> Vec<bool> {
    told["endpoints"]["available"].as_array().unwrap().iter().map(|one| one["selected"].as_bool().unwrap()).collect()
}

#[tokio::test]
async fn streams_and_whole_answers_of_every_face_tell_it() {
    for client in FACES {
        for provider in FACES {
            for streams in [true, false] {
                let good = if streams { stream(&streamed(provider)) } else { json("200 OK", whole(provider)) };
                let fails = json("500 Internal Server Error", r#"{"error":{"message":"no"}}"#);
                let (first, second) = (Scripted::start(vec![fails]).await, Scripted::start(vec![good]).await);
                let specs = vec![numbered(0, provider, &first), numbered(1, provider, &second)];
                let rig = Rig::trying(specs, Names::default(), Settings::default());
                let answer = rig.ask(&curious(client, streams)).await;
                let shown = format!("{client:?} of {provider:?}, streamed: {streams}: {answer:?}");
                let told = if streams { told(client, &answer.body) } else { answer.json()["openrouter_metadata"].clone() };
                let statuses = statuses(&told);
                let (last, before) = statuses.split_last().unwrap();
                assert!(*last == 200 && !before.is_empty() && before.iter().all(|status| *status == 500), "{shown}");
                assert_eq!(selected(&told), [false, true], "{shown}");
                assert_eq!((told["attempt"].as_u64(), told["strategy"].as_str()), (Some(statuses.len() as u64), Some("direct")), "{shown}");
                if streams {
                    answer.says(&[clean_end(client)]);
                }
            }
        }
    }
}

#[tokio::test]
async fn whichever_is_quicker_is_the_one_told_of() {
    let soon = Duration::from_millis(20);
    let settings = Settings { hedging: Some(Hedging { least: soon, unknown: Some(soon) }), ..Settings::default() };
    for streams in [true, false] {
        let dialect = Dialect::OpenAiChat;
        let good = if streams { stream(&streamed(dialect)) } else { json("200 OK", whole(dialect)) };
        let (first, second) = (Scripted::start(vec![Act::Hold]).await, Scripted::start(vec![good]).await);
        let specs = vec![numbered(0, dialect, &first), numbered(1, dialect, &second)];
        let rig = Rig::trying(specs, Names::default(), settings.clone());
        let answer = rig.ask(&curious(dialect, streams)).await;
        assert_eq!(answer.header("x-switchboard-hedged"), Some("won"));
        let told = if streams { told(dialect, &answer.body) } else { answer.json()["openrouter_metadata"].clone() };
        assert_eq!(selected(&told), [false, true], "{told}");
    }
}

#[tokio::test]
async fn whoever_goes_on_with_a_text_is_told_of_too() {
    let dialect = Dialect::OpenAiChat;
    let broken = cut(&format!("{}{}", opening(dialect), content(dialect, "Hello ")));
    let (first, second) = (Scripted::start(vec![broken]).await, Scripted::start(vec![stream(&streamed(dialect))]).await);
    let specs = vec![numbered(0, dialect, &first), numbered(1, dialect, &second)];
    let rig = Arc::new(Rig::trying(specs, Names::default(), Settings { continue_streams: true, ..Settings::default() }));
    let answer = serve(&rig, &curious(dialect, true)).await;
    let told = told(dialect, &answer.body);
    assert_eq!((statuses(&told), told["attempt"].as_u64()), (vec![502, 200], Some(2)), "{told}");
}

#[tokio::test]
async fn several_choices_of_one_stream_pass_and_tell_it() {
    let dialect = Dialect::OpenAiChat;
    let chunk = |index: u32| {
        let choice = |rest: &str| {
            format!("data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":{index},{rest}}}]}}\n\n")
        };
        format!("{}{}", choice(r#""delta":{"content":"hi"},"finish_reason":null"#), choice(r#""delta":{},"finish_reason":"stop""#))
    };
    let both = format!("{}{}data: [DONE]\n\n", chunk(0), chunk(1));
    let upstream = Scripted::start(vec![stream(&both)]).await;
    let rig = Rig::trying(vec![numbered(0, dialect, &upstream)], Names::default(), Settings::default());
    let mut call = curious(dialect, true);
    let body = String::from_utf8(call.body.join().to_vec()).unwrap().replacen('{', "{\"n\":2,", 1);
    call.body = Frames::from(Bytes::from(body));
    call.content = Content::Json(Outline::scan(&call.body).unwrap());
    let answer = rig.ask(&call).await;
    answer.says(&["\"index\":0", "\"index\":1", "data: [DONE]"]);
    assert_eq!(statuses(&told(dialect, &answer.body)), [200]);
}
