//! What is left to do when nothing is left to ask, and what the caller is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_wire::problem::Kind;

use super::{Attempts, Journey, LONGEST_WAIT};
use crate::attempt::backoff::wait;
use crate::clock;
use crate::error::{Error, Origin};
use crate::health::{Failure, Why};
use crate::route::{Exclusion, Plan, Reason};

/// When to come back where nobody says.
const SOON: Duration = Duration::from_secs(1);

impl Journey {
    /// When to ask this group once more, where nothing else is left: a limit that soon is free again, or a deployment that is asked
    /// although it is shut out, since all are.
    pub(in crate::attempt) fn last_resort(&mut self, attempts: &Attempts<'_>, plan: &Plan) -> Option<Instant> {
        let now = clock::now();
        let limited = self.last.as_ref().is_none_or(|last| last.failure == Failure::RateLimited);
        if self.stopped || self.over || !limited || self.is_fallback && self.last.is_some() {
            return None;
        }
        let refusals = plan.targets.iter().map(|target| target.deployment.health.refusal(now));
        let soonest = refusals.collect::<Option<Vec<_>>>()?.into_iter().min_by_key(|refusal| refusal.until)?;
        self.refused = Some(soonest);
        let wait = soonest.until().saturating_duration_since(now);
        let fits = wait <= LONGEST_WAIT && attempts.left().is_none_or(|left| wait < left);
        match soonest.why {
            Why::RateLimited if fits && self.made < self.most + self.depth.free() => Some(soonest.until()),
            Why::Open => self.probe(plan, now),
            _ => None,
        }
    }

    /// Where all are shut out, one request a second finds out whether that is still so.
    fn probe(&self, plan: &Plan, now: Instant) -> Option<Instant> {
        let clock = plan.targets.iter().map(|target| &target.deployment.health).min_by_key(|health| Arc::as_ptr(health).addr())?;
        let open = plan.targets.iter().filter_map(|target| {
            let health = &target.deployment.health;
            health.refusal(now).filter(|refusal| refusal.why == Why::Open).map(|refusal| (refusal.until, health))
        });
        let (_, soonest) = open.min_by_key(|(until, _)| *until)?;
        (clock.claim_probe(now) && soonest.open_early(now)).then_some(now)
    }

    /// Notes when a group that has failed may be asked again.
    pub(in crate::attempt) fn leave(&mut self, plan: &Plan) {
        self.soonest = self.soonest.into_iter().chain(self.capacity(plan, clock::now())).min();
    }

    /// When the soonest of a group's deployments may be asked again, where that is known. One that failed and asked for no pause tells
    /// nothing.
    fn capacity(&self, plan: &Plan, now: Instant) -> Option<Instant> {
        let targets = plan.targets.iter().enumerate().filter_map(|(at, target)| {
            let place = self.places.get(at).copied().unwrap_or_default();
            let rest = target.deployment.health.refusal(now).map(|refusal| refusal.until());
            let again = rest.or(if place.tried == 0 { Some(now) } else { place.due });
            again.filter(|_| !place.struck && !place.unable)
        });
        let resting = plan.excluded.iter().filter(|one| one.only_rests()).filter_map(|one| one.deployment.health.refusal(now));
        targets.chain(resting.map(|refusal| refusal.until())).min()
    }

    /// What the caller is told.
    pub(in crate::attempt) fn into_error(self, attempts: &Attempts<'_>, plan: &Plan) -> Error {
        // Whoever asked for a model hears of that model, not of what stood in for it.
        if let Some(mut error) = self.first.or(self.last) {
            // A limit of the caller's own ends when it ends, whoever else is free.
            let of_target = error.refusal.as_ref().map_or(error.origin == Origin::Provider, |refusal| refusal.is_of_target());
            if of_target && matches!(error.problem.kind, Kind::RateLimited | Kind::Overloaded) {
                // Who is overloaded says rarely for how long.
                let soon = (error.problem.kind == Kind::Overloaded).then_some(SOON);
                error.problem.retry_after = self.soonest.map(wait).or(error.problem.retry_after).or(soon);
            }
            return error;
        }
        if self.refused.is_none() && !plan.targets.is_empty() {
            return Error::not_served(&attempts.call.model, attempts.call.door.operation.as_str());
        }
        // Nobody could be asked: that is told as planning would have told it.
        let now = clock::now();
        let resting = plan.targets.iter().filter_map(|target| {
            let refusal = target.deployment.health.refusal(now)?;
            let (deployment, reasons) = (target.deployment.clone(), vec![Reason::Health(refusal.why)]);
            Some(Exclusion { deployment, reasons, until: Some(refusal.until()) })
        });
        let mut shut = plan.clone();
        shut.excluded.extend(resting);
        shut.refusal_until(self.soonest, attempts.call, now)
    }
}
