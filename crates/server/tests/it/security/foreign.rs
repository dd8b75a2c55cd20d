//! What is not one's own is as if it were not there (A3; CVE-2026-12799, GHSA-qqcv-vg9f-5rr3), and no field of any request makes
//! somebody more than they are (A4; CVE-2026-47101, CVE-2026-47102).

use serde_json::{Map, Value, json};
use switchboard_server::router::{Route, rows};

use crate::app::Reply;
use crate::managed::{MASTER, Managed};

/// Two people who have nothing to do with each other, and what the first has.
fn strangers(gateway: &Managed) -> (String, Vec<(&'static str, String)>) {
    for (user, team, organization) in [("mine", "team-mine", "org-mine"), ("theirs", "team-theirs", "org-theirs")] {
        gateway.post("/user/new", &json!({"user_id": user, "user_role": "internal_user", "auto_create_key": false}));
        gateway.post("/organization/new", &json!({"organization_id": organization, "organization_alias": organization}));
        let members = json!([{"user_id": user, "role": "admin"}]);
        gateway.post("/team/new", &json!({"team_id": team, "organization_id": organization, "members_with_roles": members}));
    }
    let key = gateway.key(&json!({"user_id": "mine"}));
    let theirs = gateway.post("/key/generate", &json!({"user_id": "theirs", "team_id": "team-theirs"}));
    let hash = theirs["token"].as_str().expect("a hash").to_owned();
    gateway.post("/project/new", &json!({"project_id": "project-theirs", "team_id": "team-theirs"}));
    let named = vec![("KEY", hash), ("TEAM", "team-theirs".to_owned()), ("USER", "theirs".to_owned()), ("ORG", "org-theirs".to_owned())];
    (key, named)
}

/// Requests that name an object, with the place of its id.
fn requests() -> Vec<(&'static str, &'static str, Value)> {
    let get = |path| ("GET", path, Value::Null);
    vec![
        get("/key/info?key=KEY"),
        get("/team/info?team_id=TEAM"),
        get("/team/TEAM/members/me"),
        get("/team/permissions_list?team_id=TEAM"),
        get("/user/info?user_id=USER"),
        get("/v2/user/info?user_id=USER"),
        get("/organization/info?organization_id=ORG"),
        get("/api/v1/keys/KEY"),
        ("POST", "/v2/key/info", json!({"keys": ["KEY"]})),
        ("POST", "/key/update", json!({"key": "KEY", "max_budget": 1})),
        ("POST", "/key/delete", json!({"keys": ["KEY"]})),
        ("POST", "/key/block", json!({"key": "KEY"})),
        ("POST", "/key/unblock", json!({"key": "KEY"})),
        ("POST", "/key/regenerate", json!({"key": "KEY"})),
        ("POST", "/key/KEY/regenerate", json!({})),
        ("POST", "/team/update", json!({"team_id": "TEAM", "team_alias": "x"})),
        ("PATCH", "/team/TEAM", json!({"team_alias": "x"})),
        ("POST", "/team/delete", json!({"team_ids": ["TEAM"]})),
        ("POST", "/team/member_add", json!({"team_id": "TEAM", "member": {"user_id": "mine", "role": "admin"}})),
        ("POST", "/team/member_update", json!({"team_id": "TEAM", "user_id": "mine", "role": "admin"})),
        ("POST", "/team/member_delete", json!({"team_id": "TEAM", "user_id": "mine"})),
        ("POST", "/team/permissions_update", json!({"team_id": "TEAM", "team_member_permissions": ["/key/generate"]})),
        ("PATCH", "/api/v1/keys/KEY", json!({"name": "x"})),
        ("DELETE", "/api/v1/keys/KEY", Value::Null),
    ]
}

#[test]
fn what_is_somebody_elses_is_as_if_it_were_not_there() {
    let gateway = Managed::signing_in("", &[]);
    let (key, named) = strangers(&gateway);
    let mut wrong = Vec::new();
    for (method, path, body) in requests() {
        let answer = |ids: &[(&str, String)]| {
            let put = |text: &str| ids.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id));
            let body: Value = serde_json::from_str(&put(&body.to_string())).expect("JSON");
            let reply = gateway.as_key(&key, method, &put(path), &body);
            // What the asker said may be said back.
            let text = ids.iter().fold(reply.text().to_owned(), |text, (name, id)| text.replace(id, name));
            let headers: Vec<String> = reply.headers.keys().map(|name| name.to_string()).collect();
            (reply.status.as_u16(), text, headers)
        };
        let absent: Vec<(&str, String)> = named
            .iter()
            .map(|(name, id)| (*name, if *name == "KEY" { "f".repeat(64) } else { format!("{}-absent-0", id.trim_end_matches("theirs")) }))
            .collect();
        let (foreign, absent) = (answer(&named), answer(&absent));
        if foreign != absent || foreign.0 == 200 && !foreign.1.contains("[]") {
            wrong.push(format!("{method} {path}: foreign {foreign:?}\n    absent {absent:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Nor do lists tell of it.
    for path in [
        "/key/list?return_full_object=true",
        "/key/list?user_id=theirs",
        "/key/list?team_id=team-theirs",
        "/key/aliases",
        "/team/list",
        "/v2/team/list",
        "/organization/list",
        "/project/list",
        "/spend/logs",
        "/user/daily/activity?start_date=2020-01-01&end_date=2030-01-01",
        "/api/v1/keys",
    ] {
        let reply = gateway.as_key(&key, "GET", path, &Value::Null);
        for secret in ["team-theirs", "org-theirs", &named[0].1] {
            assert!(!reply.text().contains(secret) || path.contains(secret), "{path}: {}", reply.text());
        }
    }
}

/// Every field that any request of the management API may hold, by the form that has it, with its schema.
fn forms(document: &Value) -> Vec<(String, String, Map<String, Value>)> {
    let managed = rows().filter(|(_, row)| matches!(row.route, Route::Admin(_)) && !row.form.is_empty());
    let fields = |path: &str, method: &str| {
        let schema = &document["paths"][path][method.to_ascii_lowercase()]["requestBody"]["content"]["application/json"]["schema"];
        schema["properties"].as_object().cloned().unwrap_or_default()
    };
    managed.map(|(path, row)| (row.method.to_owned(), path.clone(), fields(&path, row.method))).collect()
}

/// What a request of that route needs to concern the caller's own things.
fn own(path: &str, hash: &str, spare: &str, project: &str) -> Value {
    match path {
        "/key/update" => json!({"key": hash}),
        "/key/block" | "/key/unblock" | "/key/regenerate" => json!({"key": spare}),
        "/key/delete" => json!({"keys": [spare]}),
        // With what it may have, so that nothing but the field in question is in the way.
        "/key/generate" => json!({"models": ["good"], "max_budget": 1}),
        "/key/service-account/generate" => json!({"team_id": "team-mine", "models": ["good"], "max_budget": 1}),
        "/project/new" => json!({"team_id": "team-mine"}),
        "/project/update" => json!({"project_id": project}),
        "/user/update" => json!({"user_id": "mine"}),
        "/organization/member_add" => json!({"organization_id": "org-mine", "member": {"user_id": "mine", "role": "org_admin"}}),
        "/team/member_add" => json!({"team_id": "team-mine", "member": {"user_id": "mine", "role": "admin"}}),
        _ if path.starts_with("/organization") => json!({"organization_id": "org-mine", "user_id": "mine"}),
        "/team/member_update" => json!({"team_id": "team-mine", "user_id": "mine"}),
        "/team/new" | "/team/{team_id}" => json!({}),
        _ if path.starts_with("/team") => json!({"team_id": "team-mine"}),
        _ => json!({}),
    }
}

fn hostile(name: &str, schema: &Value) -> Value {
    let text = schema.to_string();
    match name {
        "models" | "allowed_models" => json!(["*"]),
        "allowed_routes" => json!(["management_routes", "/scim/*"]),
        "user_id" | "created_by" | "updated_by" => json!("default_user_id"),
        "team_id" => json!("team-theirs"),
        "organization_id" | "org_id" => json!("org-theirs"),
        "project_id" => json!("project-theirs"),
        "user_role" | "role" => json!("proxy_admin"),
        "members_with_roles" => json!([{"user_id": "mine", "role": "admin"}, {"user_id": "default_user_id", "role": "admin"}]),
        "metadata" => json!({"user_role": "proxy_admin", "scim_active": true, "team_member_budget_id": "x", "temp_budget_increase": 1000}),
        "duration" | "budget_duration" => json!("30d"),
        "temp_budget_expiry" => json!("2040-01-01T00:00:00Z"),
        _ if text.contains("boolean") => json!(true),
        _ if text.contains("\"integer\"") || text.contains("\"number\"") => json!(1_000_000),
        _ if text.contains("\"array\"") => json!(["*"]),
        _ if text.contains("\"object\"") => json!({"x": "y"}),
        _ => json!("x"),
    }
}

fn user(gateway: &Managed, id: &str) -> Value {
    let mut row = gateway.get(&format!("/user/info?user_id={id}"))["user_info"].clone();
    row["updated_at"] = Value::Null;
    row
}

/// What must stay as it is, whatever somebody writes into a request of their own.
struct Guard<'a> {
    gateway: &'a Managed,
    hash: String,
    before: Value,
    theirs: Vec<Value>,
}

impl Guard<'_> {
    fn theirs(gateway: &Managed) -> Vec<Value> {
        let paths = ["/team/info?team_id=team-theirs", "/user/info?user_id=theirs", "/organization/info?organization_id=org-theirs"];
        paths.map(|path| gateway.get(path)).to_vec()
    }

    fn look(&self, said: &str, reply: &Reply) {
        assert!(!reply.status.is_server_error() || reply.status == 503, "{said}: {}", reply.text());
        if reply.status == 200 && reply.json()["token"].is_string() {
            within(&reply.json(), said);
        }
        within(&self.gateway.get(&format!("/key/info?key={}", self.hash))["info"], said);
        assert_eq!(user(self.gateway, "mine"), self.before, "{said} changed the user");
        let team = self.gateway.get("/team/info?team_id=team-mine")["team_info"].clone();
        let place = (&team["organization_id"], &team["blocked"], &team["models"]);
        assert_eq!(place, (&json!("org-mine"), &json!(false), &json!(["good"])), "{said}");
        assert!(team["max_budget"].as_f64().is_some_and(|budget| budget <= 100.0), "{said}: {team}");
    }
}

#[test]
fn no_field_makes_somebody_more_than_they_are() {
    let gateway = Managed::signing_in("", &[]);
    let (_, _) = strangers(&gateway);
    gateway.post("/user/update", &json!({"user_id": "mine", "models": ["good"], "max_budget": 10}));
    gateway.post("/team/update", &json!({"team_id": "team-mine", "max_budget": 100, "models": ["good"]}));
    let made = gateway.post("/key/generate", &json!({"user_id": "mine", "models": ["good"], "max_budget": 5}));
    let (key, hash) = (made["key"].as_str().expect("a key"), made["token"].as_str().expect("a hash"));
    let project = gateway.post("/project/new", &json!({"team_id": "team-mine"}))["project_id"].as_str().expect("an id").to_owned();
    let guard = Guard { gateway: &gateway, hash: hash.to_owned(), before: user(&gateway, "mine"), theirs: Guard::theirs(&gateway) };
    let forms = forms(&gateway.app.get("/openapi.json").json());
    let all: Map<String, Value> = forms.iter().flat_map(|(_, _, fields)| fields.clone()).collect();
    let (mut tried, mut routes) = (0, 0);
    for (method, path, fields) in &forms {
        // To leave or to delete one's own team makes nobody more.
        if ["/team/delete", "/team/member_delete", "/organization/member_delete"].contains(&path.as_str()) {
            continue;
        }
        routes += 1;
        let place = path.replace("{team_id}", "team-mine").replace("{*model}", "good");
        let consumes = path.starts_with("/key/") && path != "/key/update" && !path.ends_with("/generate");
        let send = |more: &[(&String, &Value)]| {
            let spare = if consumes { gateway.post("/key/generate", &json!({"user_id": "mine"}))["token"].clone() } else { Value::Null };
            let spare = spare.as_str().unwrap_or_default();
            let mut body = own(path, hash, spare, &project);
            for (name, schema) in more {
                // Whoever blocks their own key, or lets it end, has less afterwards, and the rest of this test nothing to ask with.
                let ends = path == "/key/update" && ["blocked", "duration"].contains(&name.as_str());
                let free = body[name.as_str()].is_null() || ["models", "max_budget"].contains(&name.as_str()) && more.len() == 1;
                if free && !ends {
                    body[name.as_str()] = hostile(name, schema);
                }
            }
            gateway.as_key(key, method, &place.replace("{key}", spare), &body)
        };
        // Its own fields one by one, those of all other forms some at a time: what is unknown is never heard.
        let singly: Vec<Vec<(&String, &Value)>> = fields.iter().map(|field| vec![field]).collect();
        let others: Vec<(&String, &Value)> = all.iter().filter(|(name, _)| !fields.contains_key(*name)).collect();
        let refused = gateway.as_key(key, method, &place, &json!({})).status.as_u16();
        // Where nobody but administrators comes in, one request with everything will do.
        let attempts: Vec<Vec<(&String, &Value)>> = if matches!(refused, 401 | 403) {
            vec![all.iter().collect()]
        } else {
            singly.into_iter().chain(others.chunks(64).map(<[_]>::to_vec)).collect()
        };
        for more in attempts {
            let reply = send(&more);
            tried += more.len();
            let names: Vec<&str> = more.iter().map(|(name, _)| name.as_str()).collect();
            guard.look(&format!("{method} {path} {names:?}"), &reply);
        }
        assert_eq!(gateway.as_key(key, "GET", "/key/info", &Value::Null).status, 200, "{path} left the key without use");
        assert_eq!(Guard::theirs(&gateway), guard.theirs, "{path} reached what is somebody else's");
    }
    assert!(routes > 80 && tried > 5000, "{routes} routes, {tried} fields");
    assert_eq!(gateway.as_key(key, "GET", "/user/list", &Value::Null).status, 403);
    assert_eq!(gateway.as_key(MASTER, "GET", "/user/info?user_id=mine", &Value::Null).json()["user_info"]["user_role"], "internal_user");
}

/// Whether a key of the user with ten dollars and one model is within that.
fn within(row: &Value, said: &str) {
    let said = format!("{said}: {row}");
    assert!(row["user_id"] == "mine" || row["user_id"].is_null() && row["team_id"] == "team-mine", "{said}");
    assert!(row["team_id"].is_null() || row["team_id"] == "team-mine", "{said}");
    assert!(row["organization_id"].is_null() || row["organization_id"] == "org-mine", "{said}");
    if row["team_id"].is_null() {
        assert!(
            row["models"]
                .as_array()
                .is_some_and(|models| models.iter().all(|model| ["good", "no-default-models"].contains(&model.as_str().unwrap_or("")))),
            "{said}"
        );
        assert!(row["max_budget"].as_f64().is_none_or(|budget| budget <= 10.0), "{said}");
    }
}
