//! What happens when a provider fails: `router_settings` as LiteLLM has them, and what only this gateway does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::fields::{Fields, Reader};
use crate::config::keys;
use crate::config::yaml::{Map, Node};

/// How often, and after which failures, requests are repeated and deployments rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resilience {
    /// Repetitions by the class of the failure (`RateLimitError`).
    pub retry_policy: Counts,
    /// The same, by model.
    pub model_group_retry_policy: BTreeMap<String, Counts>,
    /// Failures that are borne within a minute, by the class of the failure.
    pub allowed_fails_policy: Counts,
}

/// A number by the stem of LiteLLM's name of a class of failures.
pub type Counts = BTreeMap<String, u32>;

/// The classes.
const CLASSES: [&str; 6] =
    ["BadRequestError", "AuthenticationError", "TimeoutError", "RateLimitError", "ContentPolicyViolationError", "InternalServerError"];

/// Those that only repetitions are counted by; the last one stands for all that have no number.
const REPEATED: [&str; 3] = ["ServiceUnavailableError", "NotFoundError", "Default"];
/// How the names of their numbers end.
const RETRIES: &str = "Retries";

impl Resilience {
    pub(super) fn read(reader: &mut Reader<'_>, router: &Fields) -> Self {
        let groups = router.map("model_group_retry_policy").map(|map| map.entries.as_slice()).unwrap_or_default();
        let of_group = |reader: &mut Reader<'_>, entry: &crate::config::yaml::Entry| {
            let name = format!("router_settings.model_group_retry_policy.{}", entry.name);
            (entry.name.clone(), counts(reader, &name, entry.node.as_map(), RETRIES))
        };
        Self {
            retry_policy: counts(reader, "router_settings.retry_policy", router.map("retry_policy"), RETRIES),
            model_group_retry_policy: groups.iter().map(|entry| of_group(reader, entry)).collect(),
            allowed_fails_policy: counts(
                reader,
                "router_settings.allowed_fails_policy",
                router.map("allowed_fails_policy"),
                "AllowedFails",
            ),
        }
    }
}

/// What one deployment bears, by the class of the failure.
pub(super) fn allowed_fails_policy(reader: &mut Reader<'_>, info: &Fields) -> Counts {
    counts(reader, "model_list[].model_info.allowed_fails_policy", info.map("allowed_fails_policy"), "AllowedFails")
}

/// `{RateLimitErrorRetries: 3}`
fn counts(reader: &mut Reader<'_>, name: &str, map: Option<&Map>, suffix: &str) -> Counts {
    let mut counts = Counts::new();
    for entry in map.map(|map| map.entries.as_slice()).unwrap_or_default() {
        let repeated = if suffix == RETRIES { &REPEATED[..] } else { &[] };
        let classes = || CLASSES.iter().chain(repeated);
        let stem = entry.name.strip_suffix(suffix).filter(|stem| classes().any(|class| class == stem));
        let Some(stem) = stem else {
            let known: Vec<String> = classes().map(|class| format!("`{class}{suffix}`")).collect();
            let message = format!("`{name}.{}` is no class of failures", entry.name);
            reader.found.warn(&entry.at, message, format!("there are {}", known.join(", ")));
            continue;
        };
        if entry.node.is_absent() {
            continue;
        }
        match whole(&entry.node) {
            Some(count) => {
                counts.insert(stem.to_owned(), count);
            }
            None => reader.wrong_kind(&entry.node, &format!("{name}.{}", entry.name), keys::Kind::Count, &entry.name),
        }
    }
    counts
}

fn whole(node: &Node) -> Option<u32> {
    keys::whole(node).and_then(|number| u32::try_from(number).ok())
}

/// What only this gateway does about slow and broken answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Whether a second deployment is asked when the first one is slower than it usually is.
    pub hedging: bool,
    /// The least time before that, and the time itself where nothing is known of the first one. `None`: the least is the engine's own.
    pub hedge_after: Option<Duration>,
    /// After how long without content a stream's headers are sent all the same. `None`: never.
    pub early_headers_after: Option<Duration>,
    /// Whether a text that breaks off is continued by another deployment.
    pub continue_streams: bool,
    /// Whether answers that pass as they came name the model as it was asked for.
    pub asked_names: bool,
    /// How long a stream may only show that it is still open. `None`: as long as the engine's own bound.
    pub stream_silence_timeout: Option<Duration>,
    /// Whether identical requests of one key that are under way share one request to the provider.
    pub coalesce_requests: bool,
    /// How long answers to requests with an `Idempotency-Key` are kept. Zero: not at all.
    pub idempotency_ttl: Duration,
    /// Most bytes of them that are kept.
    pub idempotency_max_bytes: u64,
    /// Where they are kept beside memory.
    pub idempotency_store: AnswerStore,
}

/// Where answers are kept beside memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerStore {
    /// In Redis, if there is one, else in the database, if there is one.
    #[default]
    Auto,
    /// Nowhere.
    Memory,
    /// In the database.
    Database,
    /// In Redis.
    Redis,
}

impl Recovery {
    pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Self {
        Self {
            hedging: fields.flag("hedging").unwrap_or(false),
            hedge_after: fields.milliseconds("hedge_after_ms"),
            stream_silence_timeout: fields.milliseconds("stream_silence_timeout_ms").filter(|longest| !longest.is_zero()),
            early_headers_after: fields.milliseconds("early_headers_after_ms").filter(|after| !after.is_zero()),
            continue_streams: fields.flag("continue_streams").unwrap_or(false),
            asked_names: fields.flag("answer_with_asked_model").unwrap_or(false),
            coalesce_requests: fields.flag("coalesce_requests").unwrap_or(false),
            idempotency_ttl: fields.milliseconds("idempotency_ttl_ms").unwrap_or(Duration::from_secs(600)),
            idempotency_max_bytes: fields.integer("idempotency_max_bytes").unwrap_or(64 << 20),
            idempotency_store: store(reader, fields),
        }
    }
}

fn store(reader: &mut Reader<'_>, fields: &Fields) -> AnswerStore {
    match fields.text("idempotency_store").as_deref() {
        None | Some("auto") => AnswerStore::Auto,
        Some("memory") => AnswerStore::Memory,
        Some("database") => AnswerStore::Database,
        Some("redis") => AnswerStore::Redis,
        Some(other) => {
            if let Some(node) = fields.node("idempotency_store") {
                let message = format!("`switchboard.idempotency_store` cannot be `{other}`");
                reader.found.error(&node.at, message, "write `auto`, `memory`, `database` or `redis`");
            }
            AnswerStore::Auto
        }
    }
}
