//! What OpenRouter's clients are told beside the answer: what it cost, and, where they ask, how it came about.

mod account;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::event::{Event, EventWriter};
use switchboard_wire::reply::{Bill, Usage};
use switchboard_wire::{Dialect, charged};

use crate::call::{Call, Content};
use crate::catalog::Exact;
use crate::clock::Micros;
use crate::control::wants_stream_usage;
use crate::deployment::Deployment;
use crate::meter::{self, Meter};
use crate::tariff::{Tariff, Tariffs};

pub(crate) use account::{Account, Telling};

/// Whether a client of that call gets answers with what only OpenRouter's have.
pub(crate) fn is_wanted(call: &Call) -> bool {
    let told = [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Anthropic, Dialect::OpenAiCompletions];
    call.door.flavor == Flavor::OpenRouter && told.contains(&call.door.dialect)
}

/// Whether requests of that call are put in the words of that target, as answers are in the client's.
pub(crate) fn is_fitted(call: &Call, target: &Deployment) -> bool {
    is_wanted(call) && target.flavor != Flavor::OpenRouter && !target.gateway
}

/// Whether the cost is told when the answer ends: the first event of Anthropic's streams has a usage, and cannot wait for it.
pub(crate) fn is_told_at_the_end(call: &Call) -> bool {
    is_wanted(call) && call.door.dialect != Dialect::Anthropic
}

/// Whether an answer in the client's own dialect must be written anew because OpenRouter's clients want more in it, or its provider
/// has a form of its own. Only chat completions are: other forms have more than is understood of them. Streams with probabilities are not:
/// events hold less of them.
pub(crate) fn is_rewritten(call: &Call, target: &Deployment) -> bool {
    (target.rewritten || is_wanted(call) && target.flavor != Flavor::OpenRouter)
        && call.door.dialect == Dialect::OpenAiChat
        && !(call.stream && has_probabilities(call))
}

/// Whether the usage in the stream of that call can say what the answer cost: only what is written here can.
pub(crate) fn may_tell_cost(call: &Call) -> bool {
    let tells_usage = match call.door.dialect {
        Dialect::OpenAiChat => wants_stream_usage(call),
        Dialect::OpenAiResponses => true,
        _ => false,
    };
    tells_usage && call.door.flavor == Flavor::OpenAi && call.stream && !has_probabilities(call)
}

pub(crate) fn has_probabilities(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    let wanted: Option<bool> = outline.read(&call.body, "logprobs").ok().flatten();
    wanted == Some(true)
}

/// Adds the cost where the provider tells none and it can be known, with its parts.
pub(crate) fn add_cost(usage: &mut Usage, tariff: &Tariff<'_>, service: Option<&str>) {
    if usage.cost.is_some() {
        return;
    }
    if let Some(bill) = meter::bill(tariff, Some(usage), &[], service) {
        tell(usage, &bill);
    }
}

/// A whole answer or an event that passes as it came, with what the answer cost as far as its meter knows; `None`: it stays as it is.
pub(crate) fn charged(dialect: Dialect, payload: &[u8], meter: &Meter) -> Option<Bytes> {
    let mut cost = Usage::default();
    tell(&mut cost, &meter.bill()?);
    charged::told(dialect, payload, &cost)
}

fn tell(usage: &mut Usage, bill: &meter::Bill) {
    let written = |cost: Exact| cost.pico().written().as_str().to_owned();
    usage.cost = Some(written(bill.charged));
    usage.bill =
        Some(Box::new(Bill { upstream: written(bill.owed), prompt: written(bill.parts.input), answer: written(bill.parts.output) }));
}

/// A writer that is told the cost before the answer ends.
pub(crate) struct Priced {
    inner: Box<dyn EventWriter>,
    target: Arc<Deployment>,
    tariffs: Arc<Tariffs>,
    at: Micros,
    asked: Option<String>,
    usage: Option<Usage>,
}

impl Priced {
    /// Tells `inner` what answers of that target cost to the call of that meter.
    pub(crate) fn new(inner: Box<dyn EventWriter>, target: Arc<Deployment>, meter: &Meter) -> Self {
        let tariffs = meter.tab().map(|tab| tab.tariffs().clone()).unwrap_or_default();
        Self { inner, target, tariffs, at: meter.began(), asked: meter.service(None).map(str::to_owned), usage: None }
    }
}

impl EventWriter for Priced {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Usage(usage) => self.usage.get_or_insert_default().merge((**usage).clone()),
            Event::End { service_tier, .. } => {
                if let Some(mut usage) = self.usage.take() {
                    add_cost(&mut usage, &self.tariffs.of(&self.target, self.at), service_tier.as_deref().or(self.asked.as_deref()));
                    self.inner.write(&Event::Usage(Box::new(usage)), out);
                }
            }
            _ => {}
        }
        if !matches!(event, Event::Usage(_)) {
            self.inner.write(event, out);
        }
    }

    fn held(&self) -> usize {
        self.inner.held()
    }
}
