//! What was spent, as LiteLLM's clients ask for it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

/// A model whose every token costs a cent.
const PAID: &str = "  - {model_name: paid, litellm_params: {model: demo/echo, input_cost_per_token: 0.01, output_cost_per_token: 0.01}}\n";

/// Asks until the answer is as it must be: what is spent reaches the database a moment after the answer.
pub(crate) fn until(gateway: &Managed, path: &str, good: impl Fn(&Value) -> bool) -> Value {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let found = gateway.get(path);
        if good(&found) {
            return found;
        }
        assert!(Instant::now() < patience, "{path}: {found}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn many(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

#[test]
fn every_request_is_a_line_and_a_part_of_every_sum() {
    with(PAID, |gateway| {
        let user = gateway.post("/user/new", &json!({"user_id": "u", "user_role": "internal_user"}));
        let own = user["key"].as_str().expect("a key");
        gateway.post("/team/new", &json!({"team_id": "t", "team_alias": "Team"}));
        let shared = gateway.key(&json!({"team_id": "t", "tags": ["red"], "key_alias": "shared"}));
        let reply = gateway.chat(own, "paid");
        let id = reply.header("x-litellm-call-id").to_owned();
        assert_eq!(gateway.chat(&shared, "paid").status, 200);
        assert_eq!(gateway.chat(&shared, "paid").status, 200);
        let all = until(gateway, "/spend/logs/v2", |page| page["total"] == 3);
        assert_eq!((many(&all["data"]), &all["total_pages"]), (3, &json!(1)));
        let line = gateway.get(&format!("/spend/logs?request_id={id}"));
        let tokens = line[0]["total_tokens"].as_u64().expect("tokens");
        assert!(tokens > 0);
        let spent = tokens as f64 / 100.0;
        let close = |value: &Value, wanted: f64| (value.as_f64().expect("a number") - wanted).abs() < 1e-9;
        assert!(close(&line[0]["spend"], spent), "{line}");
        assert_eq!((&line[0]["user"], &line[0]["status"], &line[0]["model_group"]), (&json!("u"), &json!("success"), &json!("paid")));
        let page = gateway.get("/spend/logs/v2?page=2&page_size=1&sort_by=startTime&sort_order=asc");
        assert_eq!((many(&page["data"]), &page["total"], &page["total_pages"]), (1, &json!(3), &json!(3)));
        let range = "start_date=2020-01-01&end_date=2099-01-01";
        let days = gateway.get(&format!("/spend/logs?{range}"));
        assert!(close(&days[0]["spend"], 3.0 * spent) && close(&days[0]["users"]["u"], spent), "{days}");
        assert_eq!(many(&gateway.get(&format!("/spend/logs?{range}&summarize=false"))), 3);
        assert_eq!(many(&gateway.get("/spend/logs?start_date=2020-01-01&end_date=2020-01-02&summarize=false")), 0);
        assert_eq!(many(&gateway.get(&format!("/spend/logs?api_key={shared}"))), 2);
        assert!(close(&gateway.get("/global/spend")["spend"], 3.0 * spent));
        assert!(close(&gateway.get("/global/spend/logs")[0]["spend"], 3.0 * spent));
        let keys = gateway.get("/global/spend/keys?limit=1");
        assert_eq!((many(&keys), &keys[0]["key_alias"]), (1, &json!("shared")));
        let teams = gateway.get("/global/spend/teams");
        assert!(close(&teams["total_spend_per_team"][0]["total_spend"], 2.0 * spent) && teams["teams"] == json!(["Team"]));
        assert!(close(&gateway.get("/global/spend/models")[0]["total_spend"], 3.0 * spent));
        assert_eq!(gateway.get("/global/spend/provider")[0]["provider"], "demo");
        assert_eq!(gateway.get("/global/spend/tags")["spend_per_tag"][0]["log_count"], 2);
        assert_eq!(gateway.get("/spend/tags")[0]["individual_request_tag"], "red");
        assert_eq!(gateway.get("/spend/keys")[0]["key_alias"], "shared");
        assert!(gateway.get("/spend/users").as_array().is_some_and(|users| users.iter().any(|user| user["user_id"] == "u")));
        let report = gateway.get(&format!("/global/spend/report?{range}&group_by=team"));
        assert_eq!(report[0]["teams"][0]["team_name"], "Team");
        assert_eq!(report[0]["teams"][0]["metadata"][0]["total_tokens"], 2 * tokens);
        assert_eq!(gateway.get(&format!("/global/spend/report?{range}&team_id=t")), report, "a team alone is told like all");
        assert_eq!(gateway.get(&format!("/global/spend/report?{range}&team_id=other")), json!([]));
        let by_key = gateway.get(&format!("/global/spend/report?{range}&api_key={shared}"));
        assert!(close(&by_key[0]["total_cost"], 2.0 * spent) && by_key[0]["model_details"][0]["model"] == "echo");
        assert_eq!(gateway.as_key(MASTER, "GET", "/global/spend/report", &Value::Null).status, 400);
        let activity = gateway.get("/global/activity");
        assert_eq!((&activity["sum_api_requests"], &activity["sum_total_tokens"]), (&json!(3), &json!(3 * tokens)));
        assert_eq!(gateway.get("/global/activity/model")[0]["model"], "paid");
    });
}

#[test]
fn days_are_told_by_their_parts_and_to_those_they_concern() {
    with(PAID, |gateway| {
        let user = |id: &str| {
            let made = gateway.post("/user/new", &json!({"user_id": id, "user_role": "internal_user"}));
            made["key"].as_str().expect("a key").to_owned()
        };
        let (ann, bob) = (user("ann"), user("bob"));
        gateway
            .post("/team/new", &json!({"team_id": "t", "team_alias": "Team", "members_with_roles": [{"role": "admin", "user_id": "bob"}]}));
        let shared = gateway.key(&json!({"team_id": "t", "tags": ["red"]}));
        for key in [&ann, &ann, &bob, &shared] {
            assert_eq!(gateway.chat(key, "paid").status, 200);
        }
        until(gateway, "/spend/logs/v2", |page| page["total"] == 4);
        let range = "start_date=2020-01-01&end_date=2099-01-01";
        let all = gateway.get(&format!("/user/daily/activity?{range}"));
        assert_eq!(all["metadata"]["total_api_requests"], 4);
        assert_eq!(all["results"][0]["breakdown"]["model_groups"]["paid"]["metrics"]["api_requests"], 4);
        let as_key = |key: &str, path: &str| gateway.as_key(key, "GET", path, &Value::Null);
        let own = as_key(&ann, &format!("/user/daily/activity?{range}")).json();
        assert_eq!(own["results"][0]["metrics"]["successful_requests"], 2);
        assert_eq!(as_key(&ann, &format!("/user/daily/activity?{range}&user_id=bob")).status, 403);
        assert_eq!(as_key(&ann, "/spend/logs?user_id=bob").json(), json!([]));
        assert_eq!(many(&as_key(&ann, "/spend/logs").json()), 2);
        assert_eq!(as_key(&ann, &format!("/spend/logs?{range}")).json()[0]["users"].as_object().map(|users| users.len()), Some(1));
        for path in ["/global/spend", "/spend/keys", "/spend/users", "/spend/tags", "/global/activity", "/tag/daily/activity"] {
            assert_eq!(as_key(&ann, path).status, 403, "{path}");
        }
        let team = as_key(&bob, &format!("/team/daily/activity?{range}"));
        assert_eq!(team.json()["results"][0]["breakdown"]["entities"]["t"]["metadata"]["team_alias"], "Team", "{}", team.text());
        assert_eq!(as_key(&ann, &format!("/team/daily/activity?{range}")).status, 403);
        assert_eq!(gateway.get(&format!("/tag/daily/activity?{range}&tags=red"))["metadata"]["total_api_requests"], 1);
        assert_eq!(gateway.get(&format!("/tag/daily/activity?{range}&tags=blue"))["results"], json!([]));
        let first = gateway.get(&format!("/user/daily/activity?{range}&page_size=1"));
        assert_eq!((&first["metadata"]["has_more"], &first["metadata"]["page"]), (&json!(true), &json!(1)));
    });
}

#[test]
fn a_cost_is_told_before_it_is_spent() {
    const OWN: &str = "  - {model_name: own, litellm_params: {model: openai/m1, api_key: k, input_cost_per_token: 0.0001, output_cost_per_token: 0.0002}}\n";
    with(OWN, |gateway| {
        let usage = json!({"prompt_tokens": 10, "completion_tokens": 5});
        let own = gateway.post("/spend/calculate", &json!({"completion_response": {"model": "own", "usage": usage}}));
        assert_eq!(own["cost"].as_f64(), Some(0.002), "by the prices of the configuration: {own}");
        let said = gateway.post(
            "/spend/calculate",
            &json!({"completion_response": {"model": "gpt-4o-mini", "usage": {"prompt_tokens": 1000, "completion_tokens": 1000}}}),
        );
        assert!(said["cost"].as_f64().is_some_and(|cost| cost > 0.0), "{said}");
        let asked = gateway.post("/spend/calculate", &json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}));
        assert!(asked["cost"].as_f64().is_some_and(|cost| cost > 0.0));
        let unpriced = gateway.as_key(MASTER, "POST", "/spend/calculate", &json!({"model": "no such model", "messages": []}));
        let error = unpriced.json()["error"].clone();
        assert_eq!((&error["code"], &error["type"], &error["param"]), (&json!("400"), &json!("invalid_request_error"), &json!("model")));
        assert_eq!(gateway.as_key(MASTER, "POST", "/spend/calculate", &json!({})).status, 400);
    });
}

#[test]
fn what_was_read_from_a_cache_is_told() {
    let upstream = Upstream::start();
    let models =
        format!("  - {{model_name: m, litellm_params: {{model: openai/m, api_key: sk-x, api_base: {}/cached/v1}}}}\n", upstream.url());
    with(&models, |gateway| {
        let reply = gateway.chat(MASTER, "m");
        until(gateway, "/spend/logs/v2", |page| page["total"] == 1);
        let id = reply.header("x-litellm-call-id");
        let line = gateway.get(&format!("/spend/logs?request_id={id}"));
        let told = &line[0]["metadata"]["additional_usage_values"];
        assert_eq!(told, &json!({"cache_read_input_tokens": 3, "cache_creation_input_tokens": 0}), "{line}");
        assert_eq!(gateway.get(&format!("/api/v1/generation?id={id}"))["data"]["native_tokens_cached"], 3);
    });
}
