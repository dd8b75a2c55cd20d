//! What an operation that is no chat took, as OpenAI and those who follow it report it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::bedrock;
use crate::dialect::Operation;
use crate::event::{Event, EventReader, Frame};
use crate::lenient::{Count, whole_of};
use crate::problem::{Fault, Kind, Malformed};
use crate::reply::{Finish, Reason, Usage};

#[cfg(test)]
#[path = "usage/tests.rs"]
mod tests;

/// The counts of OpenAI's newer operations (`input_tokens`) and of its older ones (`prompt_tokens`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Report {
    prompt_tokens: Option<Number>,
    completion_tokens: Option<Number>,
    input_tokens: Option<Number>,
    output_tokens: Option<Number>,
    total_tokens: Option<Number>,
    #[serde(alias = "input_token_details", alias = "prompt_tokens_details")]
    input_tokens_details: Option<Details>,
    #[serde(alias = "output_token_details")]
    output_tokens_details: Option<Details>,
    cost: Option<RawCost>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    text_tokens: Option<Number>,
    image_tokens: Option<Number>,
    audio_tokens: Option<Number>,
    cached_tokens: Option<Number>,
    reasoning_tokens: Option<Number>,
}

/// OpenRouter sends a number, Perplexity an object with the sum in it.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawCost {
    Number(Number),
    Object { total_cost: Option<Number> },
}

/// A count, however it is written.
pub(crate) fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| whole_of(number.as_f64()?))
}

fn count(number: Option<Number>) -> Option<u64> {
    number.as_ref().and_then(whole)
}

/// The counts of a `usage` object; `None` where it holds none in tokens.
pub fn read(raw: &RawValue) -> Option<Usage> {
    let report: Report = serde_json::from_str(raw.get()).ok()?;
    let total = count(report.total_tokens);
    let output = count(report.output_tokens.or(report.completion_tokens));
    // Voyage and Jina give the sum alone: without an answer in tokens the sum is the prompt.
    let input = count(report.input_tokens.or(report.prompt_tokens)).or_else(|| total.filter(|_| output.unwrap_or(0) == 0));
    let prompt = report.input_tokens_details.unwrap_or_default();
    let answer = report.output_tokens_details.unwrap_or_default();
    let cost = report.cost.and_then(|cost| match cost {
        RawCost::Number(number) => Some(number),
        RawCost::Object { total_cost } => total_cost,
    });
    let usage = Usage {
        input,
        output,
        total,
        cache_read: count(prompt.cached_tokens),
        input_text: count(prompt.text_tokens),
        input_image: count(prompt.image_tokens),
        input_audio: count(prompt.audio_tokens),
        output_text: count(answer.text_tokens),
        output_image: count(answer.image_tokens),
        output_audio: count(answer.audio_tokens),
        reasoning: count(answer.reasoning_tokens),
        cost: cost.map(|number| number.to_string()),
        ..Usage::default()
    };
    (usage != Usage::default()).then_some(usage)
}

/// What one answer took: tokens, and what is counted otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spent {
    /// The tokens.
    pub usage: Option<Usage>,
    /// Sound that was heard, in milliseconds.
    pub heard: Option<u64>,
    /// Images that were made.
    pub images: Option<u64>,
    /// Searches, as rerankers count them.
    pub queries: Option<u64>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    duration: Option<Number>,
    data: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct Duration {
    #[serde(alias = "prompt_audio_seconds")]
    seconds: Option<Number>,
}

/// What a whole answer of that operation took, by its own report.
pub fn of_answer(operation: Operation, body: &[u8]) -> Spent {
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) else { return Spent::default() };
    let images = matches!(operation, Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations);
    let told = answer.usage.and_then(|raw| serde_json::from_str::<Duration>(raw.get()).ok()).and_then(|told| told.seconds);
    let sound = matches!(operation, Operation::Transcriptions | Operation::Translations);
    let heard = sound.then(|| told.or(answer.duration)).flatten();
    Spent {
        usage: answer.usage.and_then(read).map(|usage| if images { drawn(usage) } else { usage }),
        heard: heard.as_ref().and_then(millis),
        images: answer.data.filter(|_| images).and_then(|data| u64::try_from(data.len()).ok()),
        queries: None,
    }
}

/// What an API of images puts out is images, unless it says what else.
fn drawn(usage: Usage) -> Usage {
    let is_told = usage.output_image.is_some() || usage.output_text.is_some() || usage.reasoning.is_some();
    if is_told { usage } else { Usage { output_image: usage.output, ..usage } }
}

fn millis(seconds: &Number) -> Option<u64> {
    let millis = (seconds.as_f64()? * 1000.0).round();
    let fits = (0.0..1e12).contains(&millis);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    fits.then_some(millis as u64)
}

/// Reads the streams of OpenAI's operations that are no chat (images, speech, transcriptions): their usage and their end. What
/// they carry is not read.
#[derive(Debug, Default)]
pub struct StreamedUsage {
    ended: bool,
}

#[derive(Deserialize)]
struct Step<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<Within<'a>>,
    #[serde(rename = "amazon-bedrock-invocationMetrics")]
    invoked: Option<Invoked>,
}

/// What Bedrock counted of a model that answers in its own form; it stands in the last event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invoked {
    input_token_count: Count,
    output_token_count: Count,
    cache_read_input_token_count: Count,
    cache_write_input_token_count: Count,
}

/// Events of the Responses API hold the answer as it is by then.
#[derive(Deserialize)]
struct Within<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Told {
    message: Option<String>,
    code: Option<String>,
}

impl StreamedUsage {
    fn end(&mut self, out: &mut Vec<Event>) {
        if !self.ended {
            self.ended = true;
            out.push(Event::End { finish: Finish { reason: Reason::Stop, ..Finish::default() }, service_tier: None });
        }
    }
}

impl EventReader for StreamedUsage {
    fn read(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<(), Malformed> {
        if frame.payload == b"[DONE]" {
            self.end(out);
            return Ok(());
        }
        let step: Step<'_> = serde_json::from_slice(frame.payload).map_err(|error| Malformed::new(&error.to_string()))?;
        if let Some(raw) = step.error {
            let told: Option<Told> = serde_json::from_str(raw.get()).ok();
            let (message, code) = told.map_or((None, None), |told| (told.message, told.code));
            let fault = Fault::seen(Kind::Upstream, "upstream_error", message.unwrap_or_else(|| raw.get().to_owned()));
            let raw = bytes::Bytes::copy_from_slice(frame.payload);
            out.push(Event::Fault(Box::new(Fault { code: code.or(fault.code.clone()), raw, ..fault })));
            return Ok(());
        }
        let within = step.response.and_then(|answer| answer.usage);
        if let Some(usage) = step.usage.or(within).and_then(read) {
            out.push(Event::Usage(Box::new(usage)));
        }
        if let Some(invoked) = step.invoked {
            let caches = (*invoked.cache_read_input_token_count, *invoked.cache_write_input_token_count);
            let usage = bedrock::counted(*invoked.input_token_count, *invoked.output_token_count, caches);
            out.extend(usage.map(|usage| Event::Usage(Box::new(usage))));
            self.end(out);
        }
        // `image_generation.completed`, `image_edit.completed`, `speech.audio.done`, `transcript.text.done`.
        let kind = step.kind.unwrap_or_default();
        if kind.ends_with(".completed") || matches!(kind.as_str(), "speech.audio.done" | "transcript.text.done") {
            self.end(out);
        }
        Ok(())
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if !self.ended {
            out.push(Event::Fault(Box::new(Fault::truncated())));
        }
    }
}
