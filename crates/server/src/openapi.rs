//! The API document, made from the route table.

use serde_json::{Map, Value, json};

use crate::router::{Route, rows};

/// The OpenAPI document of everything the router knows.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (path, row) in rows() {
        let shown = path.replace("{*model}", "{model}");
        let parameters: Vec<Value> = shown
            .contains("{model}")
            .then(|| json!({"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}))
            .into_iter()
            .collect();
        let secured = !matches!(row.route, Route::Page(page) if page != crate::router::Page::Health);
        let mut operation = json!({"summary": row.summary, "parameters": parameters, "responses": {"200": {"description": "The answer"}, "default": {"description": "An error, in the caller's dialect"}}});
        if row.method == "POST" {
            operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": {"type": "object"}}}});
        }
        if secured {
            operation["security"] = json!([{"bearer": []}, {"x-api-key": []}]);
        }
        let entry = paths.entry(if shown.is_empty() { "/".to_owned() } else { shown }).or_insert_with(|| json!({}));
        entry[row.method.to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Switchboard", "version": env!("CARGO_PKG_VERSION"), "description": "One API in front of every model provider."},
        "paths": paths,
        "components": {"securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        }},
    })
}
