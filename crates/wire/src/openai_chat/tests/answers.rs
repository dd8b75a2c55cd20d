//! Answers, whole and streamed: the laws, by hand and over recorded traffic.

use serde_json::{Value, json};

use super::recorded::{is_chat, read};
use super::support::{all_events, assembled, events, exchanges, read_stream, written};
use crate::assemble::events_of;
use crate::chat::{Citation, Media, MediaSource, Part, PartBody, Thought, ToolCall};
use crate::dialect::Flavor;
use crate::event::{Event, Frame};
use crate::half::{Inbound, Memo, Outbound, Stamp};
use crate::openai_chat::OpenAiChat;
use crate::problem::Kind;
use crate::reply::{ChatReply, Finish, Reason, Usage};
use crate::seal::{ANTHROPIC, GOOGLE, OPENAI, Sealed};

fn stamp(flavor: Flavor) -> Stamp {
    Stamp { id: "gen-1".to_owned(), created: 7, model: "m".to_owned(), stream_usage: true, flavor, ..Stamp::default() }
}

/// What an answer means to its reader; blocks of one kind that follow each other are one.
fn meaning(reply: &ChatReply) -> Value {
    let (mut text, mut refusal, mut calls, mut media, mut sources) = (String::new(), String::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut thoughts, mut seals) = (String::new(), Vec::new());
    for part in &reply.parts {
        match &part.body {
            PartBody::Text { text: more, citations } => {
                text.push_str(more);
                sources.extend(citations.iter().map(|source| json!([source.url, source.document, source.title, source.start, source.end])));
            }
            PartBody::Refusal(more) => refusal.push_str(more),
            PartBody::Reasoning(thought) => {
                thoughts.push_str(&thought.text);
                seals.extend(thought.seal.as_ref().map(|seal| json!([seal.vendor, format!("{:?}", seal.kind), seal.bytes])));
            }
            PartBody::ToolCall(call) => {
                let arguments = if call.arguments.is_empty() && !call.custom { "{}" } else { &call.arguments };
                let seal = call.seal.as_ref().map(|seal| (seal.vendor.to_string(), &seal.bytes));
                calls.push(json!([call.id, call.name, arguments, call.custom, seal]));
            }
            PartBody::Image(image) => media.push(json!(format!("{:?}", image.source))),
            PartBody::Audio(audio) => media.push(json!([audio.id, format!("{:?}", audio.source), audio.transcript])),
            other => panic!("{other:?}"),
        }
    }
    let usage = reply.usage.as_ref().map(|usage| (usage.counts().to_vec(), usage.cost.clone()));
    json!({"id": reply.id, "model": reply.model, "created": reply.created, "text": text, "refusal": refusal, "calls": calls, "media": media,
        "sources": sources, "thoughts": thoughts, "seals": seals, "usage": usage,
        "finish": crate::openai_chat::finish::write_finish(&reply.finish, !calls.is_empty(), !refusal.is_empty(), Flavor::OpenRouter), "tier": reply.service_tier})
}

fn everything() -> ChatReply {
    let thought =
        |text: &str, seal: Option<Sealed>| Part::new(PartBody::Reasoning(Thought { text: text.to_owned(), seal, ..Thought::default() }));
    let call = |id: &str, arguments: &str, custom: bool, seal: Option<Sealed>| {
        let (id, name, arguments) = (id.to_owned(), "f".to_owned(), arguments.to_owned());
        Part::new(PartBody::ToolCall(ToolCall { id, name, arguments, custom, namespace: None, seal }))
    };
    let source = Citation {
        url: Some("https://a.example".to_owned()),
        title: Some("A".to_owned()),
        start: Some(1),
        end: Some(2),
        ..Citation::default()
    };
    let mut sound = Media::new(MediaSource::Base64("UklGRg==".to_owned()), None);
    (sound.id, sound.transcript) = (Some("audio_1".to_owned()), Some("hello".to_owned()));
    ChatReply {
        id: Some("x-1".to_owned()),
        model: Some("m-1".to_owned()),
        created: Some(5),
        parts: vec![
            thought("first\n", Some(Sealed::signature(ANTHROPIC, "sig+/="))),
            thought("", Some(Sealed::encrypted(ANTHROPIC, "hidden"))),
            thought("second", Some(Sealed::encrypted(OPENAI, "gAAA.b.c"))),
            Part::new(PartBody::Text { text: "Hi \"\u{2603}\"\n".to_owned(), citations: vec![source] }),
            Part::new(PartBody::Image(Media::new(MediaSource::Base64("iVBORw0K".to_owned()), Some("image/png".to_owned())))),
            Part::new(PartBody::Audio(sound)),
            call("call_1", "{\"a\": 1.0}", false, Some(Sealed::signature(GOOGLE, "gsig"))),
            call("call_2", "4 + 4", true, None),
            call("call_3", "", false, None),
        ],
        finish: Finish::new(Reason::ToolCalls, "tool_use"),
        usage: Some(Usage {
            input: Some(30),
            output: Some(12),
            total: Some(42),
            cache_read: Some(10),
            cache_write: Some(5),
            cache_write_5m: Some(5),
            reasoning: Some(4),
            input_audio: Some(0),
            output_audio: Some(1),
            web_searches: Some(2),
            cost: Some("0.00120".to_owned()),
            ..Usage::default()
        }),
        service_tier: Some("flex".to_owned()),
        ..ChatReply::default()
    }
}

#[test]
fn an_answer_keeps_its_meaning_whole_and_streamed_in_both_flavors() {
    for flavor in [Flavor::OpenAi, Flavor::OpenRouter] {
        let body = OpenAiChat.write_reply(&everything(), &stamp(flavor));
        let whole = OpenAiChat.read_reply(&Memo::default(), &body).unwrap();
        assert_eq!(meaning(&whole), meaning(&everything()), "{flavor:?} {}", String::from_utf8_lossy(&body));
        let stream = written(&OpenAiChat, &events_of(&everything()), stamp(flavor));
        assert!(stream.ends_with(b"data: [DONE]\n\n"));
        let streamed = read_stream(&OpenAiChat, &stream).unwrap();
        assert_eq!(meaning(&streamed), meaning(&everything()), "{flavor:?} {}", String::from_utf8_lossy(&stream));
    }
}

#[test]
fn hidden_thoughts_stay_hidden() {
    let hidden = Stamp { hide_reasoning: true, ..stamp(Flavor::OpenRouter) };
    let whole = OpenAiChat.write_reply(&everything(), &hidden);
    let stream = written(&OpenAiChat, &events_of(&everything()), hidden);
    for bytes in [whole, stream] {
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("first") && !text.contains("sig+/=") && text.contains("gsig"), "{text}");
    }
}

#[test]
fn usage_is_streamed_only_to_those_who_asked() {
    let quiet = Stamp { stream_usage: false, ..stamp(Flavor::OpenAi) };
    let stream = String::from_utf8(written(&OpenAiChat, &events_of(&everything()), quiet)).unwrap();
    assert!(!stream.contains("prompt_tokens"));
}

#[test]
fn a_chunk_has_the_form_openais_has() {
    let reply = ChatReply { parts: vec![Part::text("Hi")], finish: Finish::new(Reason::Stop, "stop"), ..ChatReply::default() };
    let stream =
        String::from_utf8(written(&OpenAiChat, &events_of(&reply), Stamp { stream_usage: false, ..stamp(Flavor::OpenAi) })).unwrap();
    let head = r#"data: {"id":"gen-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":"#;
    let wanted = [
        format!("{head}{{\"role\":\"assistant\",\"content\":\"\"}}}}]}}"),
        format!("{head}{{\"content\":\"Hi\"}}}}]}}"),
        format!("{head}{{}},\"finish_reason\":\"stop\"}}]}}"),
        "data: [DONE]".to_owned(),
    ];
    assert_eq!(stream, wanted.map(|line| line + "\n\n").concat());
}

#[test]
fn what_a_provider_of_this_format_adds_comes_back() {
    let body = json!({"id": "a", "object": "chat.completion", "created": 5, "model": "m", "system_fingerprint": "fp", "x_top": 1,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "A", "x_message": 2}, "logprobs": {"content": []}, "finish_reason": "stop", "x_choice": 3},
            {"index": 1, "message": {"role": "assistant", "content": "B", "x_message": 5}, "logprobs": null, "finish_reason": "length", "x_choice": 6}
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "x_usage": 4}});
    let reply = OpenAiChat.read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap();
    let mut back: Value = serde_json::from_slice(&OpenAiChat.write_reply(&reply, &stamp(Flavor::OpenAi))).unwrap();
    let choices = back["choices"].as_array_mut().unwrap();
    choices.iter_mut().for_each(|choice| drop(choice["message"].as_object_mut().unwrap().remove("refusal")));
    assert_eq!(back, body);
}

#[test]
fn recorded_answers_keep_their_meaning() {
    for exchange in exchanges(is_chat) {
        if exchange["status"].as_u64().unwrap() >= 300 {
            continue;
        }
        let Ok(reply) = read(&exchange) else { continue };
        for flavor in [Flavor::OpenAi, Flavor::OpenRouter] {
            let stamp = stamp(flavor);
            let mut wanted = reply.clone();
            wanted.id.get_or_insert_with(|| stamp.id.clone());
            wanted.model.get_or_insert_with(|| stamp.model.clone());
            wanted.created.get_or_insert(stamp.created);
            if let Some(usage) = &mut wanted.usage {
                usage.total = usage.total.or(usage.input.zip(usage.output).map(|(input, output)| input + output));
            }
            let whole = OpenAiChat.read_reply(&Memo::default(), &OpenAiChat.write_reply(&reply, &stamp)).unwrap();
            let streamed = read_stream(&OpenAiChat, &written(&OpenAiChat, &events_of(&reply), stamp)).unwrap();
            for found in [whole, streamed] {
                assert_eq!(lenient(meaning(&found)), lenient(meaning(&wanted)), "{} {}", exchange["id"], exchange["api"]);
            }
        }
    }
}

/// OpenRouter's form requires two counts that a provider may not have sent.
fn lenient(mut meaning: Value) -> Value {
    let counts = meaning["usage"].get_mut(0).and_then(Value::as_array_mut);
    for count in counts.into_iter().flatten() {
        if matches!(count[0].as_str(), Some("cache_read" | "reasoning")) && count[1] == 0 {
            count[1] = Value::Null;
        }
    }
    meaning
}

fn recorded_streams() -> Vec<(String, Vec<u8>)> {
    let all = exchanges(is_chat).into_iter().filter(|exchange| exchange["stream"] == true && exchange["status"] == 200);
    all.map(|exchange| (exchange["id"].to_string(), exchange["response_body"].as_str().unwrap().as_bytes().to_vec())).collect()
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let all: [(&str, &[u8]); 4] = [
        ("openai", include_bytes!("fixtures/openai.sse")),
        ("openrouter", include_bytes!("fixtures/openrouter.sse")),
        ("mistral", include_bytes!("fixtures/mistral.sse")),
        ("oddities", include_bytes!("fixtures/oddities.sse")),
    ];
    all.map(|(name, body)| (name.to_owned(), body.to_vec())).to_vec()
}

#[test]
fn a_stream_in_any_pieces_has_the_same_events() {
    for (name, body) in fixtures() {
        let wanted = all_events(OpenAiChat.event_reader(Memo::default()), &body);
        let wanted: Vec<String> = wanted.iter().map(|event| format!("{event:?}")).collect();
        for piece in 1..=body.len().min(700) {
            let mut framer = crate::framing::Framer::new(OpenAiChat.framing());
            let (mut reader, mut found) = (OpenAiChat.event_reader(Memo::default()), Vec::new());
            for chunk in body.chunks(piece) {
                framer.push(bytes::Bytes::copy_from_slice(chunk));
                while let Some(frame) = framer.next_piece() {
                    let frame = frame.unwrap();
                    if !frame.payload.is_empty() {
                        reader.read(frame.frame(), &mut found).unwrap();
                    }
                }
            }
            reader.eof(&mut found);
            let found: Vec<String> = found.iter().map(|event| format!("{event:?}")).collect();
            assert_eq!(found, wanted, "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn a_cut_stream_never_ends_well() {
    for (name, body) in fixtures().into_iter().chain(recorded_streams()) {
        let end = body.windows(17).position(|window| window.starts_with(b"\"finish_reason\":\"")).unwrap_or(0);
        for cut in (0..end).step_by((end / 40).max(1)) {
            let cut = events(OpenAiChat.event_reader(Memo::default()), &body[..cut], usize::MAX);
            // Snowflake and a few more end without a reason; then only the end marker ends the answer.
            assert!(cut.is_err(), "{name}: {:?}", cut.map(|events| events.last().cloned()));
        }
    }
}

/// On the verbatim path most frames are not read; what the meter needs must not depend on that.
#[test]
fn skimming_hides_neither_usage_nor_the_end() {
    for (name, body) in fixtures().into_iter().chain(recorded_streams()) {
        let read = assembled(&all_events(OpenAiChat.event_reader(Memo::default()), &body));
        let skimmed = events(OpenAiChat.event_reader(Memo::default()), &body, 1000).and_then(|events| assembled(&events));
        match (read, skimmed) {
            (Ok(read), Ok(skimmed)) => {
                assert_eq!((read.usage, read.finish.raw), (skimmed.usage, skimmed.finish.raw), "{name}");
                assert_eq!(read.service_tier, skimmed.service_tier, "{name}");
            }
            (read, skimmed) => assert_eq!(read.err().map(|fault| fault.kind), skimmed.err().map(|fault| fault.kind), "{name}"),
        }
    }
}

#[test]
fn content_is_skimmed_and_the_rest_is_not() {
    let mut reader = OpenAiChat.event_reader(Memo::default());
    let content = br#"{"id":"a","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}],"usage":null}"#;
    reader.read(Frame::new(content), &mut Vec::new()).unwrap();
    assert!(reader.skim(Frame::new(content)));
    for frame in [
        &br#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#[..],
        br#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
        br#"{"error":{"message":"x"}}"#,
        br#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null},{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        br#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]},"finish_reason":null}]}"#,
        b"[DONE]",
    ] {
        assert!(!reader.skim(Frame::new(frame)), "{}", String::from_utf8_lossy(frame));
    }
}

fn of(frames: &[Value]) -> Vec<u8> {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<String>().into_bytes()
}

#[test]
fn faults_inside_a_success_are_faults() {
    for (body, kind) in [
        (json!({"error": {"message": "slow down", "code": 429}}), Kind::RateLimited),
        (json!({"error": "boom"}), Kind::Upstream),
        (json!({"choices": []}), Kind::Upstream),
        (json!({"choices": [], "prompt_filter_results": []}), Kind::Filtered),
        (json!({}), Kind::Upstream),
        (json!({"choices": [{"index": 0}]}), Kind::Upstream),
    ] {
        let fault = OpenAiChat.read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap_err();
        assert_eq!(fault.kind, kind, "{body}");
    }
    assert!(OpenAiChat.read_reply(&Memo::default(), b"null").is_err());
    assert!(OpenAiChat.read_reply(&Memo::default(), b"<html>").is_err());
}

#[test]
fn a_fault_inside_a_stream_ends_it() {
    let hi = json!({"id": "a", "choices": [{"index": 0, "delta": {"content": "Hi"}}]});
    let fault = read_stream(&OpenAiChat, &of(&[hi.clone(), json!({"error": {"message": "busy", "code": 503}}), hi])).unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::Overloaded, "busy"));
}

#[test]
fn an_end_marker_without_a_reason_is_an_end_and_nothing_is_not() {
    let hi = of(&[json!({"id": "a", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": null}]})]);
    assert!(read_stream(&OpenAiChat, &hi).is_err());
    let ended = [&hi[..], b"data: [DONE]\n\n"].concat();
    assert_eq!(read_stream(&OpenAiChat, &ended).unwrap().finish, Finish { reason: Reason::Other, ..Finish::default() });
    assert!(read_stream(&OpenAiChat, b"data: [DONE]\n\n").is_err());
    let finished = of(&[json!({"id": "a", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]})]);
    assert_eq!(read_stream(&OpenAiChat, &finished).unwrap().finish.reason, Reason::Stop);
}

fn calls_of(deltas: &[Value]) -> Vec<(String, String, String)> {
    let mut frames: Vec<Value> =
        deltas.iter().map(|calls| json!({"id": "r", "choices": [{"index": 0, "delta": {"tool_calls": calls}}]})).collect();
    frames.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
    let reply = read_stream(&OpenAiChat, &of(&frames)).unwrap();
    assert_eq!(reply.finish.reason, Reason::ToolCalls);
    let calls = reply.parts.into_iter().map(|part| match part.body {
        PartBody::ToolCall(call) => (call.id, call.name, call.arguments),
        other => panic!("{other:?}"),
    });
    calls.collect()
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[test]
fn calls_are_told_apart_however_they_are_streamed() {
    let f = |name: &str, arguments: &str| json!({"name": name, "arguments": arguments});
    let two = vec![call("c1", "f", "{\"a\":1}"), call("c2", "g", "{}")];
    // Interleaved by index.
    assert_eq!(
        calls_of(&[
            json!([{"index": 0, "id": "c1", "function": f("f", "")}]),
            json!([{"index": 1, "id": "c2", "function": f("g", "")}]),
            json!([{"index": 0, "function": {"arguments": "{\"a\":"}}, {"index": 1, "function": {"arguments": "{}"}}]),
            json!([{"index": 0, "function": {"arguments": "1}"}}]),
        ]),
        two
    );
    // Whole calls, all under index 0.
    assert_eq!(
        calls_of(&[
            json!([{"index": 0, "id": "c1", "function": f("f", "{\"a\":1}")}]),
            json!([{"index": 0, "id": "c2", "function": f("g", "{}")}])
        ]),
        two
    );
    // No index; the id in every piece, the name too.
    assert_eq!(
        calls_of(&[
            json!([{"id": "c1", "function": f("f", "{\"a\":")}]),
            json!([{"id": "c1", "function": f("f", "1}")}]),
            json!([{"id": "c2", "function": f("g", "{}")}]),
        ]),
        two
    );
    // No index, no ids after the first piece.
    assert_eq!(calls_of(&[json!([{"id": "c1", "function": f("f", "{\"a\":")}]), json!([{"function": {"arguments": "1}"}}])]), two[..1]);
    // No ids at all; arguments as an object.
    assert_eq!(
        calls_of(&[json!([{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "f", "arguments": null}}])]),
        [call("call_r_0", "f", "{\"a\":1}"), call("call_r_1", "f", "")]
    );
    // A new id in every piece of one call.
    assert_eq!(
        calls_of(&[
            json!([{"index": 0, "id": "c1", "function": f("f", "{\"a\":")}]),
            json!([{"index": 0, "id": "zz", "function": {"arguments": "1}"}}])
        ]),
        two[..1]
    );
    // The name comes late.
    assert_eq!(
        calls_of(&[json!([{"index": 0, "id": "c1", "function": f("", "{\"a\":")}]), json!([{"index": 0, "function": f("f", "1}")}])]),
        two[..1]
    );
}

#[test]
fn usage_is_read_wherever_it_stands() {
    let usage = |usage: Value| {
        let body = json!({"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage});
        OpenAiChat.read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap().usage
    };
    let deepseek = usage(
        json!({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2}),
    );
    assert_eq!(deepseek.unwrap().cache_read, Some(8));
    let xai = usage(
        json!({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 17, "completion_tokens_details": {"reasoning_tokens": 5}}),
    );
    assert_eq!(xai.unwrap().output, Some(7));
    let openai = usage(
        json!({"prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17, "completion_tokens_details": {"reasoning_tokens": 5}}),
    );
    assert_eq!(openai.unwrap().output, Some(7));
    assert!(usage(json!({})).is_none() && usage(json!(null)).is_none());
    let groq = of(&[
        json!({"id": "a", "choices": [{"index": 0, "delta": {"content": "x"}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": {"prompt_tokens": 3}}}),
    ]);
    assert_eq!(read_stream(&OpenAiChat, &groq).unwrap().usage.unwrap().input, Some(3));
}

#[test]
fn a_frame_that_also_ends_the_answer_is_not_usage_alone() {
    let start = json!({"id": "a", "choices": [{"index": 0, "delta": {"role": "assistant"}}]});
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}});
    let mut reader = OpenAiChat.event_reader(Memo::default());
    reader.read(Frame::new(start.to_string().as_bytes()), &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    reader.read(Frame::new(last.to_string().as_bytes()), &mut out).unwrap();
    assert!(out.iter().any(|event| !matches!(event, Event::Usage(_))), "{out:?}");
}

#[test]
fn a_translated_stream_keeps_its_meaning() {
    for (name, body) in fixtures().into_iter().chain(recorded_streams()) {
        let events = all_events(OpenAiChat.event_reader(Memo::default()), &body);
        let Ok(reply) = assembled(&events) else { continue };
        for flavor in [Flavor::OpenAi, Flavor::OpenRouter] {
            let stamp = stamp(flavor);
            let mut wanted = reply.clone();
            wanted.id.get_or_insert_with(|| stamp.id.clone());
            wanted.model.get_or_insert_with(|| stamp.model.clone());
            wanted.created.get_or_insert(stamp.created);
            if let Some(usage) = &mut wanted.usage {
                usage.total = usage.total.or(usage.input.zip(usage.output).map(|(input, output)| input + output));
            }
            let found = read_stream(&OpenAiChat, &written(&OpenAiChat, &events, stamp)).unwrap();
            assert_eq!(lenient(meaning(&found)), lenient(meaning(&wanted)), "{name} {flavor:?}");
        }
    }
}

#[test]
fn content_blocks_of_those_who_serve_claude_are_read() {
    let body = json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm", "signature": "SIG"}]},
        {"type": "text", "text": "So"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}
    ], "content_list": [{"type": "text", "text": "So"}, {"type": "tool_use", "tool_use": {"tool_use_id": "t2", "name": "g", "input": {}}}]}}]});
    let parts = OpenAiChat.read_reply(&Memo::default(), body.to_string().as_bytes()).unwrap().parts;
    let seal = Some(Sealed::signature(ANTHROPIC, "SIG"));
    assert_eq!(parts[0].body, PartBody::Reasoning(Thought { text: "Hm".to_owned(), summary: true, seal, ..Thought::default() }));
    let calls: Vec<_> =
        parts.iter().filter_map(|part| if let PartBody::ToolCall(call) = &part.body { Some(call.id.as_str()) } else { None }).collect();
    assert_eq!((parts.len(), calls), (4, vec!["t1", "t2"]));
}

#[test]
fn a_refusal_in_words_ends_like_any_answer() {
    let finish = |raw: Option<&str>, parts: Vec<Part>| {
        let finish = Finish { reason: Reason::Refusal, raw: raw.map(str::to_owned), ..Finish::default() };
        let reply = ChatReply { parts, finish, ..ChatReply::default() };
        let whole: Value = serde_json::from_slice(&OpenAiChat.write_reply(&reply, &stamp(Flavor::OpenAi))).unwrap();
        let streamed = through_stream(&reply);
        (whole["choices"][0]["finish_reason"].as_str().unwrap().to_owned(), streamed)
    };
    let words = || vec![Part::new(PartBody::Refusal("No.".to_owned()))];
    let said = |reason: &str| (reason.to_owned(), reason.to_owned());
    assert_eq!(finish(Some("completed"), words()), said("stop"));
    assert_eq!(finish(None, words()), said("stop"));
    assert_eq!(finish(Some("refusal"), words()), said("content_filter"));
    assert_eq!(finish(Some("refusal"), vec![Part::text("I")]), said("content_filter"));
}

/// The finish reason of the answer, streamed.
fn through_stream(reply: &ChatReply) -> String {
    let mut writer = OpenAiChat.event_writer(stamp(Flavor::OpenAi));
    let mut out = bytes::BytesMut::new();
    crate::assemble::events_of(reply).iter().for_each(|event| writer.write(event, &mut out));
    let text = String::from_utf8(out.to_vec()).unwrap();
    let (_, rest) = text.split_once("\"finish_reason\":\"").expect("a reason");
    rest.split('"').next().unwrap_or_default().to_owned()
}
