use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Replicate;
use crate::chat::{ChatRequest, Function, Media, MediaSource, Message, OutputFormat, Part, PartBody, Reasoning, Role, Tool, ToolResult};
use crate::event::{Event, Frame};
use crate::extra::Extra;
use crate::half::{Inputs, Memo, Outbound, Profile};
use crate::json::raw;
use crate::problem::{Fault, Kind};
use crate::recorded::{events, exchanges, text_of};
use crate::reply::Reason;

fn say(role: Role, text: &str) -> Message {
    Message::new(role, vec![Part::text(text)])
}

fn ask(text: &str) -> ChatRequest {
    ChatRequest { model: "mine".to_owned(), messages: vec![say(Role::User, text)], ..ChatRequest::default() }
}

fn at(model: &str) -> Profile {
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let image = |name: &str| Inputs { image: name.to_owned(), lists_images: true, ..Inputs::default() };
    let inputs = match model.split('/').next() {
        Some("efforts") => {
            Some(Inputs { effort: Some("reasoning_effort".to_owned()), knobs: list(&["verbosity"]), ..image("image_input") })
        }
        Some("budgets") => Some(Inputs {
            limit: "max_output_tokens".to_owned(),
            system: "system_instruction".to_owned(),
            budget: Some("thinking_budget".to_owned()),
            knobs: list(&["top_p"]),
            ..image("images")
        }),
        _ => None,
    };
    Profile { model: Some(model.to_owned()), inputs: inputs.map(Arc::new), ..Profile::default() }
}

fn write(request: &ChatRequest, model: &str) -> (Value, String) {
    let written = Replicate.write_request(request, &at(model)).unwrap();
    (serde_json::from_slice(&written.body).expect("JSON"), written.losses.to_string())
}

fn refused(request: &ChatRequest) -> String {
    Replicate.write_request(request, &at("meta/meta-llama-3-8b-instruct")).unwrap_err().field
}

fn read(body: &str) -> Result<crate::reply::ChatReply, Fault> {
    Replicate.read_reply(&Memo::default(), body.as_bytes())
}

#[test]
fn one_turn_is_the_prompt() {
    let mut request = ask("Hi");
    request.system = vec![Part::text("Be kind.")];
    request.max_output_tokens = Some(9);
    request.sampling.temperature = serde_json::from_str("0.50").ok();
    request.sampling.stop = vec!["END".to_owned(), "STOP".to_owned()];
    let (body, losses) = write(&request, "meta/meta-llama-3-8b-instruct");
    let input = json!({"system_prompt": "Be kind.", "prompt": "Hi", "max_tokens": 9, "temperature": 0.50, "stop_sequences": "END,STOP"});
    assert_eq!((body, losses.as_str()), (json!({"input": input}), ""));
    request.sampling.stop.push("a,b".to_owned());
    assert_eq!(write(&request, "meta/meta-llama-3-8b-instruct").1, "stop;clamped");
}

#[test]
fn more_turns_are_labelled() {
    let mut request = ask("One?");
    request.messages.extend([say(Role::Assistant, "One."), say(Role::User, "Two?"), say(Role::User, "Say!")]);
    let (body, losses) = write(&request, "deepseek-ai/deepseek-v3");
    assert_eq!(body["input"]["prompt"], "User: One?\n\nAssistant: One.\n\nUser: Two?\n\nSay!\n\nAssistant:");
    assert_eq!(losses, "messages;approximated");
    request.messages.push(say(Role::Assistant, "Well"));
    let prompt = write(&request, "deepseek-ai/deepseek-v3").0["input"]["prompt"].clone();
    assert!(prompt.as_str().is_some_and(|prompt| prompt.ends_with("\n\nAssistant: Well")), "{prompt}");
}

#[test]
fn a_community_model_is_named_by_its_version() {
    let request = ChatRequest { max_output_tokens: Some(9), ..ask("Hi") };
    let (body, _) = write(&request, "someone/something:5797a9");
    assert_eq!(body, json!({"version": "5797a9", "input": {"prompt": "Hi", "max_tokens": 9}}));
    assert_eq!(Replicate.path("someone/something:5797a9", false), "/predictions");
    assert_eq!(Replicate.path("meta/meta-llama-3-8b-instruct", true), "/models/meta/meta-llama-3-8b-instruct/predictions");
}

#[test]
fn models_have_names_of_their_own() {
    let image = |source| Part::new(PartBody::Image(Media::new(source, Some("image/png".to_owned()))));
    let mut request = ChatRequest { max_output_tokens: Some(9), verbosity: Some("low".to_owned()), ..ask("look") };
    request.system = vec![Part::text("S")];
    request.messages[0].parts.push(image(MediaSource::Url("https://x/y.png".to_owned())));
    request.sampling.seed = Some(7.into());
    request.reasoning = Some(Reasoning { effort: Some("low".to_owned()), ..Reasoning::default() });
    let (body, losses) = write(&request, "efforts/model");
    let own = json!({"system_prompt": "S", "prompt": "look", "image_input": ["https://x/y.png"], "max_tokens": 9,
        "reasoning_effort": "low", "verbosity": "low"});
    assert_eq!((&body["input"], losses.as_str()), (&own, "seed"));
    request.messages[0].parts.push(image(MediaSource::Base64("AAAA".to_owned())));
    let (body, losses) = write(&request, "budgets/model");
    let own = json!({"system_instruction": "S", "prompt": "look", "images": ["https://x/y.png", "data:image/png;base64,AAAA"],
        "max_output_tokens": 9});
    assert_eq!((&body["input"], losses.as_str()), (&own, "seed, reasoning, verbosity"));
    assert_eq!(refused(&request), "messages.0.content.2");
    request.messages[0].parts.truncate(2);
    assert_eq!(write(&request, "anthropic/claude-4-sonnet").0["input"]["image"], "https://x/y.png");
}

#[test]
fn what_a_prompt_cannot_hold_is_refused() {
    let tools = vec![Tool::Function(Function { name: "f".to_owned(), ..Function::default() })];
    assert_eq!(refused(&ChatRequest { tools, ..ask("go") }), "tools");
    assert_eq!(refused(&ChatRequest { output: OutputFormat::Json, ..ask("go") }), "response_format");
    let part = |body| ChatRequest { messages: vec![Message::new(Role::User, vec![Part::new(body)])], ..ask("") };
    assert_eq!(refused(&part(PartBody::ToolResult(ToolResult::default()))), "messages.0.content.0");
    let media = |source| Media::new(source, None);
    assert_eq!(refused(&part(PartBody::Audio(media(MediaSource::Base64(String::new()))))), "messages.0.content.0");
    assert_eq!(refused(&part(PartBody::Image(media(MediaSource::FileId("f".to_owned()))))), "messages.0.content.0");
    let mut request = ask("go");
    request.sampling.n = Some(2);
    assert_eq!(refused(&request), "n");
}

#[test]
fn inputs_in_the_models_own_words_win() {
    let mut request = ChatRequest { max_output_tokens: Some(9), ..ask("Hi") };
    request.extra = Extra::new(crate::Dialect::OpenAiChat);
    request.extra.push("input", raw(r#"{"max_tokens":5,"odd":[1.0]}"#).unwrap());
    request.extra.push("prompt_template", raw(r#""{prompt}""#).unwrap());
    request.extra.push("other", raw("1").unwrap());
    let (body, losses) = write(&request, "meta/meta-llama-3-8b-instruct");
    assert_eq!(body, json!({"input": {"prompt": "Hi", "prompt_template": "{prompt}", "max_tokens": 5, "odd": [1.0]}}));
    assert_eq!(losses, "other");
}

#[test]
fn an_answer_is_read_whole() {
    let body = r#"{"id":"p1","model":"meta/meta-llama-3-8b-instruct","version":"v","input":{"prompt":"Hi"},"logs":"","output":["He","llo"],
        "data_removed":false,"error":null,"status":"succeeded","created_at":"2026-08-04T19:58:15.1Z",
        "metrics":{"input_token_count":3,"output_token_count":2,"predict_time":0.5}}"#;
    let reply = read(body).unwrap();
    assert_eq!((text_of(&reply).as_str(), reply.id.as_deref(), reply.created), ("Hello", Some("p1"), Some(1_785_873_495)));
    assert_eq!((reply.finish.reason, reply.finish.raw.as_deref()), (Reason::Stop, Some("succeeded")));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.total), (Some(3), Some(2), None));
    let reply = read(r#"{"status":"succeeded","output":"one","metrics":{"predict_time":0.5}}"#).unwrap();
    assert_eq!((text_of(&reply).as_str(), reply.usage.is_none()), ("one", true));
    assert!(read(r#"{"status":"succeeded","output":null}"#).unwrap().parts.is_empty());
    assert_eq!(read(r#"{"status":"succeeded","output":{"a":1}}"#).unwrap_err().code.as_deref(), Some("upstream_protocol"));
}

#[test]
fn what_is_no_answer_is_a_fault() {
    let fault = |body: &str| {
        let fault = read(body).unwrap_err();
        (fault.kind, fault.code.unwrap_or_default(), fault.message)
    };
    for status in ["starting", "processing"] {
        let (kind, code, message) = fault(&format!(r#"{{"id":"p1","status":"{status}","output":null,"error":null}}"#));
        assert_eq!((kind, code.as_str()), (Kind::Timeout, "upstream_timeout"));
        assert!(message.contains("`p1`") && message.contains(status) && message.contains("minute"), "{message}");
    }
    let flagged = "The input or output was flagged as sensitive. Please try again with different inputs. (E005) (abc)";
    let body = json!({"status": "failed", "error": flagged}).to_string();
    assert_eq!(fault(&body), (Kind::Filtered, "E005".to_owned(), flagged.to_owned()));
    assert_eq!(fault(r#"{"status":"failed","error":null}"#).0, Kind::Upstream);
    assert_eq!(fault(r#"{"status":"canceled"}"#).1, "canceled");
    assert_eq!(fault(r#"{"title":"Odd","detail":"gone"}"#), (Kind::Upstream, String::new(), "gone".to_owned()));
    assert_eq!(fault("<html>").1, "upstream_protocol");
}

#[test]
fn errors_are_told_apart() {
    let fault = |status: u16, body: &str| {
        let status = http::StatusCode::from_u16(status).unwrap();
        let fault = Replicate.read_fault(status, &http::HeaderMap::new(), body.as_bytes());
        (fault.kind, fault.message)
    };
    let body = r#"{"title":"Unauthenticated","detail":"You did not pass a valid authentication token","status":401}"#;
    assert_eq!(fault(401, body), (Kind::Unauthenticated, "You did not pass a valid authentication token".to_owned()));
    let body = r#"{"title":"Input validation failed","detail":"- input: prompt is required\n","status":422,"invalid_fields":[]}"#;
    assert_eq!(fault(422, body), (Kind::BadRequest, "- input: prompt is required\n".to_owned()));
    assert_eq!(fault(402, r#"{"title":"Insufficient credit"}"#), (Kind::BudgetSpent, "Insufficient credit".to_owned()));
    assert_eq!(fault(500, "oops"), (Kind::Upstream, "oops".to_owned()));
}

#[test]
fn there_is_no_stream() {
    assert_eq!(Replicate.framing_of("application/json; charset=utf-8"), None);
    let (seen, fault) = events(&Replicate, &Memo::default(), b"data: {\"status\":\"succeeded\",\"output\":\"a\"}\n\n", 5);
    assert!(seen.is_empty());
    assert_eq!(fault.unwrap().code.as_deref(), Some("upstream_protocol"));
    let mut out = Vec::new();
    Replicate.event_reader(Memo::default()).eof(&mut out);
    assert!(matches!(out.as_slice(), [Event::Fault(_)]));
}

#[test]
fn the_recorded_exchange_was_not_waited_for() {
    for exchange in exchanges("replicate.predictions") {
        let fault = Replicate.read_reply(&Memo::default(), &exchange.body).unwrap_err();
        assert_eq!((fault.kind, fault.code.as_deref()), (Kind::Timeout, Some("upstream_timeout")), "{}", exchange.id);
    }
}

proptest! {
    #[test]
    fn no_bytes_can_cause_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200), place in 0..64_usize, byte in any::<u8>()) {
        let mut known = br#"{"id":"p","status":"failed","error":"(E1)","output":["a"],"m":1}"#.to_vec();
        known[place] = byte;
        for body in [body, known] {
            let _ = Replicate.read_reply(&Memo::default(), &body);
            let _ = Replicate.read_fault(http::StatusCode::BAD_REQUEST, &http::HeaderMap::new(), &body);
            let _ = Replicate.event_reader(Memo::default()).read(Frame::new(&body), &mut Vec::new());
        }
    }
}
