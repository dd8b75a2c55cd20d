//! Budgets whose days begin where the operator lives (`litellm_settings.timezone`, `budget_reset_time`).

use serde_json::json;

use crate::app::load;
use crate::managed::Managed;

const LOCAL: &str = "  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
litellm_settings: {timezone: Asia/Tokyo, budget_reset_time: '06:30'}
";

#[test]
fn days_of_budgets_begin_where_the_operator_says_and_survive_a_restart() {
    let mut gateway = Managed::with_models("", LOCAL, &[]);
    let key = gateway.key(&json!({"max_budget": 0.02, "budget_duration": "1d"}));
    assert_eq!(gateway.chat(&key, "cent").status, 200);
    let told = gateway.get(&format!("/key/info?key={key}"));
    let resets = told["info"]["budget_reset_at"].as_str().expect("a time").to_owned();
    assert!(resets.contains("T21:30:00"), "half past six in Tokyo: {resets}");
    assert_eq!(told["info"]["spend"], 0.01);
    gateway.restarted();
    let told = gateway.get(&format!("/key/info?key={key}"));
    assert_eq!((&told["info"]["spend"], &told["info"]["budget_reset_at"]), (&json!(0.01), &json!(resets)));
    let statuses: Vec<u16> = (0..2).map(|_| gateway.chat(&key, "cent").status.as_u16()).collect();
    assert_eq!(statuses, [200, 422], "what was spent before the restart counts");
    // A refusal speaks of the budget and not of the calendar.
    let text = gateway.chat(&key, "cent").text().to_owned();
    assert!(!text.contains("Tokyo"), "{text}");
}

#[test]
fn a_time_zone_that_is_none_stops_the_start() {
    for (said, name) in [("timezone: Mars/Olympus", "timezone"), ("budget_reset_time: '25:00'", "budget_reset_time")] {
        let loaded = load(&format!("litellm_settings: {{{said}}}\n"));
        assert!(loaded.config.is_none() && loaded.diagnostics.to_string().contains(name), "{}", loaded.diagnostics);
    }
    assert!(load("litellm_settings: {timezone: UTC, budget_reset_time: '00:00'}\n").config.is_some());
}
