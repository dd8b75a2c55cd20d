//! Requests: what clients send comes back, what other formats say is written, what cannot be said is refused.

use super::*;
use crate::chat::{
    ChatRequest, Function, Hosted, Media, MediaSource, Message, Part, PartBody, Reasoning, Role, Thought, Tool, ToolCall, ToolResult,
};
use crate::extra::Extra;
use crate::frames::Frames;
use crate::half::{Inbound, Thinking};
use crate::json;
use crate::outline::{Edits, Outline};
use crate::prepare::{Route, Source, prepare};
use crate::problem::{Kind, Unsupported};
use crate::seal::{ANTHROPIC, GOOGLE, OPENAI, Sealed};

fn write(request: &ChatRequest, profile: &Profile) -> Result<(Value, String), Unsupported> {
    let written = DIALECT.outbound().expect("spoken").write_request(request, profile)?;
    Ok((serde_json::from_slice(&written.body).expect("JSON"), written.losses.to_string()))
}

fn read(body: &Value) -> ChatRequest {
    DIALECT.inbound().expect("spoken").read_request(&Head::default(), body.to_string().as_bytes()).expect("a request")
}

/// A request of another format.
fn foreign(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { model: "m".to_owned(), messages, extra: Extra::new(Dialect::Anthropic), ..ChatRequest::default() }
}

fn user(text: &str) -> Message {
    Message::new(Role::User, vec![Part::text(text)])
}

#[test]
fn every_kind_of_item_comes_back() {
    let body: Value = serde_json::from_str(include_str!("golden/every_item.json")).expect("JSON");
    assert_eq!(normal_request(&again(&body)), normal_request(&body));
}

#[test]
fn a_prompt_needs_neither_model_nor_input() {
    let body = json!({"prompt": {"id": "pmpt_1"}});
    assert_eq!(again(&body), body);
}

#[test]
fn items_of_one_turn_are_one_message() {
    let request = read(&json!({"model": "m", "input": [
        {"role": "system", "content": "s"}, {"role": "user", "content": "u"},
        {"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "assistant", "content": "a"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": "2"}
    ]}));
    assert_eq!(request.system.len(), 1);
    let shape: Vec<_> = request.messages.iter().map(|message| (message.role, message.parts.len())).collect();
    assert_eq!(shape, [(Role::User, 1), (Role::Assistant, 4), (Role::User, 2)]);
}

#[test]
fn malformed_requests_name_the_field() {
    for (body, at) in [
        (json!({"input": "x"}), "model"),
        (json!({"model": "m", "input": [{"role": "king", "content": "x"}]}), "input.0.role"),
        (json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image"}]}]}), "input.0.content.0.image_url"),
        (json!({"model": "m", "input": [{"type": "function_call", "name": "f"}]}), "input.0.call_id"),
        (json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}), "tools.0.name"),
        (json!({"model": "m", "input": "x", "tool_choice": "maybe"}), "tool_choice"),
        (json!({"model": "m", "input": "x", "text": {"format": {"type": "json_schema"}}}), "text.format.schema"),
    ] {
        let read = DIALECT.inbound().expect("spoken").read_request(&Head::default(), body.to_string().as_bytes());
        assert_eq!(read.expect_err("malformed").at.as_deref(), Some(at), "{body}");
    }
}

#[test]
fn a_request_of_another_format_is_stateless_and_not_strict() {
    let function = Function { name: "look".to_owned(), ..Function::default() };
    let request = ChatRequest {
        system: vec![Part::text("be brief"), Part::text("be kind")],
        tools: vec![Tool::Function(function)],
        reasoning: Some(Reasoning { effort: Some("high".to_owned()), ..Reasoning::default() }),
        max_output_tokens: Some(1),
        ..foreign(vec![user("hi")])
    };
    let (body, losses) = write(&request, &Profile::default()).expect("expressible");
    let expected = json!({
        "model": "m", "instructions": "be brief\n\nbe kind", "input": [{"type": "message", "role": "user", "content": "hi"}],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": false}],
        "max_output_tokens": 16, "reasoning": {"effort": "high"}, "store": false, "include": ["reasoning.encrypted_content"]
    });
    assert_eq!(body, expected);
    assert_eq!(losses, "max_output_tokens;clamped");
    let silent = foreign(vec![user("hi")]);
    let (body, _) = write(&silent, &Profile::default()).expect("expressible");
    assert_eq!(body.get("include"), None);
    let thinks = Profile { thinking: Some(Thinking::Effort), ..Profile::default() };
    let (body, _) = write(&silent, &thinks).expect("expressible");
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    let (body, _) = write(&ChatRequest { store: Some(true), ..silent }, &thinks).expect("expressible");
    assert_eq!(body["store"], true);
}

fn thought(id: Option<&str>, text: &str, seal: Option<Sealed>) -> Part {
    Part::new(PartBody::Reasoning(Thought { id: id.map(str::to_owned), text: text.to_owned(), summary: true, seal }))
}

#[test]
fn a_thought_goes_only_to_who_sealed_it() {
    let call = ToolCall { id: "c1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned(), ..ToolCall::default() };
    let turn = vec![
        thought(Some("rs_1"), "a", None),
        thought(Some("rs_1"), "b", Some(Sealed::encrypted(OPENAI, "gAAA"))),
        thought(None, "elsewhere", Some(Sealed::signature(ANTHROPIC, "sig"))),
        thought(None, "unsealed", None),
        Part::new(PartBody::ToolCall(call)),
    ];
    let result = ToolResult { call: "c1".to_owned(), parts: vec![Part::text("1")], is_error: true, ..ToolResult::default() };
    let request = foreign(vec![
        user("hi"),
        Message::new(Role::Assistant, turn),
        Message::new(Role::User, vec![Part::new(PartBody::ToolResult(result)), Part::text("go on")]),
    ]);
    let (body, losses) = write(&request, &Profile::default()).expect("expressible");
    let expected = json!([
        {"type": "message", "role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
         "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "message", "role": "user", "content": "go on"}
    ]);
    assert_eq!(body["input"], expected);
    assert_eq!(losses, "messages.reasoning;approximated, messages.tool_result.is_error");
    let other = Profile { vendor: Some("xai".to_owned()), ..Profile::default() };
    let (body, _) = write(&request, &other).expect("expressible");
    assert_eq!(body["input"][1]["type"], "function_call", "another maker cannot open it");
}

#[test]
fn seals_of_other_vendors_come_back_to_them() {
    let reply = ChatReply {
        parts: vec![
            thought(None, "let me see", Some(Sealed::signature(ANTHROPIC, "c2ln"))),
            Part::new(PartBody::ToolCall(ToolCall {
                id: "c1".to_owned(),
                name: "f".to_owned(),
                arguments: "{}".to_owned(),
                custom: false,
                namespace: None,
                seal: Some(Sealed::signature(GOOGLE, "Z29v")),
            })),
        ],
        ..ChatReply::default()
    };
    let answer: Value = serde_json::from_slice(&DIALECT.inbound().expect("spoken").write_reply(&reply, &stamp())).expect("JSON");
    let mut input = vec![json!({"role": "user", "content": "hi"})];
    input.extend(answer["output"].as_array().expect("items").iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": "c1", "output": "1"}));
    let body = json!({"model": "m", "input": input});
    let request = read(&body);
    let bodies: Vec<_> = request.messages[1].parts.iter().map(|part| part.body.clone()).collect();
    assert_eq!(bodies, reply.parts.iter().map(|part| part.body.clone()).collect::<Vec<_>>());

    // No provider of this format knows these seals, so they do not pass even where the formats agree.
    let frames: Frames = body.to_string().into_bytes().into();
    let outline = Outline::scan(&frames).expect("JSON");
    let route = Route {
        from: DIALECT,
        to: DIALECT,
        profile: &Profile::default(),
        edits: &Edits::default(),
        laid: &[],
        fitted: false,
        lenient: false,
    };
    let prepared = prepare(&route, &Head::default(), &Source::Bytes(&frames, &outline)).expect("expressible");
    let sent = String::from_utf8(prepared.body.join().to_vec()).expect("text");
    assert!(!sent.contains("swb1.") && sent.contains("function_call_output"), "{sent}");
}

#[test]
fn openais_thoughts_come_back_from_messages_as_summaries() {
    let blocks = r#"{"type":"thinking","thinking":"short plan","signature":"swb1.openai.e.cnNfMQ.gAAA"},{"type":"text","text":"x"}"#;
    let body = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{blocks}]}},{{"role":"user","content":"go"}}]}}"#
    );
    let request = crate::anthropic::Anthropic.read_request(&Head::default(), body.as_bytes()).expect("messages");
    let (body, _) = write(&request, &Profile { vendor: Some("openai".to_owned()), ..Profile::default() }).expect("expressible");
    let summary = json!([{"type": "summary_text", "text": "short plan"}]);
    assert_eq!(body["input"][1], json!({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA"}));
}

#[test]
fn knobs_without_a_field_are_told() {
    let mut request = foreign(vec![user("hi")]);
    request.sampling.seed = Some(1.into());
    request.sampling.stop = vec!["END".to_owned()];
    request.sampling.top_k = Some(4.into());
    request.sampling.temperature = Some(0.into());
    request.reasoning = Some(Reasoning { budget_tokens: Some(3000), ..Reasoning::default() });
    request.extra.push("container", json::raw("1").expect("JSON"));
    let profile = Profile { sampling: Some(false), efforts: Some(vec!["low".to_owned(), "high".to_owned()]), ..Profile::default() };
    let (body, losses) = write(&request, &profile).expect("expressible");
    assert_eq!(body.get("temperature"), None);
    assert_eq!(body["reasoning"], json!({"effort": "low"}));
    assert_eq!(losses, "reasoning.budget_tokens;approximated, reasoning.effort;clamped, top_k, seed, stop, temperature, container");
}

#[test]
fn what_cannot_be_said_is_refused() {
    let refused = |request: ChatRequest| write(&request, &Profile::default()).expect_err("refused").field;
    let with = |part: Part| foreign(vec![Message::new(Role::User, vec![part])]);
    let mut many = foreign(vec![user("hi")]);
    many.sampling.n = Some(2);
    assert_eq!(refused(many), "n");
    let spoken = ChatRequest { modalities: vec!["text".to_owned(), "audio".to_owned()], ..foreign(vec![user("hi")]) };
    assert_eq!(refused(spoken), "modalities");
    let film = Media::new(MediaSource::Url("https://a.example/f.mp4".to_owned()), None);
    assert_eq!(refused(with(Part::new(PartBody::Video(film)))), "messages.content");
    let hosted = |kind: &str| {
        let raw = json::raw(&format!("{{\"type\":\"{kind}\"}}")).expect("JSON");
        Tool::Hosted(Hosted { from: Dialect::Anthropic, kind: kind.to_owned(), id: None, raw })
    };
    assert_eq!(refused(ChatRequest { tools: vec![hosted("computer_20250124")], ..foreign(vec![user("hi")]) }), "tools");
    let searching = ChatRequest { tools: vec![hosted("web_search_20250305")], ..foreign(vec![user("hi")]) };
    assert_eq!(write(&searching, &Profile::default()).expect("expressible").0["tools"], json!([{"type": "web_search"}]));
}

#[test]
fn what_only_the_provider_holds_is_refused_elsewhere() {
    let inbound = DIALECT.inbound().expect("spoken");
    for (body, field) in [
        (json!({"model": "m", "input": "x", "previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"model": "m", "input": "x", "conversation": "conv_1"}), "conversation"),
        (json!({"model": "m", "input": "x", "prompt": {"id": "p"}}), "prompt"),
        (json!({"model": "m", "input": "x", "background": true}), "background"),
        (json!({"model": "m", "input": [{"type": "item_reference", "id": "msg_1"}]}), "input"),
    ] {
        let refused = inbound.check_translation(&read(&body), Dialect::Anthropic).expect_err("refused");
        assert_eq!(refused.field, field);
        assert_eq!(crate::problem::Problem::from(refused).kind, Kind::Unsupported);
    }
    // What was answered here is kept nowhere: a turn must not vanish, a thought may.
    let refers =
        |id: &str| read(&json!({"model": "m", "input": [{"role": "user", "content": "hi"}, {"type": "item_reference", "id": id}]}));
    for id in ["msg_swb1.abc_1", "fc_swb1.abc_1"] {
        let refused = inbound.check_translation(&refers(id), Dialect::Anthropic).expect_err("refused");
        assert!(refused.why.contains(id) && refused.why.contains("`store: false`"), "{refused:?}");
        assert!(write(&refers(id), &Profile::default()).is_err());
    }
    let thought = refers("rs_swb1.abc_1");
    assert_eq!(inbound.check_translation(&thought, Dialect::Anthropic), Ok(()));
    let (body, losses) = write(&thought, &Profile::default()).expect("expressible");
    assert_eq!((body["input"].as_array().map(Vec::len), losses.as_str()), (Some(1), "messages.reasoning;approximated"));
    let fine = json!({"model": "m", "input": "x", "previous_response_id": null, "background": false});
    assert_eq!(inbound.check_translation(&read(&fine), Dialect::Anthropic), Ok(()));
}

#[test]
fn what_this_gateway_named_no_provider_is_told() {
    let image = Media::new(MediaSource::Base64("iVBOR".to_owned()), None);
    let parts = vec![thought(None, "only a text", None), Part::text("hello"), Part::new(PartBody::Image(image))];
    let reply = ChatReply { parts, ..ChatReply::default() };
    let answer: Value = serde_json::from_slice(&DIALECT.inbound().expect("spoken").write_reply(&reply, &stamp())).expect("JSON");
    assert_eq!(answer["output"][2]["type"], "image_generation_call");
    let mut input = answer["output"].as_array().expect("items").clone();
    let request = read(&json!({"model": "m", "input": input}));
    assert!(matches!(request.messages[0].parts.last().map(|part| &part.body), Some(PartBody::Image(_))), "{request:?}");
    input.pop();
    let (body, losses) = write(&read(&json!({"model": "m", "input": input})), &Profile::default()).expect("expressible");
    let expected = json!([{"type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "hello", "annotations": []}]}]);
    assert_eq!((&body["input"], losses.as_str()), (&expected, "messages.reasoning;approximated"));
}

#[test]
fn a_search_is_chosen_by_what_it_is_and_not_by_its_name() {
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 8});
    let function = json!({"name": "web_search", "input_schema": {"type": "object"}});
    for (tools, choice) in
        [(json!([search]), json!({"type": "web_search"})), (json!([search, function]), json!({"type": "function", "name": "web_search"}))]
    {
        let body = json!({"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "q"}], "tools": tools,
            "tool_choice": {"type": "tool", "name": "web_search"}});
        let anthropic = Dialect::Anthropic.inbound().expect("spoken");
        let request = anthropic.read_request(&Head::default(), body.to_string().as_bytes()).expect("a request");
        let (sent, _) = write(&request, &Profile::default()).expect("written");
        assert_eq!(sent["tool_choice"], choice, "{sent}");
    }
}
