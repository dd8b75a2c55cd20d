//! What stands within values: the words of lists, and the names that maps take.
//!
//! Much of what a file says stands deeper than its keys. What a row tells of it is looked at like the keys themselves: what is not
//! known there has no effect, and is warned of.

use switchboard_engine::catalog::Catalog;

use crate::config::diagnostic::{Diagnostics, Location, closest};
use crate::config::keys;
use crate::config::yaml::{Map, Node};

/// What a value is made of, as far as a row tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// Anything.
    Any,
    /// One of these words, or several in a list.
    Words(&'static [&'static str]),
    /// The same, or paths and patterns of them.
    Paths(&'static [&'static str]),
    /// A map of these names.
    Names(&'static [&'static str]),
    /// The same, of several lists.
    Joined(&'static [&'static [&'static str]]),
    /// A map of these names, and what stands there.
    Parts(&'static [(&'static str, Within)]),
    /// A list, or a map by names of one's own: what stands in each.
    Each(&'static Within),
    /// The same by providers.
    Providers(&'static Within),
}

/// So many are told of where none is close.
const FEW: usize = 9;

impl Within {
    /// Warns of what stands in a value and is not known there.
    pub(in crate::config) fn look(self, full: &str, node: &Node, found: &mut Diagnostics) {
        match self {
            Within::Any => {}
            Within::Words(words) => look_at_words(full, words, node, found),
            Within::Paths(words) => {
                let is_path = |node: &Node| keys::text(node).is_some_and(|text| text.contains(['/', '*']));
                let single = std::slice::from_ref(node);
                let others = node.as_list().unwrap_or(single).iter().filter(|node| !is_path(node));
                others.for_each(|node| look_at_words(full, words, node, found));
            }
            Within::Names(names) => look_at_names(full, names, node, found),
            Within::Joined(lists) => look_at_names(full, &lists.concat(), node, found),
            Within::Parts(parts) => {
                let names: Vec<&'static str> = parts.iter().map(|(name, _)| *name).collect();
                look_at_names(full, &names, node, found);
                for (name, within) in parts {
                    if let Some(node) = node.as_map().and_then(|map| map.get(name)) {
                        within.look(&format!("{full}.{name}"), node, found);
                    }
                }
            }
            Within::Each(within) => within.look_at_each(full, node, found),
            Within::Providers(within) => {
                let catalog = Catalog::embedded();
                for entry in entries(node).filter(|entry| catalog.provider(&entry.name).is_none()) {
                    // There are others than the catalog's: only one that is close is likely to be meant.
                    let names = catalog.providers().flat_map(|provider| provider.names());
                    if let Some(close) = closest(&entry.name, names) {
                        let message = format!("`{full}.{}` is no provider that is known", entry.name);
                        found.warn(&entry.at, message, format!("did you mean `{close}`?"));
                    }
                }
                within.look_at_each(full, node, found);
            }
        }
    }

    fn look_at_each(self, full: &str, node: &Node, found: &mut Diagnostics) {
        node.as_list().unwrap_or_default().iter().for_each(|node| self.look(&format!("{full}[]"), node, found));
        entries(node).for_each(|entry| self.look(&format!("{full}.{}", entry.name), &entry.node, found));
    }
}

fn entries(node: &Node) -> impl Iterator<Item = &crate::config::yaml::Entry> {
    node.as_map().map(|map: &Map| map.entries.as_slice()).unwrap_or_default().iter()
}

fn look_at_words(full: &str, words: &[&'static str], node: &Node, found: &mut Diagnostics) {
    for text in keys::texts(node).unwrap_or_default() {
        unless_known(text, words, (&node.at, || format!("`{full}` names `{text}`, which there is not")), found);
    }
}

fn look_at_names(full: &str, names: &[&'static str], node: &Node, found: &mut Diagnostics) {
    for entry in entries(node) {
        unless_known(&entry.name, names, (&entry.at, || format!("`{full}.{}` is not a known key", entry.name)), found);
    }
}

fn unless_known(text: &str, known: &[&'static str], (at, message): (&Location, impl Fn() -> String), found: &mut Diagnostics) {
    if text.is_empty() || known.contains(&text) {
        return;
    }
    let few = || (known.len() <= FEW).then(|| format!("there are `{}`", known.join("`, `")));
    let hint = closest(text, known.iter().copied()).map(|close| format!("did you mean `{close}`?")).or_else(few);
    found.warn(at, message(), hint.unwrap_or_default());
}

/// A budget, by either of LiteLLM's names for its parts.
pub(super) const BUDGET: Within =
    Within::Names(&["budget_limit", "time_period", "max_budget", "budget_duration", "tpm_limit", "rpm_limit"]);
/// What is laid on a price.
pub(super) const MARGIN: Within = Within::Names(&["percentage", "fixed_amount"]);
/// Another name of a model.
pub(super) const ALIAS: Within = Within::Names(&["model", "hidden"]);
/// An entry of `prometheus_metrics_config`.
pub(super) const METRICS: Within = Within::Names(&["group", "metrics", "include_labels"]);
/// Settings of strategies; the last ones are of LiteLLM's own.
pub(super) const STRATEGY_ARGS: Within =
    Within::Names(&["ttl", "lowest_latency_buffer", "latency_goal_ms", "max_latency_list_size", "ttft_percentile"]);
/// An entry of `routing_groups`.
pub(super) const ROUTING_GROUP: Within = Within::Parts(&[
    ("group_name", Within::Any),
    ("models", Within::Any),
    ("routing_strategy", Within::Any),
    ("routing_strategy_args", STRATEGY_ARGS),
]);
/// Who may make keys.
pub(super) const KEY_MAKERS: Within = Within::Parts(&[
    ("team_key_generation", Within::Names(&["allowed_team_member_roles", "required_params"])),
    ("personal_key_generation", Within::Names(&["allowed_user_roles", "required_params"])),
]);
/// How to reach a Redis.
pub(super) const REDIS: Within = Within::Names(&["url", "host", "port", "password", "username", "db", "ssl"]);
/// An entry of `user_header_mappings`.
pub(super) const USER_HEADER: Within = Within::Names(&["header_name", "litellm_user_role"]);
/// A route that is passed on.
pub(super) const PASS_THROUGH: Within = Within::Names(&[
    "id",
    "path",
    "target",
    "headers",
    "default_query_params",
    "include_subpath",
    "forward_headers",
    "cost_per_request",
    "timeout",
    "auth",
    "guardrails",
    "methods",
    "is_from_config",
    "show_in_model_hub",
    "display_name",
    "description",
]);

/// `optional_pre_call_checks`, with what is so in any case.
pub(super) const CHECKS: &[&str] = &[
    "prompt_caching",
    "deployment_affinity",
    "session_affinity",
    "enforce_model_rate_limits",
    "forward_client_headers_by_model_group",
    "router_budget_limiting",
    "responses_api_deployment_check",
    "encrypted_content_affinity",
];

/// LiteLLM's kinds of alerts.
pub(super) const ALERTS: &[&str] = &[
    "budget_alerts",
    "outage_alerts",
    "llm_exceptions",
    "llm_too_slow",
    "llm_requests_hanging",
    "spend_reports",
    "failed_tracking_spend",
    "user_spend_thresholds",
    "user_spend_anomalies",
    "db_exceptions",
    "daily_reports",
    "cooldown_deployment",
    "new_model_added",
    "model_deprecation_warnings",
    "region_outage_alerts",
    "fallback_reports",
    "new_virtual_key_created",
    "virtual_key_updated",
    "virtual_key_deleted",
    "new_team_created",
    "team_updated",
    "team_deleted",
    "new_internal_user_created",
    "internal_user_updated",
    "internal_user_deleted",
    "mcp_tool_description_blocked",
    "mcp_pinned_tools_changed",
];
/// `alerting_args`; all but the first are of LiteLLM's own.
pub(super) const ALERTING_ARGS: Within = Within::Names(&[
    "outage_alert_ttl",
    "daily_report_frequency",
    "report_check_interval",
    "budget_alert_ttl",
    "region_outage_alert_ttl",
    "minor_outage_alert_threshold",
    "major_outage_alert_threshold",
    "max_outage_alert_list_size",
    "log_to_console",
]);

/// The names of groups of routes.
pub const ROUTE_GROUPS: &[&str] = &[
    "openai_routes",
    "anthropic_routes",
    "google_routes",
    "mapped_pass_through_routes",
    "mcp_routes",
    "agent_routes",
    "llm_api_routes",
    "info_routes",
    "key_management_routes",
    "management_routes",
    "spend_tracking_routes",
    "global_spend_tracking_routes",
    "public_routes",
    // As LiteLLM's examples write it.
    "LiteLLMRoutes.public_routes",
    "internal_user_routes",
    "self_managed_routes",
    "master_key_only_routes",
    "admin_only_routes",
];

/// What may be said of a new key, a new user and a new team: fields of the requests for each.
const OF_ALL: &[&str] = &[
    "models",
    "max_budget",
    "team_id",
    "metadata",
    "tpm_limit",
    "rpm_limit",
    "budget_duration",
    "budget_limits",
    "model_max_budget",
    "model_rpm_limit",
    "model_tpm_limit",
    "mcp_rpm_limit",
    "guardrails",
    "policies",
    "prompts",
    "blocked",
    "object_permission",
    "organization_id",
];

/// Of new keys and users.
const OF_KEYS_AND_USERS: &[&str] = &[
    "key_alias",
    "duration",
    "spend",
    "user_id",
    "agent_id",
    "max_parallel_requests",
    "allowed_cache_controls",
    "config",
    "permissions",
    "budget_fallbacks",
    "tag_rpm_limit",
    "aliases",
    "send_invite_email",
];

/// Of new keys and teams.
const OF_KEYS_AND_TEAMS: &[&str] = &[
    "tpd_limit",
    "default_estimated_output_tokens",
    "default_estimated_output_tokens_per_model",
    "tags",
    "disable_global_guardrails",
    "allowed_passthrough_routes",
    "denied_passthrough_routes",
    "allowed_vector_store_indexes",
    "rpm_limit_type",
    "tpm_limit_type",
    "router_settings",
    "access_group_ids",
    "soft_budget",
];

/// Of a new key.
pub(super) const NEW_KEY: Within = Within::Joined(&[
    OF_ALL,
    OF_KEYS_AND_USERS,
    OF_KEYS_AND_TEAMS,
    &[
        "key",
        "budget_id",
        "end_user_budget_id",
        "enable_prompt_caching",
        "throttle_on_budget_exceeded",
        "enforced_params",
        "allowed_routes",
        "key_type",
        "auto_rotate",
        "rotation_interval",
        "project_id",
    ],
]);

/// Of a new user.
pub(super) const NEW_USER: Within = Within::Joined(&[
    OF_ALL,
    OF_KEYS_AND_USERS,
    &["user_email", "user_alias", "user_role", "teams", "auto_create_key", "sso_user_id", "organizations", "password", "available_teams"],
]);

/// Of a new team.
pub(super) const NEW_TEAM: Within = Within::Joined(&[
    OF_ALL,
    OF_KEYS_AND_TEAMS,
    &[
        "team_alias",
        "admins",
        "members",
        "members_with_roles",
        "team_member_permissions",
        "default_team_member_models",
        "model_aliases",
        "secret_manager_settings",
        "team_member_budget",
        "team_member_rpm_limit",
        "team_member_tpm_limit",
        "team_member_key_duration",
        "team_member_budget_duration",
        "enforced_batch_output_expires_after",
        "enforced_file_expires_after",
    ],
]);
