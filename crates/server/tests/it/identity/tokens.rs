//! Signed tokens in place of keys.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::issuer::{CLIENT, Provider, unix};
use crate::app::Reply;
use crate::managed::{MASTER, Managed};

const FIELDS: &str = "user_id_jwt_field: sub, user_email_jwt_field: email, user_id_upsert: true, team_ids_jwt_field: groups, \
                      end_user_id_jwt_field: customer, jwt_client_id_field: azp";

fn gateway(provider: &Provider, more: &str) -> Managed {
    let yaml = format!("  enable_jwt_auth: true\n  litellm_jwtauth: {{{FIELDS}{more}}}\n");
    let keys = provider.keys_url();
    Managed::signing_in(&yaml, &[("JWT_PUBLIC_KEY_URL", &keys), ("JWT_AUDIENCE", CLIENT), ("JWT_ISSUER", &provider.url)])
}

fn status(gateway: &Managed, token: &str) -> u16 {
    gateway.chat(token, "good").status.as_u16()
}

fn message(reply: &Reply) -> String {
    reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_token_is_its_user() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let token = provider.token(&json!({"sub": "ann", "email": "ann@example.com"}));
    let reply = gateway.chat(&token, "good");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let made = gateway.get("/user/info?user_id=ann");
    assert_eq!((&made["user_info"]["user_email"], &made["user_info"]["user_role"]), (&json!("ann@example.com"), &json!("internal_user")));
    // It may what its user may, and no more.
    assert_eq!(gateway.as_key(&token, "GET", "/user/info", &Value::Null).json()["user_id"], "ann");
    assert_eq!(gateway.as_key(&token, "GET", "/user/list", &Value::Null).status, 403);
    assert_eq!(gateway.as_key(&token, "POST", "/team/new", &json!({})).status, 401);
    gateway.post("/user/update", &json!({"user_id": "ann", "models": ["other"]}));
    assert_eq!(gateway.chat(&token, "good").status, 403, "the user is followed at once");
    // Nor does it name who is the gateway's own.
    for reserved in ["default_user_id", "litellm-proxy-budget"] {
        let token = provider.token(&json!({"sub": reserved}));
        assert_eq!(gateway.as_key(&token, "GET", "/user/list", &Value::Null).status, 403, "{reserved}");
    }
    assert_eq!(provider.state.lock().expect("lock").key_asks, 1);
}

#[test]
fn whom_a_token_names_first_is_given_what_newcomers_are() {
    let provider = Provider::start();
    let given = "{user_role: internal_user_viewer, max_budget: 3, budget_duration: 1d, teams: [{team_id: t, max_budget_in_team: 2}, none]}";
    let jwt = format!("  enable_jwt_auth: true\n  litellm_jwtauth: {{{FIELDS}}}\n");
    let yaml = format!("{jwt}litellm_settings: {{default_internal_user_params: {given}}}\n");
    let keys = provider.keys_url();
    let gateway = Managed::signing_in(&yaml, &[("JWT_PUBLIC_KEY_URL", &keys), ("JWT_AUDIENCE", CLIENT), ("JWT_ISSUER", &provider.url)]);
    gateway.post("/team/new", &json!({"team_id": "t"}));
    let token = provider.token(&json!({"sub": "ann"}));
    assert_eq!(status(&gateway, &token), 200);
    let made = gateway.get("/user/info?user_id=ann");
    let user = &made["user_info"];
    assert_eq!((&user["user_role"], &user["max_budget"]), (&json!("internal_user_viewer"), &json!(3.0)));
    assert_eq!((&user["budget_duration"], &user["teams"]), (&json!("1d"), &json!(["t"])));
    let member = &gateway.get("/team/info?team_id=t")["team_memberships"];
    let own = member.as_array().expect("members").iter().find(|one| one["user_id"] == "ann").expect("the newcomer");
    assert_eq!(own["litellm_budget_table"]["max_budget"], 2.0);
    gateway.post("/user/update", &json!({"user_id": "ann", "max_budget": 9}));
    assert_eq!(status(&gateway, &token), 200);
    assert_eq!(gateway.get("/user/info?user_id=ann")["user_info"]["max_budget"], 9.0, "it is given once");
}

#[test]
fn a_blank_names_nobody() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let people = gateway.get("/user/list")["total"].clone();
    for blank in [" ", "\t", "\u{a0} "] {
        let token = provider.token(&json!({"sub": blank, "email": " ", "groups": [" "]}));
        let told = gateway.as_key(&token, "GET", "/user/info", &Value::Null);
        assert!(told.json()["user_id"].is_null(), "{}", told.text());
        assert_eq!(gateway.get("/user/list")["total"], people, "nobody is made");
    }
}

#[test]
fn an_administrators_token_manages_and_calls_no_models() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let token = provider.token(&json!({"sub": "root", "scope": "openid litellm_proxy_admin"}));
    assert_eq!(gateway.as_key(&token, "POST", "/team/new", &json!({"team_id": "t"})).status, 200);
    assert_eq!(status(&gateway, &token), 403);
    let near = provider.token(&json!({"sub": "root", "scope": "litellm_proxy_admin2 xlitellm_proxy_admin"}));
    assert_eq!(gateway.as_key(&near, "POST", "/team/new", &json!({})).status, 401);
}

#[test]
fn bad_tokens_open_nothing_and_break_nothing() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let header = json!({"alg": "ES256", "kid": "one"});
    let with = |more: Value| provider.token(&more);
    let hs = |secret: &[u8]| {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": "one"}).to_string()),
            URL_SAFE_NO_PAD.encode(provider.claims(&json!({"sub": "x"})).to_string())
        );
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    };
    let good = with(json!({"sub": "x"}));
    let (head, _) = good.rsplit_once('.').expect("a token");
    let stranger = Provider::start();
    for (what, token) in [
        ("expired", with(json!({"sub": "x", "exp": unix() - 120}))),
        ("without an end", provider.signed(&header, &json!({"sub": "x", "iss": provider.url, "aud": CLIENT}))),
        ("for others", with(json!({"sub": "x", "aud": "others"}))),
        ("by others", with(json!({"sub": "x", "iss": "https://others"}))),
        ("before its time", with(json!({"sub": "x", "nbf": unix() + 600}))),
        ("from the future", with(json!({"sub": "x", "iat": unix() + 600}))),
        ("signed by a stranger", stranger.signed(&header, &provider.claims(&json!({"sub": "x"})))),
        ("with an unknown key", provider.signed(&json!({"alg": "ES256", "kid": "two"}), &provider.claims(&json!({"sub": "x"})))),
        ("none", format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), head.split_once('.').expect("parts").1)),
        ("alg confusion", hs(&provider.public())),
        ("alg confusion with the set", hs(b"one")),
        ("cut", head.to_owned() + ".AAAA"),
        ("huge", format!("{}.{}.{}", "A".repeat(9000), "B".repeat(9000), "C".repeat(90))),
        ("larger than any header", format!("{}.B.C", "A".repeat(60_000))),
    ] {
        for path in ["/v1/models", "/key/info"] {
            let reply = gateway.app.ask("GET", path).key(&token).send();
            let status = reply.status.as_u16();
            assert!(status == 401 || what.starts_with("larger") && matches!(status, 400 | 413 | 431), "{what} {path}: {status}");
        }
    }
    // Whoever comes with bad tokens is no guesser of keys: good ones are heard.
    assert_eq!(status(&gateway, &good), 200);
    assert!(provider.state.lock().expect("lock").key_asks <= 2, "unknown keys make nobody ask again and again");
}

#[test]
fn trouble_with_an_issuer_is_never_a_401() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let token = provider.token(&json!({"sub": "ann"}));
    provider.set_down(true);
    let reply = gateway.chat(&token, "good");
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"), "{}", reply.text());
    // A virtual key needs no issuer.
    let key = gateway.key(&json!({}));
    assert_eq!(status(&gateway, &key), 200);
    provider.set_down(false);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while status(&gateway, &token) == 503 {
        assert!(std::time::Instant::now() < deadline, "the keys are asked for again");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    provider.set_down(true);
    assert_eq!(status(&gateway, &token), 200);
    assert_eq!(status(&gateway, &provider.token(&json!({"sub": "bob"}))), 200, "what is known is believed");
}

#[test]
fn a_token_of_teams_is_used_in_the_first_that_has_the_model() {
    let provider = Provider::start();
    let gateway = gateway(&provider, ", upsert_sso_user_to_team: true");
    gateway.post("/team/new", &json!({"team_id": "one", "models": ["other"]}));
    gateway.post("/team/new", &json!({"team_id": "two", "models": ["good"]}));
    let token = provider.token(&json!({"sub": "ann", "groups": ["one", "two"]}));
    for model in ["good", "other"] {
        let reply = gateway.chat(&token, model);
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
    }
    let teams = gateway.get("/user/info?user_id=ann")["teams"].as_array().expect("teams").len();
    assert_eq!(teams, 2, "the user was put into them");
    gateway.post("/team/update", &json!({"team_id": "two", "models": ["other"]}));
    assert_eq!(status(&gateway, &token), 403, "a change of the second team is heard too");
    let nowhere = gateway.chat(&provider.token(&json!({"sub": "ann", "groups": ["none"]})), "good");
    assert_eq!(nowhere.status, 403);
    assert!(message(&nowhere).contains("Team doesn't exist in db"), "{}", nowhere.text());
}

#[test]
fn a_virtual_key_stands_for_tokens_with_its_claim() {
    let provider = Provider::start();
    let gateway = gateway(&provider, ", unregistered_jwt_client_behavior: reject");
    let key = gateway.key(&json!({"models": ["good"]}));
    let token = provider.token(&json!({"sub": "app", "azp": "client-1"}));
    assert_eq!(status(&gateway, &token), 403, "no key is mapped");
    let new = json!({"jwt_claim_name": "azp", "jwt_claim_value": "client-1", "key": key, "description": "an app"});
    let made = gateway.post("/jwt/key/mapping/new", &new);
    assert_eq!((&made["is_active"], &made["jwt_issuer"]), (&json!(true), &Value::Null));
    assert!(!made.to_string().contains(&key));
    assert_eq!(gateway.as_key(MASTER, "POST", "/jwt/key/mapping/new", &new).status, 409);
    assert_eq!(gateway.as_key(MASTER, "POST", "/jwt/key/mapping/new", &json!({"jwt_claim_name": "a", "jwt_claim_value": "b"})).status, 400);
    let strange = json!({"jwt_claim_name": "a", "jwt_claim_value": "b", "key": "sk-none"});
    assert_eq!(gateway.as_key(MASTER, "POST", "/jwt/key/mapping/new", &strange).status, 400);
    assert_eq!(status(&gateway, &token), 200);
    assert_eq!(gateway.chat(&token, "other").status, 403, "as the key may not");
    let id = made["id"].as_str().expect("an id");
    gateway.post("/jwt/key/mapping/update", &json!({"id": id, "is_active": false}));
    assert_eq!(status(&gateway, &token), 403);
    gateway.post("/jwt/key/mapping/update", &json!({"id": id, "is_active": true}));
    assert_eq!(status(&gateway, &token), 200);
    gateway.post("/key/block", &json!({"key": key}));
    assert_eq!(status(&gateway, &token), 401, "what becomes of the key is heard at once");
    gateway.post("/key/unblock", &json!({"key": key}));
    let key = gateway.post("/key/regenerate", &json!({"key": key}))["key"].as_str().expect("a key").to_owned();
    assert_eq!(status(&gateway, &token), 200, "the new key stands for it");
    let listed = gateway.get("/jwt/key/mapping/list");
    assert_eq!((&listed["total_count"], &listed["mappings"][0]["id"]), (&json!(1), &json!(id)));
    assert_eq!(gateway.get(&format!("/jwt/key/mapping/info?id={id}"))["description"], "an app");
    assert_eq!(gateway.post("/jwt/key/mapping/delete", &json!({"id": id})), json!({"status": "success"}));
    assert_eq!(gateway.as_key(MASTER, "POST", "/jwt/key/mapping/delete", &json!({"id": id})).status, 404);
    let refused = gateway.chat(&token, "good");
    assert_eq!(refused.status, 403);
    assert_eq!(message(&refused), "JWT Key Mapping: No registered mapping for azp='client-1'. Access denied.");
    let again = gateway.post("/jwt/key/mapping/new", &json!({"jwt_claim_name": "azp", "jwt_claim_value": "client-1", "key": key}));
    gateway.post("/key/delete", &json!({"keys": [key]}));
    let path = format!("/jwt/key/mapping/info?id={}", again["id"].as_str().expect("an id"));
    assert_eq!(gateway.as_key(MASTER, "GET", &path, &Value::Null).status, 404);
}

#[test]
fn who_leaves_the_mapped_claim_out_is_not_let_in_by_that() {
    let provider = Provider::start();
    for behavior in ["reject", "auto_register"] {
        let gateway = gateway(&provider, &format!(", unregistered_jwt_client_behavior: {behavior}"));
        let refused = gateway.chat(&provider.token(&json!({"sub": "app"})), "good");
        assert_eq!((refused.status.as_u16(), message(&refused).contains("Required claim 'azp' is missing")), (403, true), "{behavior}");
    }
}

#[test]
fn a_key_is_made_for_a_token_that_none_stands_for() {
    let provider = Provider::start();
    let gateway = gateway(&provider, ", unregistered_jwt_client_behavior: auto_register, user_allowed_email_domain: example.com");
    gateway.post("/team/new", &json!({"team_id": "t"}));
    let token = |more: Value| {
        let mut claims = json!({"sub": "ann", "email": "ann@example.com", "groups": ["t"], "azp": "client-1"});
        claims.as_object_mut().expect("claims").extend(more.as_object().cloned().unwrap_or_default());
        provider.token(&claims)
    };
    let mappings = || gateway.get("/jwt/key/mapping/list");
    assert_eq!(status(&gateway, &token(json!({"email": "ann@elsewhere.example"}))), 403);
    assert_eq!(status(&gateway, &token(json!({"groups": ["none"]}))), 403);
    assert_eq!(mappings()["total_count"], 0, "what the settings refuse gets no key");
    let together: Vec<String> = (0..4).map(|at| token(json!({"jti": at}))).collect();
    std::thread::scope(|scope| together.iter().for_each(|token| drop(scope.spawn(|| assert_eq!(status(&gateway, token), 200)))));
    let made = mappings();
    assert_eq!((&made["total_count"], &made["mappings"][0]["created_by"]), (&json!(1), &json!("auto_register")), "{made}");
    assert_eq!(made["mappings"][0]["jwt_issuer"], json!(provider.url));
    let keys = gateway.get("/key/list?user_id=ann&return_full_object=true");
    let key = &keys["keys"][0];
    assert_eq!((&keys["total_count"], &key["team_id"]), (&json!(1), &json!("t")), "{keys}");
    assert_eq!(key["metadata"], json!({"auto_registered": true, "jwt_claim_field": "azp", "jwt_claim_value": "client-1"}));
    gateway.post("/key/update", &json!({"key": key["token"], "models": ["other"]}));
    assert_eq!(status(&gateway, &token(json!({}))), 403, "it is as its key is");
    gateway.post("/key/update", &json!({"key": key["token"], "models": [], "blocked": true}));
    assert_eq!(status(&gateway, &token(json!({}))), 401);
    gateway.post("/key/update", &json!({"key": key["token"], "blocked": false}));
    let id = &made["mappings"][0]["id"];
    gateway.post("/jwt/key/mapping/update", &json!({"id": id, "is_active": false}));
    assert_eq!((status(&gateway, &token(json!({}))), &mappings()["total_count"]), (403, &json!(1)), "what was shut stays so");
    // An administrator's token needs none.
    let root = provider.token(&json!({"sub": "root", "azp": "client-2", "email": "r@example.com", "scope": "litellm_proxy_admin"}));
    assert_eq!(gateway.as_key(&root, "GET", "/user/list", &Value::Null).status, 200);
    assert_eq!(mappings()["total_count"], 1);
}

#[test]
fn a_key_that_the_user_has_stands_for_the_token_where_that_is_wanted() {
    let provider = Provider::start();
    let wanted = ", virtual_key_claim_field: sub, unregistered_jwt_client_behavior: auto_register, auto_register_map_existing_key: true";
    let gateway = gateway(&provider, wanted);
    gateway.post("/team/new", &json!({"team_id": "t"}));
    for user in ["ann", "bob"] {
        gateway.post("/user/new", &json!({"user_id": user, "user_role": "internal_user", "auto_create_key": false}));
    }
    let own = gateway.key(&json!({"user_id": "ann", "models": ["other"]}));
    for passed_over in [
        json!({"user_id": "ann", "duration": "1h"}),
        json!({"user_id": "ann", "blocked": true}),
        json!({"user_id": "ann", "team_id": "t"}),
        json!({"user_id": "ann", "allowed_routes": ["/key/info"]}),
        json!({"user_id": "bob", "duration": "1h"}),
    ] {
        gateway.key(&passed_over);
    }
    let (ann, bob) = (provider.token(&json!({"sub": "ann"})), provider.token(&json!({"sub": "bob"})));
    assert_eq!((gateway.chat(&ann, "other").status.as_u16(), status(&gateway, &ann)), (200, 403), "as that key may");
    assert_eq!(gateway.get("/key/list?user_id=ann")["total_count"], 5, "none was made");
    gateway.post("/key/delete", &json!({"keys": [own]}));
    assert_eq!(status(&gateway, &bob), 200);
    assert_eq!(gateway.get("/key/list?user_id=bob")["total_count"], 2, "one that ends does not do");
}

#[test]
fn the_user_of_a_mapped_key_gets_the_address_of_the_token() {
    let provider = Provider::start();
    let gateway = gateway(&provider, ", unregistered_jwt_client_behavior: reject");
    for user in ["ann", "bob"] {
        gateway.post("/user/new", &json!({"user_id": user, "auto_create_key": false}));
    }
    let key = gateway.key(&json!({"user_id": "ann"}));
    gateway.post("/jwt/key/mapping/new", &json!({"jwt_claim_name": "azp", "jwt_claim_value": "app", "key": key}));
    let email = |user: &str| gateway.get(&format!("/user/info?user_id={user}"))["user_info"]["user_email"].clone();
    let ask = |sub: &str, address: &str| status(&gateway, &provider.token(&json!({"sub": sub, "azp": "app", "email": address})));
    assert_eq!((ask("bob", "bob@example.com"), email("ann"), email("bob")), (200, Value::Null, Value::Null), "another's token");
    assert_eq!((ask("ann", "ann@example.com"), email("ann")), (200, json!("ann@example.com")));
    assert_eq!((ask("ann", "new@example.com"), email("ann")), (200, json!("ann@example.com")), "once");
}

#[test]
fn several_issuers_each_have_their_own_claims() {
    let (one, other) = (Provider::start(), Provider::start());
    let (first, second) = (format!("{{issuer: {}, audience: a, user_id_jwt_field: sub}}", one.url), &other.url);
    let second = format!("{{issuer: {second}, jwks_url: {second}/keys, audience: b, user_id_jwt_field: uid}}");
    let yaml = format!("  enable_jwt_auth: true\n  litellm_jwtauth: {{user_id_upsert: true, issuers: [{first}, {second}]}}\n");
    let gateway = Managed::signing_in(&yaml, &[]);
    let who = |token: &str| gateway.as_key(token, "GET", "/user/info", &Value::Null).json()["user_id"].clone();
    assert_eq!(who(&one.token(&json!({"aud": "a", "sub": "ann", "uid": "not"}))), "ann");
    assert_eq!(who(&other.token(&json!({"aud": "b", "sub": "not", "uid": "bob"}))), "bob");
    for crossed in [one.token(&json!({"aud": "b", "sub": "x"})), one.token(&json!({"iss": other.url, "aud": "b", "uid": "x"}))] {
        assert_eq!(status(&gateway, &crossed), 401);
    }
}
