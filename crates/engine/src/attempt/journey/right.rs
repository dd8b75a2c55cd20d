//! Whether a call may make another attempt, and at whom.

use std::time::Instant;

use super::{Attempts, Journey, MOST_PROVEN, Retrying, is_proven};
use crate::route::Plan;

impl Journey {
    /// The right to another attempt at that target. The first is free, and so are those at targets that answer others: they cannot
    /// do more than double what a provider is asked. `None`: there is no such right.
    pub(super) fn permit(&self, attempts: &Attempts<'_>, plan: &Plan, at: usize, now: Instant) -> Option<Option<Retrying>> {
        let target = &plan.targets[at];
        if self.made == 0 && self.fallbacks == 0 {
            return Some(None);
        }
        let proven = is_proven(target, now);
        // After a key of the caller's own has failed, the gateway's is a first attempt.
        let another_key = target.own.is_none() && attempts.call.principal.own_keys.is_some();
        if self.made >= self.most_at(proven) + self.depth.free() && !self.is_free(plan, at) {
            return None;
        }
        if proven || another_key || target.deployment.health.view(now).recent_attempts == 0 {
            return Some(None);
        }
        attempts.budget.take(attempts.in_flight).map(Some)
    }

    /// How many attempts there may be while targets like that one are left.
    fn most_at(&self, proven: bool) -> u32 {
        if proven && self.repeats.is_none() && !self.is_fallback { MOST_PROVEN.max(self.most) } else { self.most }
    }

    /// Whether that target is passed over because the attempts that are left are for deeper `order`s: each of them is asked once.
    pub(super) fn is_spared(&self, plan: &Plan, at: usize, now: Instant) -> bool {
        if self.repeats.is_some() || self.depth.is_above(&plan.targets[at]) {
            return false;
        }
        let open = plan.targets.iter().enumerate().filter(|(at, _)| !self.is_out_of_question(plan, *at));
        let deeper = self.depth.levels_above(open.map(|(_, target)| target));
        deeper > 0 && self.most_at(is_proven(&plan.targets[at], now)) <= self.made + deeper
    }

    /// Whether an attempt there is no repetition: the first one of a deeper `order`, or the first one at a target that is asked in any
    /// case. Where nobody has said how often to repeat, all are alike.
    pub(super) fn is_free(&self, plan: &Plan, at: usize) -> bool {
        let untried = || self.places.get(at).is_none_or(|place| place.tried == 0);
        let exhaustive = || plan.exhaustive && self.made > 0 && self.made < MOST_PROVEN && untried();
        self.repeats.is_some() && (self.depth.is_above(&plan.targets[at]) || exhaustive())
    }
}
