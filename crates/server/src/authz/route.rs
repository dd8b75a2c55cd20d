//! `allowed_routes`: the routes a key may use, by group, by path or by pattern.

use serde_json::json;
use switchboard_engine::pattern::matches;

use super::Policy;
use crate::refused::Refused;

/// Whether a list of routes has that one. An empty list has every one.
pub fn allowed(policy: Policy, path: &str, routes: &[String]) -> Result<(), Refused> {
    if routes.is_empty() || policy == Policy::Public || names(routes, policy, path) {
        return Ok(());
    }
    let listed: Vec<String> = routes.iter().map(|route| format!("'{route}'")).collect();
    let message = format!(
        "Virtual key is not allowed to call this route. Only allowed to call routes: [{}]. Tried to call route: {path}",
        listed.join(", ")
    );
    Err(Refused::detail(403, json!(message)))
}

/// Whether one of those entries stands for that route.
pub fn names(entries: &[String], policy: Policy, path: &str) -> bool {
    entries.iter().any(|entry| has(entry, policy, path))
}

/// Whether an entry stands for that route.
fn has(entry: &str, policy: Policy, path: &str) -> bool {
    let family = path.split('/').nth(1).unwrap_or_default();
    match entry {
        "llm_api_routes" => matches!(policy, Policy::Llm | Policy::Pass) || is_model_list(path) || is_told_to_clients(path),
        "mapped_pass_through_routes" => policy == Policy::Pass,
        "openai_routes" => {
            let list = policy == Policy::Info && is_model_list(path);
            policy == Policy::Llm && !is_anthropic(path) && !is_google(path) || list || is_object(policy, path)
        }
        "anthropic_routes" => policy == Policy::Llm && is_anthropic(path),
        "google_routes" => policy == Policy::Llm && is_google(path),
        "info_routes" => policy == Policy::Info,
        "key_management_routes" => family == "key" && matches!(policy, Policy::Keys | Policy::Admin | Policy::Info),
        "management_routes" => {
            matches!(policy, Policy::Keys | Policy::Managed | Policy::Admin | Policy::Viewer | Policy::Info | Policy::Scim)
        }
        "self_managed_routes" => policy == Policy::Managed,
        "internal_user_routes" => matches!(policy, Policy::Keys | Policy::Managed | Policy::Info),
        "master_key_only_routes" => matches!(policy, Policy::Admin | Policy::Scim),
        "spend_tracking_routes" => matches!(family, "spend"),
        "global_spend_tracking_routes" => path.starts_with("/global/"),
        "public_routes" => false,
        entry if entry.starts_with('/') => matches(entry, path) || below_prefix(entry, path),
        _ => false,
    }
}

/// `/chat/completions` stands for `/v1/chat/completions` too, and the other way round.
fn below_prefix(entry: &str, path: &str) -> bool {
    let bare = |text: &str| text.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).map(str::to_owned);
    match (bare(entry), bare(path)) {
        (None, Some(path)) => matches(entry, &path),
        (Some(entry), None) => matches(&entry, path),
        (None, None) | (Some(_), Some(_)) => false,
    }
}

fn is_model_list(path: &str) -> bool {
    path == "/models" || path.starts_with("/models/") || path.starts_with("/v1/models")
}

/// What clients of models ask before they call one: which there are and what they cost, in the forms of several, and about their own key.
fn is_told_to_clients(path: &str) -> bool {
    const TOLD: [&str; 8] = [
        "/model/info",
        "/v1/model/info",
        "/v2/model/info",
        "/model_group/info",
        "/api/v1/models",
        "/api/v1/key",
        "/api/v1/generation",
        "/v1beta/models",
    ];
    TOLD.contains(&path) || path == "/openai/v1/models" || path.starts_with("/v1beta/models/")
}

/// What OpenAI's clients keep at a provider goes by the gateway's own paths.
fn is_object(policy: Policy, path: &str) -> bool {
    policy == Policy::Pass && path.starts_with("/v1/")
}

fn is_anthropic(path: &str) -> bool {
    path.contains("/messages")
}

fn is_google(path: &str) -> bool {
    path.starts_with("/v1beta") || path.split_once("/models/").is_some_and(|(_, rest)| rest.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_what_its_entries_stand_for() {
        let may = |entry: &str, policy, path| allowed(policy, path, &[entry.to_owned()]).is_ok();
        assert!(may("llm_api_routes", Policy::Llm, "/v1/chat/completions"));
        assert!(!may("llm_api_routes", Policy::Admin, "/team/new"));
        assert!(may("llm_api_routes", Policy::Info, "/model_group/info"));
        assert!(may("llm_api_routes", Policy::Info, "/api/v1/key"));
        assert!(!may("llm_api_routes", Policy::Info, "/key/info"));
        assert!(!may("llm_api_routes", Policy::Admin, "/api/v1/keys"));
        assert!(may("llm_api_routes", Policy::Pass, "/anthropic/v1/files"));
        assert!(may("mapped_pass_through_routes", Policy::Pass, "/anthropic/v1/files"));
        assert!(!may("openai_routes", Policy::Pass, "/openai/v1/files"));
        assert!(may("/openai/*", Policy::Pass, "/openai/v1/files"));
        assert!(may("info_routes", Policy::Info, "/key/info"));
        assert!(!may("info_routes", Policy::Llm, "/v1/chat/completions"));
        assert!(may("management_routes", Policy::Keys, "/key/generate"));
        assert!(may("/chat/completions", Policy::Llm, "/v1/chat/completions"));
        assert!(may("/v1/chat/completions", Policy::Llm, "/chat/completions"));
        for path in ["/models/m:generateContent", "/v1alpha/models/m:countTokens", "/v1beta1/publishers/google/models/m:generateContent"] {
            assert!(may("google_routes", Policy::Llm, path) && !may("openai_routes", Policy::Llm, path), "{path}");
        }
        assert!(may("/v1/*", Policy::Llm, "/v1/embeddings"));
        assert!(!may("/embeddings", Policy::Llm, "/v1/chat/completions"));
        assert!(!may("no_such_group", Policy::Llm, "/v1/chat/completions"));
        assert!(allowed(Policy::Admin, "/team/new", &[]).is_ok());
    }
}
