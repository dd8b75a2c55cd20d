//! What comes in over an API is text, whatever it looks like (S8).

use serde_json::{Map, Value, json};

use crate::managed::{MASTER, each};

/// What an attacker would write to see the gateway's environment or files.
const REFERENCES: [&str; 6] = [
    "os.environ/SWITCHBOARD_MASTER_KEY",
    "env:SWITCHBOARD_MASTER_KEY",
    "${SWITCHBOARD_MASTER_KEY}",
    "file:/etc/hostname",
    "vault:secret",
    "$SWITCHBOARD_MASTER_KEY",
];

/// The properties of a request's body, by the gateway's own document.
fn properties<'a>(document: &'a Value, operation: &'a Value) -> Option<&'a Map<String, Value>> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let named = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
    let schema = named.map_or(schema, |name| &document["components"]["schemas"][name]);
    schema["properties"].as_object()
}

#[test]
fn no_field_of_the_management_api_follows_a_reference() {
    each(|managed| {
        let document = managed.app.get("/openapi.json").json();
        let mut fields = 0;
        for (path, operations) in document["paths"].as_object().expect("paths") {
            let operation = &operations["post"];
            let Some(properties) = properties(&document, operation) else { continue };
            if path.contains("completions") || path.starts_with("/v1") || path.contains("{model}") {
                continue;
            }
            for reference in REFERENCES {
                for name in properties.keys() {
                    for value in [json!(reference), json!({"a": reference, "b": [reference]}), json!([reference])] {
                        let mut body = json!({"key_alias": "alias", "user_id": "someone"});
                        body[name] = value;
                        let reply = managed.as_key(MASTER, "POST", path, &body);
                        assert!(!reply.text().contains(MASTER), "{path} {name} {reference}: {}", reply.text());
                    }
                }
                fields += properties.len();
            }
        }
        assert!(fields > 100, "{fields}");
        for path in ["/key/list?return_full_object=true&size=100", "/audit?page_size=100"] {
            assert!(!managed.get(path).to_string().contains(MASTER), "{path}");
        }
        let kept = managed.key(&json!({"metadata": {"note": REFERENCES[0]}}));
        let shown = managed.get(&format!("/key/info?key={kept}"));
        assert_eq!(shown["info"]["metadata"]["note"], REFERENCES[0], "it stays what was written");
    });
}
