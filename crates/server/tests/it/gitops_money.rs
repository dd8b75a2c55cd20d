//! Files that say what models cost from when on, and what credits somebody has.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::gitops::place;
use crate::managed::{MASTER, Managed, with};

const PRICED: &str = "  - {model_name: token, litellm_params: {model: demo/echo, input_cost_per_token: 0.001, output_cost_per_token: 0.002}, model_info: {id: by-token}}
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
";

fn cost(reply: &Reply) -> f64 {
    reply.header("x-litellm-response-cost").parse().unwrap_or_else(|_| panic!("{}", reply.text()))
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

fn prices(gateway: &Managed) -> Vec<Value> {
    gateway.get("/prices/list")["data"].as_array().expect("prices").clone()
}

fn price(from: &str, usd: &str, more: &str) -> String {
    format!(
        "  - {{model: by-token, effective_from: {from}, prices: {{input_cost_per_token: {usd}, output_cost_per_token: {usd}}}{more}}}\n"
    )
}

#[test]
fn prices_hold_from_their_dates_and_what_has_begun_is_changed_only_when_that_is_meant() {
    with(PRICED, |gateway| {
        let place = place(gateway);
        let key = gateway.key(&json!({}));
        let before = cost(&gateway.chat(&key, "token"));
        let write = |lines: &[String]| place.write(&format!("prices:\n{}", lines.concat()));
        let (past, future) = (price("2020-01-01", "0.004", ""), price("2099-01-01", "8e-3", ", note: agreed"));
        write(&[past.clone(), future.clone()]);
        let told = place.ended(&["plan"], 2);
        assert!(told.contains("+ price by-token from 2020-01-01T00:00:00.000000Z") && told.contains("switchboard reprice"), "{told}");
        assert!(place.ended(&["apply"], 0).contains("2 made"));
        assert!(place.ended(&["plan"], 0).contains("Nothing to do"));
        let dear = cost(&gateway.chat(&key, "token"));
        assert!(dear > before, "{dear} {before}");
        // What is still to come is changed as it is wanted.
        let later = price("2099-01-01", "0.009", ", effective_until: 2100-01-01");
        write(&[past.clone(), later.clone()]);
        assert!(place.ended(&["apply"], 0).contains("1 changed"));
        assert!(place.ended(&["plan"], 0).contains("Nothing to do"));
        let told = prices(gateway);
        assert_eq!((told.len(), &told[1]["prices"]["input_cost_per_token"], &told[1]["note"]), (2, &json!(0.009), &Value::Null));
        // What calls were charged by is not, unless somebody says so.
        let other = price("2020-01-01", "0.002", "");
        write(&[other.clone(), later.clone()]);
        assert!(place.ended(&["plan"], 64).contains("--past-prices"));
        place.ended(&["apply"], 64);
        assert!(close(cost(&gateway.chat(&key, "token")), dear));
        let id = told[0]["price_id"].clone();
        let raised = json!({"price_id": id, "prices": {"input_cost_per_token": 0.002}});
        assert_eq!(gateway.as_key(MASTER, "POST", "/prices/update", &raised).status, 409);
        assert!(place.ended(&["apply", "--past-prices"], 0).contains("1 changed"));
        assert!(close(cost(&gateway.chat(&key, "token")), dear / 2.0));
        assert_eq!(prices(gateway)[0]["price_id"], id, "the same price, at another amount");
        // That it ends some day changes nothing that was charged.
        let ending = price("2020-01-01", "0.002", ", effective_until: 2098-01-01");
        write(&[ending.clone(), later]);
        assert!(place.ended(&["apply"], 0).contains("1 changed"));
        // One that has begun is not deleted with the others, unless that is said.
        place.write("prices: []\n");
        assert!(place.ended(&["plan"], 0).contains("2 objects are no longer in the files"));
        assert!(place.ended(&["apply", "--prune"], 0).contains("1 deleted"));
        assert_eq!(prices(gateway).len(), 1);
        assert!(place.ended(&["plan", "--prune"], 0).contains("--past-prices deletes"));
        assert!(place.ended(&["apply", "--prune", "--past-prices"], 0).contains("1 deleted"));
        assert!(prices(gateway).is_empty() && close(cost(&gateway.chat(&key, "token")), before));
    });
}

#[test]
fn prices_that_others_entered_are_theirs_and_a_mistaken_unit_must_be_meant() {
    with(PRICED, |gateway| {
        let place = place(gateway);
        let named = json!({"input_cost_per_token": 0.5});
        gateway.post("/prices/new", &json!({"model": "by-token", "effective_from": "2099-01-01", "prices": named, "force": true}));
        let file =
            "prices:\n  - {model: by-token, effective_from: 2099-01-01T00:00:00Z, prices: {output_cost_per_token: 0.5}, force: true}\n";
        place.write(file);
        assert!(place.ended(&["apply"], 64).contains("! price by-token"));
        assert_eq!(prices(gateway)[0]["prices"], named);
        place.ended(&["apply", "--adopt"], 0);
        assert_eq!(prices(gateway)[0]["prices"], json!({"output_cost_per_token": 0.5}), "what is named no longer is gone");
        place.ended(&["plan"], 0);
        place.write(&file.replace("0.5}, force: true", "60.0}"));
        assert!(place.ended(&["apply"], 1).contains("force: true"));
        place.write(&file.replace("0.5", "60.0"));
        place.ended(&["apply"], 0);
    });
}

const CREDITS: &str = "
teams:
  - {alias: lab}
keys:
  - {alias: own, team: lab, value: {env: OWN_KEY}}
credits:
  - {id: spring, team: lab, amount: 0.02, expires_at: 2099-01-01, note: a present}
  - {id: invoice-7, kind: topup, team: lab, amount: 0.01}
  - {id: starter, key: own, amount: 5}
low_balances:
  - {team: lab, low_balance: 0.025}
";

#[test]
fn credits_are_granted_once_and_what_was_granted_stays() {
    with(PRICED, |gateway| {
        let place = place(gateway);
        place.write(CREDITS);
        let told = place.ended(&["apply"], 0);
        assert!(told.contains("+ credit spring") && told.contains("+ low balance team lab") && told.contains("6 made"), "{told}");
        for command in ["plan", "apply"] {
            assert!(place.ended(&[command], 0).contains("Nothing to do"));
        }
        let team = gateway.get("/team/list")[0]["team_id"].clone();
        let account = || gateway.get(&format!("/credits/info?team_id={}", team.as_str().expect("an id")));
        let whole = account();
        assert_eq!((&whole["total_credits"], &whole["low_balance"]), (&json!(0.03), &json!(0.025)), "{whole}");
        let entries = gateway.get("/credits/entries");
        let mut known: Vec<(&str, &str)> = Vec::new();
        for entry in entries["entries"].as_array().expect("entries") {
            known.push((entry["reference"].as_str().expect("an id"), entry["kind"].as_str().expect("a kind")));
        }
        known.sort_unstable();
        assert_eq!(known, [("invoice-7", "topup"), ("spring", "grant"), ("starter", "grant")]);
        let statuses: Vec<u16> = (0..4).map(|_| gateway.chat(crate::gitops::SECRET, "cent").status.as_u16()).collect();
        assert_eq!(statuses, [200, 200, 200, 402], "the team has three cents");
        // A grant that is another one by now is told, whatever became of it: more, less, somebody else's.
        for other in ["amount: 0.05, expires_at: 2099-01-01", "amount: 0.02, expires_at: 2098-01-01", "amount: 0.01"] {
            place.write(&CREDITS.replace("amount: 0.02, expires_at: 2099-01-01", other));
            let told = place.ended(&["plan"], 64);
            assert!(told.contains("! credit spring  cannot become that") && told.contains("/credits/withdraw"), "{told}");
            place.ended(&["apply", "--prune"], 64);
        }
        place.write(&CREDITS.replace("{id: spring, team: lab", "{id: spring, key: own"));
        place.ended(&["apply"], 64);
        assert_eq!(account()["total_credits"], 0.03);
        // What is named no longer is not taken back, and named again it is not given again.
        place.write(&CREDITS.replace("  - {id: spring, team: lab, amount: 0.02, expires_at: 2099-01-01, note: a present}\n", ""));
        assert!(place.ended(&["plan"], 0).contains("no longer in the files"));
        assert!(place.ended(&["apply", "--prune"], 0).contains("what was put in stays"));
        place.write(CREDITS);
        assert!(place.ended(&["plan"], 64).contains("! credit spring"), "nobody's by now");
        place.ended(&["apply", "--adopt"], 0);
        assert_eq!(account()["total_credits"], 0.03);
        // A key that is another one by now has the same account.
        gateway.post("/key/regenerate", &json!({"key": crate::gitops::SECRET, "new_key": "sk-another-0123456789"}));
        let entries = gateway.get("/credits/entries");
        let starter = entries["entries"].as_array().into_iter().flatten().find(|entry| entry["reference"] == "starter").cloned();
        let hash = gateway.get("/key/list")["keys"][0].clone();
        assert_eq!(starter.map(|entry| entry["key"].clone()), Some(hash));
        place.write(&CREDITS.replace("0.025", "0.5").replace(", value: {env: OWN_KEY}", ""));
        place.ended(&["plan"], 2);
    });
}

#[test]
fn a_low_balance_is_told_of_an_account_that_there_is() {
    with(PRICED, |gateway| {
        let place = place(gateway);
        let file = "credits:\n  - {id: all, amount: 5}\nlow_balances:\n  - {low_balance: 1}\n";
        place.write("low_balances:\n  - {low_balance: 1}\n");
        assert!(place.ended(&["apply"], 1).contains("no credits of that owner"), "an account of nothing would stop every call");
        place.write(file);
        place.ended(&["apply"], 0);
        place.write(&file.replace("low_balance: 1", "low_balance: 2"));
        assert!(place.ended(&["apply"], 0).contains("~ low balance gateway"));
        let low = || gateway.get("/credits/info")["low_balance"].clone();
        assert_eq!(low(), 2.0);
        place.write("credits:\n  - {id: all, amount: 5}\n");
        place.ended(&["apply", "--prune"], 0);
        assert_eq!(low(), Value::Null);
        gateway.post("/credits/update", &json!({"low_balance": 3}));
        place.write(file);
        assert!(place.ended(&["plan"], 64).contains("! low balance gateway"));
        assert_eq!(low(), 3.0);
    });
}
