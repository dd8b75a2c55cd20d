//! A second target beside one that is slow: whichever has something to say first answers, and the other one is given up.
//!
//! It is asked when the first one has taken longer than 95 of 100 of its answers did, where the retry budget has room, and only for
//! what is nothing but inference: an effect that is wanted once must not come about twice. Both attempts are held for, recorded and
//! charged as what their providers will bill.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::budget::Retrying;
use super::journey::{Journey, Manner, Turn};
use super::{Attempts, Hedging};
use crate::clock;
use crate::error::Error;
use crate::exchange::Made;
use crate::health::Ticket;
use crate::meter::{Meter, Race};
use crate::purity;
use crate::route::{Plan, Target};

/// Says that two targets were asked, and which of them answered.
const HEDGED: HeaderName = HeaderName::from_static("x-switchboard-hedged");

/// Where an answer was made.
pub(super) struct Found {
    /// Its place in the plan.
    pub(super) at: usize,
    /// The target, where it is not of the plan: of a group to fall back to.
    pub(super) beyond: Option<Box<Target>>,
}

/// A target to be asked beside the first one.
struct Spare {
    target: Box<Target>,
    /// Its place in the plan, where it has one.
    at: Option<usize>,
    ticket: Ticket,
    retrying: Option<Retrying>,
}

/// An attempt that made an answer, and where; or the meter, with a failure that nobody has drawn the consequences of yet.
pub(super) type Ended = Result<(Found, Made), (Option<(usize, Error)>, Meter)>;
/// The same of an attempt whose place is known.
type Attempted = Result<Made, (Error, Meter)>;

/// After how long without an answer of that target another one is asked too; `None`: not at all.
pub(super) fn after(attempts: &Attempts<'_>, plan: &Plan, target: &Target) -> Option<Duration> {
    let hedging = match attempts.asked.hedge {
        Some(false) => return None,
        Some(true) => attempts.settings.hedging.unwrap_or_default(),
        None => attempts.settings.hedging?,
    };
    if plan.targets.len() < 2 && !leads_on(plan) || plan.strategy == Plan::ONLY || !purity::is_mere_inference(attempts.call) {
        return None;
    }
    wait(&hedging, target, attempts.call.stream)
}

/// Whether another group may answer for this one.
fn leads_on(plan: &Plan) -> bool {
    plan.policy.allow_fallbacks && !plan.fallbacks.general.is_empty()
}

fn wait(hedging: &Hedging, target: &Target, streamed: bool) -> Option<Duration> {
    let slow = target.deployment.health.slow(streamed, clock::now()).or(hedging.unknown)?;
    Some(slow.max(hedging.least))
}

/// Makes one attempt, and another one beside it when it is slow.
pub(super) async fn run(
    attempts: &Attempts<'_>,
    plan: &Plan,
    journey: &mut Journey,
    (at, after): (usize, Duration),
    mut meter: Meter,
) -> Ended {
    let target = &plan.targets[at];
    let manner = journey.manner(attempts, plan, target);
    let Some(race) = Race::of(&mut meter) else { return placed(at, attempts.once(target, manner, meter).await) };
    let mut first = Box::pin(attempts.once(target, manner, meter));
    if let Ok(ended) = tokio::time::timeout(after, &mut first).await {
        return placed(at, ended);
    }
    let Some(spare) = spare(attempts, plan, journey, at) else { return placed(at, first.await) };
    let Spare { target: other, at: beside, ticket, retrying } = spare;
    let other_model = beside.is_none() || journey.is_other_model(attempts, plan, &other);
    let manner = Manner { other_model, estranged: journey.depth.is_estranged(&other), ..manner };
    // Declared after the first one, it is dropped before it: see `Lane::leaves`.
    let mut second = Box::pin(second(attempts, &other, (ticket, retrying, manner), race.clone()));
    let ended = std::future::poll_fn(|ctx| {
        if let Poll::Ready(ended) = first.as_mut().poll(ctx) {
            return Poll::Ready((true, ended));
        }
        second.as_mut().poll(ctx).map(|ended| (false, ended))
    });
    match ended.await {
        (true, Ok(made)) => {
            race.first_wins();
            drop(second);
            Ok((Found { at, beyond: None }, marked(made, "lost")))
        }
        (false, Ok(made)) => {
            race.second_wins();
            drop((first, second));
            Ok((won(at, beside, other), marked(made, "won")))
        }
        (true, Err((error, mut meter))) => {
            attempts.failed(plan, journey, (at, error), &mut meter);
            match second.as_mut().await {
                Ok(made) => {
                    race.second_wins();
                    drop((meter, second));
                    Ok((won(at, beside, other), marked(made, "won")))
                }
                Err((error, mut its)) => {
                    lost(attempts, plan, journey, (beside, &other, error), &mut its);
                    Err((None, meter))
                }
            }
        }
        (false, Err((error, mut its))) => {
            lost(attempts, plan, journey, (beside, &other, error), &mut its);
            drop(its);
            placed(at, first.await)
        }
    }
}

/// The attempt beside the first one, with what it may take of budgets and limits.
async fn second(
    attempts: &Attempts<'_>,
    target: &Target,
    (ticket, retrying, manner): (Ticket, Option<Retrying>, Manner),
    race: Arc<Race>,
) -> Attempted {
    let mut meter = race.second(attempts.admission.tab_beside(attempts.call, &attempts.fleet.load()));
    meter.bring(target.own.as_deref().map(|_| attempts.call.principal.own_keys_count()));
    if let Err(error) = meter.enter(attempts.call, &target.deployment, ticket).await {
        return Err((error, meter));
    }
    let made = attempts.once(target, manner, meter).await;
    drop(retrying);
    made
}

/// Draws the consequences of a second attempt that failed. That there was no room for two in a budget says nothing of the first one.
fn lost(
    attempts: &Attempts<'_>,
    plan: &Plan,
    journey: &mut Journey,
    (at, target, error): (Option<usize>, &Target, Error),
    meter: &mut Meter,
) {
    match at {
        _ if error.refusal.is_some() => {}
        Some(at) => attempts.failed(plan, journey, (at, error), meter),
        None => attempts.settle(target, &attempts.judged(target, error), false, meter),
    }
}

/// A target to be asked beside that one: of the plan, else the first of a group to fall back to.
fn spare(attempts: &Attempts<'_>, plan: &Plan, journey: &mut Journey, at: usize) -> Option<Spare> {
    if let Some(Turn { at, ticket, retrying, .. }) = journey.beside(attempts, plan, at) {
        return Some(Spare { target: Box::new(plan.targets[at].clone()), at: Some(at), ticket, retrying });
    }
    if !leads_on(plan) {
        return None;
    }
    let retrying = attempts.budget.take(attempts.in_flight)?;
    let now = clock::now();
    let groups = plan.fallbacks.general.iter().filter_map(|fallback| attempts.fleet.load().plan_fallback(attempts.call, fallback).ok());
    for mut group in groups {
        group.bring(attempts.call);
        for target in group.targets {
            if let Ok(ticket) = target.deployment.health.begin(now) {
                return Some(Spare { target: Box::new(target), at: None, ticket, retrying: Some(retrying) });
            }
        }
    }
    None
}

fn won(first: usize, at: Option<usize>, target: Box<Target>) -> Found {
    match at {
        Some(at) => Found { at, beyond: None },
        None => Found { at: first, beyond: Some(target) },
    }
}

pub(super) fn placed(at: usize, ended: Attempted) -> Ended {
    ended.map(|made| (Found { at, beyond: None }, made)).map_err(|(error, meter)| (Some((at, error)), meter))
}

fn marked((mut answer, whole): Made, how: &'static str) -> Made {
    answer.headers.insert(HEDGED, HeaderValue::from_static(how));
    (answer, whole)
}
