use std::sync::Arc;
use std::time::Duration;

use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_engine::settings::Settings;
use switchboard_wire::Dialect;

use super::{numbered, serve};
use crate::exchange::rig::{Rig, ask};
use crate::exchange::upstream::{Act, Scripted, json, stream};
use crate::exchange::words::{ALL, clean_end, streamed, text_of_stream};

fn early() -> Settings {
    Settings { early_headers_after: Some(Duration::from_millis(40)), num_retries: Some(0), ..Settings::default() }
}

fn slowly(act: Act) -> Act {
    Act::After(Duration::from_millis(250), Box::new(act))
}

#[tokio::test]
async fn headers_go_out_and_the_answer_follows() {
    for client in ALL {
        let upstream = Scripted::start(vec![slowly(stream(&streamed(Dialect::Anthropic)))]).await;
        let rig = Arc::new(Rig::trying(vec![numbered(0, Dialect::Anthropic, &upstream)], Names::default(), early()));
        let told = serve(&rig, &ask(client, true)).await;
        assert_eq!((told.status, told.header("x-switchboard-early-headers")), (200, Some("1")), "{told:?}");
        assert_eq!(told.header("content-type"), Some("text/event-stream"));
        assert_eq!(told.header("x-litellm-call-id"), Some("call-1"));
        assert!(told.body.starts_with(": ping\n\n"), "{told:?}");
        assert_eq!(text_of_stream(client, &told.body), "Hello there");
        told.says(&[clean_end(client)]);
        assert_eq!(rig.record().outcome, Outcome::Complete);
        // What comes in time comes as ever.
        let upstream = Scripted::start(vec![stream(&streamed(Dialect::Anthropic))]).await;
        let settings = Settings { early_headers_after: Some(Duration::from_secs(60)), ..early() };
        let rig = Arc::new(Rig::trying(vec![numbered(0, Dialect::Anthropic, &upstream)], Names::default(), settings));
        let told = serve(&rig, &ask(client, true)).await;
        assert_eq!((told.header("x-switchboard-early-headers"), told.header("x-litellm-model-id")), (None, Some("d0")), "{told:?}");
    }
}

#[tokio::test]
async fn a_failure_after_the_headers_is_an_event_and_others_are_tried_before() {
    for client in ALL {
        let failing = || slowly(json("500 Internal Server Error", "{}"));
        let (first, second) = (Scripted::start(vec![failing()]).await, Scripted::start(vec![failing()]).await);
        let specs = || vec![numbered(0, Dialect::OpenAiChat, &first), numbered(1, Dialect::OpenAiChat, &second)];
        let rig = Arc::new(Rig::trying(specs(), Names::default(), Settings { num_retries: None, ..early() }));
        let told = serve(&rig, &ask(client, true)).await;
        assert_eq!(told.status, 200, "{told:?}");
        assert!(told.body.contains("error") && !told.body.contains(clean_end(client)), "{told:?}");
        let record = rig.record();
        assert_eq!(record.status, 200, "what the client had: {record:?}");
        assert!(matches!(record.outcome, Outcome::Failed(_)), "{record:?}");
        assert!(record.tried.iter().any(|attempt| attempt.deployment.spec.id == "d1"), "{record:?}");
    }
    // In an array there are no comments, and the error is its item.
    let upstream = Scripted::start(vec![slowly(json("500 Internal Server Error", "{}"))]).await;
    let rig = Arc::new(Rig::trying(vec![numbered(0, Dialect::OpenAiChat, &upstream)], Names::default(), early()));
    let mut request = ask(Dialect::Gemini, true);
    request.door.array = true;
    let told = serve(&rig, &request).await;
    assert!(told.json()[0]["error"]["message"].is_string(), "{told:?}");
}

#[tokio::test]
async fn a_client_that_leaves_meanwhile_cancels_the_provider() {
    let upstream = Scripted::start(vec![Act::Hold]).await;
    let rig = Arc::new(Rig::trying(vec![numbered(0, Dialect::OpenAiChat, &upstream)], Names::default(), early()));
    let request = ask(Dialect::OpenAiChat, true);
    let left = tokio::time::timeout(Duration::from_millis(200), serve(&rig, &request)).await;
    assert!(left.is_err());
    upstream.left().await;
    let record = rig.record();
    assert_eq!((record.outcome, record.status), (Outcome::Cancelled, 200), "{record:?}");
}
