//! The groups to go to when one has failed, each followed by those that it falls back to itself.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::answer::Answer;
use crate::asked::Asked;
use crate::call::Call;
use crate::clock;
use crate::error::Error;
use crate::guidance::Fallback;
use crate::meter::Meter;
use crate::route::{Fallbacks, Fleet, Plan, Reason};

use super::Attempts;
use super::journey::Journey;
pub(crate) use super::step::Class;

/// Where a call may go, with how deep it lies; the next at the end.
type Ahead = Vec<(Fallback, usize)>;

impl Attempts<'_> {
    /// Tries the groups to fall back to, and in the end what was passed over because it rests.
    pub(super) async fn fall_back(&self, plan: &Plan, mut journey: Journey, mut meter: Meter) -> Result<Answer, (Error, Meter)> {
        let most = if plan.fallbacks.max == 0 { Fallbacks::MOST } else { plan.fallbacks.max };
        let mut ahead = Ahead::new();
        self.look_ahead((plan, &journey), 0, &mut ahead);
        while let Some((fallback, depth)) = ahead.pop() {
            let Some(next) = planned(self.fleet, self.call, &fallback).await else { continue };
            // One deployment of a group is another place than the group.
            let place = if self.fleet.load().group_of_id(&fallback.model).is_some() {
                Arc::from(fallback.model.as_str())
            } else {
                next.group.clone()
            };
            if !journey.sees(place) {
                continue;
            }
            journey.enter(self, &next, true);
            meter.note(|record| record.stand_in = Some(fallback.model.as_str().into()));
            meter = match self.group(&next, &mut journey, meter).await {
                Ok(answer) => return Ok(answer),
                Err(meter) => meter,
            };
            if depth + 1 < most {
                self.look_ahead((&next, &journey), depth + 1, &mut ahead);
            }
        }
        // Who waits in line waits there.
        if let Some(at) = journey.last_resort(self, plan).filter(|at| self.place.is_none() || *at <= clock::now()) {
            tokio::time::sleep_until(at.into()).await;
            journey.enter(self, plan, false);
            meter.note(|record| record.stand_in = None);
            meter = match self.group(plan, &mut journey, meter).await {
                Ok(answer) => return Ok(answer),
                Err(meter) => meter,
            };
        }
        Err((journey.into_error(self, plan), meter))
    }

    /// Puts where to go after that group has failed before all that was to follow.
    fn look_ahead(&self, (plan, journey): (&Plan, &Journey), depth: usize, ahead: &mut Ahead) {
        if journey.may_fall_back() {
            let chain = chain((self.call, self.asked), plan, of_plan(plan).unwrap_or_else(|| journey.class()));
            ahead.extend(chain.into_iter().rev().map(|fallback| (fallback, depth)));
        }
    }
}

/// The plan of a fallback's group, with the prompt counted where that matters.
pub(crate) async fn planned(fleet: &ArcSwap<Fleet>, call: &Call, fallback: &Fallback) -> Option<Plan> {
    let mut plan = fleet.load().plan_fallback(call, fallback).ok()?;
    if plan.uncounted {
        let counted = crate::operation::tokens(call).await;
        plan = fleet.load().plan_fallback_counted(call, fallback, counted).ok()?;
    }
    plan.bring(call);
    Some(plan)
}

/// Where to go after a failure of that class: what is meant for it, then what is meant for any.
pub(crate) fn chain((call, asked): (&Call, &Asked), plan: &Plan, class: Class) -> Vec<Fallback> {
    let Some(meant) = meant_for((call, asked), plan, class) else { return Vec::new() };
    let said = class == Class::ContextWindow && asked.context_window_fallbacks.is_some()
        || class == Class::ContentPolicy && asked.content_policy_fallbacks.is_some();
    let allowed = |fallback: &&Fallback| !said || call.principal.may_use(&fallback.model);
    meant.iter().filter(allowed).chain(&plan.fallbacks.general).cloned().collect()
}

/// What is meant for failures of that class and no others: what the client says, else the operator. `None`: nobody else may be asked.
pub(super) fn meant_for<'a>((call, asked): (&Call, &'a Asked), plan: &'a Plan, class: Class) -> Option<&'a [Fallback]> {
    if !plan.policy.allow_fallbacks || call.principal.disables_fallbacks == Some(true) {
        return None;
    }
    let configured = &plan.fallbacks;
    Some(match class {
        Class::ContextWindow => asked.context_window_fallbacks.as_deref().unwrap_or(&configured.context_window),
        Class::ContentPolicy => asked.content_policy_fallbacks.as_deref().unwrap_or(&configured.content_policy),
        Class::Other => &[],
    })
}

/// The class of the failure of a plan that has no target, where there is one: a prompt that is too long for all that are well.
pub(crate) fn of_plan(plan: &Plan) -> Option<Class> {
    let mut well = plan.excluded.iter().filter(|one| !one.only_rests()).peekable();
    let too_long = plan.targets.is_empty() && well.peek().is_some() && well.all(|one| one.reasons.contains(&Reason::ContextLength));
    too_long.then_some(Class::ContextWindow)
}
