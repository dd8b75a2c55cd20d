//! What is written down before money is spent and after.

use std::sync::Arc;

use rand::RngCore;

use crate::book::Line;
use crate::catalog::Component;
use crate::clock::Micros;
use crate::terms::NanoUsd;

/// The id of one attempt: 48 bits of milliseconds and 80 of chance, so that ids sort by time and nobody guesses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(pub u128);

impl AttemptId {
    /// A new one.
    pub fn mint(now: Micros) -> Self {
        let millis = u128::from(u64::try_from(now / 1000).unwrap_or(0));
        let mut chance = [0; 10];
        rand::rng().fill_bytes(&mut chance);
        Self(chance.iter().fold(millis, |id, byte| id << 8 | u128::from(*byte)))
    }
}

impl std::fmt::Display for AttemptId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// An attempt is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent<'a> {
    /// Which.
    pub attempt: AttemptId,
    /// Of which call.
    pub call: &'a str,
    /// When.
    pub at: Micros,
    /// What it holds.
    pub reserved: NanoUsd,
    /// What it costs if nothing more is ever heard of it: the prompt.
    pub begun: NanoUsd,
    /// Whom it counts for.
    pub lines: &'a [Line],
    /// Who is owed.
    pub provider: &'a str,
    /// By which deployment, and so by which credential.
    pub deployment: &'a str,
    /// The model, in the provider's words.
    pub model: &'a str,
    /// The group of models whose member it is.
    pub group: &'a str,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It cost something, or might have.
    Settled,
    /// It was never sent.
    Void,
}

/// From what an amount was reckoned, so that it can be reckoned again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Counts of the provider's report by name, or those that were guessed; none of them zero.
    pub counts: Vec<(&'static str, u64)>,
    /// What was counted beside tokens.
    pub pieces: Vec<(Component, u64)>,
    /// The terms of service the provider says it served under.
    pub service: Option<String>,
}

/// What an attempt cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement<'a> {
    /// Which.
    pub attempt: AttemptId,
    /// Of which call.
    pub call: &'a str,
    /// When it was over.
    pub at: Micros,
    /// How it ended.
    pub ending: Ending,
    /// What is charged for it.
    pub amount: NanoUsd,
    /// What the provider is owed; the rest is the margin.
    pub owed: NanoUsd,
    /// From what both were reckoned.
    pub basis: &'a Basis,
    /// The model, in the provider's words.
    pub model: &'a str,
    /// Whether that is a guess, since nobody reported what was used.
    pub estimated: bool,
    /// What it held.
    pub reserved: NanoUsd,
    /// Whom it counts for.
    pub lines: &'a [Line],
    /// Who is owed.
    pub provider: &'a str,
    /// By which deployment.
    pub deployment: &'a str,
    /// Tokens of the prompt, and of the answer.
    pub tokens: (u64, u64),
}

/// Nothing can be written down: paid calls must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be written")]
pub struct JournalClosed;

/// Writes down what money is spent on. Each attempt has one intent, and later one settlement.
pub trait Journal: Send + Sync {
    /// An attempt is about to be sent. When this returns, its intent outlives the process.
    fn intend(&self, intent: &Intent<'_>) -> Result<(), JournalClosed>;

    /// The same, of an attempt that does not depend on it: where nothing can be written now, its intent and what follows are kept until
    /// that can be done. Only where there is no room for that either is it refused.
    fn intend_later(&self, intent: &Intent<'_>) -> Result<(), JournalClosed>;

    /// An attempt under way has cost so much by now.
    fn checkpoint(&self, attempt: AttemptId, spent: NanoUsd);

    /// An attempt is over. When this returns, its settlement outlives the process; between [`gather`](Journal::gather) and
    /// [`release`](Journal::release), when that returns.
    fn settle(&self, settlement: &Settlement<'_>);

    /// What this thread writes from now on may wait for [`release`](Journal::release), to be written at one time.
    fn gather(&self);

    /// What this thread has gathered is written.
    fn release(&self);
}

/// Gathers what this thread writes to a journal, for as long as it is there.
pub(crate) struct Gathered(Arc<dyn Journal>);

impl Gathered {
    pub(super) fn new(journal: Arc<dyn Journal>) -> Self {
        journal.gather();
        Self(journal)
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.0.release();
    }
}
