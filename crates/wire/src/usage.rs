//! What an operation that is no chat took, as OpenAI and those who follow it report it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::bedrock;
use crate::chat::{Media, MediaSource};
use crate::dialect::Operation;
use crate::event::{BlockKind, Event, EventReader, Frame};
use crate::lenient::Count;
use crate::openai;
use crate::problem::{Fault, Kind, Malformed};
use crate::reply::{Finish, Reason, Usage};

#[cfg(test)]
#[path = "usage/tests.rs"]
mod tests;

/// The counts of OpenAI's newer operations (`input_tokens`) and of its older ones (`prompt_tokens`). What is written oddly is not
/// there, and the rest is read all the same.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Report<'a> {
    prompt_tokens: Count,
    completion_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    #[serde(borrow)]
    input_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    input_token_details: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    output_token_details: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    #[serde(borrow)]
    cost_in_usd_ticks: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    text_tokens: Count,
    image_tokens: Count,
    audio_tokens: Count,
    cached_tokens: Count,
    reasoning_tokens: Count,
}

impl Details {
    /// Those of the first place that holds any.
    fn of<const PLACES: usize>(places: [Option<&RawValue>; PLACES]) -> Self {
        places.into_iter().flatten().find_map(|raw| serde_json::from_str::<Option<Self>>(raw.get()).ok().flatten()).unwrap_or_default()
    }
}

/// The counts of a `usage` object; `None` where it holds none in tokens.
pub fn read(raw: &RawValue) -> Option<Usage> {
    let report: Report<'_> = serde_json::from_str(raw.get()).ok()?;
    let total = *report.total_tokens;
    let output = report.output_tokens.or(*report.completion_tokens);
    // Voyage and Jina give the sum alone: without an answer in tokens the sum is the prompt.
    let input = report.input_tokens.or(*report.prompt_tokens).or_else(|| total.filter(|_| output.unwrap_or(0) == 0));
    let prompt = Details::of([report.input_tokens_details, report.input_token_details, report.prompt_tokens_details]);
    let answer = Details::of([report.output_tokens_details, report.output_token_details, report.completion_tokens_details]);
    let usage = Usage {
        input,
        output,
        total,
        cache_read: *prompt.cached_tokens,
        input_text: *prompt.text_tokens,
        input_image: *prompt.image_tokens,
        input_audio: *prompt.audio_tokens,
        output_text: *answer.text_tokens,
        output_image: *answer.image_tokens,
        output_audio: *answer.audio_tokens,
        reasoning: *answer.reasoning_tokens,
        cost: openai::cost(report.cost, report.cost_in_usd_ticks),
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
    #[serde(borrow)]
    duration: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Duration<'a> {
    #[serde(borrow)]
    seconds: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_audio_seconds: Option<&'a RawValue>,
}

/// What a whole answer of that operation took, by its own report.
pub fn of_answer(operation: Operation, body: &[u8]) -> Spent {
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) else { return Spent::default() };
    let images = makes_images(operation);
    let told = answer.usage.and_then(|raw| serde_json::from_str::<Duration<'_>>(raw.get()).ok());
    let told = told.and_then(|told| told.seconds.or(told.prompt_audio_seconds));
    let sound = matches!(operation, Operation::Transcriptions | Operation::Translations);
    let heard = sound.then(|| told.or(answer.duration)).flatten();
    Spent {
        usage: answer.usage.and_then(read).map(|usage| made(operation, usage)),
        heard: heard.and_then(millis),
        images: answer.data.filter(|_| images).and_then(|data| {
            let data: Vec<IgnoredAny> = serde_json::from_str(data.get()).ok()?;
            u64::try_from(data.len()).ok()
        }),
        queries: None,
    }
}

/// Whether that operation makes images.
fn makes_images(operation: Operation) -> bool {
    matches!(operation, Operation::ImageGenerations | Operation::ImageEdits | Operation::ImageVariations)
}

/// What an API of images puts out is images, and of speech it is sound, unless it says what else.
fn made(operation: Operation, usage: Usage) -> Usage {
    let told = [usage.output_image, usage.output_audio, usage.output_text, usage.reasoning];
    match operation {
        _ if told.iter().any(Option::is_some) => usage,
        Operation::Speech => Usage { output_audio: usage.output, ..usage },
        operation if makes_images(operation) => Usage { output_image: usage.output, ..usage },
        _ => usage,
    }
}

fn millis(seconds: &RawValue) -> Option<u64> {
    let seconds: f64 = seconds.get().trim_matches('"').parse().ok()?;
    let millis = (seconds * 1000.0).round();
    let fits = (0.0..1e12).contains(&millis);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    fits.then_some(millis as u64)
}

/// Reads the streams of OpenAI's operations that are no chat (images, speech, transcriptions): their usage, that an image is done, and
/// their end. What they carry is not read.
#[derive(Debug)]
pub struct StreamedUsage {
    operation: Operation,
    /// An image is done. Others may follow, and nothing says which is the last one.
    drawn: bool,
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
    /// A reader at the beginning of a stream of that operation.
    pub fn of(operation: Operation) -> Self {
        Self { operation, drawn: false, ended: false }
    }

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
        let kind = step.kind.unwrap_or_default();
        let is_done = kind.ends_with(".completed");
        let is_drawn = is_done && makes_images(self.operation);
        if is_drawn {
            self.drawn = true;
            let image = Media::new(MediaSource::Url(String::new()), None);
            out.push(Event::BlockStart { block: 0, kind: BlockKind::Image(Box::new(image)) });
        }
        let within = step.response.and_then(|answer| answer.usage);
        if let Some(usage) = step.usage.or(within).and_then(read) {
            out.push(Event::Usage(Box::new(made(self.operation, usage))));
        }
        if let Some(invoked) = step.invoked {
            let caches = (*invoked.cache_read_input_token_count, *invoked.cache_write_input_token_count);
            let usage = bedrock::counted(*invoked.input_token_count, *invoked.output_token_count, caches);
            out.extend(usage.map(|usage| Event::Usage(Box::new(usage))));
            self.end(out);
        }
        // `image_generation.completed`, `image_edit.completed`, `speech.audio.done`, `transcript.text.done`.
        if is_done && !is_drawn || matches!(kind.as_str(), "speech.audio.done" | "transcript.text.done") {
            self.end(out);
        }
        Ok(())
    }

    fn eof(&mut self, out: &mut Vec<Event>) {
        if self.drawn {
            self.end(out);
        } else if !self.ended {
            out.push(Event::Fault(Box::new(Fault::truncated())));
        }
    }

    fn has_finished(&self) -> bool {
        self.drawn || self.ended
    }
}
