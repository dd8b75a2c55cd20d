//! The meaning of an answer.

use serde_json::value::RawValue;

use crate::chat::{Number, Part, PartBody};
use crate::dialect::Dialect;
use crate::extra::Extra;

/// One whole answer.
#[derive(Clone, Debug, Default)]
pub struct ChatReply {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that answered, in the provider's words.
    pub model: Option<String>,
    /// When, in Unix seconds, where the provider says so.
    pub created: Option<u64>,
    /// What was said, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: Finish,
    /// What it took; `None` where the provider did not say.
    pub usage: Option<Usage>,
    /// The tier that served it.
    pub service_tier: Option<String>,
    /// How likely the tokens of its text were, where that was asked for.
    pub likelihoods: Vec<Likelihood>,
    /// The rest.
    pub extra: Extra,
    /// The further answers, where several were asked for: what was said, why it ended, likelihoods and the rest of each.
    pub further: Vec<ChatReply>,
}

impl ChatReply {
    /// What the provider says of why it gives no answer, where the model says nothing of that.
    pub fn verdict(&self) -> Option<&str> {
        let declines = self.parts.iter().any(|part| matches!(part.body, PartBody::Refusal(_)));
        self.finish.refusal().filter(|_| !declines)
    }
}

/// A token, and how likely it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Likelihood {
    /// The token.
    pub token: String,
    /// The logarithm of its probability, digits as sent.
    pub logprob: Number,
    /// Its bytes: it may be less than a character.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest that could have stood there.
    pub others: Vec<Likelihood>,
}

/// Why an answer ended, in our words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The model was done.
    #[default]
    Stop,
    /// A stop sequence was met.
    StopSequence,
    /// A token limit was met.
    Length,
    /// The client is to run tools.
    ToolCalls,
    /// A content filter cut it.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The provider paused a long turn; send it back to go on.
    Pause,
    /// The provider failed.
    Error,
    /// Something else, or nothing was said.
    Other,
}

/// Why an answer ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finish {
    /// In our words.
    pub reason: Reason,
    /// In the provider's.
    pub raw: Option<String>,
    /// The stop sequence that was met.
    pub stop_sequence: Option<String>,
    /// What the provider says of it to a reader.
    pub words: Option<String>,
}

impl Finish {
    /// Ended for that reason, in the provider's words `raw`.
    pub fn new(reason: Reason, raw: impl Into<String>) -> Self {
        Self { reason, raw: Some(raw.into()), ..Self::default() }
    }

    /// The same, with what the provider says of it; an empty text says nothing.
    #[must_use]
    pub fn with_words(self, words: Option<String>) -> Self {
        Self { words: words.filter(|words| !words.trim().is_empty()), ..self }
    }

    /// Whether it is no end: the answer is still to be made, or made on, in the background.
    pub fn is_pending(&self) -> bool {
        self.reason == Reason::Other && matches!(self.raw.as_deref(), Some("queued" | "in_progress"))
    }

    /// What the provider says of why it gives no answer, or no more of it.
    pub fn refusal(&self) -> Option<&str> {
        self.words.as_deref().filter(|_| matches!(self.reason, Reason::ContentFilter | Reason::Refusal))
    }
}

/// What a gateway makes of a cost, in US dollars, as decimals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// What the provider is paid.
    pub upstream: String,
    /// By the price list: the prompt.
    pub prompt: String,
    /// By the price list: the answer.
    pub answer: String,
}

/// What an answer took, in tokens. What the provider did not say is `None`, never zero.
///
/// `input` counts all of the prompt, cached parts included; `output` counts all that was generated, thoughts included. Dialects
/// that count otherwise convert, in both directions, without loss.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// All of the prompt.
    pub input: Option<u64>,
    /// All that was generated.
    pub output: Option<u64>,
    /// The sum, as the provider gave it.
    pub total: Option<u64>,
    /// Of the prompt: read from a cache.
    pub cache_read: Option<u64>,
    /// Of the prompt: written to a cache.
    pub cache_write: Option<u64>,
    /// Of the writes: kept five minutes.
    pub cache_write_5m: Option<u64>,
    /// Of the writes: kept an hour.
    pub cache_write_1h: Option<u64>,
    /// Of the output: thoughts.
    pub reasoning: Option<u64>,
    /// Of the prompt: plain text.
    pub input_text: Option<u64>,
    /// Of the prompt: sound.
    pub input_audio: Option<u64>,
    /// Of the prompt: images.
    pub input_image: Option<u64>,
    /// Of the prompt: moving pictures.
    pub input_video: Option<u64>,
    /// Of the prompt: documents.
    pub input_document: Option<u64>,
    /// Of the prompt: results of tools that the provider ran.
    pub input_tool: Option<u64>,
    /// Of the output: plain text.
    pub output_text: Option<u64>,
    /// Of the output: sound.
    pub output_audio: Option<u64>,
    /// Of the output: images.
    pub output_image: Option<u64>,
    /// Predicted tokens that were used.
    pub accepted_prediction: Option<u64>,
    /// Predicted tokens that were not.
    pub rejected_prediction: Option<u64>,
    /// Web searches the provider made.
    pub web_searches: Option<u64>,
    /// Pages the provider fetched.
    pub web_fetches: Option<u64>,
    /// The longest prompt of one turn, where the provider took several for the answer.
    pub longest_input: Option<u64>,
    /// Of turns that are billed and that the other counts leave out: all of the prompts.
    pub extra_input: Option<u64>,
    /// Of turns that are billed and that the other counts leave out: all that was generated.
    pub extra_output: Option<u64>,
    /// Of turns that are billed and that the other counts leave out: of the prompts: read from a cache.
    pub extra_cache_read: Option<u64>,
    /// Of turns that are billed and that the other counts leave out: of the prompts: written to a cache.
    pub extra_cache_write: Option<u64>,
    /// Of turns that are billed and that the other counts leave out: of the writes: kept an hour.
    pub extra_cache_write_1h: Option<u64>,
    /// Look-ups in maps that the provider made.
    pub maps_queries: Option<u64>,
    /// Searches of kept files that the provider made.
    pub file_searches: Option<u64>,
    /// Containers in which the provider ran code.
    pub code_sessions: Option<u64>,
    /// Of another model, which the provider had draw: text that it read.
    pub drawing_text: Option<u64>,
    /// Of that model: images that it read.
    pub drawing_images: Option<u64>,
    /// Of that model: what it drew.
    pub drawing_output: Option<u64>,
    /// 1 where it was served faster than usual, at the price of that.
    pub served_fast: Option<u64>,
    /// 1 where it was served within the United States alone, at the price of that.
    pub served_us: Option<u64>,
    /// What the provider says it costs, in its own currency unit, digits as sent.
    pub cost: Option<String>,
    /// How a cost that was reckoned here came about.
    pub bill: Option<Box<Bill>>,
    /// The usage object as sent, for the dialect it came from.
    pub raw: Option<(Dialect, Box<RawValue>)>,
}

impl Usage {
    /// The counts, by name; for comparing and for records.
    pub fn counts(&self) -> [(&'static str, Option<u64>); 35] {
        [
            ("input", self.input),
            ("output", self.output),
            ("total", self.total),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_1h", self.cache_write_1h),
            ("reasoning", self.reasoning),
            ("input_text", self.input_text),
            ("input_audio", self.input_audio),
            ("input_image", self.input_image),
            ("input_video", self.input_video),
            ("input_document", self.input_document),
            ("input_tool", self.input_tool),
            ("output_text", self.output_text),
            ("output_audio", self.output_audio),
            ("output_image", self.output_image),
            ("accepted_prediction", self.accepted_prediction),
            ("rejected_prediction", self.rejected_prediction),
            ("web_searches", self.web_searches),
            ("web_fetches", self.web_fetches),
            ("longest_input", self.longest_input),
            ("extra_input", self.extra_input),
            ("extra_output", self.extra_output),
            ("extra_cache_read", self.extra_cache_read),
            ("extra_cache_write", self.extra_cache_write),
            ("extra_cache_write_1h", self.extra_cache_write_1h),
            ("maps_queries", self.maps_queries),
            ("file_searches", self.file_searches),
            ("code_sessions", self.code_sessions),
            ("drawing_text", self.drawing_text),
            ("drawing_images", self.drawing_images),
            ("drawing_output", self.drawing_output),
            ("served_fast", self.served_fast),
            ("served_us", self.served_us),
        ]
    }

    /// Sets the count of that name; one that is not known is nothing.
    pub fn set(&mut self, name: &str, count: u64) {
        let field = match name {
            "input" => &mut self.input,
            "output" => &mut self.output,
            "total" => &mut self.total,
            "cache_read" => &mut self.cache_read,
            "cache_write" => &mut self.cache_write,
            "cache_write_5m" => &mut self.cache_write_5m,
            "cache_write_1h" => &mut self.cache_write_1h,
            "reasoning" => &mut self.reasoning,
            "input_text" => &mut self.input_text,
            "input_audio" => &mut self.input_audio,
            "input_image" => &mut self.input_image,
            "input_video" => &mut self.input_video,
            "input_document" => &mut self.input_document,
            "input_tool" => &mut self.input_tool,
            "output_text" => &mut self.output_text,
            "output_audio" => &mut self.output_audio,
            "output_image" => &mut self.output_image,
            "accepted_prediction" => &mut self.accepted_prediction,
            "rejected_prediction" => &mut self.rejected_prediction,
            "web_searches" => &mut self.web_searches,
            "web_fetches" => &mut self.web_fetches,
            "longest_input" => &mut self.longest_input,
            "extra_input" => &mut self.extra_input,
            "extra_output" => &mut self.extra_output,
            "extra_cache_read" => &mut self.extra_cache_read,
            "extra_cache_write" => &mut self.extra_cache_write,
            "extra_cache_write_1h" => &mut self.extra_cache_write_1h,
            "maps_queries" => &mut self.maps_queries,
            "file_searches" => &mut self.file_searches,
            "code_sessions" => &mut self.code_sessions,
            "drawing_text" => &mut self.drawing_text,
            "drawing_images" => &mut self.drawing_images,
            "drawing_output" => &mut self.drawing_output,
            "served_fast" => &mut self.served_fast,
            "served_us" => &mut self.served_us,
            _ => return,
        };
        *field = Some(count);
    }

    /// Takes over what a later report says; what it does not say stays.
    pub fn merge(&mut self, later: Usage) {
        macro_rules! newer {
            ($($field:ident),*) => { $(if later.$field.is_some() { self.$field = later.$field; })* };
        }
        newer!(input, output, total, cache_read, cache_write, cache_write_5m, cache_write_1h, reasoning);
        newer!(input_text, input_audio, input_image, input_video, input_document, input_tool);
        newer!(output_text, output_audio, output_image, accepted_prediction, rejected_prediction);
        newer!(longest_input, extra_input, extra_output, extra_cache_read, extra_cache_write, extra_cache_write_1h);
        newer!(maps_queries, file_searches, code_sessions, drawing_text, drawing_images, drawing_output);
        newer!(web_searches, web_fetches, served_fast, served_us, cost, bill, raw);
    }
}

impl PartialEq for Usage {
    fn eq(&self, other: &Self) -> bool {
        self.counts() == other.counts() && self.cost == other.cost
    }
}
