//! Settings, fallbacks and groups that are made over the API.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each};
use crate::upstream::Upstream;

#[test]
fn a_setting_is_in_force_at_once_and_after_a_restart() {
    crate::managed::owned(|mut gateway: Managed| {
        let told = gateway.post(
            "/config/update",
            &json!({"router_settings": {"num_retries": 7}, "litellm_settings": {"success_callback": ["langfuse"]}}),
        );
        assert!(told["message"].as_str().expect("text").contains("success"));
        let retries = |gateway: &Managed| gateway.get("/router/settings")["current_values"]["num_retries"].clone();
        assert_eq!(retries(&gateway), 7);
        assert_eq!(gateway.get("/get/config/callbacks")["callbacks"][0]["name"], "langfuse");
        gateway.restarted();
        assert_eq!(retries(&gateway), 7);
        let refuse = |body: Value| gateway.as_key(MASTER, "POST", "/config/update", &body).status.as_u16();
        assert_eq!(refuse(json!({"general_settings": {"master_key": "sk-mine"}})), 400);
        assert_eq!(refuse(json!({"router_settings": {"no_such_setting": 1}})), 400);
        assert_eq!(refuse(json!({"router_settings": {"num_retries": "many"}})), 400);
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&key, "POST", "/config/update", &json!({})).status, 401);
        gateway.post("/config/callback/delete", &json!({"callback_name": "langfuse"}));
        assert_eq!(gateway.get("/get/config/callbacks")["callbacks"], json!([]));
    });
}

#[test]
fn a_fallback_is_made_taken_and_forgotten() {
    let upstream = Upstream::start();
    each(|gateway| {
        for (name, path) in [("first", "bad"), ("second", "good")] {
            let params = json!({"model": "openai/m", "api_base": format!("{}/{path}", upstream.url()), "api_key": "k", "num_retries": 0});
            gateway.post("/model/new", &json!({"model_name": name, "litellm_params": params}));
        }
        assert_ne!(gateway.chat(MASTER, "first").status, 200);
        let rule = json!({"model": "first", "fallback_models": ["second"], "fallback_type": "general"});
        let made = gateway.post("/fallback", &rule);
        assert_eq!((&made["model"], &made["fallback_models"]), (&json!("first"), &json!(["second"])));
        assert_eq!(gateway.get("/fallback/first?fallback_type=general")["fallback_models"], json!(["second"]));
        assert_eq!(gateway.chat(MASTER, "first").status, 200);
        let status = |body: Value| gateway.as_key(MASTER, "POST", "/fallback", &body).status.as_u16();
        assert_eq!(status(json!({"model": "first", "fallback_models": ["first"]})), 400);
        assert_eq!(status(json!({"model": "first", "fallback_models": ["nowhere"]})), 400);
        assert_eq!(status(json!({"model": "nowhere", "fallback_models": ["first"]})), 404);
        assert_eq!(status(json!({"model": "first", "fallback_models": []})), 422);
        assert_eq!(status(json!({"model": "first", "fallback_models": ["second"], "fallback_type": "nonsense"})), 422);
        assert_eq!(gateway.as_key(MASTER, "DELETE", "/fallback/first?fallback_type=general", &Value::Null).status, 200);
        assert_eq!(gateway.as_key(MASTER, "GET", "/fallback/first", &Value::Null).status, 404);
        assert_ne!(gateway.chat(MASTER, "first").status, 200);
    });
}

#[test]
fn models_are_put_into_groups_that_keys_may_name() {
    each(|gateway| {
        for name in ["one", "two"] {
            gateway.post("/model/new", &json!({"model_name": name, "litellm_params": {"model": "demo/echo"}}));
        }
        let made = gateway.post("/access_group/new", &json!({"access_group": "crew", "model_names": ["one"]}));
        assert_eq!((&made["access_group"], &made["models_updated"]), (&json!("crew"), &json!(1)));
        let key = gateway.key(&json!({"models": ["crew"]}));
        assert_eq!((gateway.chat(&key, "one").status.as_u16(), gateway.chat(&key, "two").status.as_u16()), (200, 403));
        let changed = gateway.as_key(MASTER, "PUT", "/access_group/crew/update", &json!({"model_names": ["two"]}));
        assert_eq!(changed.json()["models_updated"], 1, "{}", changed.text());
        assert_eq!((gateway.chat(&key, "one").status.as_u16(), gateway.chat(&key, "two").status.as_u16()), (403, 200));
        assert_eq!(gateway.get("/access_group/crew/info")["model_names"], json!(["two"]));
        assert_eq!(
            gateway.as_key(MASTER, "POST", "/access_group/new", &json!({"access_group": "crew", "model_names": ["one"]})).status,
            409
        );
        assert_eq!(gateway.as_key(MASTER, "POST", "/access_group/new", &json!({"access_group": "x", "model_names": ["none"]})).status, 400);
        assert_eq!(gateway.as_key(MASTER, "DELETE", "/access_group/crew/delete", &Value::Null).status, 200);
        assert_eq!(gateway.as_key(MASTER, "GET", "/access_group/crew/info", &Value::Null).status, 404);
    });
}

#[test]
fn a_list_of_addresses_keeps_strangers_out() {
    each(|gateway| {
        let refused = gateway.as_key(MASTER, "POST", "/add/allowed_ip", &json!({"ip": "203.0.113.7"}));
        assert_eq!((refused.status.as_u16(), refused.text().contains("127.0.0.1")), (400, true), "{}", refused.text());
        gateway.post("/add/allowed_ip", &json!({"ip": "127.0.0.0/8"}));
        assert_eq!(gateway.get("/get/allowed_ips")["data"], json!(["127.0.0.0/8"]));
        assert_eq!(gateway.as_key(MASTER, "POST", "/delete/allowed_ip", &json!({"ip": "127.0.0.0/8"})).status, 200);
        assert_eq!(gateway.get("/get/allowed_ips")["data"], json!([]));
    });
    crate::managed::with("general_settings: {allowed_ips: [203.0.113.7]}\n", |gateway| {
        assert_eq!(gateway.chat(MASTER, "good").status, 403);
        assert_eq!(gateway.app.get("/health/liveliness").status, 200);
    });
}
