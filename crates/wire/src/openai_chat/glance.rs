//! What the meter wants of an ordinary answer, without reading the rest.
//!
//! Only answers that hold nothing but the usual fields are read here; anything else is left to the full reader.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::finish::read_finish;
use crate::dialect::{Glance, Memo};
use crate::reply::Usage;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer<'a> {
    #[serde(rename = "id")]
    _id: IgnoredAny,
    #[serde(rename = "object", default)]
    _object: IgnoredAny,
    #[serde(rename = "created", default)]
    _created: IgnoredAny,
    #[serde(rename = "model", default)]
    _model: IgnoredAny,
    #[serde(rename = "system_fingerprint", default)]
    _fingerprint: IgnoredAny,
    #[serde(borrow)]
    choices: [Choice<'a>; 1],
    usage: Option<Tokens>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice<'a> {
    #[serde(rename = "index", default)]
    _index: IgnoredAny,
    #[serde(rename = "message")]
    _message: Message,
    #[serde(rename = "logprobs", default)]
    _logprobs: IgnoredAny,
    #[serde(borrow)]
    finish_reason: Cow<'a, str>,
}

/// An object; its fields are of no concern.
#[derive(Deserialize)]
struct Message {}

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
pub(super) fn glance(body: &[u8]) -> Option<Glance> {
    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    let [choice] = answer.choices;
    let usage = match answer.usage {
        Some(tokens) => Some(counted(&tokens)?),
        None => None,
    };
    let finish = read_finish(Some(&choice.finish_reason), None, choice.finish_reason == "tool_calls", &Memo::default());
    Some(Glance { usage, finish, service_tier: answer.service_tier.map(Cow::into_owned) })
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
        let glance = OpenAiChat.glance(ORDINARY.as_bytes()).expect("an ordinary answer");
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
            assert!(OpenAiChat.glance(body.as_bytes()).is_none(), "{body}");
        }
    }
}
