//! What must hold for every answer and every byte.

use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{assembled, cut_everywhere, dialect, events_of_stream, normal, stamp, summary, written};
use crate::assemble::events_of;
use crate::chat::{MediaSource, PartBody};
use crate::dialect::Flavor;
use crate::event::{Event, Frame};
use crate::framing::Framing;
use crate::half::{Begun, Head, Inbound, Memo, Outbound, Profile};
use crate::problem::{Kind, Problem};
use crate::reply::Reason;

const ANSWER: &str = r#"{"candidates":[{"content":{"role":"model","parts":[
  {"text":"hm","thought":true,"thoughtSignature":"AAEC"},{"text":"Sunny.","thoughtSignature":"BAUG"},
  {"executableCode":{"language":"PYTHON","code":"1"}},{"functionCall":{"name":"f"},"thoughtSignature":"CAkK"},
  {"functionCall":{"name":"f","id":"own","args":{"b":1,"a":[2]}}},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},
  "finishReason":"STOP","index":0,"avgLogprobs":-0.5}],
  "usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":5,"candidatesTokenCount":3,"thoughtsTokenCount":4,
  "cachedContentTokenCount":2,"totalTokenCount":22,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10}]},
  "modelVersion":"gemini-x","responseId":"r-1","createTime":"2026-03-12T18:06:04.325486Z"}"#;

const STREAM: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\u{fc}\",\"thought\":true}],\"role\":\"model\"}}],\"usageMetadata\":{\"promptTokenCount\":4,\"totalTokenCount\":4},\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"one \"}]}}]}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"two\"},{\"functionCall\":{\"name\":\"f\",\"args\":{\"q\":\"}\\\"{\"}}}]}}]}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\",\"thoughtSignature\":\"AAEC\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":6,\"totalTokenCount\":10}}\r\n\r\n",
);

fn as_array() -> String {
    let items: Vec<&str> = STREAM.split("\r\n\r\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    format!("[{}\n]\n", items.join("\n,\r\n"))
}

#[test]
fn an_answer_is_read_whole_and_written_back() {
    let reply = dialect().read_reply(&Memo::default(), ANSWER.as_bytes()).unwrap();
    let usage = reply.usage.as_ref().unwrap();
    assert_eq!((usage.input, usage.output, usage.total), (Some(15), Some(7), Some(22)));
    assert_eq!((usage.cache_read, usage.reasoning, usage.input_tool, usage.input_text), (Some(2), Some(4), Some(5), Some(10)));
    assert_eq!((reply.finish.reason, reply.created), (Reason::ToolCalls, Some(1_773_338_764)));
    let calls: Vec<_> =
        reply.parts.iter().filter_map(|part| if let PartBody::ToolCall(call) = &part.body { Some(call) } else { None }).collect();
    assert_eq!((calls[0].id.as_str(), calls[0].arguments.as_str()), ("call_swb_r-1_0", "{}"));
    assert_eq!((calls[1].id.as_str(), calls[1].arguments.as_str()), ("own", r#"{"b":1,"a":[2]}"#));
    let back = dialect().write_reply(&reply, &stamp());
    let again = dialect().read_reply(&Memo::default(), &back).unwrap();
    assert_eq!(reply.parts, again.parts);
    assert_eq!((reply.finish, reply.usage, reply.extra), (again.finish, again.usage, again.extra));
}

#[test]
fn a_stream_means_what_its_array_means_wherever_it_is_cut() {
    let reply = assembled(Framing::Sse, STREAM.as_bytes()).unwrap();
    assert_eq!(summary(&reply)["text"], "one two");
    assert_eq!(reply.usage.as_ref().and_then(|usage| usage.output), Some(6));
    assert_eq!(reply.parts, assembled(Framing::JsonArray, as_array().as_bytes()).unwrap().parts);
    cut_everywhere(Framing::Sse, STREAM.as_bytes());
    cut_everywhere(Framing::JsonArray, as_array().as_bytes());
}

#[test]
fn a_cut_stream_is_a_fault() {
    for (framing, body) in [(Framing::Sse, STREAM.to_owned()), (Framing::JsonArray, as_array())] {
        let last = body.find("finishReason").unwrap();
        for at in 0..last {
            let events = events_of_stream(framing, &body.as_bytes()[..at], at.max(1));
            assert!(!events.iter().any(|event| matches!(event, Event::End { .. })), "cut at {at}");
            assert!(matches!(events.last(), Some(Event::Fault(_))), "cut at {at}");
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let reply = dialect().read_reply(&Memo::default(), ANSWER.as_bytes()).unwrap();
    for (json_array, framing) in [(false, Framing::Sse), (true, Framing::JsonArray)] {
        let back = assembled(framing, &written(&events_of(&reply), json_array)).unwrap();
        assert_eq!(reply.parts, back.parts);
        assert_eq!((&reply.finish, &reply.usage), (&back.finish, &back.usage));
    }
}

#[test]
fn endings_are_told_apart() {
    let read = |body: &str| dialect().read_reply(&Memo::default(), body.as_bytes());
    let blocked =
        read(r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#)
            .unwrap();
    assert_eq!((blocked.finish.reason, blocked.parts.len()), (Reason::ContentFilter, 0));
    assert_eq!(blocked.usage.as_ref().unwrap().output, Some(0));
    let back: Value = serde_json::from_slice(&dialect().write_reply(&blocked, &stamp())).unwrap();
    assert_eq!((back.get("candidates"), &back["promptFeedback"]["blockReason"]), (None, &json!("PROHIBITED_CONTENT")));
    let cases = [("\"SAFETY\"", Reason::ContentFilter), ("3", Reason::ContentFilter), ("2", Reason::Length), ("1", Reason::Stop)];
    for (name, reason) in cases {
        let reply = read(&format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"part"}}]}},"finishReason":{name}}}]}}"#)).unwrap();
        assert_eq!((reply.finish.reason, summary(&reply)["text"].as_str()), (reason, Some("part")));
        assert_eq!(reply.usage, None);
    }
    let malformed = read(r#"{"candidates":[{"content":{},"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#).unwrap();
    assert_eq!(malformed.finish.reason, Reason::Error);
    let fault = read(r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#).unwrap_err();
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::Overloaded, "busy"));
}

#[test]
fn grounding_becomes_citations_and_comes_back() {
    let body = r#"{"candidates":[{"content":{"parts":[{"text":"Paris."}]},"finishReason":"STOP","groundingMetadata":{
      "webSearchQueries":["a","b"],"groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}},{"web":{"uri":"https://b.example"}}],
      "groundingSupports":[{"segment":{"endIndex":6,"text":"Paris."},"groundingChunkIndices":[0]}]}}],"usageMetadata":{"promptTokenCount":1}}"#;
    let reply = dialect().read_reply(&Memo::default(), body.as_bytes()).unwrap();
    let PartBody::Text { citations, .. } = &reply.parts[0].body else { panic!("{:?}", reply.parts) };
    assert_eq!((citations[0].url.as_deref(), citations[0].start, citations[0].end), (Some("https://a.example"), Some(0), Some(6)));
    assert_eq!((citations.len(), citations[1].end), (2, None));
    assert_eq!(reply.usage.as_ref().unwrap().web_searches, Some(2));
    let back = assembled(Framing::Sse, &written(&events_of(&reply), false)).unwrap();
    assert!(back.parts.iter().any(|part| matches!(&part.body, PartBody::Text { citations: back, .. } if back == citations)));
}

#[test]
fn every_problem_has_its_status_and_is_read_back() {
    for kind in Kind::ALL {
        let (status, body) = dialect().write_problem(&Problem::new(kind, "why").with_code("code"), Flavor::OpenAi);
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&value["error"]["code"], &value["error"]["message"]), (&json!(status.as_u16()), &json!("why")));
        let fault = dialect().read_fault(status, &HeaderMap::new(), format!("[{value}]").as_bytes());
        assert_eq!(fault.message, "why");
    }
    let bad_key =
        r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
    let fault = dialect().read_fault(StatusCode::BAD_REQUEST, &HeaderMap::new(), bad_key.as_bytes());
    assert_eq!(fault.kind, Kind::Unauthenticated);
    let page = dialect().read_fault(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"<html>oh</html>");
    assert_eq!((page.kind, page.message.contains('<')), (Kind::Upstream, false));
    let event = dialect().write_stream_problem(&Problem::new(Kind::Timeout, "late"), Flavor::OpenAi, &Begun::default());
    assert!(assembled(Framing::Sse, &event).is_err_and(|fault| fault.kind == Kind::Timeout));
}

#[test]
fn only_chunks_without_a_report_pass_unread() {
    let reader = dialect().event_reader(Memo::default());
    let skims = |text: &str| reader.skim(Frame::new(text.as_bytes()));
    assert!(skims(r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#));
    assert!(!skims(r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{}}"#));
    assert!(!skims(r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#));
    assert!(!skims(r#"{"error":{"message":"text"}}"#));
}

const REQUEST: &str = r#"{"contents":[{"role":"user","parts":[{"text":"hi"},{"inline_data":{"mime_type":"image/png","data":"AAAA"}}]},
  {"role":"model","parts":[{"text":"t","thought":true,"thoughtSignature":"AAEC"},{"functionCall":{"name":"f","args":{"z":1,"a":2}},"thoughtSignature":"BA=="}]},
  {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"ok"}}},{"text":"more","videoMetadata":{"fps":2}}]}],
  "system_instruction":{"parts":[{"text":"be brief"}]},"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"z":{"type":"INTEGER","nullable":true}}}}]},{"googleSearch":{}}],
  "toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}},"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}],
  "generationConfig":{"temperature":0.70,"topK":3,"candidateCount":1,"stopSequences":["x"],"responseModalities":["TEXT"],"speechConfig":{"v":1},
  "responseMimeType":"application/json","responseSchema":{"type":"STRING"},"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true}},
  "labels":{"a":"b"},"cachedContent":"cachedContents/1","futureField":{"x":[1]}}"#;

#[test]
fn a_request_comes_back_as_it_was_sent() {
    let head = Head { path_model: Some("gemini-x"), path_stream: Some(true), headers: None };
    let request = dialect().read_request(&head, REQUEST.as_bytes()).unwrap();
    assert_eq!((request.model.as_str(), request.stream), ("gemini-x", true));
    let written = dialect().write_request(&request, &Profile::default()).unwrap();
    assert!(written.losses.is_empty(), "{}", written.losses);
    let back: Value = serde_json::from_slice(&written.body).unwrap();
    let sent: Value = serde_json::from_str(REQUEST).unwrap();
    assert_eq!(normal(&sent), normal(&back));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(noise in proptest::collection::vec(any::<u8>(), 0..64), at in 0_usize..1200, cut in 0_usize..40) {
        for seed in [ANSWER, REQUEST, STREAM] {
            let mut bytes = seed.as_bytes().to_vec();
            let at = at.min(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, noise.iter().copied());
            let _ = dialect().read_request(&Head::default(), &bytes);
            let _ = super::super::read_count_request(&Head::default(), &bytes);
            let _ = dialect().read_reply(&Memo::default(), &bytes);
            let _ = dialect().read_fault(StatusCode::BAD_REQUEST, &HeaderMap::new(), &bytes);
            let _ = events_of_stream(Framing::Sse, &bytes, 50);
            let _ = events_of_stream(Framing::JsonArray, &bytes, 50);
        }
        let _ = dialect().read_reply(&Memo::default(), &noise);
    }
}

#[test]
fn a_status_that_says_nothing_leaves_the_kind_to_http() {
    let body = br#"{"error":{"code":529,"message":"late","status":"UNKNOWN"}}"#;
    for status in [400, 401, 404, 429, 500, 503, 529] {
        let status = StatusCode::from_u16(status).unwrap();
        let fault = dialect().read_fault(status, &HeaderMap::new(), body);
        assert_eq!(fault.kind, Kind::of_status(status), "{status}");
    }
}

#[test]
fn images_reach_others_in_the_standard_alphabet() {
    let read = |data: &str| {
        let body = serde_json::json!({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": data}}]}]});
        let head = Head { path_model: Some("m"), ..Head::default() };
        let request = dialect().read_request(&head, body.to_string().as_bytes()).unwrap();
        match &request.messages[0].parts[0].body {
            PartBody::Image(media) => media.source.clone(),
            other => panic!("{other:?}"),
        }
    };
    for (sent, standard) in
        [("-_-_", "+/+/"), ("iVBORw0KGgo", "iVBORw0KGgo="), ("_w", "/w=="), ("-w==", "+w=="), ("AA+/", "AA+/"), ("!-no", "!-no")]
    {
        assert_eq!(read(sent), MediaSource::Base64(standard.to_owned()), "{sent}");
    }
}
