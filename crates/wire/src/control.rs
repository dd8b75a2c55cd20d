//! Which fields of a request are meant for a gateway and not for a model.

use crate::dialect::Dialect;

/// Fields that steer a gateway (OpenRouter's, LiteLLM's and our own names). They are read where the gateway decides, kept in
/// `Extra`, and removed before a provider that is no gateway sees the request, since most providers refuse fields they do not know.
///
/// `metadata` is not among them: it is a field of OpenAI's too, and what a gateway reads in it (`metadata.tags`) is a label there.
pub const STEERING: &[&str] = &[
    // OpenRouter
    "models",
    "provider",
    "route",
    "plugins",
    "transforms",
    "preset",
    "session_id",
    "trace",
    "debug",
    "max_tool_calls",
    "stop_server_tools_when",
    "usage",
    // LiteLLM
    "allowed_model_region",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "disable_fallbacks",
    "include_fallback_errors",
    "silent_model",
    "num_retries",
    "max_retries",
    "retry_policy",
    "timeout",
    "stream_timeout",
    "request_timeout",
    "force_timeout",
    "drop_params",
    "additional_drop_params",
    "allowed_openai_params",
    "router_settings_override",
    "litellm_metadata",
    "litellm_session_id",
    "litellm_trace_id",
    "litellm_call_id",
    "tags",
    "guardrails",
    "guardrail_config",
    "policies",
    "no-log",
    "turn_off_message_logging",
    "prompt_id",
    "prompt_variables",
    "prompt_version",
    "enable_json_schema_validation",
    "merge_reasoning_content_in_choices",
    "priority",
    "keepalive_seconds",
    "spend_logs_metadata",
];

/// Fields that steer this gateway alone, even where the provider is a gateway itself and knows such fields: they say where a request
/// goes, by which credential, whether a kept answer will do, or that none is to be made at all.
pub const WITHHELD: &[&str] = &[
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "aws_access_key_id",
    "aws_bedrock_runtime_endpoint",
    "aws_external_id",
    "aws_profile_name",
    "aws_region_name",
    "aws_role_name",
    "aws_secret_access_key",
    "aws_session_name",
    "aws_session_token",
    "aws_sts_endpoint",
    "aws_web_identity_token",
    "azure_ad_token",
    "cache",
    "cache_control_injection_points",
    "caching",
    "custom_llm_provider",
    "extra_headers",
    "extra_body",
    "mock_response",
    "mock_tool_calls",
    "mock_timeout",
    "mock_testing_fallbacks",
    "mock_testing_context_fallbacks",
    "mock_testing_content_policy_fallbacks",
    "mock_testing_rate_limit_error",
    "no-cache",
    "s-maxage",
    "ttl",
    "user_config",
    "vertex_ai_credentials",
    "vertex_ai_location",
    "vertex_ai_project",
    "vertex_credentials",
    "vertex_location",
    "vertex_project",
];

/// Whether that top-level field of a request is for the gateway and not for a provider of that dialect.
pub fn is_steering(dialect: Dialect, key: &str) -> bool {
    // What nearly every request has is told by its length, not by a walk through the table.
    if matches!(
        key,
        "model"
            | "messages"
            | "stream"
            | "stream_options"
            | "max_tokens"
            | "max_completion_tokens"
            | "temperature"
            | "tools"
            | "tool_choice"
            | "system"
    ) {
        return false;
    }
    let steered = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiCompletions | Dialect::Anthropic | Dialect::Gemini => true,
        // A field of that API's own.
        Dialect::OpenAiResponses => key != "max_tool_calls",
        Dialect::Bedrock | Dialect::Cohere | Dialect::Ollama | Dialect::Replicate => false,
    };
    steered && (STEERING.contains(&key) || WITHHELD.contains(&key))
}

/// Whether that top-level field of a request stays here although the provider is a gateway that speaks that dialect.
pub fn is_withheld(dialect: Dialect, key: &str) -> bool {
    WITHHELD.contains(&key) && is_steering(dialect, key)
}
