//! What the caller asks of the way its call is tried: in LiteLLM's fields and headers, and in those of TrueFoundry.

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use switchboard_wire::control::is_steering;
use switchboard_wire::outline::Outline;

use crate::call::{Call, Content};
use crate::guidance::{Fallback, FallbackForm, RouterOverride, Seconds};
use crate::health::ByClass;
use crate::route::RetryRule;

/// The most retries a caller may ask for.
const MOST_RETRIES: u32 = 10;
/// What the caller asks of the way its call is tried. What is `None` was not said.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// How often a failed request is repeated.
    pub retries: Option<u32>,
    /// The longest time for one attempt.
    pub timeout: Option<Duration>,
    /// The longest wait for the first content of a stream.
    pub stream_timeout: Option<Duration>,
    /// How long the caller waits at all, from when its call was received.
    pub patience: Option<Duration>,
    /// How often by group and by the class of the failure.
    pub group_retry_policy: HashMap<String, ByClass>,
    /// How often, and upon which statuses, the same target is asked again.
    pub rule: Option<RetryRule>,
    /// Where to go when the input is too long.
    pub context_window_fallbacks: Option<Vec<Fallback>>,
    /// The same when a content filter refuses.
    pub content_policy_fallbacks: Option<Vec<Fallback>>,
    /// Whether the caller wants to know why another model answers than the one asked for.
    pub tells_failures: bool,
    /// Whether another deployment is asked when the first one is slow.
    pub hedge: Option<bool>,
    /// Whether a text that breaks off is continued by another deployment.
    pub resume: Option<bool>,
    /// Who goes first where calls wait for capacity: lower first.
    pub priority: Option<u8>,
    /// An answer or a failure to be made up.
    pub mock: Option<Box<Mock>>,
}

impl Mock {
    /// The field by which a caller wants a failure made up; none where it wants an answer.
    pub(crate) fn failing(&self) -> Option<&'static str> {
        match self {
            Self::Response(_) => None,
            Self::Timeout => Some("mock_timeout"),
            Self::Fallbacks => Some("mock_testing_fallbacks"),
            Self::ContextFallbacks => Some("mock_testing_context_fallbacks"),
            Self::ContentPolicyFallbacks => Some("mock_testing_content_policy_fallbacks"),
            Self::RateLimit => Some("mock_testing_rate_limit_error"),
        }
    }
}

/// What is to be made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mock {
    /// An answer with that text; a text that names one of LiteLLM's exceptions is that failure.
    Response(String),
    /// A timeout.
    Timeout,
    /// A failure of the first group, so that its fallbacks are tried.
    Fallbacks,
    /// The same by an input that is too long.
    ContextFallbacks,
    /// The same by a content filter.
    ContentPolicyFallbacks,
    /// A rate limit.
    RateLimit,
}

impl Asked {
    /// What that call says.
    pub fn of(call: &Call) -> Self {
        let mut asked = Self::default();
        // What cannot be read is told by planning.
        if let Ok(Some(said)) = RouterOverride::of(call) {
            asked.override_by(&said, call);
        }
        if let Content::Json(outline) = &call.content {
            asked.read_body(call, outline);
        }
        asked.read_headers(&call.headers);
        asked
    }

    fn read_body(&mut self, call: &Call, outline: &Outline) {
        for entry in outline.entries() {
            let key = &*entry.key;
            // Few requests have any of these: what the table does not know costs a comparison.
            if !is_read(key) || !is_steering(call.door.dialect, key) {
                continue;
            }
            let seconds = || outline.read::<Seconds>(&call.body, key).ok().flatten().and_then(Seconds::duration);
            let flag = || outline.read::<bool>(&call.body, key).ok().flatten() == Some(true);
            match key {
                "num_retries" => self.retries = outline.read(&call.body, key).ok().flatten().or(self.retries),
                "timeout" | "request_timeout" => self.timeout = seconds().or(self.timeout),
                "stream_timeout" => self.stream_timeout = seconds().or(self.stream_timeout),
                "priority" => self.priority = outline.read(&call.body, key).ok().flatten().map(priority),
                "context_window_fallbacks" => {
                    self.context_window_fallbacks = fallbacks(call, outline, key).or(self.context_window_fallbacks.take())
                }
                "content_policy_fallbacks" => {
                    self.content_policy_fallbacks = fallbacks(call, outline, key).or(self.content_policy_fallbacks.take())
                }
                "include_fallback_errors" => {
                    self.tells_failures = outline.read(&call.body, key).ok().flatten().is_some_and(|said| is_something(&said))
                }
                "mock_response" => self.mock = outline.read(&call.body, key).ok().flatten().map(|text| Box::new(Mock::Response(text))),
                "mock_timeout" => self.make_up(flag(), Mock::Timeout),
                "mock_testing_fallbacks" => self.make_up(flag(), Mock::Fallbacks),
                "mock_testing_context_fallbacks" => self.make_up(flag(), Mock::ContextFallbacks),
                "mock_testing_content_policy_fallbacks" => self.make_up(flag(), Mock::ContentPolicyFallbacks),
                "mock_testing_rate_limit_error" => self.make_up(flag(), Mock::RateLimit),
                _ => {}
            }
        }
    }

    fn override_by(&mut self, said: &RouterOverride, call: &Call) {
        let of = |forms: &Option<Vec<FallbackForm>>| forms.clone().map(|forms| listed(call, forms));
        self.context_window_fallbacks = of(&said.context_window_fallbacks);
        self.content_policy_fallbacks = of(&said.content_policy_fallbacks);
        self.group_retry_policy.clone_from(&said.group_retry_policy);
        (self.retries, self.timeout, self.stream_timeout) = (said.retries, said.timeout, said.stream_timeout);
    }

    fn make_up(&mut self, wanted: bool, mock: Mock) {
        if wanted {
            self.mock = Some(Box::new(mock));
        }
    }

    fn read_headers(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            let name = name.as_str();
            if !name.starts_with("x-") {
                continue;
            }
            let Ok(value) = value.to_str() else { continue };
            let seconds = || Seconds::Text(value.to_owned()).duration();
            let millis = || value.trim().parse::<f64>().ok().and_then(|millis| Seconds::Number(millis / 1000.0).duration());
            match name {
                "x-litellm-timeout" => self.timeout = seconds().or(self.timeout),
                "x-litellm-stream-timeout" => self.stream_timeout = seconds().or(self.stream_timeout),
                "x-litellm-num-retries" => self.retries = value.trim().parse().ok().or(self.retries),
                "x-litellm-priority" => self.priority = value.trim().parse().ok().map(priority).or(self.priority),
                "x-tfy-request-timeout" => self.timeout = millis().or(self.timeout),
                "x-tfy-ttft-timeout-ms" => self.stream_timeout = millis().or(self.stream_timeout),
                "x-tfy-retry-config" => self.rule = rule(value).or(self.rule.take()),
                "x-switchboard-hedge" => self.hedge = switch(value).or(self.hedge),
                "x-switchboard-continue" => self.resume = switch(value).or(self.resume),
                // The SDKs of OpenAI and Anthropic say how long they wait.
                "x-stainless-timeout" => self.patience = seconds(),
                _ => {}
            }
        }
        self.retries = self.retries.map(|retries| retries.min(MOST_RETRIES));
    }
}

/// Whether a value of any kind says yes, as Python reads it.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn is_read(key: &str) -> bool {
    matches!(
        key,
        "num_retries"
            | "timeout"
            | "request_timeout"
            | "stream_timeout"
            | "priority"
            | "context_window_fallbacks"
            | "content_policy_fallbacks"
            | "include_fallback_errors"
            | "mock_response"
            | "mock_timeout"
            | "mock_testing_fallbacks"
            | "mock_testing_context_fallbacks"
            | "mock_testing_content_policy_fallbacks"
            | "mock_testing_rate_limit_error"
    )
}

/// LiteLLM's priorities go from 0, the first, to 255.
fn priority(said: i64) -> u8 {
    u8::try_from(said.clamp(0, 255)).unwrap_or(u8::MAX)
}

/// `true`, `false`, and what else headers say for them.
pub(crate) fn switch(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" | "enabled" => Some(true),
        "false" | "0" | "off" | "no" | "disabled" => Some(false),
        _ => None,
    }
}

fn fallbacks(call: &Call, outline: &Outline, key: &str) -> Option<Vec<Fallback>> {
    Some(listed(call, outline.read(&call.body, key).ok().flatten()?))
}

/// Where else to go; what cannot be read names nobody, and what steers the gateway does not go along.
fn listed(call: &Call, forms: Vec<FallbackForm>) -> Vec<Fallback> {
    let mut found: Vec<Fallback> = forms.into_iter().flat_map(|form| form.read(&call.model).unwrap_or_default()).collect();
    found.iter_mut().for_each(|one| one.params.retain(|(name, _)| !is_steering(call.door.dialect, name)));
    found
}

/// `{"attempts": n, "delay": ms, "onStatusCodes": [429, "500"]}`
fn rule(text: &str) -> Option<RetryRule> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Status {
        Number(u16),
        Text(String),
    }
    #[derive(Deserialize)]
    struct Written {
        attempts: Option<u32>,
        delay: Option<u64>,
        #[serde(rename = "onStatusCodes", alias = "on_status_codes", default)]
        statuses: Vec<Status>,
    }
    let written: Written = serde_json::from_str(text).ok()?;
    let statuses = written.statuses.into_iter().filter_map(|status| match status {
        Status::Number(number) => Some(number),
        Status::Text(text) => text.trim().parse().ok(),
    });
    Some(RetryRule {
        attempts: written.attempts.unwrap_or(0).min(MOST_RETRIES),
        delay: Duration::from_millis(written.delay.unwrap_or(0).min(60_000)),
        statuses: statuses.collect(),
    })
}

#[cfg(test)]
mod tests;
