//! Keys that were made with keys: what they spend is their makers' too. And money that several gateways have of one budget.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, together, with};

/// A model of which every answer costs $0.01, and one that may cost more than it does.
const PRICED: &str = "
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
  - {model_name: wide, litellm_params: {model: demo/echo, input_cost_per_request: 0.01, input_cost_per_token: 0, output_cost_per_token: 0.00035}}
";

fn made(gateway: &Managed, with: &str, more: &Value) -> String {
    let reply = gateway.as_key(with, "POST", "/key/generate", more);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["key"].as_str().expect("a key").to_owned()
}

fn answered(gateway: &Managed, key: &str, calls: usize) -> usize {
    (0..calls).filter(|_| gateway.chat(key, "cent").status == 200).count()
}

#[test]
fn what_children_of_a_key_spend_is_their_makers_too() {
    with(PRICED, |gateway| {
        gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
        let maker = gateway.key(&json!({"user_id": "u", "max_budget": 0.05, "key_alias": "maker"}));
        let child = made(gateway, &maker, &json!({"max_budget": 0.04}));
        let grandchild = made(gateway, &child, &json!({"max_budget": 0.04}));
        assert_eq!(answered(gateway, &maker, 1), 1);
        assert_eq!(answered(gateway, &child, 1), 1);
        assert_eq!(answered(gateway, &grandchild, 9), 3, "one of the maker's five is spent by it, one by its child");
        for key in [&maker, &child, &grandchild] {
            let refused = gateway.chat(key, "cent");
            assert_eq!(refused.json()["error"]["type"], "budget_exceeded", "{}", refused.text());
        }
        // A key whose money is spent makes no money.
        let late = made(gateway, &maker, &json!({"max_budget": 0.05}));
        assert_eq!(answered(gateway, &late, 2), 0);
        // What is given to the maker is for all of them, and what an administrator makes is on its own.
        gateway.post("/key/update", &json!({"key": maker, "max_budget": 0.07}));
        assert_eq!(answered(gateway, &late, 5), 2);
        let own = gateway.key(&json!({"user_id": "u", "max_budget": 0.03}));
        assert_eq!(answered(gateway, &own, 5), 3);
        assert!(gateway.get(&format!("/key/info?key={late}"))["info"].get("makers").is_none());
    });
}

#[test]
fn a_budget_is_not_left_behind_by_regenerating_or_deleting_its_key() {
    with(PRICED, |gateway| {
        gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
        let maker = gateway.key(&json!({"user_id": "u", "max_budget": 0.04}));
        let child = made(gateway, &maker, &json!({"max_budget": 0.04}));
        assert_eq!(answered(gateway, &child, 1), 1);
        let renewed = gateway.post("/key/regenerate", &json!({"key": maker}))["key"].as_str().expect("a key").to_owned();
        assert_eq!(gateway.chat(&maker, "cent").status, 401, "without a grace it opens nothing");
        assert_eq!((answered(gateway, &renewed, 1), answered(gateway, &child, 1)), (1, 1));
        gateway.post("/key/update", &json!({"key": renewed, "max_budget": 0.05}));
        assert_eq!(answered(gateway, &child, 1), 1);
        gateway.post("/key/delete", &json!({"keys": [renewed]}));
        assert_eq!(answered(gateway, &child, 3), 1);
    });
}

#[test]
fn what_a_key_is_stamped_with_stays_on_what_it_makes() {
    let yaml = format!("{PRICED}litellm_settings: {{tag_budget_config: {{lab: {{max_budget: 0.02, budget_duration: 1d}}}}}}\n");
    with(&yaml, |gateway| {
        gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user", "auto_create_key": false}));
        let maker = gateway.key(&json!({"user_id": "u", "metadata": {"tags": ["lab"], "enforced_params": ["metadata.purpose"]}}));
        let child = made(gateway, &maker, &json!({"metadata": {"tags": ["other"]}}));
        let call = |metadata: &Value| {
            let body = json!({"model": "cent", "metadata": metadata, "messages": [{"role": "user", "content": "hello"}]});
            gateway.as_key(&child, "POST", "/v1/chat/completions", &body).status.as_u16()
        };
        assert_eq!(call(&json!({})), 400, "what the maker's calls must say, the child's must");
        let calls: Vec<u16> = (0..4).map(|_| call(&json!({"purpose": "tests"}))).collect();
        assert_eq!(calls, [200, 200, 422, 422], "the tag's budget holds");
    });
}

/// M2 over HTTP: calls that may cost more than they do are refused only where the money is not there, whichever gateway has it.
#[test]
fn m2_four_gateways_leave_no_more_of_a_budget_than_one_call_may_cost() {
    let gateways = together(PRICED, 4, str::to_owned);
    let Some(first) = gateways.first() else { return };
    let key = first.key(&json!({"max_budget": 1.0}));
    let body = json!({"model": "wide", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]});
    let (mut answered, mut refused) = (0, 0);
    // A word may be late where much else goes on.
    while refused < 4 && answered < 200 {
        let reply = gateways[(answered + refused) % 4].as_key(&key, "POST", "/v1/chat/completions", &body);
        match reply.status.as_u16() {
            200 => (answered, refused) = (answered + 1, 0),
            422 => refused += 1,
            _ => panic!("{}", reply.text()),
        }
    }
    let spent = crate::spending::until(first, &format!("/key/info?key={key}"), |told| told["info"]["spend"].as_f64() > Some(0.94));
    let spent = spent["info"]["spend"].as_f64().expect("spend");
    assert!((0.95..=1.0).contains(&spent), "{spent} after {answered} calls");
    assert_eq!(first.as_key(MASTER, "GET", "/health/readiness", &Value::Null).status, 200);
}
