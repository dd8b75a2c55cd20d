//! What may be spent on a group of models by everybody together who may use them because they are in it.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed};

const MODELS: &str =
    "  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}, model_info: {access_groups: [pool]}}
  - {model_name: too, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}, model_info: {access_groups: [pool, rest]}}
  - {model_name: apart, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
";

fn status(gateway: &Managed, key: &str, model: &str) -> u16 {
    gateway.chat(key, model).status.as_u16()
}

fn put(gateway: &Managed, body: Value) -> Value {
    let reply = gateway.as_key(MASTER, "PUT", "/access_group/pool/budget", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn those_whom_a_group_lets_in_share_its_budget() {
    let mut gateway = Managed::with_models("", MODELS, &[]);
    let set = put(&gateway, json!({"max_budget": 0.03, "budget_duration": "10d"}));
    assert_eq!((&set["access_group"], &set["spend"], &set["budget"]["max_budget"]), (&json!("pool"), &json!(0.0), &json!(0.03)));
    gateway.post("/team/new", &json!({"team_id": "t", "models": ["pool"]}));
    let own = gateway.key(&json!({"models": ["pool", "apart"]}));
    let of_team = gateway.key(&json!({"team_id": "t"}));
    let by_name = gateway.key(&json!({"models": ["cent", "too"]}));
    // One budget for all models of the group, whoever it is that the group lets in.
    let statuses = [(&own, "cent"), (&of_team, "too"), (&by_name, "cent"), (&own, "too"), (&of_team, "cent"), (&own, "too")];
    let statuses = statuses.map(|(key, model)| status(&gateway, key, model));
    assert_eq!(statuses, [200, 200, 200, 200, 422, 422]);
    let refused = gateway.chat(&own, "cent");
    assert!(refused.text().contains("Model access group=pool"), "{}", refused.text());
    assert_eq!((status(&gateway, &own, "apart"), status(&gateway, &by_name, "too")), (200, 200), "what the group did not let in");
    let told = gateway.get("/access_group/pool/info");
    assert_eq!((&told["spend"], &told["budget"]["budget_duration"]), (&json!(0.03), &json!("10d")));
    let list = gateway.get("/access_group/list");
    let rest = list["access_groups"].as_array().into_iter().flatten().find(|group| group["access_group"] == "rest").cloned();
    assert_eq!(rest.map(|group| (group["spend"].clone(), group["budget"].clone())), Some((json!(0.0), Value::Null)));
    gateway.restarted();
    assert_eq!((status(&gateway, &own, "cent"), status(&gateway, &of_team, "too")), (422, 422), "what was spent is spent");
    let more = put(&gateway, json!({"max_budget": 0.04}));
    assert_eq!((&more["budget"]["budget_duration"], &more["spend"]), (&json!("10d"), &json!(0.03)));
    assert_eq!([status(&gateway, &own, "cent"), status(&gateway, &own, "cent")], [200, 422]);
    let gone = gateway.as_key(MASTER, "DELETE", "/access_group/pool/budget", &Value::Null).json();
    assert_eq!((&gone["budget_deleted"], status(&gateway, &own, "cent")), (&json!(true), 200));
    assert_eq!(gateway.get("/access_group/pool/budget")["budget"], Value::Null);
}

#[test]
fn a_groups_budget_is_money_alone_and_for_administrators() {
    let gateway = Managed::with_models("", MODELS, &[]);
    let asked = |body: Value, path: &str| gateway.as_key(MASTER, "PUT", path, &body).status.as_u16();
    let path = "/access_group/pool/budget";
    assert_eq!(asked(json!({}), path), 400);
    assert_eq!(asked(json!({"max_budget": 1, "rpm_limit": 1}), path), 422, "a limit that would not hold is refused");
    assert_eq!(asked(json!({"max_budget": -1}), path), 400);
    assert_eq!(asked(json!({"max_budget": 1}), "/access_group/nobody/budget"), 404);
    let key = gateway.key(&json!({"models": ["pool"]}));
    assert_eq!(gateway.as_key(&key, "PUT", path, &json!({"max_budget": 1000})).status, 401);
}

/// A group that has a pattern has what that entry serves, and not what the pattern fits beside: others' entries come first.
#[test]
fn a_group_with_a_pattern_has_that_entry_alone() {
    let models = "  - {model_name: 'open/*', litellm_params: {model: demo/echo}, model_info: {access_groups: [usual]}}
  - {model_name: 'open/o1-*', litellm_params: {model: demo/echo}, model_info: {access_groups: [restricted]}}
  - {model_name: open/exact, litellm_params: {model: demo/echo}, model_info: {access_groups: [restricted]}}
";
    let gateway = Managed::with_models("", models, &[]);
    let usual = gateway.key(&json!({"models": ["usual"]}));
    let asked = ["open/any", "open/o1-mini", "open/exact"];
    assert_eq!(asked.map(|model| status(&gateway, &usual, model)), [200, 403, 403]);
    let restricted = gateway.key(&json!({"models": ["restricted"]}));
    assert_eq!(asked.map(|model| status(&gateway, &restricted, model)), [403, 200, 200]);
    let by_name = gateway.key(&json!({"models": ["open/*"]}));
    assert_eq!(asked.map(|model| status(&gateway, &by_name, model)), [200, 200, 200], "what a list itself says is a pattern");
}
