//! Requests: read and written back, and written from other formats' meaning.

use serde_json::{Value, json};

use super::support::exchanges;
use crate::chat::{
    ChatRequest, Hosted, JsonSchema, Media, MediaSource, Message, OutputFormat, Part, PartBody, Reasoning, Role, Thought, Tool, ToolResult,
};
use crate::dialect::Dialect;
use crate::frames::Frames;
use crate::half::{Head, Inbound, Outbound, Profile, Thinking, Written};
use crate::openai_chat::OpenAiChat;
use crate::outline::Outline;
use crate::seal::{ANTHROPIC, Sealed};

fn read(body: &Value) -> ChatRequest {
    OpenAiChat.read_request(&Head::default(), body.to_string().as_bytes()).unwrap()
}

fn write(request: &ChatRequest, profile: &Profile) -> (Value, Written) {
    let written = OpenAiChat.write_request(request, profile).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written)
}

fn plain(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { model: "m".to_owned(), messages, ..ChatRequest::default() }
}

fn losses(written: &Written) -> String {
    written.losses.to_string()
}

/// Both sides in the one form that the writer has: content that is one plain text is a string, `null` is absent, legacy functions
/// are tools, the usage of streams is asked for.
fn normal(mut value: Value) -> Value {
    if let Some(body) = value.as_object_mut() {
        body.retain(|_, value| !value.is_null());
        body.remove("stream_options");
        if body.get("stream") == Some(&json!(false)) {
            body.remove("stream");
        }
        if body.get("response_format") == Some(&json!({"type": "text"})) {
            body.remove("response_format");
        }
        if body.get("tools") == Some(&json!([])) {
            body.remove("tools");
        }
        if body.get("metadata") == Some(&json!({})) {
            body.remove("metadata");
        }
        if body.get("tool_choice") == Some(&json!("any")) {
            body.insert("tool_choice".to_owned(), json!("required"));
        }
    }
    for message in value["messages"].as_array_mut().into_iter().flatten() {
        normal_message(message);
    }
    for tool in value["tools"].as_array_mut().into_iter().flatten() {
        strip(tool);
        if tool.get("function").is_some() {
            tool["type"] = json!("function");
            strip(&mut tool["function"]);
        }
    }
    value
}

fn strip(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
}

fn normal_message(message: &mut Value) {
    strip(message);
    for key in ["tool_calls", "annotations", "reasoning_details"] {
        if message.get(key) == Some(&json!([])) {
            message.as_object_mut().unwrap().remove(key);
        }
    }
    for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
        call.as_object_mut().unwrap().remove("index");
        call["type"] = json!("function");
        if let Some(arguments) = call["function"]["arguments"].as_str().filter(|text| text.is_empty()) {
            assert_eq!(arguments, "");
            call["function"]["arguments"] = json!("{}");
        } else if call["function"]["arguments"].is_object() {
            call["function"]["arguments"] = json!(call["function"]["arguments"].to_string());
        }
    }
    if let Some(mark) = message.get("cache_control").cloned()
        && message["role"] != "tool"
    {
        message.as_object_mut().unwrap().remove("cache_control");
        if message["content"].is_string() {
            message["content"] = json!([{"type": "text", "text": message["content"]}]);
        }
        let last = message["content"].as_array_mut().unwrap().last_mut().unwrap();
        last["cache_control"] = mark;
    }
    for key in ["reasoning", "reasoning_content"] {
        if message.get(key) == Some(&json!("")) {
            message.as_object_mut().unwrap().remove(key);
        }
    }
    let content = message.get("content").cloned().unwrap_or(Value::Null);
    let (role, calls) = (message["role"].clone(), message.get("tool_calls").is_some());
    message["content"] = match content {
        Value::Array(parts) if role == "assistant" && parts.is_empty() => Value::Null,
        Value::Array(mut parts) => {
            parts.iter_mut().for_each(strip);
            for part in &mut parts {
                if part["type"] == "image_url" {
                    if part["image_url"].is_string() {
                        part["image_url"] = json!({"url": part["image_url"]});
                    }
                    strip(&mut part["image_url"]);
                }
            }
            match parts.as_slice() {
                [one] if one["type"] == "text" && one.as_object().unwrap().len() == 2 => one["text"].clone(),
                [] => json!(""),
                _ => Value::Array(parts),
            }
        }
        Value::String(text) if text.is_empty() && role == "assistant" && calls => Value::Null,
        Value::Null if role != "assistant" || !calls => json!(""),
        other => other,
    };
}

#[test]
fn a_request_comes_back_as_it_was() {
    let body: Value = serde_json::from_str(include_str!("fixtures/request.json")).unwrap();
    let (written, parts) = write(&read(&body), &Profile::default());
    assert_eq!(normal(written), normal(body));
    assert_eq!(losses(&parts), "");
}

#[test]
fn recorded_requests_come_back_as_they_were() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for exchange in exchanges(super::recorded::is_chat) {
        let body = &exchange["request_body"];
        let legacy = body.get("functions").is_some();
        if body.get("messages").is_none() || !body["model"].is_string() || legacy {
            continue;
        }
        seen += 1;
        let (written, _) = write(&read(body), &Profile::default());
        let (written, wanted) = (normal(written), normal(body.clone()));
        if written != wanted {
            for (key, value) in wanted.as_object().unwrap() {
                if key == "messages" && written[key].as_array().unwrap().len() == value.as_array().unwrap().len() {
                    for (found, wanted) in written[key].as_array().unwrap().iter().zip(value.as_array().unwrap()) {
                        if found != wanted {
                            wrong.push(format!("{} {}:\n   {wanted}\n   {found}", exchange["id"], exchange["api"]));
                        }
                    }
                } else if written.get(key) != Some(value) {
                    let found = written.get(key).map(Value::to_string).unwrap_or_default();
                    wrong.push(format!("{} {}: {key}\n   {value}\n   {found}", exchange["id"], exchange["api"]));
                }
            }
            for key in written.as_object().unwrap().keys().filter(|key| wanted.get(key).is_none()) {
                wrong.push(format!("{} {}: {key} is new", exchange["id"], exchange["api"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn legacy_functions_become_tools() {
    let body = json!({
        "model": "m",
        "functions": [{"name": "add", "parameters": {"type": "object"}}],
        "function_call": {"name": "add"},
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": null, "function_call": {"name": "add", "arguments": "{}"}},
            {"role": "function", "name": "add", "content": "3"}
        ]
    });
    let (written, _) = write(&read(&body), &Profile::default());
    assert_eq!(written["tools"][0]["function"]["name"], "add");
    assert_eq!(written["tool_choice"]["function"]["name"], "add");
    assert_eq!(written["messages"][1]["tool_calls"][0]["id"], written["messages"][2]["tool_call_id"]);
    assert_eq!(written["messages"][2]["role"], "tool");
}

#[test]
fn results_of_tools_come_before_what_is_said_with_them() {
    let result = |call: &str| {
        Part::new(PartBody::ToolResult(ToolResult { call: call.to_owned(), parts: vec![Part::text(call)], ..ToolResult::default() }))
    };
    let request = plain(vec![Message::new(Role::User, vec![Part::text("go on"), result("a"), result("b")])]);
    let (written, _) = write(&request, &Profile::default());
    assert_eq!(
        written["messages"],
        json!([
            {"role": "tool", "tool_call_id": "a", "content": "a"},
            {"role": "tool", "tool_call_id": "b", "content": "b"},
            {"role": "user", "content": "go on"}
        ])
    );
}

#[test]
fn an_image_that_another_formats_tool_answered_is_said_by_the_user() {
    let image = Part::new(PartBody::Image(Media::new(MediaSource::Base64("iVBORw0K".to_owned()), Some("image/png".to_owned()))));
    let result = ToolResult { call: "a".to_owned(), parts: vec![Part::text("see"), image], ..ToolResult::default() };
    let request = plain(vec![Message::new(Role::User, vec![Part::new(PartBody::ToolResult(result)), Part::text("well?")])]);
    let (written, parts) = write(&request, &Profile::default());
    assert_eq!(
        written["messages"],
        json!([
            {"role": "tool", "tool_call_id": "a", "content": "see"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
                {"type": "text", "text": "well?"}
            ]}
        ])
    );
    assert_eq!(losses(&parts), "tool_result.content;approximated");
}

#[test]
fn the_profile_names_the_limit_and_the_effort() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "reasoning_effort": "xhigh",
        "temperature": 0, "stop": ["a", "b"]});
    let efforts = Some(vec!["low".to_owned(), "medium".to_owned(), "high".to_owned()]);
    let profile = Profile { max_completion_tokens: Some(true), efforts, sampling: Some(false), max_stop: Some(1), ..Profile::default() };
    let (written, parts) = write(&read(&body), &profile);
    assert_eq!((&written["max_completion_tokens"], &written["reasoning_effort"]), (&json!(9), &json!("high")));
    assert!(written.get("max_tokens").is_none() && written.get("temperature").is_none());
    assert_eq!(losses(&parts), "temperature, stop;clamped, reasoning_effort;clamped");
    let (written, _) = write(&read(&body), &Profile { max_completion_tokens: Some(false), ..Profile::default() });
    assert_eq!((&written["max_tokens"], &written["reasoning_effort"]), (&json!(9), &json!("xhigh")));
}

#[test]
fn a_schema_a_model_cannot_follow_is_plain_json() {
    let schema = JsonSchema { name: None, description: None, schema: crate::json::raw("{}").unwrap(), strict: None };
    let request = ChatRequest { output: OutputFormat::JsonSchema(schema), ..plain(vec![Message::new(Role::User, vec![Part::text("x")])]) };
    let (written, parts) = write(&request, &Profile { json_schema: Some(false), ..Profile::default() });
    assert_eq!(written["response_format"], json!({"type": "json_object"}));
    assert_eq!(losses(&parts), "response_format.json_schema;approximated");
    let (written, _) = write(&request, &Profile::default());
    assert_eq!(written["response_format"]["json_schema"]["schema"], json!({}));
}

#[test]
fn a_budget_of_another_format_becomes_an_effort() {
    let asked = |budget| {
        let reasoning = Reasoning { enabled: Some(true), budget_tokens: Some(budget), ..Reasoning::default() };
        ChatRequest { reasoning: Some(reasoning), ..plain(vec![Message::new(Role::User, vec![Part::text("x")])]) }
    };
    for (budget, effort) in [(1023, "minimal"), (1024, "low"), (2048, "medium"), (4096, "high"), (32000, "high")] {
        assert_eq!(write(&asked(budget), &Profile::default()).0["reasoning_effort"], effort, "{budget}");
    }
    let request = asked(6000);
    let (_, parts) = write(&request, &Profile::default());
    assert_eq!(losses(&parts), "reasoning.budget_tokens;approximated");
    let (written, _) = write(&request, &Profile { thinking: Some(Thinking::Budget), ..Profile::default() });
    assert_eq!(written["thinking"], json!({"type": "enabled", "budget_tokens": 6000}));
    let (written, parts) = write(&request, &Profile { thinking: Some(Thinking::Never), ..Profile::default() });
    assert!(written.get("reasoning_effort").is_none());
    assert_eq!(losses(&parts), "reasoning");
}

#[test]
fn a_model_with_a_switch_is_told_by_it_not_to_think() {
    let body = Frames::from(br#"{"model":"m","reasoning_effort":"none","messages":[{"role":"user","content":"x"}]}"#.to_vec());
    let outline = Outline::scan(&body).unwrap();
    let switch = Profile { thinking_switch: Some(true), ..Profile::default() };
    assert!(OpenAiChat.is_refused(&outline, &body, &switch) && !OpenAiChat.is_refused(&outline, &body, &Profile::default()));
    let request = OpenAiChat.read_request(&Head::default(), &body.join()).unwrap();
    let (written, _) = write(&request, &switch);
    assert_eq!((&written["thinking"], written.get("reasoning_effort")), (&json!({"type": "disabled"}), None));
    let request = read(&json!({"model": "m", "reasoning_effort": "high", "messages": [{"role": "user", "content": "x"}]}));
    assert_eq!(write(&request, &switch).0["reasoning_effort"], "high");
}

#[test]
fn a_thought_goes_back_to_who_takes_it_and_a_seal_to_its_vendor() {
    let seal = Some(Sealed::signature(ANTHROPIC, "sig"));
    let thought = Part::new(PartBody::Reasoning(Thought { text: "hm".to_owned(), seal, ..Thought::default() }));
    let request = plain(vec![Message::new(Role::Assistant, vec![thought, Part::text("so")])]);
    let message = |field: Option<&str>, vendor: Option<&str>| {
        let profile = Profile { reasoning_field: field.map(str::to_owned), vendor: vendor.map(str::to_owned), ..Profile::default() };
        let (written, parts) = write(&request, &profile);
        (written["messages"][0].clone(), losses(&parts))
    };
    let (bare, lost) = message(None, None);
    assert_eq!((bare, lost.as_str()), (json!({"role": "assistant", "content": "so"}), "messages.reasoning;approximated"));
    assert_eq!(message(Some("reasoning_content"), None).0["reasoning_content"], "hm");
    let blocks = json!([{"type": "thinking", "thinking": "hm", "signature": "sig"}]);
    assert_eq!(message(Some("thinking_blocks"), Some("anthropic")).0["thinking_blocks"], blocks);
    let (foreign, lost) = message(Some("reasoning_details"), Some("openai"));
    assert!(foreign.get("reasoning_details").is_none());
    assert_eq!(lost, "messages.reasoning;approximated");
}

#[test]
fn a_thought_of_the_clients_keeps_its_fields() {
    for (key, value) in [
        ("reasoning_content", json!("hm")),
        ("reasoning", json!("hm")),
        (
            "thinking_blocks",
            json!([{"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "redacted_thinking", "data": "x"}]),
        ),
        (
            "reasoning_details",
            json!([
                {"type": "reasoning.summary", "summary": "s", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
                {"type": "reasoning.encrypted", "data": "e", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
                {"type": "reasoning.text", "text": "t", "signature": "sig", "id": null, "format": "anthropic-claude-v1", "index": 1}
            ]),
        ),
    ] {
        let mut body = json!({"model": "m", "messages": [{"role": "assistant", "content": "so"}]});
        body["messages"][0][key] = value.clone();
        let request = read(&body);
        assert!(matches!(request.messages[0].parts[0].body, PartBody::Reasoning(_)), "{key}");
        assert_eq!(write(&request, &Profile::default()).0, body, "{key}");
    }
}

#[test]
fn streamed_details_sent_back_piece_by_piece_are_one_thought() {
    let body = json!({"model": "m", "messages": [{"role": "assistant", "content": "so", "reasoning_details": [
        {"type": "reasoning.text", "text": "a", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "text": "b", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "signature": "sig", "format": "anthropic-claude-v1", "index": 0}
    ]}]});
    let thought =
        PartBody::Reasoning(Thought { text: "ab".to_owned(), seal: Some(Sealed::signature(ANTHROPIC, "sig")), ..Thought::default() });
    assert_eq!(read(&body).messages[0].parts[0].body, thought);
}

#[test]
fn googles_seal_of_a_call_is_found_in_all_three_places() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let mut with_extra = call.clone();
    with_extra["extra_content"] = json!({"google": {"thought_signature": "sig"}});
    let mut with_fields = call.clone();
    with_fields["provider_specific_fields"] = json!({"thought_signature": "sig"});
    let detail = json!([{"type": "reasoning.encrypted", "data": "sig", "id": "c1", "format": "google-gemini-v1", "index": 0}]);
    for message in [
        json!({"role": "assistant", "tool_calls": [with_extra]}),
        json!({"role": "assistant", "tool_calls": [with_fields]}),
        json!({"role": "assistant", "tool_calls": [call], "reasoning_details": detail}),
    ] {
        let parts = read(&json!({"model": "m", "messages": [message]})).messages.remove(0).parts;
        let [Part { body: PartBody::ToolCall(call), .. }] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!(call.seal.as_ref().unwrap().open("google"), Some("sig"));
    }
}

#[test]
fn hosted_tools_of_others_are_refused_except_the_search() {
    let hosted = |kind: &str| {
        let tool = Tool::Hosted(Hosted { from: Dialect::Anthropic, kind: kind.to_owned(), id: None, raw: crate::json::raw("{}").unwrap() });
        ChatRequest { tools: vec![tool], ..plain(vec![Message::new(Role::User, vec![Part::text("x")])]) }
    };
    let (written, parts) = write(&hosted("web_search_20250305"), &Profile::default());
    assert_eq!((written["web_search_options"].clone(), losses(&parts).as_str()), (json!({}), "tools[0];approximated"));
    let refused = OpenAiChat.write_request(&hosted("code_execution_20250522"), &Profile::default()).unwrap_err();
    assert_eq!(refused.field, "tools[0]");
}

#[test]
fn what_cannot_be_read_is_named() {
    let hi = json!([{"role": "user", "content": "hi"}]);
    for (body, at) in [
        (json!({"messages": hi}), "model"),
        (json!({"model": "m"}), "messages"),
        (json!({"model": "m", "messages": []}), "messages"),
        (json!({"model": "m", "messages": [{"content": "x"}]}), "messages[0].role"),
        (json!({"model": "m", "messages": [{"role": "wizard", "content": "x"}]}), "messages[0].role"),
        (json!({"model": "m", "messages": [{"role": "user", "content": 5}]}), "messages[0].content"),
        (json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "smell"}]}]}), "messages[0].content[0].type"),
        (json!({"model": "m", "messages": [{"role": "tool", "content": "x"}]}), "messages[0].tool_call_id"),
        (json!({"model": "m", "messages": hi, "temperature": "hot"}), "temperature"),
        (json!({"model": "m", "messages": hi, "tools": [{"type": "function", "function": {}}]}), "tools[0].function.name"),
        (json!({"model": "m", "messages": hi, "response_format": {"type": "json_schema"}}), "response_format.json_schema"),
    ] {
        let error = OpenAiChat.read_request(&Head::default(), body.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.at.as_deref(), Some(at), "{body}");
    }
}

/// What is written for a provider of a request to Anthropic's API.
fn of_messages(more: &Value, profile: &Profile) -> (Value, String) {
    let mut body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let inbound = Dialect::Anthropic.inbound().unwrap();
    let request = inbound.read_request(&Head::default(), body.to_string().as_bytes()).unwrap();
    let (sent, written) = write(&request, profile);
    (sent, losses(&written))
}

#[test]
fn a_session_of_claude_code_is_what_its_requests_have_in_common() {
    let openai = Profile { vendor: Some("openai".to_owned()), ..Profile::default() };
    let user = json!({"device_id": "d".repeat(80), "session_id": "S"}).to_string();
    let said = json!({"metadata": {"user_id": user}});
    let (sent, lost) = of_messages(&said, &openai);
    assert_eq!((&sent["prompt_cache_key"], sent["user"].as_str().unwrap()), (&json!("S"), &user[..64]));
    assert_eq!(lost, "user;clamped");
    assert_eq!(of_messages(&said, &Profile::default()).0.get("prompt_cache_key"), None, "others may refuse it");
    let told = json!({"metadata": {"user_id": user}, "prompt_cache_key": "own"});
    assert_eq!(of_messages(&told, &openai).0["prompt_cache_key"], "own");
    assert_eq!(of_messages(&told, &Profile::default()).0["prompt_cache_key"], "own");
}

#[test]
fn thinking_is_switched_off_where_models_think_unless_told() {
    let off = json!({"thinking": {"type": "disabled"}});
    let thinks = |vendor: &str| Profile { thinking: Some(Thinking::Effort), vendor: Some(vendor.to_owned()), ..Profile::default() };
    assert_eq!(of_messages(&off, &thinks("zai")).0["reasoning_effort"], "none");
    assert_eq!(of_messages(&off, &thinks("openai")).0.get("reasoning_effort"), None, "its models know it where their cards say so");
    assert_eq!(of_messages(&off, &Profile::default()).0.get("reasoning_effort"), None);
}

#[test]
fn hidden_thoughts_have_no_text_to_go_back() {
    let turns = json!({"messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "yes"}]}]});
    let profile = Profile { reasoning_field: Some("reasoning_content".to_owned()), ..Profile::default() };
    assert_eq!(of_messages(&turns, &profile).0["messages"][1], json!({"role": "assistant", "content": "yes"}));
}

#[test]
fn messages_are_plain_where_the_provider_wants_them_so() {
    let mark = json!({"type": "ephemeral"});
    let body = json!({"model": "m", "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": mark}]},
        {"role": "user", "content": "hi", "cache_control": mark},
        {"role": "assistant", "content": "yes", "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "x"}],
            "provider_specific_fields": {"a": 1}}]});
    let profile = Profile { plain_messages: Some(true), ..Profile::default() };
    let frames = Frames::from(body.to_string().into_bytes());
    assert!(OpenAiChat.is_refused(&Outline::scan(&frames).unwrap(), &frames, &profile));
    let (sent, written) = write(&read(&body), &profile);
    let messages = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes"}]);
    assert_eq!(sent["messages"], messages);
    assert_eq!(losses(&written), "messages.cache_control, messages.thinking_blocks, messages.provider_specific_fields");
}
