//! Which values of models, credentials and settings are secrets, and how they are sealed.
//!
//! What is sealed for a model opens only beside the same address: whoever can write to the database alone cannot have a key sent
//! elsewhere.

use serde_json::{Map, Value};
use switchboard_engine::upstream::Origin;
use switchboard_store::Desk;
use switchboard_store::object::{Credential, Model, Object, Setting};
use switchboard_store::vault::{Cell, Vault, VaultError};
use zeroize::Zeroizing;

/// A JSON object.
type Json = Map<String, Value>;

/// The section whose values are all secrets.
pub const VARIABLES: &str = "environment_variables";

/// Parts of names whose text is a secret.
const TELLING: [&str; 7] = ["key", "secret", "token", "password", "credential", "authorization", "signature"];
/// Names that have such a part and hold none.
const HARMLESS: [&str; 9] = [
    "litellm_credential_name",
    "key_management_system",
    "token_rate_limit_type",
    "tokenizer",
    "api_key_header_name",
    "keyword",
    "default_key_generate_params",
    "upperbound_key_generate_params",
    "key_generation_settings",
];

/// Whether a parameter of that name, with that value, is kept sealed.
pub fn is_secret(name: &str, value: &Value) -> bool {
    let holds_text = matches!(value, Value::String(_) | Value::Object(_) | Value::Array(_));
    if !holds_text || HARMLESS.contains(&name) {
        return false;
    }
    let lower = name.to_ascii_lowercase();
    let address = || value.as_str().is_some_and(|text| text.contains("://") && text.contains('@'));
    crate::config::holds_secret(name)
        || matches!(name, "extra_headers" | "extra_body" | "headers" | "pass_through_endpoints")
        || TELLING.iter().any(|part| lower.contains(part))
        || address()
}

/// The fields of a map, those that are secrets apart.
pub fn apart(all: Json) -> (Json, Json) {
    all.into_iter().partition(|(name, value)| !is_secret(name, value))
}

/// A secret as it may be shown: that there is one.
pub fn masked(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), masked(value))).collect()),
        Value::String(text) => {
            let shown: Vec<char> = text.chars().collect();
            match shown.len() {
                0..=12 => "*****".into(),
                length => format!("{}****{}", shown[..2].iter().collect::<String>(), shown[length - 2..].iter().collect::<String>()).into(),
            }
        }
        _ => "*****".into(),
    }
}

fn origin(params: &Json) -> String {
    let base = ["api_base", "base_url"].into_iter().find_map(|name| params.get(name)?.as_str());
    base.and_then(|base| Origin::of(base).ok()).map(|origin| origin.to_string()).unwrap_or_default()
}

fn cell(model: &Model) -> Cell {
    let cell = Cell::new(Model::KIND, model.model_id.as_str(), "litellm_params");
    cell.of(model.team().unwrap_or_default()).for_origin(origin(&model.litellm_params))
}

async fn opened(desk: &Desk, vault: Option<&Vault>, cell: Cell) -> Result<Json, VaultError> {
    let vault = vault.ok_or(VaultError::DoesNotOpen)?;
    let plain = desk.opened(vault, &cell).await?.ok_or(VaultError::DoesNotOpen)?;
    serde_json::from_slice(&plain).map_err(|_| VaultError::DoesNotOpen)
}

/// A model's parameters, secrets among them.
pub async fn params(desk: &Desk, vault: Option<&Vault>, model: &Model) -> Result<Json, VaultError> {
    let mut params = model.litellm_params.clone();
    if !model.sealed.is_empty() {
        params.extend(opened(desk, vault, cell(model)).await?);
    }
    Ok(params)
}

/// Writes a model with these parameters: secrets are sealed, the rest stands in the document.
pub async fn put_model(desk: &Desk, vault: &Vault, mut model: Model, params: Json) -> Result<Model, VaultError> {
    let (public, secret) = apart(params);
    model.litellm_params = public;
    model.sealed = secret.keys().cloned().collect();
    match secret.is_empty() {
        true => desk.forget(vault, Model::KIND, &model.model_id).await?,
        false => desk.seal(vault, &cell(&model), &text(&secret)).await?,
    }
    desk.put(&model).await?;
    Ok(model)
}

fn credential_cell(name: &str) -> Cell {
    Cell::new(Credential::KIND, name, "credential_values")
}

/// A credential's values.
pub async fn values(desk: &Desk, vault: Option<&Vault>, credential: &Credential) -> Result<Json, VaultError> {
    if credential.sealed.is_empty() {
        return Ok(Json::new());
    }
    opened(desk, vault, credential_cell(&credential.credential_name)).await
}

/// Writes a credential with these values, all of them sealed.
pub async fn put_credential(desk: &Desk, vault: &Vault, mut credential: Credential, values: Json) -> Result<Credential, VaultError> {
    credential.sealed = values.keys().cloned().collect();
    desk.seal(vault, &credential_cell(&credential.credential_name), &text(&values)).await?;
    desk.put(&credential).await?;
    Ok(credential)
}

fn setting_cell(section: &str) -> Cell {
    Cell::new(Setting::KIND, section, "values")
}

/// The keys of a section, secrets among them.
pub async fn setting(desk: &Desk, vault: Option<&Vault>, setting: &Setting) -> Result<Json, VaultError> {
    let mut values = setting.values.clone();
    if !setting.sealed.is_empty() {
        values.extend(opened(desk, vault, setting_cell(&setting.section)).await?);
    }
    Ok(values)
}

/// Writes a section with these keys.
pub async fn put_setting(desk: &Desk, vault: &Vault, mut setting: Setting, values: Json) -> Result<Setting, VaultError> {
    let (public, secret) = if setting.section == VARIABLES { (Json::new(), values) } else { apart(values) };
    setting.values = public;
    setting.sealed = secret.keys().cloned().collect();
    if !secret.is_empty() {
        desk.seal(vault, &setting_cell(&setting.section), &text(&secret)).await?;
    }
    desk.put(&setting).await?;
    Ok(setting)
}

fn text(secret: &Json) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(serde_json::to_vec(secret).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for (name, value, secret) in [
            ("api_key", json!("k"), true),
            ("aws_secret_access_key", json!("k"), true),
            ("vertex_credentials", json!({"private_key": "k"}), true),
            ("extra_headers", json!({"x": "y"}), true),
            ("some_token", json!("k"), true),
            ("api_base", json!("https://user:password@host/v1"), true),
            ("api_base", json!("https://host/v1"), false),
            ("model", json!("openai/gpt-4o"), false),
            ("max_tokens", json!(256), false),
            ("input_cost_per_token", json!(1e-6), false),
            ("litellm_credential_name", json!("c"), false),
            ("mock_response", json!("ok"), false),
        ] {
            assert_eq!(is_secret(name, &value), secret, "{name}");
        }
    }

    #[test]
    fn what_is_masked_tells_little() {
        assert_eq!(masked(&json!("short")), json!("*****"));
        assert_eq!(masked(&json!("sk-1234567890abcdef")), json!("sk****ef"));
        assert_eq!(masked(&json!({"a": "b"})), json!({"a": "*****"}));
    }
}
