//! The older format: by hand, and over recorded traffic.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::OpenAiCompletions;
use crate::assemble::events_of;
use crate::chat::{Part, PartBody};
use crate::half::{Head, Inbound, Memo, Outbound, Profile, Stamp};
use crate::openai_chat::OpenAiChat;
use crate::openai_chat::tests::support::{all_events, assembled, exchanges, written};
use crate::reply::{ChatReply, Finish, Reason, Usage};

fn request(body: Value) -> Result<Value, String> {
    let read = OpenAiCompletions.read_request(&Head::default(), body.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let written = OpenAiCompletions.write_request(&read, &Profile::default()).map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(&written.body).unwrap())
}

#[test]
fn a_request_comes_back_as_it_was() {
    let body = json!({
        "model": "m", "prompt": "Say", "max_tokens": 5, "temperature": 0.70, "top_p": 1, "n": 2, "stop": ["a", "b"], "seed": 7,
        "logprobs": 3, "user": "u", "logit_bias": {"50256": -100}, "x_unknown": {"a": [1]}
    });
    assert_eq!(request(body.clone()).unwrap(), body);
}

#[test]
fn one_prompt_in_an_array_is_one_prompt() {
    assert_eq!(request(json!({"model": "m", "prompt": ["Say"]})).unwrap(), json!({"model": "m", "prompt": "Say"}));
}

#[test]
fn what_has_no_meaning_is_refused() {
    for (key, value) in [
        ("prompt", json!(["a", "b"])),
        ("prompt", json!([1, 2])),
        ("prompt", json!([[1, 2]])),
        ("suffix", json!("x")),
        ("echo", json!(true)),
        ("best_of", json!(2)),
    ] {
        let mut body = json!({"model": "m", "prompt": "p"});
        body[key] = value;
        let error = request(body).unwrap_err();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
    assert!(request(json!({"model": "m", "prompt": "p", "best_of": 1, "echo": false, "suffix": null})).is_ok());
}

#[test]
fn a_chat_of_one_message_is_its_text_and_a_longer_one_is_refused() {
    let written = |body: Value| {
        let read = OpenAiChat.read_request(&Head::default(), body.to_string().as_bytes()).unwrap();
        OpenAiCompletions.write_request(&read, &Profile::default())
    };
    let user = json!({"role": "user", "content": "Who was Alexander?"});
    let one = written(json!({"model": "m", "messages": [user], "max_tokens": 9, "temperature": 0.5, "reasoning_effort": "low", "parallel_tool_calls": false, "service_tier": "priority", "user": "u"})).unwrap();
    let body: Value = serde_json::from_slice(&one.body).unwrap();
    assert_eq!((&body["prompt"], &body["max_tokens"], &body["temperature"]), (&json!("Who was Alexander?"), &json!(9), &json!(0.5)));
    assert!(body.get("messages").is_none());
    assert_eq!((&body["user"], one.losses.to_string().as_str()), (&json!("u"), "service_tier, reasoning, parallel_tool_calls"));
    let tool = json!({"type": "function", "function": {"name": "f"}});
    for body in [
        json!({"model": "m", "messages": [user, user]}),
        json!({"model": "m", "messages": [{"role": "system", "content": "Be brief."}, user]}),
        json!({"model": "m", "messages": [user], "tools": [tool]}),
        json!({"model": "m", "messages": [user], "logprobs": true}),
        json!({"model": "m", "messages": [user], "response_format": {"type": "json_object"}}),
    ] {
        assert!(written(body.clone()).is_err(), "{body}");
    }
}

fn answer() -> ChatReply {
    ChatReply {
        id: Some("cmpl-1".to_owned()),
        model: Some("m".to_owned()),
        created: Some(5),
        parts: vec![Part::text("four \u{2603}\n")],
        finish: Finish::new(Reason::Length, "length"),
        usage: Some(Usage { input: Some(3), output: Some(4), total: Some(7), ..Usage::default() }),
        ..ChatReply::default()
    }
}

#[test]
fn an_answer_keeps_its_meaning_whole_and_streamed() {
    let stamp = Stamp { stream_usage: true, ..Stamp::default() };
    let whole = OpenAiCompletions.read_reply(&Memo::default(), &OpenAiCompletions.write_reply(&answer(), &stamp)).unwrap();
    let stream = written(&OpenAiCompletions, &events_of(&answer()), stamp);
    assert!(stream.ends_with(b"data: [DONE]\n\n"));
    let streamed = assembled(&all_events(OpenAiCompletions.event_reader(Memo::default()), &stream)).unwrap();
    for read in [whole, streamed] {
        assert_eq!((read.id, read.model, read.created), (answer().id, answer().model, answer().created));
        assert!(matches!(&read.parts[0].body, PartBody::Text { text, .. } if text == "four \u{2603}\n"));
        assert_eq!((read.finish, read.usage), (answer().finish, answer().usage));
    }
}

#[test]
fn recorded_traffic_is_read() {
    for exchange in exchanges(|api| api.ends_with(".completions") && !api.starts_with("portkey")) {
        let (id, body) = (&exchange["id"], exchange["response_body"].as_str().unwrap().as_bytes());
        let asked = OpenAiCompletions.read_request(&Head::default(), exchange["request_body"].to_string().as_bytes());
        assert!(asked.is_ok(), "{id}: {asked:?}");
        let read = if exchange["stream"] == true {
            // Writer's streams are lines of `value`, and belong to no format of ours: they must not pass for an answer.
            assembled(&all_events(OpenAiCompletions.event_reader(Memo::default()), body))
        } else {
            OpenAiCompletions.read_reply(&Memo::default(), body)
        };
        let foreign = exchange["api"] == "writer.completions" && exchange["stream"] == true;
        assert_eq!(read.is_err(), foreign, "{id}: {read:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_a_reader(cut in 0..90_usize, bytes in prop::collection::vec(any::<u8>(), 0..8)) {
        let seed = br#"{"model":"m","prompt":["x"],"stop":"a","stream":true,"stream_options":{},"logit_bias":{}}"#;
        let cut = cut.min(seed.len());
        let body = [&seed[..cut], &bytes, &seed[cut..]].concat();
        let _ = OpenAiCompletions.read_request(&Head::default(), &body);
        let _ = OpenAiCompletions.read_reply(&Memo::default(), &body);
    }
}
