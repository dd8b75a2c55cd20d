//! Models and endpoints as OpenRouter's documents write them.

use std::time::Instant;

use serde_json::{Value, json};
use switchboard_engine::catalog::{Catalog, Component};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::health::{Figures, Why, Window};

use super::CREATED;
use super::offer::{Endpoint, Offer};
use super::{pricing, provider};
use crate::clock::unix_seconds;

/// What an endpoint's document depends on beside the endpoint.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) now: Instant,
}

/// OpenRouter's `Model`.
pub(super) fn model(offer: &Offer, catalog: &Catalog) -> Value {
    let top = offer.top();
    let card = top.card.as_ref();
    let mut value = json!({
        "id": offer.shown(),
        "canonical_slug": offer.slug(),
        "name": name(offer),
        "created": created(offer),
        "description": offer.text("description").unwrap_or_default(),
        "context_length": offer.context(),
        "architecture": offer.architecture(offer.family(catalog)),
        "pricing": pricing::of(card),
        "top_provider": {
            "context_length": top.context(),
            "max_completion_tokens": card.and_then(|card| card.max_output_tokens),
            // The gateway moderates nothing of its own accord, and of providers it is not known.
            "is_moderated": false,
        },
        "per_request_limits": null,
        "supported_parameters": offer.union(Endpoint::parameters),
        "default_parameters": null,
        "supported_voices": offer.texts("supported_voices"),
        "knowledge_cutoff": offer.text("knowledge_cutoff"),
        "hugging_face_id": offer.text("hugging_face_id"),
        "expiration_date": card.and_then(|card| card.deprecated_on.as_deref()),
        "links": {"details": format!("/api/v1/models/{}/endpoints", offer.shown())},
    });
    if let Some(reasoning) = reasoning(&top.deployment) {
        value["reasoning"] = reasoning;
    }
    value
}

/// What people call the model.
pub(super) fn name(offer: &Offer) -> &str {
    offer.text("display_name").unwrap_or(&offer.id)
}

/// When the model came out, where the configuration says; else what the other list of models says, since clients want a date.
pub(super) fn created(offer: &Offer) -> u64 {
    offer.number("created").unwrap_or(CREATED)
}

/// The levels of effort, where the model is known to think.
fn reasoning(deployment: &Deployment) -> Option<Value> {
    /// From the most to the least.
    const EFFORTS: [&str; 7] = ["max", "xhigh", "high", "medium", "low", "minimal", "none"];
    deployment.thinks().filter(|thinks| *thinks)?;
    let known = deployment.profile.efforts.as_ref();
    let efforts = known.map(|known| EFFORTS.into_iter().filter(|effort| known.iter().any(|one| one == effort)).collect::<Vec<_>>());
    let always = deployment.card.as_ref().and_then(|card| card.supports("thinking_always_on"));
    let bound = deployment.profile.budgets.is_some_and(|budgets| !budgets.off);
    let mut value = json!({"mandatory": always == Some(true) || bound, "supported_efforts": efforts});
    if let Some(effort) = deployment.card.as_ref().and_then(|card| card.default_effort.as_deref()).filter(|effort| EFFORTS.contains(effort))
    {
        value["default_effort"] = effort.into();
    }
    Some(value)
}

/// OpenRouter's `ListEndpointsResponse`.
pub(super) fn model_with_endpoints(offer: &Offer, ground: Ground<'_>) -> Value {
    let endpoints: Vec<Value> = offer.endpoints.iter().map(|one| endpoint(offer, one, ground)).collect();
    json!({
        "id": offer.id,
        "name": name(offer),
        "created": created(offer),
        "description": offer.text("description").unwrap_or_default(),
        "architecture": offer.architecture(offer.family(ground.catalog)),
        "endpoints": endpoints,
    })
}

/// The specification wants a number of every endpoint, and clients make room by it: theirs for a model of which nothing is known.
const UNKNOWN_CONTEXT: u64 = 128_000;

/// OpenRouter's `PublicEndpoint`.
pub(super) fn endpoint(offer: &Offer, endpoint: &Endpoint, ground: Ground<'_>) -> Value {
    let card = endpoint.card.as_ref();
    let row = endpoint.provider(ground.catalog);
    let named = row.map_or(endpoint.deployment.provider_name.as_str(), provider::name);
    let seen = |window| endpoint.figures(window, ground.now);
    let uptime = |window| seen(window).and_then(|figures| Some(rounded(figures.counts.uptime()? * 100.0)));
    let half_hour = seen(Window::HalfHour);
    let parameters = endpoint.parameters();
    json!({
        "name": format!("{named} | {}", endpoint.model),
        "model_id": offer.id,
        "model_name": name(offer),
        "provider_name": named,
        "tag": endpoint.tag(ground.catalog),
        "quantization": endpoint.quantization(),
        "context_length": endpoint.context().unwrap_or(UNKNOWN_CONTEXT),
        "max_prompt_tokens": card.and_then(|card| card.max_input_tokens),
        "max_completion_tokens": card.and_then(|card| card.max_output_tokens),
        "pricing": pricing::of(card),
        "supports_tool_choice": tool_choice(endpoint, &parameters),
        "supported_parameters": parameters,
        "supports_implicit_caching": caches_unasked(endpoint),
        // Newer than the specification, and its SDK does not read an endpoint without them. Nobody has declared any of it.
        "native_tools": {},
        "service_tier": null,
        "supports_diarization": false,
        "status": if endpoint.shown { status(&endpoint.deployment, ground.now) } else { 0 },
        "uptime_last_5m": uptime(Window::FiveMinutes),
        "uptime_last_30m": uptime(Window::HalfHour),
        "uptime_last_1d": uptime(Window::Day),
        "latency_last_30m": half_hour.as_ref().and_then(latency),
        "throughput_last_30m": half_hour.as_ref().and_then(throughput),
    })
}

/// What of `tool_choice` it takes: whoever takes tools takes the free choice and none.
fn tool_choice(endpoint: &Endpoint, parameters: &[&str]) -> Value {
    let tools = parameters.contains(&"tools");
    let choice = endpoint.card.as_ref().is_some_and(|card| card.supports("tool_choice") == Some(true));
    json!({"auto": tools, "none": tools, "function": choice, "required": choice})
}

/// Whether it caches without being asked: where writing to the cache has a price, it is for callers to ask for.
fn caches_unasked(endpoint: &Endpoint) -> bool {
    let caches = endpoint.card.as_ref().is_some_and(|card| card.supports("prompt_caching") == Some(true));
    caches && endpoint.rate(Component::CacheWrite).is_none()
}

/// Milliseconds to the first token, by percentile.
fn latency(figures: &Figures) -> Option<Value> {
    let at = |quantile| Some(rounded(figures.first_content(quantile)? * 1000.0));
    Some(json!({"p50": at(0.5)?, "p75": at(0.75)?, "p90": at(0.9)?, "p99": at(0.99)?}))
}

/// Tokens a second; the 99th percentile is what all but the slowest hundredth reach.
fn throughput(figures: &Figures) -> Option<Value> {
    let at = |quantile| Some(rounded(figures.throughput(quantile)?));
    Some(json!({"p50": at(0.5)?, "p75": at(0.25)?, "p90": at(0.1)?, "p99": at(0.01)?}))
}

/// To hundredths: what is measured is no finer.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// How an endpoint is doing; OpenRouter names the numbers and not their meanings. Here: 0 serves, -1 comes back, -2 rests, -3 is shut
/// out for its failures or its region's, -5 has a credential that is refused.
fn status(deployment: &Deployment, now: Instant) -> i8 {
    match deployment.health.refusal(now).map(|refusal| refusal.why) {
        None => 0,
        Some(Why::Probing | Why::Ramping) => -1,
        Some(Why::Resting | Why::RateLimited) => -2,
        Some(Why::Open | Why::Region | Why::Unwell) => -3,
        Some(Why::Quarantined) => -5,
    }
}

/// The list as a feed.
pub(super) fn rss(offers: &[Offer], base: &str, chat: bool) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let items = offers.iter().map(|offer| {
        let link = if chat { format!("{base}/chat?models={}", offer.id) } else { format!("{base}/api/v1/model/{}", offer.id) };
        let date = offer.number("created").map(|created| format!("<pubDate>{}</pubDate>", rfc822(created))).unwrap_or_default();
        format!(
            "<item><title>{}</title><link>{}</link><guid isPermaLink=\"false\">{}</guid><description>{}</description>{date}</item>",
            escaped(name(offer)),
            escaped(&link),
            escaped(&offer.id),
            escaped(offer.text("description").unwrap_or_default()),
        )
    });
    let items: String = items.collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\"><channel><title>Models</title><link>{}</link>\
         <description>The models of this gateway</description><lastBuildDate>{}</lastBuildDate>{items}</channel></rss>",
        escaped(base),
        rfc822(unix_seconds()),
    )
}

/// A date as feeds write it.
fn rfc822(seconds: u64) -> String {
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    httpdate::fmt_http_date(date)
}
