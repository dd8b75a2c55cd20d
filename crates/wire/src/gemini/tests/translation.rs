//! Requests that other dialects' clients sent.

use serde_json::{Value, json};

use super::{dialect, stamp};
use crate::chat::{
    ChatRequest, Function, JsonSchema, Media, MediaSource, Message, OutputFormat, Part, PartBody, Reasoning, Role, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use crate::half::{Budgets, Head, Inbound, Outbound, Profile, Thinking};
use crate::json::raw;
use crate::seal::Sealed;

fn user(parts: Vec<Part>) -> ChatRequest {
    ChatRequest { model: "gemini-x".to_owned(), messages: vec![Message::new(Role::User, parts)], ..ChatRequest::default() }
}

fn body_of(request: &ChatRequest, profile: &Profile) -> (Value, String) {
    let written = dialect().write_request(request, profile).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written.losses.to_string())
}

fn call(id: &str, seal: Option<Sealed>) -> Part {
    let arguments = r#"{"city":"Oslo"}"#.to_owned();
    Part::new(PartBody::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "get weather".to_owned(),
        arguments,
        custom: false,
        namespace: None,
        seal,
    }))
}

fn result(id: &str, text: &str, is_error: bool) -> Part {
    Part::new(PartBody::ToolResult(ToolResult { call: id.to_owned(), name: None, parts: vec![Part::text(text)], is_error }))
}

#[test]
fn tools_are_renamed_matched_and_named_back() {
    let mut request = user(vec![Part::text("hi")]);
    let schema = raw(r##"{"$schema":"x","type":"object","properties":{"const":{"const":"a"},"b":{"allOf":[{"$ref":"#/$defs/B"}]}}}"##);
    request.tools.push(Tool::Function(Function { name: "get weather".to_owned(), parameters: schema, ..Function::default() }));
    request.tool_choice = Some(ToolChoice::Tool("get weather".to_owned()));
    request.messages.push(Message::new(Role::Assistant, vec![call("call_1", None), call("call_swb_r_1", None)]));
    request.messages.push(Message::new(Role::User, vec![result("call_swb_r_1", "12 degrees", false)]));
    request.messages.push(Message::new(Role::User, vec![result("call_1", "down", true)]));
    let written = dialect().write_request(&request, &Profile::default()).unwrap();
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    let declaration = &body["tools"][0]["functionDeclarations"][0];
    assert_eq!(declaration["name"], "get_weather");
    let expected = json!({"type": "object", "properties": {"const": {"enum": ["a"]}, "b": {"$ref": "#/$defs/B"}}});
    assert_eq!(declaration["parametersJsonSchema"], expected);
    assert_eq!(body["toolConfig"]["functionCallingConfig"], json!({"mode": "ANY", "allowedFunctionNames": ["get_weather"]}));
    assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["id"], "call_1");
    assert_eq!(body["contents"][1]["parts"][1]["functionCall"].get("id"), None);
    let results = body["contents"][2]["parts"].as_array().unwrap();
    assert_eq!(results[0]["functionResponse"], json!({"name": "get_weather", "response": {"output": "12 degrees"}}));
    assert_eq!(results[1]["functionResponse"], json!({"id": "call_1", "name": "get_weather", "response": {"error": "down"}}));
    assert_eq!(body["contents"].as_array().unwrap().len(), 3);
    let answer = br#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"get_weather","args":{}}}]},"finishReason":"STOP"}]}"#;
    let reply = dialect().read_reply(&written.memo, answer).unwrap();
    assert!(matches!(&reply.parts[0].body, PartBody::ToolCall(call) if call.name == "get weather"));
}

#[test]
fn seals_go_only_to_google() {
    let thought = |seal| Part::new(PartBody::Reasoning(Thought { text: "hm".to_owned(), seal, ..Thought::default() }));
    let mut request = user(vec![Part::text("hi")]);
    let foreign = Sealed::signature(crate::seal::ANTHROPIC, "c2VjcmV0");
    let own = Sealed::signature(crate::seal::GOOGLE, "AAEC");
    request.messages.push(Message::new(Role::Assistant, vec![thought(Some(foreign.clone())), call("a", Some(foreign.clone()))]));
    request.messages.push(Message::new(Role::User, vec![result("a", "1", false)]));
    request.messages.push(Message::new(Role::Assistant, vec![thought(Some(own.clone())), call("b", Some(own))]));
    let (body, losses) = body_of(&request, &Profile { thinking: Some(Thinking::Effort), ..Profile::default() });
    assert!(!body.to_string().contains("c2VjcmV0"));
    assert_eq!(body["contents"][1]["parts"][0], json!({"text": "hm", "thought": true}));
    assert_eq!(body["contents"][1]["parts"][1]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(body["contents"][3]["parts"][0], json!({"text": "hm", "thought": true, "thoughtSignature": "AAEC"}));
    assert_eq!(body["contents"][3]["parts"][1]["thoughtSignature"], "AAEC");
    assert!(losses.contains("reasoning;approximated"), "{losses}");

    // A client of Gemini's format carries another vendor's seal in Google's field, as base64, and brings it back.
    let reply = crate::reply::ChatReply { parts: vec![thought(Some(foreign.clone()))], ..Default::default() };
    let written: Value = serde_json::from_slice(&dialect().write_reply(&reply, &stamp())).unwrap();
    let part = &written["candidates"][0]["content"]["parts"][0];
    let signature = part["thoughtSignature"].as_str().unwrap().to_owned();
    assert!(signature.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')));
    for signature in [signature.clone(), signature.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()] {
        let body = json!({"contents": [{"role": "model", "parts": [{"text": "hm", "thought": true, "thought_signature": signature}]}]});
        let head = Head { path_model: Some("m"), ..Head::default() };
        let request = dialect().read_request(&head, body.to_string().as_bytes()).unwrap();
        let PartBody::Reasoning(back) = &request.messages[0].parts[0].body else { panic!("{request:?}") };
        assert_eq!(back.seal.as_ref(), Some(&foreign));
    }
}

#[test]
fn thinking_is_said_as_the_model_hears_it() {
    let config = |reasoning: Reasoning, thinking| {
        let request = ChatRequest { reasoning: Some(reasoning), ..user(vec![Part::text("hi")]) };
        body_of(&request, &Profile { thinking, ..Profile::default() }).0["generationConfig"]["thinkingConfig"].clone()
    };
    let effort = |name: &str| Reasoning { effort: Some(name.to_owned()), ..Reasoning::default() };
    assert_eq!(config(effort("low"), Some(Thinking::Effort)), json!({"thinkingLevel": "low", "includeThoughts": true}));
    assert_eq!(config(effort("xhigh"), Some(Thinking::Effort)), json!({"thinkingLevel": "high", "includeThoughts": true}));
    assert_eq!(config(effort("medium"), Some(Thinking::Budget)), json!({"thinkingBudget": 8192, "includeThoughts": true}));
    assert_eq!(config(effort("none"), None), json!({"thinkingBudget": 0}));
    assert_eq!(config(effort("high"), Some(Thinking::Never)), Value::Null);
    let budget = Reasoning { budget_tokens: Some(2000), exclude: Some(true), ..Reasoning::default() };
    assert_eq!(config(budget.clone(), None), json!({"thinkingBudget": 2000, "includeThoughts": false}));
    assert_eq!(config(budget, Some(Thinking::Adaptive))["thinkingLevel"], "medium");
}

#[test]
fn budgets_are_those_that_the_model_takes() {
    let config = |reasoning: Reasoning, (least, most, off)| {
        let request = ChatRequest { reasoning: Some(reasoning), ..user(vec![Part::text("hi")]) };
        let profile = Profile { budgets: Some(Budgets { least, most, off }), ..Profile::default() };
        let (body, losses) = body_of(&request, &profile);
        (body["generationConfig"]["thinkingConfig"].clone(), losses)
    };
    let budget = |tokens: u64| Reasoning { budget_tokens: Some(tokens), ..Reasoning::default() };
    let (pro, flash) = ((128, 32_768, false), (1, 24_576, true));
    let shown = |tokens: u64| json!({"thinkingBudget": tokens, "includeThoughts": true});
    assert_eq!(config(budget(100), pro), (shown(128), "reasoning.max_tokens;clamped".to_owned()));
    assert_eq!(config(budget(31_999), flash), (shown(24_576), "reasoning.max_tokens;clamped".to_owned()));
    assert_eq!(config(budget(31_999), pro), (shown(31_999), String::new()));
    let off = Reasoning { enabled: Some(false), ..Reasoning::default() };
    for off in [off, budget(0)] {
        assert_eq!(config(off.clone(), pro), (json!({"thinkingBudget": 128}), "reasoning;approximated".to_owned()));
        assert_eq!(config(off, flash), (json!({"thinkingBudget": 0}), String::new()));
    }
}

#[test]
fn results_find_their_calls_though_they_alone_have_ids() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let result = |name: &str, id: &str| json!({"functionResponse": {"id": id, "name": name, "response": {"output": id}}});
    let own = json!({"functionCall": {"id": "given", "name": "read", "args": {}}});
    let body = json!({"contents": [
        {"role": "model", "parts": [call("read"), own, call("write"), call("read")]},
        {"role": "user", "parts": [result("write", "write-17"), result("read", "read-18"), result("read", "given"), result("read", "read-19")]},
    ]});
    let head = Head { path_model: Some("m"), ..Head::default() };
    let request = dialect().read_request(&head, body.to_string().as_bytes()).unwrap();
    let calls: Vec<&String> = request.messages[0]
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            PartBody::ToolCall(call) => Some(&call.id),
            _ => None,
        })
        .collect();
    let answered: Vec<&String> = request.messages[1]
        .parts
        .iter()
        .filter_map(|part| match &part.body {
            PartBody::ToolResult(result) => Some(&result.call),
            _ => None,
        })
        .collect();
    assert_eq!(answered, [calls[2], calls[0], calls[1], calls[3]]);
}

#[test]
fn nothing_said_is_said_with_a_dot() {
    let (body, losses) = body_of(&user(vec![]), &Profile::default());
    assert_eq!(body["contents"], json!([{"role": "user", "parts": [{"text": "."}]}]));
    assert_eq!(losses, "messages;approximated");
}

#[test]
fn media_go_where_google_fetches_them() {
    let image = |source| user(vec![Part::new(PartBody::Image(Media::new(source, None)))]);
    let part = |source| body_of(&image(source), &Profile::default()).0["contents"][0]["parts"][0].clone();
    let inline = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    assert_eq!(part(MediaSource::Base64("iVBORw0KGgo=".to_owned())), inline);
    assert_eq!(part(MediaSource::Url("data:image/png;base64,iVBORw0KGgo=".to_owned())), inline);
    assert_eq!(part(MediaSource::Url("gs://b/o".to_owned())), json!({"fileData": {"fileUri": "gs://b/o"}}));
    let refused = dialect().write_request(&image(MediaSource::Url("https://example.com/a.png".to_owned())), &Profile::default());
    assert_eq!(refused.unwrap_err().field, "messages[0].content");
}

#[test]
fn what_cannot_be_carried_is_told() {
    let mut request = user(vec![Part::text("hi")]);
    request.sampling.logit_bias = Some("{}".to_owned());
    request.user = Some("u".to_owned());
    request.output = OutputFormat::JsonSchema(JsonSchema {
        name: Some("n".to_owned()),
        description: None,
        schema: raw(r#"{"type":"object","additionalProperties":false}"#).unwrap(),
        strict: Some(true),
    });
    let (body, losses) = body_of(&request, &Profile::default());
    assert_eq!(losses, "logit_bias, user");
    let expected = json!({"responseMimeType": "application/json", "responseJsonSchema": {"type": "object", "additionalProperties": false}});
    assert_eq!(body["generationConfig"], expected);
    request.sampling.logprobs = Some(true);
    assert_eq!(dialect().write_request(&request, &Profile::default()).unwrap_err().field, "logprobs");
}

#[test]
fn openapi_schemas_are_read_as_json_schemas() {
    let body = json!({"contents": "hi", "tools": [{"functionDeclarations": [{"name": "f", "parameters":
        {"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": true}}, "propertyOrdering": ["type"]}}]}]});
    let request = dialect().read_request(&Head { path_model: Some("m"), ..Head::default() }, body.to_string().as_bytes()).unwrap();
    let Tool::Function(function) = &request.tools[0] else { panic!("{request:?}") };
    let schema: Value = serde_json::from_str(function.parameters.as_ref().unwrap().get()).unwrap();
    assert_eq!(schema, json!({"type": "object", "properties": {"type": {"type": ["string", "null"]}}}));
}

#[test]
fn paths_hold_no_more_than_one_segment_of_a_name() {
    assert_eq!(dialect().path("gemini-2.5-flash", false), "/models/gemini-2.5-flash:generateContent");
    assert_eq!(dialect().path("../a b?x", true), "/models/..%2Fa%20b%3Fx:streamGenerateContent?alt=sse");
}

#[test]
fn counting_reads_both_forms() {
    let whole = br#"{"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"a"}]}]}}"#;
    let request = super::super::read_count_request(&Head::default(), whole).unwrap();
    assert_eq!((request.model.as_str(), request.messages.len()), ("m", 1));
    let plain = super::super::read_count_request(&Head { path_model: Some("p"), ..Head::default() }, br#"{"contents":[]}"#).unwrap();
    assert_eq!(plain.model, "p");
    assert_eq!(super::super::read_count_reply(&super::super::write_count_reply(11)), Ok(11));
}

#[test]
fn a_guest_may_use_fields_of_this_apis_own() {
    let safety = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "safety_settings": safety, "cachedContent": "cachedContents/1",
        "imageConfig": {"aspectRatio": "1:1"}, "audio": {"voice": "Kore", "format": "pcm16"}, "labels": {"a": "b"}});
    let inbound = crate::Dialect::OpenAiChat.inbound().unwrap();
    let request = inbound.read_request(&Head::default(), body.to_string().as_bytes()).unwrap();
    let (sent, lost) = body_of(&request, &Profile::default());
    assert_eq!((&sent["safetySettings"], &sent["cachedContent"]), (&safety, &json!("cachedContents/1")));
    let config =
        json!({"imageConfig": {"aspectRatio": "1:1"}, "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}});
    assert_eq!(sent["generationConfig"], config);
    assert_eq!(lost, "labels");
}

#[test]
fn thoughts_of_others_come_without_their_seal() {
    let thought = |text: &str, seal| Part::new(PartBody::Reasoning(Thought { text: text.to_owned(), seal, ..Thought::default() }));
    let mut request = user(vec![Part::text("hi")]);
    let seal = Some(Sealed::signature("anthropic", "EqQB"));
    request.messages.push(Message::new(Role::Assistant, vec![thought("hm", seal), thought("so", None), Part::text("yes")]));
    let (body, lost) = body_of(&request, &Profile::default());
    let parts = json!([{"text": "hm", "thought": true}, {"text": "so", "thought": true}, {"text": "yes"}]);
    assert_eq!((&body["contents"][1]["parts"], lost.as_str()), (&parts, "reasoning;approximated"));
}
