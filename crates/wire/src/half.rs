//! The two halves a dialect may have.
//!
//! The inbound half is spoken by clients, the outbound half by providers; some dialects have one alone. What passes through them
//! besides the meaning is here too: what stands beside a body, what the target can do, what the reader of a reply must remember.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::chat::{ChatRequest, Part};
use crate::dialect::{Dialect, Flavor};
use crate::event::{EventReader, EventWriter};
use crate::frames::Frames;
use crate::framing::Framing;
use crate::loss::Losses;
use crate::outline::{Edits, Outline};
use crate::problem::{Fault, Malformed, Problem, Unsupported};
use crate::reply::{ChatReply, Finish, Usage};

/// What stands beside a request's body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The model, where the path names it (Gemini, Azure's deployments).
    pub path_model: Option<&'a str>,
    /// Whether the path asks for a stream (Gemini).
    pub path_stream: Option<bool>,
    /// The headers; `None` where there are none to look at.
    pub headers: Option<&'a HeaderMap>,
}

/// What an answer needs that only the gateway knows: `wire` has no clock and no randomness.
#[derive(Clone, Debug, Default)]
pub struct Stamp {
    /// An id for the answer, where the provider gave none.
    pub id: String,
    /// Now, in Unix seconds, where the provider did not say.
    pub created: u64,
    /// The model the client asked for, where nothing is told of what the provider calls it.
    pub model: String,
    /// Whether the client wants the usage in the stream.
    pub stream_usage: bool,
    /// Whether the client wants thoughts left out.
    pub hide_reasoning: bool,
    /// Which API the client expects.
    pub flavor: Flavor,
    /// The provider's name, for the APIs that tell.
    pub provider: Option<String>,
    /// Whether a streamed answer is one JSON array rather than server-sent events (Gemini without `alt=sse`).
    pub json_array: bool,
    /// Who makes the model, where its thoughts may come sealed by its maker.
    pub vendor: Option<String>,
    /// What the answer repeats of its request, as JSON, see [`Inbound::echo`].
    pub echo: Vec<(&'static str, String)>,
}

/// What a client has got of a stream that breaks off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Begun<'a> {
    /// How many events.
    pub events: u64,
    /// The answer's id, where one was told.
    pub id: Option<&'a str>,
    /// Who answers.
    pub model: Option<&'a str>,
    /// When it began, in Unix seconds.
    pub created: Option<u64>,
}

/// What a target model can do and needs, from its rows. Everything is optional: unknown is `None`, and a writer then sends what the
/// client said.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The model as the provider knows it; the caller's name for it may be another.
    pub model: Option<String>,
    /// The most tokens it can answer; sent only where the API requires a limit and the client named none.
    pub max_output_tokens: Option<u64>,
    /// How it is told to think.
    pub thinking: Option<Thinking>,
    /// The ways a model of Anthropic's may be told to think in its own words, where they are known.
    pub ways: Option<Ways>,
    /// Whether it is told not to think by `thinking.type`, although it knows efforts (DeepSeek's).
    pub thinking_switch: Option<bool>,
    /// The reasoning efforts it knows.
    pub efforts: Option<Vec<String>>,
    /// The budgets of reasoning it takes.
    pub budgets: Option<Budgets>,
    /// The knobs beyond OpenAI's own that it takes in OpenAI's format, where all are known.
    pub knobs: Option<Vec<String>>,
    /// Whether it takes a JSON schema for its answer.
    pub json_schema: Option<bool>,
    /// Whether it takes `temperature`, `top_p` and `top_k`.
    pub sampling: Option<bool>,
    /// Whether the name of the token limit is `max_completion_tokens` (OpenAI's newer models).
    pub max_completion_tokens: Option<bool>,
    /// Whether it takes instructions as turns amid the conversation.
    pub mid_system: Option<bool>,
    /// Whether messages in OpenAI's format may hold nothing but what OpenAI's own have.
    pub plain_messages: Option<bool>,
    /// What it takes less of OpenAI's format.
    pub accent: Accent,
    /// Whether messages in OpenAI's format may hold marks of what to keep in a cache.
    pub cache_marks: Option<bool>,
    /// The field it takes thoughts back in (`reasoning_content`, `reasoning`), where it does.
    pub reasoning_field: Option<String>,
    /// The features of Anthropic's that its provider calls otherwise, or has no opt-in for (an empty name); with `*` among them, all that
    /// it knows.
    pub betas: BTreeMap<String, String>,
    /// Who makes the model (`anthropic`, `openai`, `google`, …): the one who may see its seals.
    pub vendor: Option<String>,
    /// Whether it searches the web where it is asked to in its own API's words.
    pub web_search: Option<bool>,
    /// The most stop sequences it takes.
    pub max_stop: Option<usize>,
    /// What it calls its inputs, where the API leaves that to the model and this one is unusual.
    pub inputs: Option<Arc<Inputs>>,
}

/// How a provider's own form of OpenAI's chat differs from OpenAI's, by its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accent {
    /// Whether it knows the role `developer`.
    pub developer: Option<bool>,
    /// Whether it takes a JSON schema for its answer.
    pub json_schema: Option<bool>,
    /// How many letters and digits the id of a call has, where it refuses others.
    pub call_ids: Option<usize>,
    /// The fields that a message may hold, where it refuses others, and turns that say nothing; the name of a result's tool counts apart.
    pub message_fields: Option<Vec<String>>,
    /// The most stop sequences it takes.
    pub max_stop: Option<usize>,
    /// Whether a model's turn that is to be gone on with says so (`prefix`).
    pub prefix: bool,
}

/// The budgets of reasoning that a model takes, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// The smallest.
    pub least: u64,
    /// The greatest.
    pub most: u64,
    /// Whether it also takes none at all.
    pub off: bool,
}

/// The ways a model of Anthropic's may be told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    /// `adaptive`.
    pub adaptive: bool,
    /// `enabled`, with a budget.
    pub budget: bool,
    /// By an effort.
    pub effort: bool,
    /// `disabled`.
    pub off: bool,
}

/// What a model calls its inputs, for an API that leaves that to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The token limit.
    pub limit: String,
    /// What stands before the conversation.
    pub system: String,
    /// An image.
    pub image: String,
    /// Whether that is a list of images.
    pub lists_images: bool,
    /// The knobs it has, where all are known.
    pub knobs: Option<Vec<String>>,
    /// The effort of reasoning, where it can be told.
    pub effort: Option<String>,
    /// The budget of reasoning, where it can be told.
    pub budget: Option<String>,
}

impl Default for Inputs {
    /// The names that most language models use.
    fn default() -> Self {
        Self {
            limit: "max_tokens".to_owned(),
            system: "system_prompt".to_owned(),
            image: "image".to_owned(),
            lists_images: false,
            knobs: None,
            effort: None,
            budget: None,
        }
    }
}

impl Inputs {
    /// Whether it may have that knob.
    pub fn knows(&self, knob: &str) -> bool {
        self.knobs.as_ref().is_none_or(|knobs| knobs.iter().any(|known| known == knob))
    }
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// It cannot.
    Never,
    /// By an effort.
    Effort,
    /// By a budget in tokens.
    Budget,
    /// It decides itself; an effort guides it.
    Adaptive,
}

/// What the reader of the reply must remember of the request.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    /// Tools that had to be renamed for the target: (name sent, name of the client's).
    pub renamed: Vec<(String, String)>,
    /// The tool whose call stands for a JSON answer, where the target knows no other way.
    pub json_tool: Option<String>,
    /// Who makes the model, see [`Profile::vendor`].
    pub vendor: Option<String>,
    /// Texts that end the answer, for targets that do not say which one did.
    pub stop: Vec<String>,
    /// Whether sound is wanted as a file that says what it is, where the target gives bare samples.
    pub wave: bool,
    /// The functions that stand for tools which the target does not know.
    pub stand_ins: Vec<StandIn>,
}

/// A function that stands for a tool of the client's which the target does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// The function's name.
    pub name: String,
    /// What the client calls the tool.
    pub tool: String,
    /// The group of tools it is one of.
    pub namespace: Option<String>,
    /// Whether the tool takes free text.
    pub custom: bool,
}

/// What the meter wants of a whole answer.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    /// What it took.
    pub usage: Option<Usage>,
    /// Why it ended.
    pub finish: Finish,
    /// The tier that served it.
    pub service_tier: Option<String>,
    /// Where the model's name stands, with its quotes.
    pub model: Option<std::ops::Range<usize>>,
}

/// A request in the target's bytes.
#[derive(Clone, Debug)]
pub struct Written {
    /// The body.
    pub body: Bytes,
    /// Headers the body needs (`anthropic-beta`, say).
    pub headers: Vec<(&'static str, String)>,
    /// What could not be carried.
    pub losses: Losses,
    /// What the reader of the reply must remember.
    pub memo: Memo,
}

/// Bytes from a client to meaning, and meaning back to the bytes that client expects.
pub trait Inbound: Sync {
    /// Reads a client's request.
    fn read_request(&self, head: &Head<'_>, body: &[u8]) -> Result<ChatRequest, Malformed>;

    /// Whether the request may be written in another dialect: not where it names what only a provider of this one holds.
    fn check_translation(&self, _request: &ChatRequest, _target: Dialect) -> Result<(), Unsupported> {
        Ok(())
    }

    /// Whether a request of this dialect, made for another API than the provider's, may say what that API alone has.
    fn is_worded(&self, _outline: &Outline, _body: &Frames) -> bool {
        false
    }

    /// Such a request in words that the provider has; what it has none for is a loss.
    fn fit(&self, _request: &mut ChatRequest, _profile: &Profile, _losses: &mut Losses) {}

    /// What an answer in this dialect repeats of its request, name by name, as JSON.
    fn echo(&self, _outline: &Outline, _body: &Frames) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Writes a whole answer.
    fn write_reply(&self, reply: &ChatReply, stamp: &Stamp) -> Vec<u8>;

    /// Writes a streamed answer.
    fn event_writer(&self, stamp: Stamp) -> Box<dyn EventWriter>;

    /// Writes an error in place of an answer.
    fn write_problem(&self, problem: &Problem, flavor: Flavor) -> (StatusCode, Vec<u8>);

    /// Writes an error inside a stream that has begun. Nothing may follow it.
    fn write_stream_problem(&self, problem: &Problem, flavor: Flavor, begun: &Begun<'_>) -> Vec<u8>;

    /// Whether an answer that its provider failed to complete is told as an error, for want of a word for such an end.
    fn tells_failures_as_errors(&self) -> bool {
        false
    }

    /// Whether the client gets a stream's usage in a frame of its own, and only where it asked for it (`include_usage`).
    fn asks_for_usage(&self) -> bool {
        false
    }

    /// What ends a stream in this dialect, where that is more than its last event (`data: [DONE]`).
    fn epilogue(&self) -> &'static [u8] {
        b""
    }
}

/// Meaning to the bytes a provider expects, and its bytes back to meaning.
pub trait Outbound: Sync {
    /// How its streams are cut into frames.
    fn framing(&self) -> Framing;

    /// How a stream with that content type is cut into frames; `None` where it is no stream but a whole answer.
    fn framing_of(&self, content_type: &str) -> Option<Framing> {
        Framing::of_content_type(content_type, self.framing())
    }

    /// The body's field that names the model; `None`: the path does.
    fn model_key(&self) -> Option<&'static str>;

    /// The path below the provider's base URL.
    fn path(&self, model: &str, stream: bool) -> String;

    /// Writes a request.
    fn write_request(&self, request: &ChatRequest, profile: &Profile) -> Result<Written, Unsupported>;

    /// The longest name of a tool that its API takes, where its own clients know it and those of others do not.
    fn longest_name(&self) -> Option<usize> {
        None
    }

    /// Whether it takes that medium only as bytes, so that one at a web address must be fetched first. Not asked about other parts.
    fn wants_bytes(&self, _part: &Part) -> bool {
        false
    }

    /// Whether that model refuses a request that is already in this dialect as it is, so that it must be written anew for it.
    fn is_refused(&self, _outline: &Outline, _body: &Frames, _profile: &Profile) -> bool {
        false
    }

    /// What of the headers of such a request the provider refuses.
    fn refused_headers(&self, _head: &Head<'_>, _profile: &Profile) -> Losses {
        Losses::new()
    }

    /// Headers that a request already in this dialect needs beside those it came with; an empty one is not sent.
    fn needed_headers(&self, _head: &Head<'_>, _profile: &Profile, (_outline, _body): (&Outline, &Frames)) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Whether this writer reads that field of its API's own where the client says it, and it is not merely laid into what is sent.
    fn reads(&self, _key: &str) -> bool {
        false
    }

    /// Whether its knobs stand in objects of their own: what is laid over such an object leaves its other fields.
    fn nests(&self) -> bool {
        false
    }

    /// The field below which one stands that the API itself does not have, for what is the model's.
    fn below(&self, _key: &str) -> Option<&'static str> {
        None
    }

    /// Whether a request of this API may hold that field; one that refuses what it does not know gets nothing else.
    fn has(&self, _key: &str) -> bool {
        true
    }

    /// Whether that field is one that this API has and the others of the providers that speak it have not.
    fn has_alone(&self, _key: &str) -> bool {
        false
    }

    /// Edits that a request already in this dialect needs, e.g. to have usage reported in streams.
    fn metering_edits(&self, _outline: &Outline, _body: &Frames) -> Edits {
        Edits::default()
    }

    /// Reads a whole answer. A provider's error inside a success is `Err` with its fault.
    fn read_reply(&self, memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault>;

    /// What the meter wants of a whole answer that passes to the client as it came. `None` where only a full reading can tell, as
    /// for anything unusual.
    fn glance(&self, _body: &Bytes) -> Option<Glance> {
        None
    }

    /// Reads a streamed answer.
    fn event_reader(&self, memo: Memo) -> Box<dyn EventReader>;

    /// Whether an error answer is in this dialect's own form, so that its clients may see it as it came.
    fn is_own_error(&self, _body: &[u8]) -> bool {
        true
    }

    /// Reads an error answer.
    fn read_fault(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault;
}
