//! Bedrock Converse: Amazon's one format for the models of many makers.
//!
//! The specification is Amazon's API reference, `Converse` and `ConverseStream`
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>). Only providers speak it here.
//!
//! | field | meaning | loss |
//! |---|---|---|
//! | path `/model/{id}/converse[-stream]` | model, stream | |
//! | `system[].text`, `.cachePoint` | `system` and the turns of the system that open the conversation | a system turn in the middle becomes a user's with a note: approximated |
//! | `messages[]` | `messages`, neighbours of one role merged | a turn of the user's is put first where there is none |
//! | `text` | `Text`, `Refusal` | blank text is not allowed and left out |
//! | `image`, `video`, `audio`, `document` | media as base64 or in S3 | other URLs and file ids: refused |
//! | `toolUse`, `toolResult` | calls and results; names and ids in the API's alphabet, see [`Memo::renamed`](crate::half::Memo) | free text as input is wrapped in an object |
//! | `reasoningContent` | thoughts that the model's vendor sealed | others are left out: approximated |
//! | `cachePoint` | `Part::cache`, `Function::cache` | dropped for models without prompt caches |
//! | `inferenceConfig` | token limit, temperature, `top_p`, stop sequences | temperatures above 1 are clamped |
//! | `toolConfig.toolChoice` | `tool_choice` | "none" exists only as "no tools" |
//! | `outputConfig.textFormat` | JSON schema | where the model takes none: a tool that must be called |
//! | `additionalModelRequestFields` | thinking, `top_k`, … in the model's own words | |
//! | `requestMetadata`, `serviceTier` | `metadata`, `service_tier` | labels outside the alphabet |
//! | `guardrailConfig`, `performanceConfig`, … | passed on from whatever dialect carries them | |
//! | `usage` | `inputTokens` excludes the cache, [`Usage::input`](crate::reply::Usage) does not | |
//! | `trace`, `additionalModelResponseFields`, `performanceConfig` | `ChatReply::extra` | `metrics` is measured by the gateway itself |
//! | items of tools that Bedrock runs (`server_tool_use`) | `Hosted` | |

mod error;
mod names;
mod pen;
mod read_events;
mod reply;
#[cfg(test)]
mod tests;
mod thinking;
mod write_blocks;
mod write_media;
mod write_request;
mod write_tools;

use http::{HeaderMap, StatusCode};

use crate::chat::{ChatRequest, Part};
use crate::dialect::Dialect;
use crate::event::EventReader;
use crate::framing::Framing;
use crate::half::{Memo, Outbound, Profile, Written};
use crate::problem::{Fault, Unsupported};
use crate::reply::{ChatReply, Usage};
use crate::seal;

const HERE: Dialect = Dialect::Bedrock;

/// What a model took that was invoked in its own form, as the headers of its answer tell it.
pub fn invoked(headers: &HeaderMap) -> Option<Usage> {
    let count = |name: &str| headers.get(format!("x-amzn-bedrock-{name}-token-count"))?.to_str().ok()?.parse().ok();
    counted(count("input"), count("output"), (count("cache-read-input"), count("cache-write-input")))
}

/// The counts of an invocation; what was in a cache stands beside the input.
pub(crate) fn counted(input: Option<u64>, output: Option<u64>, (read, write): (Option<u64>, Option<u64>)) -> Option<Usage> {
    let input = input.map(|input| input.saturating_add(read.unwrap_or(0)).saturating_add(write.unwrap_or(0)));
    let told = input.is_some() || output.is_some();
    told.then(|| Usage { input, output, cache_read: read, cache_write: write, ..Usage::default() })
}

/// Bedrock Converse.
#[derive(Clone, Copy, Debug)]
pub struct Bedrock;

impl Outbound for Bedrock {
    fn framing(&self) -> Framing {
        Framing::AwsEventStream
    }

    fn below(&self, key: &str) -> Option<&'static str> {
        write_request::below(key)
    }

    fn nests(&self) -> bool {
        true
    }

    fn model_key(&self) -> Option<&'static str> {
        None
    }

    fn path(&self, model: &str, stream: bool) -> String {
        let action = if stream { "converse-stream" } else { "converse" };
        format!("/model/{}/{action}", names::path_segment(model))
    }

    fn wants_bytes(&self, _part: &Part) -> bool {
        true
    }

    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported> {
        write_request::write(request, profile)
    }

    fn read_reply(&self, memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
        reply::read(memo, body)
    }

    fn event_reader(&self, memo: Memo) -> Box<dyn EventReader> {
        Box::new(read_events::Reader::new(memo))
    }

    fn read_fault(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
        error::read(status, headers, body)
    }
}

/// Whose seals the model can open: Claude's are Anthropic's wherever it runs.
fn sealer(vendor: Option<&str>) -> &'static str {
    if vendor == Some(seal::ANTHROPIC) { seal::ANTHROPIC } else { seal::BEDROCK }
}
