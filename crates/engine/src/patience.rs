//! How long each phase of an attempt may take.

use std::time::Duration;

use crate::asked::Asked;
use crate::call::Call;
use crate::deployment::Deployment;
use crate::upstream::Timeouts;

/// How long a stream may take to its first content.
const QUICK: Duration = Duration::from_secs(60);
/// The same for models that think first, or of which nothing is known.
const THOUGHTFUL: Duration = Duration::from_secs(300);

/// What is said of the service tier that the call asks for.
fn of_tier(said: &[(String, Duration)], call: &Call) -> Option<Duration> {
    if said.is_empty() {
        return None;
    }
    let asked = call.text("service_tier")?;
    said.iter().find(|(tier, _)| *tier == asked).map(|(_, time)| *time)
}

/// Whether the caller gives that target less time than the operator does.
pub(crate) fn is_hurried(defaults: Timeouts, call: &Call, asked: &Asked, target: &Deployment, own: Option<Duration>) -> bool {
    let usual = of(defaults, call, &Asked::default(), target, own);
    of(defaults, call, asked, target, own).first_byte < usual.first_byte
}

/// The deadlines of one attempt: a whole answer may take as long as the call may; a stream must soon begin to say something. What the
/// caller says comes before what was said of the target, and that before the deployment's and the gateway's own.
pub(crate) fn of(defaults: Timeouts, call: &Call, asked: &Asked, target: &Deployment, own: Option<Duration>) -> Timeouts {
    let mut timeouts = defaults;
    let spec = &target.spec;
    let longest = asked.timeout.or(own).or_else(|| of_tier(&spec.timeout_by_tier, call)).or(spec.timeout);
    if call.stream {
        let patience = if target.thinks() == Some(false) { QUICK } else { THOUGHTFUL };
        let patience = longest.unwrap_or(patience).min(patience).min(timeouts.first_byte);
        let asked = asked.stream_timeout.or(asked.timeout).or(own);
        let said = || of_tier(&spec.stream_timeout_by_tier, call).or(spec.stream_timeout);
        timeouts.first_byte = asked.or_else(said).unwrap_or(patience);
    } else if let Some(longest) = longest {
        timeouts.first_byte = longest;
        timeouts.idle = timeouts.idle.max(longest);
        timeouts.total = Some(longest);
    }
    if let Some(left) = asked.patience.map(|patience| patience.saturating_sub(call.received.elapsed())) {
        // Whoever asked is gone by then.
        timeouts.first_byte = timeouts.first_byte.min(left);
        if !call.stream {
            timeouts.total = Some(timeouts.total.map_or(left, |total| total.min(left)));
        }
    }
    timeouts
}
