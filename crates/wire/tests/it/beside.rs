//! What stands beside a conversation and its pieces: what both formats have goes on, what one of them lacks is told.

use serde_json::{Value, json};
use switchboard_wire::Dialect::{self, Anthropic, Gemini, OpenAiChat, OpenAiResponses};
use switchboard_wire::half::{Profile, Ways};

use crate::likely::{chat, sent, sent_for};

fn openais() -> Profile {
    Profile { vendor: Some("openai".to_owned()), cache_marks: Some(false), knobs: Some(Vec::new()), ..Profile::default() }
}

fn others() -> Profile {
    Profile { cache_marks: Some(false), knobs: Some(Vec::new()), ..Profile::default() }
}

fn input(more: &Value) -> Value {
    let mut body = json!({"model": "m", "input": "hi"});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    body
}

fn is_told(lost: &str, name: &str) -> bool {
    lost.split(", ").any(|loss| loss.split(';').next() == Some(name))
}

#[test]
fn what_both_of_openais_apis_have_goes_from_one_to_the_other() {
    let shared = json!({"prompt_cache_retention": "24h", "prompt_cache_options": {"mode": "explicit"}, "moderation": {"model": "o"},
        "safety_identifier": "s", "user": "u"});
    let requests = [(OpenAiChat, OpenAiResponses, chat(&shared)), (OpenAiResponses, OpenAiChat, input(&shared))];
    for (from, to, body) in &requests {
        let (sent_on, lost) = sent_for(&openais(), (*from, *to), body);
        for (key, value) in shared.as_object().unwrap() {
            assert_eq!(&sent_on[key], value, "{from} to {to}: {sent_on}");
        }
        assert_eq!(lost, "", "{from} to {to}");
        let (_, lost) = sent(*from, Anthropic, false, body);
        assert!(is_told(&lost, "prompt_cache_retention") && is_told(&lost, "safety_identifier"), "{lost}");
    }
    // Who serves other models may refuse them.
    let (sent_on, lost) = sent_for(&others(), (OpenAiResponses, OpenAiChat), &requests[1].2);
    assert!(sent_on.get("moderation").is_none() && is_told(&lost, "moderation"), "{sent_on} {lost}");
}

#[test]
fn who_asks_is_said_under_the_name_that_the_client_used() {
    for (from, to, body) in [
        (OpenAiChat, OpenAiResponses, chat(&json!({"safety_identifier": "s"}))),
        (OpenAiResponses, OpenAiChat, input(&json!({"safety_identifier": "s"}))),
        (OpenAiResponses, OpenAiResponses, input(&json!({"safety_identifier": "s"}))),
    ] {
        let (sent_on, _) = sent_for(&openais(), (from, to), &body);
        assert_eq!((&sent_on["safety_identifier"], sent_on.get("user")), (&json!("s"), None), "{from} to {to}");
        assert_eq!(sent(from, Anthropic, false, &body).0["metadata"], json!({"user_id": "s"}), "{from}");
        if from != to && to == OpenAiChat {
            assert_eq!(sent_for(&others(), (from, to), &body).0["user"], "s");
        }
    }
}

#[test]
fn breakpoints_of_caches_are_said_in_the_words_of_each() {
    let point = json!({"mode": "explicit"});
    let said = |text: &str, kind: &str| json!([{"type": kind, "text": text, "prompt_cache_breakpoint": point}]);
    let of_chat = json!({"model": "m", "max_tokens": 99, "messages": [
        {"role": "developer", "content": said("Be brief.", "text")}, {"role": "user", "content": said("hi", "text")}]});
    let of_responses = json!({"model": "m", "input": [
        {"role": "developer", "content": said("Be brief.", "input_text")}, {"role": "user", "content": said("hi", "input_text")}]});
    let (sent_on, lost) = sent_for(&openais(), (OpenAiChat, OpenAiResponses), &of_chat);
    assert_eq!((sent_on.get("instructions"), &*lost), (None, ""), "{sent_on}");
    assert_eq!((&sent_on["input"][0]["role"], &sent_on["input"][0]["content"]), (&json!("developer"), &said("Be brief.", "input_text")));
    assert_eq!(sent_on["input"][1]["content"], said("hi", "input_text"));
    let (sent_on, lost) = sent_for(&openais(), (OpenAiResponses, OpenAiChat), &of_responses);
    assert_eq!((&sent_on["messages"][1]["content"], &*lost), (&said("hi", "text"), ""), "{sent_on}");
    for (from, body) in [(OpenAiChat, &of_chat), (OpenAiResponses, &of_responses)] {
        let (sent_on, lost) = sent(from, Anthropic, false, body);
        let marked = |text: &str| json!([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]);
        assert_eq!((&sent_on["system"], &sent_on["messages"][0]["content"]), (&marked("Be brief."), &marked("hi")), "{from}");
        assert!(!lost.contains("prompt_cache_breakpoint"), "{from}: {lost}");
        let (sent_on, lost) = sent(from, Gemini, false, body);
        assert!(is_told(&lost, "prompt_cache_breakpoint") && !sent_on.to_string().contains("breakpoint"), "{from}: {lost}");
    }
    let (sent_on, lost) = sent_for(&others(), (OpenAiResponses, OpenAiChat), &of_responses);
    assert_eq!((&sent_on["messages"][1]["content"], &*lost), (&json!("hi"), "messages.prompt_cache_breakpoint"));
    // A part that came in words of both keeps both in its own API.
    let both = json!([{"type": "input_text", "text": "hi", "prompt_cache_breakpoint": point, "cache_control": {"type": "ephemeral"}}]);
    let (sent_on, _) =
        sent_for(&openais(), (OpenAiResponses, OpenAiResponses), &json!({"model": "m", "input": [{"role": "user", "content": both}]}));
    assert_eq!(sent_on["input"][0]["content"], both);
}

#[test]
fn what_stands_beside_a_piece_is_told() {
    let film = json!({"fileData": {"fileUri": "gs://b/f.mp4", "mimeType": "video/mp4", "displayName": "d"}, "videoMetadata": {"startOffset": "1s"}});
    let call = json!({"functionCall": {"name": "f", "args": {}, "willContinue": true}, "partMetadata": {"a": 1}});
    let result = json!({"functionResponse": {"name": "f", "response": {"a": 1}, "scheduling": "SILENT"}});
    let gemini = |parts: &[(&str, &Value)]| {
        let turns: Vec<Value> = parts.iter().map(|(role, part)| json!({"role": role, "parts": [part]})).collect();
        json!({"contents": turns})
    };
    let (_, lost) = sent(Gemini, OpenAiChat, false, &gemini(&[("user", &film)]));
    assert!(is_told(&lost, "messages.content.videoMetadata") && is_told(&lost, "messages.content.name"), "{lost}");
    let turns = gemini(&[("user", &json!({"text": "hi"})), ("model", &call), ("user", &result)]);
    for to in [OpenAiChat, OpenAiResponses] {
        let (_, lost) = sent(Gemini, to, false, &turns);
        for name in ["functionCall.willContinue", "partMetadata", "functionResponse.scheduling"] {
            assert!(is_told(&lost, &format!("messages.content.{name}")), "{to}, {name}: {lost}");
        }
    }
    let document = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t",
        "citations": {"enabled": true}});
    let called = json!({"type": "tool_use", "id": "c", "name": "f", "input": {}, "caller": {"type": "direct"}});
    let done = json!({"type": "tool_result", "tool_use_id": "c", "content": "r"});
    let of_anthropic = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [document]},
        {"role": "assistant", "content": [called]}, {"role": "user", "content": [done]}]});
    for to in [OpenAiChat, OpenAiResponses] {
        let (_, lost) = sent(Anthropic, to, false, &of_anthropic);
        assert!(is_told(&lost, "messages.content.citations") && is_told(&lost, "messages.content.caller"), "{to}: {lost}");
    }
    let (_, lost) = sent(Anthropic, Gemini, false, &of_anthropic);
    assert!(is_told(&lost, "messages[0].title") && is_told(&lost, "messages[1].caller"), "{lost}");
    let named = json!({"model": "m", "messages": [{"role": "system", "content": "s", "name": "n"}, {"role": "user", "content": "hi"}]});
    for to in [Anthropic, Gemini, OpenAiResponses, Dialect::Cohere] {
        let (_, lost) = sent(OpenAiChat, to, false, &named);
        assert!(is_told(&lost, "messages.name"), "{to}: {lost}");
    }
}

#[test]
fn sources_in_earlier_answers_are_told() {
    let cited = json!([{"type": "text", "text": "a", "citations": [{"type": "web_search_result_location", "url": "https://a.example", "title": "t",
        "cited_text": "c", "encrypted_index": "e"}]}]);
    let body = json!({"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": cited},
        {"role": "user", "content": "more"}]});
    assert!(is_told(&sent(Anthropic, OpenAiChat, false, &body).1, "messages.content.citations"));
    assert!(is_told(&sent(Anthropic, Gemini, false, &body).1, "messages[1].citations"));
    assert_eq!(sent(Anthropic, OpenAiResponses, false, &body).1, "", "the responses API has words for them");
}

#[test]
fn what_items_say_of_themselves_is_no_loss() {
    let items = json!([{"type": "message", "role": "user", "content": "q", "id": "msg_1", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}], "id": "msg_2", "status": "completed"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc_1", "status": "completed"},
        {"type": "function_call_output", "call_id": "c", "output": "r", "id": "fco_1", "status": "completed"}]);
    for to in [OpenAiChat, Anthropic, Gemini] {
        let (_, lost) = sent(OpenAiResponses, to, false, &json!({"model": "m", "input": items, "max_output_tokens": 9}));
        assert!(!lost.contains("id") && !lost.contains("status"), "{to}: {lost}");
    }
}

#[test]
fn what_is_said_of_a_document_is_read_before_it() {
    let document =
        json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "context": "From 1912."});
    let body = |inner: &Value| json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": inner}]});
    let asked = body(&json!([document, {"type": "text", "text": "hi"}]));
    for to in [OpenAiChat, OpenAiResponses, Gemini] {
        let (sent_on, lost) = sent(Anthropic, to, false, &asked);
        assert!(sent_on.to_string().contains("From 1912.") && !is_told(&lost, "messages.content.context"), "{to}: {sent_on} {lost}");
    }
    let (sent_on, _) = sent(Anthropic, OpenAiChat, false, &asked);
    let texts: Vec<&Value> = sent_on["messages"][0]["content"].as_array().unwrap().iter().map(|piece| &piece["text"]).collect();
    assert_eq!(texts, ["From 1912.", "d", "hi"]);
}

#[test]
fn tools_are_told_with_what_stands_beside_them() {
    let grammar = json!({"type": "grammar", "syntax": "regex", "definition": "a+"});
    let tools = json!([{"type": "custom", "name": "x", "format": grammar, "defer_loading": true, "allowed_callers": ["direct", "programmatic"]},
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": false, "allowed_callers": ["programmatic"]}]);
    let body = json!({"model": "m", "input": "hi", "max_output_tokens": 99, "tools": tools});
    for to in [OpenAiChat, Anthropic, Gemini] {
        let (sent_on, lost) = sent(OpenAiResponses, to, false, &body);
        let text = sent_on.to_string();
        assert!(text.contains("\"x\"") && !text.contains("programmatic") && !text.contains("defer_loading"), "{to}: {text}");
        assert!(lost.contains("defer_loading") && lost.contains("allowed_callers"), "{to}: {lost}");
    }
    let (sent_on, lost) = sent_for(&openais(), (OpenAiResponses, OpenAiResponses), &body);
    assert_eq!((&sent_on["tools"], &*lost), (&tools, ""), "as it came");
    let of_anthropics = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}},
        "allowed_callers": ["code_execution_20250825"]}}]);
    let (sent_on, _) = sent(OpenAiChat, Anthropic, false, &chat(&json!({"tools": of_anthropics})));
    assert_eq!(sent_on["tools"][0]["allowed_callers"], json!(["code_execution_20250825"]));
}

#[test]
fn terms_of_service_that_the_target_lacks_are_told() {
    for (tier, wanted, lost) in [
        ("default", Some("standard"), ""),
        ("flex", Some("flex"), ""),
        ("priority", Some("priority"), ""),
        ("auto", None, ""),
        ("scale", None, "service_tier"),
        ("fast", None, "service_tier"),
    ] {
        let asked = json!({"service_tier": tier});
        for (from, body) in [(OpenAiChat, chat(&asked)), (OpenAiResponses, input(&asked))] {
            let (sent_on, told) = sent(from, Gemini, false, &body);
            assert_eq!((sent_on["serviceTier"].as_str(), &*told), (wanted, lost), "{from}: {tier}");
        }
    }
    for (tier, wanted) in [("unspecified", None), ("standard", Some("default")), ("flex", Some("flex"))] {
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "serviceTier": tier});
        assert_eq!(sent(Gemini, OpenAiChat, false, &body).0["service_tier"].as_str(), wanted, "{tier}");
    }
}

#[test]
fn an_effort_that_the_model_lacks_goes_whatever_stands_beside_it() {
    let ways = Some(Ways { adaptive: false, budget: true, effort: false, off: true });
    let older = Profile { vendor: Some("anthropic".to_owned()), ways, ..Profile::default() };
    let beside = json!({"type": "tokens", "total": 20000});
    let format = json!({"type": "json_schema", "schema": {"type": "object", "properties": {}, "additionalProperties": false}});
    let body = |config: &Value| json!({"model": "m", "max_tokens": 4096, "messages": [{"role": "user", "content": "hi"}], "output_config": config});
    let asked = body(&json!({"effort": "max", "task_budget": beside, "format": format}));
    let (sent_on, lost) = sent_for(&older, (Anthropic, Anthropic), &asked);
    assert_eq!(sent_on["output_config"], json!({"task_budget": beside, "format": format}));
    assert!(is_told(&lost, "output_config.effort"), "{lost}");
    let (sent_on, lost) = sent_for(&older, (Anthropic, Anthropic), &body(&json!({"effort": "max"})));
    assert!(sent_on.get("output_config").is_none() && is_told(&lost, "output_config.effort"), "{sent_on} {lost}");
}

#[test]
fn what_is_said_of_a_schema_stands_in_it() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let described = |said: &str| {
        let mut schema = schema.clone();
        schema["description"] = json!(said);
        schema
    };
    let knows = Profile { json_schema: Some(true), vendor: Some("anthropic".to_owned()), ..Profile::default() };
    for (own, wanted) in [(&schema, "Of a person."), (&described("Its own."), "Its own.")] {
        let format = json!({"name": "n", "description": "Of a person.", "schema": own, "strict": true});
        let of_chat = chat(&json!({"response_format": {"type": "json_schema", "json_schema": format}, "max_tokens": 99}));
        assert_eq!(sent_for(&knows, (OpenAiChat, Anthropic), &of_chat).0["output_config"]["format"]["schema"], described(wanted));
        let (sent_on, _) = sent(OpenAiChat, Gemini, false, &of_chat);
        assert_eq!(sent_on["generationConfig"]["responseJsonSchema"], described(wanted));
        let (sent_on, _) = sent(OpenAiChat, OpenAiResponses, false, &of_chat);
        assert_eq!((&sent_on["text"]["format"]["description"], &sent_on["text"]["format"]["schema"]), (&json!("Of a person."), own));
    }
}

#[test]
fn what_is_said_of_a_tool_of_the_clients_is_said_of_its_function() {
    let tools = json!([
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 9000, "strict": true,
            "cache_control": {"type": "ephemeral"}},
        {"type": "bash_20250124", "name": "bash", "allowed_callers": ["direct"], "input_examples": [{"command": "ls"}]}]);
    let body = json!({"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}], "tools": tools});
    for (to, path) in [(OpenAiChat, "/tools/0/function"), (OpenAiResponses, "/tools/0"), (Gemini, "/tools/0/functionDeclarations/0")] {
        let (sent_on, lost) = sent(Anthropic, to, false, &body);
        let editor = sent_on.pointer(path).unwrap();
        assert!(editor["description"].as_str().unwrap().contains("9000 characters"), "{to}: {editor}");
        for name in ["strict", "allowed_callers", "input_examples"] {
            assert!(lost.contains(name), "{to}, {name}: {lost}");
        }
        assert!(to == OpenAiChat || is_told(&lost, "cache_control"), "{to}: {lost}");
    }
}
