//! What a failure means for what follows.

use crate::error::{Error, Retry};
use crate::health::Failure;
use crate::route::{Overrides, RetryRule};

/// What may follow a failure at one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing in this group: every target would say the same.
    Stop,
    /// The same target once more before others.
    Again,
    /// Others; the same target once more only where there is no other.
    IfAlone,
    /// Others. The same target may be asked again later, should they fail too.
    Others,
    /// Others, and never the same again.
    Strike,
}

/// Which fallbacks are meant for a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Class {
    /// Those for any failure.
    #[default]
    Other,
    /// Those for an input that is too long.
    ContextWindow,
    /// Those for what a content filter refused.
    ContentPolicy,
}

/// By the rules of the fault table, where nobody has said otherwise.
pub(super) fn after(error: &Error) -> Step {
    if error.retry == Retry::Never {
        return Step::Stop;
    }
    // A provider that says so itself knows best.
    let invites = matches!(error.retry, Retry::Same { .. });
    match error.failure {
        Failure::Request | Failure::ContextWindow | Failure::ContentPolicy => Step::Stop,
        Failure::Server | Failure::Transient | Failure::Overloaded | Failure::RateLimited if invites => Step::Again,
        Failure::Overloaded | Failure::Unreachable | Failure::Truncated | Failure::Empty => Step::IfAlone,
        Failure::Server | Failure::Transient | Failure::RateLimited | Failure::Protocol => Step::Others,
        Failure::Timeout | Failure::Hurried => Step::Others,
        Failure::Tls
        | Failure::Quota
        | Failure::Credential
        | Failure::Denied
        | Failure::TooLarge
        | Failure::Redirect
        | Failure::ModelNotFound
        | Failure::Unsupported
        | Failure::Own => Step::Strike,
    }
}

/// Which fallbacks are meant for that failure.
pub(super) fn class(failure: Failure) -> Class {
    match failure {
        Failure::ContextWindow => Class::ContextWindow,
        Failure::ContentPolicy => Class::ContentPolicy,
        _ => Class::Other,
    }
}

/// Whether a rule for one target repeats that failure.
pub(super) fn repeats(rule: &RetryRule, error: &Error) -> bool {
    match error.answered {
        Some(status) if !rule.statuses.is_empty() => rule.statuses.contains(&status),
        // What failed below HTTP has no status, and is no better reason to give up.
        _ => matches!(after(error), Step::Again | Step::IfAlone | Step::Others),
    }
}

/// Whether the next target is asked after that failure, as a virtual model's target says.
pub(super) fn goes_on(overrides: &Overrides, error: &Error) -> bool {
    match (&overrides.fallback_statuses, error.answered) {
        (Some(statuses), Some(status)) => statuses.contains(&status),
        _ => true,
    }
}
