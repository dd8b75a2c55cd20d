//! What an answer took: the vendor counts cached input apart, the meaning counts it in.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::HERE;
use crate::fields::Fields;
use crate::json::Object;
use crate::lenient::Count;
use crate::openai_chat::usage as openai_chat;
use crate::problem::Malformed;
use crate::reply::Usage;
use crate::tier;

/// The terms that the format knows.
const TIERS: [&str; 3] = ["standard", "priority", "batch"];

/// A usage object.
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
    #[serde(default, deserialize_with = "turns")]
    iterations: Option<Vec<Turn>>,
}

/// One of the turns that an answer took. The counts beside them leave out those that are not the model's own answer (a conversation
/// made shorter, an adviser's); all of them are billed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Turn {
    input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation: Option<CacheCreation>,
    output_tokens: Count,
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

/// The turns, where they can be read.
fn turns<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Vec<Turn>>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(reader)?).ok())
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
        newer!(output_tokens, output_tokens_details, server_tool_use, service_tier, inference_geo, speed, iterations);
    }

    pub(super) fn to_usage(&self) -> Usage {
        let [read, written] = [*self.cache_read_input_tokens, *self.cache_creation_input_tokens];
        let input = self.input_tokens.map(|input| prompt([Some(input), written, read]));
        let cache = self.cache_creation.as_ref();
        let longest = self.turns().map(Turn::prompt).max();
        Usage {
            input,
            output: *self.output_tokens,
            cache_read: read,
            cache_write: written,
            cache_write_5m: cache.and_then(|cache| *cache.ephemeral_5m_input_tokens),
            cache_write_1h: cache.and_then(CacheCreation::hour),
            reasoning: self.output_tokens_details.as_ref().and_then(|details| *details.thinking_tokens),
            web_searches: self.server_tool_use.as_ref().and_then(|tools| *tools.web_search_requests),
            served_fast: is(&self.speed, "fast").then_some(1),
            served_us: is(&self.inference_geo, "us").then_some(1),
            web_fetches: self.server_tool_use.as_ref().and_then(|tools| *tools.web_fetch_requests),
            longest_input: longest.filter(|_| self.turns().nth(1).is_some()),
            extra_input: self.left_out(input, |turn| Some(turn.prompt())),
            extra_output: self.left_out(*self.output_tokens, |turn| *turn.output_tokens),
            extra_cache_read: self.left_out(read, |turn| *turn.cache_read_input_tokens),
            extra_cache_write: self.left_out(written, |turn| *turn.cache_creation_input_tokens),
            extra_cache_write_1h: self.left_out(cache.and_then(CacheCreation::hour), |turn| turn.cache_creation.as_ref()?.hour()),
            ..Usage::default()
        }
    }

    fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.iterations.iter().flatten()
    }

    /// What a count leaves out of the turns.
    fn left_out(&self, told: Option<u64>, of: impl Fn(&Turn) -> Option<u64>) -> Option<u64> {
        let all = self.turns().filter_map(of).fold(0, u64::saturating_add);
        all.checked_sub(told.unwrap_or(0)).filter(|rest| *rest > 0)
    }
}

impl Turn {
    fn prompt(&self) -> u64 {
        prompt([*self.input_tokens, *self.cache_creation_input_tokens, *self.cache_read_input_tokens])
    }
}

impl CacheCreation {
    fn hour(&self) -> Option<u64> {
        *self.ephemeral_1h_input_tokens
    }
}

/// All of a prompt.
fn prompt(parts: [Option<u64>; 3]) -> u64 {
    parts.into_iter().flatten().fold(0, u64::saturating_add)
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
    // Turn by turn nobody else tells it.
    if let Some((HERE, raw)) = &usage.raw
        && let Some(turns) = Fields::nested(raw).ok().and_then(|mut fields| fields.take_raw("iterations"))
    {
        out.raw("iterations", turns.get());
    }
    out.option("service_tier", service_tier.and_then(|name| tier::among(&TIERS, name)));
    // Only where it was reckoned here for a client that asks for it: the format itself has no such field.
    if let (Some(cost), Some(_)) = (usage.cost.as_deref(), &usage.bill) {
        out.raw("cost", cost);
        openai_chat::write_bill(out, usage, openai_chat::PARTS);
    }
}
