//! Keys of `model_list[].litellm_params`.

use super::Kind::{
    Any, Count, Decimal, Flag, FlagOrText, Integer, List, Map, MapOrText, Seconds, Secret, Signed,
    Text, Texts,
};
use super::{Key, honoured, ignored, not_yet};

pub(super) const PARAMS: &[Key] = &[
    honoured(
        "model",
        Text,
        "Provider and model, as `provider/model`; required.",
    )
    .common(),
    honoured(
        "api_key",
        Secret,
        "Key sent to the provider; without it, the provider's own environment variable is used.",
    )
    .common(),
    honoured("api_base", Text, "Base URL of the provider.").common(),
    honoured("base_url", Text, "Another name of `api_base`."),
    honoured("api_version", Text, "API version, for Azure.").common(),
    honoured(
        "custom_llm_provider",
        Text,
        "Provider, instead of the prefix of `model`.",
    ),
    honoured(
        "organization",
        Texts,
        "Organization sent to the provider; a list makes one deployment per organization.",
    ),
    honoured(
        "region_name",
        Text,
        "Region of the deployment, such as `eu`.",
    ),
    honoured(
        "litellm_credential_name",
        Text,
        "Entry of `credential_list` that supplies what is not written here.",
    ),
    honoured(
        "rpm",
        Integer,
        "Requests per minute the deployment should get; also its share of the load.",
    )
    .common(),
    honoured(
        "tpm",
        Integer,
        "Tokens per minute the deployment should get; also its share of the load.",
    )
    .common(),
    not_yet(
        "itpm",
        Integer,
        "Input tokens per minute the deployment should get.",
    ),
    not_yet(
        "otpm",
        Integer,
        "Output tokens per minute the deployment should get.",
    ),
    honoured(
        "max_parallel_requests",
        Count,
        "Requests the deployment serves at the same time.",
    ),
    honoured("timeout", Seconds, "Longest time for one request.").common(),
    honoured(
        "stream_timeout",
        Seconds,
        "Longest wait for a streamed answer to begin.",
    )
    .common(),
    not_yet(
        "timeout_by_service_tier",
        Map,
        "`timeout` per service tier.",
    ),
    not_yet(
        "stream_timeout_by_service_tier",
        Map,
        "`stream_timeout` per service tier.",
    ),
    honoured(
        "max_retries",
        Count,
        "Retries of one request to this deployment.",
    ),
    honoured(
        "num_retries",
        Count,
        "Retries after this deployment failed, on any deployment of the same name.",
    ),
    honoured(
        "cooldown_time",
        Seconds,
        "Rest of the deployment after it failed too often.",
    ),
    honoured(
        "weight",
        Decimal,
        "Share of the load, relative to the others of the same name.",
    ),
    honoured(
        "order",
        Signed,
        "Deployments with a lower order are tried first.",
    ),
    honoured(
        "tags",
        Texts,
        "Tags a request must ask for to be routed here.",
    ),
    not_yet(
        "tag_regex",
        Texts,
        "Patterns of tags a request may ask for to be routed here.",
    ),
    honoured(
        "extra_headers",
        Map,
        "Headers added to each request to the provider.",
    ),
    honoured("headers", Map, "Another name of `extra_headers`."),
    honoured("extra_body", Map, "Fields added to each request body."),
    honoured(
        "drop_params",
        Flag,
        "Leave out parameters the provider does not take.",
    ),
    honoured(
        "additional_drop_params",
        Texts,
        "Parameters to leave out in any case.",
    ),
    honoured(
        "allowed_openai_params",
        Texts,
        "Parameters to send even when the provider is not known to take them.",
    ),
    honoured(
        "mock_response",
        Any,
        "Answer given without calling the provider, for tests.",
    ),
    not_yet(
        "mock_timeout",
        Any,
        "Pretend that the provider does not answer, for tests.",
    ),
    honoured(
        "input_cost_per_token",
        Decimal,
        "Price of one input token in US dollars; other `*_cost_per_*` prices are taken too.",
    ),
    honoured(
        "output_cost_per_token",
        Decimal,
        "Price of one output token in US dollars.",
    ),
    honoured(
        "input_cost_per_second",
        Decimal,
        "Price of one second of input in US dollars.",
    ),
    honoured(
        "output_cost_per_second",
        Decimal,
        "Price of one second of output in US dollars.",
    ),
    honoured(
        "cache_read_input_token_cost",
        Decimal,
        "Price of one input token read from the provider's cache, in US dollars.",
    ),
    honoured(
        "cache_creation_input_token_cost",
        Decimal,
        "Price of one input token written to the provider's cache, in US dollars.",
    ),
    not_yet(
        "max_budget",
        Decimal,
        "US dollars the deployment may spend per `budget_duration`.",
    )
    .protects(),
    not_yet(
        "budget_duration",
        Text,
        "Period of `max_budget`, such as `1d`.",
    ),
    not_yet(
        "configurable_clientside_auth_params",
        List,
        "Which of `api_key` and `api_base` a caller may bring along.",
    ),
    not_yet(
        "default_api_key_tpm_limit",
        Integer,
        "Tokens per minute for each key that has no limit of its own.",
    )
    .protects(),
    not_yet(
        "default_api_key_rpm_limit",
        Integer,
        "Requests per minute for each key that has no limit of its own.",
    )
    .protects(),
    not_yet(
        "use_in_pass_through",
        Flag,
        "Use these credentials on the pass-through routes too.",
    ),
    not_yet(
        "merge_reasoning_content_in_choices",
        Flag,
        "Put reasoning into the content, between `<think>` marks.",
    ),
    not_yet(
        "silent_model",
        Texts,
        "Models that get a copy of each request, whose answers are not used.",
    ),
    not_yet(
        "keepalive_seconds",
        Decimal,
        "Interval of keep-alive comments in a stream.",
    ),
    not_yet(
        "allow_client_keepalive_override",
        Flag,
        "Let callers choose the keep-alive interval.",
    ),
    not_yet(
        "guardrails",
        Texts,
        "Guardrails applied to this deployment.",
    )
    .protects(),
    not_yet("prompt_id", Text, "Stored prompt put before each request."),
    not_yet("auto_router_config", Any, "Rules of an automatic router."),
    not_yet(
        "auto_router_config_path",
        Text,
        "File with the rules of an automatic router.",
    ),
    not_yet(
        "auto_router_default_model",
        Text,
        "Model an automatic router falls back to.",
    ),
    not_yet(
        "auto_router_embedding_model",
        Text,
        "Embedding model of an automatic router.",
    ),
    not_yet(
        "complexity_router_config",
        Any,
        "Rules of a router that chooses by complexity.",
    ),
    not_yet(
        "adaptive_router_config",
        Any,
        "Rules of a router that learns.",
    ),
    not_yet(
        "quality_router_config",
        Any,
        "Rules of a router that chooses by quality.",
    ),
    honoured("aws_region_name", Text, "AWS region.").common(),
    honoured("aws_access_key_id", Secret, "AWS access key id.").common(),
    honoured("aws_secret_access_key", Secret, "AWS secret access key.").common(),
    honoured("aws_session_token", Secret, "AWS session token."),
    honoured("aws_role_name", Text, "AWS role to assume."),
    honoured(
        "aws_session_name",
        Text,
        "Session name while the role is assumed.",
    ),
    honoured(
        "aws_profile_name",
        Text,
        "Profile of the AWS configuration files.",
    ),
    honoured(
        "aws_web_identity_token",
        Secret,
        "Web identity token, to assume the role with.",
    ),
    honoured(
        "aws_external_id",
        Secret,
        "External id, to assume the role with.",
    ),
    honoured(
        "aws_sts_endpoint",
        Text,
        "Endpoint of the AWS security token service.",
    ),
    honoured(
        "aws_bedrock_runtime_endpoint",
        Text,
        "Endpoint of the Bedrock runtime.",
    ),
    honoured(
        "guardrailConfig",
        Map,
        "Bedrock's own guardrail, sent with each request.",
    ),
    honoured("vertex_project", Text, "Google Cloud project.").common(),
    honoured("vertex_location", Text, "Google Cloud location.").common(),
    honoured(
        "vertex_credentials",
        MapOrText,
        "Google credentials: a path, the JSON text, or a map.",
    )
    .common(),
    honoured(
        "vertex_ai_project",
        Text,
        "Another name of `vertex_project`.",
    ),
    honoured(
        "vertex_ai_location",
        Text,
        "Another name of `vertex_location`.",
    ),
    honoured(
        "vertex_ai_credentials",
        MapOrText,
        "Another name of `vertex_credentials`.",
    ),
    honoured("azure_ad_token", Secret, "Entra token, instead of a key."),
    honoured("tenant_id", Text, "Entra tenant."),
    honoured("client_id", Text, "Entra client."),
    honoured("client_secret", Secret, "Secret of the Entra client."),
    honoured("azure_scope", Text, "Scope asked of Entra."),
    honoured("azure_username", Text, "Entra user, for password sign-in."),
    honoured("azure_password", Secret, "Password of the Entra user."),
    honoured("watsonx_region_name", Text, "Region of watsonx."),
    honoured("project_id", Text, "Project of watsonx."),
    honoured(
        "ssl_verify",
        FlagOrText,
        "Whether the provider's certificate is checked, or the file with the authority to trust.",
    ),
    not_yet("s3_bucket_name", Text, "Bucket for batch files of Bedrock."),
    not_yet("s3_region_name", Text, "Region of the bucket."),
    not_yet(
        "hf_model_name",
        Text,
        "Hugging Face name, for the tokenizer and the prompt template.",
    ),
    ignored(
        "api_type",
        Text,
        "Written for older OpenAI clients; the provider already says it.",
    ),
    honoured(
        "max_tokens",
        Any,
        "Default for the request: most tokens to generate.",
    )
    .common(),
    honoured(
        "max_completion_tokens",
        Any,
        "Default for the request: most tokens to generate, reasoning included.",
    ),
    honoured(
        "temperature",
        Any,
        "Default for the request: sampling temperature.",
    )
    .common(),
    honoured("top_p", Any, "Default for the request: nucleus sampling."),
    honoured(
        "top_k",
        Any,
        "Default for the request: sampling among the most likely tokens.",
    ),
    honoured(
        "reasoning_effort",
        Any,
        "Default for the request: how long to reason.",
    ),
    honoured(
        "thinking",
        Any,
        "Default for the request: Anthropic's reasoning settings.",
    ),
];

/// Rows of [`PARAMS`] that are sent to the provider as part of the request, like every key without a row.
pub(in crate::config) const REQUEST_DEFAULTS: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "reasoning_effort",
    "thinking",
    "guardrailConfig",
];
