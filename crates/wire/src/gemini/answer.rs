//! An answer, or one chunk of its stream, as Gemini writes it.

use std::borrow::Cow;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::partial::Piece;
use crate::dialect::Dialect;
use crate::lenient::{Count, whole_of};
use crate::reply::{Reason, Usage};
use crate::tier;

/// Text that is borrowed where it holds no escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// One `GenerateContentResponse`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(alias = "prompt_feedback")]
    pub(super) prompt_feedback: Option<PromptFeedback>,
    #[serde(borrow, alias = "usage_metadata")]
    pub(super) usage_metadata: Option<&'a RawValue>,
    #[serde(borrow, alias = "model_version")]
    pub(super) model_version: Option<Text<'a>>,
    #[serde(borrow, alias = "response_id")]
    pub(super) response_id: Option<Text<'a>>,
    #[serde(borrow, alias = "create_time")]
    pub(super) create_time: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// One of the answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    #[serde(alias = "finish_reason")]
    pub(super) finish_reason: Option<Name>,
    #[serde(alias = "finish_message")]
    pub(super) finish_message: Option<String>,
    #[serde(borrow, alias = "grounding_metadata")]
    pub(super) grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow, alias = "citation_metadata")]
    pub(super) citation_metadata: Option<&'a RawValue>,
    #[serde(borrow, alias = "logprobs_result")]
    pub(super) logprobs_result: Option<&'a RawValue>,
    #[serde(borrow, alias = "url_context_metadata")]
    pub(super) url_context_metadata: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) parts: Option<Vec<AnswerPart<'a>>>,
}

/// A piece of an answer: one of its members is there, and perhaps a signature.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnswerPart<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    pub(super) thought: Option<bool>,
    #[serde(borrow, alias = "thought_signature")]
    pub(super) thought_signature: Option<Text<'a>>,
    #[serde(borrow, alias = "function_call")]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, alias = "inline_data")]
    pub(super) inline_data: Option<&'a RawValue>,
    #[serde(borrow, alias = "file_data")]
    pub(super) file_data: Option<&'a RawValue>,
    #[serde(borrow, alias = "executable_code")]
    pub(super) executable_code: Option<&'a RawValue>,
    #[serde(borrow, alias = "code_execution_result")]
    pub(super) code_execution_result: Option<&'a RawValue>,
    #[serde(borrow, alias = "tool_call")]
    pub(super) tool_call: Option<&'a RawValue>,
    #[serde(borrow, alias = "tool_response")]
    pub(super) tool_response: Option<&'a RawValue>,
}

/// A call, or a piece of the one that is under way: only its beginning has a name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionCall<'a> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
    #[serde(borrow, alias = "partial_args")]
    pub(super) partial_args: Option<Vec<Piece<'a>>>,
    #[serde(alias = "will_continue")]
    pub(super) will_continue: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    #[serde(alias = "block_reason")]
    pub(super) block_reason: Option<Name>,
    #[serde(alias = "block_reason_message")]
    pub(super) block_reason_message: Option<String>,
}

/// An enumeration's value: by name, or by number where the caller asked for `enum-encoding=int`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Text(String),
    Number(u64),
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("the name or the number of an enumeration's value")
            }
            fn visit_str<E>(self, text: &str) -> Result<Name, E> {
                Ok(Name::Text(text.to_owned()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Name, E> {
                Ok(Name::Number(number))
            }
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Name, E> {
                whole_of(number).map(Name::Number).ok_or_else(|| E::custom("a number with a fraction"))
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Name, E> {
                u64::try_from(number).map(Name::Number).map_err(|_| E::custom("a negative number"))
            }
        }
        deserializer.deserialize_any(NameVisitor).map_err(D::Error::custom)
    }
}

/// Finish reasons in the order of their numbers in `generativelanguage` (Vertex numbers some of them otherwise, but is only known
/// to write names).
const FINISH_REASONS: [&str; 14] = [
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
];
const BLOCK_REASONS: [&str; 6] = ["BLOCK_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"];
/// The terms of service.
pub(super) const TIERS: [&str; 3] = ["standard", "flex", "priority"];
const MODALITIES: [&str; 6] = ["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"];

impl Name {
    fn among(&self, names: &[&str]) -> String {
        match self {
            Name::Text(text) => text.clone(),
            Name::Number(number) => {
                let name = usize::try_from(*number).ok().and_then(|at| names.get(at));
                name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
            }
        }
    }

    /// The name as a finish reason.
    pub(super) fn finish_reason(&self) -> String {
        self.among(&FINISH_REASONS)
    }

    /// The name as the reason why a prompt was blocked.
    pub(super) fn block_reason(&self) -> String {
        self.among(&BLOCK_REASONS)
    }
}

/// What a finish reason means; `called`: the answer holds calls of the client's tools.
pub(super) fn reason_of(name: &str, called: bool) -> Reason {
    match name {
        "STOP" if called => Reason::ToolCalls,
        "STOP" => Reason::Stop,
        "MAX_TOKENS" => Reason::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "MODEL_ARMOR" | "JAILBREAK" => Reason::ContentFilter,
        "IMAGE_SAFETY" | "IMAGE_PROHIBITED_CONTENT" | "IMAGE_RECITATION" | "NO_IMAGE" => Reason::ContentFilter,
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => Reason::Error,
        "MALFORMED_RESPONSE" | "MISSING_THOUGHT_SIGNATURE" => Reason::Error,
        _ => Reason::Other,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UsageMetadata {
    prompt_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    cached_content_token_count: Count,
    tool_use_prompt_token_count: Count,
    total_token_count: Count,
    prompt_tokens_details: Option<Vec<ModalityCount>>,
    candidates_tokens_details: Option<Vec<ModalityCount>>,
    service_tier: Option<String>,
    /// A word; some send its number.
    traffic_type: Option<serde_json::Value>,
}

/// The terms under which it was served: as the API says them, or as the kind of its traffic says them for a cloud's customers.
fn terms(sent: &UsageMetadata) -> Option<String> {
    let of_traffic = || match sent.traffic_type.as_ref()?.as_str()? {
        "FLEX" | "ON_DEMAND_FLEX" => Some("flex".to_owned()),
        "ON_DEMAND_PRIORITY" => Some("priority".to_owned()),
        _ => None,
    };
    sent.service_tier.clone().map(tier::read).or_else(of_traffic)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModalityCount {
    modality: Option<Name>,
    token_count: Count,
}

fn of_modality(details: Option<&Vec<ModalityCount>>, wanted: &str) -> Option<u64> {
    let is_wanted = |count: &&ModalityCount| count.modality.as_ref().is_some_and(|name| name.among(&MODALITIES) == wanted);
    details?.iter().filter(is_wanted).filter_map(|count| *count.token_count).reduce(u64::saturating_add)
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

/// Reads `usageMetadata`: the counts and the service tier. `None` where it is no such object.
pub(super) fn read_usage(raw: &RawValue) -> Option<(Usage, Option<String>)> {
    let sent: UsageMetadata = serde_json::from_str(raw.get()).ok()?;
    let input = sum(*sent.prompt_token_count, *sent.tool_use_prompt_token_count);
    let with_thoughts = sum(*sent.candidates_token_count, *sent.thoughts_token_count);
    let output = match (*sent.total_token_count, input) {
        // Some models count the thoughts among the candidates; the total tells.
        (Some(total), Some(input)) if sum(Some(input), *sent.candidates_token_count) == Some(total) => {
            Some(sent.candidates_token_count.unwrap_or(0))
        }
        _ => with_thoughts,
    };
    let (prompt, candidates) = (sent.prompt_tokens_details.as_ref(), sent.candidates_tokens_details.as_ref());
    let usage = Usage {
        input,
        output,
        total: *sent.total_token_count,
        cache_read: *sent.cached_content_token_count,
        reasoning: *sent.thoughts_token_count,
        input_text: of_modality(prompt, "TEXT"),
        input_audio: of_modality(prompt, "AUDIO"),
        input_image: of_modality(prompt, "IMAGE"),
        input_video: of_modality(prompt, "VIDEO"),
        input_document: of_modality(prompt, "DOCUMENT"),
        input_tool: *sent.tool_use_prompt_token_count,
        output_text: of_modality(candidates, "TEXT"),
        output_audio: of_modality(candidates, "AUDIO"),
        output_image: of_modality(candidates, "IMAGE"),
        raw: Some((Dialect::Gemini, raw.to_owned())),
        ..Usage::default()
    };
    Some((usage, terms(&sent)))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SentCount {
    modality: &'static str,
    token_count: u64,
}

/// Writes `usageMetadata`: as it came, where Gemini sent it.
pub(super) fn write_usage(usage: &Usage, service_tier: Option<&str>, out: &mut crate::json::Object<'_>) {
    if let Some((Dialect::Gemini, raw)) = &usage.raw {
        return out.raw("usageMetadata", raw.get());
    }
    out.object("usageMetadata", |out| {
        let prompt = usage.input.map(|input| input.saturating_sub(usage.input_tool.unwrap_or(0)));
        out.option("promptTokenCount", prompt);
        let candidates = usage.output.map(|output| output.saturating_sub(usage.reasoning.unwrap_or(0)));
        out.option("candidatesTokenCount", candidates);
        out.option("thoughtsTokenCount", usage.reasoning);
        out.option("cachedContentTokenCount", usage.cache_read);
        out.option("toolUsePromptTokenCount", usage.input_tool);
        let total = usage.total.or_else(|| Some(usage.input?.saturating_add(usage.output?)));
        out.option("totalTokenCount", total);
        let input = [
            ("TEXT", usage.input_text),
            ("IMAGE", usage.input_image),
            ("VIDEO", usage.input_video),
            ("AUDIO", usage.input_audio),
            ("DOCUMENT", usage.input_document),
        ];
        write_counts("promptTokensDetails", &input, out);
        let output = [("TEXT", usage.output_text), ("IMAGE", usage.output_image), ("AUDIO", usage.output_audio)];
        write_counts("candidatesTokensDetails", &output, out);
        out.option("serviceTier", service_tier.map(tier::standard));
    });
}

fn write_counts(key: &str, counts: &[(&'static str, Option<u64>)], out: &mut crate::json::Object<'_>) {
    let count = |(modality, count): &(&'static str, Option<u64>)| Some(SentCount { modality, token_count: (*count)? });
    let counts: Vec<SentCount> = counts.iter().filter_map(count).collect();
    if !counts.is_empty() {
        out.field(key, &counts);
    }
}

/// `createTime` (RFC 3339, in UTC) in Unix seconds.
pub(super) fn unix_seconds(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) || !text.ends_with('Z') {
        return None;
    }
    // Years are counted from March, so that the leap day is the last of its year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}
