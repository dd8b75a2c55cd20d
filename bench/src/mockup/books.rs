//! What the mock knows it has done, for comparison with what a gateway says it has done.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::script::{Fault, Script};

use super::ask::Ask;

/// Model names counted one by one; above it they are counted together, so that a test cannot fill memory.
const MAX_MODELS: usize = 1000;

/// Counters since the start or the last reset.
#[derive(Debug, Default, Serialize)]
pub struct Books {
    /// Connections accepted.
    pub connections: u64,
    /// Connections on which the peer broke off.
    pub broken_connections: u64,
    /// Requests for an answer, faulty or not.
    pub requests: u64,
    /// Requests by dialect.
    pub by_shape: BTreeMap<&'static str, u64>,
    /// Requests by model name.
    pub by_model: BTreeMap<String, u64>,
    /// Faults played, by name.
    pub by_fault: BTreeMap<String, u64>,
    /// Streams begun.
    pub streams: u64,
    /// Content chunks sent.
    pub chunks: u64,
    /// Answers completed as ordered.
    pub completed: u64,
    /// Bytes of request bodies.
    pub request_bytes: u64,
    /// Prompt tokens of completed answers, as reported.
    pub prompt_tokens: u64,
    /// Completion tokens of completed answers, as reported.
    pub completion_tokens: u64,
}

impl Books {
    /// Enters a request and says which fault hits it, if any.
    pub(super) fn enter(&mut self, ask: &Ask<'_>, script: &Script) -> Option<Fault> {
        self.requests += 1;
        self.request_bytes += ask.body_bytes as u64;
        *self.by_shape.entry(ask.shape.name()).or_default() += 1;
        if let Some(count) = self.by_model.get_mut(ask.model) {
            *count += 1;
        } else {
            let known = self.by_model.len() < MAX_MODELS;
            *self.by_model.entry(if known { ask.model } else { "others" }.to_owned()).or_default() += 1;
        }
        let fault = script.fault.filter(|_| scatter(self.requests) % 100 < script.fault_percent)?;
        *self.by_fault.entry(fault.name()).or_default() += 1;
        Some(fault)
    }

    /// Enters an answer that was sent to its end.
    pub(super) fn settle(&mut self, ask: &Ask<'_>, completion_tokens: u32) {
        self.completed += 1;
        self.prompt_tokens += ask.prompt_tokens();
        self.completion_tokens += u64::from(completion_tokens);
    }
}

/// Spreads a counter evenly (the finalizer of splitmix64), so that a run is repeatable and yet has no rhythm.
fn scatter(counter: u64) -> u64 {
    let mut x = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::scatter;

    #[test]
    fn a_third_of_the_requests_is_about_a_third() {
        let hit = (0..10_000).filter(|n| scatter(*n) % 100 < 33).count();
        assert!((3000..3600).contains(&hit), "{hit}");
    }
}
