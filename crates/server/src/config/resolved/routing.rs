//! How deployments are chosen: what `router_settings` and `switchboard` say of it, in the engine's terms.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use switchboard_engine::guidance::{Strategy, Weights};
use switchboard_engine::route::order::Args;
use switchboard_engine::route::settings::{AffinitySettings, Settings, StrategyGroup, TagRule};

use crate::config::fields::{Fields, Reader};
use crate::config::keys;
use crate::config::yaml::Node;

/// Strategies of LiteLLM's that have no counterpart here, and what does their work.
const OTHERS: [(&str, &str); 2] = [
    ("provider-budget-routing", "budgets are kept whatever the strategy is; `simple-shuffle` is used"),
    ("lar1", "`switchboard` weighs cost and latency; `simple-shuffle` is used"),
];

/// `routing_strategy_args`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct StrategyArgs {
    ttl: Option<f64>,
    lowest_latency_buffer: Option<f64>,
    latency_goal_ms: Option<u64>,
}

/// An entry of `routing_groups`.
#[derive(Clone, Debug, Deserialize)]
struct GroupForm {
    #[serde(default)]
    group_name: String,
    models: Vec<String>,
    routing_strategy: Option<String>,
    #[serde(default)]
    routing_strategy_args: Option<StrategyArgs>,
}

/// The settings of `router_settings`.
pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Settings {
    let args: StrategyArgs =
        fields.node("routing_strategy_args").and_then(|node| parse(reader, "routing_strategy_args", node)).unwrap_or_default();
    let args = args.read();
    let strategy = fields.node("routing_strategy").zip(fields.text("routing_strategy"));
    let strategy = strategy.and_then(|(node, name)| named(reader, node, "router_settings.routing_strategy", &name)).unwrap_or_default();
    let checks = fields.texts("optional_pre_call_checks");
    let has = |name: &str| checks.iter().any(|check| check == name);
    let affinity = AffinitySettings {
        by_key: has("deployment_affinity"),
        by_session: has("session_affinity"),
        by_prompt: has("prompt_caching"),
        ttl: fields.seconds("deployment_affinity_ttl_seconds").unwrap_or(AffinitySettings::default().ttl),
    };
    let group_affinity = group_affinity(reader, fields, &affinity);
    let tags = fields.flag("enable_tag_filtering").unwrap_or(false).then(|| TagRule {
        match_any: fields.flag("tag_filtering_match_any").unwrap_or(true),
        prefix: fields.text("tag_routing_prefix").filter(|prefix| !prefix.is_empty()),
        ..TagRule::default()
    });
    Settings {
        strategy,
        groups: groups(reader, fields, &args),
        args,
        pre_call_checks: fields.flag("enable_pre_call_checks").unwrap_or(false),
        enforce_rates: has("enforce_model_rate_limits"),
        tags,
        affinity,
        group_affinity,
        ..Settings::default()
    }
}

/// `model_group_affinity_config: {model: [deployment_affinity]}`. A group that is named has what is named, and nothing else of it.
fn group_affinity(reader: &mut Reader<'_>, fields: &Fields, of_all: &AffinitySettings) -> HashMap<String, AffinitySettings> {
    // What concerns the objects of responses is so in any case, here: they are the provider's.
    const KNOWN: [&str; 4] = ["deployment_affinity", "session_affinity", "responses_api_deployment_check", "encrypted_content_affinity"];
    let mut groups = HashMap::new();
    for entry in fields.map("model_group_affinity_config").into_iter().flat_map(|map| &map.entries) {
        let name = format!("router_settings.model_group_affinity_config.{}", entry.name);
        let Some(checks) = keys::texts(&entry.node) else {
            reader.wrong_kind(&entry.node, &name, keys::Kind::Texts, &entry.name);
            continue;
        };
        if let Some(other) = checks.iter().find(|check| !KNOWN.contains(check)) {
            reader.found.warn(
                &entry.at,
                format!("`{name}` names `{other}`, which is no such check"),
                format!("there are {}", KNOWN.join(", ")),
            );
        }
        let has = |check: &str| checks.contains(&check);
        let own = AffinitySettings { by_key: has(KNOWN[0]), by_session: has(KNOWN[1]), ..of_all.clone() };
        groups.insert(entry.name.clone(), own);
    }
    groups
}

/// The strategy for requests in OpenRouter's manner, where the gateway's own section names one.
pub(super) fn openrouter_strategy(reader: &mut Reader<'_>, own: &Fields) -> Option<Strategy> {
    let name = "openrouter_routing_strategy";
    let (node, text) = own.node(name).zip(own.text(name))?;
    named(reader, node, &format!("switchboard.{name}"), &text)
}

/// `weights`.
pub(super) fn weights(reader: &mut Reader<'_>, fields: &Fields) -> Weights {
    let Some(node) = fields.node("weights").filter(|node| !node.is_absent()) else { return Weights::default() };
    Weights::read(&node.to_json()).unwrap_or_else(|why| {
        reader.found.error(&node.at, format!("`router_settings.weights`: {why}"), "write `{model: {deployment: 0.7, other: 0.3}}`");
        Weights::default()
    })
}

fn groups(reader: &mut Reader<'_>, fields: &Fields, args: &Args) -> Vec<StrategyGroup> {
    let mut groups = Vec::new();
    for item in fields.list("routing_groups") {
        let Some(form) = parse::<GroupForm>(reader, "routing_groups[]", item) else { continue };
        let name = form.routing_strategy.as_deref().unwrap_or("simple-shuffle");
        let Some(strategy) = named(reader, item, "router_settings.routing_groups[].routing_strategy", name) else { continue };
        let args = form.routing_strategy_args.map_or_else(|| args.clone(), |args| args.read());
        groups.push(StrategyGroup { name: form.group_name, models: form.models, strategy, args });
    }
    groups
}

/// The strategy of that name; what has none is reported.
fn named(reader: &mut Reader<'_>, node: &Node, full: &str, name: &str) -> Option<Strategy> {
    let found = Strategy::from_name(name);
    if found.is_none() {
        if let Some((_, why)) = OTHERS.iter().find(|(other, _)| *other == name) {
            reader.found.warn(&node.at, format!("`{full}: {name}` has no effect"), *why);
        } else {
            let names: Vec<&str> = Strategy::NAMED.iter().map(|strategy| strategy.as_str()).collect();
            reader.found.error(&node.at, format!("`{full}` is no strategy"), format!("write one of: {}", names.join(", ")));
        }
    }
    found
}

/// Reads what is written in a form that has no table of keys; what does not fit is reported.
pub(super) fn parse<T: serde::de::DeserializeOwned>(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<T> {
    match serde_json::from_value(node.to_json()) {
        Ok(value) => Some(value),
        Err(error) => {
            reader.found.error(&node.at, format!("`{name}`: {error}"), "see docs/configuration.md for its form");
            None
        }
    }
}

impl StrategyArgs {
    fn read(self) -> Args {
        let usual = Args::default();
        let seconds = |value: Option<f64>| value.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Args {
            ttl: seconds(self.ttl).unwrap_or(usual.ttl),
            lowest_latency_buffer: self.lowest_latency_buffer.filter(|buffer| buffer.is_finite() && *buffer >= 0.0).unwrap_or(0.0),
            latency_goal: self.latency_goal_ms.map(Duration::from_millis),
        }
    }
}
