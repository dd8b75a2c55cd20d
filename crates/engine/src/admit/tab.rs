//! The running account of one call: what its attempts hold, and what each of them cost.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::Value;
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::{Dialect, Operation};

use super::bound::{Bound, cap_key, counted};
use super::job::JobBound;
use super::journal::{AttemptId, Basis, Ending, Gathered, Intent, Journal, JournalClosed, Settlement};
use crate::book::{Hold, Need, Standing};
use crate::call::{Call, OWN_FORM};
use crate::catalog::Component;
use crate::clock::Micros;
use crate::declined;
use crate::deployment::Deployment;
use crate::error::{Error, Origin, Retry};
use crate::tariff::{Tariff, Tariffs};
use crate::terms::{NanoUsd, Refusal, Unit, Why};

/// Shorter answers than this are no use: a call that could have no longer one is refused.
const SHORTEST: u64 = 16;
/// A token of plain text has about four bytes.
const BYTES_OF_TOKEN: u64 = 4;
/// When it is worth asking again, where an intent could not be written.
const AGAIN: Duration = Duration::from_secs(1);

/// The running account of one call. Dropping it closes what is open.
pub struct Tab {
    hold: Hold,
    journal: Option<Arc<dyn Journal>>,
    tariffs: Arc<Tariffs>,
    call: String,
    now: Box<dyn Fn() -> Micros + Send>,
    open: Option<Open>,
    /// What it is asked for is a job.
    job: Option<JobBound>,
    /// What the attempt before cost, to be spent in the same step in which the next one takes.
    unspent: NanoUsd,
    charged: NanoUsd,
    estimated: bool,
}

/// An attempt under way.
struct Open {
    id: AttemptId,
    target: Arc<Deployment>,
    sent: bool,
    cap: Option<u64>,
    /// Tokens of the prompt, by guess.
    prompt: u64,
    /// It is paid for by the caller's own key.
    free: bool,
    /// It goes on after its answer.
    background: bool,
}

/// What an attempt came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// What it cost.
    pub amount: NanoUsd,
    /// What of that the provider is owed, and what it gave as a discount besides.
    pub owed: NanoUsd,
    /// Whether that is a guess.
    pub estimated: bool,
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
    /// From what it was reckoned.
    pub basis: Basis,
}

impl Tab {
    pub(super) fn new(
        hold: Hold,
        journal: Option<Arc<dyn Journal>>,
        tariffs: Arc<Tariffs>,
        call: &str,
        now: Box<dyn Fn() -> Micros + Send>,
    ) -> Self {
        let call = call.to_owned();
        Self { hold, journal, tariffs, call, now, open: None, job: None, unspent: NanoUsd::ZERO, charged: NanoUsd::ZERO, estimated: false }
    }

    /// What is asked for is that job: its requests are held for, and charged until its provider tells what they took.
    pub fn expect(&mut self, job: JobBound) {
        self.job = Some(job);
    }

    /// Whether a job is asked for.
    pub fn is_job(&self) -> bool {
        self.job.is_some()
    }

    /// Takes what an attempt at that target may need. What the attempt before held is given back in the same step.
    /// `free`: it is paid for by the caller's own key, and money does not matter.
    pub async fn open(&mut self, call: &Call, target: &Arc<Deployment>, free: bool) -> Result<(), Error> {
        let place = (target.spec.provider.as_str(), target.spec.id.as_str());
        let bytes = call.body.len() as u64;
        let mut open = Open {
            id: AttemptId::mint((self.now)()),
            target: target.clone(),
            sent: false,
            cap: None,
            prompt: bytes.div_ceil(BYTES_OF_TOKEN),
            free,
            background: self.is_job() || is_background(call),
        };
        if self.job.as_ref().is_some_and(JobBound::is_unread) && self.hold.has_budgets(place) {
            return Err(unread());
        }
        declined::check(call, target, !free && self.hold.has_budgets(place))?;
        let settled = std::mem::take(&mut self.unspent);
        let job = self.job.as_ref().map(JobBound::need).filter(|_| self.hold.is_limited(place.0, place.1));
        let taken = if let Some(need) = job {
            self.hold.take(place, need, settled).await.map(|()| None).map_err(Box::new)
        } else if self.hold.is_limited(place.0, place.1) {
            let tariffs = self.tariffs.clone();
            let tariff = if free { Tariff::default() } else { tariffs.of(target, (self.now)()) };
            self.fit((call, free), target, &tariff, settled).await
        } else {
            self.hold.take(place, Need::default(), settled).await.map(|()| None).map_err(Box::new)
        };
        match taken {
            Ok(cap) => open.cap = cap,
            Err(refusal) => {
                self.hold.settle(settled);
                return Err((*refusal).into());
            }
        }
        self.open = Some(open);
        Ok(())
    }

    /// Counts a call that another one's answer serves: it asks no target, and costs nothing.
    pub(crate) async fn join(&mut self) -> Result<(), Error> {
        Ok(self.hold.take(("", ""), Need::default(), NanoUsd::ZERO).await?)
    }

    /// Takes by the cheapest bound that fits: the body's bytes, then the prompt counted, then a shorter answer. Gives the longest
    /// answer there is money for, where that is shorter than what was asked for.
    async fn fit(
        &mut self,
        (call, free): (&Call, bool),
        target: &Arc<Deployment>,
        tariff: &Tariff<'_>,
        settled: NanoUsd,
    ) -> Result<Option<u64>, Box<Refusal>> {
        let place = (target.spec.provider.as_str(), target.spec.id.as_str());
        let prices = tariff.prices();
        let listed = prices.is_some();
        let need = |bound: &Bound| {
            let need = bound.need(prices.as_deref());
            let money = if prices.is_some() { NanoUsd(tariff.markup.above(need.money.0)) } else { need.money };
            let stated = if target.states_cost { target.health.stated.most(bound.tokens(), listed) } else { NanoUsd::ZERO };
            Need { money: if free { money } else { money.max(stated) }, free: need.free || free, ..need }
        };
        let bound = Bound::of(call, target);
        let Err(first) = self.hold.take(place, need(&bound), settled).await else { return Ok(None) };
        if !first.why.is_by_size() {
            return Err(Box::new(first));
        }
        let bound = counted(call, bound).await;
        let Err(refusal) = self.hold.take(place, need(&bound), settled).await else { return Ok(None) };
        if let Why::Limit { unit, remaining, .. } = refusal.why
            && let Some(shorter) = bound.assuming(unit, remaining, SHORTEST)
        {
            return self.hold.take(place, need(&shorter), settled).await.map(|()| None).map_err(Box::new);
        }
        let (Why::Budget { spent, held, limit, .. }, Some(list)) = (&refusal.why, &prices) else { return Err(Box::new(refusal)) };
        if !bound.settable || !is_bounded_at(call, target) || call.door.operation != Operation::Chat {
            return Err(Box::new(refusal));
        }
        let left = NanoUsd(tariff.markup.below(limit.minus(*spent).minus(*held).0));
        let stated = target.states_cost.then(|| target.health.stated.buys(limit.minus(*spent).minus(*held), listed)).flatten();
        let stated = stated.map(|tokens| tokens.saturating_sub(bound.input) / bound.choices);
        let cap = bound.affordable(list, left).map(|cap| stated.map_or(cap, |stated| stated.min(cap)));
        let Some(cap) = cap.filter(|cap| *cap >= SHORTEST) else { return Err(Box::new(refusal)) };
        self.hold.take(place, need(&bound.within(cap)), settled).await.map_err(Box::new)?;
        Ok(Some(cap))
    }

    /// The attempt is about to be sent. When this returns, that is written down.
    pub fn dispatch(&mut self) -> Result<(), Error> {
        let Some(open) = self.open.as_ref().filter(|open| !open.sent) else { return Ok(()) };
        if let Some(journal) = &self.journal {
            let lines = self.hold.lines();
            let intent = Intent {
                attempt: open.id,
                call: &self.call,
                at: (self.now)(),
                reserved: self.hold.need().money,
                begun: match &self.job {
                    Some(job) => self.hold.need().money.max(job.prompts()),
                    None => open.prompt_cost(&self.tariffs.of(&open.target, (self.now)())),
                },
                lines: &lines,
                provider: &open.target.spec.provider,
                deployment: &open.target.spec.id,
                model: &open.target.spec.model,
                group: &open.target.spec.group,
            };
            self.intend(&**journal, (open, &intent)).map_err(|closed| {
                let problem = Problem::new(Kind::Overloaded, closed.to_string()).with_code("journal_unavailable");
                Error::new(Problem { retry_after: Some(AGAIN), ..problem }, Origin::Gateway, Retry::Never)
            })?;
        }
        self.open.iter_mut().for_each(|open| open.sent = true);
        Ok(())
    }

    /// Writes an intent down. While that cannot be done, only what a budget pays for must wait: the rest is written later, and what costs
    /// nothing, perhaps never.
    fn intend(&self, journal: &dyn Journal, (open, intent): (&Open, &Intent<'_>)) -> Result<(), JournalClosed> {
        let Err(closed) = journal.intend(intent) else { return Ok(()) };
        let costs_nothing = open.free || self.tariffs.of(&open.target, intent.at).is_nothing();
        if !costs_nothing && self.hold.has_budgets((intent.provider, intent.deployment)) {
            return Err(closed);
        }
        journal.intend_later(intent).or_else(|closed| if costs_nothing { Ok(()) } else { Err(closed) })
    }

    /// What everything is charged by.
    pub fn tariffs(&self) -> &Arc<Tariffs> {
        &self.tariffs
    }

    /// The longest answer there is money for, where the caller gave no limit and the budget does.
    pub fn cap(&self) -> Option<u64> {
        self.open.as_ref()?.cap
    }

    /// Whether an attempt is under way that has been sent.
    pub fn is_sent(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.sent)
    }

    /// The tokens of the prompt, by guess.
    pub fn prompt(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.prompt)
    }

    /// The attempt has cost so much by now.
    pub fn checkpoint(&self, spent: NanoUsd) {
        if let (Some(journal), Some(open)) = (&self.journal, &self.open) {
            journal.checkpoint(open.id, spent);
        }
    }

    /// What is written of the call's end, from now on and for as long as that is there, is written at one time.
    pub(crate) fn gather(&self) -> Option<Gathered> {
        self.journal.clone().map(Gathered::new)
    }

    /// The attempt is over and came to that. Once for each.
    pub fn close(&mut self, mut charge: Charge) {
        let Some(open) = self.open.take() else { return };
        // What it comes to at last, nobody says here: it has taken all that it may.
        if open.background && charge.estimated && !open.free {
            let most = self.hold.need().money.max(self.job.as_ref().map_or(NanoUsd::ZERO, JobBound::prompts));
            if most > charge.amount {
                (charge.amount, charge.owed) = (most, most);
            }
        }
        let (ending, amount) = if open.sent { (Ending::Settled, charge.amount) } else { (Ending::Void, NanoUsd::ZERO) };
        if let Some(journal) = self.journal.as_ref().filter(|_| open.sent) {
            journal.settle(&Settlement {
                attempt: open.id,
                call: &self.call,
                at: (self.now)(),
                ending,
                amount,
                owed: charge.owed,
                basis: &charge.basis,
                model: &open.target.spec.model,
                estimated: charge.estimated,
                reserved: self.hold.need().money,
                lines: &self.hold.lines(),
                provider: &open.target.spec.provider,
                deployment: &open.target.spec.id,
                tokens: (charge.input, charge.output),
            });
        }
        if open.target.states_cost && open.sent && !charge.estimated && amount > NanoUsd::ZERO {
            open.target.health.stated.note(amount, charge.input.saturating_add(charge.output));
        }
        if open.sent {
            self.hold.used(charge.input, charge.output);
            self.estimated |= charge.estimated;
        }
        self.charged = self.charged.plus(amount);
        self.unspent = self.unspent.plus(amount);
    }

    /// The call is over, or has no more attempts: what it still holds is given back.
    pub fn finish(&mut self) {
        let unspent = std::mem::take(&mut self.unspent);
        self.hold.settle(unspent);
    }

    /// What all attempts cost so far, and whether any of it is a guess.
    pub fn charged(&self) -> (NanoUsd, bool) {
        (self.charged, self.estimated)
    }

    /// How far the limits were used when the call was admitted, as headers: LiteLLM's for each scope, and those OpenAI's clients
    /// read for the tightest one.
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        rate_headers(self.hold.standings(), (self.now)())
    }
}

impl Open {
    /// What the prompt costs, by guess.
    fn prompt_cost(&self, tariff: &Tariff<'_>) -> NanoUsd {
        if self.free {
            return NanoUsd::ZERO;
        }
        let rate = tariff.prices().and_then(|prices| prices.base(Component::Input));
        let cost = rate.map(|rate| NanoUsd::from_pico(rate.cost(Component::Input, self.prompt)));
        cost.filter(|cost| *cost > NanoUsd::ZERO).map_or(NanoUsd::ZERO, |cost| NanoUsd(tariff.markup.above(cost.0)))
    }
}

/// Whether the provider goes on with the call when it has answered it.
fn is_background(call: &Call) -> bool {
    let asked = || call.value("background").is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
    call.door.dialect == Dialect::OpenAiResponses && asked()
}

fn rate_headers(standings: &[(&'static str, Standing)], now: Micros) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let mut add = |name: String, value: String| {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.push((name, value));
        }
    };
    for (level, standing) in standings {
        let unit = standing.unit.as_str();
        add(format!("x-ratelimit-{level}-limit-{unit}"), standing.limit.to_string());
        add(format!("x-ratelimit-{level}-remaining-{unit}"), standing.remaining.to_string());
    }
    for unit in [Unit::Requests, Unit::Tokens] {
        let of_unit = standings.iter().map(|(_, standing)| standing).filter(|standing| standing.unit == unit);
        if let Some(tightest) = of_unit.min_by_key(|standing| standing.remaining) {
            let unit = unit.as_str();
            add(format!("x-ratelimit-limit-{unit}"), tightest.limit.to_string());
            add(format!("x-ratelimit-remaining-{unit}"), tightest.remaining.to_string());
            if let Some(at) = tightest.resets_at {
                add(format!("x-ratelimit-reset-{unit}"), format!("{}s", ((at - now).max(0) + 999_999) / 1_000_000));
            }
        }
    }
    headers
}

/// Whether that target can be told how long an answer may be. What passes as it came is bounded in its client's words.
fn is_bounded_at(call: &Call, target: &Deployment) -> bool {
    let newer = target.profile.max_completion_tokens == Some(true);
    let passes = target.chat.is_empty() && call.door.shape != OWN_FORM;
    let spoken = target.dialect_for(call.door.dialect).or_else(|| passes.then_some(call.door.dialect));
    spoken.and_then(|spoken| cap_key(spoken, newer)).is_some()
}

/// The refusal of a job of which nobody can say what it costs, where a budget holds.
fn unread() -> Error {
    let message = "what this job costs cannot be known before it is done, since its requests cannot be read here, and a budget holds for \
                   this call";
    Error::new(Problem::new(Kind::BadRequest, message).with_code("job_unreadable"), Origin::Gateway, Retry::Never)
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.close(Charge::default());
        self.finish();
    }
}

impl std::fmt::Debug for Tab {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tab").field("hold", &self.hold).field("charged", &self.charged).finish_non_exhaustive()
    }
}
