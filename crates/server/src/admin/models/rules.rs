//! Who may write which model, and what may stand in it.

use serde_json::{Value, json};
use switchboard_store::Desk;
use switchboard_store::object::{Credential, Model, Team};

use super::Json;
use crate::admin::Refused;
use crate::auth::Caller;
use crate::authz::object::{self, Standing};
use crate::config::{Config, REFERENCE, may_name};
use crate::live::seal;

fn refused(status: u16, message: &str) -> Refused {
    let quoted = if message.contains('\'') { format!("\"{message}\"") } else { format!("'{message}'") };
    Refused::new(status, "auth_error", json!("None"), format!("{{'error': {quoted}}}"))
}

/// Whether the caller may write a model of that team, or of everybody's.
pub(in crate::admin) async fn may_write(desk: &Desk, caller: &Caller, team: Option<&str>) -> Result<Option<Team>, Refused> {
    let role = caller.role.map_or("None", switchboard_store::object::Role::as_str);
    let not_allowed = || {
        refused(
            403,
            &format!(
                "User does not have permission to make this model call. Your role={role}. You can only make model calls if you are a \
                 PROXY_ADMIN or if you are a team admin, by specifying a team_id in the model_info."
            ),
        )
    };
    let Some(id) = team else { return if caller.is_admin() { Ok(None) } else { Err(not_allowed()) } };
    match desk.get::<Team>(id).await? {
        Some(team) if object::of_team(desk, caller, &team).await? == Standing::Admin => Ok(Some(team)),
        None if caller.is_admin() => Err(refused(400, &format!("Team id={id} does not exist in db"))),
        Some(_) | None => Err(not_allowed()),
    }
}

/// Refuses parameters that a caller may not write. Whoever administers a team alone brings a key of their own: the gateway's
/// environment, files and credentials are not theirs, nor is the network around it. `params` is what of `sent` is new.
pub(in crate::admin) fn may_say(caller: &Caller, sent: &Json, params: &Json, whole: &Json) -> Result<(), Refused> {
    let mut names = Vec::new();
    references(&Value::Object(params.clone()), &mut names);
    if let Some(own) = names.iter().find(|name| !may_name(name)) {
        return Err(Refused::bad(format!("`{REFERENCE}{own}` is the gateway's own; a model may not name it")));
    }
    if caller.is_admin() {
        return Ok(());
    }
    let forbid = |what: &str, param: &str| {
        let role = caller.role.map_or("None", switchboard_store::object::Role::as_str);
        Err(Refused::new(403, "auth_error", json!(param), format!("Only a proxy admin can {what} on a model. Your role={role}.")))
    };
    if params.get("litellm_credential_name").is_some_and(|name| !name.is_null()) {
        return forbid("attach a stored credential (litellm_credential_name)", "litellm_credential_name");
    }
    if !names.is_empty() {
        return forbid("name environment variables", "litellm_params");
    }
    const PLACES: [&str; 10] = [
        "aws_bedrock_runtime_endpoint",
        "aws_profile_name",
        "aws_role_name",
        "aws_web_identity_token",
        "aws_sts_endpoint",
        "vertex_credentials",
        "vertex_ai_credentials",
        "ssl_verify",
        "azure_ad_token_provider",
        "oci_key_file",
    ];
    if let Some(place) = PLACES.into_iter().find(|name| params.contains_key(*name)) {
        return forbid(&format!("set `{place}`"), place);
    }
    let has_key = whole.get("api_key").and_then(Value::as_str).is_some_and(|key| !key.is_empty());
    if !has_key && whole.get("litellm_credential_name").is_none() && whole.get("mock_response").is_none() {
        return forbid("use the gateway's own keys: without an `api_key` in `litellm_params` they would be used", "api_key");
    }
    if let Some(base) = whole.get("api_base").or_else(|| whole.get("base_url")).and_then(Value::as_str)
        && !is_public(base)
    {
        return forbid("set an `api_base` that is not a public https address", "api_base");
    }
    // Secrets that somebody else put in go where they went.
    let elsewhere = params.iter().find(|(name, value)| stays(name, value) && !seal::is_secret(name, value));
    let kept = whole.iter().any(|(name, value)| {
        let hidden = seal::is_secret(name, value) || name == "litellm_credential_name" && !value.is_null();
        hidden && sent.get(name) != Some(value)
    });
    match elsewhere {
        Some((name, _)) if kept => forbid(&format!("change `{name}` without sending the secrets anew"), name),
        _ => Ok(()),
    }
}

/// Whether an address is one that the world can reach too.
fn is_public(base: &str) -> bool {
    let Some(rest) = base.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return false;
    }
    let host = host.rsplit_once(':').map_or(host, |(host, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { rest });
    let is_number = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() || host.bytes().all(|byte| byte.is_ascii_digit());
    let is_own = host == "localhost" || host.ends_with(".local") || host.ends_with(".internal") || host.ends_with(".localhost");
    host.contains('.') && !is_number && !is_own
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(text.strip_prefix(REFERENCE).map(|name| name.trim().to_owned())),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(map) => map.values().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Refuses a credential's name that stands for none.
pub(super) async fn credential(desk: &Desk, request_names: &[String], sent: Option<&Value>, present: Option<&str>) -> Result<(), Refused> {
    let Some(name) = sent.and_then(Value::as_str) else { return Ok(()) };
    let invalid = |message: String| Err(Refused::new(400, "validation_error", json!("litellm_credential_name"), message));
    if name.is_empty() {
        return invalid(
            "litellm_credential_name cannot be an empty string. Send null to detach the stored credential or omit the field to leave it \
             unchanged."
                .to_owned(),
        );
    }
    if present == Some(name) || request_names.iter().any(|known| known == name) || desk.get::<Credential>(name).await?.is_some() {
        return Ok(());
    }
    invalid(format!("Credential '{name}' not found. Create it via /credentials before attaching it to a model."))
}

/// Refuses what could be no deployment, in the words of the configuration.
pub(super) fn can_be(model: &Model, params: &Json) -> Result<(), Refused> {
    let mut entry = Json::new();
    entry.insert("model_name".to_owned(), model.model_name.clone().into());
    entry.insert("litellm_params".to_owned(), Value::Object(params.clone()));
    entry.insert("model_info".to_owned(), Value::Object(model.model_info.clone()));
    match Config::wrong_with_model(entry) {
        None => Ok(()),
        Some(why) => Err(Refused::bad(why)),
    }
}

/// Parameters that say how a model is reached. A request that sends the rest anew leaves these, unless it says otherwise.
pub(super) fn stays(name: &str, value: &Value) -> bool {
    const REACH: [&str; 12] = [
        "model",
        "api_base",
        "base_url",
        "api_version",
        "custom_llm_provider",
        "litellm_credential_name",
        "organization",
        "region_name",
        "project_id",
        "tenant_id",
        "client_id",
        "mock_response",
    ];
    seal::is_secret(name, value)
        || REACH.contains(&name)
        || ["aws_", "vertex_", "azure_", "watsonx_", "oci_"].iter().any(|own| name.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_world_are_public() {
        for (base, public) in [
            ("https://api.example.com/v1", true),
            ("https://api.example.com:8443/v1", true),
            ("http://api.example.com/v1", false),
            ("https://127.0.0.1/v1", false),
            ("https://[::1]/v1", false),
            ("https://2130706433/v1", false),
            ("https://localhost/v1", false),
            ("https://metadata.google.internal/", false),
            ("https://user:pass@api.example.com/v1", false),
            ("https://intranet/v1", false),
        ] {
            assert_eq!(is_public(base), public, "{base}");
        }
    }

    #[test]
    fn the_gateways_own_variables_are_named_by_no_model() {
        for (name, may) in
            [("OPENAI_API_KEY", true), ("SWITCHBOARD_SEALING_KEY", false), ("DATABASE_URL", false), ("LITELLM_SALT_KEY", false)]
        {
            assert_eq!(may_name(name), may, "{name}");
        }
    }
}
