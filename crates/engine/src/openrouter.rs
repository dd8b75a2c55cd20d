//! What OpenRouter's clients are told beside the answer: what it cost, and, where they ask, how it came about.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::event::{Event, EventWriter};
use switchboard_wire::reply::{Bill, Usage};

use crate::admit::Micros;
use crate::call::{Call, Content};
use crate::catalog::Exact;
use crate::deployment::Deployment;
use crate::meter::{self, Meter};
use crate::route::Plan;
use crate::tariff::{Tariff, Tariffs};

/// Whether a client of that call gets answers with what only OpenRouter's have.
pub(crate) fn is_wanted(call: &Call) -> bool {
    let told = [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Anthropic, Dialect::OpenAiCompletions];
    call.door.flavor == Flavor::OpenRouter && told.contains(&call.door.dialect)
}

/// Whether the cost is told when the answer ends: the first event of Anthropic's streams has a usage, and cannot wait for it.
pub(crate) fn is_told_at_the_end(call: &Call) -> bool {
    is_wanted(call) && call.door.dialect != Dialect::Anthropic
}

/// Whether an answer in the client's own dialect must be written anew because OpenRouter's clients want more in it. Only chat
/// completions are: other forms have more than is understood of them. Streams of several choices, or with probabilities, are not:
/// events hold neither.
pub(crate) fn is_rewritten(call: &Call, target: &Deployment) -> bool {
    is_wanted(call)
        && call.door.dialect == Dialect::OpenAiChat
        && target.flavor != Flavor::OpenRouter
        && !(call.stream && (has_choices(call) || has_probabilities(call)))
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

/// Adds the cost where the provider tells none and it can be known, with its parts.
pub(crate) fn add_cost(usage: &mut Usage, tariff: &Tariff<'_>, service: Option<&str>) {
    if usage.cost.is_some() {
        return;
    }
    let Some(bill) = meter::bill(tariff, Some(usage), &[], service) else { return };
    let written = |cost: Exact| cost.pico().written().as_str().to_owned();
    usage.cost = Some(written(bill.charged));
    usage.bill =
        Some(Box::new(Bill { upstream: written(bill.owed), prompt: written(bill.parts.input), answer: written(bill.parts.output) }));
}

/// The headers with which clients ask how an answer came about.
const ASKED: [&str; 2] = ["x-openrouter-metadata", "x-openrouter-experimental-metadata"];
/// What ends a stream.
const DONE: &[u8] = b"data: [DONE]";

/// How the answer of that target of the plan comes about, as JSON, where the client asks for it.
pub(crate) fn metadata(call: &Call, plan: &Plan, at: usize, fallen_back: bool, meter: &Meter) -> Option<String> {
    if call.door.flavor != Flavor::OpenRouter {
        return None;
    }
    let asked = ASKED.iter().find_map(|name| call.headers.get(*name))?;
    if asked.as_bytes() != b"enabled" {
        return None;
    }
    let selected = plan.targets.get(at)?;
    let strategy = match plan.advice.as_deref() {
        Some(advice) if advice.model.is_some() => "auto",
        _ if fallen_back => "fallback",
        _ if *plan.group != *call.model && call.model.ends_with(":free") => "free",
        _ if *plan.group != *call.model => "alias",
        _ => "direct",
    };
    let name = |target: &Deployment| (target.provider_name.clone(), target.spec.group.clone());
    let available = plan.targets.iter().enumerate().map(|(place, target)| {
        let (provider, model) = name(&target.deployment);
        json!({"provider": provider, "model": model, "selected": place == at})
    });
    // One that never answered has no status of its own; its clients know that as a bad gateway.
    let before = meter.tried().iter().map(|attempt| {
        let (provider, model) = name(&attempt.deployment);
        json!({"provider": provider, "model": model, "status": attempt.answered.unwrap_or(502)})
    });
    let (provider, model) = name(&selected.deployment);
    let attempts: Vec<Value> = before.chain([json!({"provider": provider, "model": model, "status": 200})]).collect();
    let told = json!({
        "requested": call.model, "strategy": strategy, "region": selected.deployment.facts.region, "attempt": attempts.len(),
        "summary": format!("available={}, selected={provider}", plan.targets.len()), "is_byok": selected.own.is_some(),
        "endpoints": {"total": plan.targets.len() + plan.excluded.len(), "available": available.collect::<Vec<_>>()}, "attempts": attempts,
    });
    Some(told.to_string())
}

/// A whole answer that tells it.
pub(crate) fn told(body: &Bytes, metadata: &str) -> Bytes {
    let text = body.trim_ascii_end();
    let Some(open) = text.strip_suffix(b"}").filter(|_| text.starts_with(b"{")) else { return body.clone() };
    let joint = if open.trim_ascii_end() == b"{" { "" } else { "," };
    [open, joint.as_bytes(), b"\"openrouter_metadata\":", metadata.as_bytes(), b"}"].concat().into()
}

/// A writer of streams that tells it in a last chunk.
pub(crate) struct Telling {
    inner: Box<dyn EventWriter>,
    /// The chunk, but for what stands before it in every chunk.
    chunk: String,
}

impl Telling {
    /// Tells it after what `inner` writes of that call.
    pub(crate) fn new(inner: Box<dyn EventWriter>, call: &Call, model: &str, metadata: &str) -> Self {
        let head = json!({"id": call.id, "object": "chat.completion.chunk", "created": call.created, "model": model, "choices": []});
        let chunk = told(&Bytes::from(head.to_string()), metadata);
        Self { inner, chunk: format!("data: {}\n\n", String::from_utf8_lossy(&chunk)) }
    }
}

impl EventWriter for Telling {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        let from = out.len();
        self.inner.write(event, out);
        if let Some(at) = memchr::memmem::find(&out[from..], DONE) {
            let tail = out.split_off(from + at);
            out.extend_from_slice(self.chunk.as_bytes());
            out.unsplit(tail);
        }
    }
}

/// A writer that is told the cost before the answer ends.
pub(crate) struct Priced {
    inner: Box<dyn EventWriter>,
    target: Arc<Deployment>,
    tariffs: Arc<Tariffs>,
    at: Micros,
    usage: Option<Usage>,
}

impl Priced {
    /// Tells `inner` what answers of that target cost to the call of that meter.
    pub(crate) fn new(inner: Box<dyn EventWriter>, target: Arc<Deployment>, meter: &Meter) -> Self {
        let tariffs = meter.tab().map(|tab| tab.tariffs().clone()).unwrap_or_default();
        Self { inner, target, tariffs, at: meter.began(), usage: None }
    }
}

impl EventWriter for Priced {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Usage(usage) => self.usage.get_or_insert_default().merge((**usage).clone()),
            Event::End { service_tier, .. } => {
                if let Some(mut usage) = self.usage.take() {
                    add_cost(&mut usage, &self.tariffs.of(&self.target, self.at), service_tier.as_deref());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_one_more_field_of_an_object() {
        let add = |body: &'static str| String::from_utf8(told(&Bytes::from_static(body.as_bytes()), "{\"a\":1}").to_vec()).expect("text");
        assert_eq!(add("{\"id\":\"x\"}\n"), "{\"id\":\"x\",\"openrouter_metadata\":{\"a\":1}}");
        assert_eq!(add("{}"), "{\"openrouter_metadata\":{\"a\":1}}");
        assert_eq!(add("[1]"), "[1]");
        assert_eq!(add("RIFF}"), "RIFF}");
    }
}
