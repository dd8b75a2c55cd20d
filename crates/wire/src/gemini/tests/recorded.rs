//! The recorded exchanges, where they are at hand.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::{assembled, cut_everywhere, dialect, events_of_stream, normal, summary};
use crate::assemble::Assembly;
use crate::framing::Framing;
use crate::grammar::Grammar;
use crate::half::{Head, Inbound, Memo, Outbound, Profile};

const APIS: [&str; 5] = [
    "gemini.generateContent",
    "gemini.streamGenerateContent",
    "vertex.generateContent",
    "vertex.streamGenerateContent",
    "pydantic-gateway.vertex.generateContent",
];

fn rows(file: &str) -> Vec<Value> {
    crate::recorded::rows(file, |api| APIS.contains(&api))
}

fn exchanges() -> Vec<Value> {
    rows("corpus.jsonl")
}

fn head_of(row: &Value) -> Head<'_> {
    let url = row["url"].as_str().unwrap_or_default();
    let last = url.rsplit("models/").next().unwrap_or_default();
    Head { path_model: last.split(':').next(), path_stream: Some(url.contains(":streamGenerateContent")), headers: None }
}

#[test]
fn recorded_requests_are_read_and_come_back() {
    let mut failures = Vec::new();
    for row in exchanges() {
        let sent = &row["request_body"];
        if !sent.is_object() {
            continue;
        }
        let id = row["id"].as_str().unwrap();
        let body = serde_json::to_vec(sent).unwrap();
        let request = match dialect().read_request(&head_of(&row), &body) {
            Ok(request) => request,
            // Google refused those, too.
            Err(_) if row["status"] == 400 => continue,
            Err(error) => {
                failures.push(format!("{id}: {error}"));
                continue;
            }
        };
        let written = match dialect().write_request(&request, &Profile::default()) {
            Ok(written) => written,
            Err(error) => {
                failures.push(format!("{id}: {error}"));
                continue;
            }
        };
        if !written.losses.is_empty() {
            failures.push(format!("{id}: lost {}", written.losses));
        }
        let back: Value = serde_json::from_slice(&written.body).unwrap();
        let (sent, back) = (normal(sent), normal(&back));
        if sent != back {
            failures.push(format!("{id}:\n sent {sent}\n back {back}"));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn recorded_answers_are_read() {
    let oracle: BTreeMap<String, Value> =
        rows("oracle.jsonl").into_iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect();
    let mut failures = Vec::new();
    for row in exchanges() {
        let id = row["id"].as_str().unwrap();
        let body = row["response_body"].as_str().unwrap();
        let status = row["status"].as_u64().unwrap();
        if status != 200 {
            let status = StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap();
            let fault = dialect().read_fault(status, &HeaderMap::new(), body.as_bytes());
            if fault.message.is_empty() || fault.code.is_none() {
                failures.push(format!("{id}: {fault:?}"));
            }
            continue;
        }
        let reply = match row["stream_format"].as_str() {
            None => dialect().read_reply(&Memo::default(), body.as_bytes()),
            Some(format) => assembled(framing(format), body.as_bytes()),
        };
        if let Some(usage) = reply.as_ref().ok().and_then(|reply| reply.usage.as_ref())
            && let (Some(input), Some(output), Some(total)) = (usage.input, usage.output, usage.total)
            && input + output != total
        {
            failures.push(format!("{id}: {input} and {output} are not {total}"));
        }
        match (reply, oracle.get(id)) {
            (Ok(reply), Some(oracle)) => {
                if let Some(difference) = against(&summary(&reply), &oracle["direct"]) {
                    failures.push(format!("{id}: {difference}"));
                }
            }
            (Ok(_), None) => {}
            (Err(fault), _) => failures.push(format!("{id}: {fault:?}")),
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

fn framing(format: &str) -> Framing {
    if format == "json-array" { Framing::JsonArray } else { Framing::Sse }
}

fn against(ours: &Value, direct: &Value) -> Option<String> {
    let mut differences = Vec::new();
    for (key, ours) in ours.as_object().unwrap() {
        let theirs = direct.get(key).unwrap_or(&Value::Null);
        // The plain reading gives a number where the provider does, and no reason for prompts that were blocked.
        let same_reason = key == "finish" && (theirs.is_null() || *theirs == 1 && ours == "STOP");
        if ours != theirs && !same_reason {
            differences.push(format!("{key}: {ours} but {theirs}"));
        }
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

#[test]
fn recorded_streams_obey_the_grammar_wherever_they_are_cut() {
    for row in exchanges() {
        let Some(format) = row["stream_format"].as_str() else { continue };
        let body = row["response_body"].as_str().unwrap();
        let events = events_of_stream(framing(format), body.as_bytes(), body.len().max(1));
        let mut grammar = Grammar::new();
        for event in &events {
            assert_eq!(grammar.check(event), Ok(()), "{}", row["id"]);
        }
        assert!(grammar.ended());
        for size in [1, 7] {
            let again = events_of_stream(framing(format), body.as_bytes(), size);
            assert_eq!(format!("{events:?}"), format!("{again:?}"), "{}", row["id"]);
        }
        if body.len() < 4000 {
            cut_everywhere(framing(format), body.as_bytes());
        }
    }
}

#[test]
fn recorded_streams_are_written_and_read_back() {
    for row in exchanges() {
        let Some(format) = row["stream_format"].as_str() else { continue };
        let body = row["response_body"].as_str().unwrap();
        let events = events_of_stream(framing(format), body.as_bytes(), body.len().max(1));
        let mut assembly = Assembly::new();
        events.iter().for_each(|event| assembly.push(event));
        let Ok(reply) = assembly.finish() else { continue };
        for json_array in [false, true] {
            let written = super::written(&events, json_array);
            let back = assembled(if json_array { Framing::JsonArray } else { Framing::Sse }, &written);
            let back = back.unwrap_or_else(|fault| panic!("{}: {fault:?}\n{}", row["id"], String::from_utf8_lossy(&written)));
            assert_eq!(summary(&reply), summary(&back), "{}", row["id"]);
        }
    }
}

#[test]
fn recorded_counts_are_read() {
    for row in crate::recorded::rows("corpus.jsonl", |api| api == "gemini.countTokens") {
        let body = row["request_body"].to_string();
        let request = crate::gemini::read_count_request(&head_of(&row), body.as_bytes()).unwrap();
        assert!(!request.messages.is_empty());
        if row["status"] == 200 {
            let reply = row["response_body"].as_str().unwrap();
            let total = crate::gemini::read_count_reply(reply.as_bytes()).unwrap();
            let sent: Value = serde_json::from_str(reply).unwrap();
            assert_eq!(sent["totalTokens"], total);
        }
    }
}
