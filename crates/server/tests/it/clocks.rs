//! M17: gateways whose clocks differ agree on when windows open, since they ask their database.

use switchboard_store::{Settings, Store, micros};

use crate::managed::{MASTER, shared_database, together};

const HOUR: f64 = 3_600_000_000.0;
const MODELS: &str = "  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}\n";

/// A clock that goes ahead of the gateway's, for whoever is told to look for functions there first.
const AHEAD: &str = "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS \
                     $$ SELECT pg_catalog.clock_timestamp() + interval '7 hours' $$";

#[test]
fn m17_windows_open_by_the_databases_clock() {
    let Some(address) = shared_database() else { return };
    let store = Store::open(&Settings { address: address.clone(), connections: 1 }).expect("an address");
    let pool = store.sql().writers.clone();
    let made = store.thread().block(async move {
        sqlx::query(AHEAD).execute(&pool).await?;
        Ok(())
    });
    made.expect("a clock");
    store.close();

    let gateways = together(MODELS, 1, |_| format!("{address}%2Cpg_catalog"));
    let Some(gateway) = gateways.first() else { return };
    let key = gateway.key(&serde_json::json!({"max_budget": 1, "budget_duration": "1d"}));
    assert_eq!(gateway.chat(&key, "cent").status, 200);
    let page = gateway.as_key(MASTER, "GET", "/metrics", &serde_json::Value::Null);
    let told = page.text().lines().find(|line| line.starts_with("litellm_api_key_budget_remaining_hours_metric{"));
    let hours: f64 = told.and_then(|line| line.rsplit(' ').next()).expect("told").parse().expect("a number");
    let there = 24.0 - ((micros() as f64 / HOUR) + 7.0) % 24.0;
    let apart = (hours - there).abs();
    assert!(apart.min(24.0 - apart) < 0.2, "{hours} hours are left of the day, and {there} by the database");
}
