//! The sum of a storm.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::statistics::Quantiles;

use super::Sample;
use super::check::Flaw;

/// What a storm prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Requests sent.
    pub requests: u64,
    /// Answers that were right in every way.
    pub ok: u64,
    /// Answers that were not, by what was wrong.
    pub flaws: BTreeMap<String, u64>,
    /// Answers by status.
    pub statuses: BTreeMap<String, u64>,
    /// From first to last.
    pub elapsed_seconds: f64,
    /// Right answers per second.
    pub rate: f64,
    /// Pieces of text in streams.
    pub chunks: u64,
    /// Bytes of answer bodies.
    pub bytes: u64,
    /// Latency of right answers, from the moment they were due.
    pub latency_us: Option<Quantiles>,
    /// Time to the first text of a stream.
    pub first_us: Option<Quantiles>,
    /// How much later than the pace that was ordered the pieces of streams came, each after the one before.
    #[serde(default)]
    pub late_us: Option<Quantiles>,
}

/// The sum as it grows.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: u64,
    ok: u64,
    flaws: BTreeMap<String, u64>,
    statuses: BTreeMap<u16, u64>,
    chunks: u64,
    bytes: u64,
    latency: Vec<u64>,
    first: Vec<u64>,
    late: Vec<u64>,
}

impl Tally {
    pub(super) fn enter(&mut self, sample: &mut Sample, verdict: Result<(), Flaw>) {
        self.requests += 1;
        self.chunks += sample.chunks;
        self.bytes += sample.bytes;
        if let Some(status) = sample.status {
            *self.statuses.entry(status).or_default() += 1;
        }
        if let Err(flaw) = verdict {
            *self.flaws.entry(flaw.name()).or_default() += 1;
            return;
        }
        self.ok += 1;
        self.latency.extend(sample.took.map(nanoseconds));
        self.first.extend(sample.first.map(nanoseconds));
        self.late.append(&mut sample.late);
    }

    pub(super) fn report(&mut self, elapsed: Duration) -> Report {
        let seconds = elapsed.as_secs_f64();
        Report {
            requests: self.requests,
            ok: self.ok,
            flaws: std::mem::take(&mut self.flaws),
            statuses: self.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect(),
            elapsed_seconds: seconds,
            rate: self.ok as f64 / seconds,
            chunks: self.chunks,
            bytes: self.bytes,
            latency_us: Quantiles::of_nanoseconds(&mut self.latency),
            first_us: Quantiles::of_nanoseconds(&mut self.first),
            late_us: Quantiles::of_nanoseconds(&mut self.late),
        }
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
