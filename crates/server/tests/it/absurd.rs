//! Prices whose unit is a mistake: dollars for a million tokens, where those for one are meant.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::gitops::place;
use crate::managed::{MASTER, Managed, with};

const MODELS: &str = "
  - {model_name: token, litellm_params: {model: demo/echo, input_cost_per_token: 0.00001, output_cost_per_token: 0.00001}, model_info: {id: by-token}}
";

fn post(gateway: &Managed, path: &str, body: &Value) -> Reply {
    gateway.as_key(MASTER, "POST", path, body)
}

/// Refused, unless it is forced: with what there is to do.
fn must_be_meant(gateway: &Managed, path: &str, body: &Value) {
    let refused = post(gateway, path, body);
    assert_eq!(refused.status, 400, "{path} {body}: {}", refused.text());
    assert!(refused.text().contains("force: true"), "{}", refused.text());
    let mut forced = body.clone();
    forced["force"] = json!(true);
    let taken = post(gateway, path, &forced);
    assert_eq!(taken.status, 200, "{path} {forced}: {}", taken.text());
}

fn dated(model: &str, from: &str, usd: f64) -> Value {
    json!({"model": model, "effective_from": from, "prices": {"input_cost_per_token": usd}})
}

fn own(id: &str, model: &str, usd: f64) -> Value {
    let params = json!({"model": model, "api_key": "k", "input_cost_per_token": usd});
    json!({"model_name": id, "litellm_params": params, "model_info": {"id": id}})
}

#[test]
fn a_price_with_a_date_is_compared_with_what_holds_then() {
    with(MODELS, |gateway| {
        // The configuration's, by the deployment and by the model.
        must_be_meant(gateway, "/prices/new", &dated("by-token", "2098-01-01", 0.0011));
        must_be_meant(gateway, "/prices/new", &dated("demo/echo", "2097-01-01", 0.0011));
        // The catalogue's.
        must_be_meant(gateway, "/prices/new", &dated("openai/gpt-4o-mini", "2097-01-01", 0.15));
        // That of an entry before it, which nothing else knows.
        gateway.post("/prices/new", &dated("openai/nobody-knows-it", "2020-01-01", 0.000_001));
        must_be_meant(gateway, "/prices/new", &dated("openai/nobody-knows-it", "2021-01-01", 0.000_101));
        gateway.post("/prices/new", &dated("openai/nobody-knows-it", "2022-01-01", 0.01));
        // Where nothing is known, that of every model.
        must_be_meant(gateway, "/prices/new", &dated("openai/nobody-knows-this-either", "2020-01-01", 2.5));
        let late = gateway.post("/prices/new", &dated("openai/nobody-knows-it", "2099-01-01", 0.01));
        let changed = json!({"price_id": late["price_id"], "prices": {"input_cost_per_token": 2.5}});
        must_be_meant(gateway, "/prices/update", &changed);
    });
}

#[test]
fn a_models_own_price_is_compared_with_what_its_model_costs() {
    with(MODELS, |gateway| {
        must_be_meant(gateway, "/model/new", &own("listed", "openai/gpt-4o-mini", 0.15));
        must_be_meant(gateway, "/model/new", &own("unknown", "openai/nobody-knows-it", 2.5));
        gateway.post("/model/new", &own("cheap", "openai/ours", 0.000_001));
        // What a model of the database costs, and what an entry says.
        must_be_meant(gateway, "/model/new", &own("dear", "openai/ours", 0.000_101));
        gateway.post("/prices/new", &dated("openai/dated", "2020-01-01", 0.000_001));
        must_be_meant(gateway, "/model/new", &own("dated", "openai/dated", 0.000_101));
        let update = |usd: f64| json!({"model_info": {"id": "cheap"}, "litellm_params": {"input_cost_per_token": usd}});
        must_be_meant(gateway, "/model/update", &update(0.011));
        // What it has already it may keep.
        gateway.post("/model/update", &json!({"model_info": {"id": "cheap"}, "litellm_params": {"rpm": 5}}));
        gateway.post("/model/update", &update(0.011));
        gateway.post("/model/update", &update(0.000_001));
        let banded = json!({
            "model_name": "banded", "litellm_params": {"model": "openai/gpt-4.1-mini", "api_key": "k"},
            "model_info": {"id": "banded", "tiered_pricing": [{"range": [0, 1000], "input_cost_per_token": 0.15}]},
        });
        must_be_meant(gateway, "/model/new", &banded);
    });
}

#[test]
fn files_say_that_they_mean_it() {
    with(MODELS, |gateway| {
        let place = place(gateway);
        let file = "models:\n  - {id: ours, model_name: ours, litellm_params: {model: openai/gpt-4o-mini, api_key: {env: OWN_KEY}, input_cost_per_token: 0.15}}\n";
        place.write(file);
        assert!(place.ended(&["apply"], 1).contains("force: true"));
        place.write(&file.replace("0.15}}", "0.15}, force: true}"));
        place.ended(&["apply"], 0);
        assert!(place.ended(&["plan"], 0).contains("Nothing to do"));
        place.write(&file.replace("0.15}}", "16}}"));
        assert!(place.ended(&["apply"], 1).contains("force: true"));
    });
}

/// LiteLLM #20615: the price of a million tokens, entered for one, shut a user out until somebody deleted a row of the log.
#[test]
fn a_mistaken_price_is_put_right_by_rows_that_are_added() {
    with(MODELS, |gateway| {
        let key = gateway.key(&json!({"max_budget": 10}));
        let ask = || gateway.chat(&key, "token");
        let spend = || gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].as_f64().expect("spend");
        assert_eq!(ask().status, 200);
        let meant = spend();
        let prices = json!({"input_cost_per_token": 10.0, "output_cost_per_token": 10.0});
        let mistaken = json!({"model": "by-token", "effective_from": "2020-01-01", "prices": prices, "force": true});
        let made = gateway.post("/prices/new", &mistaken);
        let period = json!({"start_date": "2020-01-01", "end_date": "2098-01-01"});
        assert_eq!(gateway.post("/spend/reprice", &period)["changed"], 1);
        assert!(spend() > 10.0, "what was charged is beyond the budget");
        let refused = ask();
        assert_eq!(refused.status, 422, "{}", refused.text());
        gateway.post("/prices/delete", &json!({"price_id": made["price_id"]}));
        let put_right = gateway.post("/spend/reprice", &period);
        assert_eq!(put_right["changed"], 1, "{put_right}");
        assert!((spend() - meant).abs() < 1e-12, "{} {meant}", spend());
        assert_eq!(ask().status, 200);
        // No line is gone.
        crate::spending::until(gateway, "/spend/logs/v2?status_filter=success", |page| page["total"] == 2);
        let again = gateway.post("/spend/reprice", &period);
        assert_eq!((&again["attempts"], &again["changed"]), (&json!(2), &json!(0)), "{again}");
    });
}
