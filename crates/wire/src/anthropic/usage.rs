//! What an answer took: the vendor counts cached input apart, the meaning counts it in.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::HERE;
use crate::json::Object;
use crate::lenient::Count;
use crate::openai_chat::usage as openai_chat;
use crate::problem::Malformed;
use crate::reply::Usage;
use crate::tier;

/// The terms that the format knows.
const TIERS: [&str; 3] = ["standard", "priority", "batch"];

/// A usage object. `iterations` (the advisor's and the compactor's own turns) is not read: the top level is what counts.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Counts {
    input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation: Option<CacheCreation>,
    output_tokens: Count,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerTools>,
    pub(super) service_tier: Option<String>,
    inference_geo: Option<serde_json::Value>,
    speed: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    thinking_tokens: Count,
}

#[derive(Debug, Deserialize)]
struct ServerTools {
    web_search_requests: Count,
    web_fetch_requests: Count,
}

fn is(said: &Option<serde_json::Value>, word: &str) -> bool {
    said.as_ref().and_then(serde_json::Value::as_str) == Some(word)
}

impl Counts {
    pub(super) fn read(raw: &RawValue) -> Result<Self, Malformed> {
        let counts: Self = serde_json::from_str(raw.get()).map_err(|error| Malformed::field("usage", &error.to_string()))?;
        Ok(Self { service_tier: counts.service_tier.map(tier::read), ..counts })
    }

    /// Takes over what a later report says: the counts of a stream are cumulative.
    pub(super) fn merge(&mut self, later: Counts) {
        macro_rules! newer {
            ($($field:ident),*) => { $(if later.$field.is_some() { self.$field = later.$field; })* };
        }
        newer!(input_tokens, cache_creation_input_tokens, cache_read_input_tokens, cache_creation);
        newer!(output_tokens, output_tokens_details, server_tool_use, service_tier, inference_geo, speed);
    }

    pub(super) fn to_usage(&self) -> Usage {
        let cached = self.cache_creation_input_tokens.unwrap_or(0).saturating_add(self.cache_read_input_tokens.unwrap_or(0));
        Usage {
            input: self.input_tokens.map(|input| input.saturating_add(cached)),
            output: *self.output_tokens,
            cache_read: *self.cache_read_input_tokens,
            cache_write: *self.cache_creation_input_tokens,
            cache_write_5m: self.cache_creation.as_ref().and_then(|cache| *cache.ephemeral_5m_input_tokens),
            cache_write_1h: self.cache_creation.as_ref().and_then(|cache| *cache.ephemeral_1h_input_tokens),
            reasoning: self.output_tokens_details.as_ref().and_then(|details| *details.thinking_tokens),
            web_searches: self.server_tool_use.as_ref().and_then(|tools| *tools.web_search_requests),
            served_fast: is(&self.speed, "fast").then_some(1),
            served_us: is(&self.inference_geo, "us").then_some(1),
            web_fetches: self.server_tool_use.as_ref().and_then(|tools| *tools.web_fetch_requests),
            ..Usage::default()
        }
    }
}

/// Reads the usage of a whole answer and the tier that served it.
pub(super) fn read(raw: &RawValue) -> Result<(Usage, Option<String>), Malformed> {
    let counts = Counts::read(raw)?;
    let usage = Usage { raw: Some((HERE, raw.to_owned())), ..counts.to_usage() };
    Ok((usage, counts.service_tier))
}

/// Writes a usage object. The format requires `input_tokens` and `output_tokens`; nothing else is written unless it was counted.
pub(super) fn write(out: &mut Object<'_>, usage: Option<&Usage>, service_tier: Option<&str>) {
    out.object("usage", |out| write_counts(out, usage, service_tier));
}

fn write_counts(out: &mut Object<'_>, usage: Option<&Usage>, service_tier: Option<&str>) {
    let nothing = Usage::default();
    let usage = usage.unwrap_or(&nothing);
    let cached = usage.cache_read.unwrap_or(0).saturating_add(usage.cache_write.unwrap_or(0));
    out.field("input_tokens", &usage.input.unwrap_or(0).saturating_sub(cached));
    out.option("cache_creation_input_tokens", usage.cache_write);
    out.option("cache_read_input_tokens", usage.cache_read);
    if usage.cache_write_5m.is_some() || usage.cache_write_1h.is_some() {
        // The two make up the sum, so the one that was not sent is the rest.
        let rest = |other: Option<u64>| usage.cache_write.unwrap_or(0).saturating_sub(other.unwrap_or(0));
        out.object("cache_creation", |out| {
            out.field("ephemeral_5m_input_tokens", &usage.cache_write_5m.unwrap_or_else(|| rest(usage.cache_write_1h)));
            out.field("ephemeral_1h_input_tokens", &usage.cache_write_1h.unwrap_or_else(|| rest(usage.cache_write_5m)));
        });
    }
    out.field("output_tokens", &usage.output.unwrap_or(0));
    if let Some(thinking) = usage.reasoning {
        out.object("output_tokens_details", |out| out.field("thinking_tokens", &thinking));
    }
    if usage.web_searches.is_some() || usage.web_fetches.is_some() {
        out.object("server_tool_use", |out| {
            out.option("web_search_requests", usage.web_searches);
            out.option("web_fetch_requests", usage.web_fetches);
        });
    }
    out.option("service_tier", service_tier.map(tier::standard).filter(|name| TIERS.contains(name)));
    // Only where it was reckoned here for a client that asks for it: the format itself has no such field.
    if let (Some(cost), Some(_)) = (usage.cost.as_deref(), &usage.bill) {
        out.raw("cost", cost);
        openai_chat::write_bill(out, usage, openai_chat::PARTS);
    }
}
