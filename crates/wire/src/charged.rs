//! What an answer cost, in the usage of one that passes as it came. OpenRouter's clients look for it there, and providers do not say it.

use bytes::Bytes;
use memchr::memmem;

use crate::dialect::Dialect;
use crate::frames::Frames;
use crate::json;
use crate::openai_chat::usage::{PARTS, write_bill};
use crate::openai_responses;
use crate::outline::{Edits, Outline};
use crate::reply::Usage;

/// Whether an event may be the one whose usage is of the whole answer. Few are: the others are not read.
pub fn may_tell(dialect: Dialect, payload: &[u8]) -> bool {
    let named = |name: &str| memmem::find(payload, name.as_bytes()).is_some();
    match dialect {
        Dialect::OpenAiResponses => named("\"response.completed\"") || named("\"response.incomplete\""),
        Dialect::Anthropic => named("\"message_delta\""),
        Dialect::OpenAiCompletions => named("\"usage\""),
        _ => false,
    }
}

/// A whole answer or an event with that cost in its usage; `None`: it has no usage, or one that says what it cost.
pub fn told(dialect: Dialect, payload: &[u8], cost: &Usage) -> Option<Bytes> {
    let frames = Frames::from(Bytes::copy_from_slice(payload));
    let outline = Outline::scan(&frames).ok()?;
    let of = |key: &str| outline.get(key).map(|entry| &payload[entry.value.start..entry.value.end]);
    let edits = match of("response") {
        // The events of one API hold the whole answer.
        Some(response) => Edits { set: vec![("response".to_owned(), text(told(dialect, response, cost)?)?)], ..Edits::default() },
        None => {
            let usage = Frames::from(Bytes::copy_from_slice(of("usage")?));
            if Outline::scan(&usage).ok()?.get("cost").is_some() {
                return None;
            }
            Edits { lay: vec![("usage".to_owned(), text(fields(dialect, cost).into())?)], ..Edits::default() }
        }
    };
    Some(outline.apply(&frames, &edits).join())
}

fn fields(dialect: Dialect, usage: &Usage) -> Vec<u8> {
    let parts = if dialect == Dialect::OpenAiResponses { openai_responses::PARTS } else { PARTS };
    json::object(|out| {
        if let Some(cost) = &usage.cost {
            out.raw("cost", cost);
        }
        write_bill(out, usage, parts);
    })
}

fn text(bytes: Bytes) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::reply::Bill;

    fn made(dialect: Dialect, payload: &Value) -> Option<Value> {
        let bill = Bill { upstream: "0.1".to_owned(), prompt: "0.04".to_owned(), answer: "0.06".to_owned() };
        let cost = Usage { cost: Some("0.11".to_owned()), bill: Some(Box::new(bill)), ..Usage::default() };
        told(dialect, payload.to_string().as_bytes(), &cost).map(|body| serde_json::from_slice(&body).expect("JSON"))
    }

    #[test]
    fn the_usage_of_an_answer_or_its_last_event_says_what_it_cost() {
        let whole = made(Dialect::Anthropic, &json!({"id": "m", "usage": {"input_tokens": 1}})).expect("a usage");
        let details =
            json!({"upstream_inference_cost": 0.1, "upstream_inference_prompt_cost": 0.04, "upstream_inference_completions_cost": 0.06});
        assert_eq!(whole, json!({"id": "m", "usage": {"input_tokens": 1, "cost": 0.11, "is_byok": false, "cost_details": details}}));
        let event = json!({"type": "response.completed", "response": {"id": "r", "usage": {"input_tokens": 1}}});
        let event = made(Dialect::OpenAiResponses, &event).expect("a usage");
        assert_eq!(event["response"]["usage"]["cost"], 0.11);
        assert_eq!(event["response"]["usage"]["cost_details"]["upstream_inference_input_cost"], 0.04);
        assert!(
            may_tell(Dialect::Anthropic, b"{\"type\":\"message_delta\"}") && !may_tell(Dialect::Anthropic, b"{\"type\":\"message_start\"}")
        );
    }

    #[test]
    fn what_has_no_usage_or_says_what_it_cost_stays_as_it_is() {
        for payload in [json!({"id": "m"}), json!({"usage": null}), json!({"usage": {"cost": 1}}), json!([1]), json!({"response": {}})] {
            assert_eq!(made(Dialect::OpenAiResponses, &payload), None, "{payload}");
        }
    }
}
