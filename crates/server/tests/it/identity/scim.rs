//! Users and groups that an identity provider makes.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, each};

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
        assert_eq!(expect(gateway, "GET", &path, &Value::Null, 404)["status"], "404");
        assert_eq!(gateway.chat(&key, "good").status, 401);
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
