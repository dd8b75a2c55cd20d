//! Whole answers.

use super::fixtures::REPLY;
use super::*;
use crate::chat::{Citation, Part, Thought, ToolCall};
use crate::reply::{Finish, Reason, Usage};
use crate::seal::{OPENAI, Sealed};

fn answer(parts: Vec<Part>, finish: Finish) -> Value {
    let reply = ChatReply { parts, finish, ..ChatReply::default() };
    serde_json::from_slice(&Anthropic.write_reply(&reply, &stamp())).unwrap()
}

#[test]
fn an_answer_comes_back_as_it_was() {
    let reply = Anthropic.read_reply(&Memo::default(), REPLY.as_bytes()).unwrap();
    let back: Value = serde_json::from_slice(&Anthropic.write_reply(&reply, &stamp())).unwrap();
    assert_eq!(back, serde_json::from_str::<Value>(REPLY).unwrap());
    let usage = reply.usage.clone().unwrap();
    assert_eq!((usage.input, usage.cache_read, usage.cache_write, usage.output), (Some(115), Some(100), Some(5), Some(42)));
    assert_eq!((usage.reasoning, usage.web_searches, usage.total), (Some(7), Some(1), None));
    // Without the usage as sent, the counts say the same.
    let mut counted = reply;
    counted.usage = Some(Usage { raw: None, ..usage });
    let again: Value = serde_json::from_slice(&Anthropic.write_reply(&counted, &stamp())).unwrap();
    assert_eq!(again["usage"], back["usage"]);
}

#[test]
fn an_answer_of_another_vendors_has_all_a_client_needs() {
    let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "oops".to_owned(), ..ToolCall::default() };
    let back = answer(vec![Part::new(PartBody::ToolCall(call))], Finish::new(Reason::Stop, "stop"));
    let content = json!([{"type": "tool_use", "id": "c", "name": "f", "input": {"input": "oops"}}]);
    let usage = json!({"input_tokens": 0, "output_tokens": 0});
    assert_eq!(
        back,
        json!({"id": "msg_stamp", "type": "message", "role": "assistant", "model": "asked", "content": content,
               "stop_reason": "tool_use", "stop_sequence": null, "usage": usage})
    );
}

#[test]
fn reasons_have_the_vendors_words() {
    let said = |reason: Reason| answer(vec![], Finish::new(reason, "x"))["stop_reason"].clone();
    assert_eq!(said(Reason::Stop), "end_turn");
    assert_eq!(said(Reason::Length), "max_tokens");
    assert_eq!(said(Reason::ContentFilter), "refusal");
    assert_eq!(said(Reason::Pause), "pause_turn");
    assert_eq!(said(Reason::Error), "end_turn", "a message that is whole has one");
    let refused = answer(vec![Part::new(PartBody::Refusal("no".to_owned()))], Finish::new(Reason::Stop, "stop"));
    assert_eq!((&refused["stop_reason"], &refused["content"][0]["text"]), (&json!("refusal"), &json!("no")));
    let full = answer(vec![], Finish::new(Reason::Length, "model_context_window_exceeded"));
    assert_eq!(full["stop_reason"], "model_context_window_exceeded");
    let met = Finish { stop_sequence: Some("END".to_owned()), ..Finish::new(Reason::StopSequence, "stop_sequence") };
    assert_eq!(answer(vec![], met)["stop_sequence"], "END");
}

#[test]
fn a_foreign_seal_travels_as_a_token_and_back() {
    let thought = Thought { id: Some("rs_1".to_owned()), text: "so".to_owned(), summary: true, seal: Some(Sealed::encrypted(OPENAI, "e")) };
    let back = answer(vec![Part::new(PartBody::Reasoning(thought.clone()))], Finish::default());
    let body = json!({"model": "m", "messages": [{"role": "assistant", "content": back["content"]}]});
    let request = read(&body);
    let PartBody::Reasoning(again) = &request.messages[0].parts[0].body else { panic!("a thought") };
    assert_eq!((&again.id, &again.text, &again.seal), (&thought.id, &thought.text, &thought.seal));
    let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), seal: Some(Sealed::signature("google", "g")), ..ToolCall::default() };
    let back = answer(vec![Part::new(PartBody::ToolCall(call.clone()))], Finish::default());
    let request = read(&json!({"model": "m", "messages": [{"role": "assistant", "content": back["content"]}]}));
    assert!(matches!(&request.messages[0].parts[0].body, PartBody::ToolCall(again) if again.seal == call.seal));
}

#[test]
fn thoughts_can_be_hidden_and_sources_stay() {
    let source = Citation { url: Some("https://a.example".to_owned()), title: Some("A".to_owned()), ..Citation::default() };
    let text = Part::new(PartBody::Text { text: "x".to_owned(), citations: vec![source] });
    let reply = ChatReply { parts: vec![Part::new(PartBody::Reasoning(Thought::default())), text], ..ChatReply::default() };
    let hidden = Stamp { hide_reasoning: true, ..stamp() };
    let back: Value = serde_json::from_slice(&Anthropic.write_reply(&reply, &hidden)).unwrap();
    assert_eq!(back["content"].as_array().unwrap().len(), 1);
    assert_eq!(back["content"][0]["citations"][0]["url"], "https://a.example");
}

#[test]
fn nonsense_is_a_fault() {
    for body in ["", "{}", "null", r#"{"content":7}"#, "<html>", r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#] {
        assert!(Anthropic.read_reply(&Memo::default(), body.as_bytes()).is_err(), "{body}");
    }
}
