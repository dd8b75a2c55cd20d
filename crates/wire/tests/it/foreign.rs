//! Content that only the client's own dialect knows.

use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::frames::Frames;
use switchboard_wire::half::{Head, Profile};
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::prepare::{Prepared, Route, Source, prepare};
use switchboard_wire::problem::{Kind, Problem};

fn sent(from: Dialect, to: Dialect, body: &str) -> Result<Prepared, Problem> {
    let body: Frames = [bytes::Bytes::copy_from_slice(body.as_bytes())].into_iter().collect();
    let (profile, edits) = (Profile::default(), Edits::default());
    let outline = Outline::scan(&body).expect("JSON");
    let head = Head { path_model: Some("m"), ..Head::default() };
    prepare(
        &Route { from, to, profile: &profile, edits: &edits, laid: &[], fitted: false, lenient: false },
        &head,
        &Source::Bytes(&body, &outline),
    )
}

fn targets() -> impl Iterator<Item = Dialect> {
    Dialect::ALL.into_iter().filter(|dialect| dialect.outbound().is_some() && *dialect != Dialect::OpenAiCompletions)
}

fn anthropic(role: &str, block: &str) -> String {
    let turn = format!(r#"{{"role":"{role}","content":[{{"type":"text","text":"hi"}},{block}]}}"#);
    format!(r#"{{"model":"m","max_tokens":9,"messages":[{turn},{{"role":"user","content":"go on"}}]}}"#)
}

fn gemini(role: &str, part: &str) -> String {
    format!(r#"{{"contents":[{{"role":"{role}","parts":[{{"text":"hi"}},{part}]}},{{"role":"user","parts":[{{"text":"go on"}}]}}]}}"#)
}

#[test]
fn what_a_user_says_is_never_left_out() {
    let nested = r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"nonsense"}]}"#;
    let asked = [
        (Dialect::Anthropic, anthropic("user", r#"{"type":"nonsense"}"#), "messages.0.content.1"),
        (Dialect::Anthropic, anthropic("user", nested), "messages.0.content.1"),
        (Dialect::Gemini, gemini("user", r#"{"nonsense":{}}"#), "contents[0].parts[1]"),
    ];
    for (from, body, field) in &asked {
        for to in targets() {
            let found = sent(*from, to, body);
            if to == *from {
                assert_eq!(found.expect("its own").body.join(), body.as_bytes());
                continue;
            }
            let problem = found.expect_err(to.as_str());
            assert_eq!((problem.kind, problem.param.as_deref()), (Kind::Unsupported, Some(*field)), "{from} to {to}");
            assert!(problem.message.contains("nonsense"), "{}", problem.message);
        }
    }
}

#[test]
fn what_a_provider_ran_is_left_out_elsewhere() {
    let searched = r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#;
    let ran = r#"{"executableCode":{"language":"PYTHON","code":"1"}}"#;
    let asked = [(Dialect::Anthropic, anthropic("assistant", searched)), (Dialect::Gemini, gemini("model", ran))];
    for (from, body) in &asked {
        for to in targets().filter(|to| to != from) {
            let prepared = sent(*from, to, body).unwrap_or_else(|problem| panic!("{from} to {to}: {}", problem.message));
            assert!(!prepared.losses.is_empty(), "{from} to {to}");
        }
    }
}

#[test]
fn an_image_of_googles_client_is_read_by_others() {
    let body = gemini("user", r#"{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo-_w"}}"#);
    for to in [Dialect::Anthropic, Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Bedrock] {
        let sent = sent(Dialect::Gemini, to, &body).expect("an image").body.join();
        let text = String::from_utf8(sent.to_vec()).expect("text");
        assert!(text.contains("iVBORw0KGgo+/w=="), "{to}: {text}");
    }
}

#[test]
fn tools_of_other_makers_reach_their_makers_from_chats() {
    let tools = |to, tool: &str| -> Result<Value, Problem> {
        let body = format!(r#"{{"model":"claude-x","messages":[{{"role":"user","content":"hi"}}],"tools":[{tool}]}}"#);
        let body = sent(Dialect::OpenAiChat, to, &body)?.body.join();
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        Ok(if to == Dialect::Bedrock { body["additionalModelRequestFields"]["tools"].clone() } else { body["tools"].clone() })
    };
    let computer = r#"{"type":"computer_20250124","function":{"name":"computer","parameters":{"display_width_px":9,"display_number":1}}}"#;
    let flat = json!([{"type": "computer_20250124", "name": "computer", "display_width_px": 9, "display_number": 1}]);
    let fetch = r#"{"type":"web_fetch_20250910","name":"web_fetch","max_uses":2}"#;
    let deferred = r#"{"type":"function","function":{"name":"f"},"defer_loading":true}"#;
    let function = json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}, "defer_loading": true}]);
    for (to, tool, wanted) in [
        (Dialect::Anthropic, computer, flat.clone()),
        (Dialect::Bedrock, computer, flat),
        (Dialect::Anthropic, fetch, json!([{"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 2}])),
        (Dialect::Anthropic, deferred, function),
        (Dialect::Bedrock, r#"{"type":"tool_search_tool_regex_20251119","name":"t"}"#, Value::Null),
        (Dialect::Gemini, r#"{"googleSearch":{}}"#, json!([{"googleSearch": {}}])),
        (Dialect::Gemini, r#"{"google_maps":{"enableWidget":true}}"#, json!([{"googleMaps": {"enableWidget": true}}])),
        (Dialect::Gemini, r#"{"urlContext":{}}"#, json!([{"urlContext": {}}])),
        (Dialect::Gemini, r#"{"codeExecution":{}}"#, json!([{"codeExecution": {}}])),
    ] {
        assert_eq!(tools(to, tool).unwrap_or_else(|problem| panic!("{tool}: {}", problem.message)), wanted, "{to} {tool}");
    }
    let problem = tools(Dialect::Anthropic, r#"{"urlContext":{}}"#).expect_err("Google's");
    assert!(problem.kind == Kind::Unsupported && problem.message.contains("urlContext"), "{}", problem.message);
    let problem = tools(Dialect::Gemini, r#"{"name":"f"}"#).expect_err("no tool");
    assert!(problem.message.contains("function"), "{}", problem.message);
}

#[test]
fn references_to_tools_are_said_by_name_elsewhere() {
    let nested = r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference","tool_name":"get_weather"}]}"#;
    let called = r#"{"type":"tool_use","id":"t","name":"search","input":{}}"#;
    let turns = [("user", r#"{"type":"text","text":"hi"}"#), ("assistant", called), ("user", nested)];
    let turns = turns.map(|(role, block)| format!(r#"{{"role":"{role}","content":[{block}]}}"#)).join(",");
    let tools = r#"[{"name":"search","input_schema":{"type":"object"}}]"#;
    let body = format!(r#"{{"model":"m","max_tokens":9,"messages":[{turns}],"tools":{tools}}}"#);
    for to in targets().filter(|to| *to != Dialect::Replicate) {
        let sent = sent(Dialect::Anthropic, to, &body).unwrap_or_else(|problem| panic!("{to}: {}", problem.message)).body.join();
        if to == Dialect::Anthropic {
            assert_eq!(sent, body);
        } else {
            assert!(String::from_utf8_lossy(&sent).contains("get_weather"), "{to}");
        }
    }
}

#[test]
fn cache_marks_reach_who_caches() {
    let mark = r#""cache_control":{"type":"ephemeral","ttl":"1h"}"#;
    let pieces = format!(r#"[{{"type":"input_text","text":"long",{mark}}}]"#);
    let responses = format!(r#"{{"model":"m","input":[{{"role":"user","content":{pieces}}}]}}"#);
    let call = format!(r#"{{"id":"c","type":"function","function":{{"name":"f","arguments":"{{}}"}},{mark}}}"#);
    let turns = format!(
        r#"{{"role":"user","content":"x"}},{{"role":"assistant","tool_calls":[{call}]}},{{"role":"tool","tool_call_id":"c","content":"1"}}"#
    );
    let chat = format!(r#"{{"model":"m","messages":[{turns}],"tools":[{{"type":"function","function":{{"name":"f"}}}}]}}"#);
    for (from, body, turn) in [(Dialect::OpenAiResponses, responses, 0), (Dialect::OpenAiChat, chat, 1)] {
        let prepared = sent(from, Dialect::Anthropic, &body).unwrap_or_else(|problem| panic!("{from}: {}", problem.message));
        let sent: Value = serde_json::from_slice(&prepared.body.join()).expect("JSON");
        let cached = &sent["messages"][turn]["content"][0]["cache_control"];
        assert_eq!(*cached, json!({"type": "ephemeral", "ttl": "1h"}), "{from}");
        assert!(!prepared.losses.to_string().contains("cache_control"), "{}", prepared.losses);
    }
}

/// Anthropic reads the last summary in place of all that was said before it: it is content, and no provider's tool made it.
#[test]
fn a_summary_of_the_conversation_stands_for_it_everywhere() {
    let block = |text: &str| json!({"type": "compaction", "content": text});
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "first of all"},
        {"role": "assistant", "content": [block("older summary"), {"type": "text", "text": "long ago"}]},
        {"role": "assistant", "content": [block("newer summary"), {"type": "text", "text": "lately"}]},
        {"role": "user", "content": "go on"},
    ]});
    for to in targets().filter(|to| !matches!(to, Dialect::Anthropic | Dialect::Replicate)) {
        let prepared = sent(Dialect::Anthropic, to, &body.to_string()).unwrap_or_else(|problem| panic!("{to}: {problem:?}"));
        let written = String::from_utf8(prepared.body.join().to_vec()).expect("text");
        let place = |text: &str| written.find(text);
        assert!(
            place("newer summary").is_some() && place("newer summary") < place("lately") && place("lately") < place("go on"),
            "{written}"
        );
        assert!(["first of all", "older summary", "long ago"].iter().all(|gone| place(gone).is_none()), "{written}");
    }
    // What stands for nothing is nothing.
    let failed = anthropic("assistant", r#"{"type":"compaction","content":null}"#);
    let kept = sent(Dialect::Anthropic, Dialect::OpenAiChat, &failed).expect("written");
    assert!(String::from_utf8_lossy(&kept.body.join()).contains("hi"));
}
