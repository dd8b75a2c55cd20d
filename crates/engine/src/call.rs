//! One client request, once known.

pub mod conversation;
pub mod digest;
pub mod mentions;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use serde_json::{Map, Value};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::half::Head;
use switchboard_wire::multipart;
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::problem::Malformed;
use switchboard_wire::{Dialect, Operation};

use crate::principal::Principal;

use mentions::{Mentioned, Mentions};

/// What names a call in the log.
pub const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
/// The longest name of a call that is one.
const LONGEST_ID: usize = 256;

/// The shape of a chat in a form of the model's own.
pub const OWN_FORM: &str = "own";

/// The door a request came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// What is asked for.
    pub operation: Operation,
    /// How the client writes.
    pub dialect: Dialect,
    /// Which of the APIs that share the dialect it expects.
    pub flavor: Flavor,
    /// The shape of a request that is no chat, see the catalog (`openai`, `gemini`, `cohere`).
    pub shape: &'static str,
    /// Whether a stream is to be one JSON array (Gemini without `alt=sse`).
    pub array: bool,
}

/// What the body is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A JSON object, and where its keys stand.
    Json(Outline),
    /// A multipart form with that content type.
    Form(String),
}

/// One client request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Minted inside; the client cannot choose it.
    pub id: String,
    /// Where it came in.
    pub door: Door,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The model asked for.
    pub model: String,
    /// Whether the path, not the body, names the model.
    pub model_in_path: bool,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The body as it arrived.
    pub body: Frames,
    /// What the body is.
    pub content: Content,
    /// The fields of it that are the caller's own wish for the provider's body, in whatever form that is.
    pub laid: Arc<[String]>,
    /// Whether knobs that the target lacks are refused rather than dropped.
    pub strict: bool,
    /// Whether knobs that the model lacks are left out even where the request passes as it came.
    pub lenient: bool,
    /// When its head arrived.
    pub received: Instant,
    /// Unix seconds at that time.
    pub created: u64,
    /// What its body speaks of, once somebody has asked.
    pub mentioned: Mentioned,
}

/// What a client calls its call, where that can stand in a header and in the log.
pub fn named_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(CALL_ID)?.to_str().ok()?;
    let fits = !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(id)
}

impl Call {
    /// A chat request in that dialect, from nobody in particular. Its body names the model, and whether it wants a stream.
    pub fn chat(dialect: Dialect, body: impl Into<Bytes>) -> Result<Self, Malformed> {
        let body = Frames::from(body.into());
        let outline = Outline::scan(&body)?;
        let model = outline.read(&body, "model")?.ok_or_else(|| Malformed::new("the request names no `model`"))?;
        let stream = outline.read(&body, "stream")?.unwrap_or(false);
        Ok(Self {
            id: format!("call-{:032x}", fastrand::u128(..)),
            door: Door { operation: Operation::Chat, dialect, flavor: Flavor::OpenAi, shape: "openai", array: false },
            principal: Arc::default(),
            model,
            model_in_path: false,
            stream,
            headers: HeaderMap::new(),
            body,
            content: Content::Json(outline),
            laid: Arc::default(),
            strict: false,
            lenient: false,
            received: Instant::now(),
            created: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs()),
            mentioned: Mentioned::default(),
        })
    }

    /// The same with another body: what its client would have sent, had it written so.
    pub fn with_body(mut self, body: Frames) -> Result<Self, Malformed> {
        self.content = Content::Json(Outline::scan(&body)?);
        (self.body, self.mentioned) = (body, Mentioned::default());
        Ok(self)
    }

    /// The same with those edits of its body.
    pub fn edited(self, edits: &Edits) -> Result<Self, Malformed> {
        let body = match &self.content {
            Content::Json(outline) if !edits.is_empty() => outline.apply(&self.body, edits),
            Content::Json(_) | Content::Form(_) => return Ok(self),
        };
        self.with_body(body)
    }

    /// What stands beside the body, for the readers of `wire`.
    pub fn head(&self) -> Head<'_> {
        Head {
            path_model: self.model_in_path.then_some(self.model.as_str()),
            path_stream: self.model_in_path.then_some(self.stream),
            headers: Some(&self.headers),
        }
    }

    /// What the body speaks of beside text, without having been read.
    pub fn mentions(&self) -> Mentions {
        self.mentioned.by(&self.body)
    }

    /// The body's top-level value of that key as a string.
    pub fn text(&self, key: &str) -> Option<String> {
        match &self.content {
            Content::Json(outline) => outline.read(&self.body, key).ok().flatten(),
            Content::Form(_) => None,
        }
    }
}

impl Call {
    /// What its client calls it, where that can stand in a header and in the log; else its id.
    pub fn told_id(&self) -> &str {
        self.named_id().unwrap_or(&self.id)
    }

    /// What its client calls it.
    pub(crate) fn named_id(&self) -> Option<&str> {
        named_id(&self.headers)
    }

    /// What stands at the top of its body under that key, in whichever form it is: a form has texts, which may be JSON.
    pub fn value(&self, key: &str) -> Option<Value> {
        match &self.content {
            Content::Json(outline) => outline.read(&self.body, key).ok().flatten(),
            Content::Form(kind) => {
                let text = multipart::field(&self.body, kind, key).ok().flatten()?;
                let is_json = text.starts_with(['{', '[']);
                let read = is_json.then(|| serde_json::from_str(&text).ok()).flatten();
                Some(read.unwrap_or(Value::String(text)))
            }
        }
    }

    /// The number that stands there, rounded up, however it is written.
    pub fn amount(&self, key: &str) -> Option<u64> {
        amount(&self.value(key)?)
    }

    /// The fields that stand there: of an object, or of a text that is one.
    pub fn fields(&self, key: &str) -> Option<Map<String, Value>> {
        match self.value(key)? {
            Value::Object(fields) => Some(fields),
            Value::String(text) => serde_json::from_str(&text).ok(),
            _ => None,
        }
    }

    /// A field of what callers say of a call beside what they ask: `metadata`, or `litellm_metadata`.
    pub fn beside(&self, name: &str) -> Option<Value> {
        ["metadata", "litellm_metadata"].into_iter().find_map(|place| {
            if let Content::Json(outline) = &self.content {
                // Most metadata has none: a search costs less than reading it.
                let entry = outline.get(place)?;
                let whole = self.body.slice(entry.value.start, entry.value.end);
                memchr::memmem::find(whole.as_ref(), name.as_bytes())?;
            }
            self.fields(place)?.remove(name)
        })
    }
}

/// The number that a value is, or spells, rounded up: what is counted by it is counted high enough.
pub(crate) fn amount(value: &Value) -> Option<u64> {
    let real = || value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number| *number >= 0.0);
    value.as_u64().or_else(|| real().map(|number| number.ceil() as u64))
}

/// An answer that is known as a whole.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The body.
    pub body: Bytes,
    /// What it is.
    pub content_type: http::HeaderValue,
}
