//! What gateways tell each other of deployments: rests, counts of the minute, how it went of late.
//!
//! Each tells what it saw itself and nothing that it was told, so that no rest is made longer by being passed around. What others
//! told stands beside what was seen here, counts for a few seconds, and is forgotten when nobody repeats it: a gateway that hears
//! nothing goes by what it sees.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{Health, Refusal, Registry, Why, millis};

/// Milliseconds for which figures of others count.
const FRESH: u64 = 5_000;
/// Milliseconds of a minute.
const MINUTE: u64 = 60_000;

/// What one gateway saw of one deployment. Times are milliseconds of Unix time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The deployment's id.
    pub id: String,
    /// When the minute began that requests and tokens are of; gateways do not begin theirs together.
    pub since: u64,
    /// Requests sent in that minute.
    pub requests: u32,
    /// Tokens counted in that minute.
    pub tokens: u64,
    /// Attempts of the last half minute that had an outcome.
    pub attempts: u32,
    /// Of these, how many failed.
    pub failures: u32,
    /// Of these, how many brought no answer, rate limits included.
    pub unanswered: u32,
    /// Seconds to the first content of a stream.
    pub first_content: Option<f64>,
    /// Seconds a whole answer takes.
    pub whole: Option<f64>,
    /// Seconds for one token of the answer.
    pub per_token: Option<f64>,
    /// Until when it rests.
    pub resting_until: Option<u64>,
    /// Until when its rate is used up, as the provider said.
    pub limited_until: Option<u64>,
    /// Until when it is only asked where there is nothing else.
    pub avoided_until: Option<u64>,
}

/// What an exchange gives: the reports of each other gateway, or why there are none.
pub type Told<'a> = Pin<Box<dyn Future<Output = Result<Vec<Vec<Report>>, String>> + Send + 'a>>;

/// Where gateways leave their reports for each other.
pub trait Peers: Send + Sync + std::fmt::Debug {
    /// Leaves this gateway's reports, and takes what the others left.
    fn exchange(&self, own: Vec<Report>) -> Told<'_>;
}

/// What others saw of one deployment, added up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Abroad {
    told: Option<u64>,
    pub(super) requests: u32,
    pub(super) tokens: u64,
    pub(super) attempts: u32,
    pub(super) failures: u32,
    pub(super) unanswered: u32,
    first_content: Mean,
    whole: Mean,
    per_token: Mean,
}

/// A mean over gateways, weighted by what each of them saw.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

/// Rests that others told of; 0: none.
#[derive(Debug, Default)]
pub(super) struct Rests {
    resting: AtomicU64,
    limited: AtomicU64,
    avoided: AtomicU64,
}

impl Rests {
    /// Until when nothing is sent, whatever the reason.
    pub(super) fn until(&self) -> u64 {
        let until = |place: &AtomicU64| place.load(Ordering::Relaxed);
        until(&self.resting).max(until(&self.limited)).max(until(&self.avoided))
    }

    pub(super) fn refusal(&self, at: u64) -> Option<Refusal> {
        let until = |place: &AtomicU64| Some(place.load(Ordering::Relaxed)).filter(|until| *until > at);
        let firm = until(&self.resting).map(|until| Refusal::firm(until, Why::Resting));
        let limited = || until(&self.limited).map(|until| Refusal::firm(until, Why::RateLimited));
        firm.or_else(limited).or_else(|| until(&self.avoided).map(|until| Refusal::soft(until, Why::Resting)))
    }
}

impl Mean {
    fn add(&mut self, value: Option<f64>, attempts: u32) {
        if let Some(value) = value.filter(|value| value.is_finite() && *value >= 0.0) {
            // Who saw nothing of late still knows something.
            let weight = f64::from(attempts) + 0.1;
            self.sum += value * weight;
            self.weight += weight;
        }
    }

    fn with(mut self, own: Option<f64>, attempts: u32) -> Option<f64> {
        self.add(own, attempts);
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// What is seen here together with what others told.
pub(super) struct Joined {
    pub(super) first_content: Option<f64>,
    pub(super) whole: Option<f64>,
    pub(super) per_token: Option<f64>,
}

impl Abroad {
    /// What still counts.
    pub(super) fn fresh(self, at: u64) -> Self {
        if self.told.is_some_and(|told| told + FRESH > at) { self } else { Self::default() }
    }

    /// Whether others told anything, be it long ago.
    pub(super) fn is_known(&self) -> bool {
        self.told.is_some()
    }

    /// The latencies of all gateways, this one's own among them; `None`: nothing is told that still counts.
    pub(super) fn join(&self, own: Joined, attempts: u32) -> Option<Joined> {
        self.told?;
        Some(Joined {
            first_content: self.first_content.with(own.first_content, attempts),
            whole: self.whole.with(own.whole, attempts),
            per_token: self.per_token.with(own.per_token, attempts),
        })
    }

    fn add(&mut self, report: &Report, clock: Clock) {
        if clock.unix.saturating_sub(report.since) < MINUTE {
            self.requests = self.requests.saturating_add(report.requests);
            self.tokens = self.tokens.saturating_add(report.tokens);
        }
        self.attempts = self.attempts.saturating_add(report.attempts);
        self.failures = self.failures.saturating_add(report.failures.min(report.attempts));
        self.unanswered = self.unanswered.saturating_add(report.unanswered.min(report.attempts));
        self.first_content.add(report.first_content, report.attempts);
        self.whole.add(report.whole, report.attempts);
        self.per_token.add(report.per_token, report.attempts);
    }
}

/// The same moment on the clock of this process and on the wall.
#[derive(Clone, Copy, Debug)]
struct Clock {
    at: u64,
    unix: u64,
}

impl Clock {
    fn at(now: Instant) -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at: millis(now), unix: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }

    fn to_unix(self, at: u64) -> u64 {
        self.unix.saturating_add(at).saturating_sub(self.at)
    }

    /// No rest of others is longer than an hour, whatever their clocks say.
    fn of_unix(self, unix: u64) -> u64 {
        self.at.saturating_add(unix).saturating_sub(self.unix).min(self.at + 60 * MINUTE)
    }
}

impl Health {
    /// What others should know of it; `None`: nothing.
    fn report(&self, id: &str, clock: Clock) -> Option<Report> {
        let at = clock.at;
        let later = |until: u64| (until > at).then(|| clock.to_unix(until));
        let limited = self.shared.limit.told_until();
        let (resting, avoided) = (self.resting.load(Ordering::Relaxed), self.avoided.load(Ordering::Relaxed));
        let state = self.state();
        let (minute, seen, (first_content, whole)) = (state.minute.at(at), state.outages.of_last_half_minute(at), state.moving.peaks());
        let open = state.breaker.refusal(at).filter(|refusal| refusal.why == Why::Open).map_or(0, |refusal| refusal.until);
        let report = Report {
            id: id.to_owned(),
            since: clock.to_unix(minute.number * MINUTE),
            requests: minute.requests,
            tokens: minute.tokens,
            attempts: seen.attempts,
            failures: seen.failures,
            unanswered: seen.unanswered,
            first_content: first_content.get(at),
            whole: whole.get(at),
            per_token: state.moving.per_token(),
            resting_until: later(resting),
            limited_until: later(limited),
            avoided_until: later(avoided.max(open)),
        };
        let rests = report.resting_until.or(report.limited_until).or(report.avoided_until).is_some();
        (rests || report.requests > 0 || report.tokens > 0 || report.attempts > 0).then_some(report)
    }

    /// Takes over what others told; an empty list: nothing any more.
    fn learn(&self, reports: &[&Report], clock: Clock) {
        let latest = |of: fn(&Report) -> Option<u64>| {
            let until = reports.iter().filter_map(|report| of(report)).max();
            until.map_or(0, |until| clock.of_unix(until))
        };
        let rests = &self.rests;
        rests.resting.store(latest(|report| report.resting_until), Ordering::Relaxed);
        rests.limited.store(latest(|report| report.limited_until), Ordering::Relaxed);
        rests.avoided.store(latest(|report| report.avoided_until), Ordering::Relaxed);
        let mut abroad = Abroad { told: (!reports.is_empty()).then_some(clock.at), ..Abroad::default() };
        reports.iter().for_each(|report| abroad.add(report, clock));
        self.changing(clock.at).abroad = abroad;
    }
}

impl Registry {
    /// What other gateways should know of the deployments here.
    pub fn reports(&self, now: Instant) -> Vec<Report> {
        let clock = Clock::at(now);
        self.all().into_iter().filter_map(|(id, health)| health.report(&id, clock)).collect()
    }

    /// Takes over what each other gateway told, in place of what they told before.
    pub fn learn(&self, told: &[Vec<Report>], now: Instant) {
        let clock = Clock::at(now);
        let mut by_id: HashMap<&str, Vec<&Report>> = HashMap::new();
        for report in told.iter().flatten() {
            by_id.entry(&report.id).or_default().push(report);
        }
        for (id, health) in self.all() {
            health.learn(by_id.get(id.as_str()).map_or(&[], Vec::as_slice), clock);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::health::{Failure, Place, Sample};

    fn of(registry: &Registry, id: &str) -> Arc<Health> {
        registry.of(&Place { id, provider: "p", base: None, secrets: &[], model: id, region: None })
    }

    fn failed(health: &Arc<Health>, now: Instant) {
        let ticket = health.begin_anyway(now);
        let _ = ticket.finish(&Sample { failure: Some((Failure::Server, "no")), ..Sample::default() }, now);
    }

    /// What `from` knows, told to `to`.
    fn tell(from: &Registry, to: &Registry, now: Instant) {
        to.learn(&[from.reports(now)], now);
    }

    #[test]
    fn rests_are_told_and_end_when_they_end() {
        let (one, other, now) = (Registry::default(), Registry::default(), Instant::now());
        let (here, there) = (of(&one, "d"), of(&other, "d"));
        here.rest_until(now + Duration::from_secs(3));
        tell(&one, &other, now);
        assert_eq!(there.refusal(now).map(|refusal| refusal.why), Some(Why::Resting));
        // What was told is not told on, or no rest would ever end.
        assert_eq!(other.reports(now), []);
        assert!(there.refusal(now + Duration::from_secs(4)).is_none());
        tell(&Registry::default(), &other, now);
        assert!(there.refusal(now).is_none());
    }

    #[test]
    fn counts_and_errors_of_all_gateways_are_seen_for_a_while() {
        let (one, two, here, now) = (Registry::default(), Registry::default(), Registry::default(), Instant::now());
        for registry in [&one, &two, &here] {
            let health = of(registry, "d");
            failed(&health, now);
            let ticket = health.begin_anyway(now);
            let _ = ticket.finish(&Sample { tokens: 10, output_tokens: Some(5), ..Sample::default() }, now + Duration::from_millis(200));
        }
        let later = now + Duration::from_millis(200);
        here.learn(&[one.reports(later), two.reports(later)], later);
        let view = of(&here, "d").view(later);
        assert_eq!((view.requests_this_minute, view.tokens_this_minute), (6, 30));
        assert_eq!((view.recent_attempts, view.recent_failures, view.error_rate()), (6, 3, Some(0.5)));
        assert!(view.whole().is_some_and(|seconds| (seconds - 0.2).abs() < 0.05), "{view:?}");
        let view = of(&here, "d").view(later + Duration::from_millis(FRESH + 1));
        assert_eq!((view.recent_attempts, view.requests_this_minute), (2, 2));
    }

    #[test]
    fn a_deployment_that_is_new_here_is_known_by_what_others_saw() {
        let (one, here, now) = (Registry::default(), Registry::default(), Instant::now());
        let ticket = of(&one, "d").begin_anyway(now);
        let _ = ticket.finish(&Sample { output_tokens: Some(5), ..Sample::default() }, now + Duration::from_secs(2));
        let health = of(&here, "d");
        assert_eq!(health.view(now).whole(), None);
        tell(&one, &here, now + Duration::from_secs(2));
        assert!(health.view(now + Duration::from_secs(2)).whole().is_some_and(|seconds| (seconds - 2.0).abs() < 0.1));
    }

    #[test]
    fn nonsense_of_others_does_no_lasting_harm() {
        let (here, now) = (Registry::default(), Instant::now());
        let health = of(&here, "d");
        let nonsense = Report {
            id: "d".to_owned(),
            since: u64::MAX,
            requests: u32::MAX,
            tokens: u64::MAX,
            failures: u32::MAX,
            whole: Some(f64::NAN),
            per_token: Some(-1.0),
            resting_until: Some(u64::MAX / 4),
            ..Report::default()
        };
        here.learn(&[vec![nonsense.clone(), nonsense]], now);
        let view = health.view(now);
        assert_eq!((view.whole(), view.per_token, view.recent_failures), (None, None, 0));
        assert!(health.refusal(now + Duration::from_secs(3700)).is_none());
    }
}
