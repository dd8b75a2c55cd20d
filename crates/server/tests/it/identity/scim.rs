//! Users and groups that an identity provider makes.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, each, with};

fn ask(gateway: &Managed, method: &str, path: &str, body: &Value) -> Reply {
    gateway.as_key(MASTER, method, &format!("/scim/v2{path}"), body)
}

fn expect(gateway: &Managed, method: &str, path: &str, body: &Value, status: u16) -> Value {
    let reply = ask(gateway, method, path, body);
    assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.text());
    assert_eq!(reply.header("content-type"), "application/scim+json");
    if status == 204 { Value::Null } else { reply.json() }
}

fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

fn ann() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann@example.com", "externalId": "e-1", "active": true,
        "name": {"givenName": "Ann", "familyName": "Other"}, "emails": [{"value": "ann@example.com", "primary": true, "type": "work"}],
    })
}

#[test]
fn a_user_is_provisioned_changed_deactivated_and_removed() {
    each(|gateway| {
        let made = expect(gateway, "POST", "/Users", &ann(), 201);
        let id = made["id"].as_str().expect("an id").to_owned();
        assert_eq!((&made["userName"], &made["active"], &made["externalId"]), (&json!("ann@example.com"), &json!(true), &json!("e-1")));
        assert_eq!(made["meta"]["resourceType"], "User");
        let again = expect(gateway, "POST", "/Users", &ann(), 409);
        assert_eq!((&again["scimType"], &again["status"]), (&json!("uniqueness"), &json!("409")));
        assert_eq!(again["detail"], json!({"error": "User already exists with username: ann@example.com"}));
        assert_eq!(gateway.get(&format!("/user/info?user_id={id}"))["user_info"]["user_email"], "ann@example.com");
        let path = format!("/Users/{id}");
        assert_eq!(expect(gateway, "GET", &path, &Value::Null, 200)["name"]["familyName"], "Other");
        for filter in ["userName%20eq%20%22ANN@example.com%22", "externalId%20eq%20%22e-1%22", "emails.value%20eq%20%22ann@example.com%22"]
        {
            let found = expect(gateway, "GET", &format!("/Users?filter={filter}"), &Value::Null, 200);
            assert_eq!((&found["totalResults"], &found["Resources"][0]["id"]), (&json!(1), &json!(id)), "{filter}");
        }
        assert_eq!(expect(gateway, "GET", "/Users?filter=userName%20eq%20%22nobody%22", &Value::Null, 200)["totalResults"], 0);
        assert_eq!(expect(gateway, "GET", "/Users?filter=userName%20co%20%22a%22", &Value::Null, 400)["scimType"], "invalidFilter");

        // Deactivated: refused everywhere, with every key; shown as blocked.
        let (key, own) = (gateway.key(&json!({"user_id": id})), gateway.key(&json!({"user_id": id})));
        gateway.post("/key/block", &json!({"key": own}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        let off = expect(gateway, "PATCH", &path, &patch(json!([{"op": "Replace", "path": "active", "value": "False"}])), 200);
        assert_eq!(off["active"], false);
        assert_eq!(gateway.chat(&key, "good").status, 401);
        assert_eq!(gateway.get(&format!("/key/info?key={key}"))["info"]["blocked"], true);
        let later = gateway.key(&json!({"user_id": id}));
        assert_eq!(gateway.chat(&later, "good").status, 401, "a key made later opens nothing either");
        let on = expect(gateway, "PATCH", &path, &patch(json!([{"op": "replace", "value": {"active": true}}])), 200);
        assert_eq!(on["active"], true);
        assert_eq!(gateway.chat(&key, "good").status, 200);
        assert_eq!(gateway.chat(&own, "good").status, 401, "what was blocked before stays blocked");

        let mut changed = ann();
        changed["name"]["familyName"] = json!("Else");
        changed["displayName"] = json!("Ann E.");
        assert_eq!(expect(gateway, "PUT", &path, &changed, 200)["name"]["familyName"], "Else");
        assert_eq!(gateway.get(&format!("/user/info?user_id={id}"))["user_info"]["user_alias"], "Ann E.");
        expect(gateway, "DELETE", &path, &Value::Null, 204);
        let gone = expect(gateway, "GET", &path, &Value::Null, 404);
        assert_eq!((&gone["status"], &gone["error"]["code"]), (&json!("404"), &json!("404")));
        let refused = gateway.chat(&key, "good");
        assert_eq!(refused.status, 401);
        let said = "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.";
        assert_eq!(refused.json()["error"]["message"], said, "the key is still there");
    });
}

#[test]
fn a_user_who_was_here_before_keeps_what_they_have() {
    each(|gateway| {
        let old = json!({"user_id": "u-1", "user_email": "ann@example.com", "user_role": "internal_user"});
        let key = gateway.post("/user/new", &old)["key"].as_str().expect("a key").to_owned();
        gateway.post("/team/new", &json!({"team_id": "t"}));
        gateway.post("/team/member_add", &json!({"team_id": "t", "member": {"user_id": "u-1", "role": "user"}}));
        let mut ann = ann();
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        ann[enterprise] = json!({"department": "Tools", "costCenter": null});
        for _ in 0..2 {
            let adopted = expect(gateway, "POST", "/Users", &ann, 201);
            assert_eq!((&adopted["id"], &adopted["groups"][0]["value"]), (&json!("u-1"), &json!("t")));
            assert_eq!(adopted[enterprise], json!({"department": "Tools"}));
        }
        let user = gateway.get("/user/info?user_id=u-1")["user_info"].clone();
        assert_eq!((&user["user_role"], &user["teams"]), (&json!("internal_user"), &json!(["t"])));
        assert_eq!(user["metadata"]["scim_metadata"], json!({"givenName": "Ann", "familyName": "Other"}));
        assert_eq!(user["metadata"]["scim_enterprise"], json!({"department": "Tools"}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        // A provider that knows nothing of groups sends none; the teams stay.
        ann["groups"] = json!([]);
        expect(gateway, "PUT", "/Users/u-1", &ann, 200);
        assert_eq!(gateway.get("/user/info?user_id=u-1")["user_info"]["teams"], json!(["t"]));
        let change =
            json!([{"op": "replace", "path": format!("{enterprise}:department"), "value": "Sales"}, {"op": "remove", "path": "roles"}]);
        assert_eq!(expect(gateway, "PATCH", "/Users/u-1", &patch(change), 200)[enterprise]["department"], "Sales");
        let change = json!([{"op": "remove", "path": enterprise}, {"op": "remove", "path": "groups[value eq \"t\"]"}]);
        let changed = expect(gateway, "PATCH", "/Users/u-1", &patch(change), 200);
        assert_eq!((&changed[enterprise], &changed["groups"]), (&Value::Null, &json!([])));
        // The user goes, and with it what would let somebody in under its name.
        let link = gateway.post("/invitation/new", &json!({"user_id": "u-1"}));
        expect(gateway, "DELETE", "/Users/u-1", &Value::Null, 204);
        let info = format!("/invitation/info?invitation_id={}", link["id"].as_str().expect("an id"));
        assert_eq!(gateway.as_key(MASTER, "GET", &info, &Value::Null).status, 400);
    });
}

#[test]
fn what_a_provider_says_of_a_group_is_kept() {
    each(|gateway| {
        expect(gateway, "POST", "/Users", &json!({"userName": "a"}), 201);
        gateway.post("/team/new", &json!({"team_id": "t", "team_alias": "Old", "metadata": {"own": 1, "": {"lost": true}}}));
        let metadata = |gateway: &Managed| gateway.get("/team/info?team_id=t")["team_info"]["metadata"].clone();
        let change =
            json!([{"op": "replace", "value": {"displayName": "New", "externalId": "e-1", "id": "x", "members": [{"value": "a"}]}}]);
        let changed = expect(gateway, "PATCH", "/Groups/t", &patch(change), 200);
        assert_eq!((&changed["id"], &changed["displayName"], &changed["members"][0]["value"]), (&json!("t"), &json!("New"), &json!("a")));
        let said = json!({"displayName": "New", "externalId": "e-1", "id": "x"});
        assert_eq!(metadata(gateway), json!({"own": 1, "externalId": "e-1", "scim_managed": true, "scim_data": said}));
        for change in
            [json!([{"op": "replace", "value": {"displayName": 7}}]), json!([{"op": "replace", "path": "displayName", "value": 7}])]
        {
            assert_eq!(expect(gateway, "PATCH", "/Groups/t", &patch(change), 200)["displayName"], "7");
        }
        assert_eq!(metadata(gateway)["scim_data"]["displayName"], "7");
        let put = json!({"displayName": "Put", "externalId": "e-2", "members": [{"value": "a"}, {"value": "inner", "type": "Group"}]});
        let changed = expect(gateway, "PUT", "/Groups/t", &put, 200);
        assert_eq!((&changed["externalId"], &changed["members"].as_array().map(Vec::len)), (&json!("e-2"), &Some(1)));
        expect(gateway, "PATCH", "/Groups/t", &patch(json!([{"op": "add", "value": {"displayName": "Last"}}])), 200);
        assert_eq!((&metadata(gateway)["scim_data"]["externalId"], &metadata(gateway)["externalId"]), (&json!("e-2"), &json!("e-2")));
        for (change, section) in [
            (json!([{"op": "remove", "value": {"displayName": "x"}}]), "RFC 7644 Section 3.5.2.2"),
            (json!([{"op": "replace", "value": "x"}]), "RFC 7644 Section 3.5.2)"),
        ] {
            let refused = expect(gateway, "PATCH", "/Groups/t", &patch(change), 400);
            assert!(refused["error"]["message"].as_str().is_some_and(|message| message.contains(section)), "{refused}");
        }
        assert!(expect(gateway, "DELETE", "/Groups/none", &Value::Null, 404)["error"].is_object());
    });
}

#[test]
fn members_are_found_by_their_address_and_made_where_that_is_wanted() {
    let group = |member: &str| json!({"displayName": "G", "members": [{"value": member}]});
    each(|gateway| {
        gateway.post("/user/new", &json!({"user_id": "u-1", "user_email": "ann@example.com"}));
        assert_eq!(expect(gateway, "POST", "/Groups", &group("Ann@example.com"), 201)["members"][0]["value"], "u-1");
        assert_eq!(expect(gateway, "POST", "/Groups", &group("new"), 201)["members"][0]["value"], "new");
        assert_eq!(gateway.get("/user/info?user_id=new")["user_info"]["user_role"], "internal_user_viewer");
    });
    with("litellm_settings: {scim_upsert_user: false}\n", |gateway| {
        let refused = expect(gateway, "POST", "/Groups", &group("new"), 400);
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("does not exist")), "{refused}");
        assert_eq!(expect(gateway, "GET", "/Groups", &Value::Null, 200)["totalResults"], 0);
    });
}

#[test]
fn the_group_of_administrators_makes_administrators() {
    with("litellm_settings: {scim_admin_group: Admins, default_internal_user_params: {user_role: internal_user}}\n", |gateway| {
        let role = |id: &str| gateway.get(&format!("/user/info?user_id={id}"))["user_info"]["user_role"].clone();
        for user in ["a", "b", "c"] {
            expect(gateway, "POST", "/Users", &json!({"userName": user}), 201);
        }
        gateway.post("/user/update", &json!({"user_id": "c", "user_role": "proxy_admin"}));
        let made = expect(gateway, "POST", "/Groups", &json!({"displayName": "Admins", "members": [{"value": "a"}, {"value": "b"}]}), 201);
        let path = format!("/Groups/{}", made["id"].as_str().expect("an id"));
        assert_eq!([role("a"), role("b")], [json!("proxy_admin"), json!("proxy_admin")]);
        expect(gateway, "PATCH", &path, &patch(json!([{"op": "remove", "path": "members[value eq \"b\"]"}])), 200);
        assert_eq!([role("a"), role("b")], [json!("proxy_admin"), json!("internal_user")]);
        expect(gateway, "PATCH", "/Users/c", &patch(json!([{"op": "replace", "path": "displayName", "value": "C"}])), 200);
        assert_eq!(role("c"), "proxy_admin", "an administrator made by hand stays one");
        let joins = json!([{"op": "add", "path": "groups", "value": [{"value": made["id"]}]}]);
        expect(gateway, "PATCH", "/Users/b", &patch(joins), 200);
        assert_eq!(role("b"), "proxy_admin");
        // A name does not make a team of somebody else's the group.
        gateway.post("/organization/new", &json!({"organization_id": "o", "organization_alias": "O"}));
        let boss = gateway.post("/user/new", &json!({"user_id": "boss", "user_role": "internal_user"}));
        let member = json!({"role": "org_admin", "user_id": "boss"});
        gateway.post("/organization/member_add", &json!({"organization_id": "o", "member": member}));
        let key = boss["key"].as_str().expect("a key");
        let bold = |path: &str, body: Value| gateway.as_key(key, "POST", path, &body).status;
        assert_eq!(bold("/team/new", json!({"organization_id": "o", "team_id": "Admins"})), 403);
        assert_eq!(bold("/team/new", json!({"organization_id": "o", "team_id": "t"})), 200);
        assert_eq!(bold("/team/update", json!({"team_id": "t", "team_alias": "Admins"})), 403);
        expect(gateway, "DELETE", &path, &Value::Null, 204);
        assert_eq!([role("a"), role("b"), role("c")], [json!("internal_user"), json!("internal_user"), json!("proxy_admin")]);
    });
}

#[test]
fn a_group_is_a_team() {
    each(|gateway| {
        for user in ["a", "b", "c"] {
            expect(gateway, "POST", "/Users", &json!({"userName": user}), 201);
        }
        let group = json!({"displayName": "Engineers", "externalId": "g-1", "members": [{"value": "a"}, {"value": "b"}]});
        let made = expect(gateway, "POST", "/Groups", &group, 201);
        let id = made["id"].as_str().expect("an id").to_owned();
        assert_eq!(gateway.get(&format!("/team/info?team_id={id}"))["team_info"]["team_alias"], "Engineers");
        let members = |gateway: &Managed| -> Vec<String> {
            let shown = expect(gateway, "GET", &format!("/Groups/{id}"), &Value::Null, 200);
            shown["members"].as_array().expect("members").iter().map(|one| one["value"].as_str().expect("an id").to_owned()).collect()
        };
        assert_eq!(members(gateway), ["a", "b"]);
        let path = format!("/Groups/{id}");
        let operations = json!([
            {"op": "add", "path": "members", "value": [{"value": "c"}]}, {"op": "remove", "path": "members[value eq \"a\"]"},
            {"op": "replace", "value": {"displayName": "Makers"}},
        ]);
        assert_eq!(expect(gateway, "PATCH", &path, &patch(operations), 200)["displayName"], "Makers");
        assert_eq!(members(gateway), ["b", "c"]);
        assert_eq!(expect(gateway, "GET", "/Users/c", &Value::Null, 200)["groups"][0]["value"], json!(id));
        let found = expect(gateway, "GET", "/Groups?filter=displayName%20eq%20%22Makers%22", &Value::Null, 200);
        assert_eq!((&found["totalResults"], &found["Resources"][0]["externalId"]), (&json!(1), &json!("g-1")));
        expect(gateway, "PUT", &path, &json!({"displayName": "Makers", "members": [{"value": "a"}]}), 200);
        assert_eq!(members(gateway), ["a"]);
        assert_eq!(expect(gateway, "PATCH", &path, &patch(json!([{"op": "fly"}])), 400)["scimType"], "invalidSyntax");
        expect(gateway, "DELETE", &path, &Value::Null, 204);
        expect(gateway, "GET", &path, &Value::Null, 404);
        assert_eq!(expect(gateway, "GET", "/Users/a", &Value::Null, 200)["groups"], json!([]));
    });
}

#[test]
fn lists_are_cut_where_the_provider_asks() {
    let gateway = Managed::signing_in("", &[]);
    for number in 0..7 {
        expect(&gateway, "POST", "/Users", &json!({"userName": format!("u{number}")}), 201);
    }
    let page = |query: &str| expect(&gateway, "GET", &format!("/Users?{query}"), &Value::Null, 200);
    for (query, first, count) in
        [("startIndex=1&count=3", "u0", 3), ("startIndex=4&count=3", "u3", 3), ("startIndex=3&count=4", "u2", 4), ("startIndex=7", "u6", 1)]
    {
        let page = page(query);
        assert_eq!((&page["totalResults"], &page["Resources"][0]["id"]), (&json!(7), &json!(first)), "{query}");
        assert_eq!(page["itemsPerPage"], count, "{query}");
    }
    assert_eq!(page("count=0")["Resources"], json!([]));
    assert_eq!(page("startIndex=99")["Resources"], json!([]));
}

#[test]
fn it_says_what_it_can_do_and_to_administrators_alone() {
    let gateway = Managed::signing_in("", &[]);
    assert_eq!(expect(&gateway, "GET", "/ServiceProviderConfig", &Value::Null, 200)["patch"]["supported"], true);
    assert_eq!(expect(&gateway, "GET", "/ResourceTypes", &Value::Null, 200)["totalResults"], 2);
    assert_eq!(expect(&gateway, "GET", "/ResourceTypes/Group", &Value::Null, 200)["endpoint"], "/Groups");
    let schema = "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User";
    assert_eq!(expect(&gateway, "GET", schema, &Value::Null, 200)["attributes"][0]["name"], "userName");
    // A token for provisioning alone: a key of an administrator that is for these routes.
    let provisioning = gateway.key(&json!({"user_id": "default_user_id", "allowed_routes": ["/scim/*"]}));
    assert_eq!(gateway.as_key(&provisioning, "GET", "/scim/v2/Users", &Value::Null).status, 200);
    assert_eq!(gateway.as_key(&provisioning, "GET", "/user/list", &Value::Null).status, 403);
    assert_eq!(gateway.chat(&provisioning, "good").status, 403);
    // Nobody else, whatever routes their key is for.
    gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user"}));
    let own = gateway.key(&json!({"user_id": "u"}));
    let bold = gateway.as_key(&own, "POST", "/key/generate", &json!({"allowed_routes": ["/scim/*"]}));
    for key in [own.as_str(), bold.json()["key"].as_str().unwrap_or("sk-none-0000000000")] {
        assert!([401, 403].contains(&gateway.as_key(key, "GET", "/scim/v2/Users", &Value::Null).status.as_u16()), "{key}");
    }
}
