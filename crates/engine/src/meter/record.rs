//! One call, as it is recorded.

use std::sync::Arc;
use std::time::Duration;

use switchboard_wire::problem::Kind;
use switchboard_wire::reply::{Reason, Usage};
use switchboard_wire::{Dialect, Operation};

use super::{Attempt, Bill, Client, Decision, Guess, Served};
use crate::catalog::PicoUsd;
use crate::clock::Micros;
use crate::deployment::Deployment;
use crate::error::Told;
use crate::principal::Principal;
use crate::terms::NanoUsd;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer was complete.
    Complete,
    /// The client went away before the answer was complete.
    Cancelled,
    /// It failed in that way.
    Failed(Kind),
}

/// One finished call, for logs, metrics and the ledger. Holds neither prompts nor secrets.
#[derive(Clone, Debug)]
pub struct Record {
    /// The call's id.
    pub id: String,
    /// What its client calls it, where that differs.
    pub named: Option<Box<str>>,
    /// The key's public name.
    pub key: String,
    /// Who asked.
    pub principal: Arc<Principal>,
    /// When its head arrived, in microseconds since 1970.
    pub started: Micros,
    /// The provider's id of the answer, as its client saw it.
    pub answer_id: Option<String>,
    /// The session the caller counts it to.
    pub session: Option<String>,
    /// What the caller wants kept with its line in the log: a JSON object.
    pub kept: Option<Box<str>>,
    /// What was asked for.
    pub operation: Operation,
    /// How the client writes.
    pub dialect: Dialect,
    /// The model asked for.
    pub model: String,
    /// Where it was served.
    pub deployment: Option<Arc<Deployment>>,
    /// How the provider was spoken to.
    pub spoken: Option<Dialect>,
    /// Whether it was streamed.
    pub stream: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The status the client got.
    pub status: u16,
    /// What the provider reported.
    pub usage: Option<Usage>,
    /// What it is taken to have used, where the provider reported nothing or not all.
    pub guess: Option<Box<Guess>>,
    /// Whether the answer ended in words, tool calls, at a limit, ….
    pub finish: Option<Reason>,
    /// The same in the provider's words.
    pub native_finish: Option<String>,
    /// What it costs; `None` where usage or price is unknown.
    pub cost: Option<PicoUsd>,
    /// How that came about.
    pub bill: Option<Bill>,
    /// The terms of service the provider says it served under.
    pub service: Option<String>,
    /// What its client says of itself: address of its page, name, program.
    pub client: Client,
    /// What the ledger holds for it: the sum of its attempts.
    pub charged: NanoUsd,
    /// Whether any of that is a guess.
    pub estimated: bool,
    /// Requests sent to providers.
    pub attempts: u32,
    /// How often it was tried again within a group.
    pub retries: u32,
    /// How often it went on to another group.
    pub fallbacks: u32,
    /// The model it went on to last, by the name it is meant by; none where it stayed with the one asked for.
    pub stand_in: Option<Box<str>>,
    /// The attempts one by one, the last one last; also those in which nothing could be sent.
    pub tried: Vec<Attempt>,
    /// Fields that could not be carried.
    pub losses: usize,
    /// Why it failed: in our own words, or as the code a provider gave. What providers say may hold a prompt.
    pub error: Option<String>,
    /// What the provider told of that, where it did.
    pub told: Option<Box<Told>>,
    /// From the request's head to the answer's end.
    pub duration: Duration,
    /// From the request's head to the first content.
    pub first_content: Option<Duration>,
    /// Spent in the gateway itself before the first byte was sent to a provider.
    pub overhead: Option<Duration>,
    /// Who chose the model, where it was not the caller.
    pub decision: Option<Box<Decision>>,
    /// How often another provider was asked for the rest of an answer that had broken off.
    pub continued: u32,
    /// Whose answer it got.
    pub served: Served,
}

impl Record {
    /// What was used: as reported, else as it is charged.
    pub fn used(&self) -> Option<&Usage> {
        self.guess.as_ref().map(|guess| &guess.usage).or(self.usage.as_ref())
    }

    /// How the cost of that came about.
    pub fn billed(&self) -> Option<&Bill> {
        self.guess.as_ref().map(|guess| &guess.bill).or(self.bill.as_ref())
    }
}

/// Takes records. Must not block.
pub trait Recorder: Send + Sync {
    /// Takes one record.
    fn record(&self, record: Box<Record>);
}
