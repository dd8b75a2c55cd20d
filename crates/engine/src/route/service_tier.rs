//! Tiers of service: in OpenRouter's manner, endpoints that are for one alone are for those who ask for it.
//!
//! `service_tier: flex` goes to the endpoints of that tier and no others, where there are any; `priority` to those first. `:floor` lets
//! those of `flex` in beside all others, `:nitro` those of `priority`, and so does the full slug in `provider.only` or `provider.order`.

use crate::route::ask::Ask;
use crate::route::candidate::Candidate;
use crate::route::name::Variant;
use crate::route::planner::is_openrouter;

const FLEX: &str = "flex";
const PRIORITY: &str = "priority";

/// What a request may go to among endpoints of which some are for a tier of service alone.
pub(super) struct ServiceTiers<'a, 'b> {
    ask: &'a Ask<'b>,
    asked: Option<String>,
    /// Whether there are endpoints of the tier that is asked for.
    is_there: bool,
    /// Whether there are endpoints for any request.
    some_plain: bool,
}

impl<'a, 'b> ServiceTiers<'a, 'b> {
    /// What may be gone to among those; `None`: their tiers do not matter.
    pub(super) fn of(ask: &'a Ask<'b>, candidates: &[Candidate]) -> Option<Self> {
        let tiers = || candidates.iter().map(|candidate| candidate.deployment.facts.service_tier());
        if !is_openrouter(ask) || tiers().all(|tier| tier.is_none()) {
            return None;
        }
        let asked = ask.call.text("service_tier");
        let is_there = asked.is_some() && tiers().any(|tier| tier == asked.as_deref());
        Some(Self { ask, is_there, some_plain: tiers().any(|tier| tier.is_none()), asked })
    }

    /// Whether the request may go to that one. A target of a virtual model was named by the operator.
    pub(super) fn admit(&self, candidate: &Candidate) -> bool {
        if candidate.overrides.is_some() {
            return true;
        }
        let facts = &candidate.deployment.facts;
        let is_asked = facts.service_tier() == self.asked.as_deref() && self.is_there;
        if self.is_there && self.asked.as_deref() == Some(FLEX) {
            return is_asked;
        }
        let provider = &self.ask.wishes.provider;
        let standing = self.ask.call.principal.guidance.as_deref().map(|guidance| &guidance.provider);
        let lists = [&provider.only, &provider.order].into_iter().chain(standing.map(|standing| &standing.only)).flatten();
        let is_let_in = match facts.service_tier() {
            Some(FLEX) => self.ask.variant == Variant::Floor,
            Some(PRIORITY) => self.ask.variant == Variant::Nitro,
            _ => true,
        };
        is_asked || is_let_in || !self.some_plain || lists.flatten().any(|name| facts.is_named(name))
    }
}
