//! Keys of `general_settings`.

use super::Kind::{Any, Count, Decimal, Flag, List, ListOrMap, Map, Seconds, Secret, Text, Texts};
use super::{Key, honoured, ignored, not_yet, python};

pub(super) const KEYS: &[Key] = &[
    honoured(
        "master_key",
        Secret,
        "The administrator's key; `SWITCHBOARD_MASTER_KEY` or `LITELLM_MASTER_KEY` unless said.",
    )
    .common(),
    honoured(
        "dangerously_permit_weak_or_unset_master_key",
        Flag,
        "Start without a master key even where other machines can reach the gateway.",
    ),
    not_yet(
        "database_url",
        Secret,
        "Database for keys and spending; `DATABASE_URL` unless said.",
    )
    .common(),
    not_yet(
        "database_connection_pool_limit",
        Count,
        "Most connections to the database.",
    ),
    not_yet(
        "database_connection_timeout",
        Seconds,
        "Longest wait for a connection to the database.",
    ),
    not_yet(
        "store_model_in_db",
        Flag,
        "Keep models made through the API in the database.",
    )
    .common(),
    not_yet(
        "supported_db_objects",
        Texts,
        "What is read from the database besides keys.",
    ),
    not_yet(
        "store_prompts_in_spend_logs",
        Flag,
        "Keep messages and answers in the log.",
    )
    .common(),
    not_yet("alerting", Texts, "Where alerts are sent.").common(),
    not_yet(
        "alerting_threshold",
        Seconds,
        "Duration from which a request is slow.",
    ),
    not_yet("alert_types", Texts, "Which alerts are sent."),
    not_yet(
        "alert_to_webhook_url",
        Map,
        "Where each kind of alert is sent.",
    ),
    not_yet("alerting_args", Map, "Settings of alerts."),
    not_yet(
        "spend_report_frequency",
        Text,
        "How often spending is reported.",
    ),
    not_yet(
        "pass_through_endpoints",
        List,
        "Further routes that are passed on as they are.",
    )
    .common(),
    not_yet(
        "background_health_checks",
        Flag,
        "Check deployments while nobody asks.",
    ),
    not_yet(
        "health_check_interval",
        Seconds,
        "How often deployments are checked.",
    ),
    not_yet(
        "health_check_details",
        Flag,
        "Show details of failed checks.",
    ),
    not_yet("health_check_concurrency", Count, "Checks at a time."),
    not_yet(
        "use_shared_health_check",
        Flag,
        "Share the results of checks between gateways.",
    ),
    python(
        "custom_auth",
        Text,
        "Python code that decides who may call.",
    )
    .protects(),
    python(
        "custom_auth_run_common_checks",
        Flag,
        "Check budgets after that code.",
    )
    .protects(),
    python(
        "custom_key_generate",
        Text,
        "Python code that decides who may make keys.",
    )
    .protects(),
    python("custom_sso", Text, "Python code that reads a sign-in.").protects(),
    not_yet(
        "enable_jwt_auth",
        Flag,
        "Accept signed tokens instead of keys.",
    )
    .common()
    .protects(),
    not_yet("litellm_jwtauth", Map, "How tokens are read.").protects(),
    not_yet(
        "enable_oauth2_auth",
        Flag,
        "Accept OAuth tokens instead of keys.",
    )
    .protects(),
    not_yet("key_management_system", Text, "Where secrets are kept.").common(),
    not_yet("key_management_settings", Map, "How secrets are kept.").common(),
    not_yet(
        "forward_client_headers_to_llm_api",
        Flag,
        "Pass `x-` headers of clients on to providers.",
    )
    .common(),
    not_yet(
        "forward_openai_org_id",
        Flag,
        "Pass the client's organization on to OpenAI.",
    ),
    not_yet(
        "forward_llm_provider_auth_headers",
        Flag,
        "Pass the client's provider key on.",
    ),
    not_yet("user_header_name", Text, "Header that names the end user."),
    not_yet(
        "user_header_mappings",
        ListOrMap,
        "Headers that name users.",
    ),
    not_yet(
        "litellm_key_header_name",
        Text,
        "Header that carries the key.",
    ),
    not_yet(
        "enforce_user_param",
        Flag,
        "Refuse requests without `user`.",
    )
    .protects(),
    not_yet(
        "reject_clientside_metadata_tags",
        Flag,
        "Refuse tags set by callers.",
    )
    .protects(),
    not_yet(
        "missing_session_id",
        Text,
        "What happens when a request has no session.",
    ),
    not_yet(
        "max_parallel_requests",
        Count,
        "Requests at a time per key.",
    )
    .protects(),
    not_yet(
        "global_max_parallel_requests",
        Count,
        "Requests at a time for the whole gateway.",
    )
    .protects(),
    not_yet(
        "max_in_flight_requests_per_worker",
        Count,
        "Requests at a time per worker; see `switchboard.limits.max_requests_in_flight`.",
    ),
    not_yet(
        "max_queued_requests_per_worker",
        Count,
        "Requests that may wait per worker.",
    ),
    honoured(
        "max_request_size_mb",
        Decimal,
        "Largest request body in megabytes; `switchboard.limits.max_body_bytes` wins.",
    ),
    not_yet(
        "max_response_size_mb",
        Decimal,
        "Largest answer in megabytes.",
    )
    .protects(),
    not_yet("allowed_routes", Texts, "Only these routes are served.").protects(),
    not_yet("public_routes", Texts, "Routes that need no key."),
    not_yet(
        "admin_only_routes",
        Texts,
        "Routes for administrators only.",
    )
    .protects(),
    not_yet("allowed_ips", Texts, "Only these addresses may call.").protects(),
    not_yet(
        "use_x_forwarded_for",
        Flag,
        "Take the caller's address from `X-Forwarded-For`.",
    ),
    not_yet(
        "trusted_proxy_ranges",
        Texts,
        "Proxies whose `X-Forwarded-For` is believed.",
    )
    .protects(),
    not_yet("disable_spend_logs", Flag, "Do not keep a log of requests."),
    not_yet("disable_spend_updates", Flag, "Do not count spending."),
    not_yet("disable_error_logs", Flag, "Do not keep a log of errors."),
    not_yet("disable_reset_budget", Flag, "Do not start budgets anew."),
    not_yet(
        "disable_master_key_return",
        Flag,
        "Keep the master key out of answers.",
    )
    .protects(),
    not_yet(
        "disable_adding_master_key_hash_to_db",
        Flag,
        "Keep the digest of the master key out of the database.",
    ),
    not_yet(
        "disable_budget_reservation",
        Flag,
        "Do not set money aside before a request.",
    ),
    not_yet(
        "proxy_batch_write_at",
        Seconds,
        "How often spending is written.",
    ),
    not_yet(
        "proxy_budget_rescheduler_min_time",
        Seconds,
        "Shortest time between looks at budgets.",
    ),
    not_yet(
        "proxy_budget_rescheduler_max_time",
        Seconds,
        "Longest time between looks at budgets.",
    ),
    not_yet(
        "proxy_config_reload_interval_seconds",
        Seconds,
        "How often settings are read from the database.",
    ),
    not_yet(
        "use_redis_transaction_buffer",
        Flag,
        "Collect spending in Redis.",
    ),
    not_yet(
        "user_api_key_cache_ttl",
        Seconds,
        "How long a looked-up key is believed.",
    ),
    not_yet(
        "allow_requests_on_db_unavailable",
        Flag,
        "Serve known keys while the database is away.",
    ),
    not_yet(
        "fail_closed_rate_limit_enforcement",
        Flag,
        "Refuse when limits cannot be counted.",
    )
    .protects(),
    not_yet(
        "coordination_redis",
        Map,
        "Redis for agreement between gateways.",
    ),
    not_yet(
        "maximum_spend_logs_retention_period",
        Text,
        "Age at which log rows are deleted.",
    ),
    not_yet(
        "maximum_spend_logs_retention_interval",
        Text,
        "How often old log rows are deleted.",
    ),
    not_yet(
        "maximum_spend_logs_cleanup_cron",
        Text,
        "When old log rows are deleted.",
    ),
    not_yet(
        "use_spend_logs_partitioning",
        Flag,
        "Keep the log in partitions.",
    ),
    not_yet(
        "completion_model",
        Text,
        "Model used for every chat request.",
    ),
    not_yet(
        "embedding_model",
        Text,
        "Model used for every embedding request.",
    ),
    not_yet(
        "moderation_model",
        Text,
        "Model used for every moderation request.",
    ),
    not_yet(
        "image_generation_model",
        Text,
        "Model used for every image request.",
    ),
    not_yet(
        "infer_model_from_keys",
        Flag,
        "Serve the models whose keys are in the environment.",
    ),
    not_yet(
        "allow_client_side_credentials",
        Flag,
        "Let callers bring their own provider key.",
    ),
    not_yet("default_team_disabled", Flag, "Keys need a team.").protects(),
    not_yet("role_permissions", List, "What each role may do.").protects(),
    not_yet("ui_access_mode", Any, "Who may use the dashboard.").protects(),
    not_yet(
        "service_account_settings",
        Map,
        "Rules for service accounts.",
    )
    .protects(),
    not_yet(
        "apply_user_budget_to_team_keys",
        Flag,
        "A user's budget also counts for team keys.",
    )
    .protects(),
    not_yet(
        "skip_user_budget_on_team_key",
        Flag,
        "A user's budget does not count for team keys.",
    ),
    not_yet(
        "token_rate_limit_type",
        Text,
        "Which tokens limits count: `total`, `input` or `output`.",
    )
    .protects(),
    not_yet(
        "cancel_on_disconnect",
        Flag,
        "Stop the provider when the client leaves.",
    ),
    not_yet(
        "always_include_stream_usage",
        Flag,
        "Send usage at the end of every stream.",
    ),
    not_yet(
        "include_call_id_in_error_body",
        Flag,
        "Put the request's id into errors.",
    ),
    not_yet(
        "enforce_fallback_model_access",
        Flag,
        "A fallback needs the caller's permission too.",
    )
    .protects(),
    not_yet(
        "mcp_internal_ip_ranges",
        Texts,
        "Addresses that count as inside.",
    )
    .protects(),
    not_yet(
        "mcp_trusted_proxy_ranges",
        Texts,
        "Proxies believed about addresses.",
    )
    .protects(),
    not_yet(
        "mcp_client_side_auth_header_name",
        Text,
        "Header that carries the caller's MCP credential.",
    ),
    not_yet(
        "encryption_algorithm",
        Text,
        "How secrets in the database are encrypted.",
    ),
    ignored(
        "disable_prisma_schema_update",
        Flag,
        "The schema is brought up to date by the gateway itself.",
    ),
    not_yet(
        "upperbound_key_generate_params",
        Map,
        "Older place of the key in `litellm_settings`.",
    )
    .protects(),
];
