//! What comes in over an API is text, whatever it looks like (S8).

use serde_json::{Value, json};

use crate::kept::Kept;
use crate::managed::{MASTER, Managed, each};
use crate::upstream::Upstream;

/// What an attacker would write to see the gateway's environment or files.
const REFERENCES: [&str; 7] = [
    "os.environ/SWITCHBOARD_MASTER_KEY",
    "os.environ/CANARY_OF_ENVIRONMENT",
    "env:SWITCHBOARD_MASTER_KEY",
    "${SWITCHBOARD_MASTER_KEY}",
    "file:/etc/hostname",
    "vault:secret",
    "$SWITCHBOARD_MASTER_KEY",
];

/// A variable that is not the gateway's own, which administrators may name in models of theirs.
const OTHER: (&str, &str) = ("CANARY_OF_ENVIRONMENT", "canary-of-the-environment-9d1b");

/// The schema that another stands for.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let named = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next());
    named.map_or(schema, |name| &document["components"]["schemas"][name])
}

/// Where a request's body may have something, by the gateway's own document: its fields, and theirs.
fn places(document: &Value, operation: &Value) -> Vec<(String, Option<String>)> {
    let schema = resolved(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
    let names =
        |schema: &Value| schema["properties"].as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut places = Vec::new();
    for name in names(schema) {
        let inner = resolved(document, &schema["properties"][&name]);
        let inner = if inner["items"].is_object() { resolved(document, &inner["items"]) } else { inner };
        places.extend(names(inner).into_iter().map(|within| (name.clone(), Some(within))));
        places.push((name, None));
    }
    places
}

/// What an answer or a list may not hold.
fn shows_a_secret(text: &str) -> bool {
    [MASTER, OTHER.1, "root:x:"].iter().any(|secret| text.contains(secret))
}

#[test]
fn no_field_of_the_management_api_follows_a_reference() {
    each(|managed| {
        let document = managed.app.get("/openapi.json").json();
        let (mut fields, mut asked, mut kept) = (0, 0, Kept::to(&managed.app, MASTER));
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                // What calls a model takes what its provider takes.
                if operation["tags"][0] == "Models" || path.contains("completions") || path.contains("{model}") {
                    continue;
                }
                let places = places(&document, operation);
                let path = path.replace(['{', '}'], "");
                for (at, (name, within)) in places.iter().enumerate() {
                    for reference in REFERENCES.iter().skip(at % 2).step_by(2) {
                        let shapes = match within {
                            Some(within) => [json!({within: reference}), json!([{within: reference}])],
                            None => [json!(reference), json!({"a": reference, "b": [reference]})],
                        };
                        for value in shapes {
                            let mut body = json!({"key_alias": "alias", "user_id": "someone"});
                            body[name] = value;
                            let reply = kept.ask(&method.to_uppercase(), &path, body.to_string().as_bytes());
                            assert!(!shows_a_secret(reply.text()), "{method} {path} {name} {reference}: {}", reply.text());
                            asked += 1;
                        }
                    }
                }
                fields += places.len();
            }
        }
        println!("{fields} fields, {asked} requests");
        assert!(fields > 500, "{fields}");
        for path in ["/key/list?return_full_object=true&size=100", "/audit?page_size=100"] {
            assert!(!shows_a_secret(&managed.get(path).to_string()), "{path}");
        }
        let kept = managed.key(&json!({"metadata": {"note": REFERENCES[0]}}));
        let shown = managed.get(&format!("/key/info?key={kept}"));
        assert_eq!(shown["info"]["metadata"]["note"], REFERENCES[0], "it stays what was written");
    });
}

/// Whoever may make models and is no administrator would have a variable sent to a provider of their own.
#[test]
fn nobody_but_administrators_sends_a_variable_anywhere() {
    let upstream = Upstream::start();
    let managed = Managed::signing_in("", &[OTHER]);
    managed.post("/user/new", &json!({"user_id": "admin-of-team", "user_role": "internal_user", "auto_create_key": false}));
    let members = json!([{"user_id": "admin-of-team", "role": "admin"}]);
    managed.post("/team/new", &json!({"team_id": "team", "members_with_roles": members}));
    let keys = [
        managed.key(&json!({"user_id": "admin-of-team", "team_id": "team"})),
        managed.key(&json!({"user_id": "admin-of-team"})),
        managed.key(&json!({})),
    ];
    for (at, reference) in [
        "os.environ/CANARY_OF_ENVIRONMENT",
        "env:CANARY_OF_ENVIRONMENT",
        "${CANARY_OF_ENVIRONMENT}",
        "$CANARY_OF_ENVIRONMENT",
        "file:/etc/hostname",
    ]
    .into_iter()
    .enumerate()
    {
        for (by, key) in keys.iter().enumerate() {
            let name = format!("made-{at}-{by}");
            let url = upstream.url();
            let params = json!({
                "model": "openai/m", "api_base": format!("{url}/good/v1"), "api_key": reference, "organization": reference, "extra_headers": {"x-sent": reference},
            });
            let info = json!({"team_id": "team"});
            managed.as_key(key, "POST", "/model/new", &json!({"model_name": name, "litellm_params": params, "model_info": info}));
            managed.as_key(
                key,
                "POST",
                "/credentials",
                &json!({"credential_name": name, "credential_values": {"api_key": reference}, "credential_info": {}}),
            );
            managed.as_key(key, "POST", "/api/v1/byok", &json!({"provider": "openai", "key": reference}));
            let body = json!({
                "model": name, "messages": [{"role": "user", "content": reference}], "api_key": reference, "user": reference, "extra_headers": {"x-sent": reference},
            });
            for key in [key, MASTER] {
                let reply = managed.as_key(key, "POST", "/v1/chat/completions", &body);
                assert!(!shows_a_secret(reply.text()), "{reference}: {}", reply.text());
            }
        }
    }
    for (path, body) in upstream.asked() {
        assert!(!shows_a_secret(&body), "{path} {body}");
    }
    assert!(upstream.heads().iter().flatten().all(|(_, value)| !shows_a_secret(value)), "a variable was sent away");
}
