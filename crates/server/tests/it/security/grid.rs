//! Every route asked by every role for its own team's objects, a sibling team's, another organization's and absent ones (A2, A3;
//! CVE-2026-12799, GHSA-qqcv-vg9f-5rr3). Nobody but administrators finds a difference between what is another organization's and what
//! is not there, nobody outside an organization finds one within it, and nothing of others is changed by it.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use switchboard_server::authz::Policy;
use switchboard_server::router::{Row, rows};
use switchboard_store::object::Role;

use crate::app::Reply;
use crate::managed::{MASTER, Managed};

/// Whose the objects are that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whose {
    /// The caller's team's.
    Own,
    /// Those of another team of its organization.
    Sibling,
    /// Another organization's.
    Other,
    /// Nobody's: there are none.
    Absent,
}

const EACH: [Whose; 4] = [Whose::Other, Whose::Absent, Whose::Sibling, Whose::Own];

/// The ids of one set of objects, by what they are ids of.
type Ids = BTreeMap<&'static str, String>;

/// People, teams and organizations of one round, with the keys that ask.
struct Fixture {
    ids: HashMap<Whose, Ids>,
    callers: Vec<(&'static str, Option<Role>, String)>,
    states: HashMap<Whose, Vec<Value>>,
}

/// The callers that nothing outside their team concerns, then those whom it does, who may leave nothing as it was.
fn fixture(gateway: &Managed, round: usize) -> Fixture {
    let named = |what: &str| format!("{what}-{round}");
    for (name, role) in [
        ("oadmin", "internal_user"),
        ("tadmin", "internal_user"),
        ("member", "internal_user"),
        ("looker", "internal_user_viewer"),
        ("peer", "internal_user"),
        ("stranger", "internal_user"),
        ("auditor", "proxy_admin_viewer"),
    ] {
        gateway.post("/user/new", &json!({"user_id": named(name), "user_role": role, "auto_create_key": false}));
    }
    for organization in ["orga", "orgb"] {
        gateway.post("/organization/new", &json!({"organization_id": named(organization), "organization_alias": organization}));
    }
    let admins = json!({"organization_id": named("orga"), "member": {"user_id": named("oadmin"), "role": "org_admin"}});
    gateway.post("/organization/member_add", &admins);
    let people =
        |list: &[(&str, &str)]| -> Value { list.iter().map(|(user, role)| json!({"user_id": named(user), "role": role})).collect() };
    for (team, organization, members) in [
        ("a-one", "orga", people(&[("tadmin", "admin"), ("member", "user"), ("looker", "user")])),
        ("a-two", "orga", people(&[("peer", "admin")])),
        ("b-one", "orgb", people(&[("stranger", "admin")])),
    ] {
        gateway.post("/team/new", &json!({"team_id": named(team), "organization_id": named(organization), "members_with_roles": members}));
    }
    let set = |team: &str, user: &str, organization: &str| {
        let made = gateway
            .post("/key/generate", &json!({"team_id": named(team), "user_id": named(user), "key_alias": named(&format!("key-{user}"))}));
        let project = gateway.post("/project/new", &json!({"team_id": named(team), "project_id": named(&format!("project-{user}"))}));
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        Ids::from([
            ("key", text(&made["token"])),
            ("team", named(team)),
            ("user", named(user)),
            ("organization", named(organization)),
            ("project", text(&project["project_id"])),
        ])
    };
    let mut ids = HashMap::from([
        (Whose::Own, set("a-one", "member", "orga")),
        // Its organization is also the caller's, and changes with the caller's team.
        (Whose::Sibling, set("a-two", "peer", "no-organization")),
        (Whose::Other, set("b-one", "stranger", "orgb")),
    ]);
    let absent = ["team", "user", "organization", "project"].map(|kind| (kind, named(&format!("no-{kind}"))));
    ids.insert(Whose::Absent, absent.into_iter().chain([("key", "f".repeat(64))]).collect());
    let key = |user: &str| gateway.key(&json!({"user_id": named(user)}));
    let callers = vec![
        ("a key of nobody", None, gateway.key(&json!({}))),
        ("a key for calls", None, gateway.key(&json!({"user_id": named("tadmin"), "key_type": "llm_api"}))),
        ("internal_user_viewer", Some(Role::InternalUserViewer), key("looker")),
        ("member", Some(Role::InternalUser), key("member")),
        ("team admin", Some(Role::InternalUser), key("tadmin")),
        ("proxy_admin_viewer", Some(Role::ProxyAdminViewer), key("auditor")),
        ("org_admin", Some(Role::InternalUser), key("oadmin")),
        ("proxy_admin", Some(Role::ProxyAdmin), MASTER.to_owned()),
    ];
    let states = EACH.into_iter().map(|whose| (whose, state(gateway, &ids[&whose]))).collect();
    Fixture { ids, callers, states }
}

/// All that is known of those objects, but for when and how much.
fn state(gateway: &Managed, ids: &Ids) -> Vec<Value> {
    let mut found = Vec::new();
    for path in [
        format!("/key/info?key={}", ids["key"]),
        format!("/team/info?team_id={}", ids["team"]),
        format!("/user/info?user_id={}", ids["user"]),
        format!("/organization/info?organization_id={}", ids["organization"]),
        format!("/project/info?project_id={}", ids["project"]),
    ] {
        let mut told = gateway.as_key(MASTER, "GET", &path, &Value::Null).json();
        calm(&mut told);
        found.push(told);
    }
    found
}

/// Takes away what changes by itself.
fn calm(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("_at") && !name.contains("spend") && name != "last_active");
            fields.values_mut().for_each(calm);
        }
        Value::Array(list) => list.iter_mut().for_each(calm),
        _ => {}
    }
}

/// What a form's field is filled with: ids of that set where it is for one, else anything of its type.
fn filled(name: &str, schema: &Value, ids: &Ids, required: bool) -> Option<Value> {
    let id = |kind: &str| json!(ids[kind]);
    let member = json!({"user_id": ids["user"], "role": "user"});
    Some(match name {
        "key" | "hash" | "token" => id("key"),
        "keys" if schema.to_string().contains("object") => json!([{"key": ids["key"]}]),
        "keys" | "key_ids" | "key_hashes" => json!([ids["key"]]),
        "team_id" => id("team"),
        "team_ids" => json!([ids["team"]]),
        "user_id" => id("user"),
        "user_ids" | "member_user_ids" => json!([ids["user"]]),
        "organization_id" => id("organization"),
        "organization_ids" | "organizations" => json!([ids["organization"]]),
        "project_id" => id("project"),
        "project_ids" => json!([ids["project"]]),
        "member" if schema.to_string().contains("org_admin") => json!({"user_id": ids["user"], "role": "internal_user"}),
        "member" => member,
        "members" => json!([member]),
        _ if !required => return None,
        "team_member_permissions" => json!(["/key/info"]),
        _ if schema["enum"][0].is_string() => schema["enum"][0].clone(),
        _ => match schema["type"].as_str().or(schema["type"][0].as_str()) {
            Some("string") => json!("x"),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(true),
            Some("array") => json!([]),
            _ => json!({}),
        },
    })
}

/// A request of that route for those objects.
fn ask(gateway: &Managed, document: &Value, (path, row): (&str, &Row), key: &str, ids: &Ids) -> Reply {
    // What a route makes has no id yet, and of which organization something is stands in the request where it is for one.
    let new = ["/new", "/generate", "/audit"].iter().any(|end| path.ends_with(end));
    let organizations = path.starts_with("/organization") || path == "/team/new";
    let own = path.split('/').nth(1).unwrap_or_default();
    let skip = |name: &str| {
        new && (name == format!("{own}_id") || name == "key" && own == "key") || name.starts_with("organization") && !organizations
    };
    let mut place = path.replace("{*model}", "absent");
    while let (Some(start), Some(end)) = (place.find('{'), place.find('}')) {
        let name = &place[start + 1..end];
        let kind = [("group", "team"), ("team", "team"), ("user", "user"), ("hash", "key"), ("key", "key")];
        let value = kind.iter().find(|(part, _)| name.contains(part)).map_or("absent", |(_, kind)| ids[kind].as_str()).to_owned();
        place.replace_range(start..=end, &value);
    }
    let schema = &document["paths"][path][row.method.to_ascii_lowercase()]["requestBody"]["content"]["application/json"]["schema"];
    let Some(properties) = schema["properties"].as_object() else {
        let mut query: Vec<String> = [("key", "key"), ("team_id", "team"), ("user_id", "user"), ("project_id", "project")]
            .map(|(name, kind)| format!("{name}={}", ids[kind]))
            .to_vec();
        query.extend(organizations.then(|| format!("organization_id={}", ids["organization"])));
        return gateway.as_key(key, row.method, &format!("{place}?{}", query.join("&")), &Value::Null);
    };
    let needs = |name: &String| schema["required"].as_array().is_some_and(|list| list.iter().any(|one| one == name));
    let fields = properties.iter().filter(|(name, _)| !skip(name));
    let body = fields.filter_map(|(name, schema)| Some((name.clone(), filled(name, schema, ids, needs(name))?)));
    gateway.as_key(key, row.method, &place, &Value::Object(body.collect()))
}

/// An answer, with the names of what it was asked for in place of ids.
fn told(reply: &Reply, ids: &Ids) -> (u16, String) {
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let mut text = ids.iter().fold(text, |text, (kind, id)| text.replace(id, kind));
    if let Ok(mut value) = serde_json::from_str::<Value>(&text) {
        calm(&mut value);
        text = value.to_string();
    }
    (reply.status.as_u16(), text)
}

/// What is new each time, or says how often one has asked, or finds what an earlier route made.
fn is_volatile(path: &str) -> bool {
    ["/health", "/metrics", "/audit", "/test", "/tag/delete", "/tag/update"].iter().any(|prefix| path.starts_with(prefix))
}

/// What came of asking a route in one role.
struct Asked {
    cells: usize,
    /// Whether something was answered with success, and may have changed.
    done: bool,
    /// Whether one's own was told from nothing.
    differs: bool,
}

/// Asks a route in one role for everybody's objects, and notes what is wrong with the answers.
fn compare(
    gateway: &Managed,
    document: &Value,
    (path, row): (&str, &Row),
    (stage, at): (&Fixture, usize),
    wrong: &mut Vec<String>,
) -> Asked {
    let (name, role, key) = &stage.callers[at];
    let comes_in = row.policy.admits(*role);
    let mut answers = HashMap::new();
    // Whoever does not come in at all is not asked whose it is.
    for whose in EACH.into_iter().take(if comes_in { 4 } else { 2 }) {
        let ids = &stage.ids[&whose];
        let (status, text) = told(&ask(gateway, document, (path, row), key, ids), ids);
        let refused = matches!(status, 401 | 403);
        let everything = *role == Some(Role::ProxyAdmin);
        if status >= 500 && status != 503 || !comes_in && !refused || everything && refused {
            wrong.push(format!("{name}, {whose:?} at {} {path}: {status} {text}", row.method));
        }
        answers.insert(whose, (status, text));
    }
    let outside = !matches!(*name, "proxy_admin" | "proxy_admin_viewer" | "org_admin");
    // An organization is the same for its teams.
    let siblings = outside && comes_in && !path.starts_with("/organization") && path != "/team/new";
    let concerned = [(Whose::Other, !name.starts_with("proxy_admin")), (Whose::Sibling, siblings)];
    for (whose, _) in concerned.into_iter().filter(|(_, concerned)| *concerned && !is_volatile(path)) {
        if answers[&whose] != answers[&Whose::Absent] {
            wrong.push(format!("{name} at {} {path}: {whose:?} {:?}, absent {:?}", row.method, answers[&whose], answers[&Whose::Absent]));
        }
    }
    let done = answers.values().any(|(status, _)| (200..300).contains(status));
    let differs = outside && comes_in && answers[&Whose::Own] != answers[&Whose::Absent];
    Asked { cells: answers.len(), done, differs }
}

#[test]
fn nobody_finds_or_changes_what_is_not_theirs() {
    let gateway = Managed::signing_in("", &[]);
    let document = gateway.app.get("/openapi.json").json();
    let routes = rows().filter(|(path, row)| !matches!(row.policy, Policy::Public | Policy::Llm) && !path.contains("/models"));
    let (mut cells, mut differing, mut round, mut wrong) = (0, 0, 1, Vec::new());
    let mut stage = fixture(&gateway, round);
    for (path, row) in routes {
        let mut done = false;
        for at in 0..stage.callers.len() {
            let asked = compare(&gateway, &document, (&path, &row), (&stage, at), &mut wrong);
            (cells, differing, done) = (cells + asked.cells, differing + usize::from(asked.differs), done || asked.done);
            // Up to here nobody was asked whom it concerns.
            let whose = match stage.callers[at].0 {
                "proxy_admin_viewer" => Whose::Sibling,
                "org_admin" => Whose::Other,
                _ => continue,
            };
            if done && row.method != "GET" && state(&gateway, &stage.ids[&whose]) != stage.states[&whose] {
                wrong.push(format!("{} {path} changed what is {whose:?}", row.method));
            }
        }
        if done && row.method != "GET" && EACH.iter().any(|whose| state(&gateway, &stage.ids[whose]) != stage.states[whose]) {
            round += 1;
            stage = fixture(&gateway, round);
        }
    }
    assert!(wrong.is_empty(), "{} cells of {cells}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells > 4000 && differing > 50, "{cells} cells, {differing} tell one's own from nothing");
}
