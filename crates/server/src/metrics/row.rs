//! What is counted of calls and of attempts.

use std::sync::Arc;
use std::time::Duration;

use switchboard_engine::deployment::Deployment;
use switchboard_engine::health::Failure;
use switchboard_engine::meter::{Attempt, Outcome, Record};
use switchboard_engine::principal::Principal;
use switchboard_engine::wire::problem::Kind;
use switchboard_engine::wire::{Dialect, Operation};

use super::table::Kept;

/// The upper bounds of histograms, in microseconds; the last bucket has none. LiteLLM's.
pub const BOUNDS: [u64; 17] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    420_000_000,
    600_000_000,
];

/// How often something took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How often within each bound, and beyond the last.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum, in microseconds.
    pub sum: u64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS.partition_point(|bound| *bound < micros)] += 1;
        self.sum = self.sum.saturating_add(micros);
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Histogram) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// Tokens, by what they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokens {
    /// Of prompts.
    pub input: u64,
    /// Of answers.
    pub output: u64,
    /// Of prompts, read from a cache.
    pub cache_read: u64,
    /// Of prompts, written to a cache.
    pub cache_write: u64,
    /// Of prompts, sound.
    pub input_audio: u64,
    /// Of answers, thoughts.
    pub reasoning: u64,
    /// Of answers, sound.
    pub output_audio: u64,
}

/// How long calls took that were answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latencies {
    /// From the request's head to the answer's end.
    pub total: Histogram,
    /// From the request's head to the first attempt: who asks is found out, and a place may be waited for.
    pub queued: Histogram,
    /// At the provider.
    pub provider: Histogram,
    /// From the provider's being asked to its first content, of streams.
    pub first_content: Histogram,
    /// In the gateway, before the provider was asked.
    pub overhead: Histogram,
    /// At the provider, for each token of the answer.
    pub per_token: Histogram,
}

/// Calls that have every label in common.
#[derive(Clone, Debug)]
pub struct CallRow {
    /// Who asked last.
    pub principal: Arc<Principal>,
    /// For which model.
    pub model: Arc<str>,
    /// Where it was served.
    pub deployment: Option<Arc<Deployment>>,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong at the provider, where something did.
    pub failure: Option<Failure>,
    /// With which status.
    pub status: u16,
    /// What was asked for.
    pub operation: Operation,
    /// In which form.
    pub dialect: Dialect,
    /// How many.
    pub calls: u64,
    /// What the ledger has for them, in billionths of a dollar.
    pub spend: i64,
    /// What they took.
    pub tokens: Tokens,
    /// How long they took; none of those that were not answered.
    pub latencies: Option<Box<Latencies>>,
}

/// Separates the parts of keys; in text it is nowhere.
const END: u8 = 0xff;

fn text(key: &mut Vec<u8>, text: Option<&str>) {
    if let Some(text) = text {
        key.extend_from_slice(text.as_bytes());
        key.push(1);
    }
    key.push(END);
}

fn holder(key: &mut Vec<u8>, principal: &Principal) {
    text(key, principal.key_hash.as_deref().or(Some(&principal.key)));
    for part in [&principal.key_alias, &principal.team, &principal.team_alias, &principal.user, &principal.organization] {
        text(key, part.as_deref());
    }
}

/// Writes what tells a call's row from others.
pub(crate) fn key_of_call(record: &Record, customers: bool, key: &mut Vec<u8>) -> Kept {
    let (kind, failure) = (outcome(record.outcome), last_failure(record));
    key.extend_from_slice(&[kind, failure.map_or(END, |failure| failure as u8), record.operation as u8, record.dialect as u8]);
    key.extend_from_slice(&record.status.to_be_bytes());
    let bounded = 0..key.len();
    holder(key, &record.principal);
    text(key, record.principal.user_email.as_deref());
    text(key, record.principal.customer.as_deref().filter(|_| customers));
    text(key, Some(model(record)));
    text(key, record.deployment.as_ref().map(|deployment| deployment.spec.id.as_str()));
    bounded
}

/// Longer names of models are cut.
const LONGEST: usize = 200;

/// The model asked for. Whoever asks for models that do not exist may think of many.
fn model(record: &Record) -> &str {
    let unknown = matches!(record.outcome, Outcome::Failed(Kind::NotFound | Kind::BadRequest | Kind::Forbidden));
    if record.deployment.is_none() && unknown {
        return "unknown";
    }
    &record.model[..record.model.floor_char_boundary(LONGEST)]
}

fn outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Complete => 0,
        Outcome::Cancelled => 1,
        Outcome::Failed(kind) => 2 + kind as u8,
    }
}

fn last_failure(record: &Record) -> Option<Failure> {
    let failed = matches!(record.outcome, Outcome::Failed(_));
    record.tried.last().filter(|_| failed).and_then(|last| last.failure)
}

/// A principal that stands for those who have no row of their own.
fn nobody() -> Arc<Principal> {
    let other = || Some("other".to_owned());
    Arc::new(Principal {
        key_hash: other(),
        key_alias: other(),
        user: other(),
        team: other(),
        team_alias: other(),
        ..Principal::named("other")
    })
}

impl CallRow {
    pub(crate) fn of(record: &Record, other: bool) -> Self {
        Self {
            principal: if other { nobody() } else { record.principal.clone() },
            model: if other { Arc::from("other") } else { Arc::from(model(record)) },
            deployment: record.deployment.clone().filter(|_| !other),
            outcome: record.outcome,
            failure: last_failure(record),
            status: record.status,
            operation: record.operation,
            dialect: record.dialect,
            calls: 0,
            spend: 0,
            tokens: Tokens::default(),
            latencies: None,
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        // Who asks may have other scopes by now, and a deployment another address.
        if !Arc::ptr_eq(&self.principal, &record.principal) && self.principal.key != "other" {
            self.principal = record.principal.clone();
        }
        if let (Some(known), Some(served)) = (&mut self.deployment, &record.deployment)
            && !Arc::ptr_eq(known, served)
        {
            *known = served.clone();
        }
        self.calls += 1;
        self.spend = self.spend.saturating_add(record.charged.0);
        if let Some(usage) = record.used() {
            let tokens = &mut self.tokens;
            for (sum, part) in [
                (&mut tokens.input, usage.input),
                (&mut tokens.output, usage.output),
                (&mut tokens.cache_read, usage.cache_read),
                (&mut tokens.cache_write, usage.cache_write),
                (&mut tokens.input_audio, usage.input_audio),
                (&mut tokens.reasoning, usage.reasoning),
                (&mut tokens.output_audio, usage.output_audio),
            ] {
                *sum = sum.saturating_add(part.unwrap_or(0));
            }
        }
        if record.outcome == Outcome::Complete {
            self.latencies.get_or_insert_default().add(record);
        }
    }
}

impl Latencies {
    fn add(&mut self, record: &Record) {
        self.total.observe(record.duration);
        let (Some(first), Some(last)) = (record.tried.first(), record.tried.last()) else { return };
        self.queued.observe(first.began);
        self.provider.observe(last.took);
        if let Some(first) = record.first_content.filter(|_| record.stream) {
            self.first_content.observe(first.saturating_sub(last.began));
        }
        if let Some(overhead) = record.overhead {
            self.overhead.observe(overhead);
        }
        let tokens = record.usage.as_ref().and_then(|usage| usage.output).and_then(|tokens| u32::try_from(tokens).ok());
        if let Some(each) = tokens.and_then(|tokens| last.took.checked_div(tokens)) {
            self.per_token.observe(each);
        }
    }
}

/// One attempt of a finished call.
pub(crate) struct Seen<'a> {
    pub(crate) record: &'a Record,
    pub(crate) at: usize,
}

impl Seen<'_> {
    fn attempt(&self) -> &Attempt {
        &self.record.tried[self.at]
    }

    /// The attempt that failed before this one fell back to another group.
    fn instead_of(&self) -> Option<&Attempt> {
        let (first, this) = (self.record.tried.first()?, self.attempt());
        (first.deployment.spec.group != this.deployment.spec.group).then_some(first)
    }
}

/// Attempts that have every label in common.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// Who asked last.
    pub principal: Arc<Principal>,
    /// For which model.
    pub model: Arc<str>,
    /// Where it was tried.
    pub deployment: Arc<Deployment>,
    /// It is one of those that have no row of their own.
    pub is_other: bool,
    /// What went wrong; none where nothing did.
    pub failure: Option<Failure>,
    /// The status the provider failed with.
    pub answered: Option<u16>,
    /// What it stood in for: how another group had failed, and with which status.
    pub instead_of: Option<(Option<Failure>, Option<u16>)>,
    /// The caller left before there was an outcome.
    pub is_left: bool,
    /// How many.
    pub attempts: u64,
    /// How many of them made their deployment rest.
    pub rests: u64,
}

/// Writes what tells an attempt's row from others.
pub(crate) fn key_of_attempt(seen: &Seen<'_>, key: &mut Vec<u8>) -> Kept {
    let attempt = seen.attempt();
    let code = |failure: Option<Failure>| failure.map_or(END, |failure| failure as u8);
    let status = |answered: Option<u16>| answered.unwrap_or(0).to_be_bytes();
    let before = seen.instead_of();
    key.extend_from_slice(&[code(attempt.failure), u8::from(is_left(seen)), u8::from(before.is_some())]);
    key.extend_from_slice(&[code(before.and_then(|before| before.failure))]);
    key.extend_from_slice(&status(attempt.answered));
    key.extend_from_slice(&status(before.and_then(|before| before.answered)));
    // Deployments are the operator's, and so there are no more of them than there should be.
    text(key, Some(&attempt.deployment.spec.id));
    let bounded = 0..key.len();
    holder(key, &seen.record.principal);
    text(key, Some(model(seen.record)));
    bounded
}

fn is_left(seen: &Seen<'_>) -> bool {
    seen.attempt().failure.is_none() && seen.at + 1 == seen.record.tried.len() && seen.record.outcome != Outcome::Complete
}

impl AttemptRow {
    pub(crate) fn of(seen: &Seen<'_>, other: bool) -> Self {
        let attempt = seen.attempt();
        Self {
            principal: if other { nobody() } else { seen.record.principal.clone() },
            model: if other { Arc::from("other") } else { Arc::from(model(seen.record)) },
            deployment: attempt.deployment.clone(),
            is_other: other,
            failure: attempt.failure,
            answered: attempt.answered,
            instead_of: seen.instead_of().map(|before| (before.failure, before.answered)),
            is_left: is_left(seen),
            attempts: 0,
            rests: 0,
        }
    }

    pub(crate) fn add(&mut self, seen: &Seen<'_>) {
        let attempt = seen.attempt();
        self.attempts += 1;
        self.rests += u64::from(attempt.shut_out || attempt.failure == Some(Failure::RateLimited));
        if !Arc::ptr_eq(&self.deployment, &attempt.deployment) {
            self.deployment = attempt.deployment.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_within_its_bound() {
        let mut histogram = Histogram::default();
        for micros in [0, 5_000, 5_001, 600_000_000, 600_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!((histogram.buckets[0], histogram.buckets[1]), (2, 1));
        assert_eq!((histogram.buckets[16], histogram.buckets[17]), (1, 1));
        assert_eq!(histogram.sum, 1_200_010_002);
    }
}
