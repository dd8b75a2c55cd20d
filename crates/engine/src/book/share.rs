//! What admission needs to share limits with other gateways. Without it, a gateway holds limits for itself alone.
//!
//! A gateway draws a slice of a limit and uses it up without asking again. Slices shrink as the limit is used up, so that the last
//! request of a window goes to whoever asks for it; no gateway ever uses more than it drew, so that together they never exceed the
//! limit. Where nobody can be asked, a gateway goes on with its part of what was left ([`Without::Share`]), refuses, or admits.

use std::time::Duration;

use super::port::{Later, Outage};
use crate::clock::Micros;
use crate::terms::{ScopeId, Unit};

/// One limit, as all gateways have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Whose.
    pub scope: ScopeId,
    /// Of what.
    pub unit: Unit,
    /// Within how long; nothing for requests at one time.
    pub within: Micros,
}

/// A wish for a slice of a limit.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Of which.
    pub pool: Pool,
    /// How much there is in all; none where it has been used already, while nobody could be asked, and only has to be counted.
    pub limit: Option<u64>,
    /// Less is of no use.
    pub least: u64,
}

/// What came of a wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// What may be used: nothing, or at least the least that was wished.
    pub granted: u64,
    /// What all gateways have drawn in this window.
    pub taken: u64,
    /// When the window opened, by the clock of whoever shares; a name for the window and nothing else.
    pub window: i64,
    /// How long it is still open.
    pub left: Micros,
}

/// Something drawn and not needed.
#[derive(Clone, Debug)]
pub struct Surplus {
    /// Of which limit.
    pub pool: Pool,
    /// How much.
    pub amount: u64,
    /// In which window it was drawn.
    pub window: i64,
}

/// What a gateway has of a limit on requests at one time.
#[derive(Clone, Debug)]
pub struct Places {
    /// Of which limit.
    pub pool: Pool,
    /// How many.
    pub held: u64,
}

/// What a gateway does with limits while it cannot reach the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Without {
    /// It keeps to its part: the limit, divided by the gateways that were there.
    #[default]
    Share,
    /// It refuses.
    Closed,
    /// It admits.
    Open,
}

/// How the gateways stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Company {
    /// Whether they can be reached.
    pub is_up: bool,
    /// How many there are, or were.
    pub gateways: u64,
    /// Which of them this one is, from 0.
    pub rank: u64,
    /// What to do where they cannot be reached.
    pub without: Without,
}

impl Company {
    /// This gateway's part of so much: all parts together are the whole.
    pub(super) fn part(&self, whole: u64) -> u64 {
        let gateways = self.gateways.max(1);
        whole / gateways + u64::from(self.rank < whole % gateways)
    }
}

/// Shares limits between gateways.
pub trait Shares: Send + Sync {
    /// How the gateways stand. Must not block.
    fn company(&self) -> Company;

    /// Draws slices, one answer for each wish. Soon, or not at all. What was granted is in the book before anybody is answered, in the
    /// order in which it was granted: who is told that nothing is left must find what others drew here before.
    fn draw(&self, draws: Vec<Draw>) -> Later<'_, Result<Vec<Drawn>, Outage>>;

    /// Takes back what is not needed. Must not block.
    fn give_back(&self, surplus: Vec<Surplus>);
}

/// How long a refusal of a window's limit is believed without asking again.
pub(super) const DRY: Micros = 100_000;
/// The same for requests at one time, of which one may end at any moment.
pub(super) const FULL: Micros = 2_000;
/// How long places count as this gateway's without a word.
pub const PLACES_LAST: Duration = Duration::from_secs(30);
