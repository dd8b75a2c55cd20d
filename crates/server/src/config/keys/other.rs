//! Keys of the file itself and of the small sections.

use super::Kind::{Any, Flag, FlagOrText, List, ListOrMap, Map, Seconds, Secret, Text, Texts};
use super::{Key, honoured, ignored, not_yet, python};

pub(super) const TOP: &[Key] = &[
    honoured("model_list", List, "The deployments: which models there are and where they run.").common(),
    honoured("router_settings", Map, "How a deployment is chosen and what happens when it fails.").common(),
    honoured("litellm_settings", Map, "How requests are treated.").common(),
    honoured("general_settings", Map, "The gateway as a whole.").common(),
    honoured("environment_variables", Map, "Variables set before anything else is read; seen by the gateway only.").common(),
    honoured("include", Texts, "Further files, relative to this one: lists are joined, other keys are overridden."),
    honoured("credential_list", List, "Credentials that deployments refer to by name."),
    honoured("switchboard", Map, "The gateway's own settings."),
    not_yet("guardrails", List, "Checks on requests and answers.").common().protects(),
    not_yet("mcp_servers", Map, "Tool servers offered to callers.").common(),
    not_yet("mcp_tools", List, "Single tools offered to callers."),
    not_yet("search_tools", List, "Web search services."),
    not_yet("sandbox_tools", List, "Places where code may run."),
    not_yet("vector_store_registry", List, "Vector stores."),
    not_yet("prompts", List, "Stored prompts."),
    not_yet("policies", ListOrMap, "Sets of guardrails.").protects(),
    not_yet("policy_attachments", ListOrMap, "Who gets which policy.").protects(),
    not_yet("callback_settings", Map, "Settings of callbacks."),
    not_yet("files_settings", List, "Credentials for the files routes."),
    not_yet("finetune_settings", List, "Credentials for the fine-tuning routes."),
    not_yet("assistant_settings", Map, "Credentials for the assistants routes."),
    not_yet("default_vertex_config", Map, "Credentials for the Vertex pass-through routes."),
    not_yet("agents", List, "Agents offered to callers."),
    not_yet("agent_list", List, "Another name of `agents`."),
    python("plugins", Any, "Extensions written in Python."),
    ignored("worker_registry", Any, "Workers share one process here."),
];

pub(super) const CREDENTIAL: &[Key] = &[
    honoured("credential_name", Text, "Name that `litellm_credential_name` refers to."),
    honoured("credential_values", Map, "Any key of `litellm_params`, such as `api_key` and `api_base`."),
    ignored("credential_info", Map, "For people."),
];

pub(super) const GUARDRAIL: &[Key] = &[
    not_yet("guardrail_name", Text, "Name of the guardrail.").protects(),
    not_yet("litellm_params", Map, "How the guardrail works.").protects(),
    ignored("guardrail_info", Map, "For people."),
];

pub(super) const GUARDRAIL_PARAMS: &[Key] = &[
    not_yet("guardrail", Text, "Which guardrail it is.").common().protects(),
    not_yet("mode", Texts, "When it runs, such as `pre_call`.").common().protects(),
    not_yet("api_key", Secret, "Key of the guardrail's service."),
    not_yet("api_base", Text, "URL of the guardrail's service."),
    not_yet("default_on", Flag, "Apply it to every request.").protects(),
    not_yet("pii_entities_config", Map, "What to do with each kind of personal data.").protects(),
    not_yet("mask_request_content", Flag, "Mask findings in requests.").protects(),
    not_yet("mask_response_content", Flag, "Mask findings in answers.").protects(),
    not_yet("unreachable_fallback", Text, "What happens when the service is away: `fail_closed` or `fail_open`.").protects(),
    not_yet("violation_message_template", Text, "Text of the refusal."),
    not_yet("timeout", Seconds, "Longest time for one check."),
    not_yet("skip_system_message_in_guardrail", Flag, "Do not check system messages."),
    not_yet("guardrailIdentifier", Text, "Identifier of a Bedrock guardrail."),
    not_yet("guardrailVersion", Text, "Version of a Bedrock guardrail."),
    not_yet("patterns", List, "Patterns of a content filter.").protects(),
    not_yet("blocked_words", List, "Words of a content filter.").protects(),
    not_yet("categories", List, "Categories of a content filter.").protects(),
];

pub(super) const MCP_SERVER: &[Key] = &[
    not_yet("url", Text, "URL of the server."),
    not_yet("transport", Text, "`http`, `sse` or `stdio`."),
    not_yet("auth_type", Text, "How the gateway signs in."),
    not_yet("auth_value", Secret, "What it signs in with."),
    not_yet("client_id", Text, "OAuth client."),
    not_yet("client_secret", Secret, "Secret of the OAuth client."),
    not_yet("token_url", Text, "Where tokens are fetched."),
    not_yet("authorization_url", Text, "Where users are sent to sign in."),
    not_yet("registration_url", Text, "Where clients are registered."),
    not_yet("scopes", Texts, "Scopes asked for."),
    not_yet("spec_path", Text, "OpenAPI document whose operations become tools."),
    not_yet("allowed_tools", Texts, "Only these tools are offered.").protects(),
    not_yet("disallowed_tools", Texts, "These tools are not offered.").protects(),
    not_yet("allowed_params", Map, "Parameters each tool may be given.").protects(),
    not_yet("extra_headers", Texts, "Client headers passed on to the server."),
    not_yet("static_headers", Map, "Headers added to each call."),
    not_yet("command", Text, "Program to start, for `stdio`."),
    not_yet("args", List, "Arguments of the program."),
    not_yet("env", Map, "Environment of the program."),
    not_yet("access_groups", Texts, "Groups by which keys may be given access.").protects(),
    not_yet("allow_all_keys", Flag, "Every key may use the server."),
    not_yet("available_on_public_internet", Flag, "Callers from outside may use the server.").protects(),
    not_yet("mcp_info", Map, "Name, logo and price of tools."),
    not_yet("alias", Text, "Another name of the server."),
    not_yet("description", Text, "For people."),
    not_yet("timeout", Seconds, "Longest time for one call."),
    not_yet("rpm", FlagOrText, "Calls per minute.").protects(),
];
