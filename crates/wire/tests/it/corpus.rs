//! The exchanges: recorded ones where they are at hand, our own always.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use switchboard_wire::Dialect;
use switchboard_wire::framing::Framing;
use switchboard_wire::half::Head;

/// One exchange with a provider.
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) api: String,
    pub(crate) subject: Subject,
    pub(crate) request: Option<Bytes>,
    /// The same request as OpenAI chat, where it is not one already.
    pub(crate) neutral: Option<Bytes>,
    pub(crate) status: StatusCode,
    pub(crate) response: Bytes,
    pub(crate) framing: Option<Framing>,
    pub(crate) path_model: Option<String>,
}

/// What an exchange is to this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A chat exchange in that dialect.
    Chat(Dialect),
    /// Something else, for that reason.
    Left(&'static str),
}

impl Exchange {
    /// The dialect, where it is a chat exchange in one that both halves of the law can be asked of.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        match self.subject {
            Subject::Chat(dialect) if dialect.outbound().is_some() => Some(dialect),
            Subject::Chat(_) | Subject::Left(_) => None,
        }
    }

    /// What stands beside the request's body.
    pub(crate) fn head(&self) -> Head<'_> {
        Head { path_model: self.path_model.as_deref(), path_stream: Some(self.framing.is_some()), headers: None }
    }

    /// The same exchange with another answer.
    pub(crate) fn answering(&self, response: Bytes) -> Self {
        let (id, api, path_model) = (self.id.clone(), self.api.clone(), self.path_model.clone());
        Self { id, api, path_model, request: self.request.clone(), neutral: self.neutral.clone(), response, ..*self }
    }

    /// Whether the provider took it.
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    id: String,
    api: String,
    url: String,
    #[serde(borrow)]
    request_body: &'a RawValue,
    request_body_encoding: Option<String>,
    status: u16,
    response_body: Option<String>,
    response_body_encoding: Option<String>,
    stream_format: Option<String>,
    #[serde(borrow)]
    neutral_request: &'a RawValue,
}

/// A folder beside the repository, or inside it.
pub(crate) fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where recordings are: beside the repository, or beside the folder of its work trees.
const PLACES: [&str; 2] = ["../../../shared/conformance", "../../../../shared/conformance"];

fn recording(file: &str) -> Option<String> {
    PLACES.iter().find_map(|place| fs::read_to_string(beside(place).join(file)).ok())
}

/// The recorded exchanges; `None`, and a printed line, where they are not at hand.
pub(crate) fn recorded() -> Option<&'static [Exchange]> {
    static RECORDED: OnceLock<Option<Vec<Exchange>>> = OnceLock::new();
    let read = || recording("corpus.jsonl").map(|text| text.lines().map(exchange).collect());
    let found = RECORDED.get_or_init(read).as_deref();
    if found.is_none() {
        println!("skipped: no recorded exchanges at {}", beside(PLACES[0]).display());
    }
    found
}

/// What another gateway made of them.
pub(crate) fn oracle() -> Option<Vec<Value>> {
    let text = recording("oracle.jsonl")?;
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a line of the oracle")).collect())
}

/// Our own exchanges, a folder for each dialect.
pub(crate) fn fixtures() -> &'static [Exchange] {
    static FIXTURES: OnceLock<Vec<Exchange>> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(beside("tests/fixtures")).expect("fixtures").map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let text = |path: &PathBuf| fs::read_to_string(path).expect("a fixture");
        paths.iter().flat_map(|path| text(path).lines().map(exchange).collect::<Vec<_>>()).collect()
    })
}

fn exchange(line: &str) -> Exchange {
    let line: Line<'_> = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}", &line[..line.len().min(200)]));
    let request =
        (line.request_body_encoding.as_deref() == Some("json")).then(|| Bytes::copy_from_slice(line.request_body.get().as_bytes()));
    let response = line.response_body.unwrap_or_default();
    let response = match line.response_body_encoding.as_deref() {
        Some("base64") => Bytes::from(STANDARD.decode(&response).expect("base64")),
        _ => Bytes::from(response),
    };
    let neutral = line.neutral_request.get();
    Exchange {
        subject: subject(&line.api, line.request_body.get(), &response),
        neutral: neutral.starts_with('{').then(|| Bytes::copy_from_slice(neutral.as_bytes())),
        framing: line.stream_format.as_deref().map(framing),
        path_model: path_model(&line.url),
        status: StatusCode::from_u16(line.status).expect("a status"),
        id: line.id,
        api: line.api,
        request,
        response,
    }
}

fn framing(format: &str) -> Framing {
    match format {
        "sse" => Framing::Sse,
        "ndjson" => Framing::JsonLines,
        "aws-eventstream" => Framing::AwsEventStream,
        "json-array" => Framing::JsonArray,
        other => panic!("a new stream format: {other}"),
    }
}

fn path_model(url: &str) -> Option<String> {
    let rest = ["models/", "model/", "deployments/"].iter().find_map(|key| url.split_once(key))?.1;
    let end = rest.find(['/', ':', '?']).unwrap_or(rest.len());
    let model = &rest[..end];
    (!model.is_empty() && model != "chat").then(|| model.to_owned())
}

/// The dialect that an API speaks, or why it speaks none.
fn subject(api: &str, request: &str, response: &[u8]) -> Subject {
    let (provider, kind) = api.split_once('.').unwrap_or((api, ""));
    let is_object = |kind: &[u8]| memchr::memmem::find(response, kind).is_some();
    match (provider, kind) {
        ("cohere", "v1.chat" | "v1.generate") => Subject::Left("Cohere's version 1: retired by its vendor in favour of version 2"),
        ("cohere", "v2.chat") => Subject::Chat(Dialect::Cohere),
        ("ollama", "chat") if is_object(b"\"object\":\"chat.completion\"") => {
            Subject::Left("an OpenAI answer that the recorder filed under Ollama's path")
        }
        ("ollama", "chat") => Subject::Chat(Dialect::Ollama),
        ("ollama", "generate") => Subject::Left("Ollama's text generation: clients of this gateway reach Ollama through its chat"),
        ("bedrock", "converse" | "converse-stream") => Subject::Chat(Dialect::Bedrock),
        ("bedrock", "invoke.anthropic" | "invoke-with-response-stream.anthropic") if request.contains("\"prompt\"") => {
            Subject::Left("Claude 2's text completions: retired by their vendor")
        }
        ("bedrock", "invoke.anthropic" | "invoke-with-response-stream.anthropic") => Subject::Chat(Dialect::Anthropic),
        ("bedrock", kind) if kind.starts_with("invoke") => {
            Subject::Left("bodies of a vendor's own behind InvokeModel: these models are reached through Converse")
        }
        ("portkey", "completions") => Subject::Left("another gateway's prompt templates"),
        ("writer", "completions") if request.contains("\"stream\": true") || is_object(b"data: {\"value\"") => {
            Subject::Left("Writer's own stream of text completions")
        }
        ("openai", "responses.compact" | "responses.other" | "conversations") => {
            Subject::Left("stored responses and conversations: not a chat exchange")
        }
        ("gemini", "interactions") => Subject::Left("Gemini's interactions: a format of their own, in preview"),
        ("anthropic", "complete") => Subject::Left("Claude 2's text completions: retired by their vendor"),
        ("replicate" | "huggingface", "predictions" | "inference") => Subject::Left("a model's own input and output, not a chat exchange"),
        (_, "chat" | "openai.chat" | "inference.chat") => Subject::Chat(Dialect::OpenAiChat),
        (_, "completions") => Subject::Chat(Dialect::OpenAiCompletions),
        (_, "responses" | "openai.responses") => Subject::Chat(Dialect::OpenAiResponses),
        ("openai", "anthropic.messages") => Subject::Left("messages of OpenAI's assistants, filed under Anthropic's path"),
        (_, "messages" | "anthropic.messages") => Subject::Chat(Dialect::Anthropic),
        (_, "generateContent" | "streamGenerateContent" | "vertex.generateContent") => Subject::Chat(Dialect::Gemini),
        (_, "batches" | "batchGenerateContent" | "batchEmbedContents") => Subject::Left("batches: not a chat exchange"),
        (_, kind) if kind.contains("mbed") || kind.contains("rerank") => {
            Subject::Left("embeddings and reranking: no chat exchange (the engine passes OpenAI's form on)")
        }
        (_, kind) if kind.starts_with("audio") || kind.starts_with("images") || kind == "moderations" || kind == "ocr" => {
            Subject::Left("sound, images, moderation, OCR: not a chat exchange")
        }
        (_, kind) if kind.contains("count") || kind.ends_with("tokenize") => Subject::Left("counting of tokens: tested in the dialects"),
        (_, _) => Subject::Left("models, files, caches, agents and the like: not a chat exchange"),
    }
}
