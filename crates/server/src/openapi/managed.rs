//! The operations of the management API: what each takes is one of its forms, and what it gives one of its answers.

use serde_json::{Map, Value, json};

use super::{answered, named};
use crate::admin::routes::{Action, status};
use crate::router::Row;

const JSON: &str = "application/json";
const SCIM: &str = "application/scim+json";
const PROBLEM: &str = "application/problem+json";

/// An operation.
pub(super) fn operation(path: &str, row: &Row, action: Action, summary: &str) -> Value {
    let parts = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let names = parts.map(|name| name.trim_start_matches('*'));
    let parameters: Vec<Value> =
        names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect();
    let done = status(action).as_u16();
    let mut answer = json!({"description": "The answer"});
    if done != 204 {
        let kind = if matches!(action, Action::Scim(_)) { SCIM } else { JSON };
        answer["content"] = json!({kind: {"schema": answered::of(row.method, path)}});
    }
    let mut operation = json!({
        "summary": summary,
        "tags": [row.audience().title()],
        "parameters": parameters,
        "responses": {done.to_string(): answer, "default": {"description": "An error", "content": errors(action)}},
        "security": [{"bearer": []}, {"x-api-key": []}],
    });
    if !row.form.is_empty() {
        operation["requestBody"] = json!({"content": {JSON: {"schema": crate::admin::form::document(row.form)}}});
    }
    operation
}

/// What is told of what went wrong, by what a client of those routes expects.
fn errors(action: Action) -> Map<String, Value> {
    let of = |kind: &str, schema: &str| (kind.to_owned(), json!({"schema": named(schema)}));
    match action {
        Action::OpenRouter(_) => [of(JSON, "OpenRouterError")].into_iter().collect(),
        Action::Scim(_) => [of(SCIM, "ScimError"), of(JSON, "OpenAIError")].into_iter().collect(),
        Action::Several(_) => [of(PROBLEM, "Problem"), of(JSON, "ManagementError")].into_iter().collect(),
        _ => [of(JSON, "ManagementError")].into_iter().collect(),
    }
}
