//! What the meter wants of an ordinary answer, without reading the rest.
//!
//! Three searches from the end find what is wanted. Anything unusual (an unknown count, a finish reason of a provider's own, no
//! choices) is left to the full reader.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::{self, FinderRev};
use serde::Deserialize;

use super::finish::read_finish;
use crate::dialect::{Glance, Memo};
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

/// Where an answer's choices begin, its usage and its finish reason. A quote inside a string is escaped, so none of these can be said
/// by the model.
const CHOICES: &[u8] = b"\"choices\":";
static USAGE: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b"\"usage\":"));
static FINISH: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b"\"finish_reason\":"));
static TIER: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b"\"service_tier\":"));

/// How far from the end the search for a tier goes: it stands beside the usage.
const TAIL: usize = 512;

/// Usage, finish reason and tier of an ordinary answer.
pub(super) fn glance(body: &Bytes) -> Option<Glance> {
    let body: &[u8] = body.trim_ascii();
    if !body.starts_with(b"{") || !body.ends_with(b"}") || memmem::find(body, CHOICES).is_none() {
        return None;
    }
    let finish: Cow<'_, str> = value(body, &FINISH)?.ok()?;
    if !matches!(&*finish, "stop" | "length" | "tool_calls" | "content_filter") {
        return None;
    }
    let usage = match value::<Tokens>(body, &USAGE) {
        Some(tokens) => Some(counted(&tokens.ok()?)?),
        None => None,
    };
    let tail = &body[body.len().saturating_sub(TAIL)..];
    let service_tier = value::<Option<String>>(tail, &TIER).and_then(Result::ok).flatten();
    let finish = read_finish(Some(&finish), None, finish == "tool_calls", &Memo::default());
    Some(Glance { usage, finish, service_tier })
}

/// The value after the last place where the key stands.
fn value<'a, T: Deserialize<'a>>(body: &'a [u8], key: &FinderRev<'_>) -> Option<serde_json::Result<T>> {
    let at = key.rfind(body)? + key.needle().len();
    let mut values = serde_json::Deserializer::from_slice(&body[at..]).into_iter::<T>();
    values.next()
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
            ORDINARY.replace("\"finish_reason\":\"stop\"", "\"finish_reason\":\"error\""),
            ORDINARY.replace("choices", "answers"),
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
