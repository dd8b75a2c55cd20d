//! Several gateways on one database: what one spends the others see.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::managed::{MASTER, shared_database};

const MODELS: &str = "
model_list:
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
";

/// Gateways on a database of their own; none where there is no PostgreSQL.
fn gateways(count: usize) -> Option<Vec<(TestApp, tempfile::TempDir)>> {
    let address = shared_database()?;
    let one = || {
        let folder = tempfile::tempdir().expect("a folder");
        let general = format!("general_settings: {{master_key: {MASTER}, database_url: '{address}'}}");
        let yaml = format!("{MODELS}{general}\nswitchboard: {{data_dir: '{}'}}\n", folder.path().display());
        (TestApp::with(&yaml, &[("SWITCHBOARD_KEY_PEPPER", "0123456789abcdef0123456789abcdef")]), folder)
    };
    Some((0..count).map(|_| one()).collect())
}

fn as_key(app: &TestApp, key: &str, method: &str, path: &str, body: &Value) -> Reply {
    let ask = app.ask(method, path).key(key);
    if body.is_null() { ask.send() } else { ask.json(body).send() }
}

fn chat(app: &TestApp, key: &str) -> u16 {
    let body = json!({"model": "cent", "messages": [{"role": "user", "content": "hello"}]});
    as_key(app, key, "POST", "/v1/chat/completions", &body).status.as_u16()
}

fn key(app: &TestApp, said: &Value) -> String {
    as_key(app, MASTER, "POST", "/key/generate", said).json()["key"].as_str().expect("a key").to_owned()
}

/// Asks that gateway until it says so: what another has spent is written there a moment later.
fn until(app: &TestApp, path: &str, good: impl Fn(&Value) -> bool) -> Value {
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let found = as_key(app, MASTER, "GET", path, &Value::Null).json();
        if good(&found) {
            return found;
        }
        assert!(std::time::Instant::now() < patience, "{path}: {found}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn what_one_gateway_spends_the_others_see() {
    let Some(gateways) = gateways(2) else { return };
    let [(one, _), (two, _)] = &gateways[..] else { panic!("two") };
    let paid =
        key(one, &json!({"budget_limits": [{"budget_duration": "1d", "max_budget": 1}], "max_budget": 0.03, "budget_duration": "30d"}));
    assert_eq!([chat(one, &paid), chat(one, &paid)], [200, 200]);
    let path = format!("/key/info?key={paid}");
    for app in [two, one] {
        let info = until(app, &path, |info| info["info"]["spend"] == 0.02);
        assert_eq!(info["info"]["budget_limits_usage"][0]["current_spend"], 0.02);
        until(app, "/spend/logs/v2", |page| page["total"] == 2);
    }
    // The budget is one for both, and set back for both.
    assert_eq!(chat(two, &paid), 200);
    until(one, &path, |info| info["info"]["spend"] == 0.03);
    assert_eq!([chat(one, &paid), chat(two, &paid)], [422, 422]);
    let reset = as_key(two, MASTER, "POST", &format!("/key/{paid}/reset_spend"), &json!({"reset_to": 0.01}));
    assert_eq!((reset.status.as_u16(), &reset.json()["previous_spend"]), (200, &json!(0.03)), "{}", reset.text());
    until(one, &path, |info| info["info"]["spend"] == 0.01 && info["info"]["total_spend"] == 0.03);
    assert_eq!([chat(one, &paid), chat(two, &paid), chat(one, &paid)], [200, 200, 422]);
}

#[test]
fn credits_are_one_purse_for_all_gateways() {
    let Some(gateways) = gateways(2) else { return };
    let [(one, _), (two, _)] = &gateways[..] else { panic!("two") };
    as_key(one, MASTER, "POST", "/team/new", &json!({"team_id": "t"}));
    let top = as_key(one, MASTER, "POST", "/credits/topup", &json!({"team_id": "t", "amount": 0.1}));
    assert_eq!(top.status, 200, "{}", top.text());
    let keys: Vec<String> = (0..4).map(|_| key(one, &json!({"team_id": "t"}))).collect();
    let admitted: usize = std::thread::scope(|scope| {
        let ask = |at: usize, key: &String| {
            let app = if at.is_multiple_of(2) { one } else { two };
            (0..8).filter(|_| chat(app, key) == 200).count()
        };
        let threads: Vec<_> = keys.iter().enumerate().map(|(at, key)| scope.spawn(move || ask(at, key))).collect();
        threads.into_iter().map(|thread| thread.join().expect("asked")).sum()
    });
    assert!(admitted <= 10, "{admitted}");
    let info = until(two, "/credits/info?team_id=t", |info| info["total_usage"] == json!(admitted as f64 / 100.0));
    assert_eq!(info["total_credits"], 0.1);
}

#[test]
fn four_gateways_count_on_the_same_rows() {
    let Some(gateways) = gateways(4) else { return };
    let (first, _) = &gateways[0];
    as_key(first, MASTER, "POST", "/team/new", &json!({"team_id": "t"}));
    let keys: Vec<String> = (0..4).map(|_| key(first, &json!({"team_id": "t", "max_budget": 5}))).collect();
    std::thread::scope(|scope| {
        for (app, _) in &gateways {
            let keys = &keys;
            scope.spawn(move || (0..40).for_each(|at| assert_eq!(chat(app, &keys[at % keys.len()]), 200)));
        }
    });
    until(first, "/team/info?team_id=t", |info| info["team_info"]["spend"] == 1.6);
}
