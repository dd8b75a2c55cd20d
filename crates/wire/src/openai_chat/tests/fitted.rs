//! Requests for OpenRouter and with marks for caches, at providers that have neither.

use serde_json::{Value, json};

use crate::dialect::{Dialect, Flavor};
use crate::frames::Frames;
use crate::half::{Head, Inbound, Profile, Stamp, Thinking};
use crate::openai_chat::OpenAiChat;
use crate::outline::{Edits, Outline};
use crate::prepare::{Route, Source, prepare};
use crate::reply::ChatReply;

/// The body as the target gets it, and what is told to be lost.
fn sent(body: &Value, fitted: bool, profile: &Profile) -> (Value, String) {
    let body = Frames::from(bytes::Bytes::from(body.to_string()));
    let (outline, edits) = (Outline::scan(&body).unwrap(), Edits::default());
    let route = Route { from: Dialect::OpenAiChat, to: Dialect::OpenAiChat, profile, edits: &edits, laid: &[], fitted, lenient: false };
    let prepared = prepare(&route, &Head::default(), &Source::Bytes(&body, &outline)).unwrap();
    (serde_json::from_slice(&prepared.body.join()).unwrap(), prepared.losses.to_string())
}

fn plain() -> Profile {
    Profile { knobs: Some(Vec::new()), cache_marks: Some(false), ..Profile::default() }
}

#[test]
fn words_of_openrouter_become_the_providers() {
    let hi = json!([{"role": "user", "content": "hi"}]);
    let body = json!({
        "model": "m", "messages": hi, "temperature": 0.5, "top_k": 0, "min_p": 0, "top_a": 0.1, "repetition_penalty": 1,
        "include_reasoning": true, "reasoning": {"exclude": false, "effort": "low"}, "image_config": {"aspect_ratio": "1:1"},
        "chat_template_kwargs": {"a": 1}
    });
    let (got, losses) = sent(&body, true, &plain());
    let wanted = json!({
        "model": "m", "messages": hi, "temperature": 0.5, "reasoning_effort": "low", "chat_template_kwargs": {"a": 1}
    });
    assert_eq!((got, losses.as_str()), (wanted, "image_config, top_a"));
    // Whoever speaks the provider's API is believed.
    assert_eq!(sent(&body, false, &plain()), (body.clone(), String::new()));
    let knobs = Profile { knobs: Some(vec!["top_a".to_owned(), "top_k".to_owned()]), ..plain() };
    let (got, losses) = sent(&body, true, &knobs);
    assert_eq!((&got["top_a"], got.get("top_k"), losses.as_str()), (&json!(0.1), None, "image_config"));
}

#[test]
fn thoughts_are_asked_for_as_the_model_knows() {
    let asked = |reasoning: Value, profile: Profile| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "reasoning": reasoning});
        let (mut got, losses) = sent(&body, true, &profile);
        got.as_object_mut().unwrap().retain(|key, _| key != "model" && key != "messages");
        (got, losses)
    };
    let of = |thinking| Profile { thinking: Some(thinking), ..plain() };
    assert_eq!(asked(json!({"max_tokens": 2000}), of(Thinking::Effort)).0, json!({"reasoning_effort": "low"}));
    assert_eq!(asked(json!({"effort": "high"}), of(Thinking::Never)), (json!({}), "reasoning".to_owned()));
    assert_eq!(asked(json!({"exclude": true}), plain()), (json!({}), String::new()));
    assert_eq!(asked(json!({"enabled": true}), plain()).0, json!({"reasoning_effort": "medium"}));
    let switched = Profile { thinking_switch: Some(true), ..of(Thinking::Effort) };
    assert_eq!(asked(json!({"enabled": false}), switched).0, json!({"thinking": {"type": "disabled"}}));
}

#[test]
fn thoughts_go_back_where_the_provider_looks_for_them() {
    let call = json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let detail = json!({"type": "reasoning.text", "text": "hm", "index": 0, "format": "unknown"});
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "reasoning": "hm", "reasoning_details": [detail], "tool_calls": call},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]});
    let back = |field: Option<&str>| {
        let (got, losses) = sent(&body, true, &Profile { reasoning_field: field.map(str::to_owned), ..plain() });
        (got["messages"][1].clone(), losses)
    };
    let turn = json!({"role": "assistant", "content": null, "tool_calls": call});
    let mut with = turn.clone();
    with["reasoning_content"] = json!("hm");
    assert_eq!(back(Some("reasoning_content")), (with, String::new()));
    assert_eq!(back(None), (turn, "messages.reasoning;approximated".to_owned()));
}

#[test]
fn marks_for_caches_go_where_they_are_taken() {
    let mark = json!({"type": "ephemeral"});
    let text = |mark: Option<&Value>| {
        let mut part = json!({"type": "text", "text": "about \"cache_control\""});
        mark.into_iter().for_each(|mark| part["cache_control"] = mark.clone());
        part
    };
    let body = json!({
        "model": "m",
        "messages": [{"role": "system", "content": [text(Some(&mark))]}, {"role": "user", "content": [text(None), text(Some(&mark))]}],
        "tools": [{"type": "function", "function": {"name": "f", "cache_control": mark}}],
    });
    let (got, losses) = sent(&body, false, &plain());
    assert!(!got.to_string().contains("\"cache_control\":"), "{got}");
    assert_eq!((got["messages"][1]["content"][1]["text"].clone(), losses.as_str()), (text(None)["text"].clone(), "messages.cache_control"));
    assert_eq!(sent(&body, false, &Profile::default()), (body, String::new()));
    // A word is no mark: such a request passes as it came.
    let talk = r#"{"model":"m", "messages":[{"role":"user","content":"\"cache_control\""}]}"#;
    let frames = Frames::from(bytes::Bytes::from_static(talk.as_bytes()));
    let (outline, edits, profile) = (Outline::scan(&frames).unwrap(), Edits::default(), plain());
    let route = Route {
        from: Dialect::OpenAiChat,
        to: Dialect::OpenAiChat,
        profile: &profile,
        edits: &edits,
        laid: &[],
        fitted: true,
        lenient: false,
    };
    let passed = prepare(&route, &Head::default(), &Source::Bytes(&frames, &outline)).unwrap();
    assert_eq!(passed.body.join(), talk.as_bytes());
}

#[test]
fn details_have_the_format_that_their_seal_will_have() {
    use crate::chat::{Part, PartBody, Thought};
    let thought = Thought { text: "hm".to_owned(), ..Thought::default() };
    let reply = ChatReply { parts: vec![Part::new(PartBody::Reasoning(thought))], ..ChatReply::default() };
    for (vendor, format) in
        [(None, "unknown"), (Some("deepseek"), "unknown"), (Some("anthropic"), "anthropic-claude-v1"), (Some("xai"), "xai-responses-v1")]
    {
        let stamp = Stamp { flavor: Flavor::OpenRouter, vendor: vendor.map(str::to_owned), ..Stamp::default() };
        let whole: Value = serde_json::from_slice(&OpenAiChat.write_reply(&reply, &stamp)).unwrap();
        assert_eq!(whole["choices"][0]["message"]["reasoning_details"][0]["format"], format);
        let mut writer = OpenAiChat.event_writer(stamp);
        let mut out = bytes::BytesMut::new();
        crate::assemble::events_of(&reply).iter().for_each(|event| writer.write(event, &mut out));
        assert!(String::from_utf8(out.to_vec()).unwrap().contains(&format!("\"format\":\"{format}\"")));
    }
}

#[test]
fn a_stream_of_openrouter_breaks_off_in_a_chunk_like_the_others() {
    use crate::event::Event;
    use crate::problem::{Fault, Kind, Problem};
    let stamp = Stamp { id: "gen-1".to_owned(), created: 7, model: "m".to_owned(), flavor: Flavor::OpenRouter, ..Stamp::default() };
    let mut writer = OpenAiChat.event_writer(stamp);
    let mut out = bytes::BytesMut::new();
    writer.write(&Event::Start { id: None, model: None, created: None }, &mut out);
    let from = out.len();
    writer.write(&Event::Fault(Box::new(Fault::of_problem(&Problem::new(Kind::Upstream, "cut")))), &mut out);
    let chunk: Value = serde_json::from_slice(out[from..].strip_prefix(b"data: ").unwrap()).unwrap();
    let head = json!({"id": chunk["id"], "object": chunk["object"], "created": chunk["created"], "model": chunk["model"]});
    assert_eq!(head, json!({"id": "gen-1", "object": "chat.completion.chunk", "created": 7, "model": "m"}));
    assert_eq!((&chunk["error"]["message"], &chunk["choices"][0]["finish_reason"]), (&json!("cut"), &json!("error")));
}

#[test]
fn the_seal_of_a_call_stands_with_the_thoughts_of_openrouters_clients() {
    use crate::chat::{Part, PartBody, Thought, ToolCall};
    use crate::seal::{GOOGLE, SealKind, Sealed};
    let seal = Sealed { vendor: GOOGLE.into(), kind: SealKind::Signature, bytes: "U0lH".to_owned() };
    let call = ToolCall { id: "c1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned(), seal: Some(seal), ..ToolCall::default() };
    let thought = Thought { text: "hm".to_owned(), summary: true, ..Thought::default() };
    let parts = vec![Part::new(PartBody::Reasoning(thought)), Part::new(PartBody::ToolCall(call))];
    let reply = ChatReply { parts, ..ChatReply::default() };
    let stamp = || Stamp { flavor: Flavor::OpenRouter, vendor: Some(GOOGLE.to_owned()), ..Stamp::default() };
    let whole: Value = serde_json::from_slice(&OpenAiChat.write_reply(&reply, &stamp())).unwrap();
    let message = &whole["choices"][0]["message"];
    let wanted = json!({"type": "reasoning.encrypted", "data": "U0lH", "id": "c1", "format": "google-gemini-v1", "index": 1});
    assert_eq!(message["reasoning_details"][1], wanted);
    assert!(message["tool_calls"][0].get("extra_content").is_none(), "{message}");
    let mut writer = OpenAiChat.event_writer(stamp());
    let mut out = bytes::BytesMut::new();
    crate::assemble::events_of(&reply).iter().for_each(|event| writer.write(event, &mut out));
    let stream = String::from_utf8(out.to_vec()).unwrap();
    assert!(details(&stream).contains(&wanted), "{stream}");
    assert!(!stream.contains("extra_content"), "{stream}");
    // What comes back is the call's, also where all of it has one index, as OpenRouter has it.
    for index in [0, 1] {
        let mut message = message.clone();
        message["reasoning_details"][1]["index"] = json!(index);
        let talk = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}, message]});
        let read = OpenAiChat.read_request(&Head::default(), talk.to_string().as_bytes()).unwrap();
        let sealed = |part: &Part| match &part.body {
            PartBody::ToolCall(call) => call.seal.clone().map(|seal| (seal.vendor.into_owned(), seal.bytes)),
            PartBody::Reasoning(thought) => thought.seal.clone().map(|_| ("a thought's".to_owned(), String::new())),
            _ => None,
        };
        let seals: Vec<(String, String)> = read.messages[1].parts.iter().filter_map(sealed).collect();
        assert_eq!(seals, [(GOOGLE.to_owned(), "U0lH".to_owned())], "{index}");
    }
}

/// All `reasoning_details` of a stream.
fn details(stream: &str) -> Vec<Value> {
    let chunks = stream.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    chunks.filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_details"].as_array().cloned()).flatten().collect()
}
