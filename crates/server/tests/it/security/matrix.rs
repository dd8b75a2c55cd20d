//! Every route, asked by everybody: who may come in is what the route table says (A1, A2; CVE-2026-12773, CVE-2026-12795,
//! CVE-2026-35029: routes that asked nobody who they are).

use serde_json::{Value, json};
use switchboard_server::authz::Policy;
use switchboard_server::router::{Route, Row, rows};
use switchboard_store::object::Role;

use crate::app::Reply;
use crate::managed::{MASTER, Managed};

/// Routes that need no key. A new one must be written here too, and thought about.
const PUBLIC: [&str; 30] = [
    "GET /",
    "GET /docs",
    "GET /style.css",
    "GET /ui",
    "GET /ui/",
    "GET /onboarding/get_token",
    "POST /onboarding/claim_token",
    "GET /openapi.json",
    "GET /routes",
    "GET /health/liveliness",
    "GET /health/liveness",
    "GET /health/readiness",
    // What an administrator shows to everyone.
    "GET /public/model_hub",
    "GET /public/model_hub/info",
    "GET /public/providers",
    "GET /public/providers/fields",
    "GET /public/v1/model_hub",
    "GET /public/v1/model_hub/{facet}",
    // Ways in.
    "GET /sso/key/generate",
    "GET /sso/callback",
    "GET /sso/readiness",
    "GET /fallback/login",
    "POST /login",
    "POST /v2/login",
    "POST /logout",
    // What only a browser's session may: they ask for its cookie, and a key opens nothing.
    "POST /session/logout",
    "POST /user/password/change",
    // The page on which a key is typed in, and a code in exchange for one.
    "GET /auth",
    "POST /auth",
    "POST /api/v1/auth/keys",
];

/// Every route once: the paths that differ by their prefix alone lead to the same.
fn routes() -> Vec<(String, Row)> {
    let prefixed = |path: &str| ["/api/v1/", "/openai/", "/v2/", "/engines/", "/v1/engines/"].iter().any(|prefix| path.starts_with(prefix));
    let mut all: Vec<(String, Row)> = rows().collect();
    all.retain(|(path, row)| !(prefixed(path) && matches!(row.policy, Policy::Llm)));
    all
}

fn path_of(path: &str, row: &Row) -> String {
    let gemini = matches!(row.route, Route::Gemini | Route::GeminiModels);
    let mut out = path.replace("{*model}", if gemini { "absent:generateContent" } else { "absent" }).replace("{api_version}", "1alpha");
    while let (Some(start), Some(end)) = (out.find('{'), out.find('}')) {
        out.replace_range(start..=end, "absent");
    }
    out
}

fn ask(gateway: &Managed, key: Option<&str>, path: &str, row: &Row) -> Reply {
    let mut ask = gateway.app.ask(row.method, &path_of(path, row));
    if let Some(key) = key {
        ask = ask.key(key);
    }
    if row.method == "GET" { ask.send() } else { ask.json(&json!({})).send() }
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply.status.as_u16(), 401 | 403)
}

#[test]
fn nobody_comes_in_without_a_key_that_is_good_now() {
    let gateway = Managed::signing_in("  enable_jwt_auth: true\n", &[("JWT_PUBLIC_KEY_URL", "http://127.0.0.1:1/keys")]);
    let expired = gateway.key(&json!({"duration": "1s"}));
    let blocked = gateway.key(&json!({}));
    gateway.post("/key/block", &json!({"key": blocked}));
    let deleted = gateway.key(&json!({}));
    gateway.post("/key/delete", &json!({"keys": [deleted]}));
    let hash = gateway.post("/key/generate", &json!({}))["token"].as_str().expect("a hash").to_owned();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let wrong: [(&str, Option<&str>); 8] = [
        ("no key", None),
        ("garbage", Some("sk-garbage-that-nobody-has")),
        ("another word", Some("password")),
        ("none", Some("eyJhbGciOiJub25lIn0.e30.AA")),
        ("an expired key", Some(&expired)),
        ("a blocked key", Some(&blocked)),
        ("a deleted key", Some(&deleted)),
        ("the hash of a key", Some(&hash)),
    ];
    let mut public = Vec::new();
    for (path, row) in routes() {
        if row.policy == Policy::Public {
            public.push(format!("{} {path}", row.method));
            continue;
        }
        for (what, key) in wrong {
            let reply = ask(&gateway, key, &path, &row);
            assert!(is_refused(&reply), "{what} at {} {path}: {} {}", row.method, reply.status, reply.text());
        }
    }
    public.sort();
    let mut declared: Vec<String> = PUBLIC.iter().map(|route| (*route).to_owned()).collect();
    declared.sort();
    assert_eq!(public, declared, "the routes that need no key");
}

/// A key for each role that a caller may have.
fn keys(gateway: &Managed) -> Vec<(&'static str, Option<Role>, String)> {
    let mut found = vec![("the master key", Some(Role::ProxyAdmin), MASTER.to_owned()), ("a key of nobody", None, gateway.key(&json!({})))];
    for (name, role) in [
        ("proxy_admin", Role::ProxyAdmin),
        ("proxy_admin_viewer", Role::ProxyAdminViewer),
        ("internal_user", Role::InternalUser),
        ("internal_user_viewer", Role::InternalUserViewer),
    ] {
        gateway.post("/user/new", &json!({"user_id": name, "user_role": name, "auto_create_key": false}));
        found.push((name, Some(role), gateway.key(&json!({"user_id": name}))));
    }
    gateway.post("/team/new", &json!({"team_id": "team"}));
    found.push(("a key of a team", None, gateway.key(&json!({"team_id": "team"}))));
    found
}

#[test]
fn each_role_comes_in_where_the_table_says() {
    let gateway = Managed::signing_in("", &[]);
    let (mut cells, mut wrong) = (0, Vec::new());
    for (name, role, key) in keys(&gateway) {
        for (path, row) in routes() {
            if row.policy == Policy::Public {
                continue;
            }
            let reply = ask(&gateway, Some(&key), &path, &row);
            cells += 1;
            let may = row.policy.admits(role);
            // Whoever may come in at all may still be told that an object is none of theirs; administrators are not.
            let everything = role == Some(Role::ProxyAdmin);
            if !may && !is_refused(&reply) || may && everything && is_refused(&reply) || reply.status == 500 {
                wrong.push(format!("{name} at {} {path} ({:?}): {} {}", row.method, row.policy, reply.status, reply.text()));
            }
        }
    }
    assert!(cells > 1000, "{cells}");
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_key_for_calls_alone_manages_nothing() {
    let gateway = Managed::signing_in("", &[]);
    let llm = gateway.key(&json!({"user_id": "default_user_id", "key_type": "llm_api"}));
    // What there is and what it costs its client is told, and about its own key.
    const TOLD: [&str; 6] = ["/model/info", "/v1/model/info", "/v2/model/info", "/model_group/info", "/api/v1/key", "/api/v1/generation"];
    for (path, row) in routes() {
        if matches!(row.policy, Policy::Public | Policy::Llm) || path.contains("/models") || TOLD.contains(&path.as_str()) {
            continue;
        }
        let reply = ask(&gateway, Some(&llm), &path, &row);
        assert_eq!(reply.status, 403, "{} {path}: {}", row.method, reply.text());
    }
}

#[test]
fn what_a_request_says_of_its_host_changes_no_policy() {
    // CVE-2026-49468: a forged Host made the authorisation see another path than the router.
    let gateway = Managed::signing_in("", &[]);
    let key = gateway.key(&json!({}));
    for (name, value) in [
        ("x-forwarded-path", "/health/liveness"),
        ("x-original-url", "/health/liveness"),
        ("x-rewrite-url", "/docs"),
        ("x-forwarded-prefix", "/docs"),
        ("x-forwarded-host", "x/#@y"),
        ("x-http-method-override", "GET"),
        ("forwarded", "host=\"x/#@y\""),
    ] {
        let reply = gateway.app.ask("POST", "/team/new").key(&key).header(name, value).json(&json!({})).send();
        assert_eq!(reply.status, 401, "{name}");
    }
    for host in ["x/#@y", "x?/docs", "/docs", "a b", "x#/docs"] {
        let reply = gateway.app.ask("POST", "/key/generate").header("host", host).json(&json!({})).send();
        assert!([400, 401].contains(&reply.status.as_u16()), "{host}: {}", reply.status);
    }
    for path in [
        "//team/new",
        "/docs/../team/new",
        "/team/new/",
        "/TEAM/NEW",
        "/team%2fnew",
        "/team/new;x",
        "/./team/new",
        "/health/liveness/../../team/new",
    ] {
        let reply = gateway.app.ask("POST", path).json(&json!({})).send();
        assert!(!reply.status.is_success(), "{path}: {}", reply.status);
    }
    assert_eq!(gateway.get("/team/list"), Value::Array(Vec::new()));
}
