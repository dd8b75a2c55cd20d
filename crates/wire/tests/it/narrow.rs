//! Requests for targets that take less of a format than others do: schemas, names, ids, roles and fields of messages.

use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::event::{Delta, Event, Frame};
use switchboard_wire::frames::Frames;
use switchboard_wire::half::{Accent, Head, Memo, Profile};
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::prepare::{Route, Source, prepare};
use switchboard_wire::stand_in::read_reply;

use Dialect::{Anthropic, Bedrock, Gemini, OpenAiChat, OpenAiResponses};

struct Sent {
    body: Value,
    losses: String,
    memo: Memo,
}

fn sent(from: Dialect, to: Dialect, profile: &Profile, body: &Value) -> Sent {
    let body = Frames::from(Bytes::from(body.to_string()));
    let (outline, edits) = (Outline::scan(&body).expect("JSON"), Edits::default());
    let head = Head { path_model: Some("m"), ..Head::default() };
    let route = Route { from, to, profile, edits: &edits, laid: &[], fitted: false, lenient: false };
    let prepared = prepare(&route, &head, &Source::Bytes(&body, &outline)).expect("written");
    let body = serde_json::from_slice(&prepared.body.join()).expect("JSON");
    Sent { body, losses: prepared.losses.to_string(), memo: prepared.memo }
}

fn schemas() -> Profile {
    Profile { json_schema: Some(true), ..Profile::default() }
}

fn accent(accent: Accent) -> Profile {
    Profile { accent, ..Profile::default() }
}

fn chat(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn messages(more: &Value) -> Value {
    let mut body = chat(more);
    body["max_tokens"] = json!(100);
    body
}

fn formed(schema: &Value) -> Value {
    chat(&json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": true, "schema": schema}}}))
}

fn closed(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

#[test]
fn what_bounds_an_answer_of_claudes_is_said_in_words() {
    let body = formed(&closed(json!({"age": {"type": "integer", "minimum": 0}}), &["age"]));
    let wanted = closed(json!({"age": {"type": "integer", "description": "Required: minimum: 0."}}), &["age"]);
    let claude = sent(OpenAiChat, Anthropic, &schemas(), &body);
    assert_eq!(claude.body["output_config"]["format"]["schema"], wanted);
    assert!(claude.losses.contains("response_format;approximated"), "{}", claude.losses);
    let bedrock = sent(OpenAiChat, Bedrock, &schemas(), &body);
    let format = &bedrock.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"];
    assert_eq!(serde_json::from_str::<Value>(format.as_str().expect("a text")).expect("JSON"), wanted);
    // What has no names for its properties is asked for by a tool.
    let open = formed(&json!({"type": "object", "additionalProperties": {"type": "integer"}}));
    for to in [Anthropic, Bedrock] {
        assert!(sent(OpenAiChat, to, &schemas(), &open).memo.json_tool.is_some(), "{to}");
    }
}

#[test]
fn clients_of_claudes_own_are_believed() {
    let schema = closed(json!({"age": {"type": "integer", "minimum": 0}}), &[]);
    let body = messages(&json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}, "reasoning_effort": "low",
        "tools": [{"name": "f", "strict": true, "input_schema": schema}]}));
    let profile = Profile { vendor: Some("anthropic".to_owned()), ..schemas() };
    let same = sent(Anthropic, Anthropic, &profile, &body).body;
    assert_eq!((&same["output_config"]["format"]["schema"], &same["tools"][0]["strict"]), (&schema, &json!(true)));
    assert_eq!(same["tools"][0]["input_schema"], schema);
}

#[test]
fn claude_is_not_held_to_schemas_by_other_formats() {
    let parameters = closed(json!({"a": {"type": "integer", "minimum": 0}}), &["a"]);
    let function = json!({"type": "function", "function": {"name": "f", "strict": true, "parameters": parameters}});
    let body = chat(&json!({"tools": [function]}));
    let claude = sent(OpenAiChat, Anthropic, &schemas(), &body);
    assert_eq!((claude.body["tools"][0].get("strict"), &claude.body["tools"][0]["input_schema"]), (None, &parameters));
    assert_eq!(sent(OpenAiChat, Bedrock, &schemas(), &body).body["toolConfig"]["tools"][0]["toolSpec"].get("strict"), None);
    assert!(claude.losses.contains("tools.strict"), "{}", claude.losses);
}

#[test]
fn openai_is_held_to_schemas_that_it_takes_so() {
    for (required, strict) in [(&["a"][..], true), (&[], false)] {
        let schema = closed(json!({"a": {"type": "string"}}), required);
        let body = messages(&json!({"output_config": {"format": {"type": "json_schema", "schema": schema}},
            "tools": [{"name": "f", "strict": true, "input_schema": schema}]}));
        let chat = sent(Anthropic, OpenAiChat, &schemas(), &body);
        let said = [&chat.body["response_format"]["json_schema"], &chat.body["tools"][0]["function"]];
        assert_eq!(said.map(|said| said["strict"] == true), [strict; 2], "{}", chat.body);
        assert_eq!(chat.losses.contains("tools.strict;approximated, response_format;approximated"), !strict, "{}", chat.losses);
        let responses = sent(Anthropic, OpenAiResponses, &schemas(), &body).body;
        let said = [&responses["text"]["format"], &responses["tools"][0]];
        assert_eq!(said.map(|said| said["strict"] == true), [strict; 2], "{responses}");
    }
    let own = chat(&json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object"}}}]}));
    assert_eq!(sent(OpenAiChat, OpenAiResponses, &schemas(), &own).body["tools"][0]["strict"], true, "that is OpenAI's to say");
}

#[test]
fn a_schema_that_a_provider_does_not_take_is_told_in_words() {
    let body = formed(&closed(json!({"a": {}}), &["a"]));
    let told = |content: &Value| content.as_str().is_some_and(|text| text.contains("JSON") && text.contains("\"required\":[\"a\"]"));
    let row = accent(Accent { json_schema: Some(false), ..Accent::default() });
    let card = Profile { json_schema: Some(false), ..Profile::default() };
    let same = sent(OpenAiChat, OpenAiChat, &row, &body);
    assert_eq!(same.body["response_format"], json!({"type": "json_object"}));
    assert!(told(&same.body["messages"][0]["content"]), "{}", same.body);
    assert!(same.losses.contains("response_format.json_schema;approximated"), "{}", same.losses);
    assert_eq!(sent(OpenAiChat, OpenAiChat, &card, &body).body, body, "clients of the format know more than a price list");
    let claudes = messages(
        &json!({"system": "Be kind.", "output_config": {"format": {"type": "json_schema", "schema": closed(json!({"a": {}}), &["a"])}}}),
    );
    for profile in [&row, &card] {
        let chat = sent(Anthropic, OpenAiChat, profile, &claudes).body;
        assert_eq!(chat["messages"].as_array().map(Vec::len), Some(2), "one instruction");
        assert!(told(&chat["messages"][0]["content"]) && chat["response_format"]["type"] == "json_object", "{chat}");
    }
    let gemini = sent(Anthropic, Gemini, &card, &claudes).body;
    assert!(told(&gemini["systemInstruction"]["parts"][0]["text"]), "{gemini}");
    let plain = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "response_format": {"type": "json_object"}});
    let bedrock = sent(OpenAiChat, Bedrock, &schemas(), &plain);
    assert!(bedrock.body["system"][0]["text"].as_str().is_some_and(|text| text.contains("JSON")), "{}", bedrock.body);
}

#[test]
fn ids_of_calls_are_of_the_length_that_a_provider_takes() {
    let row = accent(Accent { call_ids: Some(9), ..Accent::default() });
    let history = |id: &str| {
        let call = json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        chat(&json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": id, "content": "r"}]}))
    };
    let ids = |body: &Value| {
        let id = |at: &Value| at.as_str().expect("an id").to_owned();
        (id(&body["messages"][1]["tool_calls"][0]["id"]), id(&body["messages"][2]["tool_call_id"]))
    };
    for id in ["toolu_01A", "call_swb_t1_0", "x"] {
        let (call, result) = ids(&sent(OpenAiChat, OpenAiChat, &row, &history(id)).body);
        assert!(call == result && call.len() == 9 && call.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{call}");
    }
    assert_eq!(sent(OpenAiChat, OpenAiChat, &row, &history("abcDEF123")).body, history("abcDEF123"));
    let one = ids(&sent(OpenAiChat, OpenAiChat, &row, &history("call_1")).body);
    assert_ne!(one, ids(&sent(OpenAiChat, OpenAiChat, &row, &history("call_2")).body));
    let claudes = messages(&json!({"messages": [{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "r"}]}]}));
    assert_eq!(ids(&sent(Anthropic, OpenAiChat, &row, &claudes).body), one);
}

#[test]
fn messages_hold_the_fields_that_a_provider_takes() {
    let fields = ["role", "content", "tool_calls", "tool_call_id", "prefix"].map(str::to_owned).to_vec();
    let row = accent(Accent { message_fields: Some(fields), ..Accent::default() });
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let plain = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes"}, {"role": "user", "content": "go"},
        {"role": "assistant", "content": null, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "a", "name": "f", "content": "r"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "x"}]}]);
    let body = chat(&json!({"messages": plain}));
    assert_eq!(sent(OpenAiChat, OpenAiChat, &row, &body).body, body, "it takes all that");
    let mut odd = body.clone();
    odd["messages"][0]["name"] = json!("n");
    odd["messages"][1]["name"] = json!("n");
    odd["messages"][2]["reasoning_content"] = json!("t");
    odd["messages"][2]["refusal"] = json!(null);
    odd["messages"][4]["annotations"] = json!([]);
    odd["messages"].as_array_mut().expect("a list").insert(3, json!({"role": "assistant", "content": ""}));
    let got = sent(OpenAiChat, OpenAiChat, &row, &odd);
    assert_eq!(got.body["messages"], plain);
    assert!(got.losses.contains("messages.name") && got.losses.contains("messages.reasoning"), "{}", got.losses);
}

#[test]
fn a_role_that_is_not_known_is_the_older_one() {
    let row = accent(Accent { developer: Some(false), ..Accent::default() });
    let turns = |role: &str| {
        chat(&json!({"temperature": 0.50, "messages": [{"role": role, "content": "s"}, {"role": "user", "content": "\"developer\""},
            {"role": "assistant", "content": "a"}, {"role": role, "content": "t"}, {"role": "user", "content": "u"}]}))
    };
    assert_eq!(sent(OpenAiChat, OpenAiChat, &row, &turns("developer")).body, turns("system"));
    assert_eq!(sent(OpenAiChat, OpenAiChat, &Profile::default(), &turns("developer")).body, turns("developer"));
}

#[test]
fn a_turn_to_go_on_with_says_so() {
    let row = accent(Accent { prefix: true, ..Accent::default() });
    let body = messages(&json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "So"}]}));
    let wanted = json!({"role": "assistant", "content": "So", "prefix": true});
    assert_eq!(sent(Anthropic, OpenAiChat, &row, &body).body["messages"][1], wanted);
    assert_eq!(sent(Anthropic, OpenAiChat, &Profile::default(), &body).body["messages"][1].get("prefix"), None);
}

#[test]
fn long_names_of_tools_go_there_and_back() {
    let names = ["mcp__".to_owned() + &"x".repeat(85), "mcp__".to_owned() + &"x".repeat(86), "a.b:c".to_owned()];
    let tools: Vec<Value> = names.iter().map(|name| json!({"name": name, "input_schema": {"type": "object"}})).collect();
    let body = messages(&json!({"tools": tools, "tool_choice": {"type": "tool", "name": names[1]}, "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": names[0], "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]}]}));
    let chat = sent(Anthropic, OpenAiChat, &Profile::default(), &body);
    let named = |at: usize| chat.body["tools"][at]["function"]["name"].as_str().expect("a name").to_owned();
    let sent_names = [named(0), named(1), named(2)];
    let fits = |name: &String| name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    assert!(sent_names.iter().all(fits) && sent_names[0] != sent_names[1], "{sent_names:?}");
    assert_eq!(chat.body["messages"][1]["tool_calls"][0]["function"]["name"], sent_names[0]);
    assert_eq!(chat.body["tool_choice"]["function"]["name"], sent_names[1]);
    let alone = messages(&json!({"tools": [tools[1]]}));
    let responses = sent(Anthropic, OpenAiResponses, &Profile::default(), &alone).body;
    assert_eq!(responses["tools"][0]["name"], sent_names[1], "whatever other tools there are");
    let call = json!({"id": "c", "type": "function", "function": {"name": sent_names[1], "arguments": "{}"}});
    let answer = json!({"choices": [{"message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    let reply = read_reply(OpenAiChat.outbound().expect("spoken"), &chat.memo, answer.to_string().as_bytes()).expect("an answer");
    let back = Anthropic.inbound().expect("spoken").write_reply(&reply, &switchboard_wire::half::Stamp::default());
    assert_eq!(serde_json::from_slice::<Value>(&back).expect("JSON")["content"][0]["name"], names[1]);
}

#[test]
fn instructions_alone_are_a_request() {
    let body = json!({"model": "m", "messages": [{"role": "system", "content": "Say hello."}]});
    let bedrock = sent(OpenAiChat, Bedrock, &Profile::default(), &body).body;
    assert_eq!((&bedrock["messages"][0]["role"], &bedrock["system"][0]["text"]), (&json!("user"), &json!("Say hello.")));
    let responses = sent(OpenAiChat, OpenAiResponses, &Profile::default(), &body).body;
    assert_eq!(responses["input"], json!([{"type": "message", "role": "system", "content": "Say hello."}]));
    assert_eq!(responses.get("instructions"), None);
}

#[test]
fn documents_where_images_belong_are_documents() {
    let url = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let of = |address: &str| chat(&json!({"messages": [{"role": "user", "content": [url(address)]}]}));
    let pdf = of("data:application/pdf;base64,QUFB");
    let block = sent(OpenAiChat, Anthropic, &Profile::default(), &pdf).body["messages"][0]["content"][0].clone();
    assert_eq!((&block["type"], &block["source"]["media_type"]), (&json!("document"), &json!("application/pdf")));
    assert!(sent(OpenAiChat, Bedrock, &Profile::default(), &pdf).body["messages"][0]["content"][0].get("document").is_some());
    let image = of("data:image/png;base64,QUFB");
    assert_eq!(sent(OpenAiChat, Anthropic, &Profile::default(), &image).body["messages"][0]["content"][0]["type"], "image");
}

#[test]
fn nothing_is_said_where_all_was_left_out() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}});
    let body = json!({"model": "m", "input": [{"role": "user", "content": "a"}, search, {"role": "user", "content": "b"}], "top_logprobs": 2,
        "store": false});
    let chat = sent(OpenAiResponses, OpenAiChat, &Profile::default(), &body).body;
    let roles: Vec<&Value> = chat["messages"].as_array().expect("a list").iter().map(|turn| &turn["role"]).collect();
    assert_eq!(roles, ["user", "user"]);
    assert_eq!((&chat["logprobs"], chat.get("store")), (&json!(true), None));
}

#[test]
fn stop_sequences_are_as_many_as_a_provider_takes() {
    let row = accent(Accent { max_stop: Some(4), ..Accent::default() });
    let body = messages(&json!({"stop_sequences": ["a", "b", "c", "d", "e"]}));
    let chat = sent(Anthropic, OpenAiChat, &row, &body);
    assert_eq!((&chat.body["stop"], chat.losses.as_str()), (&json!(["a", "b", "c", "d"]), "stop;clamped"));
}

#[test]
fn errors_are_openais_own_where_its_clients_can_read_them() {
    for dialect in [OpenAiChat, OpenAiResponses] {
        let outbound = dialect.outbound().expect("spoken");
        let is_own = |body: Value| outbound.is_own_error(body.to_string().as_bytes());
        assert!(is_own(json!({"error": {"message": "m", "type": "t", "param": null, "code": 5}})), "{dialect}");
        for body in [
            json!({"object": "error", "message": "m"}),
            json!({"detail": [{"msg": "m"}]}),
            json!({"code": "c", "error": "m"}),
            json!({"error": {}}),
        ] {
            assert!(!is_own(body.clone()), "{dialect} {body}");
        }
    }
}

#[test]
fn a_call_that_tells_its_index_late_is_one_call() {
    let piece = |call: Value| json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}).to_string();
    let mut reader = OpenAiChat.outbound().expect("spoken").event_reader(Memo::default());
    let mut events = Vec::new();
    for frame in [
        piece(json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":"}})),
        piece(json!({"index": 0, "function": {"arguments": "1}"}})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}).to_string(),
        "[DONE]".to_owned(),
    ] {
        reader.read(Frame::new(frame.as_bytes()), &mut events).expect("readable");
    }
    reader.eof(&mut events);
    let said = events.iter().filter_map(|event| match event {
        Event::BlockDelta { delta: Delta::Arguments(text), .. } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(said.collect::<String>(), "{\"a\":1}");
}

/// A model that cannot but think does so as little as it can, where that is what is wanted.
#[test]
fn who_wants_no_thoughts_gets_the_fewest() {
    let efforts = ["minimal", "low", "medium", "high"].map(str::to_owned).to_vec();
    let profile = Profile { efforts: Some(efforts), ..Profile::default() };
    let sent = sent(Anthropic, OpenAiChat, &profile, &messages(&json!({"thinking": {"type": "disabled"}})));
    assert_eq!((&sent.body["reasoning_effort"], &*sent.losses), (&json!("minimal"), "reasoning;approximated"), "{}", sent.body);
}

/// The responses API shows thoughts only to whom asks for their summary.
#[test]
fn who_wants_to_see_thoughts_asks_for_a_summary() {
    let of = |config: Value| {
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"thinkingConfig": config}});
        sent(Gemini, OpenAiResponses, &Profile::default(), &body).body["reasoning"]["summary"].clone()
    };
    assert_eq!(of(json!({"includeThoughts": true, "thinkingLevel": "high"})), "auto");
    assert_eq!(of(json!({"includeThoughts": true})), "auto");
    assert_eq!((of(json!({"includeThoughts": false})), of(json!({"thinkingLevel": "high"}))), (Value::Null, Value::Null));
}
