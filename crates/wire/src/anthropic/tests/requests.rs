//! Requests, read and written.

use http::HeaderMap;

use super::fixtures::REQUEST;
use super::*;
use crate::chat::{
    CacheMark, Function, Hosted, JsonSchema, Media, MediaSource, Message, OutputFormat, Part, Reasoning, Role, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use crate::dialect::Dialect;
use crate::half::Thinking;
use crate::loss::{Loss, Why};
use crate::seal::{OPENAI, Sealed};

fn guest(text: &str) -> ChatRequest {
    let extra = Extra::new(Dialect::OpenAiChat);
    let messages = vec![Message::new(Role::User, vec![Part::text(text)])];
    ChatRequest { model: "m".to_owned(), messages, extra, ..ChatRequest::default() }
}

fn lost(written: &Written, field: &'static str, why: Why) -> bool {
    written.losses.list().contains(&Loss { field: field.into(), why })
}

fn function(name: &str) -> Tool {
    Tool::Function(Function { name: name.to_owned(), ..Function::default() })
}

fn call(id: &str, name: &str) -> Part {
    Part::new(PartBody::ToolCall(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: "{}".to_owned(), ..ToolCall::default() }))
}

fn result(call: &str) -> Part {
    Part::new(PartBody::ToolResult(ToolResult { call: call.to_owned(), parts: vec![Part::text("r")], ..ToolResult::default() }))
}

fn with_reasoning(effort: &str) -> ChatRequest {
    let reasoning = Some(Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() });
    ChatRequest { reasoning, ..guest("hi") }
}

#[test]
fn a_request_comes_back_as_it_was() {
    let sent: Value = serde_json::from_str(REQUEST).unwrap();
    let request = Anthropic.read_request(&Head::default(), REQUEST.as_bytes()).unwrap();
    let (back, written) = write(&request, &Profile::default());
    assert_eq!(normal(&back), normal(&sent));
    assert!(written.losses.is_empty(), "{}", written.losses);
    assert_eq!(written.headers, [("anthropic-beta", "files-api-2025-04-14".to_owned())]);
    let text = std::str::from_utf8(&written.body).unwrap();
    // Numbers, and the order of a schema's fields, stay as written.
    assert!(text.contains("1.10") && text.contains("2.50") && text.contains(r#"{"z": {}, "a": {}}"#));
}

#[test]
fn a_request_has_its_meaning() {
    let request = read(&serde_json::from_str(REQUEST).unwrap());
    assert_eq!(request.system[0].cache, Some(CacheMark { ttl: Some("1h".to_owned()) }));
    assert_eq!(request.parallel_tools, Some(false));
    assert_eq!(request.user.as_deref(), Some("u-1"));
    let reasoning = request.reasoning.unwrap();
    assert_eq!((reasoning.enabled, reasoning.budget_tokens, reasoning.effort.as_deref()), (Some(true), Some(2000), Some("low")));
    assert!(matches!(request.output, OutputFormat::JsonSchema(_)));
    assert!(
        matches!(&request.messages[0].parts[5].body, PartBody::File(Media { source: MediaSource::Text(text), .. }) if text == "one\ntwo")
    );
    assert!(matches!(&request.messages[1].parts[3].body, PartBody::Hosted(hosted) if hosted.kind == "server_tool_use"));
    assert!(matches!(&request.messages[2].parts[0].body, PartBody::ToolResult(result) if result.is_error && result.parts.len() == 2));
    assert_eq!(request.messages[3].role, Role::System);
}

#[test]
fn the_features_a_client_opted_into_travel_with_the_request() {
    let mut headers = HeaderMap::new();
    headers.append("anthropic-beta", "a-1, mcp-client-2025-04-04".parse().unwrap());
    let head = Head { headers: Some(&headers), path_model: Some("claude"), ..Head::default() };
    let body = br#"{"anthropic_version":"vertex-2023-10-16","messages":[{"role":"user","content":"x"}],"max_tokens":5,"mcp_servers":[]}"#;
    let request = Anthropic.read_request(&head, body).unwrap();
    assert_eq!(request.model, "claude");
    let (back, written) = write(&request, &Profile::default());
    assert_eq!(written.headers[0].1, "a-1,mcp-client-2025-04-04");
    assert!(back.get("anthropic-beta").is_none());
}

#[test]
fn what_is_wrong_is_named() {
    let read = |body: &str| Anthropic.read_request(&Head::default(), body.as_bytes()).unwrap_err().at.unwrap();
    assert_eq!(read(r#"{"messages":[]}"#), "model");
    assert_eq!(read(r#"{"model":"m"}"#), "messages");
    assert_eq!(read(r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#), "messages.0.content.0.text");
    assert_eq!(read(r#"{"model":"m","messages":[{"role":"robot","content":""}]}"#), "messages.0.role");
    assert_eq!(read(r#"{"model":"m","messages":[],"tool_choice":{"type":"tool"}}"#), "tool_choice.name");
}

#[test]
fn the_required_limit_is_the_models_or_the_floor() {
    let (body, written) = write(&guest("hi"), &Profile::default());
    assert_eq!(body["max_tokens"], 4096);
    assert!(lost(&written, "max_tokens", Why::Approximated));
    let (body, _) = write(&guest("hi"), &Profile { max_output_tokens: Some(64000), ..Profile::default() });
    assert_eq!(body["max_tokens"], 64000);
    let (body, written) = write(&ChatRequest { max_output_tokens: Some(7), ..guest("hi") }, &Profile::default());
    assert_eq!(body["max_tokens"], 7);
    assert!(written.losses.is_empty());
}

#[test]
fn a_guests_turns_alternate_and_results_come_first() {
    let mut request = guest("a");
    let messages = [
        Message::new(Role::Assistant, vec![call("functions.f:0", "f"), call("c2", "f")]),
        Message::new(Role::User, vec![Part::text("meanwhile"), result("functions.f:0")]),
        Message::new(Role::System, vec![Part::text("be brief")]),
        Message::new(Role::User, vec![result("c2"), Part::text("  ")]),
        Message::new(Role::Assistant, vec![Part::text("So ")]),
    ];
    request.messages.extend(messages);
    request.tools.push(function("f"));
    let (body, written) = write(&request, &Profile::default());
    let turns = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = turns.iter().map(|turn| turn["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
    let kinds: Vec<&str> = turns[2]["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text", "text", "text"]);
    assert_eq!(turns[2]["content"][0]["tool_use_id"], turns[1]["content"][0]["id"]);
    assert_eq!(turns[1]["content"][0]["id"], "functions_f_0");
    assert_eq!(turns[3]["content"], "So");
    assert_eq!(turns[2]["content"][4]["text"], "be brief", "said in the user's turn, after a note");
    assert_eq!(body["system"], serde_json::Value::Null);
    assert!(lost(&written, "messages.role", Why::Approximated));
}

#[test]
fn instructions_amid_the_conversation_leave_what_stands_before_them_alone() {
    let mut request = guest("a");
    request.system = vec![Part::text("be kind")];
    let later = [(Role::Assistant, "b"), (Role::System, "be brief"), (Role::User, "c"), (Role::System, "be quick")];
    request.messages.extend(later.map(|(role, text)| Message::new(role, vec![Part::text(text)])));
    let (body, written) = write(&request, &Profile { mid_system: Some(true), ..Profile::default() });
    assert_eq!(body["system"], "be kind");
    let rest = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "system", "content": [{"type": "text", "text": "be brief"}, {"type": "text", "text": "be quick"}]},
    ]);
    assert_eq!(body["messages"], rest);
    assert!(!lost(&written, "messages.role", Why::Approximated));
    let (body, written) = write(&request, &Profile { mid_system: Some(false), ..Profile::default() });
    let texts: Vec<&str> = body["messages"][2]["content"].as_array().unwrap().iter().filter_map(|block| block["text"].as_str()).collect();
    assert_eq!((body["system"].as_str(), &texts[1..3], texts[4]), (Some("be kind"), &["be brief", "c"][..], "be quick"));
    assert!(lost(&written, "messages.role", Why::Approximated));
}

#[test]
fn an_answer_cannot_come_first() {
    let mut request = guest("x");
    request.messages = vec![Message::new(Role::Assistant, vec![Part::text("I")])];
    let (body, _) = write(&request, &Profile::default());
    assert_eq!(body["messages"][0]["role"], "user");
}

#[test]
fn effort_becomes_what_the_model_is_told_by() {
    let (body, written) = write(&with_reasoning("high"), &Profile::default());
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 4096}));
    assert_eq!(body["max_tokens"], 8192);
    assert!(lost(&written, "reasoning.effort", Why::Approximated));
    let adaptive =
        Profile { thinking: Some(Thinking::Adaptive), efforts: Some(vec!["low".to_owned(), "high".to_owned()]), ..Profile::default() };
    let (body, written) = write(&with_reasoning("xhigh"), &adaptive);
    assert_eq!(
        (&body["thinking"], &body["output_config"]),
        (&json!({"type": "adaptive", "display": "summarized"}), &json!({"effort": "high"}))
    );
    assert!(lost(&written, "reasoning.effort", Why::Clamped));
    let (body, _) = write(&with_reasoning("none"), &adaptive);
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    let (body, written) = write(&with_reasoning("low"), &Profile { thinking: Some(Thinking::Never), ..Profile::default() });
    assert!(body.get("thinking").is_none() && lost(&written, "reasoning", Why::NoEquivalent));
}

#[test]
fn thinking_stays_within_the_rules() {
    let budget = |request: ChatRequest| write(&request, &Profile::default());
    let (body, written) = budget(ChatRequest { max_output_tokens: Some(3000), ..with_reasoning("max") });
    assert_eq!(body["thinking"]["budget_tokens"], 1500);
    assert!(lost(&written, "reasoning", Why::Clamped));
    let (body, _) = budget(ChatRequest { max_output_tokens: Some(500), ..with_reasoning("max") });
    assert!(body.get("thinking").is_none());
    let mut warm = with_reasoning("low");
    warm.sampling.temperature = serde_json::from_str("0.5").ok();
    let (body, written) = budget(warm);
    assert!(body.get("temperature").is_none() && lost(&written, "temperature", Why::NoEquivalent));
    let forced = ChatRequest { tools: vec![function("f")], tool_choice: Some(ToolChoice::Required), ..with_reasoning("low") };
    let (body, written) = budget(forced);
    assert!(body.get("thinking").is_none() && lost(&written, "reasoning", Why::Approximated));
    let mut amid = with_reasoning("low");
    amid.messages.push(Message::new(Role::Assistant, vec![call("c", "f")]));
    amid.messages.push(Message::new(Role::User, vec![result("c")]));
    assert!(budget(amid).0.get("thinking").is_none());
}

#[test]
fn knobs_are_clamped_or_lost_and_said_so() {
    let mut request = guest("hi");
    let number = |text: &str| serde_json::from_str(text).ok();
    request.sampling.temperature = number("1.7");
    request.sampling.top_p = number("0.9");
    request.sampling.seed = number("1");
    request.sampling.presence_penalty = number("0");
    request.sampling.frequency_penalty = number("0.5");
    request.sampling.stop = vec!["\n".to_owned(), "x".to_owned()];
    request.user = Some("u".to_owned());
    let (body, written) = write(&request, &Profile::default());
    assert_eq!(body["temperature"], 1);
    assert_eq!(body["stop_sequences"], json!(["x"]));
    assert_eq!(body["metadata"], json!({"user_id": "u"}));
    assert!(lost(&written, "temperature", Why::Clamped));
    for field in ["top_p", "seed", "frequency_penalty", "stop"] {
        assert!(lost(&written, field, Why::NoEquivalent), "{field}");
    }
    assert!(!lost(&written, "presence_penalty", Why::NoEquivalent));
}

#[test]
fn what_the_api_cannot_give_is_refused() {
    let refused = |request: &ChatRequest| Anthropic.write_request(request, &Profile::default()).unwrap_err().field;
    let mut several = guest("x");
    several.sampling.n = Some(2);
    assert_eq!(refused(&several), "n");
    let mut likely = guest("x");
    likely.sampling.logprobs = Some(true);
    assert_eq!(refused(&likely), "logprobs");
    assert_eq!(refused(&ChatRequest { modalities: vec!["audio".to_owned()], ..guest("x") }), "modalities");
    let with = |body: PartBody| ChatRequest { messages: vec![Message::new(Role::User, vec![Part::new(body)])], ..guest("x") };
    let media = || Media::new(MediaSource::Base64("AAAA".to_owned()), None);
    assert_eq!(refused(&with(PartBody::Audio(media()))), "messages.content.audio");
    assert_eq!(refused(&with(PartBody::Video(media()))), "messages.content.video");
    assert_eq!(refused(&with(PartBody::File(media()))), "messages.content.file");
    let hosted = Hosted { from: Dialect::OpenAiResponses, kind: "file_search".to_owned(), id: None, raw: crate::json::raw("{}").unwrap() };
    assert_eq!(refused(&ChatRequest { tools: vec![Tool::Hosted(hosted)], ..guest("x") }), "tools");
}

#[test]
fn a_schema_is_native_or_a_forced_tool() {
    let schema = || crate::json::raw(r#"{"properties":{"b":{},"a":{}}}"#).unwrap();
    let output = OutputFormat::JsonSchema(JsonSchema { name: None, description: None, schema: schema(), strict: None });
    let request = ChatRequest { output, ..guest("x") };
    let (body, written) = write(&request, &Profile { json_schema: Some(true), ..Profile::default() });
    assert_eq!(body["output_config"]["format"]["type"], "json_schema");
    assert_eq!(written.memo.json_tool, None);
    let (body, written) = write(&request, &Profile::default());
    assert_eq!(written.memo.json_tool.as_deref(), Some("json_answer"));
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "json_answer"}));
    assert_eq!(body["tools"][0]["input_schema"]["type"], "object");
    let reply = br#"{"content":[{"type":"tool_use","id":"t","name":"json_answer","input":{"b":1}}],"stop_reason":"tool_use"}"#;
    let reply = Anthropic.read_reply(&written.memo, reply).unwrap();
    assert_eq!(reply.parts, [Part::text(r#"{"b":1}"#)]);
    assert_eq!(reply.finish.reason, crate::reply::Reason::Stop);
}

#[test]
fn the_objects_of_a_native_schema_are_closed() {
    let schema = r#"{"type":"object","properties":{"z":{"type":"array","items":{"type":"object"}},"type":{"enum":[{"type":"object"}]}}}"#;
    let schema = crate::json::raw(schema).unwrap();
    let output = OutputFormat::JsonSchema(JsonSchema { name: None, description: None, schema, strict: None });
    let native = Profile { json_schema: Some(true), ..Profile::default() };
    let (_, written) = write(&ChatRequest { output, ..guest("x") }, &native);
    let closed = concat!(
        r#"{"type":"object","properties":{"z":{"type":"array","items":{"type":"object","additionalProperties":false}},"#,
        r#""type":{"enum":[{"type":"object"}]}},"additionalProperties":false}"#
    );
    assert!(std::str::from_utf8(&written.body).unwrap().contains(closed));
    assert!(lost(&written, "response_format", Why::Approximated));
}

#[test]
fn tools_are_renamed_there_and_back() {
    let mut request = guest("x");
    request.tools = vec![function("a.b"), function("a_b")];
    request.tool_choice = Some(ToolChoice::Tool("a.b".to_owned()));
    request.parallel_tools = Some(false);
    let (body, written) = write(&request, &Profile::default());
    assert_eq!(body["tools"][0]["name"], "a_b_2");
    assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object", "properties": {}}));
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": "a_b_2", "disable_parallel_tool_use": true}));
    let reply = br#"{"content":[{"type":"tool_use","id":"t","name":"a_b_2","input":{}}],"stop_reason":"tool_use"}"#;
    let reply = Anthropic.read_reply(&written.memo, reply).unwrap();
    assert!(matches!(&reply.parts[0].body, PartBody::ToolCall(call) if call.name == "a.b"));
}

#[test]
fn a_choice_among_tools_is_those_tools() {
    let mut request = guest("x");
    request.tools = vec![function("a"), function("b")];
    request.tool_choice = Some(ToolChoice::Among(vec!["b".to_owned()], true));
    let (body, _) = write(&request, &Profile::default());
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(body["tool_choice"], json!({"type": "any"}));
}

#[test]
fn a_foreign_web_search_becomes_the_vendors() {
    let raw = r#"{"user_location":{"type":"approximate","approximate":{"country":"AT"}}}"#;
    let kind = "web_search_options".to_owned();
    let hosted = Hosted { from: Dialect::OpenAiChat, kind, id: None, raw: crate::json::raw(raw).unwrap() };
    let (body, _) = write(&ChatRequest { tools: vec![Tool::Hosted(hosted)], ..guest("x") }, &Profile::default());
    let location = json!({"type": "approximate", "country": "AT"});
    assert_eq!(body["tools"][0], json!({"type": "web_search_20250305", "name": "web_search", "user_location": location}));
}

#[test]
fn seals_are_shown_to_their_vendor_alone() {
    let thought = |seal: Option<Sealed>| Part::new(PartBody::Reasoning(Thought { text: "t".to_owned(), seal, ..Thought::default() }));
    let with = |seal| {
        let mut request = guest("x");
        request.messages.push(Message::new(Role::Assistant, vec![thought(seal), Part::text("y")]));
        request.messages.push(Message::new(Role::User, vec![Part::text("z")]));
        request
    };
    let (body, written) = write(&with(Some(Sealed::encrypted(OPENAI, "e"))), &Profile::default());
    assert_eq!(body["messages"][1]["content"], "y");
    assert!(lost(&written, "messages.reasoning", Why::Approximated));
    let (body, _) = write(&with(Some(Sealed::signature("anthropic", "s"))), &Profile::default());
    assert_eq!(body["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "t", "signature": "s"}));
    let deepseek = Profile { vendor: Some("deepseek".to_owned()), ..Profile::default() };
    let (body, _) = write(&with(None), &deepseek);
    assert_eq!(body["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "t"}));
    let (body, _) = write(&with(Some(Sealed::signature("anthropic", "s"))), &deepseek);
    assert_eq!(body["messages"][1]["content"], "y");
}

#[test]
fn a_guest_may_use_fields_of_this_apis_own() {
    let own = [
        ("speed", json!("fast")),
        ("inference_geo", json!("us")),
        ("container", json!({"skills": []})),
        ("mcp_servers", json!([])),
        ("context_management", json!({"edits": [{"type": "clear_tool_uses_20250919"}]})),
        ("cache_control", json!({"type": "ephemeral"})),
    ];
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "metadata": {"user_id": "u"}, "reasoning_effort": "high",
        "output_config": {"effort": "low", "more": 1}, "safeguards": null, "nobody_knows": 1});
    body.as_object_mut().unwrap().extend(own.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let inbound = Dialect::OpenAiChat.inbound().unwrap();
    let request = inbound.read_request(&Head::default(), body.to_string().as_bytes()).unwrap();
    let (sent, written) = write(&request, &Profile { thinking: Some(Thinking::Adaptive), ..Profile::default() });
    for (key, value) in own {
        assert_eq!(sent[key], value, "{key}");
    }
    assert_eq!((&sent["metadata"], &sent["output_config"]), (&json!({"user_id": "u"}), &json!({"effort": "low", "more": 1})));
    assert_eq!(sent.get("safeguards").or(sent.get("nobody_knows")), None);
    assert_eq!(written.losses.to_string(), "nobody_knows");
    let betas = "context-management-2025-06-27,fast-mode-2026-02-01,mcp-client-2025-11-20,skills-2025-10-02";
    assert_eq!(written.headers, [("anthropic-beta", betas.to_owned())]);
}
