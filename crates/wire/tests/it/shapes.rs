//! Answers in forms that few providers send: what they say is read all the same.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::chat::PartBody;
use switchboard_wire::event::Event;
use switchboard_wire::half::Memo;
use switchboard_wire::problem::Fault;
use switchboard_wire::reply::{ChatReply, Reason};

use crate::answers::{assembled, disorder, events, stamp};

/// The events of a stream of such payloads, those of OpenAI's form with its end.
fn stream(provider: Dialect, payloads: &[Value]) -> Vec<Event> {
    let mut sent: String = payloads.iter().map(|payload| format!("data: {payload}\n\n")).collect();
    if provider == Dialect::OpenAiChat {
        sent.push_str("data: [DONE]\n\n");
    }
    let outbound = provider.outbound().unwrap();
    let read = events(outbound.framing(), outbound.event_reader(Memo::default()), [Bytes::from(sent)]);
    assert_eq!(disorder(&read), None);
    read
}

fn streamed(provider: Dialect, payloads: &[Value]) -> Result<ChatReply, Fault> {
    assembled(&stream(provider, payloads))
}

fn whole(provider: Dialect, body: &Value) -> Result<ChatReply, Fault> {
    provider.outbound().unwrap().read_reply(&Memo::default(), body.to_string().as_bytes())
}

fn written(client: Dialect, reply: &ChatReply) -> Value {
    serde_json::from_slice(&client.inbound().unwrap().write_reply(reply, &stamp())).unwrap()
}

/// What that client's stream says of it, event by event.
fn told(client: Dialect, read: &[Event]) -> Vec<Value> {
    let mut writer = client.inbound().unwrap().event_writer(stamp());
    let mut out = BytesMut::new();
    read.iter().for_each(|event| writer.write(event, &mut out));
    let text = String::from_utf8(out.to_vec()).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
}

fn calls(reply: &ChatReply) -> Vec<(&str, Value)> {
    let calls = reply.parts.iter().filter_map(|part| match &part.body {
        PartBody::ToolCall(call) => Some((call.name.as_str(), serde_json::from_str(&call.arguments).unwrap())),
        _ => None,
    });
    calls.collect()
}

fn chunk(delta: Value) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": delta}]})
}

fn chat(usage: Value) -> Value {
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"});
    json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})
}

fn response(usage: Value, output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": output, "usage": usage})
}

#[test]
fn a_cost_may_be_told_in_ticks_or_as_an_object() {
    for (told, cost) in [
        (json!({"cost_in_usd_ticks": 4_389_400}), Some("0.00043894")),
        (json!({"cost_in_usd_ticks": 20_000_000_000_u64}), Some("2")),
        (json!({"cost_in_usd_ticks": 0}), Some("0")),
        (json!({"cost_in_usd_ticks": -1}), None),
        (json!({"cost_in_usd_ticks": null}), None),
        (json!({"cost": 0.5, "cost_in_usd_ticks": 1}), Some("0.5")),
        (json!({"cost": {"currency": "USD", "total_cost": 0.00119}}), Some("0.00119")),
    ] {
        let with = |mut usage: Value| {
            usage.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
            usage
        };
        let body = chat(with(json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})));
        assert_eq!(whole(Dialect::OpenAiChat, &body).unwrap().usage.unwrap().cost.as_deref(), cost, "{told}");
        let body = response(with(json!({"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})), json!([]));
        assert_eq!(whole(Dialect::OpenAiResponses, &body).unwrap().usage.unwrap().cost.as_deref(), cost, "{told}");
        let end = json!({"type": "response.completed", "response": body});
        assert_eq!(streamed(Dialect::OpenAiResponses, &[end]).unwrap().usage.unwrap().cost.as_deref(), cost, "{told}");
    }
}

#[test]
fn pages_that_stand_in_an_item_of_their_own_are_sources_of_the_text_after_it() {
    let page = |number: u64| json!({"id": number, "url": format!("https://{number}.example"), "title": "T", "snippet": "S"});
    let text = json!({"type": "output_text", "text": "So it is.[2]", "annotations": []});
    let output = json!([
        {"type": "search_results", "queries": ["q"], "results": [page(1), page(2)]},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]},
    ]);
    let usage = json!({"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cache_creation_input_tokens": 4, "cache_read_input_tokens": 3}});
    let body = response(usage, output);
    let ends = [json!({"type": "response.completed", "response": body})];
    for reply in [whole(Dialect::OpenAiResponses, &body).unwrap(), streamed(Dialect::OpenAiResponses, &ends).unwrap()] {
        let told = written(Dialect::OpenAiChat, &reply);
        let urls: Vec<&Value> =
            told["choices"][0]["message"]["annotations"].as_array().unwrap().iter().map(|one| &one["url_citation"]["url"]).collect();
        assert_eq!(urls, ["https://1.example", "https://2.example"]);
        let usage = reply.usage.unwrap();
        assert_eq!((usage.cache_write, usage.cache_read), (Some(4), Some(3)));
    }
}

#[test]
fn what_it_took_may_stand_in_the_choice() {
    let end = |usage: Value| json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]});
    let counts = |output: u64| json!({"prompt_tokens": 12, "completion_tokens": output, "total_tokens": 12 + output});
    let said = chunk(json!({"content": "OK"}));
    let reply = streamed(Dialect::OpenAiChat, &[said.clone(), end(counts(5))]).unwrap();
    assert_eq!(reply.usage.unwrap().output, Some(5));
    // What is told of the answer as a whole is what counts.
    let later = json!({"id": "c", "choices": [], "usage": counts(7)});
    let reply = streamed(Dialect::OpenAiChat, &[said, end(counts(5)), later]).unwrap();
    assert_eq!(reply.usage.unwrap().output, Some(7));
}

#[test]
fn counts_may_have_the_names_of_the_newer_api() {
    let usage = json!({"input_tokens": 9, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 7}, "output_tokens_details": {"reasoning_tokens": 3}});
    let usage = whole(Dialect::OpenAiChat, &chat(usage)).unwrap().usage.unwrap();
    assert_eq!((usage.cache_read, usage.reasoning), (Some(7), Some(3)));
}

#[test]
fn the_tier_may_stand_in_the_usage() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "service_tier": "standard"});
    assert_eq!(whole(Dialect::OpenAiChat, &chat(usage.clone())).unwrap().service_tier.as_deref(), Some("default"));
    let end = json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage});
    let reply = streamed(Dialect::OpenAiChat, &[chunk(json!({"content": "OK"})), end]).unwrap();
    assert_eq!(reply.service_tier.as_deref(), Some("default"));
}

#[test]
fn pieces_of_calls_that_came_together_stand_as_their_calls_did() {
    let begin = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}});
    let more = |text: &str| json!({"function": {"arguments": text}});
    let end = json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]});
    let read = |lists: &[Value]| {
        let mut sent: Vec<Value> = lists.iter().map(|list| chunk(json!({"tool_calls": list}))).collect();
        sent.push(end.clone());
        streamed(Dialect::OpenAiChat, &sent).unwrap()
    };
    let both =
        [json!([begin("a", "sky"), begin("b", "time")]), json!([more("{\"at\":"), more("{\"in\":")]), json!([more("1}"), more("2}")])];
    assert_eq!(calls(&read(&both)), [("sky", json!({"at": 1})), ("time", json!({"in": 2}))]);
    // Where one alone goes on, it is the last; and so it is where several pieces are of one.
    let last =
        [json!([begin("a", "sky")]), json!([more("{\"at\""), more(":1}")]), json!([begin("b", "time")]), json!([more("{\"in\":2}")])];
    assert_eq!(calls(&read(&last)), [("sky", json!({"at": 1})), ("time", json!({"in": 2}))]);
}

/// A client of Anthropic's gets it where the call begins, or not at all.
#[test]
fn a_seal_that_names_its_call_is_told_before_what_is_said_of_it() {
    let seal = json!([{"type": "reasoning.encrypted", "data": "c2VhbA==", "id": "c0", "format": "google-gemini-v1", "index": 0}]);
    let call = json!([{"index": 0, "id": "c0", "type": "function", "function": {"name": "look", "arguments": "{}"}}]);
    let end = json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]});
    let before = vec![chunk(json!({"reasoning_details": seal})), chunk(json!({"tool_calls": call})), end.clone()];
    let beside = vec![chunk(json!({"reasoning_details": seal, "tool_calls": call})), end];
    for sent in [before, beside] {
        let told = told(Dialect::Anthropic, &stream(Dialect::OpenAiChat, &sent));
        let begun = told.iter().find(|event| event["content_block"]["type"] == "tool_use").unwrap();
        assert!(begun["content_block"]["signature"].as_str().is_some_and(|seal| !seal.is_empty()), "{begun}");
    }
}

#[test]
fn an_error_is_one_wherever_it_stands() {
    let error = json!({"object": "error", "message": "no such model", "type": "BadRequestError", "param": null, "code": 400});
    let fault = streamed(Dialect::OpenAiChat, &[chunk(json!({"content": "a"})), error.clone()]).unwrap_err();
    assert_eq!((fault.status.map(|status| status.as_u16()), &*fault.message), (Some(400), "no such model"));
    assert_eq!(whole(Dialect::OpenAiChat, &error).unwrap_err().message, "no such model");

    let reason = json!({"code": 429, "message": "slow down"});
    let choice = |said: &str| json!({"index": 0, said: {"role": "assistant", "content": ""}, "finish_reason": "error", "error": reason});
    let fault = whole(Dialect::OpenAiChat, &json!({"id": "g", "choices": [choice("message")]})).unwrap_err();
    assert_eq!((fault.status.map(|status| status.as_u16()), &*fault.message), (Some(429), "slow down"));
    let fault =
        streamed(Dialect::OpenAiChat, &[chunk(json!({"content": "a"})), json!({"id": "g", "choices": [choice("delta")]})]).unwrap_err();
    assert_eq!((fault.status.map(|status| status.as_u16()), &*fault.message), (Some(429), "slow down"));
}

fn gemini(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}], "modelVersion": "g", "responseId": "r"})
}

#[test]
fn a_call_may_come_in_pieces() {
    let piece = |piece: Value| gemini(json!([{"functionCall": piece}]));
    let more = |path: &str, text: &str, goes_on: bool| {
        piece(json!({"partialArgs": [{"jsonPath": path, "stringValue": text, "willContinue": goes_on}], "willContinue": true}))
    };
    let sent = [
        gemini(json!([{"functionCall": {"name": "theme"}, "thoughtSignature": "c2ln"}])),
        piece(json!({"name": "go", "willContinue": true})),
        more("$.to", "San ", true),
        more("$.to", "José", true),
        more("$.to", "", false),
        piece(json!({})),
        piece(json!({"name": "write", "willContinue": true})),
        more("$.list[0].do", "add", false),
        piece(json!({"willContinue": true})),
        piece(json!({"partialArgs": [{"jsonPath": "$.list[0].at", "numberValue": 0.5}]})),
        json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]}),
    ];
    let reply = streamed(Dialect::Gemini, &sent).unwrap();
    let expected = [("theme", json!({})), ("go", json!({"to": "San José"})), ("write", json!({"list": [{"do": "add", "at": 0.5}]}))];
    assert_eq!(calls(&reply), expected);
    assert_eq!(reply.finish.reason, Reason::ToolCalls);
    // The last one may end with the answer.
    let reply = streamed(Dialect::Gemini, &[sent[1].clone(), sent[2].clone(), sent[10].clone()]).unwrap();
    assert_eq!(calls(&reply), [("go", json!({"to": "San "}))]);
    // No call is made of what never began.
    assert!(streamed(Dialect::Gemini, &[sent[2].clone(), sent[10].clone()]).is_err());
}

#[test]
fn a_prompt_that_is_answered_by_feedback_alone_is_blocked() {
    let body = json!({"candidates": [], "promptFeedback": {"blockReasonMessage": "Not this."}, "modelVersion": "g"});
    for reply in [whole(Dialect::Gemini, &body).unwrap(), streamed(Dialect::Gemini, &[body]).unwrap()] {
        assert_eq!((reply.finish.reason, reply.finish.refusal()), (Reason::ContentFilter, Some("Not this.")));
    }
    let rated =
        json!({"promptFeedback": {"safetyRatings": []}, "candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]});
    assert_eq!(streamed(Dialect::Gemini, &[rated]).unwrap().finish.reason, Reason::Stop);
}

#[test]
fn an_image_that_a_model_will_not_draw_is_a_refusal() {
    let body = json!({"candidates": [{"content": {}, "finishReason": "NO_IMAGE", "finishMessage": "Not this."}]});
    let reply = whole(Dialect::Gemini, &body).unwrap();
    assert_eq!((reply.finish.reason, reply.finish.refusal()), (Reason::ContentFilter, Some("Not this.")));
}

/// Typed clients refuse an object without the counts they require.
#[test]
fn where_nothing_was_counted_no_usage_is_told() {
    let body = json!({"promptFeedback": {"blockReason": "MODEL_ARMOR"}, "usageMetadata": {"trafficType": "ON_DEMAND"}});
    for client in [Dialect::OpenAiChat, Dialect::OpenAiCompletions] {
        assert_eq!(written(client, &whole(Dialect::Gemini, &body).unwrap()).get("usage"), None, "{client}");
        let told = told(client, &stream(Dialect::Gemini, std::slice::from_ref(&body)));
        assert!(told.iter().all(|chunk| chunk.get("usage").is_none() && chunk["choices"] != json!([])), "{told:?}");
    }
}

#[test]
fn a_message_may_begin_whole() {
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"id": 1}});
    let start = json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [{"type": "text", "text": "So."}, call],
        "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    }});
    let said = json!({"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}});
    let more = json!({"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "More."}});
    let stop = json!({"type": "message_stop"});
    let reply = streamed(Dialect::Anthropic, &[start.clone(), stop.clone()]).unwrap();
    assert_eq!(calls(&reply), [("look", json!({"id": 1}))]);
    assert_eq!(reply.finish.reason, Reason::ToolCalls);
    let reply = streamed(Dialect::Anthropic, &[start, said, more, stop]).unwrap();
    assert_eq!(reply.parts.len(), 3);
}

#[test]
fn what_is_incomplete_is_no_whole_answer() {
    let mut body = response(json!({"input_tokens": 1, "output_tokens": 2}), json!([]));
    body["status"] = json!("incomplete");
    for details in [json!({"reason": "some_future_reason"}), Value::Null] {
        body["incomplete_details"] = details;
        let ends = [json!({"type": "response.incomplete", "response": body})];
        for reply in [whole(Dialect::OpenAiResponses, &body).unwrap(), streamed(Dialect::OpenAiResponses, &ends).unwrap()] {
            assert_eq!(written(Dialect::OpenAiChat, &reply)["choices"][0]["finish_reason"], "length");
        }
    }
}

#[test]
fn a_result_of_a_search_is_cited_as_one() {
    let cited = |source: &str| {
        let place = json!({"searchResultLocation": {"searchResultIndex": 1, "start": 0, "end": 2}});
        let citation = json!({"location": place, "source": source, "title": "T", "sourceContent": [{"text": "Ask."}]});
        let content = json!([{"citationsContent": {"content": [{"text": "Do ask."}], "citations": [citation]}}]);
        let body = json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "end_turn"});
        whole(Dialect::Bedrock, &body).unwrap()
    };
    let reply = cited("https://kb.example");
    let expected = json!({
        "type": "search_result_location", "source": "https://kb.example", "title": "T", "cited_text": "Ask.", "search_result_index": 1,
        "start_block_index": 0, "end_block_index": 2,
    });
    assert_eq!(written(Dialect::Anthropic, &reply)["content"][0]["citations"], json!([expected]));
    let told = written(Dialect::OpenAiChat, &reply);
    assert_eq!(told["choices"][0]["message"]["annotations"][0]["url_citation"]["url"], "https://kb.example");
    let told = written(Dialect::Anthropic, &cited("shelf 4"));
    assert_eq!(told["content"][0]["citations"][0]["source"], "shelf 4");
    let told = written(Dialect::OpenAiChat, &cited("shelf 4"));
    assert_eq!(told["choices"][0]["message"]["citations"][0]["file_citation"]["file_id"], "shelf 4");
}
