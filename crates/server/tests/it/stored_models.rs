//! Models and credentials of the database: made, used, changed and deleted over the API, on every gateway and after a restart.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each};
use crate::upstream::Upstream;

const SECRET: &str = "sk-upstream-secret-0123456789";

fn add(gateway: &Managed, name: &str, upstream: &Upstream, info: &Value) -> Value {
    let params =
        json!({"model": "openai/m", "api_base": format!("{}/good", upstream.url()), "api_key": SECRET, "rpm": 500, "max_tokens": 256});
    gateway.post("/model/new", &json!({"model_name": name, "litellm_params": params, "model_info": info}))
}

fn listed(gateway: &Managed, key: &str) -> Vec<String> {
    let list = gateway.as_key(key, "GET", "/v1/models", &Value::Null).json();
    list["data"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

fn info(gateway: &Managed, id: &str) -> Value {
    gateway.get(&format!("/model/info?litellm_model_id={id}"))["data"][0].clone()
}

#[test]
fn a_model_serves_from_the_moment_it_is_made_until_it_is_deleted() {
    let upstream = Upstream::start();
    each(|gateway| {
        let made = add(gateway, "fresh", &upstream, &json!({"id": "m-1", "mode": "chat"}));
        assert_eq!((&made["model_id"], &made["model_name"], &made["model_info"]["id"]), (&json!("m-1"), &json!("fresh"), &json!("m-1")));
        assert_eq!((&made["created_by"], &made["blocked"]), (&json!("default_user_id"), &json!(false)));
        assert!(!made.to_string().contains(SECRET), "{made}");
        let key = gateway.key(&json!({}));
        let before = upstream.keys().len();
        assert_eq!(gateway.chat(&key, "fresh").status, 200);
        assert_eq!(upstream.keys()[before..], [format!("Bearer {SECRET}")]);
        assert!(listed(gateway, &key).contains(&"fresh".to_owned()));
        let told = info(gateway, "m-1");
        assert_eq!((&told["litellm_params"]["model"], &told["litellm_params"]["rpm"]), (&json!("openai/m"), &json!(500)));
        assert_eq!((&told["model_info"]["db_model"], &told["model_info"]["mode"]), (&json!(true), &json!("chat")));
        assert_eq!(told["litellm_params"].get("api_key"), None);
        let twice = json!({"model_name": "x", "litellm_params": {"model": "openai/m"}, "model_info": {"id": "m-1"}});
        assert_eq!(gateway.as_key(MASTER, "POST", "/model/new", &twice).status, 400);
        let gone = gateway.post("/model/delete", &json!({"id": "m-1"}));
        assert_eq!(gone, json!({"message": "Model: m-1 deleted successfully"}));
        let refused = gateway.chat(&key, "fresh");
        assert!((400..500).contains(&refused.status.as_u16()), "{}", refused.text());
        let missing = gateway.as_key(MASTER, "GET", "/model/info?litellm_model_id=m-1", &Value::Null);
        assert_eq!(missing.status, 400);
        assert!(missing.text().contains("Model id = m-1 not found"), "{}", missing.text());
        let again = gateway.as_key(MASTER, "POST", "/model/delete", &json!({"id": "m-1"}));
        assert_eq!(again.json()["error"]["message"], "{'error': 'Model with id=m-1 not found in db'}");
    });
}

#[test]
fn a_change_touches_what_it_names() {
    let upstream = Upstream::start();
    each(|gateway| {
        add(gateway, "changes", &upstream, &json!({"id": "m-1"}));
        let patch = |body: Value| {
            let reply = gateway.as_key(MASTER, "PATCH", "/model/m-1/update", &body);
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.json()
        };
        let stored = patch(json!({"litellm_params": {"input_cost_per_token": 2e-5}}));
        assert_eq!((&stored["litellm_params"]["input_cost_per_token"], &stored["litellm_params"]["rpm"]), (&json!(2e-5), &json!(500)));
        let told = info(gateway, "m-1");
        assert_eq!((&told["model_info"]["input_cost_per_token"], &told["litellm_params"]["max_tokens"]), (&json!(2e-5), &json!(256)));
        let cleared = patch(json!({"litellm_params": {"input_cost_per_token": null}}));
        assert_eq!(cleared["litellm_params"].get("input_cost_per_token"), None);
        // All parameters are sent: what is not among them goes, what reaches the provider stays.
        let edited = patch(json!({"litellm_params": {"model": "openai/m", "temperature": 0.3}}));
        assert_eq!((edited["litellm_params"].get("max_tokens"), &edited["litellm_params"]["temperature"]), (None, &json!(0.3)));
        let key = gateway.key(&json!({"models": ["changes"]}));
        let before = upstream.keys().len();
        assert_eq!(gateway.chat(&key, "changes").status, 200);
        assert_eq!(upstream.keys()[before..], [format!("Bearer {SECRET}")]);
        let updated = gateway.post("/model/update", &json!({"litellm_params": {"tpm": 424_242, "rpm": null}, "model_info": {"id": "m-1"}}));
        assert_eq!((&updated["litellm_params"]["tpm"], &updated["litellm_params"]["model"]), (&json!(424_242), &json!("openai/m")));
        patch(json!({"model_name": "renamed"}));
        assert_eq!(gateway.get(&format!("/key/info?key={key}"))["info"]["models"], json!(["renamed"]));
        assert_eq!((gateway.chat(&key, "renamed").status.as_u16(), gateway.chat(&key, "changes").status.as_u16()), (200, 403));
        assert_eq!(gateway.post("/model/block", &json!({"model_id": "m-1"}))["blocked"], true);
        assert_eq!(info(gateway, "m-1")["model_info"]["blocked"], true);
        let blocked = gateway.chat(&key, "renamed");
        let error = &blocked.json()["error"];
        assert_eq!((blocked.status.as_u16(), &error["type"]), (403, &json!("permission_error")), "{error}");
        assert_eq!(error["message"], "litellm.PermissionDeniedError: Model is blocked");
        assert_eq!(gateway.post("/model/unblock", &json!({"model_id": "m-1"}))["blocked"], false);
        assert_eq!(gateway.chat(&key, "renamed").status, 200);
        let config = gateway.get("/model/info")["data"].as_array().expect("a list").clone();
        let of_file = config.iter().find(|one| one["model_name"] == "good").expect("the file's")["model_info"]["id"].clone();
        let refused =
            gateway.as_key(MASTER, "PATCH", &format!("/model/{}/update", of_file.as_str().expect("an id")), &json!({"blocked": true}));
        assert_eq!((refused.status.as_u16(), refused.text().contains("Cannot edit config-based model")), (400, true), "{}", refused.text());
    });
}

#[test]
fn what_was_made_outlives_a_restart_and_is_served_everywhere() {
    let upstream = Upstream::start();
    let test = |mut gateway: Managed| {
        add(&gateway, "lasting", &upstream, &json!({"id": "m-1"}));
        gateway.post("/credentials", &json!({"credential_name": "c", "credential_values": {"api_key": SECRET}, "credential_info": {}}));
        for nothing in [json!({}), Value::Null] {
            let empty = json!({"credential_name": "e", "credential_values": nothing, "credential_info": {}});
            assert_eq!(gateway.as_key(MASTER, "POST", "/credentials", &empty).status, 422);
        }
        let places = gateway.get("/credentials/migrate-encryption/check")["report"]["locations"].clone();
        assert_eq!((&places["model_table"]["already_v2"], &places["credentials"]["scanned"]), (&json!(1), &json!(1)));
        let params = json!({"model": "openai/m", "api_base": format!("{}/good", upstream.url()), "litellm_credential_name": "c"});
        gateway.post("/model/new", &json!({"model_name": "named", "litellm_params": params}));
        let key = gateway.key(&json!({}));
        gateway.restarted();
        for model in ["lasting", "named"] {
            let before = upstream.keys().len();
            assert_eq!(gateway.chat(&key, model).status, 200, "{model}");
            assert_eq!(upstream.keys()[before..], [format!("Bearer {SECRET}")], "{model}");
        }
        if let Some(other) = gateway.another() {
            assert_eq!(other.chat(&key, "lasting").status, 200);
            other.post("/model/delete", &json!({"id": "m-1"}));
            for _ in 0..100 {
                if gateway.chat(&key, "lasting").status != 200 {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            assert_ne!(gateway.chat(&key, "lasting").status, 200);
        }
        let files = std::fs::read_dir(gateway.place()).expect("a folder").flatten().map(|entry| entry.path()).filter(|path| path.is_file());
        for file in files {
            let bytes = std::fs::read(&file).expect("a file");
            assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{}", file.display());
        }
    };
    crate::managed::owned(test);
}

#[test]
fn a_teams_model_is_its_own() {
    let upstream = Upstream::start();
    each(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "mine", "models": ["good"]}));
        gateway.post("/team/new", &json!({"team_id": "theirs"}));
        let made = add(gateway, "private", &upstream, &json!({"team_id": "mine"}));
        let internal = made["model_name"].as_str().expect("a name").to_owned();
        assert!(internal.starts_with("model_name_mine_"), "{internal}");
        assert_eq!(made["model_info"]["team_public_model_name"], "private");
        assert_eq!(gateway.get("/team/info?team_id=mine")["team_info"]["models"], json!(["good", "private"]));
        let (mine, theirs) = (gateway.key(&json!({"team_id": "mine"})), gateway.key(&json!({"team_id": "theirs"})));
        assert_eq!(gateway.chat(&mine, "private").status, 200);
        assert_eq!(listed(gateway, &mine), ["good", "private"]);
        assert!(!listed(gateway, &theirs).iter().any(|name| name == "private" || *name == internal));
        for name in ["private", &internal] {
            assert_ne!(gateway.chat(&theirs, name).status, 200, "{name}");
        }
        gateway.post("/model/delete", &json!({"id": made["model_id"]}));
        assert_eq!(gateway.get("/team/info?team_id=mine")["team_info"]["models"], json!(["good"]));
    });
}

#[test]
fn nobody_adds_a_model_for_everybody_but_an_administrator() {
    each(|gateway| {
        let key = gateway.key(&json!({}));
        let body = json!({"model_name": "x", "litellm_params": {"model": "openai/m", "api_key": "k"}});
        let refused = gateway.as_key(&key, "POST", "/model/new", &body);
        assert_eq!(refused.status, 403);
        assert!(refused.text().contains("does not have permission to make this model call"), "{}", refused.text());
        let user = gateway.post("/user/new", &json!({"user_role": "internal_user"}));
        let (id, boss) = (&user["user_id"], user["key"].as_str().expect("a key"));
        gateway.post("/team/new", &json!({"team_id": "t", "members_with_roles": [{"role": "admin", "user_id": id}]}));
        let of_team = |params: Value| json!({"model_name": "x", "litellm_params": params, "model_info": {"team_id": "t"}});
        let status = |params: Value| gateway.as_key(boss, "POST", "/model/new", &of_team(params)).status.as_u16();
        assert_eq!(status(json!({"model": "openai/m", "api_key": "mine"})), 200);
        // The gateway's own keys, variables, files and network are not a team's.
        assert_eq!(status(json!({"model": "openai/m"})), 403);
        assert_eq!(status(json!({"model": "openai/m", "api_key": "os.environ/OPENAI_API_KEY"})), 403);
        assert_eq!(status(json!({"model": "openai/m", "api_key": "mine", "api_base": "http://169.254.169.254/"})), 403);
        assert_eq!(status(json!({"model": "openai/m", "api_key": "mine", "vertex_credentials": "/etc/passwd"})), 403);
        // A key that an administrator put in goes where the administrator said, even if its mask comes back.
        let given = gateway.post("/model/new", &of_team(json!({"model": "openai/m", "api_key": "sk-the-companys-own-0123456789"})));
        let at = format!("/model/{}/update", given["model_id"].as_str().expect("an id"));
        let change = |params: Value| gateway.as_key(boss, "PATCH", &at, &json!({"litellm_params": params})).status.as_u16();
        assert_eq!(change(json!({"temperature": 0.5})), 200);
        assert_eq!(change(json!({"rpm": 5})), 403);
        assert_eq!(change(json!({"api_base": "https://evil.example.com"})), 403);
        let mask = &given["litellm_params"]["api_key"];
        assert_eq!(mask, "sk****89", "{given}");
        assert_eq!(change(json!({"api_base": "https://evil.example.com", "api_key": mask})), 403);
        assert_eq!(change(json!({"api_base": "https://other.example.com", "api_key": "sk-my-own-9876543210"})), 200);
        let own = gateway.as_key(
            MASTER,
            "POST",
            "/model/new",
            &json!({"model_name": "x", "litellm_params": {"model": "openai/m", "api_key": "os.environ/SWITCHBOARD_SEALING_KEY"}}),
        );
        assert_eq!(own.status, 400);
    });
}

#[test]
fn a_credential_is_shown_masked_and_followed() {
    let upstream = Upstream::start();
    each(|gateway| {
        let ask = |method: &str, path: &str, body: &Value| gateway.as_key(MASTER, method, path, body);
        let new = json!({"credential_name": "team/c", "display_name": " Prod ", "credential_values": {"api_key": SECRET}, "credential_info": {"custom_llm_provider": "openai"}});
        assert_eq!(gateway.post("/credentials", &new), json!({"success": true, "message": "Credential created successfully"}));
        assert_eq!(ask("POST", "/credentials", &new).status, 409);
        let shown = gateway.get("/credentials/by_name/team%2Fc");
        assert_eq!((&shown["display_name"], &shown["source"]), (&json!("Prod"), &json!("db")));
        assert_eq!(shown["credential_values"]["api_key"], "sk****89");
        assert_eq!(gateway.get("/credentials")["credentials"][0]["credential_name"], "team/c");
        let params = json!({"model": "openai/m", "api_base": format!("{}/good", upstream.url()), "litellm_credential_name": "team/c"});
        let made = gateway.post("/model/new", &json!({"model_name": "c", "litellm_params": params}));
        let id = made["model_id"].as_str().expect("an id").to_owned();
        let used = || {
            assert_eq!(gateway.chat(MASTER, "c").status, 200);
            upstream.keys().last().cloned().unwrap_or_default()
        };
        assert_eq!(used(), format!("Bearer {SECRET}"));
        let patched =
            ask("PATCH", "/credentials/team%2Fc", &json!({"credential_values": {"api_key": "sk-another-secret"}, "display_name": null}));
        assert_eq!(patched.status, 200, "{}", patched.text());
        assert_eq!(used(), "Bearer sk-another-secret");
        assert_eq!(gateway.get("/credentials/by_name/team%2Fc")["display_name"], Value::Null);
        assert_eq!(ask("PATCH", "/credentials/team%2Fc", &json!({"credential_name": "d"})).status, 400);
        assert_eq!(ask("DELETE", "/credentials/team%2Fc", &Value::Null).status, 200);
        assert_eq!(ask("GET", "/credentials/by_name/team%2Fc", &Value::Null).status, 404);
        let keeps =
            ask("PATCH", &format!("/model/{id}/update"), &json!({"litellm_params": {"litellm_credential_name": "team/c", "rpm": 7}}));
        assert_eq!(keeps.status, 200, "{}", keeps.text());
        let missing = ask("PATCH", &format!("/model/{id}/update"), &json!({"litellm_params": {"litellm_credential_name": "none"}}));
        assert_eq!((missing.status.as_u16(), &missing.json()["error"]["param"]), (400, &json!("litellm_credential_name")));
    });
}
