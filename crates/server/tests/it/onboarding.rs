//! Invitations: a link, the word it gives, and the password that is set with it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, each};

fn invited(gateway: &Managed, user: &str) -> String {
    let email = format!("{user}@here.test");
    gateway.post("/user/new", &json!({"user_id": user, "user_email": email, "user_role": "internal_user", "auto_create_key": false}));
    let invitation = gateway.post("/invitation/new", &json!({"user_id": user}));
    assert_eq!(
        (&invitation["user_id"], &invitation["is_accepted"], &invitation["accepted_at"]),
        (&json!(user), &json!(false), &Value::Null)
    );
    assert!(invitation["expires_at"].is_string() && invitation["created_by"].is_string(), "{invitation}");
    invitation["id"].as_str().expect("an id").to_owned()
}

/// The word that opening a link gives.
fn opened(gateway: &Managed, id: &str) -> String {
    let reply = gateway.app.ask("GET", &format!("/onboarding/get_token?invite_link={id}")).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = reply.json();
    let token = told["token"].as_str().expect("a token");
    assert!(told["login_url"].as_str().is_some_and(|url| url.contains("ui/onboarding") && url.contains("token=")), "{told}");
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("three parts")).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["key"].as_str().expect("a word").to_owned()
}

fn claim(gateway: &Managed, (id, user): (&str, &str), word: &str, password: &str) -> Reply {
    let body = json!({"invitation_link": id, "user_id": user, "password": password});
    gateway.app.ask("POST", "/onboarding/claim_token").key(word).json(&body).send()
}

fn sign_in(gateway: &Managed, user: &str, password: &str) -> u16 {
    let body = json!({"username": format!("{user}@here.test"), "password": password});
    gateway.app.ask("POST", "/v2/login").json(&body).send().status.as_u16()
}

#[test]
fn whoever_is_invited_sets_a_password_once_and_is_signed_in() {
    each(|gateway| {
        let id = invited(gateway, "ann");
        let word = opened(gateway, &id);
        let reply = claim(gateway, (&id, "ann"), &word, "a long enough password");
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.header("set-cookie").contains("token=") && reply.header("set-cookie").contains("HttpOnly"));
        let told = reply.json();
        assert_eq!((&told["user_email"], &told["user"]["user_id"]), (&json!("ann@here.test"), &json!("ann")));
        assert!(told["login_url"].as_str().is_some_and(|url| url.ends_with("/ui?login=success")), "{told}");
        assert_eq!(sign_in(gateway, "ann", "a long enough password"), 200);
        assert_eq!(gateway.get(&format!("/invitation/info?invitation_id={id}"))["is_accepted"], true);
        let again = gateway.app.ask("GET", &format!("/onboarding/get_token?invite_link={id}")).send();
        assert_eq!(again.status, 401);
        assert_eq!(claim(gateway, (&id, "ann"), &word, "another one").status, 401);
        assert_eq!(sign_in(gateway, "ann", "another one"), 401);
    });
}

#[test]
fn a_link_is_good_with_its_word_and_for_its_user_alone() {
    each(|gateway| {
        let (id, other) = (invited(gateway, "ben"), invited(gateway, "cleo"));
        let detail = |reply: &Reply| (reply.status.as_u16(), reply.json()["detail"]["error"].as_str().unwrap_or_default().to_owned());
        let unknown = (401, "Invitation link does not exist in db.".to_owned());
        assert_eq!(detail(&gateway.app.ask("GET", "/onboarding/get_token?invite_link=nothing").send()), unknown);
        assert_eq!(gateway.app.ask("GET", "/onboarding/get_token").send().status, 422);
        assert_eq!(detail(&claim(gateway, ("nothing", "ben"), "x", "a password")), unknown);
        let session = (401, "Invalid onboarding session for invitation link.".to_owned());
        assert_eq!(detail(&claim(gateway, (&id, "ben"), "never opened", "a password")), session);
        let (former, word) = (opened(gateway, &id), opened(gateway, &id));
        assert_eq!(detail(&claim(gateway, (&id, "ben"), &former, "a password")), session);
        let mismatch = detail(&claim(gateway, (&id, "cleo"), &word, "a password"));
        assert!(mismatch.0 == 401 && mismatch.1.contains("Invalid invitation link") && mismatch.1.contains("cleo"), "{mismatch:?}");
        assert_eq!(detail(&claim(gateway, (&other, "cleo"), &word, "a password")), session);
        assert_eq!(gateway.as_key(&word, "GET", "/key/info", &Value::Null).status, 401, "the word is no key");
        gateway.post("/invitation/delete", &json!({"invitation_id": id}));
        assert_eq!(detail(&claim(gateway, (&id, "ben"), &word, "a password")), unknown);
        assert_eq!(sign_in(gateway, "ben", "a password"), 401);
    });
}

#[test]
fn administrators_alone_invite_and_only_who_is_there() {
    each(|gateway| {
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&key, "POST", "/invitation/new", &json!({"user_id": "ann"})).status, 401);
        assert_eq!(gateway.as_key(MASTER, "POST", "/invitation/new", &json!({"user_id": "nobody"})).status, 400);
        assert_eq!(gateway.as_key(MASTER, "GET", "/invitation/info?invitation_id=x", &Value::Null).status, 400);
        let id = invited(gateway, "dora");
        let updated = gateway.post("/invitation/update", &json!({"invitation_id": id, "is_accepted": true}));
        assert!(updated["is_accepted"] == true && updated["accepted_at"].is_string(), "{updated}");
        let written = gateway.get("/audit?page_size=100").to_string();
        assert!(written.contains("invitation") && !written.contains(&id), "what a link is made of is in no log");
    });
}
