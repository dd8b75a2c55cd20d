//! Budgets whose days begin where the operator lives (`litellm_settings.timezone`, `budget_reset_time`).

use serde_json::json;
use switchboard_engine::terms::Window;
use switchboard_store::Time;

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

/// As LiteLLM has it: so many days begin on the day a budget is made, and weeks and months where the calendar says.
#[test]
fn several_days_begin_on_the_day_a_budget_is_made() {
    let mut gateway =
        Managed::with_models("", "  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}\n", &[]);
    let days = |count: i64| {
        let midnight = Time(Window::DAILY.start(Time::now().0) + count * 86_400_000_000);
        serde_json::to_value(midnight).expect("a time")
    };
    let said = json!({"max_budget": 0.03, "budget_duration": "11d"});
    let key = gateway.key(&json!({
        "max_budget": 0.03, "budget_duration": "11d", "budget_limits": [{"max_budget": 1, "budget_duration": "2w", "budget_since": "2001-01-01T00:00:00Z"}],
    }));
    assert_eq!(gateway.chat(&key, "cent").status, 200);
    let of_key = |gateway: &Managed| gateway.get(&format!("/key/info?key={key}"))["info"].clone();
    let told = of_key(&gateway);
    assert_eq!((&told["budget_reset_at"], &told["spend"]), (&days(11), &json!(0.01)));
    let several = &told["budget_limits"][0];
    assert_eq!((&several["reset_at"], several.get("budget_since")), (&days(14), None));
    assert_eq!(told["budget_limits_usage"][0]["current_spend"], 0.01);
    assert_eq!(told.get("budget_since"), None);
    for (route, id) in [("/team/new", "team"), ("/user/new", "user")] {
        let made = gateway.post(route, &said);
        let told = gateway.get(&format!("/{id}/info?{id}_id={}", made[format!("{id}_id")].as_str().expect("an id")));
        assert_eq!(told[format!("{id}_info")]["budget_reset_at"], days(11), "{told}");
    }
    let made = gateway.post("/budget/new", &json!({"budget_id": "eleven", "max_budget": 0.03, "budget_duration": "11d"}));
    assert_eq!((&made["budget_reset_at"], made.get("budget_since")), (&days(11), None));
    // Who says the same once more gets no second budget, nor does a restart give one.
    gateway
        .post("/key/update", &json!({"key": key, "budget_duration": "11d", "budget_limits": [{"max_budget": 1, "budget_duration": "2w"}]}));
    gateway.restarted();
    let told = of_key(&gateway);
    assert_eq!((&told["budget_reset_at"], &told["spend"], &told["budget_limits"][0]["reset_at"]), (&days(11), &json!(0.01), &days(14)));
    let statuses: Vec<u16> = (0..3).map(|_| gateway.chat(&key, "cent").status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 422]);
    // A budget that is said to begin anew at some time does so, and is counted from there.
    gateway.post("/budget/update", &json!({"budget_id": "eleven", "budget_reset_at": days(3)}));
    let customer = gateway.post("/customer/new", &json!({"user_id": "somebody", "budget_id": "eleven"}));
    assert_eq!(customer["litellm_budget_table"]["budget_reset_at"], days(3), "{customer}");
}

#[test]
fn a_time_zone_that_is_none_stops_the_start() {
    for (said, name) in [("timezone: Mars/Olympus", "timezone"), ("budget_reset_time: '25:00'", "budget_reset_time")] {
        let loaded = load(&format!("litellm_settings: {{{said}}}\n"));
        assert!(loaded.config.is_none() && loaded.diagnostics.to_string().contains(name), "{}", loaded.diagnostics);
    }
    assert!(load("litellm_settings: {timezone: UTC, budget_reset_time: '00:00'}\n").config.is_some());
}
