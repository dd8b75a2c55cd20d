//! Headers of clients that an operator wants passed on, beside those that [`crate::control`] names.
//!
//! What shows who the client is to this gateway never goes on, nor what belongs to one connection; a header of the deployment's own
//! comes before the client's.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::Dialect;

use crate::call::Call;
use crate::control::is_plain;
use crate::deployment::{Deployment, Reach};
use crate::pattern::matches;

/// What is passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// `x-…` and `anthropic-beta` of every call.
    pub every: bool,
    /// The same of calls of these models: names, patterns and access groups.
    pub models: Vec<String>,
    /// `openai-organization`, to those who speak OpenAI's formats. It wins over the deployment's.
    pub organization: bool,
    /// Credentials among the `x-…` that were not shown to the gateway.
    pub credentials: bool,
    /// `traceparent`.
    pub trace: bool,
    /// The header that holds the gateway's keys, where that is one of the operator's own.
    pub key_header: Option<HeaderName>,
}

/// Headers that hold keys of this gateway.
const KEYS: [&str; 3] = ["x-litellm-api-key", "x-api-key", "x-goog-api-key"];
/// Headers that are this gateway's business alone: its own, those of its pages and tools, and what the client's library says of itself.
const OURS: [&str; 6] = ["x-switchboard-", "x-stainless", "x-csrf-token", "x-mcp-auth", "x-mcp-servers", "x-mcp-access-groups"];
/// The one credential among the `x-…` that may go on as a header. A client's `x-api-key` takes the place of the gateway's instead.
const CREDENTIAL: &str = "x-goog-api-key";
/// How the tokens of people's subscriptions with Anthropic begin.
const SUBSCRIPTION: &str = "sk-ant-oat";
/// What a signature is made over.
const SIGNED: &str = "x-amz-";

const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
const TRACE: HeaderName = HeaderName::from_static("traceparent");

impl Forwarding {
    /// Whether nothing is passed on.
    pub fn is_idle(&self) -> bool {
        !self.every && self.models.is_empty() && !self.organization && !self.trace
    }

    /// Adds what that target gets of the call's headers.
    pub(crate) fn add(&self, call: &Call, (target, reach): (&Deployment, &Reach), upstream: &mut HeaderMap) {
        if self.every || self.covers(call, target) {
            for (name, value) in call.headers.iter().filter(|(name, value)| is_plain(value) && self.is_free(name, &call.headers)) {
                // A key of the gateway's may stand in any header.
                if shown(&call.headers).all(|key| key != bare(value)) && !reach.headers.contains_key(name) && !upstream.contains_key(name) {
                    upstream.insert(name.clone(), value.clone());
                }
            }
        }
        let organization =
            || call.headers.get(&ORGANIZATION).filter(|value| self.organization && is_plain(value) && speaks_openai(target, reach));
        if let Some(value) = organization() {
            upstream.insert(ORGANIZATION, value.clone());
        }
        let trace = || call.headers.get(&TRACE).filter(|value| self.trace && is_plain(value) && !reach.headers.contains_key(&TRACE));
        if let Some(value) = trace() {
            upstream.insert(TRACE, value.clone());
        }
    }

    /// Whether the call is of one of the models.
    fn covers(&self, call: &Call, target: &Deployment) -> bool {
        let spec = &target.spec;
        let has = |name: &str| self.models.iter().any(|entry| matches(entry, name));
        !self.models.is_empty() && (has(&call.model) || has(&spec.group) || spec.traits.access_groups.iter().any(|group| has(group)))
    }

    fn is_free(&self, name: &HeaderName, all: &HeaderMap) -> bool {
        let text = name.as_str();
        if text.starts_with("anthropic-beta") {
            return true;
        }
        let kept = KEYS.contains(&text) || OURS.iter().any(|ours| text.starts_with(ours)) || text.starts_with(SIGNED);
        let brought = || self.credentials && text == CREDENTIAL && is_theirs(CREDENTIAL, all);
        text.starts_with("x-") && self.key_header.as_ref() != Some(name) && (!kept || brought())
    }
}

/// What is shown to the gateway: one of them is its key.
fn shown(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    ["x-litellm-api-key", "authorization"].into_iter().filter_map(|name| headers.get(name)).map(bare)
}

fn bare(value: &HeaderValue) -> &[u8] {
    value.as_bytes().strip_prefix(b"Bearer ").unwrap_or(value.as_bytes())
}

/// Whether what stands in that header is none of the gateway's keys: one is shown elsewhere, and it is another.
fn is_theirs(name: &str, headers: &HeaderMap) -> bool {
    let own = headers.get(name).map(bare);
    shown(headers).next().is_some() && shown(headers).all(|shown| Some(shown) != own)
}

/// The client's own key of a provider: `x-api-key`, where the gateway's stands elsewhere.
pub fn brought_key(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get("x-api-key").filter(|_| is_theirs("x-api-key", headers))
}

/// The token of the client's own subscription with Anthropic, where the gateway's key stands elsewhere.
pub fn brought_token(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-litellm-api-key")?;
    let shown = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    shown.strip_prefix("Bearer ").filter(|token| token.starts_with(SUBSCRIPTION))
}

fn speaks_openai(target: &Deployment, reach: &Reach) -> bool {
    let openai = |dialect: &Dialect| matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiCompletions | Dialect::OpenAiResponses);
    match reach.dialect() {
        Some(spoken) => openai(&spoken),
        None => target.chat.iter().any(openai),
    }
}
