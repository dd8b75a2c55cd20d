//! From a request to its plan: candidates, filters, order.

use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;
use switchboard_wire::dialect::Flavor;

use crate::call::{Call, conversation};
use crate::catalog::Family;
use crate::deployment::Deployment;
use crate::error::Error;
use crate::guidance::{By, Preferred, Strategy};
use crate::health::Window;
use crate::principal::Principal;
use crate::route::affinity::{self, Bond, When};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;
use crate::route::filter::Filter;
use crate::route::fleet::{Fleet, Found};
use crate::route::hooks::{Advice, Question};
use crate::route::name::Variant;
use crate::route::order::Args;
use crate::route::plan::{Exclusion, Overrides, Plan, Target};
use crate::route::reason::Reason;
use crate::route::wishes::Wishes;
use crate::route::{availability, order, support, virtual_model::Rule, virtual_order};

/// How long a conversation stays where its prompt is cached, after its last answer.
const CACHED: std::time::Duration = std::time::Duration::from_secs(600);
/// The same for a prompt that is marked for caching.
const MARKED: std::time::Duration = std::time::Duration::from_secs(300);

/// When a plan is made, and by which dice.
#[derive(Debug)]
pub struct Moment {
    /// Now.
    pub now: Instant,
    /// The dice.
    pub rng: Rng,
    /// The tokens of the call, where they have been counted.
    pub tokens: Option<u64>,
}

impl Moment {
    /// Now, and by chance.
    pub fn now() -> Self {
        Self { now: Instant::now(), rng: Rng::new(), tokens: None }
    }
}

/// A call, what it asks for beside its model, and what was found out about it.
pub(super) struct Request<'a> {
    pub(super) call: &'a Call,
    /// The name by which its group was found.
    pub(super) asked: &'a str,
    pub(super) wishes: &'a Wishes,
    pub(super) advice: Option<&'a Advice>,
}

impl<'a> Request<'a> {
    fn ask(&self, variant: Variant, moment: &Moment) -> Ask<'a> {
        let mut ask = Ask::new(self.call, self.wishes, variant, moment.now).with_tokens(moment.tokens);
        ask.advice = self.advice;
        ask
    }
}

/// Candidates of a name under consideration.
pub(super) struct Considered {
    pub(super) candidates: Vec<Candidate>,
    pub(super) excluded: Vec<Exclusion>,
    pub(super) strategy: &'static str,
}

impl Considered {
    /// Leaves out what is not meant, where one deployment of the group is.
    fn keep(&mut self, found: &Found) {
        let Some(only) = &found.only else { return };
        let is_meant = |one: &Deployment| one.spec.id == only.spec.id || one.spec.group != only.spec.group;
        self.candidates.retain(|candidate| is_meant(&candidate.deployment));
        self.excluded.retain(|exclusion| is_meant(&exclusion.deployment));
    }
}

impl Fleet {
    /// What to try for that call, in order. Targets are empty where none may serve it: [`Plan::refusal`] says why.
    pub fn plan(&self, call: &Call) -> Result<Plan, Error> {
        self.plan_at(call, &mut Moment::now())
    }

    /// What must be asked of a model before that call can be planned well; for most calls nothing.
    pub fn question(&self, call: &Call) -> Option<Question> {
        self.hooks.advisor.as_ref()?.question(call)
    }

    /// The same, where the tokens of the call have been counted.
    pub fn plan_counted(&self, call: &Call, tokens: Option<u64>) -> Result<Plan, Error> {
        // A call that cannot be counted is taken to fit.
        self.plan_at(call, &mut Moment { tokens: Some(tokens.unwrap_or(0)), ..Moment::now() })
    }

    /// The same, at that time and with those dice.
    pub fn plan_at(&self, call: &Call, moment: &mut Moment) -> Result<Plan, Error> {
        let wishes = self.or_any_free(call, Wishes::read(call)?, &mut moment.rng);
        let advice = match &self.hooks.advisor {
            Some(advisor) => advisor.advise(call, &call.model, moment.now)?.map(Box::new),
            None => None,
        };
        if wishes.is_none() && advice.is_none() {
            let found = self.resolve(&call.principal.group(&call.model));
            let found = found.or_else(|| self.instead(call)).ok_or_else(|| availability::not_found(call, &[&call.model]))?;
            let request = Request { call, asked: &call.model, wishes: &Wishes::default(), advice: None };
            let mut plan = self.plain(&found, call).unwrap_or_else(|| self.consider(&request, found, moment));
            plan.fallbacks = self.open_fallbacks(call, plan.fallbacks);
            return Ok(plan);
        }
        let wishes = wishes.unwrap_or_default();
        self.plan_wished(call, &wishes, advice, moment)
    }

    /// The plan of a name with one deployment and no rule that could keep a request from it. Most calls end here.
    fn plain(&self, found: &Found, call: &Call) -> Option<Plan> {
        let [only] = &*found.deployments else { return None };
        let traits = &only.spec.traits;
        // In OpenRouter's manner what cannot serve is left out, be it all there is.
        let fits = only.facts.max_input.is_none_or(|longest| call.body.len() as u64 <= longest);
        let loose = call.door.flavor != Flavor::OpenRouter || fits && !call.mentions().media();
        let unruled = self.settings.tags.is_none()
            && !self.settings.pre_call_checks
            && !self.settings.enforce_rates
            && self.hooks.budgets.is_none()
            && call.principal.guidance.is_none();
        let open = only.lacking.is_none()
            && !traits.blocked
            && traits.reserved.is_none()
            && traits.max_parallel.is_none()
            && found.variant == Variant::None
            && found.only.is_none()
            && found.rule.is_none();
        (unruled && open && loose).then(|| Plan {
            group: found.group.clone(),
            strategy: self.strategy(&found.group, call, &Wishes::default(), found.variant).0.as_str(),
            targets: vec![Target::plain(only.clone())],
            excluded: Vec::new(),
            fallbacks: self.fallbacks_of((&call.model, &found.group), &call.principal).clone(),
            policy: self.policy.clone(),
            bonds: Vec::new(),
            advice: None,
            uncounted: false,
            exhaustive: false,
            picked: Family::of(&call.model).is_some(),
            mixed: false,
        })
    }

    /// Where a call goes whose model nobody knows.
    pub(super) fn instead(&self, call: &Call) -> Option<Found> {
        let model = self.for_unknown()?;
        let open = !self.settings.checks_fallbacks || self.is_open(&call.principal, model);
        open.then(|| self.resolve(&call.principal.group(model))).flatten()
    }

    /// Whether the caller may use that model, by the name it is asked for or by its group's.
    pub(super) fn is_open(&self, principal: &Principal, name: &str) -> bool {
        let meant = principal.meant(name);
        principal.may_use(meant) || self.find(meant).is_some_and(|(group, _)| principal.may_use(&group))
    }

    pub(super) fn consider(&self, request: &Request<'_>, found: Found, moment: &mut Moment) -> Plan {
        let Request { call, wishes, .. } = *request;
        let ask = request.ask(found.variant, moment);
        let (strategy, args) = self.strategy(&found.group, call, wishes, found.variant);
        let mut bonds = Vec::from_iter(found.rule.as_ref().and_then(|rule| virtual_order::bond(self, rule, call)));
        let sticky = bonds.len();
        let mut considered = match &found.rule {
            Some(rule) => virtual_order::gather(self, rule, &ask),
            None => {
                let candidates = Candidate::all(found.deployments.iter(), moment.now);
                Considered { candidates, excluded: Vec::new(), strategy: strategy.as_str() }
            }
        };
        bonds.extend(self.bonds(&ask, &found.group, considered.candidates.len()));
        affinity::draw(&bonds, &mut considered.candidates);
        match &found.rule {
            Some(rule) => {
                considered.excluded.extend(self.filter(&ask, strategy).apply(&mut considered.candidates));
                virtual_order::arrange(&mut considered.candidates, rule, &ask, &mut moment.rng);
            }
            None => self.choose(&mut considered, &ask, (strategy, args), &mut moment.rng),
        }
        considered.keep(&found);
        if considered.candidates.len() < 2 {
            bonds.truncate(sticky);
        }
        let exhaustive = found.rule.is_some() || is_openrouter(&ask);
        let plan = self.finish(considered, &ask, (request.asked, found.group), bonds);
        Plan { exhaustive, ..plan }
    }

    /// Ranks the endpoints of several models together.
    pub(super) fn consider_together(&self, request: &Request<'_>, (first, others): (&Found, Vec<&Found>), moment: &mut Moment) -> Plan {
        let Request { call, wishes, .. } = *request;
        let ask = request.ask(first.variant, moment);
        let (strategy, args) = self.strategy(&first.group, call, wishes, first.variant);
        let deployments = first.deployments.iter().chain(others.iter().flat_map(|found| found.deployments.iter()));
        let candidates = Candidate::all(deployments, moment.now);
        let mut considered = Considered { candidates, excluded: Vec::new(), strategy: strategy.as_str() };
        self.choose(&mut considered, &ask, (strategy, args), &mut moment.rng);
        std::iter::once(first).chain(others).for_each(|found| considered.keep(found));
        let bonds = self.bonds(&ask, &first.group, considered.candidates.len());
        let plan = self.finish(considered, &ask, (request.asked, first.group.clone()), bonds);
        Plan { exhaustive: true, mixed: true, ..plan }
    }

    /// Filters and orders the candidates of one group, or of several taken together.
    fn choose(&self, considered: &mut Considered, ask: &Ask<'_>, (strategy, args): (Strategy, &Args), rng: &mut Rng) {
        let provider = &ask.wishes.provider;
        considered.excluded.extend(self.filter(ask, strategy).apply(&mut considered.candidates));
        let candidates = &mut considered.candidates;
        let mut given = None;
        if let Some(order) = provider.order.as_ref().filter(|order| !order.is_empty()) {
            let place = |candidate: &Candidate| order.iter().position(|name| candidate.deployment.facts.is_named(name));
            for candidate in candidates.iter_mut() {
                // A gateway knows providers that are none of ours.
                let through = candidate.deployment.gateway.then_some(order.len());
                candidate.level = place(candidate).or(through).map_or(i64::MAX, |at| at as i64);
            }
            given = Some("provider.order");
        }
        let prefers = provider.preferred_min_throughput.is_some() || provider.preferred_max_latency.is_some();
        if candidates.len() > 1 && (prefers || is_openrouter(ask)) {
            demerit(candidates, ask, is_openrouter(ask));
        }
        order::arrange(candidates, strategy, ask, args, rng);
        if provider.allow_fallbacks == Some(false) {
            let kept = match given {
                Some(_) => candidates.iter().take_while(|candidate| candidate.level != i64::MAX).count(),
                None => candidates.len().min(1),
            };
            let dropped = candidates.drain(kept..);
            considered.excluded.extend(dropped.map(|candidate| exclusion(candidate.deployment, Reason::FallbacksDisabled)));
        }
        if let Some(given) = given {
            considered.strategy = given;
        }
    }

    fn filter<'a, 'b>(&'a self, ask: &'a Ask<'b>, strategy: Strategy) -> Filter<'a, 'b> {
        let has_choice = ask.advice.is_some_and(|advice| advice.choices.len() > 1);
        let strict = is_openrouter(ask) || has_choice;
        Filter { ask, settings: &self.settings, hooks: &self.hooks, keeps_rates: strategy.keeps_rates(), strict }
    }

    /// The strategy of a request: its own wish, then its group's, then the manner it is written in.
    fn strategy(&self, group: &str, call: &Call, wishes: &Wishes, variant: Variant) -> (Strategy, &Args) {
        let args = &self.settings.args;
        let by = wishes.by().or(match variant {
            Variant::Nitro => Some(By::Throughput),
            Variant::Floor => Some(By::Price),
            Variant::Exacto => Some(By::Exacto),
            _ => None,
        });
        let ordered = wishes.provider.order.is_none();
        let usual = || call.principal.guidance.as_ref().filter(|_| ordered)?.provider.sort?.by;
        if let Some(by) = by.or_else(usual) {
            return (Strategy::sorting(by), args);
        }
        if let Some(strategy) = wishes.strategy {
            return (strategy, args);
        }
        let fits = |model: &String| crate::pattern::matches(model, group);
        if let Some(own) = self.settings.groups.iter().find(|own| own.models.iter().any(fits)) {
            return (own.strategy, &own.args);
        }
        if wishes.is_openrouter || call.door.flavor == Flavor::OpenRouter {
            return (self.settings.openrouter, args);
        }
        (self.settings.strategy, args)
    }

    fn finish(&self, mut considered: Considered, ask: &Ask<'_>, (asked, group): (&str, Arc<str>), bonds: Vec<Bond>) -> Plan {
        let seat = bonds.iter().find_map(|bond| bond.deployment(ask.now));
        if let Some(seat) = seat
            && let Some(at) = considered.candidates.iter().position(|candidate| *candidate.deployment.spec.id == *seat)
        {
            considered.candidates[..=at].rotate_right(1);
        }
        Plan {
            strategy: considered.strategy,
            targets: considered.candidates.into_iter().map(Candidate::into_target).collect(),
            excluded: considered.excluded,
            fallbacks: self.fallbacks_of((asked, &group), &ask.call.principal).clone(),
            policy: self.policy.clone(),
            bonds,
            advice: None,
            uncounted: ask.wants_count(),
            exhaustive: false,
            picked: Family::of(asked).is_some(),
            mixed: false,
            group,
        }
    }

    /// What the request may stay with: OpenRouter's rule for requests in its manner, and the operator's.
    fn bonds(&self, ask: &Ask<'_>, group: &str, among: usize) -> Vec<Bond> {
        if among < 2 || ask.wishes.provider.order.is_some() {
            return Vec::new();
        }
        let (call, rule) = (ask.call, self.settings.affinity_of(group));
        let key = &call.principal.key;
        let mut bonds = Vec::new();
        if rule.by_prompt
            && let Some(prompt) = conversation::marked_prompt(call)
        {
            bonds.push(self.memory.bond(("prompt", group, prompt), MARKED, When::Answered));
        }
        if rule.by_session
            && let Some(session) = conversation::session(call)
        {
            bonds.push(self.memory.bond(("session", group, session), rule.ttl, When::Answered));
        }
        if rule.by_key && !key.is_empty() {
            bonds.push(self.memory.bond(("key", group, key), rule.ttl, When::Answered));
        }
        if is_openrouter(ask)
            && ask.is_chat()
            && let Some(conversation) = conversation::of(call)
        {
            // One that the client names is meant to stay; one that is known by its beginning stays where that is worth something.
            let when = if conversation.is_named() { When::Answered } else { When::Cached };
            bonds.push(self.memory.bond(("conversation", group, key, conversation), CACHED, when));
        }
        bonds
    }
}

impl Plan {
    /// Works out what the call would cost at every target, for telling.
    pub fn estimate(&mut self, call: &Call) {
        let wishes = Wishes::default();
        let ask = Ask::new(call, &wishes, Variant::None, Instant::now());
        for target in self.targets.iter_mut().filter(|target| target.expected_cost.is_none()) {
            target.expected_cost = ask.cost(&target.deployment);
        }
        if let Some(advice) = &mut self.advice {
            advice.reference_cost = advice.reference.as_ref().and_then(|reference| ask.cost(reference));
        }
        for target in self.targets.iter_mut().filter(|target| target.expected_latency.is_none()) {
            let seen = Candidate::new(&target.deployment, ask.now).latency(call.stream);
            target.expected_latency = seen.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        }
    }

    /// Sets those body fields, whatever the client sends, for every target.
    pub(super) fn set(&mut self, params: &[(String, String)]) {
        if params.is_empty() {
            return;
        }
        for target in &mut self.targets {
            let mut overrides = target.overrides.as_deref().cloned().unwrap_or_else(Overrides::candidate);
            overrides.params.extend(params.iter().cloned());
            target.overrides = Some(Arc::new(overrides));
        }
    }
}

/// Whether the request is in OpenRouter's manner.
pub(super) fn is_openrouter(ask: &Ask<'_>) -> bool {
    ask.wishes.is_openrouter || ask.call.door.flavor == Flavor::OpenRouter
}

pub(super) fn exclusion(deployment: Arc<Deployment>, reason: Reason) -> Exclusion {
    Exclusion { deployment, reasons: vec![reason], until: None }
}

/// Counts the softer wishes that candidates do not meet.
fn demerit(candidates: &mut [Candidate], ask: &Ask<'_>, by_parameters: bool) {
    let provider = &ask.wishes.provider;
    let prioritized = by_parameters && ask.is_said("service_tier", "\"priority\"");
    for candidate in candidates {
        let mut missed = 0;
        if let Some(least) = &provider.preferred_min_throughput {
            missed += u8::from(!holds(candidate, ask, least, true));
        }
        if let Some(most) = &provider.preferred_max_latency {
            missed += u8::from(!holds(candidate, ask, most, false));
        }
        if by_parameters {
            missed += u8::from(support::lacks_preferred(&candidate.deployment, ask));
            missed += u8::from(prioritized && candidate.deployment.facts.service_tier() != Some("priority"));
        }
        candidate.demerits = missed;
    }
}

/// Whether every percentile of the last five minutes is as wished. What was not measured is.
fn holds(candidate: &Candidate, ask: &Ask<'_>, wished: &Preferred, throughput: bool) -> bool {
    let figures = candidate.deployment.health.figures(Window::FiveMinutes, ask.now);
    wished.0.iter().all(|(at, bound)| {
        if throughput {
            // That share of requests must be at least so fast: of throughput, the low end is the bad one.
            figures.throughput(1.0 - at).is_none_or(|seen| seen >= *bound)
        } else {
            figures.first_content(*at).is_none_or(|seen| seen <= *bound)
        }
    })
}

impl Rule {
    /// Whether targets are drawn by their weight.
    pub(super) fn is_weighted(self) -> bool {
        matches!(self, Self::Weight)
    }
}
