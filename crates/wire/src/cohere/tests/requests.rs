use serde_json::{Number, Value, json};

use crate::chat::{
    ChatRequest, Function, JsonSchema, Media, MediaSource, Message, OutputFormat, Part, PartBody, Reasoning, Role, Thought, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use crate::cohere::Cohere;
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::half::{Outbound, Profile, Thinking};
use crate::json::raw;

fn ask(text: &str) -> ChatRequest {
    let messages = vec![Message::new(Role::User, vec![Part::text(text)])];
    ChatRequest { model: "command-a".to_owned(), messages, ..ChatRequest::default() }
}

fn tool(name: &str, strict: bool) -> Tool {
    let parameters = raw(r#"{"type":"object"}"#);
    Tool::Function(Function { name: name.to_owned(), parameters, strict: strict.then_some(true), ..Function::default() })
}

fn write(request: &ChatRequest, profile: &Profile) -> (Value, String) {
    let written = Cohere.write_request(request, profile).unwrap();
    (serde_json::from_slice(&written.body).expect("JSON"), written.losses.to_string())
}

#[test]
fn a_conversation_is_written() {
    let mut request = ask("go");
    request.system = vec![Part::text("Be kind.")];
    let call = |id: &str, name: &str, arguments: &str| {
        let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned(), ..ToolCall::default() };
        Part::new(PartBody::ToolCall(call))
    };
    let result = |id: &str, text: &str| {
        let result = ToolResult { call: id.to_owned(), parts: vec![Part::text(text)], ..ToolResult::default() };
        Part::new(PartBody::ToolResult(result))
    };
    let thought = Part::new(PartBody::Reasoning(Thought { text: "Hm.".to_owned(), ..Thought::default() }));
    request.messages.extend([
        Message::new(Role::Assistant, vec![thought, Part::text(""), call("c1", "f", r#"{"a": 1}"#), call("c2", "g", "")]),
        Message::new(Role::User, vec![result("c1", "one"), result("c2", "two"), Part::text("and?")]),
        Message::new(Role::System, vec![Part::text("Hurry.")]),
    ]);
    let image = Media::new(MediaSource::Base64("AAAA".to_owned()), Some("image/png".to_owned()));
    request.messages[0].parts.push(Part::new(PartBody::Image(image)));
    let (body, losses) = write(&request, &Profile::default());
    assert_eq!(
        body,
        json!({"model": "command-a", "stream": false, "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [
                {"type": "text", "text": "go"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": "two"},
            {"role": "user", "content": "and?"},
            {"role": "system", "content": "Hurry."}]})
    );
    assert_eq!(losses, "messages.1.content.0;approximated");
}

#[test]
fn tools_and_choices_are_written() {
    let mut request = ask("go");
    request.tools = vec![tool("f", true), tool("g", true)];
    request.tool_choice = Some(ToolChoice::Required);
    let (body, _) = write(&request, &Profile::default());
    assert_eq!((&body["tool_choice"], &body["strict_tools"]), (&json!("REQUIRED"), &json!(true)));
    request.tool_choice = Some(ToolChoice::None);
    assert_eq!(write(&request, &Profile::default()).0["tool_choice"], "NONE");
    request.tool_choice = Some(ToolChoice::Tool("g".to_owned()));
    request.tools.push(tool("h", false));
    let (body, losses) = write(&request, &Profile::default());
    assert_eq!(body["tools"], json!([{"type": "function", "function": {"name": "g", "parameters": {"type": "object"}}}]));
    assert_eq!((&body["tool_choice"], losses.as_str()), (&json!("REQUIRED"), "tools;approximated"));
}

#[test]
fn the_form_of_the_answer_stands_alone() {
    let schema = JsonSchema { name: None, description: None, schema: raw(r#"{"type":"object"}"#).unwrap(), strict: None };
    let mut request = ChatRequest { output: OutputFormat::JsonSchema(schema), ..ask("go") };
    let (body, _) = write(&request, &Profile::default());
    assert_eq!(body["response_format"], json!({"type": "json_object", "json_schema": {"type": "object"}}));
    request.tools = vec![tool("f", false)];
    let (body, losses) = write(&request, &Profile::default());
    assert!(body.get("response_format").is_none());
    assert_eq!(losses, "response_format");
}

#[test]
fn thinking_is_on_off_or_a_budget() {
    let thinking = |reasoning: Reasoning, kind: Option<Thinking>| {
        let request = ChatRequest { reasoning: Some(reasoning), ..ask("go") };
        let (body, losses) = write(&request, &Profile { thinking: kind, ..Profile::default() });
        (body["thinking"].clone(), losses)
    };
    let effort = |effort: &str| Reasoning { effort: Some(effort.to_owned()), ..Reasoning::default() };
    let budget = Reasoning { budget_tokens: Some(100), ..Reasoning::default() };
    assert_eq!(thinking(budget, None), (json!({"type": "enabled", "token_budget": 100}), String::new()));
    assert_eq!(thinking(effort("low"), None), (json!({"type": "enabled"}), "reasoning.effort;approximated".to_owned()));
    assert_eq!(thinking(effort("none"), None), (json!({"type": "disabled"}), String::new()));
    assert_eq!(thinking(effort("none"), Some(Thinking::Never)), (Value::Null, String::new()));
    assert_eq!(thinking(effort("low"), Some(Thinking::Never)), (Value::Null, "reasoning".to_owned()));
}

#[test]
fn knobs_are_written_clamped_or_lost() {
    let mut request = ChatRequest { max_output_tokens: Some(9), stream: true, ..ask("go") };
    let number = |text: &str| Some(text.parse::<Number>().unwrap());
    request.sampling.temperature = number("0.50");
    request.sampling.top_p = number("1");
    request.sampling.top_k = number("600");
    request.sampling.frequency_penalty = number("-1.5");
    request.sampling.presence_penalty = number("0.2");
    request.sampling.min_p = number("0.2");
    request.sampling.seed = number("7");
    request.sampling.stop = (0..6).map(|at| at.to_string()).collect();
    let (body, losses) = write(&request, &Profile::default());
    assert_eq!(body["max_tokens"], 9);
    assert_eq!(body["stream"], true);
    assert_eq!((&body["p"], &body["k"], &body["seed"]), (&json!(0.99), &json!(500), &json!(7)));
    assert_eq!((&body["frequency_penalty"], &body["presence_penalty"]), (&json!(0), &json!(0.2)));
    assert_eq!(body["stop_sequences"].as_array().map(Vec::len), Some(5));
    assert_eq!(losses, "top_p;clamped, top_k;clamped, frequency_penalty;clamped, stop;clamped, min_p");
}

#[test]
fn documents_have_their_own_place() {
    let mut request = ask("go");
    let text = Media { name: Some("facts".to_owned()), ..Media::new(MediaSource::Text("The sky is green.".to_owned()), None) };
    request.messages[0].parts.push(Part::new(PartBody::File(text)));
    let (body, losses) = write(&request, &Profile::default());
    assert_eq!(body["documents"], json!([{"id": "doc-0", "data": {"title": "facts", "text": "The sky is green."}}]));
    assert_eq!(losses, "messages.0.content.1;approximated");
    let pdf = Media::new(MediaSource::Base64("AAAA".to_owned()), Some("application/pdf".to_owned()));
    request.messages[0].parts.push(Part::new(PartBody::File(pdf)));
    assert_eq!(Cohere.write_request(&request, &Profile::default()).unwrap_err().field, "messages.0.content.2");
}

#[test]
fn coheres_own_fields_pass_from_any_dialect() {
    let mut extra = Extra::new(Dialect::OpenAiChat);
    extra.push("safety_mode", raw(r#""OFF""#).unwrap());
    extra.push("other", raw("1").unwrap());
    let (body, losses) = write(&ChatRequest { extra, ..ask("go") }, &Profile::default());
    assert_eq!((&body["safety_mode"], losses.as_str()), (&json!("OFF"), "other"));
}
