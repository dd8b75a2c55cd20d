//! How the operator wants calls to be tried.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::forwarding::Forwarding;
use crate::health::ByClass;
use crate::media::Media;
use crate::queue;
use crate::repair::Repairs;

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
    /// Whether callers may not have failures made up, nor have a call take its time for nothing.
    pub refuses_mocks: bool,
    /// Whether the usage in a chat completion's stream says what the answer cost.
    pub told_cost: Option<bool>,
    /// How long a stream may only show that it is still open; `None`: five minutes.
    pub silence: Option<Duration>,
    /// How calls wait where there is no capacity.
    pub queue: queue::Settings,
    /// What is done for calls beside taking them to a provider.
    pub service: Service,
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

/// What is done for calls beside taking them to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Whether identical calls of one key that are under way at once are one.
    pub coalesce: bool,
    /// How long answers to calls with an `Idempotency-Key` are kept. Zero: not at all.
    pub idempotency_ttl: Duration,
    /// Most bytes of them.
    pub idempotency_bytes: u64,
}

impl Default for Service {
    fn default() -> Self {
        Self { coalesce: false, idempotency_ttl: Duration::from_secs(600), idempotency_bytes: 64 << 20 }
    }
}
