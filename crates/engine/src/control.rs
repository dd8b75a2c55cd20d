//! What passes between client and provider beside the answer itself, as tables: headers that are forwarded, headers that come back.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;

use crate::call::{Call, Content};
use crate::deployment::Reach;

/// Client headers that a provider gets. An organisation or project is not among them: the gateway's credential is used for what its
/// operator chose.
const FORWARD: [&str; 6] = ["anthropic-beta", "anthropic-version", "openai-beta", "http-referer", "x-title", "x-session-id"];

/// The names a provider's header goes on under: its own, and that under which LiteLLM's clients look for it.
macro_rules! passed {
    ($($name:literal),* $(,)?) => {
        [$((HeaderName::from_static($name), HeaderName::from_static(concat!("llm_provider-", $name)))),*]
    };
}

/// Provider headers that a client gets.
static BACKWARD: [(HeaderName, HeaderName); 20] = passed![
    "request-id",
    "x-request-id",
    "openai-model",
    "openai-processing-ms",
    "openai-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "x-amzn-requestid",
    "cf-ray",
    "x-groq-region",
];

static TOLD_WAIT: HeaderName = HeaderName::from_static("llm_provider-retry-after");

/// Whether a value is letters that every server reads alike. No other goes on.
pub fn is_plain(value: &HeaderValue) -> bool {
    value.to_str().is_ok()
}

/// Adds the client's headers that a provider may have; those of the row win.
pub fn forward(client: &HeaderMap, reach: &Reach, upstream: &mut HeaderMap) {
    for (name, value) in client {
        let wanted = FORWARD.contains(&name.as_str()) && understands(reach.dialect(), name.as_str());
        if wanted && is_plain(value) && !reach.headers.contains_key(name) && !upstream.contains_key(name) {
            upstream.insert(name.clone(), value.clone());
        }
    }
}

/// A vendor's own headers are for those who speak its format.
fn understands(spoken: Option<Dialect>, name: &str) -> bool {
    match spoken {
        Some(Dialect::Anthropic) | None => true,
        Some(Dialect::OpenAiChat | Dialect::OpenAiCompletions | Dialect::OpenAiResponses) => !name.starts_with("anthropic-"),
        Some(Dialect::Gemini | Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama | Dialect::Replicate) => {
            !name.starts_with("anthropic-") && !name.starts_with("openai-")
        }
    }
}

/// The provider's headers that a client may have.
pub fn backward(upstream: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(32);
    for (name, value) in upstream {
        if let Some((own, told)) = BACKWARD.iter().find(|(own, _)| own == name) {
            headers.insert(own.clone(), value.clone());
            headers.insert(told.clone(), value.clone());
        }
    }
    headers
}

/// The same of an answer that is a failure: under the names that clients look for, and how long to wait.
pub(crate) fn of_failure(upstream: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in upstream {
        let told = BACKWARD.iter().find(|(own, _)| own == name).map(|(_, told)| told);
        let told = told.or_else(|| (*name == http::header::RETRY_AFTER).then_some(&TOLD_WAIT));
        if let Some(told) = told {
            headers.insert(told.clone(), value.clone());
        }
    }
    headers
}

/// Whether the client wants the usage in the stream.
pub fn wants_stream_usage(call: &Call) -> bool {
    #[derive(serde::Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    if call.door.flavor == Flavor::OpenRouter {
        return true;
    }
    match &call.content {
        Content::Json(outline) => {
            let options: Option<Options> = outline.read(&call.body, "stream_options").ok().flatten();
            options.and_then(|options| options.include_usage).unwrap_or(false)
        }
        Content::Form(_) => false,
    }
}

/// Whether the client wants thoughts left out of the answer (OpenRouter's `reasoning.exclude`, `include_reasoning`).
pub fn hides_reasoning(call: &Call) -> bool {
    #[derive(serde::Deserialize)]
    struct Reasoning {
        exclude: Option<bool>,
    }
    let Content::Json(outline) = &call.content else { return false };
    if call.door.dialect != Dialect::OpenAiChat {
        return false;
    }
    let reasoning: Option<Reasoning> = outline.read(&call.body, "reasoning").ok().flatten();
    let include: Option<bool> = outline.read(&call.body, "include_reasoning").ok().flatten();
    reasoning.and_then(|reasoning| reasoning.exclude).unwrap_or(false) || include == Some(false)
}
