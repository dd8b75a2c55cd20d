//! Keys of `litellm_settings`.

use super::Kind::{Any, Count, Decimal, Flag, FlagOrText, List, Map, Seconds, Text, Texts};
use super::{Key, honoured, ignored, not_yet, python};

pub(super) const KEYS: &[Key] = &[
    honoured(
        "drop_params",
        Flag,
        "Leave out parameters a provider does not take.",
    )
    .common(),
    not_yet(
        "modify_params",
        Flag,
        "Repair message lists a provider would refuse.",
    ),
    honoured(
        "num_retries",
        Count,
        "Retries after a failure, unless `router_settings` says.",
    )
    .common(),
    honoured(
        "request_timeout",
        Seconds,
        "Longest time for one request; 6000 unless said.",
    )
    .common(),
    honoured("fallbacks", List, "As in `router_settings`, which wins.").common(),
    honoured(
        "context_window_fallbacks",
        List,
        "As in `router_settings`, which wins.",
    )
    .common(),
    honoured(
        "content_policy_fallbacks",
        List,
        "As in `router_settings`, which wins.",
    ),
    honoured(
        "default_fallbacks",
        Texts,
        "As in `router_settings`, which wins.",
    ),
    honoured(
        "allowed_fails",
        Count,
        "As in `router_settings`, which wins.",
    ),
    honoured(
        "cooldown_time",
        Seconds,
        "As in `router_settings`, which wins.",
    ),
    honoured(
        "model_alias_map",
        Map,
        "Other names of models, as `alias: model`.",
    ),
    not_yet("callbacks", Texts, "What is told about every request.").common(),
    not_yet(
        "success_callback",
        Texts,
        "What is told about requests that succeeded.",
    )
    .common(),
    not_yet(
        "failure_callback",
        Texts,
        "What is told about requests that failed.",
    )
    .common(),
    not_yet(
        "service_callbacks",
        Texts,
        "What is told about the gateway's own services.",
    ),
    not_yet("cache", Flag, "Cache answers.").common(),
    not_yet("cache_params", Map, "Settings of the cache.").common(),
    ignored("set_verbose", Flag, "Use `RUST_LOG`.").common(),
    not_yet("json_logs", Flag, "Write logs as JSON."),
    not_yet(
        "turn_off_message_logging",
        Flag,
        "Keep messages out of logs.",
    )
    .protects(),
    not_yet(
        "redact_user_api_key_info",
        Flag,
        "Keep facts about keys out of logs.",
    )
    .protects(),
    not_yet(
        "redact_messages_in_exceptions",
        Flag,
        "Keep messages out of errors.",
    )
    .protects(),
    not_yet(
        "global_disable_no_log_param",
        Flag,
        "Callers may not ask to stay out of the log.",
    )
    .protects(),
    not_yet(
        "ssl_verify",
        FlagOrText,
        "Whether providers' certificates are checked, or the file with the authority to trust.",
    ),
    not_yet(
        "ssl_certificate",
        Text,
        "Client certificate shown to providers.",
    ),
    not_yet("force_ipv4", Flag, "Use IPv4 only."),
    not_yet(
        "max_budget",
        Decimal,
        "US dollars the gateway may spend per `budget_duration`; 0 is no limit.",
    )
    .protects(),
    not_yet(
        "budget_duration",
        Text,
        "Period of `max_budget`, such as `30d`.",
    ),
    not_yet(
        "budget_exceeded_status_code",
        Count,
        "Status of the answer when a budget is spent.",
    ),
    not_yet(
        "upperbound_key_generate_params",
        Map,
        "Most a new key may be given.",
    )
    .protects(),
    not_yet(
        "default_key_generate_params",
        Map,
        "What a new key is given unless said.",
    )
    .protects(),
    not_yet("key_generation_settings", Map, "Who may make keys.").protects(),
    not_yet(
        "enable_key_alias_format_validation",
        Flag,
        "Check the form of key aliases.",
    ),
    not_yet("default_team_settings", List, "Settings per team."),
    not_yet(
        "default_team_params",
        Map,
        "What a new team is given unless said.",
    ),
    not_yet(
        "default_internal_user_params",
        Map,
        "What a new user is given unless said.",
    ),
    not_yet(
        "max_internal_user_budget",
        Decimal,
        "US dollars a user may spend unless said otherwise.",
    )
    .protects(),
    not_yet(
        "internal_user_budget_duration",
        Text,
        "Period of that budget.",
    ),
    not_yet(
        "max_end_user_budget",
        Decimal,
        "US dollars an end user may spend unless said otherwise.",
    )
    .protects(),
    not_yet(
        "max_end_user_budget_id",
        Text,
        "Budget of end users without one.",
    )
    .protects(),
    not_yet(
        "max_ui_session_budget",
        Decimal,
        "US dollars a dashboard session may spend.",
    )
    .protects(),
    python("custom_provider_map", List, "Providers written in Python."),
    not_yet(
        "model_group_settings",
        Map,
        "Settings per model, such as which pass on client headers.",
    ),
    not_yet("cost_discount_config", Map, "Discount per provider."),
    not_yet("cost_margin_config", Map, "Margin per provider."),
    not_yet(
        "block_requests_for_models_without_pricing",
        Flag,
        "Refuse models whose price is not known.",
    )
    .protects(),
    not_yet(
        "prometheus_metrics_config",
        List,
        "Which metrics and labels are kept.",
    ),
    not_yet(
        "custom_prometheus_metadata_labels",
        Texts,
        "Metadata fields that become labels.",
    ),
    not_yet("custom_prometheus_tags", Texts, "Tags that become labels."),
    not_yet(
        "prometheus_initialize_budget_metrics",
        Flag,
        "Publish budgets from the start.",
    ),
    not_yet(
        "require_auth_for_metrics_endpoint",
        Flag,
        "Ask for a key at `/metrics`.",
    )
    .protects(),
    not_yet(
        "disable_end_user_cost_tracking",
        Flag,
        "Do not count spending per end user.",
    ),
    not_yet(
        "disable_end_user_cost_tracking_prometheus_only",
        Flag,
        "Keep end users out of the metrics.",
    ),
    not_yet("s3_callback_params", Map, "Bucket for logs."),
    not_yet("datadog_params", Map, "Settings for logs sent to Datadog."),
    not_yet(
        "gcs_pubsub_use_v1",
        Flag,
        "Older form of logs sent to Pub/Sub.",
    ),
    not_yet(
        "langfuse_default_tags",
        Texts,
        "Tags of traces sent to Langfuse.",
    ),
    not_yet(
        "extra_spend_tag_headers",
        Texts,
        "Headers that become spending tags.",
    ),
    not_yet(
        "disable_add_user_agent_to_request_tags",
        Flag,
        "Keep the user agent out of the tags.",
    ),
    not_yet(
        "tag_budget_config",
        Map,
        "US dollars that may be spent per tag.",
    )
    .protects(),
    not_yet("mcp_aliases", Map, "Other names of MCP servers."),
    not_yet(
        "mcp_semantic_tool_filter",
        Map,
        "Offer only the MCP tools that fit the request.",
    ),
    not_yet("public_model_groups", Texts, "Models shown to everyone."),
    not_yet(
        "public_mcp_servers",
        Texts,
        "MCP servers shown to everyone.",
    ),
    not_yet(
        "enable_json_schema_validation",
        Flag,
        "Check answers against the JSON schema that was asked for.",
    ),
    not_yet(
        "enable_redis_auth_cache",
        Flag,
        "Keep looked-up keys in Redis.",
    ),
    not_yet(
        "use_chat_completions_url_for_anthropic_messages",
        Flag,
        "Serve Anthropic messages through chat completions.",
    ),
    not_yet(
        "route_all_chat_openai_to_responses",
        Flag,
        "Serve OpenAI chat through the responses API.",
    ),
    not_yet(
        "reasoning_auto_summary",
        Flag,
        "Ask for summaries of reasoning.",
    ),
    not_yet(
        "cold_storage_custom_logger",
        Text,
        "Where messages are stored for later.",
    ),
    not_yet(
        "forward_traceparent_to_llm_provider",
        Flag,
        "Pass the trace header on to providers.",
    ),
    not_yet(
        "timezone",
        Text,
        "Time zone of budget periods; UTC unless said.",
    ),
    not_yet(
        "budget_reset_time",
        Text,
        "Time of day at which budgets start anew.",
    ),
    not_yet(
        "default_max_internal_user_budget",
        Decimal,
        "Older name of `max_internal_user_budget`.",
    )
    .protects(),
    ignored(
        "telemetry",
        Flag,
        "Nothing is sent to the makers of this gateway.",
    ),
    not_yet(
        "guardrails",
        List,
        "Older form of the `guardrails` section.",
    )
    .protects(),
    not_yet("banned_keywords_list", Any, "Words that refuse a request.").protects(),
    not_yet("blocked_user_list", Any, "Users who are refused.").protects(),
    not_yet("llamaguard_model_name", Text, "Model that judges requests.").protects(),
    not_yet("llm_guard_mode", Text, "Which requests LLM Guard sees.").protects(),
    not_yet(
        "google_moderation_confidence_threshold",
        Decimal,
        "Confidence at which Google's moderation refuses.",
    )
    .protects(),
    not_yet(
        "azure_content_safety_params",
        Map,
        "Settings of Azure's content safety.",
    )
    .protects(),
];
