//! Keys of `router_settings`.

use super::Kind::{Any, Count, Decimal, Flag, List, ListOrMap, Map, Seconds, Secret, Text, Texts};
use super::within::{self, Within};
use super::{Key, honoured, ignored, not_yet};

pub(super) const KEYS: &[Key] = &[
    honoured(
        "routing_strategy",
        Text,
        "How a deployment is chosen: `simple-shuffle` (the default), `least-busy`, `latency-based-routing`, `usage-based-routing`, \
         `usage-based-routing-v2`, `cost-based-routing`, `inverse-square-price` or `switchboard`.",
    )
    .common(),
    honoured("routing_strategy_args", Map, "Settings of the strategy: `ttl`, `lowest_latency_buffer`, `latency_goal_ms`.")
        .of(within::STRATEGY_ARGS),
    honoured("model_group_alias", Map, "Other names of models: `alias: model` or `alias: {model: ..., hidden: true}`.")
        .of(Within::Each(&within::ALIAS))
        .common(),
    honoured("num_retries", Count, "Retries after a failure; as many as the failure deserves unless said.").common(),
    honoured("retry_after", Seconds, "Shortest wait before a retry."),
    honoured("timeout", Seconds, "Longest time for one request.").common(),
    honoured("stream_timeout", Seconds, "Longest wait for a streamed answer to begin."),
    honoured("allowed_fails", Count, "Failures within a minute before a deployment rests; its breaker decides unless said.").common(),
    honoured("cooldown_time", Seconds, "Rest of a deployment after `allowed_fails` or a rate limit; 5 unless it or the provider says.")
        .common(),
    honoured("disable_cooldowns", Flag, "Never rest a failing deployment, and open no breaker."),
    honoured("retry_policy", Map, "Retries per kind of error."),
    honoured("model_group_retry_policy", Map, "Retries per model and kind of error."),
    honoured("allowed_fails_policy", Map, "Failures before a rest, per kind of error."),
    honoured("fallbacks", List, "Models to try when one fails: `- model: [other, another]`.").common(),
    honoured("context_window_fallbacks", List, "Models to try when the input is too long.").common(),
    honoured("content_policy_fallbacks", List, "Models to try when a provider's filter refuses."),
    honoured("default_fallbacks", Texts, "Models to try when a model without fallbacks of its own fails."),
    honoured("max_fallbacks", Count, "How deep fallbacks of fallbacks are tried; 5 unless said."),
    honoured(
        "enable_weighted_failover",
        Flag,
        "Choose among the remaining deployments by weight after a failure, before other models are tried; so in any case.",
    ),
    honoured("enable_pre_call_checks", Flag, "Leave out deployments that cannot take the request, such as one with too small a context.")
        .common(),
    honoured(
        "optional_pre_call_checks",
        Texts,
        "Further checks: `prompt_caching`, `deployment_affinity`, `session_affinity`, `enforce_model_rate_limits`; \
         `forward_client_headers_by_model_group` says what `model_group_settings` does in any case, and others have no effect.",
    )
    .of(Within::Words(within::CHECKS)),
    honoured("enable_tag_filtering", Flag, "Route by the tags of requests.").protects(),
    honoured("tag_filtering_match_any", Flag, "One matching tag is enough; true unless said."),
    honoured(
        "tag_routing_prefix",
        Text,
        "Prefix that marks tags as meant for routing; it is taken off, and a marked tag that nothing has leads nowhere.",
    ),
    honoured("redis_host", Text, "Redis host, where gateways tell each other how deployments are doing.").common(),
    honoured("redis_port", Text, "Redis port.").common(),
    honoured("redis_password", Secret, "Redis password.").common(),
    honoured("redis_url", Secret, "Redis URL, instead of host, port and password."),
    honoured("redis_db", Text, "Redis database number."),
    not_yet("cache_responses", Flag, "Cache answers."),
    not_yet("cache_kwargs", Map, "Settings of that cache."),
    not_yet("caching_groups", List, "Models that share cached answers."),
    honoured(
        "provider_budget_config",
        Map,
        "US dollars each provider may be paid per period: `{provider: {budget_limit, time_period}}`. Others are asked when it is spent.",
    )
    .of(Within::Providers(&within::BUDGET))
    .protects(),
    honoured("routing_groups", List, "Strategies for sets of models: `{group_name, models, routing_strategy, routing_strategy_args}`.")
        .of(Within::Each(&within::ROUTING_GROUP)),
    honoured(
        "default_litellm_params",
        Map,
        "Parameters of every request that does not set its own; they come before those of the deployments.",
    ),
    honoured("default_max_parallel_requests", Count, "`max_parallel_requests` of deployments that set neither it nor `rpm` nor `tpm`."),
    honoured(
        "default_priority",
        Count,
        "Priority of requests that do not say theirs, from 0, the first, to 255. With it, every request waits where there is no capacity; \
         see `switchboard.queue`.",
    ),
    honoured("polling_interval", Seconds, "How often the first in line looks for what other gateways free; 0.05 unless said."),
    ignored("client_ttl", Decimal, "Connections are pooled per provider, not per client object."),
    honoured("deployment_affinity_ttl_seconds", Seconds, "How long a caller stays with a deployment."),
    honoured(
        "model_group_affinity_config",
        ListOrMap,
        "What calls of a model stay with, instead of what `optional_pre_call_checks` says: `{model: [deployment_affinity, session_affinity]}`.",
    ),
    honoured("ignore_invalid_deployments", Flag, "Leave out deployments that cannot be used, and say so; so in any case."),
    honoured(
        "enable_health_check_routing",
        Flag,
        "Ask deployments that failed their background health check only where there is nothing else.",
    ),
    honoured("health_check_staleness_threshold", Seconds, "Age at which a health check no longer counts; twice the interval unless said."),
    honoured("health_check_ignore_transient_errors", Flag, "Rate limits and timeouts of health checks say nothing."),
    honoured(
        "weights",
        Any,
        "Weights that hold instead of the deployments' own: `{model: {deployment: 0.7}}`, a deployment by its id or its model.",
    ),
    ignored("set_verbose", Flag, "Use `SWITCHBOARD_LOG`."),
    ignored("debug_level", Text, "Use `RUST_LOG`."),
    not_yet("auto_router_capability_limit", Count, "Most abilities that `auto` looks at."),
    not_yet("background_health_check_model_groups", Texts, "Models that are checked while nobody asks."),
    not_yet("search_tools", List, "Tools that search."),
    not_yet("plugins", List, "Plug-ins."),
    not_yet("router_general_settings", Map, "Settings of LiteLLM's router."),
    not_yet("guardrail_list", List, "Guardrails that are chosen among."),
    not_yet("assistants_config", Map, "Assistants that are kept at a provider."),
    not_yet("alerting_config", Map, "How alerts of the router are told."),
];
