//! What answers cost, credits, prices with a date, and spend that is set back: over HTTP.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, with};

/// A model of which every answer costs $0.01, and one that is paid by the token.
const PRICED: &str = "
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
  - {model_name: token, litellm_params: {model: demo/echo, input_cost_per_token: 0.001, output_cost_per_token: 0.002}, model_info: {id: by-token}}
";

fn priced(more: &str, test: impl Fn(&Managed)) {
    with(&format!("{PRICED}{more}"), test);
}

fn number(reply: &Reply, header: &str) -> f64 {
    reply.header(header).parse().unwrap_or_else(|_| panic!("{header}: {:?} {}", reply.headers, reply.text()))
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

fn info(gateway: &Managed, key: &str) -> Value {
    gateway.get(&format!("/key/info?key={key}"))["info"].clone()
}

#[test]
fn every_answer_says_what_it_cost_and_why() {
    let costs = "\nlitellm_settings: {cost_discount_config: {demo: 0.05}, cost_margin_config: {global: 0.5, demo: {percentage: 0.1, fixed_amount: 0.0005}}}\n";
    priced(costs, |gateway| {
        let key = gateway.key(&json!({"max_budget": 10}));
        let answer = gateway.chat(&key, "token");
        let usage = answer.json()["usage"].clone();
        let tokens = |name: &str| usage[name].as_f64().expect("a count");
        let (input, output) = (tokens("prompt_tokens") * 0.001, tokens("completion_tokens") * 0.002);
        let list = input + output;
        let owed = list * 0.95;
        let charged = owed * 1.1 + 0.0005;
        for (header, wanted) in [
            ("x-litellm-response-cost", charged),
            ("x-litellm-response-cost-original", list),
            ("x-litellm-response-cost-discount-amount", list - owed),
            ("x-litellm-response-cost-margin-amount", charged - owed),
            ("x-litellm-response-cost-margin-percent", 0.1),
            ("x-litellm-response-cost-input", input),
            ("x-litellm-response-cost-output", output),
            ("x-litellm-response-cost-tool-usage", 0.0),
            ("x-litellm-key-spend", charged),
        ] {
            assert!(close(number(&answer, header), wanted), "{header}: {} is not {wanted}", answer.header(header));
        }
        assert!(close(info(gateway, &key)["spend"].as_f64().expect("spend"), charged));
        let counts = |name: &str| tokens(name) as u64;
        let estimate = gateway.post(
            "/cost/estimate",
            &json!({"model": "token", "input_tokens": counts("prompt_tokens"), "output_tokens": counts("completion_tokens"), "num_requests_per_day": 2}),
        );
        let estimated = |name: &str| estimate[name].as_f64().expect("a number");
        assert!(close(estimated("cost_per_request"), charged) && close(estimated("daily_cost"), 2.0 * charged), "{estimate}");
        assert!(close(estimated("margin_cost_per_request"), charged - owed) && close(estimated("output_cost_per_request"), output));
        assert_eq!((&estimate["monthly_cost"], &estimate["num_requests_per_month"]), (&Value::Null, &Value::Null));
        // The budget holds what is charged and not what is listed.
        let poor = gateway.key(&json!({"max_budget": 0.0104}));
        assert_eq!(gateway.chat(&poor, "cent").status, 422);
        let rich = gateway.key(&json!({"max_budget": 0.01095}));
        assert_eq!(gateway.chat(&rich, "cent").status, 200);
    });
}

#[test]
fn openrouters_clients_are_told_the_cost_in_answers_and_streams() {
    priced("", |gateway| {
        let key = gateway.key(&json!({}));
        let ask = |stream: bool| {
            let body = json!({"model": "token", "stream": stream, "messages": [{"role": "user", "content": "hello"}]});
            gateway.as_key(&key, "POST", "/api/v1/chat/completions", &body)
        };
        let whole = ask(false);
        let usage = whole.json()["usage"].clone();
        let check = |usage: &Value| {
            let tokens = |name: &str| usage[name].as_f64().expect("a count");
            let (input, output) = (tokens("prompt_tokens") * 0.001, tokens("completion_tokens") * 0.002);
            let details = &usage["cost_details"];
            assert!(close(usage["cost"].as_f64().expect("a cost"), input + output), "{usage}");
            assert!(close(details["upstream_inference_prompt_cost"].as_f64().expect("a cost"), input), "{usage}");
            assert!(close(details["upstream_inference_completions_cost"].as_f64().expect("a cost"), output), "{usage}");
            assert_eq!(usage["is_byok"], false);
        };
        check(&usage);
        let streamed = ask(true);
        let last = streamed.text().lines().filter_map(|line| line.strip_prefix("data: ")).rfind(|line| *line != "[DONE]");
        let last: Value = serde_json::from_str(last.expect("a chunk")).expect("JSON");
        assert_eq!(last["choices"], json!([]), "{last}");
        check(&last["usage"]);
        let id = whole.header("x-litellm-call-id").to_owned();
        crate::spending::until(gateway, "/spend/logs/v2", |page| page["total"] == 2);
        let found = gateway.get(&format!("/api/v1/generation?id={id}"));
        let data = &found["data"];
        assert_eq!((&data["finish_reason"], &data["streamed"], &data["api_type"]), (&json!("stop"), &json!(false), &json!("completions")));
        assert_eq!(data["native_tokens_prompt"], usage["prompt_tokens"]);
        assert!(close(data["total_cost"].as_f64().expect("a cost"), usage["cost"].as_f64().expect("a cost")), "{data}");
        assert!(close(data["upstream_inference_cost"].as_f64().expect("a cost"), usage["cost"].as_f64().expect("a cost")), "{data}");
        assert_eq!(data["provider_responses"][0]["status"], 200, "{data}");
    });
}

#[test]
fn what_was_spent_is_set_back_and_the_budget_with_it() {
    priced("", |gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "max_budget": 0.05}));
        gateway.post("/user/new", &json!({"user_id": "u", "auto_create_key": false}));
        let key = gateway.key(&json!({"team_id": "t", "user_id": "u", "max_budget": 0.02, "budget_duration": "30d"}));
        let ask = || gateway.chat(&key, "cent").status.as_u16();
        assert_eq!([ask(), ask(), ask()], [200, 200, 422]);
        let reset = gateway.post(&format!("/key/{key}/reset_spend"), &json!({"reset_to": 0.01}));
        assert_eq!((&reset["spend"], &reset["previous_spend"], &reset["max_budget"]), (&json!(0.01), &json!(0.02), &json!(0.02)));
        assert_eq!(info(gateway, &key)["spend"], 0.01);
        assert_eq!(info(gateway, &key)["total_spend"], 0.02, "what was ever spent stays");
        assert_eq!([ask(), ask()], [200, 422]);
        assert_eq!(gateway.as_key(MASTER, "POST", &format!("/key/{key}/reset_spend"), &json!({"reset_to": 5})).status, 400);
        assert_eq!(gateway.as_key(&key, "POST", &format!("/key/{key}/reset_spend"), &json!({"reset_to": 0})).status, 403);
        gateway.post("/key/update", &json!({"key": key, "spend": 0}));
        assert_eq!(info(gateway, &key)["spend"], 0.0);
        assert_eq!([ask(), ask(), ask()], [200, 200, 422]);
        assert_eq!(gateway.get("/team/info?team_id=t")["team_info"]["spend"], 0.05);
        gateway.post("/team/update", &json!({"team_id": "t", "spend": 0.02}));
        assert_eq!(gateway.get("/team/info?team_id=t")["team_info"]["spend"], 0.02);
        gateway.post("/user/update", &json!({"user_id": "u", "spend": 0.01}));
        assert_eq!(gateway.get("/user/info?user_id=u")["user_info"]["spend"], 0.01);
        let all = gateway.post("/global/spend/reset", &json!({}));
        assert_eq!(all["status"], "success");
        assert_eq!(gateway.get("/team/info?team_id=t")["team_info"]["spend"], 0.0);
        assert_eq!([ask(), ask(), ask()], [200, 200, 422]);
        // The log stays.
        crate::spending::until(gateway, "/spend/logs/v2?status_filter=success", |page| page["total"] == 7);
    });
}

#[test]
fn prepaid_credits_hold_exactly_and_come_and_go() {
    priced("", |gateway| {
        gateway.post("/team/new", &json!({"team_id": "t"}));
        let keys: Vec<String> = (0..4).map(|_| gateway.key(&json!({"team_id": "t"}))).collect();
        let top = |amount: f64, reference: &str| {
            gateway.post("/credits/topup", &json!({"team_id": "t", "amount": amount, "reference": reference}))
        };
        assert_eq!(top(0.1, "p1")["balance"], 0.1);
        let again = top(0.1, "p1");
        assert_eq!((&again["balance"], &again["already_known"]), (&json!(0.1), &json!(true)), "a payment counts once");
        let burst = || {
            std::thread::scope(|scope| {
                let ask = |key: &String| (0..8).filter(|_| gateway.chat(key, "cent").status == 200).count();
                let threads: Vec<_> = keys.iter().map(|key| scope.spawn(move || ask(key))).collect();
                threads.into_iter().map(|thread| thread.join().expect("asked")).sum::<usize>()
            })
        };
        assert_eq!(burst(), 10);
        let refused = gateway.chat(&keys[0], "cent");
        assert_eq!(
            (refused.status.as_u16(), refused.json()["error"]["code"].clone()),
            (402, json!("insufficient_credits")),
            "{}",
            refused.text()
        );
        gateway.post("/credits/refund", &json!({"team_id": "t", "amount": 0.02, "note": "a bad day"}));
        gateway.post("/credits/grant", &json!({"team_id": "t", "amount": 0.03, "duration": "1s"}));
        assert_eq!(gateway.chat(&keys[0], "cent").status, 200);
        // Of two the one that expires first is spent first: two cents of the grant are left when its second is over.
        crate::spending::until(gateway, "/credits/info?team_id=t", |found| found["balance"] == 0.02);
        let too_much = gateway.as_key(MASTER, "POST", "/credits/withdraw", &json!({"team_id": "t", "amount": 0.03}));
        assert_eq!(too_much.status, 402, "{}", too_much.text());
        let left = gateway.post("/credits/withdraw", &json!({"team_id": "t", "amount": 0.01}));
        assert_eq!(left["balance"], 0.01);
        assert_eq!(burst(), 1);
        let low = gateway.post("/credits/update", &json!({"team_id": "t", "low_balance": 1}));
        assert_eq!(low["is_low"], true);
        let total = gateway.get("/api/v1/credits");
        assert_eq!(total["data"]["total_credits"], 0.15, "{total}");
        assert_eq!(gateway.as_key(&keys[0], "POST", "/credits/topup", &json!({"amount": 5})).status.as_u16() / 100, 4);
    });
}

#[test]
fn everybodys_credits_hold_for_everybody() {
    priced("", |gateway| {
        let key = gateway.key(&json!({}));
        gateway.post("/credits/topup", &json!({"amount": 0.02}));
        let statuses: Vec<u16> = [&key, MASTER, &key].map(|key| gateway.chat(key, "cent").status.as_u16()).to_vec();
        assert_eq!(statuses, [200, 200, 402]);
        assert_eq!(gateway.get("/api/v1/credits")["data"], json!({"total_credits": 0.02, "total_usage": 0.02}));
    });
}

#[test]
fn a_price_has_a_date_and_a_period_is_reckoned_again() {
    priced("", |gateway| {
        let key = gateway.key(&json!({"max_budget": 10}));
        let before = number(&gateway.chat(&key, "token"), "x-litellm-response-cost");
        let price = |from: &str, usd: f64, force: bool| {
            let prices = json!({"input_cost_per_token": usd, "output_cost_per_token": usd * 2.0});
            json!({"model": "by-token", "effective_from": from, "prices": prices, "force": force})
        };
        let absurd = gateway.as_key(MASTER, "POST", "/prices/new", &price("2020-01-01", 1.0, false));
        assert_eq!(absurd.status, 400, "LiteLLM #20615: a wrong unit must be meant");
        gateway.post("/prices/new", &price("2099-01-01", 0.05, false));
        assert!(close(number(&gateway.chat(&key, "token"), "x-litellm-response-cost"), before), "not yet");
        let made = gateway.post("/prices/new", &price("2020-01-01", 0.002, false));
        assert!(close(number(&gateway.chat(&key, "token"), "x-litellm-response-cost"), 2.0 * before), "from its date on");
        let spent = info(gateway, &key)["spend"].as_f64().expect("spend");
        assert!(close(spent, 4.0 * before), "{spent}");
        let period = json!({"start_date": "2020-01-01", "end_date": "2098-01-01"});
        let mut dry = period.clone();
        dry["dry_run"] = json!(true);
        assert_eq!(gateway.post("/spend/reprice", &dry)["changed"], 2);
        let done = gateway.post("/spend/reprice", &period);
        assert_eq!((&done["attempts"], &done["changed"]), (&json!(3), &json!(2)), "{done}");
        assert!(close(done["spend_difference"].as_f64().expect("money"), 2.0 * before));
        assert_eq!(gateway.post("/spend/reprice", &period)["changed"], 0);
        assert!(close(info(gateway, &key)["spend"].as_f64().expect("spend"), 6.0 * before));
        let lines = crate::spending::until(gateway, "/spend/logs/v2", |page| page["total"] == 3);
        let sum: f64 = lines["data"].as_array().expect("lines").iter().filter_map(|line| line["spend"].as_f64()).sum();
        assert!(close(sum, 6.0 * before), "{lines}");
        gateway.post("/prices/delete", &json!({"price_id": made["price_id"]}));
        assert!(close(number(&gateway.chat(&key, "token"), "x-litellm-response-cost"), before));
    });
}
