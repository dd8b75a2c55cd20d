use serde_json::{Value, json};

use crate::bedrock::Bedrock;
use crate::chat::{
    CacheMark, ChatRequest, Function, Hosted, JsonSchema, Media, MediaSource, Message, OutputFormat, Part, PartBody, Reasoning, Role,
    Thought, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::half::{Outbound, Profile, Thinking, Ways, Written};
use crate::json::raw;
use crate::seal::Sealed;

fn claude() -> Profile {
    Profile { vendor: Some("anthropic".to_owned()), ..Profile::default() }
}

fn ask(text: &str) -> ChatRequest {
    ChatRequest { messages: vec![Message::new(Role::User, vec![Part::text(text)])], ..ChatRequest::default() }
}

fn tool(name: &str) -> Tool {
    let parameters = raw(r#"{"type":"object","properties":{"a":{"type":"number"}}}"#);
    Tool::Function(Function { name: name.to_owned(), parameters, ..Function::default() })
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned(), ..ToolCall::default() };
    Part::new(PartBody::ToolCall(call))
}

fn result(id: &str, text: &str) -> Part {
    let result = ToolResult { call: id.to_owned(), parts: vec![Part::text(text)], ..ToolResult::default() };
    Part::new(PartBody::ToolResult(result))
}

fn write(request: &ChatRequest, profile: &Profile) -> (Value, Written) {
    let written = Bedrock.write_request(request, profile).unwrap();
    (serde_json::from_slice(&written.body).expect("JSON"), written)
}

fn losses(written: &Written) -> String {
    written.losses.to_string()
}

#[test]
fn a_plain_question_is_nothing_more() {
    let (body, written) = write(&ask("Hi"), &Profile::default());
    assert_eq!(body, json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}));
    assert!(written.losses.is_empty());
}

#[test]
fn the_model_is_one_segment_of_the_path() {
    assert_eq!(Bedrock.path("us.amazon.nova-2-lite-v1:0", false), "/model/us.amazon.nova-2-lite-v1%3A0/converse");
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/x";
    assert_eq!(Bedrock.path(arn, true), "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse-stream");
    assert_eq!(Bedrock.path("a%3A0", false), "/model/a%3A0/converse");
}

#[test]
fn turns_alternate_and_results_come_first() {
    let mut request = ask("go");
    request.system = vec![Part::text("Be kind."), Part::text("  ")];
    let messages = [
        (Role::Assistant, vec![Part::text(""), call("c|1", "my.tool", r#"{"a":1}"#), call("c2", "other", "")]),
        (Role::User, vec![result("c|1", "one")]),
        (Role::System, vec![Part::text("Hurry.")]),
        (Role::User, vec![Part::text("and?"), result("c2", "")]),
    ];
    request.messages.extend(messages.into_iter().map(|(role, parts)| Message::new(role, parts)));
    request.tools = vec![tool("my.tool"), tool("other")];
    let (body, written) = write(&request, &claude());
    assert_eq!(body["system"], json!([{"text": "Be kind."}]));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "go"}]},
            {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "c_1", "name": "my_tool", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "c2", "name": "other", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "c_1", "content": [{"text": "one"}]}},
                {"toolResult": {"toolUseId": "c2", "content": []}},
                {"text": "and?"},
                {"text": body["messages"][2]["content"][3]["text"]},
                {"text": "Hurry."}]},
        ])
    );
    assert_eq!(written.memo.renamed, [("my_tool".to_owned(), "my.tool".to_owned())]);
    assert_eq!(losses(&written), "messages.3.role;approximated");
}

#[test]
fn the_first_turn_is_the_users() {
    let mut request = ask("go");
    request.messages.insert(0, Message::new(Role::Assistant, vec![Part::text("Hello!")]));
    let (body, written) = write(&request, &claude());
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(losses(&written), "messages;approximated");
    let mut request = ask("go");
    request.messages.push(Message::new(Role::Assistant, vec![Part::text("So: ")]));
    assert_eq!(write(&request, &claude()).0["messages"][1]["content"], json!([{"text": "So:"}]));
}

#[test]
fn calls_without_tools_get_their_tools_back() {
    let mut request = ask("go");
    request.messages.push(Message::new(Role::Assistant, vec![call("c", "f", "not json")]));
    request.messages.push(Message::new(Role::User, vec![result("c", "1")]));
    let (body, written) = write(&request, &claude());
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
    assert_eq!(body["messages"][1]["content"][0]["toolUse"]["input"], json!({"input": "not json"}));
    assert_eq!(losses(&written), "messages.1.content.0.arguments;approximated, tools;approximated");
}

#[test]
fn choices_are_written() {
    let mut request = ask("go");
    request.tools = vec![tool("f"), tool("g")];
    for (choice, expected) in [
        (ToolChoice::Auto, Value::Null),
        (ToolChoice::Required, json!({"any": {}})),
        (ToolChoice::Tool("g".to_owned()), json!({"tool": {"name": "g"}})),
    ] {
        request.tool_choice = Some(choice);
        assert_eq!(write(&request, &claude()).0["toolConfig"]["toolChoice"], expected);
    }
    request.tool_choice = Some(ToolChoice::Among(vec!["g".to_owned()], true));
    let (body, _) = write(&request, &claude());
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));
    request.tool_choice = Some(ToolChoice::None);
    let (body, written) = write(&request, &claude());
    assert!(body.get("toolConfig").is_none() && written.losses.is_empty());
    request.messages.push(Message::new(Role::Assistant, vec![call("c", "f", "{}")]));
    let (body, written) = write(&request, &claude());
    assert!(body.get("toolConfig").is_some());
    assert_eq!(losses(&written), "tool_choice;approximated");
}

#[test]
fn a_schema_is_native_or_a_tool() {
    let schema =
        JsonSchema { name: Some("city".to_owned()), description: None, schema: raw(r#"{"type":"string"}"#).unwrap(), strict: None };
    let request = ChatRequest { output: OutputFormat::JsonSchema(schema), ..ask("go") };
    let (body, written) = write(&request, &Profile { json_schema: Some(true), ..claude() });
    assert_eq!(
        body["outputConfig"]["textFormat"],
        json!({"type": "json_schema", "structure": {"jsonSchema": {"schema": "{\"type\":\"string\"}", "name": "city"}}})
    );
    assert!(written.memo.json_tool.is_none() && written.losses.is_empty());
    let (body, written) = write(&request, &claude());
    assert_eq!(written.memo.json_tool.as_deref(), Some("json_answer"));
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"tool": {"name": "json_answer"}}));
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"], json!({"json": {"type": "string"}}));
}

#[test]
fn thoughts_go_back_to_who_sealed_them() {
    let thought = |seal| Part::new(PartBody::Reasoning(Thought { text: "Hm.".to_owned(), seal, ..Thought::default() }));
    let mut request = ask("go");
    request.messages.push(Message::new(
        Role::Assistant,
        vec![
            thought(Some(Sealed::signature("anthropic", "s"))),
            thought(Some(Sealed::encrypted("openai", "e"))),
            thought(None),
            Part::text("Hi"),
        ],
    ));
    let (body, written) = write(&request, &claude());
    assert_eq!(
        body["messages"][1]["content"],
        json!([{"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}}, {"text": "Hi"}])
    );
    assert_eq!(losses(&written), "messages.1.content.1;approximated, messages.1.content.2;approximated");
    let (body, _) = write(&request, &Profile { vendor: Some("amazon".to_owned()), ..Profile::default() });
    assert_eq!(body["messages"][1]["content"], json!([{"text": "Hi"}]));
}

#[test]
fn thinking_is_said_in_the_models_words() {
    let mut request = ask("go");
    request.reasoning = Some(Reasoning { effort: Some("low".to_owned()), ..Reasoning::default() });
    request.sampling.temperature = serde_json::Number::from_f64(0.5);
    let (body, written) = write(&request, &Profile { thinking: Some(Thinking::Budget), ..claude() });
    assert_eq!(body["additionalModelRequestFields"], json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}));
    assert!(body.get("inferenceConfig").is_none());
    assert_eq!(losses(&written), "reasoning.effort;approximated, temperature");
    let (body, _) = write(&request, &Profile { thinking: Some(Thinking::Adaptive), ..claude() });
    assert_eq!(
        body["additionalModelRequestFields"],
        json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}})
    );
    let off = ChatRequest { reasoning: Some(Reasoning { enabled: Some(false), ..Reasoning::default() }), ..request.clone() };
    let ways = |off| Some(Ways { adaptive: true, budget: false, effort: true, off });
    for (takes, wanted) in [(true, json!({"thinking": {"type": "disabled"}})), (false, json!(null))] {
        let (body, _) = write(&off, &Profile { thinking: Some(Thinking::Adaptive), ways: ways(takes), ..claude() });
        assert_eq!(body["additionalModelRequestFields"], wanted);
    }
    request.model = "us.amazon.nova-2-lite-v1:0".to_owned();
    let (body, _) = write(&request, &Profile { vendor: Some("amazon".to_owned()), ..Profile::default() });
    assert_eq!(body["additionalModelRequestFields"], json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}));
    assert_eq!(body["inferenceConfig"], json!({"temperature": 0.5}));
    request.model = "openai.gpt-oss-120b-1:0".to_owned();
    let (body, _) = write(&request, &Profile::default());
    assert_eq!(body["additionalModelRequestFields"], json!({"reasoning_effort": "low"}));
    request.model = "meta.llama3".to_owned();
    let (body, written) = write(&request, &Profile::default());
    assert!(body.get("additionalModelRequestFields").is_none());
    assert_eq!(losses(&written), "reasoning");
}

#[test]
fn knobs_are_written_or_lost() {
    let mut request = ask("go");
    let number = |value: f64| serde_json::Number::from_f64(value);
    request.max_output_tokens = Some(100);
    request.sampling.temperature = number(1.5);
    request.sampling.top_k = Some(5.into());
    request.sampling.frequency_penalty = number(0.5);
    request.sampling.presence_penalty = number(0.0);
    request.sampling.stop = vec!["END".to_owned(), "\n".to_owned()];
    request.metadata = vec![("team".to_owned(), "a b".to_owned()), ("bad".to_owned(), "{".to_owned())];
    request.service_tier = Some("flex".to_owned());
    let (body, written) = write(&request, &claude());
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 100, "temperature": 1, "stopSequences": ["END"]}));
    assert_eq!(body["additionalModelRequestFields"], json!({"top_k": 5}));
    assert_eq!(body["requestMetadata"], json!({"team": "a b"}));
    assert_eq!(body["serviceTier"], json!({"type": "flex"}));
    assert_eq!(losses(&written), "frequency_penalty, temperature;clamped, stop, metadata");
    request.sampling.n = Some(2);
    assert_eq!(Bedrock.write_request(&request, &claude()).unwrap_err().field, "n");
}

#[test]
fn bedrocks_own_fields_pass_from_any_dialect() {
    let mut extra = Extra::new(Dialect::OpenAiChat);
    extra.push("guardrailConfig", raw(r#"{"guardrailIdentifier":"g"}"#).unwrap());
    extra.push("additionalModelRequestFields", raw(r#"{"top_k":1,"x":2}"#).unwrap());
    extra.push("logit", raw("1").unwrap());
    let mut request = ChatRequest { extra, ..ask("go") };
    request.sampling.top_k = Some(5.into());
    let (body, written) = write(&request, &claude());
    assert_eq!(body["guardrailConfig"], json!({"guardrailIdentifier": "g"}));
    assert_eq!(body["additionalModelRequestFields"], json!({"top_k": 1, "x": 2}));
    assert_eq!(losses(&written), "logit");
}

#[test]
fn claudes_features_pass_as_far_as_bedrock_knows_them() {
    let mut extra = Extra::new(Dialect::Anthropic);
    extra.push("anthropic-beta", raw(r#""claude-code-20250219, interleaved-thinking-2025-05-14""#).unwrap());
    let (body, written) = write(&ChatRequest { extra, ..ask("go") }, &claude());
    assert_eq!(body["additionalModelRequestFields"], json!({"anthropic_beta": ["interleaved-thinking-2025-05-14"]}));
    assert_eq!(losses(&written), "anthropic-beta.claude-code-20250219");
    let hosted = |kind: &str, json: &str| {
        Tool::Hosted(Hosted { from: Dialect::Anthropic, kind: kind.to_owned(), id: None, raw: raw(json).unwrap() })
    };
    let mut request = ask("go");
    request.tools = vec![
        hosted("bash_20250124", r#"{"type":"bash_20250124","name":"bash"}"#),
        hosted("computer_20250124", r#"{"type":"computer_20250124","name":"computer"}"#),
    ];
    let (body, _) = write(&request, &claude());
    let tools = json!([{"type": "bash_20250124", "name": "bash"}, {"type": "computer_20250124", "name": "computer"}]);
    assert_eq!(body["additionalModelRequestFields"], json!({"tools": tools, "anthropic_beta": ["computer-use-2025-01-24"]}));
    request.tools.push(hosted("web_search_20250305", "{}"));
    assert_eq!(Bedrock.write_request(&request, &claude()).unwrap_err().field, "tools.2");
}

#[test]
fn media_have_formats_and_names() {
    let media = |source, kind: &str, name: &str| Media { name: Some(name.to_owned()), ..Media::new(source, Some(kind.to_owned())) };
    let base64 = || MediaSource::Base64("AAAA".to_owned());
    let parts = vec![
        Part::new(PartBody::Image(media(base64(), "image/jpg", ""))),
        Part::new(PartBody::File(media(base64(), "application/pdf", "my_report v1.2.pdf"))),
        Part::new(PartBody::File(media(MediaSource::Text("hi".to_owned()), "text/plain", "my_report v1.2.txt"))),
        Part::new(PartBody::Video(media(MediaSource::Url("s3://b/v.mp4".to_owned()), "video/mp4", ""))),
    ];
    let mut request = ask("go");
    request.messages[0].parts.extend(parts);
    let (body, _) = write(&request, &claude());
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"text": "go"},
            {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
            {"document": {"format": "pdf", "name": "my report v1 2", "source": {"bytes": "AAAA"}}},
            {"document": {"format": "txt", "name": "my report v1 2 2", "source": {"bytes": "aGk="}}},
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v.mp4"}}}},
        ])
    );
    let url = MediaSource::Url("https://x/y.png".to_owned());
    request.messages[0].parts.push(Part::new(PartBody::Image(Media::new(url, None))));
    assert_eq!(Bedrock.write_request(&request, &claude()).unwrap_err().field, "messages.0.content.5");
}

#[test]
fn caches_are_cut_where_the_client_says() {
    let mark = || Some(CacheMark { ttl: Some("1h".to_owned()) });
    let mut request = ask("go");
    request.system = vec![Part { cache: mark(), ..Part::text("long") }];
    request.messages[0].parts[0].cache = Some(CacheMark::default());
    let (body, _) = write(&request, &claude());
    assert_eq!(body["system"][1], json!({"cachePoint": {"type": "default", "ttl": "1h"}}));
    assert_eq!(body["messages"][0]["content"][1], json!({"cachePoint": {"type": "default"}}));
    let (body, written) = write(&request, &Profile { vendor: Some("mistral".to_owned()), ..Profile::default() });
    assert_eq!(body["system"], json!([{"text": "long"}]));
    assert_eq!(losses(&written), "cache_control");
}

#[test]
fn a_medium_without_a_type_is_refused_for_what_it_is() {
    let why = |source: MediaSource| {
        let request = ChatRequest {
            messages: vec![Message::new(Role::User, vec![Part::new(PartBody::Image(Media::new(source, None)))])],
            ..ChatRequest::default()
        };
        Bedrock.write_request(&request, &Profile::default()).unwrap_err().why
    };
    assert_eq!(why(MediaSource::FileId("file_1".to_owned())), "this provider has no file store");
    let url = why(MediaSource::Url("https://example.com/8xznAGy4HcY/800x400".to_owned()));
    assert_eq!(url, "this provider takes media as base64 or from S3, not from other URLs");
    assert!(why(MediaSource::Url("s3://bucket/key".to_owned())).contains("must be told the type of the image"));
    assert!(!why(MediaSource::Base64("AAAA".to_owned())).contains("unknown"));
}

/// An answer can do without a search beside functions, unless it is insisted on.
#[test]
fn a_search_beside_functions_is_left_out_and_told() {
    let search = || {
        let (kind, raw) = ("web_search_20250305".to_owned(), raw(r#"{"type":"web_search_20250305","name":"web_search"}"#));
        Tool::Hosted(Hosted { from: Dialect::Anthropic, kind, id: None, raw: raw.expect("JSON") })
    };
    let mut request = ask("hi");
    request.tools = vec![search(), tool("f")];
    let (body, written) = write(&request, &claude());
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(written.losses.to_string(), "tools.web_search_20250305");
    request.tool_choice = Some(ToolChoice::Tool("web_search".to_owned()));
    assert!(Bedrock.write_request(&request, &claude()).is_err());
    request.tools = vec![search()];
    assert!(Bedrock.write_request(&request, &claude()).is_err());
}
