//! Which parts of an object are secrets, and what is shown in their place.

use ring::hmac;
use serde_json::Value;

/// Names whose values are secrets wherever they stand: a name that has one of these words in it.
const WORDS: [&str; 10] =
    ["api_key", "secret", "password", "passwd", "credential", "private", "access_key", "authorization", "cookie", "webhook_url"];
/// Names that are secrets as a whole, and those of what models are asked and say.
const NAMES: [&str; 16] = [
    "key",
    "token",
    "keys",
    "tokens",
    "verifier",
    "code_verifier",
    "pepper",
    "auth_value",
    "bearer",
    "dsn",
    "messages",
    "prompt",
    "contents",
    "system",
    "input",
    "completion_response",
];
/// Endings that make a name one.
const ENDINGS: [&str; 4] = ["_token", "_key", "_dsn", "_tokens"];
/// Names that look like one of those and are none.
const OPEN: [&str; 9] = [
    "public_key",
    "litellm_credential_name",
    "credential_name",
    "credential_type",
    "secret_name",
    "primary_secret_name",
    "key_management_system",
    "partition_key",
    "sort_key",
];
/// Maps of which every value is a secret.
const MAPS: [&str; 8] =
    ["credential_values", "extra_headers", "headers", "static_headers", "env", "environment_variables", "default_query_params", "auth"];

/// The value, with a keyed hash in place of every secret.
pub(super) fn conceal(key: &hmac::Key, value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| {
                let value = if is_secret(&name) || MAPS.contains(&name.as_str()) { hidden(key, value) } else { conceal(key, value) };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| conceal(key, item)).collect(),
        Value::String(text) if looks_secret(&text) => hidden(key, Value::String(text)),
        Value::String(text) => match nested(&text) {
            // JSON within text is how some columns hold maps.
            Some(inside) => Value::String(conceal(key, inside).to_string()),
            None => Value::String(text),
        },
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

/// Every text below, as a keyed hash of it.
fn hidden(key: &hmac::Key, value: Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::String(text),
        Value::String(text) => Value::String(mark(key, text.as_bytes())),
        Value::Number(number) => Value::String(mark(key, number.to_string().as_bytes())),
        Value::Array(items) => items.into_iter().map(|item| hidden(key, item)).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, hidden(key, value))).collect(),
        plain @ (Value::Null | Value::Bool(_)) => plain,
    }
}

fn mark(key: &hmac::Key, text: &[u8]) -> String {
    let tag = hmac::sign(key, text);
    format!("hmac:{}", hex::encode(tag.as_ref().get(..8).unwrap_or_default()))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if OPEN.contains(&name.as_str()) {
        return false;
    }
    NAMES.contains(&name.as_str())
        || WORDS.iter().any(|word| name.contains(word))
        || ENDINGS.iter().any(|ending| name.ends_with(ending)) && !name.contains("per_token") && !name.ends_with("max_tokens")
}

/// Texts that are secrets whatever they are called: keys as vendors make them, signed tokens, URLs with a password.
fn looks_secret(text: &str) -> bool {
    let begins =
        ["sk-", "sk_", "xoxb-", "xoxp-", "ghp_", "gho_", "github_pat_", "glpat-", "AKIA", "ASIA", "AIza", "hvs.", "eyJ", "Bearer "];
    let key = text.len() >= 16 && begins.iter().any(|start| text.starts_with(start));
    let url = text.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'))
    });
    key || url || text.contains("-----BEGIN")
}

fn nested(text: &str) -> Option<Value> {
    let start = text.trim_start();
    if !start.starts_with('{') && !start.starts_with('[') {
        return None;
    }
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_become_hashes_and_the_rest_stays() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key");
        let object = json!({
            "key_alias": "team-key", "key_name": "sk-...abcd", "max_tokens": 5, "max_budget": 1.5, "models": ["gpt-4o"],
            "token": "canary-1", "api_key": "canary-2", "nested": {"aws_secret_access_key": "canary-3", "region": "us-east-1"},
            "litellm_params": "{\"api_key\": \"canary-4\", \"model\": \"openai/x\"}",
            "list": [{"password": "canary-5"}], "credential_values": {"anything": "canary-6", "deep": {"x": ["canary-7"]}},
            "extra_headers": {"x-a": "canary-8"}, "note": "sk-canary-9-0123456789", "url": "postgres://me:canary-10@host/db",
            "input_cost_per_token": 0.5, "hf_token": "canary-11", "private_key": "-----BEGIN canary-12", "blocked": false, "secret": "",
        });
        let shown = conceal(&key, object);
        let text = shown.to_string();
        assert!(!text.contains("canary"), "{text}");
        for (name, kept) in [
            ("key_alias", json!("team-key")),
            ("key_name", json!("sk-...abcd")),
            ("max_tokens", json!(5)),
            ("models", json!(["gpt-4o"])),
            ("input_cost_per_token", json!(0.5)),
            ("blocked", json!(false)),
            ("secret", json!("")),
        ] {
            assert_eq!(shown[name], kept, "{name}");
        }
        assert_eq!(shown["nested"]["region"], "us-east-1");
        let again = conceal(&key, json!({"api_key": "canary-2"}));
        assert_eq!(again["api_key"], shown["api_key"], "the same secret has the same mark");
        let other = conceal(&hmac::Key::new(hmac::HMAC_SHA256, b"another"), json!({"api_key": "canary-2"}));
        assert_ne!(other["api_key"], shown["api_key"], "without the key nobody can try guesses");
    }
}
