//! Embeddings: the meaning, and the shapes it is written in.
//!
//! Embeddings are no dialect of [`crate::dialect`]: there is no stream and no conversation, and most providers take over OpenAI's
//! form. A provider's row names a [`Shape`]; where the client's door has the same one, the engine passes the bytes and only
//! [`Shape::reencode`]s the answer; where not, these functions translate.
//!
//! | meaning | openai | gemini | vertex | cohere | bedrock titan | voyage | jina | ollama |
//! |---|---|---|---|---|---|---|---|---|
//! | inputs | `input` | `requests[].content` | `instances[]` | `texts`, `inputs` | `inputText`, one a call | `input` | `input` | `input` |
//! | dimensions | `dimensions` | `outputDimensionality` | same, in `parameters` | `output_dimension` | `dimensions` | `output_dimension` | `dimensions` | `dimensions` |
//! | purpose | `input_type` (others' word) | `taskType` | `task_type` | `input_type` | — | `input_type` | `task` | — |
//! | truncate | `truncate` (others' word) | — | `autoTruncate` | `truncate` | — | `truncation` | `truncate` | `truncate` |
//! | title | — | `title` | `title` | — | — | — | — | — |
//!
//! A knob without a place is a [`Losses`] entry, an input without one is [`Unsupported`]. Numbers pass as written; OpenAI's
//! SDKs ask for base64 unless told otherwise, so vectors are packed and unpacked here.
//!
//! Media come as content parts (OpenRouter's form), as Jina's and Voyage's bare objects, as texts that are data URLs and, for
//! Google, as texts that name a file in its storage (both LiteLLM's form). Most providers take bytes only:
//! [`EmbedRequest::each_wanted`] says what has to be brought for them.
//!
//! | media | gemini | vertex `multimodalembedding` | cohere 4 | cohere 3 | titan image, nova | jina | voyage multimodal | openai | the rest |
//! |---|---|---|---|---|---|---|---|---|---|
//! | image | `inlineData`, `fileData` | `image`, one a call | `inputs` | `images`, one a call | `inputImage`, `image` | `image` | `image_base64`, `image_url` | `image_url` | — |
//! | image and text, one vector | `parts` | — | `content` | — | titan only | — | `content` | `content` | — |
//! | sound, film, PDF | `inlineData`, `fileData` | — | — | — | — | — | film: `video_base64`, `video_url` | film: `video_url` | — |

mod bedrock;
mod cohere;
mod google;
mod input;
mod openai;
mod plain;
mod purpose;
mod vector;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::chat::{Media, PartBody};
use crate::loss::Losses;
use crate::media::Medium;
use crate::problem::{Fault, Malformed, Unsupported};
use crate::reply::Usage;

pub use purpose::Purpose;
pub use vector::Vector;

/// A way of writing embedding requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// OpenAI's, spoken by most.
    OpenAi,
    /// Voyage's: OpenAI's with words of its own.
    Voyage,
    /// Voyage's for texts and images together.
    VoyageMultimodal,
    /// Jina's: OpenAI's with words of its own.
    Jina,
    /// Gemini's `batchEmbedContents`.
    GeminiBatch,
    /// Gemini's `embedContent`: one input a call.
    GeminiOne,
    /// Vertex `predict`.
    VertexPredict,
    /// Cohere's, version 2.
    Cohere,
    /// Amazon Titan on Bedrock: one input a call.
    BedrockTitan,
    /// Cohere on Bedrock.
    BedrockCohere,
    /// Amazon Nova on Bedrock: one input a call.
    BedrockNova,
    /// Ollama's `/api/embed`.
    Ollama,
    /// IBM watsonx.
    Watsonx,
    /// Hugging Face feature extraction.
    HuggingFace,
}

/// The shapes by the names provider rows use.
const ROWS: [(&str, Shape); 14] = [
    ("openai", Shape::OpenAi),
    ("voyage", Shape::Voyage),
    ("voyage-multimodal", Shape::VoyageMultimodal),
    ("jina", Shape::Jina),
    ("gemini", Shape::GeminiBatch),
    ("gemini-embed-content", Shape::GeminiOne),
    ("vertex-predict", Shape::VertexPredict),
    ("cohere", Shape::Cohere),
    ("bedrock-titan", Shape::BedrockTitan),
    ("bedrock-cohere", Shape::BedrockCohere),
    ("bedrock-nova", Shape::BedrockNova),
    ("ollama", Shape::Ollama),
    ("watsonx", Shape::Watsonx),
    ("huggingface", Shape::HuggingFace),
];

/// One request for embeddings.
#[derive(Clone, Debug)]
pub struct EmbedRequest {
    /// The shape it was read from; losses are told in its words.
    pub from: Shape,
    /// What to embed: a vector for each.
    pub inputs: Vec<EmbedInput>,
    /// How many numbers a vector is to have.
    pub dimensions: Option<u64>,
    /// How the client wants vectors written.
    pub encoding: Option<Encoding>,
    /// What the vectors are for.
    pub purpose: Option<Purpose>,
    /// The title of the documents.
    pub title: Option<String>,
    /// What to do with inputs that are too long.
    pub truncate: Option<Truncate>,
    /// The end user, in the client's words.
    pub user: Option<String>,
    /// The rest, as sent.
    pub rest: Vec<(String, Box<RawValue>)>,
}

/// One thing to embed.
#[derive(Clone, Debug, PartialEq)]
pub enum EmbedInput {
    /// Text.
    Text(String),
    /// Tokens of the model's own.
    Tokens(Vec<Number>),
    /// Text and media that make one vector together.
    Parts(Vec<PartBody>),
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As JSON numbers.
    Float,
    /// As base64 of little-endian 32-bit floats.
    Base64,
}

/// What to do with an input that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncate {
    /// Refuse it.
    Never,
    /// Drop its beginning.
    Start,
    /// Drop its end.
    End,
}

/// The answer: a vector for each input, in their order.
#[derive(Clone, Debug, Default)]
pub struct EmbedReply {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model, in the provider's words.
    pub model: Option<String>,
    /// The vectors.
    pub vectors: Vec<Vector>,
    /// What it took; `None` where the provider did not say.
    pub usage: Option<Usage>,
}

/// What a request is written for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The name the provider knows the model by.
    pub model: &'a str,
    /// The project that pays, for shapes that name it in the body.
    pub project: Option<&'a str>,
}

/// A request in a provider's bytes.
#[derive(Clone, Debug)]
pub struct EmbedWritten {
    /// The bodies, in the order of the inputs; more than one where the provider takes one input a call.
    pub bodies: Vec<Bytes>,
    /// What could not be carried.
    pub losses: Losses,
}

impl Shape {
    /// The shape of that name in a provider's row.
    pub fn of_row(name: &str) -> Option<Shape> {
        ROWS.into_iter().find(|(known, _)| *known == name).map(|(_, shape)| shape)
    }

    /// The shape of that name at a client's door, where `gemini` is the single form.
    pub fn of_door(name: &str) -> Option<Shape> {
        match name {
            "openai" => Some(Shape::OpenAi),
            "gemini" => Some(Shape::GeminiOne),
            "gemini-batch" => Some(Shape::GeminiBatch),
            _ => None,
        }
    }

    /// The name used in provider rows.
    pub fn as_str(self) -> &'static str {
        ROWS.into_iter().find(|(_, shape)| *shape == self).map_or("", |(name, _)| name)
    }

    /// Reads a client's request.
    pub fn read_request(self, body: &[u8]) -> Result<EmbedRequest, Malformed> {
        match self {
            Shape::OpenAi => openai::read_request(body),
            Shape::GeminiOne | Shape::GeminiBatch => google::read_request(self, body),
            _ => Err(Malformed::new("no client writes embeddings this way")),
        }
    }

    /// Whether providers of that shape look up no web address. Of those who take text only nothing is wanted.
    fn takes_bytes_only(self) -> bool {
        match self {
            Shape::GeminiBatch
            | Shape::GeminiOne
            | Shape::VertexPredict
            | Shape::Cohere
            | Shape::BedrockCohere
            | Shape::BedrockTitan
            | Shape::BedrockNova => true,
            Shape::OpenAi | Shape::Jina | Shape::Voyage | Shape::VoyageMultimodal => false,
            Shape::Ollama | Shape::Watsonx | Shape::HuggingFace => false,
        }
    }

    /// The most inputs a provider of that shape takes in one call, where it says so.
    fn most_inputs(self) -> usize {
        match self {
            Shape::Cohere | Shape::BedrockCohere => 96,
            Shape::GeminiBatch => 100,
            Shape::VertexPredict => 250,
            Shape::Voyage | Shape::VoyageMultimodal => 1000,
            _ => usize::MAX,
        }
    }

    /// Writes a request for a provider: more than one where it takes fewer inputs in a call than there are.
    pub fn write_request(self, request: &EmbedRequest, target: Target<'_>) -> Result<EmbedWritten, Unsupported> {
        if request.inputs.len() <= self.most_inputs() {
            return self.write_call(request, target);
        }
        let mut all = EmbedWritten { bodies: Vec::new(), losses: Losses::new() };
        for inputs in request.inputs.chunks(self.most_inputs()) {
            let written = self.write_call(&request.with_inputs(inputs.to_vec()), target)?;
            all.bodies.extend(written.bodies);
            all.losses.extend(written.losses);
        }
        Ok(all)
    }

    fn write_call(self, request: &EmbedRequest, target: Target<'_>) -> Result<EmbedWritten, Unsupported> {
        let mut writing = Writing { request, target, shape: self, losses: Losses::new() };
        let bodies = match self {
            Shape::OpenAi => openai::write_request(&mut writing),
            Shape::Voyage => openai::write_voyage(&mut writing),
            Shape::VoyageMultimodal => openai::write_voyage_parts(&mut writing),
            Shape::Jina => openai::write_jina(&mut writing),
            Shape::GeminiBatch | Shape::GeminiOne => google::write_request(&mut writing),
            Shape::VertexPredict => google::write_predict(&mut writing),
            Shape::Cohere | Shape::BedrockCohere => cohere::write_request(&mut writing),
            Shape::BedrockTitan => bedrock::write_titan(&mut writing),
            Shape::BedrockNova => bedrock::write_nova(&mut writing),
            Shape::Ollama => plain::write_ollama(&mut writing),
            Shape::Watsonx => plain::write_watsonx(&mut writing),
            Shape::HuggingFace => plain::write_huggingface(&mut writing),
        }?;
        Ok(EmbedWritten { bodies: bodies.into_iter().map(Bytes::from).collect(), losses: writing.losses })
    }

    /// Reads a provider's answer to one body.
    pub fn read_reply(self, headers: &HeaderMap, body: &[u8]) -> Result<EmbedReply, Fault> {
        let read = match self {
            Shape::OpenAi | Shape::Voyage | Shape::VoyageMultimodal | Shape::Jina => openai::read_reply(body),
            Shape::GeminiBatch | Shape::GeminiOne => google::read_reply(body),
            Shape::VertexPredict => google::read_predict(body),
            Shape::Cohere | Shape::BedrockCohere => cohere::read_reply(body),
            Shape::BedrockTitan => bedrock::read_titan(body),
            Shape::BedrockNova => bedrock::read_nova(body),
            Shape::Ollama => plain::read_ollama(body),
            Shape::Watsonx => plain::read_watsonx(body),
            Shape::HuggingFace => plain::read_huggingface(body),
        };
        let mut reply = read.map_err(|malformed| Fault { raw: Bytes::copy_from_slice(body), ..Fault::protocol(&malformed.to_string()) })?;
        if reply.usage.is_none() {
            reply.usage = bedrock::header_usage(headers);
        }
        Ok(reply)
    }

    /// Writes an answer for a client. `model` is the one it asked for, where the provider named none.
    pub fn write_reply(self, reply: &EmbedReply, encoding: Option<Encoding>, model: &str) -> Vec<u8> {
        match self {
            Shape::GeminiOne | Shape::GeminiBatch => google::write_reply(self, reply),
            _ => openai::write_reply(reply, encoding, model),
        }
    }

    /// An answer of OpenAI's shape with its vectors in the encoding the client asked for; `None` where they are already. Many
    /// providers of that shape know only one.
    pub fn reencode(self, body: &[u8], encoding: Encoding) -> Option<Vec<u8>> {
        match self {
            Shape::OpenAi | Shape::Voyage | Shape::VoyageMultimodal | Shape::Jina => openai::reencode(body, encoding),
            _ => None,
        }
    }
}

impl EmbedRequest {
    /// Calls `each` for every medium at a web address that a provider of that shape takes only as bytes.
    pub fn each_wanted(&mut self, shape: Shape, each: &mut dyn FnMut(Medium, &mut Media)) {
        if !shape.takes_bytes_only() {
            return;
        }
        for input in &mut self.inputs {
            if let EmbedInput::Parts(parts) = input {
                input::each_at_web(parts, each);
            }
        }
    }

    /// The same for other inputs.
    fn with_inputs(&self, inputs: Vec<EmbedInput>) -> Self {
        Self {
            inputs,
            from: self.from,
            dimensions: self.dimensions,
            encoding: self.encoding,
            purpose: self.purpose.clone(),
            title: self.title.clone(),
            truncate: self.truncate,
            user: self.user.clone(),
            rest: self.rest.clone(),
        }
    }
}

impl EmbedReply {
    /// Adds the answer to the next of several calls.
    pub fn join(&mut self, next: EmbedReply) {
        self.vectors.extend(next.vectors);
        self.model = self.model.take().or(next.model);
        // A sum in which one is missing is no sum.
        self.usage = match (self.usage.take(), next.usage) {
            (Some(one), Some(other)) => {
                let add = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
                let either = |one: Option<u64>, other: Option<u64>| add(one, other).or(one).or(other);
                Some(Usage {
                    input: add(one.input, other.input),
                    total: add(one.total, other.total),
                    // Of a kind that one call did not have there is no report; the sum is that of the others.
                    input_image: either(one.input_image, other.input_image),
                    input_text: either(one.input_text, other.input_text),
                    ..Usage::default()
                })
            }
            _ => None,
        };
    }
}

/// A request being written.
struct Writing<'a> {
    request: &'a EmbedRequest,
    target: Target<'a>,
    shape: Shape,
    losses: Losses,
}

impl<'a> Writing<'a> {
    /// A field in the words of the client.
    fn word(&self, openai: &'static str) -> &'static str {
        let gemini = matches!(self.request.from, Shape::GeminiOne | Shape::GeminiBatch);
        match openai {
            "dimensions" if gemini => "outputDimensionality",
            "input_type" if gemini => "taskType",
            "input" if gemini => "content",
            other => other,
        }
    }

    fn dropped(&mut self, field: &'static str) {
        let field = self.word(field);
        self.losses.dropped(field);
    }

    fn unsupported(&self, why: &str) -> Unsupported {
        Unsupported { field: self.word("input").to_owned(), target: self.shape.as_str(), why: why.to_owned() }
    }

    /// Records the knobs that are set and that this target has no place for.
    fn without(&mut self, fields: &[&'static str]) {
        for field in fields.iter().copied() {
            let set = match field {
                "dimensions" => self.request.dimensions.is_some(),
                "input_type" => self.request.purpose.is_some(),
                "title" => self.request.title.is_some(),
                "truncate" => self.request.truncate.is_some(),
                "user" => self.request.user.is_some(),
                _ => false,
            };
            if set {
                self.dropped(field);
            }
        }
    }

    /// Records the unknown fields as lost, for targets of another family.
    fn without_rest(&mut self) {
        for (key, _) in &self.request.rest {
            self.losses.dropped(key.clone());
        }
    }

    /// The inputs as texts, for targets that take nothing else.
    fn texts(&self) -> Result<Vec<&'a str>, Unsupported> {
        let request: &'a EmbedRequest = self.request;
        request.inputs.iter().map(|input| input::plain_text(input).ok_or_else(|| self.refusal(input))).collect()
    }

    fn refusal(&self, input: &EmbedInput) -> Unsupported {
        match input {
            EmbedInput::Tokens(_) => self.unsupported("tokens of one model mean nothing to another; send text"),
            _ => self.unsupported("this provider embeds text only"),
        }
    }

    /// The word for the purpose in that vocabulary; what is not exact is a loss.
    fn purpose(&mut self, words: purpose::Vocabulary) -> Option<String> {
        let purpose = self.request.purpose.as_ref()?;
        let found = purpose.word(words);
        let field = self.word("input_type");
        match &found {
            None => self.losses.dropped(field),
            Some((_, false)) => self.losses.add(field, crate::loss::Why::Approximated),
            Some((_, true)) => {}
        }
        found.map(|(word, _)| word)
    }
}
