//! What OpenRouter's clients are told beside the answer: what it cost.

use std::sync::Arc;

use bytes::BytesMut;
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::event::{Event, EventWriter};
use switchboard_wire::reply::Usage;

use crate::call::{Call, Content};
use crate::deployment::Deployment;
use crate::meter;

/// The row whose answers are in OpenRouter's form already.
const OPENROUTER: &str = "openrouter";

/// Whether a client of that call gets answers with what only OpenRouter's have.
pub(crate) fn is_wanted(call: &Call) -> bool {
    call.door.flavor == Flavor::OpenRouter && call.door.dialect == Dialect::OpenAiChat
}

/// Whether an answer in the client's own dialect must be written anew because OpenRouter's clients want more in it. Streams of
/// several choices, or with probabilities, are not: events hold neither.
pub(crate) fn is_rewritten(call: &Call, target: &Deployment) -> bool {
    is_wanted(call) && target.spec.provider != OPENROUTER && !(call.stream && (has_choices(call) || has_probabilities(call)))
}

fn has_choices(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let count: Option<u64> = outline.read(&call.body, "n").ok().flatten();
    count.is_some_and(|count| count > 1)
}

fn has_probabilities(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let wanted: Option<bool> = outline.read(&call.body, "logprobs").ok().flatten();
    wanted == Some(true)
}

/// Adds the cost by the catalog's prices where the provider tells none and it can be known.
pub(crate) fn add_cost(usage: &mut Usage, target: &Deployment, service: Option<&str>) {
    if usage.cost.is_none()
        && let Some(card) = &target.card
    {
        usage.cost = meter::cost(card, Some(usage), &[], service).map(|cost| cost.to_string());
    }
}

/// A writer that is told the cost before the answer ends.
pub(crate) struct Priced {
    inner: Box<dyn EventWriter>,
    target: Arc<Deployment>,
    usage: Option<Usage>,
}

impl Priced {
    /// Tells `inner` what answers of that target cost.
    pub(crate) fn new(inner: Box<dyn EventWriter>, target: Arc<Deployment>) -> Self {
        Self { inner, target, usage: None }
    }
}

impl EventWriter for Priced {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Usage(usage) => self.usage.get_or_insert_default().merge((**usage).clone()),
            Event::End { service_tier, .. } => {
                if let Some(mut usage) = self.usage.take() {
                    add_cost(&mut usage, &self.target, service_tier.as_deref());
                    self.inner.write(&Event::Usage(Box::new(usage)), out);
                }
            }
            _ => {}
        }
        if !matches!(event, Event::Usage(_)) {
            self.inner.write(event, out);
        }
    }
}
