//! Budgets and limits over HTTP, as holders of keys meet them.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, with};

/// A model of which every answer costs $0.01, one that is dearer by the token, and one that fails.
const PRICED: &str = "
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
  - {model_name: dear, litellm_params: {model: demo/echo, input_cost_per_token: 0.001, output_cost_per_token: 0.002}}
  - {model_name: broken, litellm_params: {model: openai/none, api_base: 'http://127.0.0.1:9', api_key: none, input_cost_per_request: 0.01, input_cost_per_token: 0, output_cost_per_token: 0}}
";

fn priced(test: impl Fn(&Managed)) {
    with(PRICED, test);
}

fn told(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.json()["error"]["type"].as_str().unwrap_or_default().to_owned())
}

fn spend(gateway: &Managed, key: &str) -> f64 {
    gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].as_f64().expect("spend")
}

/// So many calls at once; gives how many were answered.
fn burst(gateway: &Managed, keys: &[String], each: usize) -> usize {
    std::thread::scope(|scope| {
        let ask = |key: &String| (0..each).filter(|_| answered(&gateway.chat(key, "cent"))).count();
        let threads: Vec<_> = keys.iter().map(|key| scope.spawn(move || ask(key))).collect();
        threads.into_iter().map(|thread| thread.join().expect("asked")).sum()
    })
}

fn answered(reply: &Reply) -> bool {
    assert!(matches!(reply.status.as_u16(), 200 | 422), "{}", reply.text());
    reply.status == 200
}

#[test]
fn a_burst_on_one_key_admits_exactly_what_fits() {
    priced(|gateway| {
        let key = gateway.key(&json!({"key_alias": "al", "max_budget": 0.25}));
        assert_eq!(burst(gateway, &vec![key.clone(); 8], 8), 25);
        assert_eq!(spend(gateway, &key), 0.25);
        let refused = gateway.chat(&key, "cent");
        assert_eq!(told(&refused), (422, "budget_exceeded".to_owned()));
        let message = format!("Budget has been exceeded! Key=al (sk-...{}) Current cost: 0.25, Max budget: 0.25", &key[key.len() - 4..]);
        assert_eq!(refused.json()["error"]["message"], message.as_str());
        assert_eq!(refused.header("x-litellm-key-spend"), "0.25");
        gateway.post("/key/update", &json!({"key": key, "key_alias": null}));
        let unnamed = gateway.chat(&key, "cent").json()["error"]["message"].as_str().expect("text").to_owned();
        assert!(unnamed.starts_with("Budget has been exceeded! Key=key (sk-..."), "{unnamed}");
        gateway.post("/key/update", &json!({"key": key, "max_budget": 0.26}));
        let answer = gateway.chat(&key, "cent");
        assert_eq!((answer.status.as_u16(), answer.header("x-litellm-key-max-budget")), (200, "0.26"));
        assert_eq!(answer.header("x-litellm-key-spend"), "0.26");
        assert_eq!(told(&gateway.chat(&key, "cent")).0, 422);
    });
}

#[test]
fn a_team_a_user_and_a_member_hold_their_keys_together() {
    priced(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "team_alias": "crew", "max_budget": 0.05}));
        let keys: Vec<String> = (0..3).map(|_| gateway.key(&json!({"team_id": "t"}))).collect();
        assert_eq!(burst(gateway, &keys, 4), 5);
        let refused = gateway.chat(&keys[0], "cent");
        let message = refused.json()["error"]["message"].as_str().expect("text").to_owned();
        assert!(message.starts_with("Budget has been exceeded! Team=t Current"), "{message}");
        assert_eq!(gateway.get("/team/info?team_id=t")["team_info"]["spend"], 0.05);
        gateway.post("/user/new", &json!({"user_id": "u", "max_budget": 0.03, "auto_create_key": false}));
        let keys: Vec<String> = (0..2).map(|_| gateway.key(&json!({"user_id": "u"}))).collect();
        assert_eq!(burst(gateway, &keys, 3), 3);
        let message = gateway.chat(&keys[0], "cent").json()["error"]["message"].as_str().expect("text").to_owned();
        assert!(message.starts_with("ExceededBudget: User=u over budget"), "{message}");
        // A key of a team is held to the team's budget and not to the user's; what it spends is the user's too.
        gateway.post("/team/update", &json!({"team_id": "t", "max_budget": 1}));
        let of_team = gateway.key(&json!({"team_id": "t", "user_id": "u"}));
        assert_eq!(gateway.chat(&of_team, "cent").status, 200);
        assert_eq!(gateway.get("/user/info?user_id=u")["user_info"]["spend"], 0.04);
    });
}

#[test]
fn windows_models_and_several_budgets_hold() {
    priced(|gateway| {
        let daily = gateway.key(&json!({"budget_limits": [{"budget_duration": "1d", "max_budget": 0.02}]}));
        assert_eq!(burst(gateway, std::slice::from_ref(&daily), 4), 2);
        assert_eq!(gateway.get(&format!("/key/info?key={daily}"))["info"]["budget_limits_usage"][0]["current_spend"], 0.02);
        let model = gateway.key(&json!({"model_max_budget": {"cent": {"budget_limit": 0.02, "time_period": "1d"}}}));
        assert_eq!(burst(gateway, std::slice::from_ref(&model), 4), 2);
        assert_eq!(gateway.chat(&model, "dear").status, 200);
        let used = gateway.get(&format!("/key/info?key={model}"));
        assert_eq!(used["info"]["model_max_budget_usage"]["cent"]["current_spend"], 0.02);
        gateway.post("/budget/new", &json!({"budget_id": "b", "max_budget": 0.03}));
        let named = gateway.key(&json!({"budget_id": "b"}));
        assert_eq!(burst(gateway, &[named], 5), 3);
        let raised = gateway.key(&json!({"max_budget": 0.01}));
        let more = json!({"key": raised, "temp_budget_increase": 0.02, "temp_budget_expiry": "2099-01-01"});
        gateway.post("/key/update", &more);
        assert_eq!(burst(gateway, &[raised], 5), 3);
    });
}

#[test]
fn limits_are_exact_and_told() {
    priced(|gateway| {
        let key = gateway.key(&json!({"rpm_limit": 3}));
        let answers: Vec<Reply> = (0..4).map(|_| gateway.chat(&key, "good")).collect();
        assert!(answers[..3].iter().all(|answer| answer.status == 200));
        assert_eq!(answers[0].header("x-ratelimit-api_key-limit-requests"), "3");
        assert_eq!(answers[0].header("x-ratelimit-api_key-remaining-requests"), "2");
        assert_eq!(answers[0].header("x-litellm-key-rpm-limit"), "3");
        let refused = &answers[3];
        assert_eq!(told(refused), (429, "throttling_error".to_owned()));
        assert_eq!(refused.header("rate_limit_type"), "requests");
        assert!(refused.header("reset_at").ends_with(" UTC"));
        assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().expect("seconds")));
        let one = gateway.key(&json!({"model_rpm_limit": {"good": 1}}));
        let statuses: Vec<u16> = ["good", "good", "other"].map(|model| gateway.chat(&one, model).status.as_u16()).to_vec();
        assert_eq!(statuses, [200, 429, 200]);
    });
}

#[test]
fn spend_is_the_sum_of_what_answers_cost() {
    priced(|gateway| {
        let key = gateway.key(&json!({"max_budget": 10}));
        let mut cost = 0.0;
        for model in ["cent", "dear", "cent", "dear", "good"] {
            let answer = gateway.chat(&key, model);
            cost += answer.header("x-litellm-response-cost").parse::<f64>().unwrap_or(0.0);
        }
        assert!((spend(gateway, &key) - cost).abs() < 1e-9 && cost > 0.02, "{cost}");
        let regenerated = gateway.post(&format!("/key/{key}/regenerate"), &json!({}));
        let fresh = regenerated["key"].as_str().expect("a key");
        assert!((spend(gateway, fresh) - cost).abs() < 1e-9, "what is spent stays spent");
    });
}

#[test]
fn what_is_refused_takes_nothing() {
    priced(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "max_budget": 0.02, "rpm_limit": 100}));
        let (poor, rich) = (gateway.key(&json!({"team_id": "t", "max_budget": 0.001})), gateway.key(&json!({"team_id": "t"})));
        for _ in 0..5 {
            assert_eq!(gateway.chat(&poor, "cent").status, 422);
        }
        assert!(gateway.chat(&rich, "broken").status.as_u16() >= 500);
        let answer = gateway.chat(&rich, "cent");
        assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-team-remaining-requests")), (200, "98"), "{}", answer.text());
        assert_eq!(burst(gateway, &[rich], 3), 1);
    });
}

#[test]
fn the_whole_gateway_has_a_budget() {
    let yaml = format!("{PRICED}\nlitellm_settings: {{max_budget: 0.02, budget_duration: 1d}}\n");
    with(&yaml, |gateway| {
        let keys = [gateway.key(&json!({})), gateway.key(&json!({}))];
        assert_eq!(burst(gateway, &keys, 3), 2);
        assert_eq!(told(&gateway.chat(MASTER, "cent")).0, 422);
    });
}

#[test]
fn openrouters_clients_are_told_in_their_words() {
    priced(|gateway| {
        let key = gateway.key(&json!({"max_budget": 0}));
        let body = json!({"model": "cent", "messages": [{"role": "user", "content": "hello"}]});
        let refused = gateway.as_key(&key, "POST", "/api/v1/chat/completions", &body);
        let error: Value = refused.json()["error"].clone();
        assert_eq!((refused.status.as_u16(), &error["metadata"]["limit_source"]), (402, &json!("openrouter_key_limit")), "{error}");
    });
}
