//! What a call took: events to usage, usage to cost, cost to a record.

mod attempt;
mod belief;
mod race;
mod served;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use switchboard_wire::event::{Delta, Event};
use switchboard_wire::relay::is_content;
use switchboard_wire::reply::{Finish, Usage};

use crate::admit::{Charge, Permit, Tab};
use crate::call::{Call, Door};
use crate::catalog::{Component, PicoUsd};
use crate::clock;
use crate::clock::Micros;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::health::{Failure, Sample, Ticket};
use crate::principal::Principal;
use crate::route::affinity::Bond;
use crate::tariff::{Searched, Tariff};
use crate::terms::NanoUsd;
use crate::tool_calls::ToolCalls;

mod charge;
mod cost;
mod decision;
mod expected;
mod record;
mod view;
mod watch;
pub use cost::{Bill, Parts, bill, cost};

pub(crate) use charge::Delivered;
pub use charge::Guess;
use charge::{End, Reckoning};
use expected::Expected;
pub(crate) use expected::image_pixels;
use watch::{Watch, asked_service};

/// An answer under way is written down this often.
const CHECKPOINT_TOKENS: u64 = 256;
const CHECKPOINT_TIME: Duration = Duration::from_secs(1);

pub use attempt::{Attempt, Client};
pub use decision::Decision;
pub(crate) use race::Race;
pub use record::{Outcome, Record, Recorder};
pub use served::Served;

/// Watches one call. Records it when dropped, however it ends.
///
/// It travels through every step of a call; that it is one pointer keeps the futures of those steps small.
pub struct Meter(Box<Watch>);

impl Meter {
    /// Begins to watch.
    pub fn new(record: Record, received: Instant, recorder: Arc<dyn Recorder>) -> Self {
        Self::watching(Some(Box::new(record)), received, recorder)
    }

    /// Keeps the permit and the account for as long as the call lasts.
    pub fn hold(&mut self, permit: Option<Permit>, tab: Tab) {
        (self.0._permit, self.0.tab) = (permit, Some(tab));
    }

    /// Takes what an attempt at that target may need of budgets and limits, and begins it; or says why it may not.
    pub async fn enter(&mut self, call: &Call, target: &Arc<Deployment>, ticket: Ticket) -> Result<(), Error> {
        self.conclude();
        self.begin(target, ticket);
        (self.0.asked_service, self.0.searched) = (asked_service(call, target), Searched::of(call, target.card.as_ref()));
        self.0.expected = Expected::of(call, target);
        let Some(tab) = &mut self.0.tab else { return Ok(()) };
        let opened = tab.open(call, target, self.0.own == Some(false)).await;
        if opened.is_err()
            && let Some(ticket) = self.0.ticket.take()
        {
            // The target has not been asked: nothing is to be learnt of it.
            ticket.unsent();
        }
        opened
    }

    /// The attempt is about to be sent: that is written down before it is.
    pub fn dispatch(&mut self) -> Result<(), Error> {
        self.0.checkpoint = (0, Instant::now());
        self.0.tab.as_mut().map_or(Ok(()), Tab::dispatch)
    }

    /// The client may have a status before there is an answer: then that is the one it had.
    pub(crate) fn shown(&mut self, shown: Arc<AtomicBool>) {
        self.0.shown = Some(shown);
    }

    /// Another attempt goes on with the answer of the one that ended.
    pub(crate) fn go_on(&mut self) {
        let Watch { record: Some(record), begun, .. } = &mut *self.0 else { return };
        *begun = begun.or(record.first_content);
        record.continued += 1;
    }

    /// The account of the call.
    pub fn tab(&self) -> Option<&Tab> {
        self.0.tab.as_ref()
    }

    /// Pieces of content were passed on unread.
    pub fn pass(&mut self, pieces: u64) {
        self.0.delivered.pieces += pieces;
        if self.0.delivered.pieces - self.0.checkpoint.0 >= CHECKPOINT_TOKENS || self.0.checkpoint.1.elapsed() >= CHECKPOINT_TIME {
            self.checkpoint();
        }
    }

    /// When the call began.
    pub fn began(&self) -> Micros {
        self.0.record.as_ref().map_or(0, |record| record.started)
    }

    /// Who asks.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.record.as_ref().map(|record| record.principal.as_ref())
    }

    /// Writes down what the attempt under way has cost by now.
    fn checkpoint(&mut self) {
        self.0.checkpoint = (self.0.delivered.pieces, Instant::now());
        if let (Some(tab), Some(end)) = (&self.0.tab, self.standing()) {
            let amount = end.charge(&self.tariff()).amount;
            tab.checkpoint(if self.0.own == Some(false) { NanoUsd::ZERO } else { amount });
        }
    }

    /// What the attempt under way is charged by.
    pub fn tariff(&self) -> Tariff<'_> {
        let Some(record) = self.0.record.as_deref() else { return Tariff::default() };
        let Some(target) = record.deployment.as_deref() else { return Tariff::default() };
        let listed = || Tariff::listed(target.card.as_ref());
        self.0
            .tab
            .as_ref()
            .map_or_else(listed, |tab| tab.tariffs().of(target, record.started))
            .searching(self.0.searched)
            .drawing(self.0.expected.drawn())
    }

    /// The terms that the attempt under way is charged by: those its provider says, else those that were asked for.
    pub(crate) fn service<'a>(&'a self, told: Option<&'a str>) -> Option<&'a str> {
        told.or(self.0.asked_service.as_deref())
    }

    /// How the attempt stands now.
    fn standing(&self) -> Option<End<'_>> {
        let record = self.0.record.as_deref()?;
        Some(End {
            outcome: record.outcome,
            usage: record.usage.as_ref(),
            counted: &self.0.counted,
            service: self.service(self.0.service.as_deref()),
            billed: self.0.billed.flatten(),
            delivered: self.0.delivered,
            expected: &self.0.expected,
            thoughts: self.thoughts(),
            prompt: self.0.tab.as_ref().map_or(0, Tab::prompt),
            maybe_billed: self.0.maybe_billed,
        })
    }

    /// What an answer that is complete is taken to have used where its provider does not say: what is charged for it.
    pub(crate) fn estimate(&self) -> Option<Usage> {
        let end = End { outcome: Outcome::Complete, ..self.standing()? };
        end.reckon(&self.tariff()).guess.map(|guess| guess.usage)
    }

    /// The attempt under way is over, and what it cost is settled. Once for each attempt, whoever says so first.
    pub fn conclude(&mut self) {
        let sent = self.0.tab.as_ref().is_some_and(Tab::is_sent);
        if sent {
            self.count_time();
        }
        let Some(Reckoning { charge, guess }) = self.standing().filter(|_| sent).map(|end| end.reckon(&self.tariff())) else { return };
        self.note(|record| record.guess = guess);
        // What a caller's own key is billed, its provider bills the caller.
        let charge = if self.0.own == Some(false) { Charge { amount: NanoUsd::ZERO, ..charge } } else { charge };
        if let Some(tab) = &mut self.0.tab {
            tab.close(charge);
        }
    }

    /// What stays where the call is answered.
    pub fn bind(&mut self, bonds: Vec<Bond>) {
        self.0.bonds = bonds;
    }

    /// Changes what is known so far.
    pub fn note(&mut self, change: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.0.record {
            change(record);
        }
    }

    /// Another attempt begins: what an earlier one reported is not this one's.
    pub fn begin(&mut self, target: &Arc<Deployment>, ticket: Ticket) {
        (self.0.service, self.0.billed) = (None, None);
        self.0.counted.clear();
        self.0.fault = None;
        self.0.tools = None;
        self.0.ticket = Some(ticket);
        (self.0.delivered, self.0.maybe_billed) = (Delivered::default(), false);
        self.note(|record| {
            record.deployment = Some(target.clone());
            record.outcome = Outcome::Cancelled;
            record.error = None;
            record.usage = None;
            record.guess = None;
            record.finish = None;
            record.first_content = None;
            record.losses = 0;
        });
    }

    /// The answer is handed on although it is a failure of its deployment.
    pub fn blame(&mut self, failure: Failure) {
        self.0.fault = Some((failure, None, true));
    }

    /// The attempt under way has failed. `true`: its deployment has been shut out by that.
    pub fn end(&mut self, error: &Error) -> bool {
        self.0.fault = Some((error.failure, error.answered, error.maybe_billed));
        self.0.maybe_billed = error.maybe_billed;
        self.note(|record| record.outcome = Outcome::Failed(error.problem.kind));
        self.conclude();
        self.close(self.cost(), true)
    }

    /// Writes down what became of the attempt under way, and tells the deployment's health.
    fn close(&mut self, cost: Option<PicoUsd>, sent: bool) -> bool {
        let Some(ticket) = self.0.ticket.take() else { return false };
        let (now, received, fault) = (clock::now(), self.0.received, self.0.fault.take());
        let (hedge, outrun) = self.0.lane.as_ref().map_or((false, false), |lane| (lane.is_hedge(), lane.has_lost() && fault.is_none()));
        let Some(record) = &mut self.0.record else { return false };
        let Some(deployment) = record.deployment.clone() else { return false };
        let (began, usage) = (ticket.began(), record.usage.clone());
        let count = |pick: fn(&Usage) -> Option<u64>| usage.as_ref().and_then(pick);
        let first_content = record.first_content.map(|first| (received + first).saturating_duration_since(began));
        let message = record.error.as_deref().unwrap_or_else(|| fault.map_or("", |(failure, ..)| failure.as_str()));
        let sample = Sample {
            failure: fault.map(|(failure, ..)| (failure, message)),
            streamed: record.stream,
            first_content,
            output_tokens: count(|usage| usage.output),
            tokens: count(|usage| usage.input).unwrap_or(0) + count(|usage| usage.output).unwrap_or(0),
            tools_at_fault: self.0.tools.take().and_then(|tools| tools.verdict()),
        };
        let own = self.0.own.is_some();
        let of_key = own && fault.is_some_and(|(failure, ..)| crate::own::is_of_key(failure));
        let shut = if !of_key && (fault.is_some() || record.outcome == Outcome::Complete) {
            ticket.finish(&sample, now)
        } else {
            if outrun {
                ticket.outrun(record.stream, now);
            }
            false
        };
        // The other one answered before this one was asked.
        if outrun && !sent {
            return false;
        }
        record.tried.push(Attempt {
            deployment,
            failure: fault.map(|(failure, ..)| failure),
            answered: fault.and_then(|(_, answered, _)| answered),
            began: began.saturating_duration_since(received),
            took: now.saturating_duration_since(began),
            maybe_billed: fault.is_some_and(|(.., maybe_billed)| maybe_billed),
            usage,
            cost,
            hedge,
            shut_out: shut,
            own,
            outrun,
        });
        shut
    }

    /// The call ends in that failure, as that client is told.
    pub fn fail(&mut self, error: &Error, door: &Door) {
        let told = match (&error.verbatim, door.dialect.inbound()) {
            (None, Some(inbound)) => inbound.write_problem(&error.problem, door.flavor).0,
            _ => error.problem.status(),
        };
        self.note(|record| record.status = told.as_u16());
        self.break_off(error);
    }

    /// Gives back what is held for a call that no provider was asked for. Whether it is such a one.
    pub(crate) fn give_back(&mut self) -> bool {
        let unasked = self.0.record.as_ref().is_some_and(|record| record.attempts == 0);
        if unasked {
            (self.0.tab, self.0._permit) = (None, None);
        }
        unasked
    }

    /// Records nothing.
    pub(crate) fn forget(mut self) {
        self.0.record = None;
    }

    /// An answer under way ends in that failure.
    pub fn break_off(&mut self, error: &Error) {
        self.0.fault = Some((error.failure, error.answered, error.maybe_billed));
        self.note(|record| {
            record.outcome = Outcome::Failed(error.problem.kind);
            record.error = Some(error.for_log());
            record.told = error.told();
        });
    }

    /// Since the request's head arrived.
    pub fn elapsed(&self) -> Duration {
        self.0.received.elapsed()
    }

    /// Spent in the gateway itself before the first byte was sent to a provider.
    pub fn overhead(&self) -> Option<Duration> {
        self.0.record.as_ref()?.overhead
    }

    /// Sees an event of the answer.
    pub fn see(&mut self, event: &Event) {
        self.see_tools(event);
        match event {
            Event::Start { id: Some(id), .. } => self.answered(id),
            Event::Start { id: None, .. } | Event::Likely(_) => {}
            Event::Usage(usage) => self.usage((**usage).clone()),
            // An answer that breaks off is charged by it.
            Event::Tier(tier) => (self.0.service, self.0.billed) = (Some(tier.clone()), None),
            Event::End { finish, service_tier } => {
                self.0.service.clone_from(service_tier);
                self.0.billed = None;
                self.note(|record| {
                    record.finish = Some(finish.reason);
                    record.native_finish.clone_from(&finish.raw);
                    record.outcome = Outcome::Complete;
                });
                self.count_time();
            }
            event if is_content(event) => {
                self.deliver(event);
                self.content();
                if let Event::BlockDelta { delta: Delta::Citation(citation), .. } = event.step() {
                    self.cited(citation);
                }
            }
            Event::Further { .. }
            | Event::BlockDelta { .. }
            | Event::BlockStart { .. }
            | Event::BlockEnd { .. }
            | Event::Fault(_)
            | Event::Unknown(_) => {}
        }
    }

    /// Watches the tool calls of the attempt under way from now on, or does not.
    pub(crate) fn watch_tools(&mut self, tools: Option<Box<ToolCalls>>) {
        self.0.tools = tools;
    }

    /// Whether tool calls are watched.
    pub(crate) fn watches_tools(&self) -> bool {
        self.0.tools.is_some()
    }

    /// Takes note of an event for its tool calls alone.
    pub(crate) fn see_tools(&mut self, event: &Event) {
        if let Some(tools) = &mut self.0.tools {
            tools.see(event);
        }
    }

    /// Takes over what a report of usage says.
    pub fn usage(&mut self, usage: Usage) {
        self.0.billed = None;
        let usage = self.believed(self.0.expected.paid_of(usage));
        self.note(|record| record.usage.get_or_insert_default().merge(usage));
    }

    /// Takes over a count of something that is no token (searches, images, milliseconds of sound, characters).
    pub fn count(&mut self, component: Component, quantity: u64) {
        self.0.billed = None;
        self.0.counted.push((component, quantity));
    }

    /// The answer was complete.
    pub fn complete(&mut self, finish: Option<Finish>, service: Option<String>) {
        (self.0.service, self.0.billed) = (service, None);
        self.note(|record| {
            record.finish = finish.as_ref().map(|finish| finish.reason);
            record.native_finish = finish.and_then(|finish| finish.raw);
            record.outcome = Outcome::Complete;
        });
        self.count_time();
    }

    /// The first content came.
    pub fn content(&mut self) {
        let Watch { record: Some(record), received, ticket, .. } = &mut *self.0 else { return };
        if record.first_content.is_none() {
            let now = clock::now();
            record.first_content = Some(now.saturating_duration_since(*received));
            if let Some(ticket) = ticket {
                ticket.content(now);
            }
        }
    }

    /// The same with how it came about.
    pub fn bill(&self) -> Option<Bill> {
        if let Some(known) = self.0.billed {
            return known;
        }
        let record = self.0.record.as_deref()?;
        bill(&self.tariff(), record.usage.as_ref(), &self.0.counted, self.service(self.0.service.as_deref()))
    }

    /// The same, to be asked for again. Of what its report leaves open, as it will be charged.
    pub(crate) fn reckon(&mut self) -> Option<Bill> {
        let bill = self.guessed().or_else(|| self.bill());
        self.0.billed = Some(bill);
        bill
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !self.is_watching() {
            return;
        }
        // The settlement and the line of the request log.
        let _gathered = self.0.tab.as_ref().and_then(Tab::gather);
        crate::failpoint::hit("metering");
        let bill = self.reckon();
        let sent = self.0.tab.as_ref().is_none_or(Tab::is_sent);
        self.conclude();
        if let Some(tab) = &mut self.0.tab {
            tab.finish();
            let (charged, estimated) = tab.charged();
            self.note(|record| {
                record.charged = record.charged.plus(charged);
                record.estimated |= estimated;
            });
        }
        self.close(bill.map(|bill| bill.charged.pico()), sent);
        let Watch { record, tab, lane, bonds, _permit: permit, .. } = &mut *self.0;
        if let Some(lane) = lane.take_if(|lane| lane.leaves()) {
            if let Some(record) = record.take() {
                lane.leave(record, (tab.take(), permit.take()), std::mem::take(bonds));
            }
            return;
        }
        self.join_others();
        if let Some(mut record) = self.0.record.take() {
            record.cost = if record.served == Served::Asked { bill.map(|bill| bill.charged.pico()) } else { Some(PicoUsd(0)) };
            record.bill = bill.filter(|_| record.served == Served::Asked);
            record.first_content = self.0.begun.or(record.first_content);
            if self.0.shown.as_ref().is_some_and(|shown| shown.load(Ordering::Relaxed)) {
                record.status = 200;
            }
            if let Some(decision) = &mut record.decision {
                decision.compare(record.usage.as_ref(), &self.0.counted, self.0.service.as_deref());
            }
            record.service = self.0.service.take();
            record.duration = self.0.received.elapsed();
            if let Some(deployment) = record.deployment.as_ref().filter(|_| record.outcome == Outcome::Complete) {
                let now = self.0.received + record.duration;
                self.0.bonds.iter().for_each(|bond| bond.learn(deployment, record.usage.as_ref(), now));
            }
            self.0.recorder.record(record);
        }
    }
}
