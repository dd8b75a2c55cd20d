//! Moving figures of how long answers take.

/// Seconds after which an old figure has lost most of its weight.
const MEMORY: f64 = 60.0;
/// How many of the latest latencies are kept.
const KEPT: usize = 10;
/// Milliseconds for which they are.
pub(super) const LIFE: u64 = 3_600_000;
/// The seconds that stand for a timeout among them.
const PENALTY: f64 = 1000.0;

/// An average that follows peaks at once and forgets them slowly, so that a slow deployment is left before many requests have waited.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    pub(super) value: f64,
    /// When it was last seen, by [`super::millis`]; 0: never.
    pub(super) at: u64,
}

impl Peak {
    /// One that is that now.
    pub(super) fn now(value: Option<f64>, at: u64) -> Self {
        value.map_or_else(Self::default, |value| Self { value, at })
    }

    fn add(&mut self, seconds: f64, at: u64) {
        if seconds > self.value {
            self.value = seconds;
        } else {
            let weight = decay(at.saturating_sub(self.at));
            self.value = self.value * weight + seconds * (1.0 - weight);
        }
        self.at = at;
    }

    /// It fades while nothing is seen, so that a deployment that was slow is tried again.
    pub(super) fn get(&self, at: u64) -> Option<f64> {
        (self.at != 0).then(|| self.value * decay(at.saturating_sub(self.at)))
    }
}

fn decay(millis: u64) -> f64 {
    (-(millis as f64) / (MEMORY * 1000.0)).exp()
}

/// One latency of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recent {
    at: u64,
    /// Seconds per token of a whole answer; of a timeout, a penalty.
    pub per_token: Option<f64>,
    /// Seconds to the first content of a stream.
    pub first_content: Option<f64>,
}

/// Means over the latest latencies, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Means {
    /// To the first content of streams, where that is known, else per token.
    pub streamed: Option<f64>,
    /// Per token of whole answers.
    pub whole: Option<f64>,
}

/// The latest latencies, the latest last.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    kept: [Recent; KEPT],
    count: u64,
    all: Means,
}

impl Latencies {
    /// Those no older than an hour.
    pub fn iter(&self, now: std::time::Instant) -> impl Iterator<Item = &Recent> {
        let oldest = super::millis(now).saturating_sub(LIFE);
        self.kept.iter().filter(move |recent| recent.at != 0 && recent.at >= oldest)
    }

    /// Those no older than that, and than an hour.
    pub fn within(&self, now: std::time::Instant, age: std::time::Duration) -> impl Iterator<Item = &Recent> {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let oldest = super::millis(now).saturating_sub(age);
        self.iter(now).filter(move |recent| recent.at >= oldest)
    }

    /// The means over those no older than that, and than an hour.
    pub fn means(&self, now: std::time::Instant, age: std::time::Duration) -> Means {
        means(self.within(now, age))
    }

    /// When the oldest was kept, and the means over all.
    pub(super) fn all(&self) -> (u64, Means) {
        let oldest = self.kept.iter().map(|recent| recent.at).filter(|at| *at != 0).min();
        (oldest.unwrap_or(u64::MAX), self.all)
    }

    fn add(&mut self, recent: Recent) {
        self.kept[(self.count % KEPT as u64) as usize] = recent;
        self.count += 1;
        self.all = means(self.kept.iter().filter(|recent| recent.at != 0));
    }
}

fn means<'a>(latencies: impl Iterator<Item = &'a Recent>) -> Means {
    let (mut streamed, mut whole) = ((0.0, 0.0), (0.0, 0.0));
    let add = |sum: &mut (f64, f64), seconds: Option<f64>| {
        if let Some(seconds) = seconds {
            (sum.0, sum.1) = (sum.0 + seconds, sum.1 + 1.0);
        }
    };
    for recent in latencies {
        add(&mut streamed, recent.first_content.or(recent.per_token));
        add(&mut whole, recent.per_token);
    }
    let mean = |(sum, count): (f64, f64)| (count > 0.0).then(|| sum / count);
    Means { streamed: mean(streamed), whole: mean(whole) }
}

/// All moving figures of one deployment.
#[derive(Debug, Default)]
pub(crate) struct Moving {
    first_content: Peak,
    whole: Peak,
    per_token: Option<f64>,
    latencies: Latencies,
}

/// What one attempt took, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    pub(crate) first_content: Option<f64>,
    pub(crate) whole: Option<f64>,
    pub(crate) per_token: Option<f64>,
}

impl Moving {
    pub(crate) fn add(&mut self, took: Took, at: u64) {
        if let Some(seconds) = took.first_content {
            self.first_content.add(seconds, at);
        }
        if let Some(seconds) = took.whole {
            self.whole.add(seconds, at);
        }
        if let Some(seconds) = took.per_token {
            let weight = 0.8;
            self.per_token = Some(self.per_token.map_or(seconds, |before| before * weight + seconds * (1.0 - weight)));
        }
        self.latencies.add(Recent { at, per_token: took.per_token.or(took.whole), first_content: took.first_content });
    }

    /// An attempt had not answered by then, and was given up.
    pub(crate) fn outrun(&mut self, streamed: bool, waited: f64, at: u64) {
        let peak = if streamed { &mut self.first_content } else { &mut self.whole };
        // It tells of a time only where that is longer than what is known.
        if peak.get(at).is_none_or(|known| known < waited) {
            peak.add(waited, at);
        }
    }

    /// An attempt ran into a timeout.
    pub(crate) fn timed_out(&mut self, streamed: bool, waited: f64, at: u64) {
        if streamed {
            self.first_content.add(waited, at)
        } else {
            self.whole.add(waited, at)
        }
        self.latencies.add(Recent { at, per_token: Some(PENALTY), first_content: streamed.then_some(PENALTY) });
    }

    /// Of the first content and of whole answers.
    pub(crate) fn peaks(&self) -> (Peak, Peak) {
        (self.first_content, self.whole)
    }

    pub(crate) fn per_token(&self) -> Option<f64> {
        self.per_token
    }

    pub(crate) fn latencies(&self) -> &Latencies {
        &self.latencies
    }
}
