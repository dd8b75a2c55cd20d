//! `default_key_generate_params`, `upperbound_key_generate_params` and the like, on requests that make something.

use serde_json::{Map, Value};

use super::form::Form;
use crate::config::Config;
use crate::duration;
use crate::refused::Refused;

/// A JSON object.
type Json = Map<String, Value>;

/// Puts in what a request does not say. An empty list or map says nothing.
fn fill(form: &mut Form, defaults: &Json, but: &[&str]) {
    for (name, value) in defaults.iter().filter(|(name, _)| !but.contains(&name.as_str())) {
        let said = form.get(name).is_some_and(|sent| match sent {
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => true,
        });
        if !said {
            form.put(name, value.clone());
        }
    }
}

/// A request for a key with what it does not say, within the most that it may.
pub(super) fn for_key(config: &Config, mut form: Form) -> Result<Form, Refused> {
    fill(&mut form, &config.litellm.defaults.key, &[]);
    within(config, &form)?;
    fill(&mut form, &config.litellm.defaults.most, &[]);
    Ok(form)
}

/// Refuses what is more than a key may be given, and an alias of another form than the configuration wants.
pub(super) fn within(config: &Config, form: &Form) -> Result<(), Refused> {
    if config.litellm.defaults.making.checks_aliases && form.text("key_alias").is_some_and(|alias| !is_alias(alias)) {
        let message = "Invalid key_alias format. Must be 2-255 characters, start/end with alphanumeric, and only contain a-zA-Z0-9_-/.@.";
        return Err(Refused::new(400, "bad_request_error", "key_alias".into(), message));
    }
    for (name, most) in &config.litellm.defaults.most {
        let Some(sent) = form.get(name) else { continue };
        let measured = |value: &Value| match value {
            Value::String(text) => duration::seconds(text).map(|seconds| seconds as f64),
            value => value.as_f64(),
        };
        if let (Some(wanted), Some(limit)) = (measured(sent), measured(most))
            && wanted > limit
        {
            let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let message = format!("{name} is over max limit set in config - user_value={}; max_value={}", shown(sent), shown(most));
            return Err(Refused::said(400, &message));
        }
    }
    Ok(())
}

/// Whether an alias is of LiteLLM's form.
fn is_alias(alias: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric();
    let bytes = alias.as_bytes();
    (2..=255).contains(&bytes.len())
        && bytes.first().is_some_and(letter)
        && bytes.last().is_some_and(letter)
        && bytes.iter().all(|byte| letter(byte) || b"_-/.@".contains(byte))
}

/// A request for a user with what it does not say.
pub(super) fn for_user(config: &Config, mut form: Form) -> Form {
    let defaults = &config.litellm.defaults;
    if form.text("user_role") != Some("proxy_admin") {
        fill(&mut form, &defaults.user, &["available_teams"]);
    }
    if form.text("user_role") == Some("internal_user") {
        fill(&mut form, &defaults.internal_user, &[]);
    }
    form
}

/// A request for a team with what it does not say.
pub(super) fn for_team(config: &Config, mut form: Form) -> Form {
    // The models are for teams that nobody made by hand, and a budget that is said never to begin anew does not.
    let but: &[&str] = if form.sent("budget_duration") { &["models", "budget_duration"] } else { &["models"] };
    let defaults = &config.litellm.defaults;
    fill(&mut form, &defaults.team, but);
    if let Some(amount) = defaults.team_budget.clone().filter(|_| form.get("max_budget").is_none()) {
        form.put("max_budget", amount);
    }
    form
}
