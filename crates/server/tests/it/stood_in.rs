//! What is written of calls that another model answered than the one asked for.

use serde_json::{Value, json};

use crate::managed::{MASTER, with};
use crate::spending::until;
use crate::upstream::Upstream;

fn models(upstream: &Upstream) -> String {
    let url = upstream.url();
    format!(
        "
  - {{model_name: first, litellm_params: {{model: openai/one, api_base: '{url}/bad/v1', api_key: k, num_retries: 0}}}}
  - {{model_name: second, litellm_params: {{model: openai/two, api_base: '{url}/good/v1', api_key: k, input_cost_per_request: 0.01, input_cost_per_token: 0, output_cost_per_token: 0}}}}
  - {{model_name: free, litellm_params: {{model: demo/echo}}}}
router_settings: {{fallbacks: [{{first: [nick]}}], model_group_alias: {{nick: second}}}}
"
    )
}

#[test]
fn a_call_that_fell_back_is_a_line_of_the_model_that_answered() {
    let upstream = Upstream::start();
    with(&models(&upstream), |gateway| {
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.chat(&key, "first").header("x-litellm-attempted-fallbacks"), "1");
        assert_eq!(gateway.chat(&key, "second").status, 200);
        let lines = until(gateway, &format!("/spend/logs?api_key={key}"), |lines| lines.as_array().is_some_and(|lines| lines.len() == 2));
        let of = |group: &str| lines.as_array().into_iter().flatten().find(|line| line["model_group"] == group).expect("a line");
        let said = |line: &Value| json!([line["metadata"]["attempted_fallbacks"], line["metadata"]["original_model_group"]]);
        assert_eq!((said(of("nick")), said(of("second"))), (json!([1, "first"]), json!([0, null])));
        assert_eq!(of("nick")["metadata"]["attempted_retries"], 0);
        let day = gateway.get("/user/daily/activity?start_date=2020-01-01&end_date=2099-01-01");
        let groups = day["results"][0]["breakdown"]["model_groups"].as_object().expect("groups");
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["nick", "second"], "{day}");
        // Where nothing answers, it is a line of what was asked for.
        let failed = json!({"model": "first", "messages": [{"role": "user", "content": "hi"}], "disable_fallbacks": true});
        assert!(gateway.as_key(MASTER, "POST", "/v1/chat/completions", &failed).status.is_server_error());
        until(gateway, "/spend/logs/v2?status_filter=failure", |page| {
            page["data"][0]["model_group"] == "first" && page["data"][0]["metadata"]["original_model_group"].is_null()
        });
    });
}

#[test]
fn a_call_that_a_budgets_fallback_answered_is_one_call() {
    let upstream = Upstream::start();
    with(&models(&upstream), |gateway| {
        let more = json!({"model_max_budget": {"second": {"budget_limit": 0.01, "time_period": "1d"}}, "budget_fallbacks": {"second": ["free"]}, "max_parallel_requests": 1});
        let key = gateway.key(&more);
        assert_eq!(gateway.chat(&key, "second").header("x-litellm-model-group"), "second");
        let reply = gateway.chat(&key, "second");
        assert_eq!((reply.status.as_u16(), reply.header("x-litellm-model-group")), (200, "free"), "{}", reply.text());
        let path = format!("/spend/logs?api_key={key}");
        let lines =
            until(gateway, &path, |lines| lines.as_array().is_some_and(|lines| lines.iter().any(|line| line["model_group"] == "free")));
        let told: Vec<(&Value, &Value)> =
            lines.as_array().expect("lines").iter().map(|line| (&line["model_group"], &line["status"])).collect();
        assert_eq!(told, [(&json!("free"), &json!("success")), (&json!("second"), &json!("success"))]);
        // Where none of them answers, what was refused is told and written.
        let alone = gateway.key(&json!({"max_budget": 0.01, "budget_fallbacks": {"second": ["second"]}}));
        assert_eq!(gateway.chat(&alone, "second").status, 200);
        assert_eq!(gateway.chat(&alone, "second").status, 422);
        until(gateway, &format!("/spend/logs?api_key={alone}"), |lines| {
            let lines = lines.as_array().into_iter().flatten();
            lines.filter(|line| line["status"] == "failure").count() == 1
        });
    });
}
