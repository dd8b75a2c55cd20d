//! Which candidates may serve a request. Every reason against one is kept, not only the first.

use jiff::Timestamp;

use crate::deployment::{Deployment, Traits};
use crate::guidance::{DataCollection, MaxPrice, Provider, Rule};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;
use crate::route::hooks::Hooks;
use crate::route::name::Variant;
use crate::route::plan::Exclusion;
use crate::route::reason::Reason;
use crate::route::service_tier::ServiceTiers;
use crate::route::settings::{Settings, TagRule};
use crate::route::support;
use crate::route::tags::Tags;

/// What candidates are held against.
pub(super) struct Filter<'a, 'b> {
    pub(super) ask: &'a Ask<'b>,
    pub(super) settings: &'a Settings,
    pub(super) hooks: &'a Hooks,
    /// Whether those over their rates are left out.
    pub(super) keeps_rates: bool,
    /// Whether the request is in OpenRouter's manner, or more than one model may be chosen for it: what cannot serve it is left out, not only tried in vain.
    pub(super) strict: bool,
}

impl Filter<'_, '_> {
    /// Takes out those that may not serve, with the reasons.
    pub(super) fn apply(&self, candidates: &mut Vec<Candidate>) -> Vec<Exclusion> {
        let tagged = self.tagged(candidates);
        // Where none serves the operation, the attempt says best what each lacks.
        let operation = self.ask.call.door.operation;
        let some_serve = candidates.iter().any(|candidate| candidate.deployment.serves(operation));
        let is_picky = self.is_picky();
        if !is_picky && tagged.is_empty() && self.asks_little() && candidates.iter().all(|candidate| candidate.is_open(operation)) {
            return Vec::new();
        }
        let longest = candidates.iter().filter_map(|candidate| candidate.deployment.facts.max_input).max();
        let tiers = ServiceTiers::of(self.ask, candidates);
        let mut excluded = Vec::new();
        let mut at = 0;
        candidates.retain(|candidate| {
            let mut reasons = Vec::new();
            if tagged.get(at) == Some(&false) {
                reasons.push(Reason::Tags);
            }
            at += 1;
            if some_serve && !candidate.deployment.serves(operation) {
                reasons.push(Reason::Operation);
            }
            if tiers.as_ref().is_some_and(|tiers| !tiers.admit(candidate)) {
                reasons.push(Reason::ServiceTier);
            }
            self.hold_against(candidate, (is_picky, longest), &mut reasons);
            if reasons.is_empty() {
                return true;
            }
            let until = candidate.view.refusal.map(|refusal| refusal.until());
            excluded.push(Exclusion { deployment: candidate.deployment.clone(), reasons, until });
            false
        });
        excluded
    }

    /// Which may serve by their tags; empty where tags do not matter.
    fn tagged(&self, candidates: &[Candidate]) -> Vec<bool> {
        let usual = TagRule::default();
        let Some(rule) = self.settings.tags.as_ref().or(self.ask.wishes.filters_by_tags.then_some(&usual)) else { return Vec::new() };
        let call = self.ask.call;
        let traits: Vec<&Traits> = candidates.iter().map(|candidate| &candidate.deployment.spec.traits).collect();
        let agent = call.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Tags::of(call, rule).choose(&traits, rule, agent)
    }

    /// Whether the caller wants the web searched.
    fn searches(&self) -> bool {
        self.ask.wishes.online || self.ask.variant == Variant::Online
    }

    /// Whether anybody wants anything of providers; most calls want nothing.
    fn is_picky(&self) -> bool {
        let wishes = self.ask.wishes;
        self.ask.call.principal.guidance.is_some()
            || self.ask.variant != Variant::None
            || wishes.is_openrouter
            || wishes.region.is_some()
            || wishes.online
            || wishes.provider.is_choosy()
    }

    /// Whether neither what the request holds, nor what it was found to be, nor any money set aside matters.
    fn asks_little(&self) -> bool {
        !self.reads_content() && self.hooks.budgets.is_none() && self.ask.advice.is_none_or(|advice| advice.labels.is_empty())
    }

    /// Whether it matters what the request holds.
    fn reads_content(&self) -> bool {
        (self.strict || self.settings.pre_call_checks) && self.ask.is_chat()
    }

    fn hold_against(&self, candidate: &Candidate, (is_picky, longest): (bool, Option<u64>), reasons: &mut Vec<Reason>) {
        let deployment = &*candidate.deployment;
        let traits = &deployment.spec.traits;
        if let Some(refusal) = candidate.view.refusal {
            reasons.push(Reason::Health(refusal.why));
        }
        if deployment.lacking.is_some() {
            reasons.push(Reason::Lacking);
        }
        if traits.blocked {
            reasons.push(Reason::Blocked);
        }
        if let Some(reserved) = &traits.reserved {
            let principal = &self.ask.call.principal;
            if !reserved.is_for(principal) {
                reasons.push(Reason::Access);
            } else if reserved.closed_by(principal, Timestamp::now()).is_some() {
                reasons.push(Reason::AccessWindow);
            }
        }
        if is_picky {
            self.hold_preferences(deployment, reasons);
        }
        self.hold_rates(candidate, reasons);
        self.hold_content(deployment, longest, reasons);
        if let Some(budgets) = &self.hooks.budgets
            && budgets.is_spent(deployment, self.ask.now)
        {
            reasons.push(Reason::Budget);
        }
        if let Some(advice) = self.ask.advice
            && !advice.labels.is_empty()
            && !advice.labels.iter().any(|label| traits.labels.contains(label))
        {
            reasons.push(Reason::ContentClass);
        }
    }

    /// What the caller, and whoever set the caller's rules, wants of providers.
    fn hold_preferences(&self, deployment: &Deployment, reasons: &mut Vec<Reason>) {
        let mut say = |holds: bool, reason| {
            if !holds && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        };
        let facts = &deployment.facts;
        let guidance = self.ask.call.principal.guidance.as_deref();
        let wishes = self.ask.wishes;
        // A gateway gets the caller's preferences and keeps them itself.
        let own = Some(&wishes.provider).filter(|_| !deployment.gateway);
        let rules = guidance.into_iter().flat_map(|guidance| guidance.rules.iter().map(|rule| &rule.provider));
        for provider in [own, guidance.map(|guidance| &guidance.provider)].into_iter().flatten().chain(rules) {
            let names = |list: &Vec<String>| list.iter().any(|name| facts.is_named(name));
            say(provider.only.as_ref().is_none_or(names), Reason::AllowedProviders);
            say(!provider.ignore.as_ref().is_some_and(names), Reason::IgnoredProviders);
            say(provider.data_collection != Some(DataCollection::Deny) || !facts.trains, Reason::Training);
            say(provider.zdr != Some(true) || !facts.retains, Reason::Retention);
            self.hold_model(deployment, provider, &mut say);
        }
        for wanted in [wishes.region.as_deref(), guidance.and_then(|guidance| guidance.region.as_deref())].into_iter().flatten() {
            say(facts.is_in(wanted), Reason::Region);
        }
        for rule in guidance.into_iter().flat_map(|guidance| &guidance.rules) {
            hold_rule(deployment, rule, &mut say);
        }
        let free = self.ask.variant != Variant::Free || facts.free;
        say(free, Reason::NotFree);
        say(!self.searches() || deployment.gateway || support::searches(deployment), Reason::Search);
        say(self.ask.variant != Variant::Thinking || deployment.thinks() != Some(false), Reason::Parameters);
    }

    fn hold_model(&self, deployment: &Deployment, provider: &Provider, say: &mut impl FnMut(bool, Reason)) {
        let traits = &deployment.spec.traits;
        let quantization = traits.quantization.as_deref().unwrap_or("unknown");
        let fits = |list: &Vec<String>| list.iter().any(|name| name.eq_ignore_ascii_case(quantization));
        say(provider.quantizations.as_ref().is_none_or(fits), Reason::Quantization);
        say(provider.enforce_distillable_text != Some(true) || traits.distillable == Some(true), Reason::Distillation);
        say(provider.max_price.as_ref().is_none_or(|most| is_affordable(deployment, most)), Reason::MaxPrice);
        say(provider.require_parameters != Some(true) || support::takes_all(deployment, self.ask), Reason::Parameters);
    }

    fn hold_rates(&self, candidate: &Candidate, reasons: &mut Vec<Reason>) {
        let traits = &candidate.deployment.spec.traits;
        let requests = traits.rpm.is_some_and(|rpm| u64::from(candidate.view.requests_this_minute) + 1 > rpm);
        let tokens = traits.tpm.is_some_and(|tpm| candidate.view.tokens_this_minute.saturating_add(self.ask.input()) > tpm);
        let enforced = self.keeps_rates || self.settings.enforce_rates;
        let parallel = traits.max_parallel.is_some_and(|most| candidate.view.in_flight >= most);
        if parallel || requests && (enforced || self.settings.pre_call_checks) || tokens && enforced {
            reasons.push(Reason::RateLimit);
        }
    }

    /// What the request holds: its length, and what is not text. Of a prompt that may be shortened half must fit, where it fits in any
    /// of them.
    fn hold_content(&self, deployment: &Deployment, most: Option<u64>, reasons: &mut Vec<Reason>) {
        if !self.reads_content() {
            return;
        }
        let least = |tokens: u64| match most.filter(|_| self.ask.wishes.compresses) {
            Some(most) => tokens.div_ceil(2).min(most),
            None => tokens,
        };
        // No request has more tokens than bytes: most are never counted.
        if let Some(longest) = deployment.facts.max_input
            && self.ask.bytes() > longest
            && self.ask.counted().is_some_and(|tokens| least(tokens) > longest)
        {
            reasons.push(Reason::ContextLength);
        }
        let media = self.ask.media();
        if !media.is_none() && !support::reads(deployment, media) {
            reasons.push(Reason::Modality);
        }
    }
}

/// What a rule beside the caller's own wishes says of models and of what becomes of data.
fn hold_rule(deployment: &Deployment, rule: &Rule, say: &mut impl FnMut(bool, Reason)) {
    let (spec, facts) = (&deployment.spec, &deployment.facts);
    let full = format!("{}/{}", spec.provider, spec.model);
    say(rule.admits(&[&spec.group, &full]), Reason::Access);
    say(!facts.retains || !rule.wants_no_retention(deployment.profile.vendor.as_deref()), Reason::Retention);
    let untrained = if facts.free { rule.no_free_training } else { rule.no_paid_training };
    say(!facts.trains || !untrained, Reason::Training);
}

/// Whether it costs no more than that. A price that is not known may be any.
fn is_affordable(deployment: &Deployment, most: &MaxPrice) -> bool {
    let facts = &deployment.facts;
    let tokens = [(most.prompt, facts.input), (most.completion, facts.output)];
    let within = tokens.into_iter().all(|(most, price)| most.is_none_or(|most| price.is_some_and(|price| price <= most)));
    // What is not sold apart has no price of its own.
    let apart = [(most.image, facts.image), (most.audio, facts.audio), (most.request, facts.request)];
    within && apart.into_iter().all(|(most, price)| most.is_none_or(|most| price.is_none_or(|price| price <= most)))
}
