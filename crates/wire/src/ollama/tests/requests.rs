use serde_json::{Number, Value, json};

use crate::chat::{
    ChatRequest, Function, JsonSchema, Media, MediaSource, Message, OutputFormat, Part, PartBody, Reasoning, Role, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::half::{Outbound, Profile, Thinking};
use crate::json::raw;
use crate::ollama::Ollama;
use crate::seal::Sealed;

fn ask(text: &str) -> ChatRequest {
    let messages = vec![Message::new(Role::User, vec![Part::text(text)])];
    ChatRequest { model: "qwen3".to_owned(), messages, ..ChatRequest::default() }
}

fn write(request: &ChatRequest, profile: &Profile) -> (Value, String) {
    let written = Ollama.write_request(request, profile).unwrap();
    (serde_json::from_slice(&written.body).expect("JSON"), written.losses.to_string())
}

#[test]
fn a_conversation_is_written() {
    let mut request = ask("look");
    request.system = vec![Part::text("Be kind.")];
    let image = Media::new(MediaSource::Base64("AAAA".to_owned()), Some("image/png".to_owned()));
    request.messages[0].parts.push(Part::new(PartBody::Image(image)));
    request.messages[0].parts.push(Part::text("well"));
    let call = |arguments: &str| {
        let call = ToolCall { id: "c1".to_owned(), name: "f".to_owned(), arguments: arguments.to_owned(), ..ToolCall::default() };
        Part::new(PartBody::ToolCall(call))
    };
    let thought = |seal| Part::new(PartBody::Reasoning(Thought { text: "Hm.".to_owned(), seal, ..Thought::default() }));
    let result = ToolResult { call: "c1".to_owned(), parts: vec![Part::text("one")], ..ToolResult::default() };
    request.messages.extend([
        Message::new(Role::Assistant, vec![thought(None), thought(Some(Sealed::signature("anthropic", "s"))), call(r#"{"a": 1.0}"#)]),
        Message::new(Role::User, vec![Part::new(PartBody::ToolResult(result)), Part::text("and?")]),
    ]);
    let (body, losses) = write(&request, &Profile::default());
    assert_eq!(
        body,
        json!({"model": "qwen3", "stream": false, "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "look\nwell", "images": ["AAAA"]},
            {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1.0}}}]},
            {"role": "tool", "tool_name": "f", "tool_call_id": "c1", "content": "one"},
            {"role": "user", "content": "and?"}]})
    );
    assert_eq!(losses, "messages.1.content.1;approximated");
    request.messages[1].parts.push(call("not json"));
    let (body, losses) = write(&request, &Profile::default());
    assert_eq!(body["messages"][2]["tool_calls"][1]["function"]["arguments"], json!({"input": "not json"}));
    assert!(losses.ends_with("messages.1.content.arguments;approximated"), "{losses}");
}

#[test]
fn images_by_url_are_refused() {
    let mut request = ask("look");
    let image = Media::new(MediaSource::Url("https://x/y.png".to_owned()), None);
    request.messages[0].parts.push(Part::new(PartBody::Image(image)));
    let refused = Ollama.write_request(&request, &Profile::default()).unwrap_err();
    assert_eq!((refused.field.as_str(), refused.target), ("messages.0.content.1", "ollama"));
}

#[test]
fn tools_are_offered_or_not() {
    let mut request = ask("go");
    let tool =
        |name: &str| Tool::Function(Function { name: name.to_owned(), parameters: raw(r#"{"type":"object"}"#), ..Function::default() });
    request.tools = vec![tool("f"), tool("g")];
    let (body, losses) = write(&request, &Profile::default());
    assert_eq!(body["tools"][0], json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}));
    assert_eq!(losses, "");
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(write(&request, &Profile::default()).0.get("tools"), None);
    request.tool_choice = Some(ToolChoice::Required);
    assert_eq!(write(&request, &Profile::default()).1, "tool_choice");
    request.tool_choice = Some(ToolChoice::Tool("g".to_owned()));
    let (body, losses) = write(&request, &Profile::default());
    assert_eq!((body["tools"].as_array().map(Vec::len), losses.as_str()), (Some(1), "tools;approximated, tool_choice;approximated"));
    request.tools.push(Tool::Custom { name: "c".to_owned(), description: None, format: None, extra: Extra::default() });
    assert_eq!(Ollama.write_request(&request, &Profile::default()).unwrap_err().field, "tools.2");
}

#[test]
fn the_form_of_the_answer_is_a_schema_or_json() {
    let schema = JsonSchema { name: None, description: None, schema: raw(r#"{"type":"object"}"#).unwrap(), strict: None };
    let mut request = ChatRequest { output: OutputFormat::JsonSchema(schema), ..ask("go") };
    assert_eq!(write(&request, &Profile::default()).0["format"], json!({"type": "object"}));
    request.output = OutputFormat::Json;
    assert_eq!(write(&request, &Profile::default()).0["format"], "json");
}

#[test]
fn thinking_is_on_off_or_a_level() {
    let think = |reasoning: Reasoning, kind: Option<Thinking>| {
        let request = ChatRequest { reasoning: Some(reasoning), ..ask("go") };
        let (body, losses) = write(&request, &Profile { thinking: kind, ..Profile::default() });
        (body["think"].clone(), losses)
    };
    let effort = |effort: &str| Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() };
    let on = Reasoning { enabled: Some(true), ..Reasoning::default() };
    assert_eq!(think(on, None), (json!(true), String::new()));
    assert_eq!(think(effort("high"), Some(Thinking::Effort)), (json!("high"), String::new()));
    assert_eq!(think(effort("max"), Some(Thinking::Effort)), (json!("high"), "reasoning.effort;clamped".to_owned()));
    assert_eq!(think(effort("high"), None), (json!(true), "reasoning.effort;approximated".to_owned()));
    assert_eq!(think(effort("none"), None), (json!(false), String::new()));
    assert_eq!(think(effort("low"), Some(Thinking::Never)), (Value::Null, "reasoning".to_owned()));
}

#[test]
fn knobs_are_options() {
    let mut request = ChatRequest { max_output_tokens: Some(9), stream: true, ..ask("go") };
    let number = |text: &str| Some(text.parse::<Number>().unwrap());
    request.sampling.temperature = number("0.5");
    request.sampling.repetition_penalty = number("1.1");
    request.sampling.seed = number("7");
    request.sampling.stop = vec!["END".to_owned()];
    request.user = Some("me".to_owned());
    let mut extra = Extra::new(Dialect::OpenAiChat);
    extra.push("num_ctx", raw("8192").unwrap());
    extra.push("keep_alive", raw(r#""5m""#).unwrap());
    extra.push("options", raw(r#"{"seed":8}"#).unwrap());
    extra.push("other", raw("1").unwrap());
    request.extra = extra;
    let (body, losses) = write(&request, &Profile::default());
    let options = json!({"num_predict": 9, "temperature": 0.5, "repeat_penalty": 1.1, "stop": ["END"], "num_ctx": 8192, "seed": 8});
    assert_eq!(body["options"], options);
    assert_eq!((&body["keep_alive"], &body["stream"]), (&json!("5m"), &json!(true)));
    assert_eq!(losses, "user, other");
}
