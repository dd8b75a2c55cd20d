//! Anthropic's own fallbacks: other models of the provider's that answer where the one asked declines.
//!
//! Its clients name them in the field in which LiteLLM's name the gateway's. They are the provider's where they opt into the feature, or
//! leave the choice to the provider. Which of them answers, and so what is billed, is the provider's to say: where a budget holds, or a
//! list of models, such a call is refused.

use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::{Dialect, Operation};

use crate::call::{Call, Content};
use crate::deployment::Deployment;
use crate::error::{Error, Origin, Retry};

/// The field.
pub(crate) const FIELD: &str = "fallbacks";
/// What the names of the feature begin with.
const FEATURE: &str = "server-side-fallback-";
const FEATURES: &str = "anthropic-beta";

/// Whether the fallbacks that the call names are the provider's.
pub(crate) fn is_providers(call: &Call) -> bool {
    let (Dialect::Anthropic, Operation::Chat, Content::Json(outline)) = (call.door.dialect, call.door.operation, &call.content) else {
        return false;
    };
    let Some(entry) = outline.get(FIELD) else { return false };
    let opted = || {
        let said = call.headers.get_all(FEATURES).iter().filter_map(|value| value.to_str().ok());
        said.flat_map(|names| names.split(',')).any(|name| name.trim().starts_with(FEATURE))
    };
    call.body.slice(entry.value.start, entry.value.end).starts_with(b"\"") || opted()
}

/// Whether they go to that target: one that has names of its own for features has not this one.
pub(crate) fn goes_to(call: &Call, target: &Deployment, spoken: Dialect) -> bool {
    spoken == Dialect::Anthropic && target.profile.betas.is_empty() && is_providers(call)
}

/// Refuses what nobody can hold for, or what the caller may not use. `held`: a budget holds for the call.
pub(crate) fn check(call: &Call, target: &Deployment, held: bool) -> Result<(), Error> {
    let goes = target.dialect_for(call.door.dialect).is_some_and(|spoken| goes_to(call, target, spoken));
    if goes && held {
        let why = "what the provider's own fallbacks cost cannot be known before they answer, and a budget holds for this call: name \
                   models for the gateway to fall back to, without the feature";
        return Err(refused(Kind::BadRequest, why));
    }
    // Only who may use any model may use those that the provider chooses.
    let restricted = !call.principal.may_use("*");
    if goes && restricted {
        let why = "this key may use some models alone, and the provider's own fallbacks may be others: name models for the gateway to \
                   fall back to, without the feature";
        return Err(refused(Kind::Forbidden, why));
    }
    Ok(())
}

fn refused(kind: Kind, why: &str) -> Error {
    Error::new(Problem::new(kind, format!("`{FIELD}`: {why}")).with_param(FIELD), Origin::Gateway, Retry::Never)
}
