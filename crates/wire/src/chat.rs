//! The meaning of a chat request: plain data that every dialect reads into and writes from.
//!
//! An absent knob is `None` and stays `None`. These types deliberately have no serde: bytes belong to the dialects.

use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::seal::Sealed;

/// One chat request.
#[derive(Clone, Debug, Default)]
pub struct ChatRequest {
    /// The model, as the client named it.
    pub model: String,
    /// Instructions that stand before the conversation.
    pub system: Vec<Part>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must call something.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several things at once.
    pub parallel_tools: Option<bool>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// The most tokens the answer may have; never invented.
    pub max_output_tokens: Option<u64>,
    /// Whether and how much to think.
    pub reasoning: Option<Reasoning>,
    /// The form of the answer.
    pub output: OutputFormat,
    /// Who speaks, where sound is asked for.
    pub voice: Option<String>,
    /// What the answer may consist of (`text`, `image`, `audio`), where the client said so.
    pub modalities: Vec<String>,
    /// How long the answer should be (`low`, `medium`, `high`).
    pub verbosity: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the client asked for the usage in the stream.
    pub stream_usage: Option<bool>,
    /// The end user, in the client's words.
    pub user: Option<String>,
    /// The service tier (`auto`, `default`, `flex`, `priority`, `batch`, …).
    pub service_tier: Option<String>,
    /// Names conversations that share a prefix, for prompt caches.
    pub cache_key: Option<String>,
    /// Features of Anthropic's that a client of another dialect opted into by header.
    pub betas: Vec<String>,
    /// The session in which it is asked, where the client names one: requests of one session begin alike.
    pub session: Option<String>,
    /// Labels of the client's own.
    pub metadata: Vec<(String, String)>,
    /// Whether the provider may keep the exchange.
    pub store: Option<bool>,
    /// The rest.
    pub extra: Extra,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions in the middle of a conversation.
    System,
    /// The side that is not the model: the user, and the results of tools.
    User,
    /// The model.
    Assistant,
}

/// One turn. Results of tools are parts of a user's turn; several turns of one role may follow each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The speaker's name.
    pub name: Option<String>,
    /// What is said.
    pub parts: Vec<Part>,
    /// The rest.
    pub extra: Extra,
}

impl Message {
    /// A turn with those parts.
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, name: None, parts, extra: Extra::default() }
    }
}

/// A piece of a turn or of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub body: PartBody,
    /// A prompt-cache breakpoint after this piece.
    pub cache: Option<CacheMark>,
    /// The rest.
    pub extra: Extra,
}

impl Part {
    /// A piece with that body.
    pub fn new(body: PartBody) -> Self {
        Self { body, cache: None, extra: Extra::default() }
    }

    /// A piece of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(PartBody::Text { text: text.into(), citations: Vec::new() })
    }
}

/// Where a prompt cache may cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheMark {
    /// How long it is to be kept (`5m`, `1h`).
    pub ttl: Option<String>,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq)]
pub enum PartBody {
    /// Text, with the sources an answer names for it.
    Text {
        /// The text.
        text: String,
        /// Its sources.
        citations: Vec<Citation>,
    },
    /// An image.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// Moving pictures.
    Video(Media),
    /// A document.
    File(Media),
    /// The model declines, in its own words.
    Refusal(String),
    /// The model thinks.
    Reasoning(Thought),
    /// The model calls a tool of the client's.
    ToolCall(ToolCall),
    /// What the tool answered.
    ToolResult(ToolResult),
    /// A tool that the provider runs itself: its call or its result. Never to be run by the client.
    Hosted(Hosted),
}

/// A thought, or a provider's summary of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thought {
    /// The provider's id of the item.
    pub id: Option<String>,
    /// The text; empty where the provider shows none.
    pub text: String,
    /// Whether the text is a summary rather than the thought itself.
    pub summary: bool,
    /// What the provider needs to take the thought back.
    pub seal: Option<Sealed>,
}

/// A call of a tool that the client runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolCall {
    /// The id that the result will name.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The input as the model wrote it: JSON text (perhaps broken), or free text where `custom`.
    pub arguments: String,
    /// Whether the tool takes free text.
    pub custom: bool,
    /// The group of tools it is one of, where the client's format has such groups.
    pub namespace: Option<String>,
    /// What the provider needs to take the call back.
    pub seal: Option<Sealed>,
}

/// The answer of a tool that the client ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// The id of the call.
    pub call: String,
    /// The tool, where the client says so.
    pub name: Option<String>,
    /// What the tool answered.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// An item of a tool that the provider runs itself (web search, code execution, …), kept as sent for the dialect it came from.
#[derive(Clone, Debug)]
pub struct Hosted {
    /// The dialect that can read `raw`.
    pub from: Dialect,
    /// The item's type in that dialect, e.g. `server_tool_use`, `web_search_tool_result`, `web_search_call`.
    pub kind: String,
    /// The item's id.
    pub id: Option<String>,
    /// The whole item as sent.
    pub raw: Box<RawValue>,
}

impl PartialEq for Hosted {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from && self.kind == other.kind && self.id == other.id && self.raw.get() == other.raw.get()
    }
}

/// Something that is not text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Where its bytes are.
    pub source: MediaSource,
    /// Its MIME type, e.g. `image/png`; for audio also as bare `wav` or `mp3` where the client said no more.
    pub media_type: Option<String>,
    /// Its file name or title.
    pub name: Option<String>,
    /// How closely to look (`low`, `high`, `auto`).
    pub detail: Option<String>,
    /// What is said in it, where the provider says so.
    pub transcript: Option<String>,
    /// The provider's id of the item.
    pub id: Option<String>,
}

impl Media {
    /// Something at that source.
    pub fn new(source: MediaSource, media_type: Option<String>) -> Self {
        // A common wrong name, which most providers refuse.
        let wrong = |media_type: &str| media_type.eq_ignore_ascii_case("image/jpg");
        let media_type = media_type.map(|name| if wrong(&name) { "image/jpeg".to_owned() } else { name });
        Self { source, media_type, name: None, detail: None, transcript: None, id: None }
    }
}

/// Where the bytes of a medium are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaSource {
    /// Here, in base64.
    Base64(String),
    /// At a URL (`https:`, `gs:`, `s3:`).
    Url(String),
    /// In the provider's file store.
    FileId(String),
    /// Here, as plain text (documents only).
    Text(String),
}

/// A source that an answer names.
#[derive(Clone, Debug, Default)]
pub struct Citation {
    /// The page.
    pub url: Option<String>,
    /// The page's or document's title.
    pub title: Option<String>,
    /// What the source says.
    pub cited_text: Option<String>,
    /// The document, by the provider's id, file id or index.
    pub document: Option<String>,
    /// What of the document it is.
    pub passage: Option<Passage>,
    /// Where in the text of its part it applies, in characters.
    pub start: Option<u64>,
    /// One past its end.
    pub end: Option<u64>,
    /// The citation as sent, for the dialect it came from.
    pub raw: Option<(Dialect, Box<RawValue>)>,
}

impl PartialEq for Citation {
    fn eq(&self, other: &Self) -> bool {
        let plain = |citation: &Self| {
            let text = |field: &Option<String>| field.clone();
            let source = (text(&citation.url), text(&citation.title), text(&citation.cited_text), text(&citation.document));
            (source, citation.passage, citation.start, citation.end)
        };
        plain(self) == plain(other)
    }
}

/// The page that the source of a search's result is, or else the document of that name.
pub(crate) fn page_or_document(source: String) -> (Option<String>, Option<String>) {
    let is_page = source.starts_with("http://") || source.starts_with("https://");
    if is_page { (Some(source), None) } else { (None, Some(source)) }
}

/// A text under way whose sources are of all of it, and may be named before it is complete.
#[derive(Debug, Default)]
pub(crate) struct Cited {
    length: u64,
    citations: Vec<Citation>,
}

impl Cited {
    /// Adds more of the text.
    pub(crate) fn say(&mut self, text: &str) {
        self.length += text.chars().count() as u64;
    }

    /// Adds a source.
    pub(crate) fn cite(&mut self, citation: Citation) {
        self.citations.push(citation);
    }

    /// The sources, each with all of the text for its place.
    pub(crate) fn whole(self) -> impl Iterator<Item = Citation> {
        let length = (self.length > 0).then_some(self.length);
        self.citations.into_iter().map(move |citation| Citation { start: length.map(|_| 0), end: length, ..citation })
    }
}

/// A passage of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// What is counted.
    pub unit: PassageUnit,
    /// The first.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

/// What places in a document count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassageUnit {
    /// Characters.
    Character,
    /// Pages, the first of which is 1.
    Page,
    /// The blocks of content that a document is made of.
    Block,
}

/// What the model may call.
#[derive(Clone, Debug, PartialEq)]
pub enum Tool {
    /// A tool that the client runs.
    Function(Function),
    /// A tool of the client's that takes free text (OpenAI's custom tools).
    Custom {
        /// Its name.
        name: String,
        /// What it does.
        description: Option<String>,
        /// The grammar of its input, as sent.
        format: Option<String>,
        /// The rest.
        extra: Extra,
    },
    /// A tool that the provider runs, kept as sent for the dialect it came from.
    Hosted(Hosted),
}

/// What Anthropic's functions have beside OpenAI's; clients of OpenAI's format say it beside the function.
pub(crate) const BESIDE_FUNCTION: [&str; 4] = ["defer_loading", "allowed_callers", "input_examples", "eager_input_streaming"];

/// A tool with typed input.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
    /// The JSON schema of its input, as sent.
    pub parameters: Option<Box<RawValue>>,
    /// Whether the input must follow the schema.
    pub strict: Option<bool>,
    /// A prompt-cache breakpoint after this tool.
    pub cache: Option<CacheMark>,
    /// The rest.
    pub extra: Extra,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        let schema = |function: &Self| function.parameters.as_ref().map(|raw| raw.get().to_owned());
        self.name == other.name
            && self.description == other.description
            && schema(self) == schema(other)
            && self.strict == other.strict
            && self.cache == other.cache
            && self.extra == other.extra
    }
}

/// Whether the model must call something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Nothing.
    None,
    /// Something.
    Required,
    /// This tool.
    Tool(String),
    /// One of these (`true`: it must call one).
    Among(Vec<String>, bool),
}

/// How the next token is chosen. Numbers stay as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// Randomness.
    pub temperature: Option<Number>,
    /// Nucleus.
    pub top_p: Option<Number>,
    /// The k likeliest.
    pub top_k: Option<Number>,
    /// Least likelihood relative to the likeliest.
    pub min_p: Option<Number>,
    /// OpenRouter's `top_a`.
    pub top_a: Option<Number>,
    /// Against repeating by count.
    pub frequency_penalty: Option<Number>,
    /// Against repeating at all.
    pub presence_penalty: Option<Number>,
    /// Multiplicative penalty.
    pub repetition_penalty: Option<Number>,
    /// For the same answer again.
    pub seed: Option<Number>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How many answers.
    pub n: Option<u64>,
    /// Whether to say how likely each token was.
    pub logprobs: Option<bool>,
    /// How many alternatives to show for each token.
    pub top_logprobs: Option<u64>,
    /// Biases by token, as sent.
    pub logit_bias: Option<String>,
}

/// A JSON number as it was written.
pub type Number = serde_json::Number;

/// Whether and how much to think.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// On or off, where said outright.
    pub enabled: Option<bool>,
    /// Whether the model decides itself how much (Anthropic's adaptive thinking).
    pub adaptive: bool,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    pub effort: Option<String>,
    /// The most tokens to think.
    pub budget_tokens: Option<u64>,
    /// The kind of summary (`auto`, `concise`, `detailed`), or how thinking is displayed.
    pub summary: Option<String>,
    /// Whether to leave the thoughts out of the answer.
    pub exclude: Option<bool>,
}

impl Reasoning {
    /// Whether the model is told not to think.
    pub fn is_off(&self) -> bool {
        self.enabled == Some(false) || self.effort.as_deref() == Some("none") || self.budget_tokens == Some(0)
    }

    /// Whether the model is told to think: there may be a summary wanted of thoughts that nobody asks for.
    pub fn is_wanted(&self) -> bool {
        !self.is_off() && (self.enabled == Some(true) || self.adaptive || self.effort.is_some() || self.budget_tokens.is_some())
    }
}

/// The form of the answer.
#[derive(Clone, Debug, Default)]
pub enum OutputFormat {
    /// Free text.
    #[default]
    Text,
    /// Some JSON object.
    Json,
    /// JSON that follows a schema.
    JsonSchema(JsonSchema),
}

/// A schema for the answer.
#[derive(Clone, Debug)]
pub struct JsonSchema {
    /// Its name.
    pub name: Option<String>,
    /// What it describes.
    pub description: Option<String>,
    /// The schema as sent.
    pub schema: Box<RawValue>,
    /// Whether the answer must follow it.
    pub strict: Option<bool>,
}
