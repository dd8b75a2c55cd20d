//! What an attempt is charged: what its provider will bill, as far as anybody can know.
//!
//! | how it ended | charged |
//! |---|---|
//! | with reported usage | by that usage; what it leaves out (the prompt, or nearly all of the answer) by guess |
//! | complete, nothing reported | prompt and delivered answer, by guess |
//! | broken off, after it was sent | prompt and delivered answer, by guess; never less than what was reported |
//! | given up by the client, after it was sent | the same, and the thoughts that it had time for |
//! | no answer in time, connection lost after the request was written | the prompt, by guess |
//! | refused by the provider, or never reached it | nothing |
//!
//! What is paid by the piece (images, characters, time, searches) is counted where the answer shows it, and else by guess as the
//! request says it ([`Expected`]).

use switchboard_wire::assemble::events_of;
use switchboard_wire::chat::{Citation, PartBody};
use switchboard_wire::event::{BlockKind, Delta, Event};
use switchboard_wire::openai_chat::PAGE;
use switchboard_wire::reply::{ChatReply, Usage};
use switchboard_wire::{Dialect, Operation};

use super::{Bill, Expected, Outcome, Record, bill};
use crate::admit::Charge;
use crate::admit::journal::Basis;
use crate::catalog::{Component, Exact, Prices};
use crate::tariff::Tariff;
use crate::terms::NanoUsd;

/// No attempt costs more: what says so is a mistake, and is told.
const SANE: NanoUsd = NanoUsd(10_000_000_000_000);
const BYTES_OF_TOKEN: u64 = 4;
/// A report of less than one token for so many bytes of an answer, or for so many of its pieces, is none.
const ODD: u64 = 32;

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
    pub(crate) expected: &'a Expected,
    /// Tokens of thoughts that were not shown, by guess.
    pub(crate) thoughts: u64,
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
        let is_stated = |usage: &Usage| tariff.stated(Some(usage)).is_some();
        let reported = self.usage.filter(|usage| usage.input.is_some() || usage.output.is_some() || is_stated(usage));
        let nothing_seen = self.delivered.tokens() == 0;
        match (self.outcome, reported) {
            (_, None) if self.expected.is_free() => Reckoning::default(),
            (Outcome::Complete, _) if self.is_told(tariff, reported) => self.charged(tariff, reported, self.counted, false),
            (Outcome::Failed(_), None) if nothing_seen && !self.maybe_billed => Reckoning::default(),
            (Outcome::Failed(_), Some(usage)) if nothing_seen && usage.input.is_some() => {
                self.charged(tariff, reported, self.counted, false)
            }
            _ => self.guessed(tariff, reported.cloned().unwrap_or_default()),
        }
    }

    /// Whether what the answer says of itself is all that it costs.
    fn is_told(&self, tariff: &Tariff<'_>, reported: Option<&Usage>) -> bool {
        let pays = |pieces: &[(Component, u64)]| bill(tariff, reported, pieces, self.service).is_some_and(|bill| bill.list != Exact::ZERO);
        match reported {
            Some(usage) if tariff.stated(Some(usage)).is_some() => true,
            Some(usage) if usage.input.is_none() || self.is_odd(usage) => false,
            // What is told may have no price while something else has one.
            Some(_) => !self.expected.has_pieces() || pays(self.counted) || !pays(&self.expected.beside(self.counted, true)),
            None => {
                let is_request = |(component, _): &(Component, u64)| *component == Component::Request;
                let is_free = || bill(tariff, None, self.counted, self.service).is_some() || tariff.prices().is_none();
                self.counted.iter().any(is_request) || !self.counted.is_empty() && is_free()
            }
        }
    }

    /// Whether there is a report, but of no answer.
    pub(super) fn is_unbelieved(&self) -> bool {
        self.usage.is_some_and(|usage| usage.output.unwrap_or(0) == 0)
    }

    /// Whether a report cannot be one of all that was seen of the answer.
    fn is_odd(&self, usage: &Usage) -> bool {
        match usage.output {
            None | Some(0) => self.delivered.tokens() > 0,
            Some(output) => self.delivered.pieces.max(self.delivered.bytes) / ODD > output,
        }
    }

    /// As much as was reported, and the rest by what was sent and seen.
    fn guessed(&self, tariff: &Tariff<'_>, told: Usage) -> Reckoning {
        let failed = matches!(self.outcome, Outcome::Failed(_));
        let (seen, reported) = (self.delivered.tokens(), told.output.unwrap_or(0));
        let output = match self.outcome {
            Outcome::Complete if told.output.is_some() && !self.is_odd(&told) => reported,
            Outcome::Failed(_) => reported.max(seen),
            // Who reports thoughts has counted them.
            _ if told.reasoning.is_some() => reported.max(seen),
            _ => reported.max(seen.saturating_add(self.thoughts)).max(self.expected.output()),
        };
        let input = told.input.unwrap_or_else(|| self.expected.input(self.prompt));
        let usage = self.expected.made_of(Usage { input: Some(input), output: Some(output), ..told });
        let pieces = self.expected.beside(self.counted, !failed);
        self.charged(tariff, Some(&usage), &pieces, true)
    }

    fn charged(&self, tariff: &Tariff<'_>, usage: Option<&Usage>, pieces: &[(Component, u64)], estimated: bool) -> Reckoning {
        let billed = self.billed.filter(|_| !estimated);
        let bill = billed.or_else(|| bill(tariff, usage, pieces, self.service)).unwrap_or_default();
        let amount = NanoUsd::from_pico(bill.charged.pico());
        if amount > SANE {
            tracing::error!(%amount, "an attempt seems to cost more than any can; the price of its model must be wrong");
        }
        let tokens = |counts: fn(&Usage) -> [Option<u64>; 2]| {
            usage.map_or(0, |usage| counts(usage).into_iter().flatten().fold(0, u64::saturating_add))
        };
        let charge = Charge {
            amount: amount.clamp(NanoUsd::ZERO, SANE),
            owed: NanoUsd::from_pico(bill.owed.pico()).clamp(NanoUsd::ZERO, SANE),
            estimated,
            input: tokens(|usage| [usage.input, usage.extra_input]),
            output: tokens(|usage| [usage.output, usage.extra_output]),
            basis: self.basis(usage, pieces),
        };
        let guess = usage.filter(|_| estimated).map(|usage| Box::new(Guess { usage: usage.clone(), bill }));
        Reckoning { charge, guess }
    }

    /// From what it was reckoned, so that it can be reckoned again at other prices.
    fn basis(&self, usage: Option<&Usage>, pieces: &[(Component, u64)]) -> Basis {
        let counts = usage.into_iter().flat_map(Usage::counts).filter_map(|(name, count)| Some((name, count.filter(|count| *count > 0)?)));
        Basis { counts: counts.collect(), pieces: pieces.to_vec(), service: self.service.map(str::to_owned) }
    }
}

/// Bytes of content in a piece of an answer.
fn delta_bytes(delta: &Delta) -> u64 {
    match delta {
        Delta::Text(text) | Delta::Arguments(text) | Delta::Transcript(text) => text.len() as u64,
        Delta::Seal(_) | Delta::Citation(_) | Delta::AudioData(_) => 0,
    }
}

impl super::Meter {
    /// Content was shown: how much, for where nobody tells what it took.
    pub(super) fn deliver(&mut self, event: &Event) {
        match event.step() {
            Event::BlockDelta { delta, .. } => self.0.delivered.bytes += delta_bytes(delta),
            Event::BlockStart { kind: BlockKind::Image(_), .. } => {
                let image = self.0.expected.image();
                image.into_iter().flatten().for_each(|(component, count)| self.count(component, count));
            }
            _ => {}
        }
    }

    /// The same of a whole answer; of one that cannot be read, its bytes.
    pub(crate) fn deliver_whole(&mut self, reply: Option<&ChatReply>, body: &[u8]) {
        match reply {
            Some(reply) => events_of(reply).iter().for_each(|event| self.deliver(event)),
            None => self.0.delivered.bytes += body.len() as u64,
        }
    }

    /// A page was named: chat completions may tell of a search in no other way.
    pub(super) fn cited(&mut self, citation: &Citation) {
        let is_counted = self.0.counted.iter().any(|(component, _)| component.is_search());
        if self.is_chat_completion() && citation.url.is_some() && !is_counted {
            let (component, count) = self.tariff().searches(1);
            self.count(component, count);
        }
    }

    /// The same of a whole answer.
    pub(crate) fn cited_in(&mut self, reply: &ChatReply) {
        for part in reply.parts.iter().chain(reply.further.iter().flat_map(|other| &other.parts)) {
            if let PartBody::Text { citations, .. } = &part.body {
                citations.iter().for_each(|citation| self.cited(citation));
            }
        }
    }

    /// Whether an answer must be read for the pages it names, since searches have a price.
    pub(crate) fn may_be_cited_in(&self, body: &[u8]) -> bool {
        let has_price = |prices: &Prices| prices.iter().any(|(key, _)| key.component.is_search());
        self.is_chat_completion()
            && self.tariff().prices().is_some_and(|prices| has_price(&prices))
            && memchr::memmem::find(body, PAGE.as_bytes()).is_some()
    }

    fn is_chat_completion(&self) -> bool {
        self.0.record.as_deref().is_some_and(|record| record.spoken.unwrap_or(record.dialect) == Dialect::OpenAiChat)
    }

    /// So many bytes were passed on unread.
    pub(crate) fn pass_unread(&mut self, bytes: usize) {
        if self.0.expected.is_text() {
            self.0.delivered.bytes += bytes as u64;
        }
    }

    /// Counts how long the answer took, once, where that is what it costs.
    pub(super) fn count_time(&mut self) {
        let is_text = |record: &Record| matches!(record.operation, Operation::Chat | Operation::Compact | Operation::Embeddings);
        if !self.0.record.as_deref().is_some_and(is_text) {
            return;
        }
        let Some(component) = super::cost::time(&self.tariff()) else { return };
        if self.0.counted.iter().all(|(counted, _)| *counted != component) {
            let taken = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
            // No time at all would be no use at all, and so of no known price.
            self.count(component, taken.max(1));
        }
    }

    /// The answer has that id.
    pub fn answered(&mut self, id: &str) {
        self.note(|record| record.answer_id = Some(id.to_owned()));
    }
}
