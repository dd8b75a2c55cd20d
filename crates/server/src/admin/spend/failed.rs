//! What a failed request was told, so that failures can be counted by kind.

use serde_json::{Value, json};
use switchboard_engine::route::UNKNOWN_MODEL;
use switchboard_store::ledger::LogLine;

const BUDGET: &str = "429_BUDGET_EXCEEDED";
const OVERLOADED: &str = "503_PROVIDER_OVERLOADED";
const UNREACHED: &str = "500_PROVIDER_CONNECTION_ERROR";
const TIMEOUT: &str = "408_UPSTREAM_TIMEOUT";
const INVALID: &str = "400_INVALID_REQUEST";

/// What failures are called in LiteLLM's dashboards (`normalized_error`), by words in what was said of them.
const BY_WORDS: [(&[&str], &str); 9] = [
    (&["budget has been exceeded", "max budget", "crossed budget", "budget_exceeded", "budget_spent"], BUDGET),
    (&["no healthy deployment", "no deployments available"], "429_NO_HEALTHY_DEPLOYMENTS"),
    (&["operation_not_supported", "is not supported for provider", "not implemented"], "500_UNSUPPORTED_OPERATION"),
    (&["context window", "context length", "context_length", "prompt is too long", "input is too long"], "400_CONTEXT_WINDOW_EXCEEDED"),
    (&["missing required parameter", "field required"], "400_MISSING_REQUIRED_PARAMETER"),
    (&["content_filter", "content_policy", "content policy"], "400_CONTENT_POLICY_VIOLATION"),
    (&["overloaded"], OVERLOADED),
    (&["connection error", "connection reset", "upstream_empty"], UNREACHED),
    (&["timed out", "timeout", "upstream_stall"], TIMEOUT),
];

/// The same by the status where no word tells.
fn by_status(status: u64) -> &'static str {
    match status {
        400 => INVALID,
        401 => "401_AUTHENTICATION_FAILED",
        403 => "403_PERMISSION_DENIED",
        404 => "404_RESOURCE_NOT_FOUND",
        408 | 504 => TIMEOUT,
        // Nothing but a spent budget is told so here.
        422 => BUDGET,
        429 => "429_RATE_LIMIT_EXCEEDED",
        500 | 502 => "500_PROVIDER_INTERNAL_ERROR",
        503 => OVERLOADED,
        _ => "UNCLASSIFIED",
    }
}

fn normalized(said: &str, status: u64) -> &'static str {
    let said = said.to_lowercase();
    let known = BY_WORDS.iter().find(|(words, _)| words.iter().any(|word| said.contains(word)));
    known.map_or_else(|| by_status(status), |(_, kind)| kind)
}

/// What a failed request was told, by the names of LiteLLM's exceptions.
pub(super) fn error(line: &LogLine) -> Value {
    // A stream that breaks off had begun well.
    let number = |name: &str| line.metadata.get(name).and_then(Value::as_u64);
    let told = number("error_status").or_else(|| number("http_status")).unwrap_or(0);
    let status = if (200..300).contains(&told) { 500 } else { told };
    let class = match status {
        400 => "BadRequestError",
        401 => "AuthenticationError",
        402 => "PaymentRequiredError",
        403 => "PermissionDeniedError",
        404 => "NotFoundError",
        408 | 504 => "Timeout",
        422 => "BudgetExceededError",
        429 => "RateLimitError",
        502 => "BadGatewayError",
        503 => "ServiceUnavailableError",
        _ => "InternalServerError",
    };
    let said = |name: &str| line.metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = normalized(&format!("{} {}", said("error"), said("error_message")), status);
    let message = ["error_message", "error"].iter().find_map(|name| line.metadata.get(*name)).cloned().unwrap_or_default();
    let (class, message, kind) = match is_unknown(line) {
        true => ("ProxyModelNotFoundError", json!(format!("{UNKNOWN_MODEL}{}", line.model_group)), INVALID),
        false => (class, message, kind),
    };
    // There are no traces of a program here; clients read the field.
    json!({
        "error_code": status.to_string(), "error_class": class, "llm_provider": line.provider, "error_message": message, "traceback": "",
        "error_provider_request_id": line.metadata.get("error_provider_request_id"), "normalized_error": kind,
    })
}

/// Whether no model goes by the name that was asked for.
pub(super) fn is_unknown(line: &LogLine) -> bool {
    line.status == "failure" && line.provider.is_none() && line.metadata.get("error").and_then(Value::as_str) == Some("model_not_found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_names_by_which_dashboards_count_them() {
        for (said, status, kind) in [
            ("Budget has been exceeded! Current cost: 1, Max budget: 1", 422, BUDGET),
            ("rate_limited", 429, "429_RATE_LIMIT_EXCEEDED"),
            ("context_length_exceeded", 400, "400_CONTEXT_WINDOW_EXCEEDED"),
            ("invalid_request_error", 400, INVALID),
            ("upstream_stall", 502, TIMEOUT),
            ("upstream", 502, "500_PROVIDER_INTERNAL_ERROR"),
            ("Overloaded", 529, OVERLOADED),
            ("", 418, "UNCLASSIFIED"),
        ] {
            assert_eq!(normalized(said, status), kind, "{said} {status}");
        }
    }
}
