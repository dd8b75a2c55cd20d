//! What the meter wants of an ordinary answer, without reading the rest.
//!
//! Only answers that hold nothing but the usual fields are read here; anything else is left to the full reader.

use bytes::Bytes;
use serde::Deserialize;

use super::finish::read_finish;
use crate::dialect::{Glance, Memo};
use crate::frames::Frames;
use crate::outline::{Outline, Span};
use crate::reply::Usage;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<PromptTokens>,
    #[serde(default)]
    completion_tokens_details: Option<AnswerTokens>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptTokens {
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    audio_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerTokens {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
    #[serde(default)]
    audio_tokens: Option<u64>,
    #[serde(default)]
    accepted_prediction_tokens: Option<u64>,
    #[serde(default)]
    rejected_prediction_tokens: Option<u64>,
}

/// Usage, finish reason and tier of an ordinary answer.
pub(super) fn glance(body: &Bytes) -> Option<Glance> {
    let body = Frames::from(body.clone());
    let top = Outline::scan(&body).ok()?;
    const KNOWN: [&str; 9] = ["id", "object", "created", "model", "system_fingerprint", "choices", "usage", "service_tier", "provider"];
    if !top.entries().iter().all(|entry| KNOWN.contains(&&*entry.key)) || top.get("id").is_none() {
        return None;
    }
    let finish = finish_of(&body, top.get("choices")?.value)?;
    let usage = match top.get("usage") {
        Some(entry) => Some(counted(&serde_json::from_slice(&body.slice(entry.value.start, entry.value.end)).ok()?)?),
        None => None,
    };
    let service_tier = top.read(&body, "service_tier").ok()?;
    let finish = read_finish(Some(&finish), None, finish == "tool_calls", &Memo::default());
    Some(Glance { usage, finish, service_tier })
}

/// The finish reason of the one choice, whose message is an object.
fn finish_of(body: &Frames, choices: Span) -> Option<String> {
    let inner = trim(&body.slice(choices.start + 1, choices.end - 1))?;
    let choice = Frames::from(inner);
    let outline = Outline::scan(&choice).ok()?;
    let usual = |key: &str| matches!(key, "index" | "message" | "logprobs" | "finish_reason");
    let message = outline.get("message")?.value;
    let object = choice.slice(message.start, message.end).starts_with(b"{");
    if !object || !outline.entries().iter().all(|entry| usual(&entry.key)) {
        return None;
    }
    outline.read(&choice, "finish_reason").ok()?
}

fn trim(bytes: &Bytes) -> Option<Bytes> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let end = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace())?;
    Some(bytes.slice(start..=end))
}

/// The counts, where they add up as OpenAI's do.
fn counted(tokens: &Tokens) -> Option<Usage> {
    if tokens.prompt_tokens.checked_add(tokens.completion_tokens) != Some(tokens.total_tokens) {
        return None;
    }
    let prompt = tokens.prompt_tokens_details.as_ref();
    let answer = tokens.completion_tokens_details.as_ref();
    Some(Usage {
        input: Some(tokens.prompt_tokens),
        output: Some(tokens.completion_tokens),
        total: Some(tokens.total_tokens),
        cache_read: prompt.and_then(|prompt| prompt.cached_tokens),
        input_audio: prompt.and_then(|prompt| prompt.audio_tokens),
        reasoning: answer.and_then(|answer| answer.reasoning_tokens),
        output_audio: answer.and_then(|answer| answer.audio_tokens),
        accepted_prediction: answer.and_then(|answer| answer.accepted_prediction_tokens),
        rejected_prediction: answer.and_then(|answer| answer.rejected_prediction_tokens),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::OpenAiChat;
    use crate::dialect::{Memo, Outbound};

    const ORDINARY: &str = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",
        "content":"hi","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,
        "total_tokens":12,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":1,
        "audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":null}"#;

    #[test]
    fn a_glance_sees_what_the_full_reader_sees() {
        let glance = OpenAiChat.glance(&ORDINARY.into()).expect("an ordinary answer");
        let reply = OpenAiChat.read_reply(&Memo::default(), ORDINARY.as_bytes()).expect("an answer");
        assert_eq!(glance.usage, reply.usage);
        assert_eq!(glance.finish, reply.finish);
        assert_eq!(glance.service_tier, reply.service_tier);
    }

    #[test]
    fn anything_unusual_is_left_to_the_full_reader() {
        let unusual = [
            ORDINARY.replace("\"total_tokens\":12", "\"total_tokens\":13"),
            ORDINARY.replace("\"id\":\"a\"", "\"id\":\"a\",\"error\":{\"message\":\"no\"}"),
            ORDINARY.replace("\"finish_reason\":\"stop\"", "\"finish_reason\":null"),
            ORDINARY.replace("\"cached_tokens\":4", "\"cached_tokens\":-4"),
            "null".to_owned(),
            "<html>".to_owned(),
        ];
        for body in unusual {
            assert!(OpenAiChat.glance(&body.clone().into()).is_none(), "{body}");
        }
    }
}
