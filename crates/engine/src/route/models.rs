//! Plans of calls that may go to several models, in order: those that the client lists, and those that an automatic name stands for.

use std::sync::Arc;

use crate::call::Call;
use crate::error::Error;
use crate::guidance::Fallback;
use crate::route::availability;
use crate::route::fleet::{Fleet, Found};
use crate::route::hooks::Advice;
use crate::route::plan::Plan;
use crate::route::planner::{Moment, Request};
use crate::route::wishes::Wishes;

/// The most models that an automatic name goes on to after a failure: it may stand for all there are.
const MOST_FURTHER: usize = 8;

/// A model that a call may go to, and what serves it.
pub(super) type Known<'a> = (&'a Fallback, Found);

impl Fleet {
    /// The plan of a call that asks for more than a model.
    pub(super) fn plan_wished(
        &self,
        call: &Call,
        wishes: &Wishes,
        advice: Option<Box<Advice>>,
        moment: &mut Moment,
    ) -> Result<Plan, Error> {
        // The endpoints of all models that the client lists are ranked together; of those chosen for it, the first is.
        let mixed = wishes.is_mixed() && !wishes.models.is_empty();
        let names = names((call, wishes), advice.as_deref(), mixed);
        let mut known = self.resolve_all(call, &names);
        if known.is_empty() {
            let unknown = || availability::not_found(call, &names.iter().map(|one| one.model.as_str()).collect::<Vec<_>>());
            let found = self.instead(call).ok_or_else(unknown)?;
            known.extend(names.first().map(|one| (one, found)));
        }
        let Some((first, others)) = known.split_first() else { return Err(availability::not_found(call, &[])) };
        let request = Request { call, asked: &first.0.model, wishes, advice: advice.as_deref() };
        let mixed = mixed && !others.is_empty();
        let (at, mut plan) = if mixed {
            let mut plan = self.consider_together(&request, (&first.1, others.iter().map(|(_, found)| found).collect()), moment);
            plan.set(&first.0.params);
            (0, plan)
        } else {
            self.consider_in_turn(&request, (first, others), moment)
        };
        let used = &known[at].0.model;
        let listed = if wishes.models.is_empty() { &[][..] } else { others };
        let rest = listed.iter().map(|(one, _)| (*one).clone()).collect();
        if let Some(fallbacks) = self.wished_fallbacks(call, wishes, (used, &plan.group), rest) {
            plan.fallbacks = Arc::new(fallbacks.without(&plan.group, mixed));
        }
        plan.fallbacks = self.open_fallbacks(call, plan.fallbacks);
        if listed.is_empty() && !wishes.disable_fallbacks {
            plan.go_on(call, &known[at + 1..]);
        }
        plan.picked |= *used != call.model;
        plan.advice = advice;
        Ok(plan)
    }

    /// Those of the models that there are.
    pub(super) fn resolve_all<'a>(&self, call: &Call, names: &'a [Fallback]) -> Vec<Known<'a>> {
        names.iter().filter_map(|one| Some((one, self.resolve(&call.principal.group(&one.model))?))).collect()
    }

    /// The plan of the first model that something serves, with its place; where nothing serves any, of the first. What was passed over
    /// is told with the reasons.
    pub(super) fn consider_in_turn(
        &self,
        request: &Request<'_>,
        (first, others): (&Known<'_>, &[Known<'_>]),
        moment: &mut Moment,
    ) -> (usize, Plan) {
        let mut consider = |(one, found): &Known<'_>| {
            let mut plan = self.consider(&Request { asked: &one.model, ..*request }, found.clone(), moment);
            plan.set(&one.params);
            plan
        };
        let (mut at, mut plan) = (0, consider(first));
        for (place, other) in (1..).zip(others) {
            if !plan.targets.is_empty() {
                break;
            }
            let mut excluded = std::mem::take(&mut plan.excluded);
            let mut next = consider(other);
            excluded.append(&mut next.excluded);
            if !next.targets.is_empty() {
                (at, plan) = (place, next);
            }
            plan.excluded = excluded;
        }
        (at, plan)
    }
}

impl Plan {
    /// Has it go on to those models too after a failure.
    pub(super) fn go_on(&mut self, call: &Call, further: &[Known<'_>]) {
        if further.is_empty() || call.principal.disables_fallbacks == Some(true) {
            return;
        }
        let general = &mut Arc::make_mut(&mut self.fallbacks).general;
        for (one, _) in &further[..further.len().min(MOST_FURTHER)] {
            if !general.iter().any(|known| known.model == one.model) {
                general.push((*one).clone());
            }
        }
    }
}

/// The models that were chosen for a call, where any were.
pub(super) fn chosen(advice: Option<&Advice>) -> Option<Vec<Fallback>> {
    advice.map(|advice| advice.choices.clone()).filter(|choices| !choices.is_empty())
}

/// The models that a call may go to, in order: those chosen for it or the one it asks for, then those it lists.
fn names((call, wishes): (&Call, &Wishes), advice: Option<&Advice>, mixed: bool) -> Vec<Fallback> {
    let mut names = chosen(advice).unwrap_or_else(|| Vec::from_iter((!call.model.is_empty()).then(|| Fallback::to(&call.model))));
    if mixed {
        names.truncate(1);
    }
    for model in &wishes.models {
        // A list of models is no way round a list of those allowed.
        if !names.iter().any(|one| one.model == *model) && call.principal.may_use(model) {
            names.push(Fallback::to(model));
        }
    }
    names
}
