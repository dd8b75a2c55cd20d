use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::event::{BlockKind, Delta, Event};
use crate::frames::Frames;
use crate::half::{Head, Memo};
use crate::outline::{Edits, Outline};
use crate::prepare::{Prepared, Route, Source, prepare};

/// The request as that provider gets it.
fn sent(from: Dialect, to: Dialect, profile: &Profile, body: &Value) -> Result<(Value, Prepared), Problem> {
    let body = Frames::from(Bytes::from(body.to_string()));
    let outline = Outline::scan(&body).expect("JSON");
    let route = Route { from, to, profile, edits: &Edits::default(), laid: &[], fitted: false, lenient: false };
    let prepared = prepare(&route, &Head::default(), &Source::Bytes(&body, &outline))?;
    Ok((serde_json::from_slice(&prepared.body.join()).expect("JSON"), prepared))
}

fn of_codex(extra: &[(&str, Value)]) -> Value {
    let mut body = json!({
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": "Mend it."},
            {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin \"Patch\""},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
            {"type": "function_call", "call_id": "c2", "name": "search", "namespace": "mcp__docs", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c2", "output": "found"},
        ],
        "tools": [
            {"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}},
            {"type": "custom", "name": "apply_patch", "description": "Mends files.",
             "format": {"type": "grammar", "syntax": "lark", "definition": "start: patch"}},
            {"type": "namespace", "name": "mcp__docs", "description": "Documents", "tools": [
                {"type": "function", "name": "search", "parameters": {"type": "object", "properties": {}}, "defer_loading": true},
            ]},
            {"type": "tool_search"},
            {"type": "image_generation"},
            {"type": "local_shell"},
            {"type": "web_search", "external_web_access": false},
        ],
        "tool_choice": "auto",
    });
    for (key, value) in extra {
        body[*key] = value.clone();
    }
    body
}

/// The names of the tools, wherever that format has them.
fn names(body: &Value) -> Vec<String> {
    let list = body["tools"].as_array().cloned().unwrap_or_default();
    let name = |tool: &Value| tool["function"]["name"].as_str().or(tool["name"].as_str()).map(str::to_owned);
    let declared = list.iter().flat_map(|tool| tool["functionDeclarations"].as_array().cloned().unwrap_or_default());
    list.iter().cloned().chain(declared).filter_map(|tool| name(&tool)).collect()
}

#[test]
fn tools_that_the_client_runs_are_functions_everywhere() {
    let all =
        Dialect::ALL.into_iter().filter(|to| !matches!(to, Dialect::OpenAiResponses | Dialect::OpenAiCompletions | Dialect::Replicate));
    for to in all {
        let (body, prepared) =
            sent(RESPONSES, to, &Profile::default(), &of_codex(&[])).unwrap_or_else(|refused| panic!("{to}: {refused:?}"));
        let text = body.to_string();
        assert!(text.contains("start: patch") && text.contains("mcp__docs__search"), "{to}: {text}");
        assert!(!text.contains("web_search") && !text.contains("googleSearch"), "{to}: {text}");
        if to != Dialect::Bedrock {
            assert_eq!(names(&body), ["shell", "apply_patch", "mcp__docs__search"], "{to}: {text}");
        }
        let told: Vec<String> = prepared.losses.list().iter().map(|loss| loss.field.to_string()).collect();
        for left in ["tools.tool_search", "tools.image_generation", "tools.local_shell", "tools.web_search"] {
            assert!(told.iter().any(|told| told == left), "{to}: {told:?}");
        }
    }
}

#[test]
fn calls_in_the_conversation_are_told_as_the_tools_are() {
    let (body, _) = sent(RESPONSES, Dialect::Anthropic, &Profile::default(), &of_codex(&[])).expect("written");
    let calls: Vec<&Value> = body["messages"]
        .as_array()
        .expect("turns")
        .iter()
        .map(|turn| &turn["content"])
        .filter_map(Value::as_array)
        .flatten()
        .filter(|block| block["type"] == "tool_use")
        .collect();
    assert_eq!((&calls[0]["name"], &calls[0]["input"]), (&json!("apply_patch"), &json!({"input": "*** Begin \"Patch\""})));
    assert_eq!(calls[1]["name"], "mcp__docs__search");
    let chosen = of_codex(&[("tool_choice", json!({"type": "function", "name": "search"}))]);
    let (body, _) = sent(RESPONSES, Dialect::Anthropic, &Profile::default(), &chosen).expect("written");
    assert_eq!(body["tool_choice"]["name"], "mcp__docs__search");
}

#[test]
fn openais_chats_know_free_text_themselves() {
    let profile = Profile { vendor: Some(OPENAI.to_owned()), ..Profile::default() };
    let (body, _) = sent(RESPONSES, Dialect::OpenAiChat, &profile, &of_codex(&[])).expect("written");
    assert_eq!(body["tools"][1]["custom"]["name"], "apply_patch");
    assert_eq!(body["messages"][1]["tool_calls"][0]["type"], "custom");
    assert_eq!(body["tools"][2]["function"]["name"], "mcp__docs__search");
}

#[test]
fn what_a_search_among_tools_found_is_offered() {
    let body = json!({
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": "Look."},
            {"type": "tool_search_call", "call_id": "s1", "arguments": {}},
            {"type": "tool_search_output", "call_id": "s1", "tools": [
                {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]}]},
        ],
        "tools": [{"type": "tool_search"}, {"type": "function", "name": "g", "parameters": {"type": "object"}}],
    });
    let (body, _) = sent(RESPONSES, Dialect::Anthropic, &Profile::default(), &body).expect("written");
    assert_eq!(names(&body), ["g", "ns__f"]);
}

#[test]
fn a_choice_means_the_function_of_that_name_before_one_that_stands_for_a_tool_of_it() {
    let choice = json!({"type": "function", "name": "search"});
    let chosen = |body: &Value| {
        let (sent, _) = sent(RESPONSES, Dialect::OpenAiChat, &Profile::default(), body).expect("sent");
        sent["tool_choice"]["function"]["name"].as_str().map(str::to_owned)
    };
    let mut body = of_codex(&[("tool_choice", choice)]);
    assert_eq!(chosen(&body).as_deref(), Some("mcp__docs__search"));
    body["tools"][0]["name"] = json!("search");
    assert_eq!(chosen(&body).as_deref(), Some("search"));
}

#[test]
fn what_must_be_called_or_stands_alone_is_refused() {
    for body in [
        of_codex(&[("tool_choice", json!({"type": "image_generation"}))]),
        of_codex(&[("tools", json!([{"type": "image_generation"}]))]),
        of_codex(&[("tools", json!([{"type": "function", "name": "f"}, {"type": "file_search", "vector_store_ids": []}]))]),
    ] {
        for to in [Dialect::Anthropic, Dialect::Gemini, Dialect::OpenAiChat] {
            assert!(sent(RESPONSES, to, &Profile::default(), &body).is_err(), "{to}: {body}");
        }
    }
}

#[test]
fn a_search_goes_where_there_is_one() {
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "web_search"}]);
    let body = of_codex(&[("tools", tools), ("input", json!("Look."))]);
    let (gemini, told) = sent(RESPONSES, Dialect::Gemini, &Profile::default(), &body).expect("written");
    assert!(!gemini.to_string().contains("googleSearch") && told.losses.to_string().contains("tools.web_search"), "{gemini}");
    let (claude, _) = sent(RESPONSES, Dialect::Anthropic, &Profile::default(), &body).expect("written");
    assert_eq!(claude["tools"][1]["name"], "web_search");
    for (web_search, searches) in [(None, true), (Some(true), true), (Some(false), false)] {
        let profile = Profile { web_search, ..Profile::default() };
        let (chat, _) = sent(RESPONSES, Dialect::OpenAiChat, &profile, &body).expect("written");
        assert_eq!(chat.get("web_search_options").is_some(), searches, "{web_search:?}");
    }
    // A call whose one purpose is the search is refused rather than answered without.
    let alone = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Look."}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}], "tool_choice": {"type": "tool", "name": "web_search"}});
    let none = Profile { web_search: Some(false), ..Profile::default() };
    assert!(sent(Dialect::Anthropic, Dialect::OpenAiChat, &none, &alone).is_err());
    let (chat, told) = sent(Dialect::Anthropic, Dialect::OpenAiChat, &Profile::default(), &alone).expect("written");
    assert!(chat.get("tool_choice").is_none() && told.losses.to_string().contains("tool_choice"), "{chat}");
}

#[test]
fn long_names_stay_apart() {
    let (one, other) = (name_of(&"x".repeat(70), Some("ns")), name_of(&"x".repeat(71), Some("ns")));
    assert!(one.len() == LONGEST && other.len() == LONGEST && one != other);
}

fn memo() -> Memo {
    let stand_in = |name: &str, tool: &str, namespace: Option<&str>, custom| StandIn {
        name: name.to_owned(),
        tool: tool.to_owned(),
        namespace: namespace.map(str::to_owned),
        custom,
    };
    let stand_ins = vec![stand_in("apply_patch", "apply_patch", None, true), stand_in("ns__f", "f", Some("ns"), false)];
    Memo { stand_ins, ..Memo::default() }
}

#[test]
fn calls_come_back_as_calls_of_the_tools() {
    let call =
        |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let calls = json!([call("1", "apply_patch", r#"{"input":"a\nb"}"#), call("2", "ns__f", "{}"), call("3", "g", "{}")]);
    let body = json!({"choices": [{"message": {"role": "assistant", "tool_calls": calls}, "finish_reason": "tool_calls"}]}).to_string();
    let outbound = Dialect::OpenAiChat.outbound().expect("spoken");
    let reply = read_reply(outbound, &memo(), body.as_bytes()).expect("an answer");
    let found: Vec<_> =
        reply.parts.iter().filter_map(|part| if let PartBody::ToolCall(call) = &part.body { Some(call) } else { None }).collect();
    assert_eq!((found[0].custom, found[0].arguments.as_str()), (true, "a\nb"));
    assert_eq!((found[1].name.as_str(), found[1].namespace.as_deref(), found[1].custom), ("f", Some("ns"), false));
    assert_eq!((found[2].name.as_str(), found[2].namespace.as_deref()), ("g", None));
    let written = RESPONSES.inbound().expect("spoken").write_reply(&reply, &crate::half::Stamp::default());
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!((&written["output"][0]["type"], &written["output"][0]["input"]), (&json!("custom_tool_call"), &json!("a\nb")));
    assert_eq!((&written["output"][1]["name"], &written["output"][1]["namespace"]), (&json!("f"), &json!("ns")));
}

#[test]
fn streamed_calls_come_back_as_calls_of_the_tools() {
    let chunk = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]}).to_string();
    let piece = |function: Value| chunk(json!({"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": function}]}));
    let outbound = Dialect::OpenAiChat.outbound().expect("spoken");
    let mut reader = event_reader(outbound, memo());
    let mut events = Vec::new();
    for frame in [
        piece(json!({"name": "apply_patch", "arguments": ""})),
        piece(json!({"arguments": "{\"input\":\"a\\"})),
        piece(json!({"arguments": "nb\"}"})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}).to_string(),
        "[DONE]".to_owned(),
    ] {
        reader.read(crate::event::Frame::new(frame.as_bytes()), &mut events).expect("readable");
    }
    reader.eof(&mut events);
    let custom = events.iter().any(|event| matches!(event, Event::BlockStart { kind: BlockKind::ToolCall { custom: true, .. }, .. }));
    let said: Vec<&str> = events
        .iter()
        .filter_map(|event| if let Event::BlockDelta { delta: Delta::Arguments(text), .. } = event { Some(text.as_str()) } else { None })
        .collect();
    assert!(custom && said == ["a\nb"], "{events:?}");
}

/// Claude's shell and editor are run by the client, whoever calls them.
#[test]
fn tools_that_claudes_clients_run_are_functions_elsewhere() {
    let tools = json!([
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 9},
        {"type": "text_editor_20250124", "name": "str_replace_editor"},
        {"type": "memory_20250818", "name": "memory"},
    ]);
    let turns = json!([
        {"role": "user", "content": "List."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": "ls"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a"}]},
    ]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": turns, "tools": tools, "tool_choice": {"type": "tool", "name": "bash"}});
    let (chat, prepared) = sent(Dialect::Anthropic, Dialect::OpenAiChat, &Profile::default(), &body).expect("told");
    let named: Vec<&Value> = chat["tools"].as_array().expect("tools").iter().map(|tool| &tool["function"]["name"]).collect();
    assert_eq!(named, ["bash", "str_replace_based_edit_tool", "str_replace_editor", "memory"]);
    let parameters = |at: usize| &chat["tools"][at]["function"]["parameters"];
    assert_eq!((&parameters(0)["type"], parameters(0)["properties"]["command"]["type"].as_str()), (&json!("object"), Some("string")));
    assert_eq!(parameters(1)["properties"]["command"]["enum"], json!(["view", "create", "str_replace", "insert"]));
    assert!(parameters(1)["properties"]["insert_text"].is_object() && parameters(2)["properties"].get("insert_text").is_none());
    assert_eq!((&chat["tool_choice"]["function"]["name"], prepared.losses.to_string()), (&json!("bash"), String::new()));
    for to in [Dialect::OpenAiResponses, Dialect::Gemini, Dialect::Bedrock, Dialect::Cohere, Dialect::Ollama] {
        let (sent, _) = sent(Dialect::Anthropic, to, &Profile::default(), &body).unwrap_or_else(|problem| panic!("{to}: {problem:?}"));
        assert!(sent.to_string().contains("Runs a command in a shell"), "{to}: {sent}");
    }
    let (own, _) = sent(Dialect::Anthropic, Dialect::Anthropic, &Profile::default(), &body).expect("passed");
    assert_eq!(own["tools"], tools);
    let computer = json!([{"type": "computer_20250124", "name": "computer", "display_width_px": 9, "display_height_px": 9}]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "tools": computer});
    assert!(sent(Dialect::Anthropic, Dialect::OpenAiChat, &Profile::default(), &body).is_err());
}
