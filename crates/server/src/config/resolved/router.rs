//! `router_settings`, with what `litellm_settings` says where it does not.

use std::time::Duration;

use switchboard_engine::guidance::Weights;
use switchboard_engine::route::settings::Settings;
use switchboard_engine::terms::Budget;

use super::checks::CheckRouting;
use super::fallback::{self, Fallback};
use super::litellm::ReadLitellm;
use super::resilience::Resilience;
use super::routing;
use super::spending::is_unlimited;
use crate::config::diagnostic::Location;
use crate::config::fields::{Fields, Reader};
use crate::config::keys::{self, Section};
use crate::config::resolved::limits;
use crate::config::yaml::Node;

/// How deployments are chosen and what happens when one fails.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterSettings {
    /// Name of the strategy, as written.
    pub routing_strategy: String,
    /// Retries after a failure. `None`: as the failure deserves.
    pub num_retries: Option<u32>,
    /// Shortest wait before a retry.
    pub retry_after: Duration,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Longest wait for a streamed answer to begin. `None`: as long as `timeout`.
    pub stream_timeout: Option<Duration>,
    /// Failures within a minute before a deployment rests. `None`: its breaker decides.
    pub allowed_fails: Option<u32>,
    /// How long it rests. `None`: as the provider says, else a few seconds.
    pub cooldown_time: Option<Duration>,
    /// Priority of requests that say none; with one, all of them wait where there is no capacity.
    pub default_priority: Option<u8>,
    /// How often the first of those that wait looks for what others free. `None`: as often as the engine thinks right.
    pub polling_interval: Option<Duration>,
    /// Never rest a deployment.
    pub disable_cooldowns: bool,
    /// Models to try when one fails.
    pub fallbacks: Vec<Fallback>,
    /// Models to try when the input is too long.
    pub context_window_fallbacks: Vec<Fallback>,
    /// Models to try when a provider's filter refuses.
    pub content_policy_fallbacks: Vec<Fallback>,
    /// Models to try when a model without fallbacks of its own fails.
    pub default_fallbacks: Vec<String>,
    /// Most fallbacks tried for one request.
    pub max_fallbacks: u32,
    /// What providers may be paid.
    pub provider_budgets: Vec<(String, Budget)>,
    /// Retries and rests by the class of the failure.
    pub resilience: Resilience,
    /// What health checks mean.
    pub checks: CheckRouting,
    /// How deployments are chosen, in the engine's terms.
    pub routing: Settings,
    /// Weights that hold instead of the deployments' own.
    pub weights: Weights,
}

/// The settings, and the fields the aliases are read from.
pub(super) struct ReadRouter {
    pub(super) settings: RouterSettings,
    pub(super) fields: Fields,
    pub(super) default_fallbacks_at: Location,
}

impl RouterSettings {
    pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>, litellm: &ReadLitellm) -> ReadRouter {
        let fields = reader.section(Section::Router, node);
        let other = &litellm.fields;
        let resilience = Resilience::read(reader, &fields);
        let mut routing = routing::read(reader, &fields);
        routing.enforce_rates |= keeps_rates(reader, other);
        let mut fallbacks = |name: &str| {
            let chosen = fields.node(name).or_else(|| other.node(name));
            fallback::read(reader, name, chosen.and_then(Node::as_list).unwrap_or_default())
        };
        let default_fallbacks_at = fields
            .node("default_fallbacks")
            .or_else(|| other.node("default_fallbacks"))
            .map_or_else(Location::environment, |node| node.at.clone());
        let settings = RouterSettings {
            routing_strategy: fields.text("routing_strategy").unwrap_or_else(|| "simple-shuffle".to_owned()),
            num_retries: fields.count("num_retries").or_else(|| other.count("num_retries")),
            retry_after: fields.seconds("retry_after").unwrap_or_default(),
            timeout: fields.seconds("timeout").unwrap_or(litellm.settings.request_timeout),
            stream_timeout: fields.seconds("stream_timeout"),
            allowed_fails: fields.count("allowed_fails").or_else(|| other.count("allowed_fails")),
            cooldown_time: fields.seconds("cooldown_time").or_else(|| other.seconds("cooldown_time")),
            default_priority: fields.count("default_priority").map(|priority| u8::try_from(priority).unwrap_or(u8::MAX)),
            polling_interval: fields.seconds("polling_interval"),
            disable_cooldowns: fields.flag("disable_cooldowns").unwrap_or(false),
            fallbacks: fallbacks("fallbacks"),
            context_window_fallbacks: fallbacks("context_window_fallbacks"),
            content_policy_fallbacks: fallbacks("content_policy_fallbacks"),
            default_fallbacks: match fields.texts("default_fallbacks") {
                none if none.is_empty() => other.texts("default_fallbacks"),
                some => some,
            },
            max_fallbacks: fields.count("max_fallbacks").or_else(|| other.count("max_fallbacks")).unwrap_or(5),
            provider_budgets: provider_budgets(reader, &fields),
            resilience,
            checks: CheckRouting::read(&fields),
            routing,
            weights: routing::weights(reader, &fields),
        };
        ReadRouter { settings, default_fallbacks_at, fields }
    }
}

/// Whether a callback of LiteLLM's is named that has the rates of deployments kept to. It shares them among keys besides, as is not done
/// here.
fn keeps_rates(reader: &mut Reader<'_>, litellm: &Fields) -> bool {
    const LIMITERS: [&str; 2] = ["dynamic_rate_limiter", "dynamic_rate_limiter_v3"];
    let node = litellm.node("callbacks");
    let named = node.and_then(keys::texts).into_iter().flatten().find(|name| LIMITERS.contains(name));
    if let (Some(node), Some(name)) = (node, named) {
        let message =
            format!("`litellm_settings.callbacks`: with `{name}` the rates of deployments are kept to, but not shared among keys");
        reader.found.warn(&node.at, message, "bound each key by `tpm_limit` and `rpm_limit`, or by `switchboard.limit_rules`");
    }
    named.is_some()
}

/// LiteLLM's `{provider: {budget_limit, time_period}}`; its own limits' names do as well.
fn provider_budgets(reader: &mut Reader<'_>, fields: &Fields) -> Vec<(String, Budget)> {
    let mut budgets = Vec::new();
    for entry in fields.map("provider_budget_config").into_iter().flat_map(|map| &map.entries) {
        let said = |names: [&str; 2]| names.into_iter().find_map(|name| entry.node.as_map()?.get(name));
        let limit = said(["budget_limit", "max_budget"]).and_then(keys::decimal);
        match limits::budget(limit, said(["time_period", "budget_duration"]).and_then(keys::text)) {
            Some(budget) => budgets.push((entry.name.clone(), budget)),
            None if is_unlimited(&entry.node) => {
                let message = format!("`router_settings.provider_budget_config.{}` says no amount, and bounds nothing", entry.name);
                reader.found.warn(&entry.at, message, "write `{budget_limit: 100, time_period: 1d}`");
            }
            None => {
                let message = format!("`router_settings.provider_budget_config.{}` says no amount and period that can be read", entry.name);
                reader.found.error(&entry.at, message, "write `{budget_limit: 100, time_period: 1d}`");
            }
        }
    }
    budgets
}
