//! How the operator wants calls to be tried.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::forwarding::Forwarding;
use crate::health::Failure;
use crate::media::Media;
use crate::queue;
use crate::repair::Repairs;
use crate::service;

use super::step;

/// How the operator wants calls to be tried. What is `None` is not configured, and the loop's own rule holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// How often a failed request is repeated in its group.
    pub num_retries: Option<u32>,
    /// How often by the class of the failure.
    pub retry_policy: ByClass,
    /// The same for single groups.
    pub group_retry_policy: HashMap<String, ByClass>,
    /// The least pause before a retry.
    pub retry_after: Duration,
    /// When a deployment rests.
    pub cooldown: Cooldown,
    /// Whether and when a second deployment is asked before the first one has answered.
    pub hedging: Option<Hedging>,
    /// After how long without content a stream's headers are sent all the same.
    pub early_headers_after: Option<Duration>,
    /// How media at URLs are brought to targets that take only bytes; `None`: not at all.
    pub media: Option<Media>,
    /// Whether a text that breaks off is continued by another deployment.
    pub continue_streams: bool,
    /// Whether answers that pass as they came name the model as it was asked for, not as the provider does.
    pub asked_names: bool,
    /// Whether callers who want that are told why others answered than who was asked.
    pub tells_failures: bool,
    /// Whether the usage in a chat completion's stream says what the answer cost.
    pub told_cost: Option<bool>,
    /// How long a stream may only show that it is still open; `None`: five minutes.
    pub silence: Option<Duration>,
    /// How calls wait where there is no capacity.
    pub queue: queue::Settings,
    /// What is done for calls beside taking them to a provider.
    pub service: service::Settings,
    /// What of requests is put right.
    pub repairs: Repairs,
    /// Which headers of clients are passed on beside the usual ones.
    pub forwarding: Option<Arc<Forwarding>>,
}

/// When a deployment rests, beside its breaker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cooldown {
    /// Never, and no breaker either.
    pub disabled: bool,
    /// How long; `None`: [`Cooldown::TIME`].
    pub time: Option<Duration>,
    /// Failures within a minute that are borne.
    pub allowed_fails: Option<u32>,
    /// The same by the class of the failure.
    pub allowed_fails_policy: ByClass,
}

impl Cooldown {
    /// How long a deployment rests unless something says how long.
    pub const TIME: Duration = Duration::from_secs(5);
}

/// A number for each class of failure, as LiteLLM's policies tell them apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByClass {
    /// For requests that were refused.
    pub bad_request: Option<u32>,
    /// For refused credentials.
    pub authentication: Option<u32>,
    /// For timeouts.
    pub timeout: Option<u32>,
    /// For rate limits.
    pub rate_limit: Option<u32>,
    /// For content filters.
    pub content_policy: Option<u32>,
    /// For failures of the provider.
    pub internal: Option<u32>,
    /// For a provider that is too busy; where nothing is said of that, it is a failure like others.
    pub unavailable: Option<u32>,
    /// For models that are not there.
    pub not_found: Option<u32>,
    /// For all that another attempt may help and that has no number of its own.
    pub default: Option<u32>,
}

impl ByClass {
    /// The number for that failure.
    pub fn get(&self, failure: Failure) -> Option<u32> {
        self.named(failure).or_else(|| self.default.filter(|_| step::is_repeated(failure)))
    }

    fn named(&self, failure: Failure) -> Option<u32> {
        match failure {
            Failure::RateLimited => self.rate_limit,
            Failure::Quota | Failure::Credential | Failure::Denied => self.authentication,
            Failure::Timeout | Failure::Hurried => self.timeout,
            Failure::ContentPolicy => self.content_policy,
            Failure::Request | Failure::ContextWindow | Failure::Unsupported => self.bad_request,
            Failure::Overloaded => self.unavailable.or(self.internal),
            Failure::ModelNotFound => self.not_found,
            Failure::Server
            | Failure::Unreachable
            | Failure::Tls
            | Failure::Truncated
            | Failure::Protocol
            | Failure::TooLarge
            | Failure::Empty
            | Failure::Redirect => self.internal,
            Failure::Transient | Failure::Own => None,
        }
    }

    /// Sets the number of the class with that stem (`RateLimitError`). `false`: there is no such class.
    pub fn set(&mut self, stem: &str, number: u32) -> bool {
        let place = match stem {
            "BadRequestError" => &mut self.bad_request,
            "AuthenticationError" => &mut self.authentication,
            "TimeoutError" => &mut self.timeout,
            "RateLimitError" => &mut self.rate_limit,
            "ContentPolicyViolationError" => &mut self.content_policy,
            "InternalServerError" => &mut self.internal,
            "ServiceUnavailableError" => &mut self.unavailable,
            "NotFoundError" => &mut self.not_found,
            "Default" => &mut self.default,
            _ => return false,
        };
        *place = Some(number);
        true
    }
}

/// When a second deployment is asked before the first one has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedging {
    /// Not sooner than this, however quick the first one usually is.
    pub least: Duration,
    /// After this, where nothing is known of the first one; `None`: not at all.
    pub unknown: Option<Duration>,
}

impl Default for Hedging {
    fn default() -> Self {
        Self { least: Duration::from_millis(50), unknown: None }
    }
}
