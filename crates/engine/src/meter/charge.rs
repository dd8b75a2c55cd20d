//! What an attempt is charged: what its provider will bill, as far as anybody can know.
//!
//! | how it ended | charged |
//! |---|---|
//! | with reported usage | by that usage |
//! | complete, nothing reported | prompt and delivered answer, by guess |
//! | broken off or given up by the client, after it was sent | prompt and delivered answer, by guess; never less than what was reported |
//! | no answer in time, connection lost after the request was written | the prompt, by guess |
//! | refused by the provider, or never reached it | nothing |

use switchboard_wire::Operation;
use switchboard_wire::event::Delta;
use switchboard_wire::reply::Usage;

use super::{Bill, Outcome, Record, bill};
use crate::admit::journal::Basis;
use crate::admit::{Charge, NanoUsd};
use crate::catalog::Component;
use crate::tariff::Tariff;

/// No attempt costs more: what says so is a mistake, and is told.
const SANE: NanoUsd = NanoUsd(10_000_000_000_000);
const BYTES_OF_TOKEN: u64 = 4;

/// What was seen of an answer, beside what the provider reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivered {
    /// Pieces of content that were passed on unread; one token at least, each.
    pub(crate) pieces: u64,
    /// Bytes of content that were read.
    pub(crate) bytes: u64,
}

impl Delivered {
    /// Tokens, by guess.
    pub(crate) fn tokens(&self) -> u64 {
        self.pieces.max(self.bytes.div_ceil(BYTES_OF_TOKEN))
    }
}

/// How an attempt ended, for its charge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) outcome: Outcome,
    pub(crate) usage: Option<&'a Usage>,
    pub(crate) counted: &'a [(Component, u64)],
    pub(crate) service: Option<&'a str>,
    /// What the report comes to, where that is known.
    pub(crate) billed: Option<Bill>,
    pub(crate) delivered: Delivered,
    /// Tokens of the prompt, by guess.
    pub(crate) prompt: u64,
    /// Whether the provider may bill it although it failed.
    pub(crate) maybe_billed: bool,
}

/// What an attempt is charged, and what it is taken to have used where nobody said.
#[derive(Debug, Default)]
pub(crate) struct Reckoning {
    pub(crate) charge: Charge,
    pub(crate) guess: Option<Box<Guess>>,
}

/// What an attempt is taken to have used, and what that comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    /// What it used: as much as was reported, the rest by what was sent and seen.
    pub usage: Usage,
    /// How its cost came about.
    pub bill: Bill,
}

impl End<'_> {
    /// What it is charged by that tariff.
    pub(crate) fn charge(&self, tariff: &Tariff<'_>) -> Charge {
        self.reckon(tariff).charge
    }

    /// The same with what it is taken to have used.
    pub(crate) fn reckon(&self, tariff: &Tariff<'_>) -> Reckoning {
        let complete = self.outcome == Outcome::Complete;
        let reported = self.usage.filter(|usage| usage.input.is_some() || usage.output.is_some());
        if complete && (reported.is_some() || !self.counted.is_empty()) {
            return self.by_report(tariff, reported, false);
        }
        match (self.outcome, reported) {
            (Outcome::Failed(_), None) if self.delivered.tokens() == 0 && !self.maybe_billed => Reckoning::default(),
            (Outcome::Failed(_), Some(usage)) if self.delivered.tokens() == 0 => self.by_report(tariff, Some(usage), false),
            (_, reported) => {
                let told = reported.cloned().unwrap_or_default();
                let output = told.output.unwrap_or(0).max(self.delivered.tokens());
                let usage = Usage { input: Some(told.input.unwrap_or(self.prompt)), output: Some(output), ..told };
                self.by_report(tariff, Some(&usage), true)
            }
        }
    }

    fn by_report(&self, tariff: &Tariff<'_>, usage: Option<&Usage>, estimated: bool) -> Reckoning {
        let billed = self.billed.filter(|_| !estimated);
        let bill = billed.or_else(|| bill(tariff, usage, self.counted, self.service)).unwrap_or_default();
        let amount = NanoUsd::from_pico(bill.charged.pico());
        if amount > SANE {
            tracing::error!(%amount, "an attempt seems to cost more than any can; the price of its model must be wrong");
        }
        let tokens = |count: fn(&Usage) -> Option<u64>| usage.and_then(count).unwrap_or(0);
        let charge = Charge {
            amount: amount.clamp(NanoUsd::ZERO, SANE),
            owed: NanoUsd::from_pico(bill.owed.pico()).clamp(NanoUsd::ZERO, SANE),
            estimated,
            input: tokens(|usage| usage.input),
            output: tokens(|usage| usage.output),
            basis: self.basis(usage),
        };
        let guess = usage.filter(|_| estimated).map(|usage| Box::new(Guess { usage: usage.clone(), bill }));
        Reckoning { charge, guess }
    }

    /// From what it was reckoned, so that it can be reckoned again at other prices.
    fn basis(&self, usage: Option<&Usage>) -> Basis {
        let counts = usage.into_iter().flat_map(Usage::counts).filter_map(|(name, count)| Some((name, count.filter(|count| *count > 0)?)));
        Basis { counts: counts.collect(), pieces: self.counted.to_vec(), service: self.service.map(str::to_owned) }
    }
}

/// Bytes of content in a piece of an answer.
pub(super) fn delta_bytes(delta: &Delta) -> u64 {
    match delta {
        Delta::Text(text) | Delta::Arguments(text) | Delta::Transcript(text) => text.len() as u64,
        Delta::Seal(_) | Delta::Citation(_) | Delta::AudioData(_) => 0,
    }
}

impl super::Meter {
    /// Counts how long the answer took, once, where that is what it costs.
    pub(super) fn count_time(&mut self) {
        let is_text = |record: &Record| matches!(record.operation, Operation::Chat | Operation::Compact | Operation::Embeddings);
        if !self.0.record.as_deref().is_some_and(is_text) {
            return;
        }
        let Some(component) = super::cost::time(&self.tariff()) else { return };
        if self.0.counted.iter().all(|(counted, _)| *counted != component) {
            let taken = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.count(component, taken);
        }
    }

    /// The answer has that id.
    pub fn answered(&mut self, id: &str) {
        self.note(|record| record.answer_id = Some(id.to_owned()));
    }
}
