//! What is said instead of the router's settings for some calls alone: by the request (LiteLLM's `router_settings_override`), or by its
//! key or team (`router_settings`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use switchboard_wire::control::is_steering;
use switchboard_wire::problem::{Kind, Problem};

use crate::asked::Seconds;
use crate::attempt::ByClass;
use crate::call::{Call, Content};
use crate::route::order::Strategy;
use crate::route::plan::Fallback;
use crate::route::weights::Weights;

/// The field of a request.
const NAME: &str = "router_settings_override";

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

    /// What holds for that call: what its key or team says, else what it says itself.
    pub(crate) fn of(call: &Call) -> Result<Option<Cow<'_, Self>>, Problem> {
        if let Some(standing) = &call.principal.router {
            return Ok(Some(Cow::Borrowed(standing)));
        }
        let Content::Json(outline) = &call.content else { return Ok(None) };
        if outline.get(NAME).is_none() || !is_steering(call.door.dialect, NAME) {
            return Ok(None);
        }
        let said: Option<Map<String, Value>> = outline.read(&call.body, NAME)?;
        said.map(|said| Self::read(&said).map(Cow::Owned)).transpose()
    }

    /// Whether planning has to know of it.
    pub(super) fn steers(&self) -> bool {
        self.fallbacks.is_some() || self.strategy.is_some() || self.filters_by_tags || !self.weights.is_empty()
    }
}

/// Where a request names models to fall back to.
const FALLBACKS: [&str; 3] = ["fallbacks", "context_window_fallbacks", "content_policy_fallbacks"];

/// The models that a request itself names to fall back to, for whichever failure. What cannot be read is told by planning.
pub fn named_fallbacks(call: &Call) -> Vec<String> {
    let Content::Json(outline) = &call.content else { return Vec::new() };
    let is_said = |name: &str| outline.get(name).is_some() && is_steering(call.door.dialect, name);
    let mut forms: Vec<FallbackForm> = Vec::new();
    for name in FALLBACKS.into_iter().filter(|name| is_said(name)) {
        let read: Option<Vec<FallbackForm>> = outline.read(&call.body, name).ok().flatten();
        forms.extend(read.into_iter().flatten());
    }
    if is_said(NAME) {
        let said: Option<Map<String, Value>> = outline.read(&call.body, NAME).ok().flatten();
        let read = said.and_then(|said| RouterOverride::read(&said).ok()).unwrap_or_default();
        let lists = [read.fallbacks, read.context_window_fallbacks, read.content_policy_fallbacks];
        forms.extend(lists.into_iter().flatten().flatten());
    }
    let read = forms.into_iter().filter_map(|form| form.read(&call.model).ok());
    read.flatten().map(|fallback| fallback.model).collect()
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

fn field<T: serde::de::DeserializeOwned>(said: &Map<String, Value>, name: &str) -> Result<Option<T>, Problem> {
    let read = |value: &Value| Option::deserialize(value).map_err(|error| wrong(name, &error.to_string()));
    said.get(name).map_or(Ok(None), read)
}

fn wrong(param: &str, why: &str) -> Problem {
    Problem::new(Kind::BadRequest, format!("`{param}`: {why}")).with_param(param)
}

/// A fallback as a client writes it: `"name"`, `{"model": "name", …}`, or `{"group": ["name", …]}` as configurations have it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum FallbackForm {
    /// A model.
    Name(String),
    /// A model with parameters, or groups with theirs.
    Full(Map<String, Value>),
}

impl FallbackForm {
    /// Those of a request for that model.
    pub(super) fn read_all(forms: Vec<Self>, asked: &str) -> Result<Vec<Fallback>, Problem> {
        let each = forms.into_iter().map(|form| form.read(asked));
        Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Those it names for a request for that model.
    pub(crate) fn read(self, asked: &str) -> Result<Vec<Fallback>, Problem> {
        let mut fields = match self {
            Self::Name(model) => return Ok(vec![Fallback::to(model)]),
            Self::Full(fields) => fields,
        };
        if let Some(model) = fields.remove("model").and_then(|model| model.as_str().map(str::to_owned)) {
            let params = fields.into_iter().map(|(name, value)| (name, value.to_string())).collect();
            return Ok(vec![Fallback { model, params }]);
        }
        if fields.is_empty() || !fields.values().all(Value::is_array) {
            return Err(wrong("fallbacks", "an entry has no `model`"));
        }
        let own = fields.get(asked).or_else(|| fields.get("*")).and_then(Value::as_array);
        Ok(own.into_iter().flatten().filter_map(Value::as_str).map(Fallback::to).collect())
    }
}
