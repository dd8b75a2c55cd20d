//! The candidates of a virtual model, and their order by its rule.

use fastrand::Rng;

use crate::call::{Call, Content};
use crate::classify::Tier;
use crate::guidance::Strategy;
use crate::route::affinity::{Bond, When};
use crate::route::ask::Ask;
use crate::route::candidate::Candidate;
use crate::route::fleet::Fleet;
use crate::route::order;
use crate::route::order::Args;
use crate::route::planner::Considered;
use crate::route::virtual_model::{Identifier, Rule, VirtualModel, VirtualTarget};

/// What a level is moved by for a target that does not keep to its times.
const LATE: i64 = 1 << 40;

/// The deployments of all its targets that the request may go to.
pub(super) fn gather(fleet: &Fleet, model: &VirtualModel, ask: &Ask<'_>) -> Considered {
    let metadata = metadata(ask.call, model);
    let told = ask.advice.and_then(|advice| advice.target_tier.or(advice.tier));
    let tier = told.and_then(Tier::from_name).unwrap_or(Tier::Standard);
    let mut candidates = Vec::new();
    for target in &model.targets {
        let fits = target.metadata.iter().all(|(name, value)| metadata.get(name).and_then(|found| found.as_str()) == Some(value));
        let Some((_, group)) = fleet.group(&target.model).filter(|_| fits) else { continue };
        let share = target.weight / group.len().max(1) as f64;
        for deployment in group.iter() {
            let mut candidate = Candidate::new(deployment, ask.now);
            candidate.weight = Some(if model.rule.is_weighted() { share } else { deployment.spec.weight.unwrap_or(1.0) });
            candidate.level = level(model.rule, target, &candidate, tier);
            candidate.overrides = Some(target.overrides.clone());
            candidates.push(candidate);
        }
    }
    Considered { candidates, excluded: Vec::new(), strategy: model.rule.as_str() }
}

/// How early a target comes, the lowest first.
fn level(rule: Rule, target: &VirtualTarget, candidate: &Candidate, tier: Tier) -> i64 {
    match rule {
        Rule::Weight | Rule::Latency => 0,
        Rule::Priority => {
            let late = target.sla.as_ref().is_some_and(|sla| !order::within_sla(candidate, sla));
            target.priority + if late { LATE } else { 0 }
        }
        Rule::Complexity => {
            let distance = target.tier.unwrap_or(Tier::Standard) as i64 - tier as i64;
            // Rather a stronger model than a weaker one.
            if distance >= 0 { distance * 2 } else { -distance * 2 + 1 }
        }
    }
}

/// Puts them in the order of the rule. Those that are no fallbacks may be first and nothing else, and not even that without a weight.
pub(super) fn arrange(candidates: &mut Vec<Candidate>, model: &VirtualModel, ask: &Ask<'_>, rng: &mut Rng) {
    let order = match model.rule {
        Rule::Weight | Rule::Priority | Rule::Complexity => Strategy::SimpleShuffle.order(),
        Rule::Latency => order::fastest_alike,
    };
    order::arrange_by(candidates, order, ask, &Args::default(), rng);
    let mut at = 0;
    candidates.retain(|candidate| {
        at += 1;
        let may_be_first = candidate.weight.is_none_or(|weight| weight > 0.0);
        at == 1 && may_be_first || candidate.overrides.as_ref().is_none_or(|overrides| overrides.fallback_candidate)
    });
}

/// What a request's session stays with, where the model wants it to.
pub(super) fn bond(fleet: &Fleet, model: &VirtualModel, call: &Call) -> Option<Bond> {
    let sticky = model.sticky.as_ref()?;
    let metadata = metadata(call, model);
    let part = |identifier: &Identifier| match identifier {
        Identifier::Header(name) => call.headers.get(name.as_str())?.to_str().ok().map(str::to_owned),
        Identifier::Metadata(key) => metadata.get(key)?.as_str().map(str::to_owned),
    };
    let parts: Option<Vec<String>> = sticky.identifiers.iter().map(part).collect();
    let parts = parts.filter(|parts| !parts.is_empty())?;
    Some(fleet.memory.bond(("virtual", model.name.as_str(), &call.principal.key, parts), sticky.ttl, When::Answered))
}

/// The request's metadata: of its header, else of its body. Read only for a model that asks for it.
fn metadata(call: &Call, model: &VirtualModel) -> serde_json::Map<String, serde_json::Value> {
    const HEADER: &str = "x-tfy-metadata";
    let by_metadata = |identifier: &Identifier| matches!(identifier, Identifier::Metadata(_));
    let sticky = model.sticky.as_ref().is_some_and(|sticky| sticky.identifiers.iter().any(by_metadata));
    if !sticky && model.targets.iter().all(|target| target.metadata.is_empty()) {
        return serde_json::Map::new();
    }
    let header = call.headers.get(HEADER).and_then(|value| serde_json::from_slice(value.as_bytes()).ok());
    let body = || match &call.content {
        Content::Json(outline) => outline.read(&call.body, "metadata").ok().flatten(),
        Content::Form(_) => None,
    };
    header.or_else(body).unwrap_or_default()
}
