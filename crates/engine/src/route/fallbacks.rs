//! Where calls go when all targets of their group have failed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::call::Call;
use crate::error::Error;
use crate::guidance::Fallback;
use crate::principal::Principal;
use crate::route::fleet::{Fleet, Names};
use crate::route::plan::{Fallbacks, Plan};
use crate::route::planner::{Moment, Request};
use crate::route::wishes::Wishes;
use crate::route::{availability, models};

/// The name that stands for every group without fallbacks of its own.
const ANY: &str = "*";

impl Fleet {
    /// What to try for that call in the group of a fallback, in order. It has fallbacks of its own, unless the client has said where to
    /// fall back to.
    pub fn plan_fallback(&self, call: &Call, fallback: &Fallback) -> Result<Plan, Error> {
        self.plan_fallback_at(call, fallback, &mut Moment::now())
    }

    /// The same, where the tokens of the call have been counted.
    pub fn plan_fallback_counted(&self, call: &Call, fallback: &Fallback, tokens: Option<u64>) -> Result<Plan, Error> {
        self.plan_fallback_at(call, fallback, &mut Moment { tokens: Some(tokens.unwrap_or(0)), ..Moment::now() })
    }

    fn plan_fallback_at(&self, call: &Call, fallback: &Fallback, moment: &mut Moment) -> Result<Plan, Error> {
        let wishes = self.or_any_free(call, Wishes::read(call)?, &mut moment.rng).unwrap_or_default();
        // What must not go elsewhere must not go there after a failure either.
        let advice = match &self.hooks.advisor {
            Some(advisor) => advisor.advise(call, &fallback.model, moment.now)?,
            None => None,
        };
        let names = models::chosen(advice.as_ref()).unwrap_or_else(|| vec![Fallback::to(&fallback.model)]);
        let known = self.resolve_all(call, &names);
        let Some(models) = known.split_first() else { return Err(availability::not_found(call, &[&fallback.model])) };
        let request = Request { call, asked: &fallback.model, wishes: &wishes, advice: advice.as_ref() };
        let (at, mut plan) = self.consider_in_turn(&request, models, moment);
        let said = wishes.disable_fallbacks || wishes.fallbacks.is_some() || !wishes.models.is_empty();
        plan.fallbacks = if said { Arc::default() } else { self.open_fallbacks(call, plan.fallbacks) };
        if !said {
            plan.go_on(call, &known[at + 1..]);
        }
        plan.set(&fallback.params);
        Ok(plan)
    }

    /// Those of them that the call may go to.
    pub(super) fn open_fallbacks(&self, call: &Call, fallbacks: Arc<Fallbacks>) -> Arc<Fallbacks> {
        if call.principal.disables_fallbacks == Some(true) {
            return Arc::default();
        }
        if self.settings.checks_fallbacks { Arc::new(fallbacks.open_to(&call.principal)) } else { fallbacks }
    }

    /// Where calls of a group go when it fails: by the name it was asked for, by its own, then by what the caller's team calls it, then
    /// by its name without the provider, then as all others.
    pub fn fallbacks_of(&self, (asked, group): (&str, &str), principal: &Principal) -> &Arc<Fallbacks> {
        if self.fallbacks.is_empty() {
            return &self.default_fallbacks;
        }
        let own = || self.fallbacks.get(group);
        let public = || self.fallbacks.get(principal.own.name_of(group)?);
        let bare = || self.fallbacks.get(group.split_once('/')?.1);
        self.fallbacks.get(asked).or_else(own).or_else(public).or_else(bare).unwrap_or(&self.default_fallbacks)
    }

    /// Where the client wants to fall back to, where it says.
    pub(super) fn wished_fallbacks(&self, call: &Call, wishes: &Wishes, names: (&str, &str), rest: Vec<Fallback>) -> Option<Fallbacks> {
        if wishes.disable_fallbacks {
            return Some(Fallbacks::default());
        }
        let configured = self.fallbacks_of(names, &call.principal);
        if !rest.is_empty() {
            // OpenRouter's models are tried upon any failure.
            return Some(Fallbacks { context_window: rest.clone(), content_policy: rest.clone(), max: rest.len(), general: rest });
        }
        let mut general = wishes.fallbacks.clone()?;
        general.retain(|fallback| self.is_open(&call.principal, &fallback.model));
        Some(Fallbacks { general, ..(**configured).clone() })
    }
}

/// The fallbacks of every name that has some of its own, and of all others. What is not said of an alias is what is said of its group.
pub(super) fn gather(names: &Names) -> (HashMap<String, Arc<Fallbacks>>, Arc<Fallbacks>) {
    let of = |list: &[(String, Vec<Fallback>)], name: &str| list.iter().find(|(own, _)| own == name).map(|(_, targets)| targets.clone());
    let lists = [&names.fallbacks, &names.context_window_fallbacks, &names.content_policy_fallbacks];
    let default = of(&names.fallbacks, ANY).unwrap_or_else(|| names.default_fallbacks.clone());
    let make = |name: &str| {
        let group = names.aliases.iter().find(|(alias, _)| alias == name).map_or(name, |(_, group)| group);
        let without_itself = |list: Vec<Fallback>| list.into_iter().filter(|one| one.model != name && one.model != group).collect();
        let said = |list: &[(String, Vec<Fallback>)]| of(list, name).or_else(|| of(list, group));
        let own = |list: &[(String, Vec<Fallback>)]| said(list).or_else(|| of(list, ANY)).unwrap_or_default();
        Arc::new(Fallbacks {
            general: without_itself(said(&names.fallbacks).unwrap_or_else(|| default.clone())),
            context_window: without_itself(own(&names.context_window_fallbacks)),
            content_policy: without_itself(own(&names.content_policy_fallbacks)),
            max: names.max_fallbacks.unwrap_or(Fallbacks::MOST),
        })
    };
    let all = lists.into_iter().flatten().map(|(name, _)| name).filter(|name| *name != ANY);
    (all.map(|name| (name.clone(), make(name))).collect(), make(ANY))
}

impl Fallbacks {
    /// Those that the caller could ask for itself.
    fn open_to(&self, principal: &Principal) -> Self {
        let open = |list: &[Fallback]| list.iter().filter(|one| principal.may_use(&one.model)).cloned().collect();
        Self {
            general: open(&self.general),
            context_window: open(&self.context_window),
            content_policy: open(&self.content_policy),
            max: self.max,
        }
    }

    /// The same without that group; `all` leaves nothing, since all of them are in the plan already.
    pub(super) fn without(mut self, group: &str, all: bool) -> Self {
        if all {
            return Self::default();
        }
        for list in [&mut self.general, &mut self.context_window, &mut self.content_policy] {
            list.retain(|fallback| fallback.model != group);
        }
        self
    }
}
