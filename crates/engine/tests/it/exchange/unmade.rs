//! Answers that their providers say they did not complete: nobody gets them as if they had.

use switchboard_engine::deployment::Spec;
use switchboard_engine::meter::Outcome;
use switchboard_wire::Dialect;
use switchboard_wire::problem::Kind;

use super::rig::{Rig, ask, spec};
use super::upstream::{Scripted, json};
use super::words::{ALL, text_of, text_of_stream, whole};

/// Asks for an answer that ends so, alone and beside a provider that completes its own.
async fn fails((client, provider): (Dialect, Dialect), answer: &str, stream: bool) {
    let shown = format!("{client} of {provider}, stream {stream}: {answer}");
    let upstream = Scripted::start(vec![json("200 OK", answer)]).await;
    let rig = Rig::new(vec![spec(provider, &upstream)]);
    let told = rig.ask(&ask(client, stream)).await;
    assert_eq!(told.status, 502, "{shown}: {told:?}");
    let record = rig.record();
    assert_eq!(record.outcome, Outcome::Failed(Kind::Upstream), "{shown}");
    assert_eq!(record.usage.and_then(|usage| usage.output), Some(7), "what it took is known all the same: {shown}");
    let spare = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let second = Spec { id: "second".to_owned(), order: 1, ..spec(Dialect::OpenAiChat, &spare) };
    let rig = Rig::new(vec![spec(provider, &upstream), second]);
    let told = rig.ask(&ask(client, stream)).await;
    let text = if stream { text_of_stream(client, &told.body) } else { text_of(client, &told.json()) };
    assert_eq!((told.status, text.as_str(), spare.requests().len()), (200, "Hello there", 1), "{shown}: {told:?}");
}

#[tokio::test]
async fn an_answer_that_is_still_to_be_made_is_none() {
    let responses = Dialect::OpenAiResponses;
    for status in ["queued", "in_progress"] {
        let answer = whole(responses).replacen("\"status\":\"completed\"", &format!("\"status\":\"{status}\""), 1);
        for client in ALL {
            if client != responses {
                fails((client, responses), &answer, false).await;
                fails((client, responses), &answer, true).await;
                continue;
            }
            // Who asked in that form can fetch it.
            let upstream = Scripted::start(vec![json("200 OK", &answer)]).await;
            let told = Rig::new(vec![spec(responses, &upstream)]).ask(&ask(client, false)).await;
            assert_eq!((told.status, told.body.as_str()), (200, answer.as_str()));
        }
    }
}

#[tokio::test]
async fn a_failed_answer_is_an_error_where_there_is_no_word_for_it() {
    let failed = |dialect, end: &str, failure: &str| (dialect, whole(dialect).replace(end, failure));
    for (provider, answer) in [
        failed(Dialect::OpenAiChat, "\"finish_reason\":\"stop\"", "\"finish_reason\":\"error\""),
        failed(Dialect::Gemini, "\"STOP\"", "\"MALFORMED_FUNCTION_CALL\""),
    ] {
        fails((Dialect::Anthropic, provider), &answer, false).await;
        // Gemini's JSON may be a stream.
        if provider != Dialect::Gemini {
            fails((Dialect::Anthropic, provider), &answer, true).await;
        }
        // Others are told in a word of their own, or get what there is.
        let upstream = Scripted::start(vec![json("200 OK", &answer)]).await;
        let told = Rig::new(vec![spec(provider, &upstream)]).ask(&ask(Dialect::OpenAiResponses, false)).await;
        assert_eq!((told.status, told.json()["status"].as_str()), (200, Some("incomplete")), "{told:?}");
    }
}
