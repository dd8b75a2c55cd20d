//! What somebody who administers no more than a team may say of a model.
//!
//! A team brings models of its own: with its own credential, at a place of the public network. Such a model is marked (`Model::brought`),
//! and nothing of the gateway's goes with it: no variable, no file, no other model, no certificate, no pass-through route of others. Of a
//! model whose secrets somebody else put in, the team says how it is asked, and neither where it is nor what it costs.

use serde_json::{Value, json};
use switchboard_engine::upstream::Origin;
use switchboard_store::object::Role;

use super::{Json, rules};
use crate::auth::Caller;
use crate::config::keys::Section;
use crate::fleet::detour;
use crate::live::seal;
use crate::refused::Refused;

/// What is said of a model.
pub(in crate::admin) struct Said<'a> {
    /// Its parameters, as they were sent.
    pub(in crate::admin) sent: &'a Json,
    /// Those of them that are new.
    pub(in crate::admin) news: &'a Json,
    /// All that it then has.
    pub(in crate::admin) whole: &'a Json,
    /// What is new of what is known about it.
    pub(in crate::admin) info: &'a Json,
    /// Whether a team has brought it.
    pub(in crate::admin) brought: bool,
}

/// How a model is asked, whosever it is.
const ASKING: [&str; 20] = [
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "reasoning_effort",
    "thinking",
    "timeout",
    "stream_timeout",
    "max_retries",
    "num_retries",
    "cooldown_time",
    "weight",
    "order",
    "stream",
    "drop_params",
    "merge_reasoning_content_in_choices",
    "cache_control_injection_points",
    "keepalive_seconds",
    "allow_client_keepalive_override",
];
/// What else is said of a model with secrets of one's own, of the names that mean something here.
const BRINGING: [&str; 48] = [
    "model",
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "api_type",
    "custom_llm_provider",
    "organization",
    "base_model",
    "mode",
    "region_name",
    "rpm",
    "tpm",
    "itpm",
    "otpm",
    "max_parallel_requests",
    "max_budget",
    "budget_duration",
    "default_api_key_tpm_limit",
    "default_api_key_rpm_limit",
    "timeout_by_service_tier",
    "stream_timeout_by_service_tier",
    "tags",
    "tag_regex",
    "extra_headers",
    "headers",
    "extra_body",
    "additional_drop_params",
    "allowed_openai_params",
    "mock_response",
    "mock_timeout",
    "aws_region_name",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "model_id",
    "guardrailConfig",
    "vertex_project",
    "vertex_location",
    "vertex_ai_project",
    "vertex_ai_location",
    "tenant_id",
    "client_id",
    "client_secret",
    "azure_ad_token",
    "azure_scope",
    "project_id",
    "watsonx_region_name",
];
/// Names without a row that would name files and places of the gateway's.
const PLACES: [&str; 2] = ["azure_ad_token_provider", "oci_key_file"];
/// What a team says about any model.
const TELLING: [&str; 2] = ["description", "metadata"];
/// What it says about one with secrets of its own, of the names that mean something here.
const ABOUT: [&str; 14] = [
    "mode",
    "base_model",
    "itpm",
    "otpm",
    "health_check_model",
    "health_check_timeout",
    "health_check_max_tokens",
    "disable_background_health_check",
    "allowed_fails",
    "allowed_fails_policy",
    "cooldown_time",
    "max_tokens",
    "max_input_tokens",
    "max_output_tokens",
];
/// Credentials that are whole by themselves.
const CREDENTIALS: [&str; 5] = ["api_key", "aws_secret_access_key", "client_secret", "azure_ad_token", "oci_key"];
/// Where a model is.
const ADDRESSES: [&str; 2] = ["api_base", "base_url"];
/// What else a model is reached by.
const CREDENTIAL: &str = "litellm_credential_name";

/// Refuses what the caller may not say of a model; else whether it is one that a team has brought.
pub(in crate::admin) fn may_say(caller: &Caller, said: &Said<'_>) -> Result<bool, Refused> {
    let names = rules::named(said.news)?;
    if caller.is_admin() {
        return Ok(said.brought && !is_anew(said));
    }
    if said.news.get(CREDENTIAL).is_some_and(|name| !name.is_null()) {
        return Err(forbidden(caller, "attach a stored credential (litellm_credential_name)", CREDENTIAL));
    }
    if !names.is_empty() {
        return Err(forbidden(caller, "name environment variables", "litellm_params"));
    }
    let of_team = !said.whole.contains_key(CREDENTIAL) && has_credential(said.whole) && (said.brought || is_anew(said));
    if of_team {
        bringing(caller, said)?
    } else {
        asking(caller, said)?
    }
    Ok(said.brought || of_team)
}

fn forbidden(caller: &Caller, what: &str, param: &str) -> Refused {
    let role = caller.role.map_or("None", Role::as_str);
    Refused::new(403, "auth_error", json!(param), format!("Only a proxy admin can {what} on a model. Your role={role}."))
}

fn has_credential(whole: &Json) -> bool {
    let is_there = |name: &&str| whole.get(*name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    CREDENTIALS.iter().any(is_there)
}

/// Whether every secret is sent, and the address: whoever does so says where the model is and what is shown there.
fn is_anew(said: &Said<'_>) -> bool {
    let matters = |name: &str, value: &Value| seal::is_secret(name, value) || ADDRESSES.contains(&name) || name == CREDENTIAL;
    let mut reach = said.whole.iter().filter(|(name, value)| matters(name, value)).peekable();
    reach.peek().is_some() && reach.all(|(name, value)| said.sent.get(name) == Some(value))
}

/// Of a model with secrets of one's own everything may be said that concerns it alone.
fn bringing(caller: &Caller, said: &Said<'_>) -> Result<(), Refused> {
    let known = |name: &&String| Section::Params.find(name).is_some() || PLACES.contains(&name.as_str());
    let own = |name: &str| BRINGING.contains(&name) || ASKING.contains(&name) || is_price(name);
    if let Some(name) = said.news.keys().filter(known).find(|name| !own(name)) {
        return Err(forbidden(caller, &format!("set `{name}`"), name));
    }
    let about = |name: &str| ABOUT.contains(&name) || TELLING.contains(&name) || is_price(name);
    if let Some(name) = said.info.keys().filter(|name| Section::ModelInfo.find(name).is_some()).find(|name| !about(name)) {
        return Err(forbidden(caller, &format!("set `model_info.{name}`"), name));
    }
    if said.whole.get("model").and_then(Value::as_str).is_some_and(|model| model.starts_with("auto_router/")) {
        return Err(forbidden(caller, "choose among other models", "model"));
    }
    let place = ADDRESSES.iter().find_map(|name| Some((*name, said.whole.get(*name)?.as_str()?)));
    if let Some((name, base)) = place
        && Origin::of(base).map_err(|error| error.to_string()).and_then(|origin| detour::is_outside(&origin)).is_err()
    {
        return Err(forbidden(caller, "set an `api_base` that is not a public https address", name));
    }
    // Secrets that another of the team put in go where they went.
    let elsewhere = said.news.iter().find(|(name, value)| rules::stays(name, value) && !seal::is_secret(name, value));
    let kept = said.whole.iter().any(|(name, value)| seal::is_secret(name, value) && said.sent.get(name) != Some(value));
    match elsewhere {
        Some((name, _)) if kept => Err(forbidden(caller, &format!("change `{name}` without sending the secrets anew"), name)),
        _ => Ok(()),
    }
}

/// Of a model with secrets of somebody else's, or none, it may be said how it is asked.
fn asking(caller: &Caller, said: &Said<'_>) -> Result<(), Refused> {
    if !has_credential(said.whole) && !said.whole.contains_key(CREDENTIAL) {
        let what = "use the gateway's own keys: without an `api_key` in `litellm_params` they would be used";
        return Err(forbidden(caller, what, "api_key"));
    }
    let foreign = said.news.iter().find(|(name, _)| !ASKING.contains(&name.as_str()));
    if let Some((name, value)) = foreign {
        let what = match rules::stays(name, value) {
            true => format!("change `{name}` without sending the secrets anew"),
            false => format!("set `{name}` without sending the model's secrets"),
        };
        return Err(forbidden(caller, &what, name));
    }
    match said.info.keys().find(|name| !TELLING.contains(&name.as_str())) {
        Some(name) => Err(forbidden(caller, &format!("set `model_info.{name}` without sending the model's secrets"), name)),
        None => Ok(()),
    }
}

/// Whether a parameter or a fact is a price.
pub(super) fn is_price(name: &str) -> bool {
    name.contains("_cost") || name.ends_with("_price")
}
