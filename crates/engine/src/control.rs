//! What passes between client and provider beside the answer itself, as tables: fields meant for the gateway alone, headers that
//! are forwarded, headers that come back.

use http::header::HeaderMap;
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;

use crate::call::{Call, Content};

/// Body fields that steer a gateway and that no provider of that dialect knows.
const CONTROL: [&str; 24] = [
    "models",
    "provider",
    "route",
    "plugins",
    "transforms",
    "preset",
    "session_id",
    "trace",
    "fallbacks",
    "num_retries",
    "drop_params",
    "additional_drop_params",
    "allowed_openai_params",
    "mock_response",
    "guardrails",
    "tags",
    "cache",
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "custom_llm_provider",
    "disable_fallbacks",
    "litellm_metadata",
];

/// Client headers that a provider gets.
const FORWARD: [&str; 8] = [
    "anthropic-beta",
    "anthropic-version",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "http-referer",
    "x-title",
    "x-session-id",
];

/// Provider headers that a client gets.
const BACKWARD: [&str; 22] = [
    "request-id",
    "x-request-id",
    "openai-model",
    "openai-organization",
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
    "anthropic-organization-id",
    "x-amzn-requestid",
    "cf-ray",
    "x-groq-region",
];

/// Whether that top-level field is for the gateway and not for a provider of that dialect.
pub fn is_control(dialect: Dialect, key: &str) -> bool {
    let shared = matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiCompletions | Dialect::OpenAiResponses | Dialect::Anthropic);
    shared && CONTROL.contains(&key)
}

/// Adds the client's headers that a provider may have; those of the row win.
pub fn forward(client: &HeaderMap, upstream: &mut HeaderMap) {
    for (name, value) in client {
        if FORWARD.contains(&name.as_str()) && !upstream.contains_key(name) {
            upstream.insert(name.clone(), value.clone());
        }
    }
}

/// The provider's headers that a client may have.
pub fn backward(upstream: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in upstream {
        if BACKWARD.contains(&name.as_str()) {
            headers.insert(name.clone(), value.clone());
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
