//! Anthropic's messages, as the mock says them.

use crate::script::{Fault, Script};

use super::ask::Ask;
use super::shape::Shape;

/// `POST /messages`.
pub(super) struct Messages;

fn event(name: &str, rest: &str) -> String {
    format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n")
}

impl Shape for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn write_whole(&self, out: &mut Vec<u8>, ask: &Ask<'_>, script: &Script, fault: Option<Fault>) {
        let empty = fault == Some(Fault::Empty);
        let tokens = if empty { 0 } else { script.answer_tokens() };
        let content = match empty {
            true => String::new(),
            false => format!("{{\"type\":\"text\",\"text\":\"{}{}\"}}", ask.greeting(), script.answer_text()),
        };
        let usage = match fault {
            Some(Fault::NoUsage) => String::new(),
            _ => format!(
                ",\"usage\":{{\"input_tokens\":{},\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\
                 \"output_tokens\":{tokens}}}",
                ask.prompt_tokens()
            ),
        };
        let body = format!(
            "{{\"id\":\"msg_mock\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"{}\",\"content\":[{content}],\
             \"stop_reason\":\"end_turn\",\"stop_sequence\":null{usage}}}",
            ask.model
        );
        out.extend_from_slice(body.as_bytes());
    }

    fn opening(&self, ask: &Ask<'_>) -> Vec<String> {
        let message = format!(
            ",\"message\":{{\"id\":\"msg_mock\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"{}\",\"content\":[],\
             \"stop_reason\":null,\"stop_sequence\":null,\"usage\":{{\"input_tokens\":{},\"output_tokens\":1}}}}",
            ask.model,
            ask.prompt_tokens()
        );
        let block = ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}";
        vec![event("message_start", &message), event("content_block_start", block), event("ping", "")]
    }

    fn delta(&self, _: &Ask<'_>, text: &str) -> String {
        let rest = format!(",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}");
        event("content_block_delta", &rest)
    }

    fn closing(&self, _: &Ask<'_>, tokens: Option<u32>) -> Vec<String> {
        let usage = tokens.map(|tokens| format!(",\"usage\":{{\"output_tokens\":{tokens}}}")).unwrap_or_default();
        let delta = format!(",\"delta\":{{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}}{usage}");
        vec![event("content_block_stop", ",\"index\":0"), event("message_delta", &delta)]
    }

    fn end(&self) -> &'static str {
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    }

    fn error_body(&self, status: u16, kind: &str) -> String {
        format!(
            "{{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"mock fault {status}\"}},\
             \"request_id\":\"req_mock\"}}"
        )
    }

    fn error_event(&self) -> String {
        format!("event: error\ndata: {}\n\n", self.error_body(529, "overloaded_error"))
    }
}
