//! OpenAI's chat completions and embeddings, as the mock says them.

use std::fmt::Write as _;

use crate::script::{Fault, Script};

use super::ask::Ask;
use super::shape::Shape;

/// The answer to `GET /v1/models`.
pub(super) const MODELS: &[u8] = br#"{"object":"list","data":[{"id":"mock","object":"model","created":1700000000,"owned_by":"mockup"}]}"#;

/// `POST /chat/completions`.
pub(super) struct Chat;

/// `POST /embeddings`.
pub(super) struct Embeddings;

fn usage(prompt: u64, completion: u64) -> String {
    format!(
        "{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"total_tokens\":{},\
         \"prompt_tokens_details\":{{\"cached_tokens\":0}},\"completion_tokens_details\":{{\"reasoning_tokens\":0}}}}",
        prompt + completion
    )
}

fn event(ask: &Ask<'_>, delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"{}\",\
         \"system_fingerprint\":\"fp_mock\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\
         \"finish_reason\":{finish}}}]}}\n\n",
        ask.model
    )
}

impl Shape for Chat {
    fn name(&self) -> &'static str {
        "chat"
    }

    fn write_whole(&self, out: &mut Vec<u8>, ask: &Ask<'_>, script: &Script, fault: Option<Fault>) {
        let empty = fault == Some(Fault::Empty);
        let text = if empty { String::new() } else { ask.greeting() + &script.answer_text() };
        let completion = if empty { 0 } else { u64::from(script.answer_tokens()) };
        let usage = match fault {
            Some(Fault::NoUsage) => String::new(),
            _ => format!(",\"usage\":{}", usage(ask.prompt_tokens(), completion)),
        };
        let body = format!(
            "{{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"{}\",\
             \"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\",\"refusal\":null}},\
             \"logprobs\":null,\"finish_reason\":\"stop\"}}]{usage},\"system_fingerprint\":\"fp_mock\"}}",
            ask.model
        );
        out.extend_from_slice(body.as_bytes());
    }

    fn opening(&self, ask: &Ask<'_>) -> Vec<String> {
        vec![event(ask, "{\"role\":\"assistant\",\"content\":\"\"}", "null")]
    }

    fn delta(&self, ask: &Ask<'_>, text: &str) -> String {
        event(ask, &format!("{{\"content\":\"{text}\"}}"), "null")
    }

    fn closing(&self, ask: &Ask<'_>, tokens: Option<u32>) -> Vec<String> {
        let mut events = vec![event(ask, "{}", "\"stop\"")];
        if let Some(tokens) = tokens.filter(|_| ask.include_usage) {
            events.push(format!(
                "data: {{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
                 \"model\":\"{}\",\"choices\":[],\"usage\":{}}}\n\n",
                ask.model,
                usage(ask.prompt_tokens(), u64::from(tokens))
            ));
        }
        events
    }

    fn end(&self) -> &'static str {
        "data: [DONE]\n\n"
    }

    fn error_body(&self, status: u16, kind: &str) -> String {
        let code = if kind == "insufficient_quota" { "\"insufficient_quota\"" } else { "null" };
        format!("{{\"error\":{{\"message\":\"mock fault {status}\",\"type\":\"{kind}\",\"param\":null,\"code\":{code}}}}}")
    }

    fn error_event(&self) -> String {
        format!("data: {}\n\n", self.error_body(500, "server_error"))
    }
}

const DIMENSIONS: u32 = 256;

impl Shape for Embeddings {
    fn name(&self) -> &'static str {
        "embeddings"
    }

    fn can_stream(&self) -> bool {
        false
    }

    fn write_whole(&self, out: &mut Vec<u8>, ask: &Ask<'_>, _: &Script, fault: Option<Fault>) {
        let mut vector = String::with_capacity(DIMENSIONS as usize * 9);
        let dimensions = if fault == Some(Fault::Empty) { 0 } else { DIMENSIONS };
        for index in 0..dimensions {
            let comma = if index == 0 { "" } else { "," };
            // Writing into a string cannot fail.
            let _ = write!(vector, "{comma}0.{:06}", index * 3907 % 1_000_000);
        }
        let tokens = ask.prompt_tokens();
        let body = format!(
            "{{\"object\":\"list\",\"data\":[{{\"object\":\"embedding\",\"index\":0,\"embedding\":[{vector}]}}],\
             \"model\":\"{}\",\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}}}",
            ask.model
        );
        out.extend_from_slice(body.as_bytes());
    }

    fn opening(&self, _: &Ask<'_>) -> Vec<String> {
        Vec::new()
    }

    fn delta(&self, _: &Ask<'_>, _: &str) -> String {
        String::new()
    }

    fn closing(&self, _: &Ask<'_>, _: Option<u32>) -> Vec<String> {
        Vec::new()
    }

    fn end(&self) -> &'static str {
        ""
    }

    fn error_body(&self, status: u16, kind: &str) -> String {
        Chat.error_body(status, kind)
    }

    fn error_event(&self) -> String {
        String::new()
    }
}
