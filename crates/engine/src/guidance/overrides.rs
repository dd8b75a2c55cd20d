//! What is said instead of the router's settings for some calls alone: by the request (LiteLLM's `router_settings_override`), or by its
//! key or team (`router_settings`).

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use switchboard_wire::problem::{Kind, Problem};

use super::{FallbackForm, Strategy, Weights};
use crate::health::ByClass;

/// The longest time a caller may ask for.
const LONGEST: f64 = 86_400.0;

/// The settings of the router that some calls have of their own. What is `None` or empty was not said.
#[derive(Clone, Debug, Default)]
pub struct RouterOverride {
    /// Where else to go.
    pub fallbacks: Option<Vec<FallbackForm>>,
    /// The same when the input is too long.
    pub context_window_fallbacks: Option<Vec<FallbackForm>>,
    /// The same when a content filter refuses.
    pub content_policy_fallbacks: Option<Vec<FallbackForm>>,
    /// How often a failed request is repeated.
    pub retries: Option<u32>,
    /// The same by group and by the class of the failure.
    pub group_retry_policy: HashMap<String, ByClass>,
    /// The longest time for one attempt.
    pub timeout: Option<Duration>,
    /// The longest wait for the first content of a stream.
    pub stream_timeout: Option<Duration>,
    /// How deployments are put in order.
    pub strategy: Option<Strategy>,
    /// Whether tags choose deployments.
    pub filters_by_tags: bool,
    /// Weights of deployments.
    pub weights: Weights,
}

impl RouterOverride {
    /// What is said there. Settings of other names are the router's alone, and a strategy that is none for single calls says nothing.
    pub fn read(said: &Map<String, Value>) -> Result<Self, Problem> {
        let strategy: Option<String> = field(said, "routing_strategy")?;
        let weights = said.get("weights").filter(|weights| !weights.is_null());
        let policies: Option<HashMap<String, Option<Policy>>> = field(said, "model_group_retry_policy")?;
        let policies = policies.unwrap_or_default().into_iter().filter_map(|(group, policy)| Some((group, policy?)));
        Ok(Self {
            fallbacks: field(said, "fallbacks")?,
            context_window_fallbacks: field(said, "context_window_fallbacks")?,
            content_policy_fallbacks: field(said, "content_policy_fallbacks")?,
            retries: field(said, "num_retries")?,
            group_retry_policy: policies.map(|(group, policy)| (group, by_class(policy))).collect(),
            timeout: field::<Seconds>(said, "timeout")?.and_then(Seconds::duration),
            stream_timeout: field::<Seconds>(said, "stream_timeout")?.and_then(Seconds::duration),
            strategy: strategy.as_deref().and_then(Strategy::from_name),
            filters_by_tags: field(said, "enable_tag_filtering")?.unwrap_or(false),
            weights: weights.map(|weights| Weights::read(weights).map_err(|why| wrong("weights", &why))).transpose()?.unwrap_or_default(),
        })
    }

    /// Whether planning has to know of it.
    pub(crate) fn steers(&self) -> bool {
        self.fallbacks.is_some() || self.strategy.is_some() || self.filters_by_tags || !self.weights.is_empty()
    }
}

/// `{"RateLimitErrorRetries": 3}`
type Policy = HashMap<String, Option<u32>>;

/// What names no class of failures says nothing.
fn by_class(policy: Policy) -> ByClass {
    let mut found = ByClass::default();
    for (name, number) in policy {
        if let Some((stem, number)) = name.strip_suffix("Retries").zip(number) {
            found.set(stem, number);
        }
    }
    found
}

/// A number of seconds, or the text of one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    pub(crate) fn duration(self) -> Option<Duration> {
        let seconds = match self {
            Seconds::Number(seconds) => seconds,
            Seconds::Text(text) => text.trim().parse().ok()?,
        };
        (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds.min(LONGEST)).ok()).flatten()
    }
}

fn field<T: serde::de::DeserializeOwned>(said: &Map<String, Value>, name: &str) -> Result<Option<T>, Problem> {
    let read = |value: &Value| Option::deserialize(value).map_err(|error| wrong(name, &error.to_string()));
    said.get(name).map_or(Ok(None), read)
}

pub(super) fn wrong(param: &str, why: &str) -> Problem {
    Problem::new(Kind::BadRequest, format!("`{param}`: {why}")).with_param(param)
}
