//! Which deployments, credentials and limits rest after a failure.

use std::time::{Duration, Instant};

use crate::deployment::Deployment;
use crate::error::Error;
use crate::health::Failure;
use crate::settings::{Cooldown, Settings};

/// The longest rest that a provider's hint may bring about.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long a model that its provider does not know is left alone where there are others.
const UNKNOWN: Duration = Duration::from_secs(60);

/// Draws the consequences of a failure. `alone`: there is nowhere else to go, so that a rest that nobody asked for would only be an
/// outage.
pub(super) fn after(error: &Error, target: &Deployment, settings: &Settings, alone: bool, now: Instant) {
    let cooldown = &settings.cooldown;
    match error.failure {
        Failure::Credential | Failure::Denied | Failure::Quota => {
            tracing::error!(deployment = %target.spec.id, provider = %target.spec.provider, failure = error.failure.as_str(), "the provider refuses the gateway's credential");
        }
        Failure::Tls => {
            let why = error.source.as_ref().and_then(|source| source.source()).map(ToString::to_string).unwrap_or_default();
            tracing::error!(deployment = %target.spec.id, "the provider's certificate or TLS is not acceptable: {why}");
        }
        Failure::ModelNotFound => {
            tracing::error!(deployment = %target.spec.id, model = %target.spec.model, "the provider does not know the model");
        }
        _ => {}
    }
    if cooldown.disabled {
        return;
    }
    let own = target.spec.cooldown_time;
    let health = &target.health;
    if error.failure == Failure::RateLimited {
        match error.problem.retry_after {
            Some(hint) => health.limit_until(now + own.unwrap_or(hint).min(LONGEST), true),
            None if alone => {}
            None => health.limit_until(now + own.or(cooldown.time).unwrap_or(Cooldown::TIME), false),
        }
    }
    if error.failure == Failure::ModelNotFound && !alone && !health.view(now).is_proven() {
        health.avoid_until(now + UNKNOWN);
    }
    // What is said of this deployment and this failure holds even where it is the only one, and no fault of its own.
    let named = target.spec.allowed_fails_policy.get(error.failure);
    let of_all = cooldown.allowed_fails_policy.get(error.failure).or(cooldown.allowed_fails);
    let borne = match target.spec.allowed_fails {
        Some(_) if named.is_none() && alone => None,
        own => named.or(own).or(of_all),
    };
    if let Some(borne) = borne
        && (named.is_some() || rests_for(error))
        && health.failures_this_minute(now).0 > borne
    {
        let hint = error.problem.retry_after.map(|hint| hint.min(LONGEST));
        health.rest_until(now + own.or(hint).or(cooldown.time).unwrap_or(Cooldown::TIME));
    }
}

/// Whether LiteLLM's `allowed_fails` counts such a failure.
fn rests_for(error: &Error) -> bool {
    match error.failure {
        Failure::RateLimited
        | Failure::Quota
        | Failure::Credential
        | Failure::Denied
        | Failure::Overloaded
        | Failure::Server
        | Failure::ModelNotFound
        | Failure::Truncated
        | Failure::Protocol
        | Failure::Timeout => true,
        Failure::Transient => error.answered == Some(408),
        Failure::Unreachable
        | Failure::Tls
        | Failure::TooLarge
        | Failure::Empty
        | Failure::Redirect
        | Failure::Request
        | Failure::ContextWindow
        | Failure::ContentPolicy
        | Failure::Unsupported
        | Failure::Own
        | Failure::Hurried => false,
    }
}
