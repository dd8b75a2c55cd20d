//! The bytes of a request, written once per connection; only the nonce changes from one to the next.

use crate::script::{NONCE_LENGTH, NONCE_MARK};

use super::{Format, Plan};

/// A request ready to be sent.
#[derive(Debug)]
pub(super) struct Order {
    bytes: Vec<u8>,
    nonce_at: usize,
    counter: u64,
}

impl Order {
    /// Writes the request of one connection; `connection` makes its nonces its own.
    pub(super) fn new(plan: &Plan, connection: usize) -> Self {
        let body = write_body(plan);
        let (path, extra) = match plan.format {
            Format::Openai => ("/v1/chat/completions", String::new()),
            Format::Anthropic => ("/v1/messages", format!("x-api-key: {}\r\nanthropic-version: 2023-06-01\r\n", plan.key)),
        };
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n{extra}user-agent: storm\r\naccept: */*\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            plan.target,
            plan.key,
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body.as_bytes());
        let nonce_at = memchr::memmem::find(&bytes, NONCE_MARK.as_bytes()).unwrap_or(bytes.len());
        Self { bytes, nonce_at, counter: (connection as u64) << 40 }
    }

    /// Puts the next nonce in its place.
    pub(super) fn renew_nonce(&mut self) {
        self.counter += 1;
        let digits = format!("{:016x}", self.counter);
        let at = self.nonce_at + NONCE_MARK.len();
        if let Some(place) = self.bytes.get_mut(at..at + digits.len()) {
            place.copy_from_slice(digits.as_bytes());
        }
    }

    /// The nonce with its mark.
    pub(super) fn nonce(&self) -> &[u8] {
        self.bytes.get(self.nonce_at..self.nonce_at + NONCE_LENGTH).unwrap_or_default()
    }

    /// The whole request.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn write_body(plan: &Plan) -> String {
    let prompt = "The quick brown fox jumps over the lazy dog. ";
    let filler: String = prompt.chars().cycle().take(plan.prompt_bytes).collect();
    let limit = if plan.format == Format::Anthropic { ",\"max_tokens\":4096" } else { "" };
    let stream = match (plan.stream, plan.format, plan.no_usage) {
        (false, _, _) => "",
        (true, Format::Openai, false) => ",\"stream\":true,\"stream_options\":{\"include_usage\":true}",
        (true, _, _) => ",\"stream\":true",
    };
    format!(
        "{{\"model\":\"{}\"{limit},\"messages\":[{{\"role\":\"user\",\"content\":\"{NONCE_MARK}{:016x} {filler}\"}}],\
         \"temperature\":0.5{stream}}}",
        plan.model, 0
    )
}
