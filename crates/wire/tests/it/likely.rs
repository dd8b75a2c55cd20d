//! How likely an answer's tokens were, where both formats have a place for it, and what is left out where they have none.

use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::assemble::events_of;
use switchboard_wire::frames::Frames;
use switchboard_wire::half::{Head, Memo, Profile};
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::prepare::{Prepared, Route, Source, prepare};
use switchboard_wire::problem::Problem;

use crate::answers::{assembled, events, stamp};

fn prepared(from: Dialect, to: Dialect, lenient: bool, body: &Value) -> Result<Prepared, Problem> {
    prepared_for(&Profile::default(), (from, to), lenient, body)
}

fn prepared_for(profile: &Profile, (from, to): (Dialect, Dialect), lenient: bool, body: &Value) -> Result<Prepared, Problem> {
    let body = Frames::from(bytes::Bytes::from(body.to_string()));
    let outline = Outline::scan(&body).unwrap();
    let route = Route { from, to, profile, edits: &Edits::default(), laid: &[], fitted: false, lenient };
    prepare(&route, &Head { path_model: Some("m"), ..Head::default() }, &Source::Bytes(&body, &outline))
}

pub(crate) fn sent(from: Dialect, to: Dialect, lenient: bool, body: &Value) -> (Value, String) {
    let prepared = prepared(from, to, lenient, body).unwrap();
    (serde_json::from_slice(&prepared.body.join()).unwrap(), prepared.losses.to_string())
}

/// What goes to a model of that profile.
pub(crate) fn sent_for(profile: &Profile, path: (Dialect, Dialect), body: &Value) -> (Value, String) {
    let prepared = prepared_for(profile, path, false, body).unwrap();
    (serde_json::from_slice(&prepared.body.join()).unwrap(), prepared.losses.to_string())
}

pub(crate) fn chat(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    body
}

#[test]
fn likelihoods_are_asked_for_in_the_words_of_both() {
    let (body, lost) = sent(Dialect::OpenAiChat, Dialect::Gemini, false, &chat(&json!({"logprobs": true, "top_logprobs": 2})));
    let config = &body["generationConfig"];
    assert_eq!((&config["responseLogprobs"], &config["logprobs"], &*lost), (&json!(true), &json!(2), ""));
    let config = json!({"responseLogprobs": true, "logprobs": 2});
    let request = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": config});
    let (body, _) = sent(Dialect::Gemini, Dialect::OpenAiChat, false, &request);
    assert_eq!((&body["logprobs"], &body["top_logprobs"]), (&json!(true), &json!(2)));
    // The responses API's clients ask for what an answer includes.
    let asked = json!({"model": "m", "input": "hi", "include": ["message.output_text.logprobs"], "top_logprobs": 2});
    let (body, lost) = sent(Dialect::OpenAiResponses, Dialect::Gemini, false, &asked);
    let config = &body["generationConfig"];
    assert_eq!((&config["responseLogprobs"], &config["logprobs"], &*lost), (&json!(true), &json!(2), ""));
    let (body, lost) = sent(Dialect::OpenAiResponses, Dialect::OpenAiChat, false, &asked);
    assert_eq!((&body["logprobs"], &body["top_logprobs"], &*lost), (&json!(true), &json!(2), ""));
    let (body, _) = sent(Dialect::OpenAiChat, Dialect::OpenAiResponses, false, &chat(&json!({"logprobs": true, "top_logprobs": 2})));
    assert_eq!((&body["include"], &body["top_logprobs"]), (&json!(["message.output_text.logprobs"]), &json!(2)));
    let sealed = json!({"model": "m", "input": "hi", "include": ["message.output_text.logprobs", "reasoning.encrypted_content"]});
    let (_, lost) = sent(Dialect::OpenAiResponses, Dialect::OpenAiChat, false, &sealed);
    assert_eq!(lost, "include");
    let (_, lost) = sent(Dialect::OpenAiResponses, Dialect::Anthropic, false, &asked);
    assert!(lost.contains("logprobs"), "{lost}");
}

#[test]
fn what_goes_beyond_one_answer_is_left_out_where_that_is_wanted() {
    let asked = chat(&json!({"n": 2, "logprobs": true, "top_logprobs": 1, "max_tokens": 9}));
    for to in [Dialect::Anthropic, Dialect::Bedrock, Dialect::Cohere] {
        assert!(prepared(Dialect::OpenAiChat, to, false, &asked).is_err(), "{to}");
        let (body, lost) = sent(Dialect::OpenAiChat, to, true, &asked);
        assert!(body.get("n").is_none() && body.get("logprobs").is_none() && body.get("top_logprobs").is_none(), "{to}: {body}");
        assert!(lost.contains('n') && lost.contains("logprobs"), "{to}: {lost}");
    }
    let (body, lost) = sent(Dialect::OpenAiChat, Dialect::Ollama, true, &asked);
    assert_eq!((&body["logprobs"], &body["top_logprobs"]), (&json!(true), &json!(1)));
    assert!(lost.split(", ").all(|name| name != "logprobs") && lost.split(", ").any(|name| name == "n"), "{lost}");
    let refused = chat(&json!({"n": 2, "messages": [{"role": "user", "content": [{"type": "what"}]}]}));
    assert!(prepared(Dialect::OpenAiChat, Dialect::Anthropic, true, &refused).is_err());
}

#[test]
fn likelihoods_are_told_in_the_words_of_both() {
    let token = |text: &str, log: f64| json!({"token": text, "logProbability": log});
    let result = json!({
        "topCandidates": [{"candidates": [token("Hi", -0.1), token("Ho", -2.5)]}, {"candidates": [token("!", -0.2), token("?", -1.5)]}],
        "chosenCandidates": [token("Hi", -0.1), token("!", -0.2)],
    });
    let candidate =
        json!({"content": {"parts": [{"text": "Hi!"}], "role": "model"}, "finishReason": "STOP", "index": 0, "logprobsResult": result});
    let gemini = json!({"candidates": [candidate], "modelVersion": "m", "responseId": "r"});
    let other = |text: &str, log: f64| json!({"token": text, "logprob": log, "bytes": null});
    let chosen = |text: &str, log: f64, others: [Value; 2]| json!({"token": text, "logprob": log, "bytes": null, "top_logprobs": others});
    let content = [chosen("Hi", -0.1, [other("Hi", -0.1), other("Ho", -2.5)]), chosen("!", -0.2, [other("!", -0.2), other("?", -1.5)])];
    let logprobs = json!({"content": content, "refusal": null});
    let of_chat = |answer: &Value| answer["choices"][0]["logprobs"].clone();
    let of_gemini = |answer: &Value| answer["candidates"][0]["logprobsResult"].clone();
    let chat = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi!"}, "finish_reason": "stop", "logprobs": logprobs},
    ]});
    let bytes = |text: &str, log: f64| json!({"token": text, "logprob": log, "bytes": text.as_bytes()});
    let listed =
        |text: &str, log: f64, others: [Value; 2]| json!({"token": text, "logprob": log, "bytes": text.as_bytes(), "top_logprobs": others});
    let list =
        json!([listed("Hi", -0.1, [bytes("Hi", -0.1), bytes("Ho", -2.5)]), listed("!", -0.2, [bytes("!", -0.2), bytes("?", -1.5)]),]);
    let text = json!({"type": "output_text", "text": "Hi!", "annotations": [], "logprobs": list});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]});
    let responses =
        json!({"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [message]});
    let ollama = json!({"model": "m", "message": {"role": "assistant", "content": "Hi!"}, "done": true, "logprobs": list});
    let of_chats = json!({"content": list, "refusal": null});
    for (from, to, body, wanted) in [
        (Dialect::Gemini, Dialect::OpenAiChat, &gemini, &logprobs),
        (Dialect::OpenAiChat, Dialect::Gemini, &chat, &result),
        (Dialect::OpenAiChat, Dialect::OpenAiResponses, &chat, &list),
        (Dialect::OpenAiResponses, Dialect::OpenAiChat, &responses, &of_chats),
        (Dialect::OpenAiResponses, Dialect::OpenAiResponses, &responses, &list),
        (Dialect::OpenAiResponses, Dialect::Gemini, &responses, &result),
        (Dialect::Ollama, Dialect::OpenAiChat, &ollama, &of_chats),
    ] {
        let reply = from.outbound().unwrap().read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap();
        let (inbound, outbound) = (to.inbound().unwrap(), to.outbound().unwrap());
        let told = |answer: &Value| match to {
            Dialect::Gemini => of_gemini(answer),
            Dialect::OpenAiResponses => answer["output"][0]["content"][0]["logprobs"].clone(),
            _ => of_chat(answer),
        };
        let whole: Value = serde_json::from_slice(&inbound.write_reply(&reply, &stamp())).unwrap();
        assert_eq!(told(&whole), *wanted, "{to}");
        let (mut writer, mut out) = (inbound.event_writer(stamp()), bytes::BytesMut::new());
        events_of(&reply).iter().for_each(|event| writer.write(event, &mut out));
        let again = events(outbound.framing(), outbound.event_reader(Memo::default()), [out.freeze()]);
        let whole: Value = serde_json::from_slice(&inbound.write_reply(&assembled(&again).unwrap(), &stamp())).unwrap();
        assert_eq!(told(&whole), *wanted, "{to} streamed");
    }
}
