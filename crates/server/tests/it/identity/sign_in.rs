//! Signing in and out, by a password and at an identity provider.

use serde_json::{Value, json};

use super::issuer::{CLIENT, Provider, SECRET, pairs};
use crate::app::Reply;
use crate::managed::{MASTER, Managed};

/// A browser of one person: its cookies, and the word its pages know.
struct Browser<'a> {
    gateway: &'a Managed,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    fn new(gateway: &'a Managed) -> Self {
        Self { gateway, cookies: Vec::new() }
    }

    fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut ask = self.gateway.app.ask(method, path);
        if !self.cookies.is_empty() {
            let line: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            ask = ask.header("cookie", &line.join("; "));
        }
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        let reply = if body.is_null() { ask.send() } else { ask.json(body).send() };
        for set in reply.headers.get_all("set-cookie") {
            let text = set.to_str().expect("text");
            assert!(text.contains("; HttpOnly") && text.contains("; SameSite="), "{text}");
            let (name, value) = text.split(';').next().expect("a cookie").split_once('=').expect("a value");
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        reply
    }

    fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, &[], &Value::Null)
    }

    fn login(&mut self, username: &str, password: &str) -> Reply {
        self.send("POST", "/v2/login", &[], &json!({"username": username, "password": password}))
    }

    fn word(&mut self) -> String {
        self.get("/session").json()["csrf_token"].as_str().expect("a word").to_owned()
    }

    /// Changes something, as a page of ours would.
    fn post(&mut self, path: &str, body: &Value) -> Reply {
        let word = self.word();
        self.send("POST", path, &[("x-csrf-token", &word)], body)
    }
}

#[test]
fn the_administrator_signs_in_works_and_signs_out() {
    let gateway = Managed::signing_in("", &[("UI_USERNAME", "boss"), ("UI_PASSWORD", "a long password")]);
    let mut browser = Browser::new(&gateway);
    for (name, password) in [("boss", "wrong"), ("admin", "a long password"), ("", ""), ("boss", MASTER)] {
        let reply = browser.login(name, password);
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["param"]), (401, &json!("invalid_credentials")), "{name}");
    }
    assert_eq!(browser.get("/session").status, 401);
    let reply = browser.login("boss", "a long password");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.json()["redirect_url"].as_str().expect("a URL").ends_with("/ui?login=success"));
    let secret = browser.cookies[0].1.clone();
    assert!(!reply.text().contains(&secret), "no script is told");
    assert_eq!(browser.get("/session").json()["user_role"], "proxy_admin");
    assert_eq!(browser.get("/user/list").status, 200);
    // A browser sends its cookies whoever asks it to: without the word nothing changes.
    let team = json!({"team_id": "t"});
    assert_eq!(browser.send("POST", "/team/new", &[], &team).status, 403);
    assert_eq!(browser.send("POST", "/team/new", &[("x-csrf-token", "guess")], &team).status, 403);
    let word = browser.word();
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(browser.send("POST", "/team/new", &[("x-csrf-token", &word), (name, value)], &team).status, 403, "{value}");
    }
    assert_eq!(browser.post("/team/new", &team).status, 200);
    assert_eq!(browser.send("POST", "/logout", &[("origin", "https://evil.example")], &Value::Null).status, 403);
    let kept = browser.cookies.clone();
    assert_eq!(browser.send("POST", "/logout", &[], &Value::Null).status, 200);
    assert!(browser.cookies.is_empty());
    browser.cookies = kept;
    assert_eq!(browser.get("/user/list").status, 401, "the session is over, not only the cookie");
    // The form, for people.
    let form = gateway.get("/sso/readiness");
    assert_eq!(form["sso_configured"], false);
    let page = gateway.app.get("/sso/key/generate");
    assert!(
        page.text().contains("<form method=\"post\" action=\"/login\">")
            && page.header("content-security-policy").contains("form-action 'self'")
    );
    let filled = gateway.app.ask("POST", "/login").body("username=boss&password=a+long%20password").send();
    assert_eq!((filled.status.as_u16(), filled.header("location")), (303, "/ui?login=success"));
    assert_eq!(gateway.app.get("/ui?login=success").status, 200, "what it leads to is there");
}

#[test]
fn the_master_key_is_the_password_where_none_is_set() {
    let gateway = Managed::signing_in("  ui_access_mode: admin_only\n", &[]);
    assert_eq!(Browser::new(&gateway).login("admin", MASTER).status, 200);
    gateway.post("/user/new", &json!({"user_id": "u", "user_email": "u@example.com", "user_role": "internal_user", "password": "pass"}));
    assert_eq!(Browser::new(&gateway).login("u@example.com", "pass").status, 401, "administrators alone");
}

#[test]
fn a_session_ends_when_its_holder_is_no_longer_who_they_were() {
    let gateway = Managed::signing_in("", &[]);
    let user = json!({"user_id": "u", "user_email": "U@example.com", "user_role": "internal_user", "password": "first"});
    let made = gateway.post("/user/new", &user);
    assert!(!made.to_string().contains("first") && !made.to_string().contains("argon2"));
    let signed_in = |password: &str| {
        let mut browser = Browser::new(&gateway);
        assert_eq!(browser.login("u@EXAMPLE.com", password).status, 200);
        assert_eq!(browser.get("/user/info").json()["user_id"], "u");
        browser
    };
    let mut browser = signed_in("first");
    assert_eq!(browser.get("/user/list").status, 403, "it is what its user is");
    assert_eq!(browser.post("/key/generate", &json!({})).status, 200);
    gateway.post("/user/update", &json!({"user_id": "u", "password": "second"}));
    assert_eq!(browser.get("/user/info").status, 401, "the password is another");
    assert_eq!(Browser::new(&gateway).login("u@example.com", "first").status, 401);
    let mut browser = signed_in("second");
    gateway.post("/user/update", &json!({"user_id": "u", "user_role": "proxy_admin"}));
    assert_eq!(browser.get("/user/info").status, 401, "the role is another");
    let mut browser = signed_in("second");
    assert_eq!(gateway.get("/session/list?user_id=u")["sessions"].as_array().expect("sessions").len(), 2);
    gateway.post("/session/revoke", &json!({"user_id": "u"}));
    assert_eq!(browser.get("/user/info").status, 401, "it was revoked");
    let mut browser = signed_in("second");
    gateway.post("/user/delete", &json!({"user_ids": ["u"]}));
    assert_eq!(browser.get("/user/info").status, 401, "there is no such user");
    // Nothing shows the password, hashed or not.
    for path in ["/user/list", "/audit?page_size=100", "/user/info?user_id=default_user_id"] {
        let shown = gateway.get(path).to_string();
        assert!(!shown.contains("argon2") && !shown.contains("\"second\""), "{path}: {shown}");
    }
}

#[test]
fn somebody_sets_another_password_and_ends_a_session() {
    let gateway = Managed::signing_in("", &[]);
    let user = json!({"user_id": "u", "user_email": "u@example.com", "user_role": "internal_user", "password": "first"});
    let key = gateway.post("/user/new", &user)["key"].as_str().expect("a key").to_owned();
    let (mut one, mut other) = (Browser::new(&gateway), Browser::new(&gateway));
    assert_eq!((one.login("u", "first").status.as_u16(), other.login("u", "first").status.as_u16()), (200, 200));
    let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let path = "/user/password/change";
    assert_eq!(one.send("POST", path, &[], &change("first", "second")).status, 403, "without the word");
    for (body, status) in [(change("wrong", "second"), 400), (change("first", "first"), 400), (json!({"new_password": "x"}), 422)] {
        assert_eq!(one.post(path, &body).status, status, "{body}");
    }
    for credential in [key.as_str(), MASTER] {
        assert_eq!(gateway.as_key(credential, "POST", path, &change("first", "second")).status, 403, "a key has no password");
        assert_eq!(gateway.as_key(credential, "POST", "/session/logout", &Value::Null).status, 403);
    }
    let done = one.post(path, &change("first", "second"));
    assert_eq!((done.status.as_u16(), &done.json()["user_id"]), (200, &json!("u")), "{}", done.text());
    assert_eq!((one.get("/user/info").status.as_u16(), other.get("/user/info").status.as_u16()), (200, 401));
    assert_eq!(other.login("u", "first").status, 401);
    assert_eq!(other.login("u", "second").status, 200);
    let kept = one.cookies.clone();
    assert_eq!(one.send("POST", "/session/logout", &[("origin", "https://evil.example")], &Value::Null).status, 403);
    assert_eq!(one.send("POST", "/session/logout", &[], &Value::Null).json(), json!({"message": "Session revoked."}));
    assert!(one.cookies.is_empty());
    one.cookies = kept;
    assert_eq!((one.get("/user/info").status.as_u16(), other.get("/user/info").status.as_u16()), (401, 200), "that one alone");
    // The administrator's password is the configuration's.
    let mut root = Browser::new(&gateway);
    assert_eq!(root.login("admin", MASTER).status, 200);
    assert_eq!(root.post(path, &change(MASTER, "second")).status, 403);
}

#[test]
fn guesses_of_passwords_are_counted() {
    let gateway = Managed::signing_in("", &[]);
    let statuses: Vec<u16> = (0..22).map(|_| Browser::new(&gateway).login("admin", "wrong").status.as_u16()).collect();
    assert_eq!((statuses[0], statuses[21]), (401, 429));
}

const REDIRECT: &str = "/sso/callback";

fn with_provider(provider: &Provider, more: &[(&str, &str)]) -> Managed {
    let (authorization, token, userinfo) =
        (format!("{}/authorize?prompt=login", provider.url), format!("{}/token", provider.url), format!("{}/userinfo", provider.url));
    let mut variables = vec![
        ("GENERIC_CLIENT_ID", CLIENT),
        ("GENERIC_CLIENT_SECRET", SECRET),
        ("GENERIC_AUTHORIZATION_ENDPOINT", authorization.as_str()),
        ("GENERIC_TOKEN_ENDPOINT", &token),
        ("GENERIC_USERINFO_ENDPOINT", &userinfo),
    ];
    variables.extend(more);
    Managed::signing_in("", &variables)
}

/// Goes to the provider and comes back as that person; `change` may put wrong what comes back.
fn come_back(browser: &mut Browser<'_>, provider: &Provider, person: &Value, change: impl Fn(&mut Value, &mut String)) -> (Reply, String) {
    let left = browser.get("/sso/key/generate");
    assert_eq!(left.status, 303, "{}", left.text());
    let (place, query) = left.header("location").split_once('?').expect("a query");
    assert_eq!(place, format!("{}/authorize", provider.url));
    let asked: std::collections::HashMap<String, String> = pairs(query).into_iter().collect();
    assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
    assert!(asked["redirect_uri"].ends_with(REDIRECT) && asked["prompt"] == "login");
    let mut said = json!({"id_token": provider.claims(&json!({"sub": person["sub"], "nonce": asked["nonce"]})), "userinfo": person});
    let mut state = asked["state"].clone();
    change(&mut said, &mut state);
    let code = format!("code-{}", asked["nonce"]);
    provider.state.lock().expect("lock").codes.insert(code.clone(), (asked["code_challenge"].clone(), said));
    let back = format!("{REDIRECT}?code={code}&state={state}");
    (browser.get(&back), back)
}

fn ann() -> Value {
    json!({"sub": "1", "preferred_username": "ann", "email": "ann@example.com", "name": "Ann"})
}

#[test]
fn somebody_signs_in_at_their_identity_provider() {
    let provider = Provider::start();
    let gateway = with_provider(&provider, &[("PROXY_ADMIN_ID", "root"), ("ALLOWED_EMAIL_DOMAINS", "example.com, corp.example")]);
    let mut browser = Browser::new(&gateway);
    let (reply, back) = come_back(&mut browser, &provider, &ann(), |_, _| {});
    assert_eq!((reply.status.as_u16(), reply.header("location")), (303, "/ui/?login=success"), "{}", reply.text());
    let told = browser.get("/session").json();
    assert_eq!((&told["user_id"], &told["user_role"]), (&json!("ann"), &json!("internal_user_viewer")));
    let made = gateway.get("/user/info?user_id=ann");
    assert_eq!((&made["user_info"]["user_email"], &made["user_info"]["sso_user_id"]), (&json!("ann@example.com"), &json!("ann")));
    assert_eq!(made["user_info"]["metadata"], json!({"auth_provider": "generic"}));
    // What came back once does not come back again, with the cookie or without.
    assert_eq!(browser.get(&back).status, 401);
    let mut root = Browser::new(&gateway);
    let person = json!({"sub": "2", "preferred_username": "root", "email": "root@corp.example"});
    assert_eq!(come_back(&mut root, &provider, &person, |_, _| {}).0.status, 303);
    assert_eq!(root.get("/session").json()["user_role"], "proxy_admin");
    for email in ["x@evil-example.com", "x@example.com.evil", "", "example.com"] {
        let person = json!({"sub": "3", "preferred_username": "x", "email": email});
        assert_eq!(come_back(&mut Browser::new(&gateway), &provider, &person, |_, _| {}).0.status, 401, "{email}");
    }
}

#[test]
fn what_comes_back_wrong_opens_nothing() {
    let provider = Provider::start();
    let keys = provider.keys_url();
    for signed in [false, true] {
        let more: Vec<(&str, &str)> = if signed { vec![("GENERIC_JWKS_URL", &keys), ("GENERIC_ISSUER", &provider.url)] } else { vec![] };
        let gateway = with_provider(&provider, &more);
        assert_eq!(come_back(&mut Browser::new(&gateway), &provider, &ann(), |_, _| {}).0.status, 303, "signed: {signed}");
        type Change = fn(&mut Value, &mut String);
        let changes: [(&str, Change); 8] = [
            ("state", |_, state| state.push('x')),
            ("no state", |_, state| state.clear()),
            ("nonce", |said, _| said["id_token"]["nonce"] = json!("other")),
            ("no nonce", |said, _| drop(said["id_token"].as_object_mut().expect("claims").remove("nonce"))),
            ("audience", |said, _| said["id_token"]["aud"] = json!("others")),
            ("expired", |said, _| said["id_token"]["exp"] = json!(1)),
            ("another person", |said, _| said["userinfo"]["sub"] = json!("2")),
            ("the gateway's own id", |said, _| said["userinfo"]["preferred_username"] = json!("default_user_id")),
        ];
        for (what, change) in changes {
            let mut browser = Browser::new(&gateway);
            let (reply, _) = come_back(&mut browser, &provider, &ann(), change);
            assert_eq!(reply.status, 401, "{what}, signed {signed}: {}", reply.text());
            assert_eq!(browser.get("/session").status, 401, "{what}");
        }
        // What one browser began, another does not finish.
        let (mut one, mut other) = (Browser::new(&gateway), Browser::new(&gateway));
        let (_, back) = come_back(&mut one, &provider, &ann(), |_, state| state.push('x'));
        assert_eq!(other.get(&back).status, 401);
        assert_eq!(other.get("/sso/key/generate").status, 303);
        assert_eq!(other.get(back.trim_end_matches('x')).status, 401);
        // A code that the provider does not know.
        let left = one.get("/sso/key/generate");
        let state = pairs(left.header("location").split_once('?').expect("a query").1).into_iter().find(|(name, _)| name == "state");
        assert_eq!(one.get(&format!("{REDIRECT}?code=none&state={}", state.expect("a state").1)).status, 401);
    }
}

#[test]
fn a_blank_id_signs_nobody_in() {
    let provider = Provider::start();
    let gateway = with_provider(&provider, &[]);
    let people = gateway.get("/user/list")["total"].clone();
    for blank in ["", " ", "\t "] {
        let person = json!({"sub": blank, "preferred_username": blank, "email": blank});
        let (reply, _) = come_back(&mut Browser::new(&gateway), &provider, &person, |_, _| {});
        assert_eq!(reply.status, 401, "{blank:?}: {}", reply.text());
    }
    assert_eq!(gateway.get("/user/list")["total"], people);
}

#[test]
fn nobody_takes_over_an_account_by_an_address() {
    let provider = Provider::start();
    let gateway = with_provider(&provider, &[]);
    gateway.post("/user/new", &json!({"user_id": "boss", "user_email": "boss@example.com", "user_role": "proxy_admin"}));
    let claimed = json!({"sub": "9", "preferred_username": "eve", "email": "boss@example.com", "email_verified": false});
    let mut eve = Browser::new(&gateway);
    let (reply, _) = come_back(&mut eve, &provider, &claimed, |_, _| {});
    let role = eve.get("/session").json()["user_role"].clone();
    assert!(reply.status == 401 || role == "internal_user_viewer", "{role}");
    let vouched = json!({"sub": "1", "preferred_username": "b", "email": "boss@example.com", "email_verified": true});
    let mut boss = Browser::new(&gateway);
    assert_eq!(come_back(&mut boss, &provider, &vouched, |_, _| {}).0.status, 303);
    assert_eq!(boss.get("/session").json()["user_id"], "boss");
    let second = json!({"sub": "2", "preferred_username": "c", "email": "boss@example.com", "email_verified": true});
    assert_eq!(
        come_back(&mut Browser::new(&gateway), &provider, &second, |_, _| {}).0.status,
        401,
        "that address signs in as somebody else"
    );
}

#[test]
fn a_providers_trouble_is_no_wrong_credential() {
    let provider = Provider::start();
    let gateway = with_provider(&provider, &[]);
    let mut browser = Browser::new(&gateway);
    let down = provider.state.clone();
    let (reply, _) = come_back(&mut browser, &provider, &ann(), move |_, _| {
        let down = down.clone();
        // Only once the code is known does it fall silent.
        std::thread::spawn(move || down.lock().expect("lock").down = true).join().expect("set");
    });
    assert_eq!(reply.status, 503, "{}", reply.text());
    // The password still opens.
    assert_eq!(browser.login("admin", MASTER).status, 200);
}
