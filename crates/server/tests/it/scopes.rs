//! Budgets and limits of everything that stands around a key, of providers and deployments, and by rule: over HTTP.

use serde_json::{Value, json};

use crate::app::Reply;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

/// A model of which every answer costs $0.01, and one that costs nothing.
const PRICED: &str = "
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
  - {model_name: free, litellm_params: {model: demo/echo, input_cost_per_request: 0, input_cost_per_token: 0, output_cost_per_token: 0}}
";

fn priced(test: impl Fn(&Managed)) {
    with(PRICED, test);
}

/// What a refused call is told: status, type, message.
fn told(reply: &Reply) -> (u16, String, String) {
    let error = reply.json()["error"].clone();
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (reply.status.as_u16(), text("type"), text("message"))
}

fn call(gateway: &Managed, key: &str, model: &str, more: &Value) -> Reply {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    gateway.as_key(key, "POST", "/v1/chat/completions", &body)
}

/// So many of that many calls are answered; what the first refusal says.
fn answered(count: usize, ask: impl Fn() -> Reply) -> Answers {
    let replies: Vec<Reply> = (0..count).map(|_| ask()).collect();
    (replies.iter().filter(|reply| reply.status == 200).count(), replies.iter().find(|reply| reply.status != 200).map(told))
}

/// How many were answered, and the first refusal: status, type and message.
type Answers = (usize, Option<(u16, String, String)>);

/// A refusal for a spent budget, in those words.
fn spent(words: &str) -> impl Fn(Answers, usize) + '_ {
    move |(count, refused), wanted| {
        let (status, kind, message) = refused.expect("one is refused");
        assert_eq!((count, status, kind.as_str()), (wanted, 422, "budget_exceeded"), "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn organizations_projects_and_members_have_budgets() {
    priced(|gateway| {
        gateway.post("/organization/new", &json!({"organization_id": "o", "organization_alias": "Acme", "max_budget": 0.03}));
        gateway.post("/team/new", &json!({"team_id": "to", "organization_id": "o"}));
        let keys = [gateway.key(&json!({"team_id": "to"})), gateway.key(&json!({"team_id": "to"}))];
        assert_eq!(gateway.chat(&keys[0], "cent").status, 200);
        spent("Organization=Acme")(answered(5, || gateway.chat(&keys[1], "cent")), 2);
        assert_eq!(gateway.chat(&keys[1], "free").status, 200, "what costs nothing goes on");
        gateway.post("/team/new", &json!({"team_id": "tp"}));
        gateway.post("/project/new", &json!({"project_id": "p", "project_alias": "moon", "team_id": "tp", "max_budget": 0.02}));
        let key = gateway.key(&json!({"team_id": "tp", "project_id": "p"}));
        spent("Project=moon")(answered(4, || gateway.chat(&key, "cent")), 2);
        assert_eq!(gateway.chat(&gateway.key(&json!({"team_id": "tp"})), "cent").status, 200, "outside the project");
        gateway.post("/user/new", &json!({"user_id": "m", "auto_create_key": false}));
        let member = json!({"team_id": "tp", "member": {"role": "user", "user_id": "m"}, "max_budget_in_team": 0.01});
        gateway.post("/team/member_add", &member);
        let key = gateway.key(&json!({"team_id": "tp", "user_id": "m"}));
        spent("User=m in Team=tp")(answered(3, || gateway.chat(&key, "cent")), 1);
    });
}

#[test]
fn customers_and_tags_have_budgets_and_limits() {
    priced(|gateway| {
        let key = gateway.key(&json!({}));
        gateway.post("/customer/new", &json!({"user_id": "c", "max_budget": 0.02}));
        spent("End User=c")(answered(4, || call(gateway, &key, "cent", &json!({"user": "c"}))), 2);
        assert_eq!(call(gateway, &key, "cent", &json!({"user": "d"})).status, 200);
        gateway.post("/budget/new", &json!({"budget_id": "slow", "rpm_limit": 2}));
        gateway.post("/customer/new", &json!({"user_id": "e", "budget_id": "slow"}));
        let (count, refused) = answered(4, || call(gateway, &key, "free", &json!({"user": "e"})));
        let (status, kind, message) = refused.expect("one is refused");
        assert_eq!((count, status, kind.as_str()), (2, 429, "throttling_error"));
        assert!(message.starts_with("Rate limit exceeded for end_user: e. Limit type: requests."), "{message}");
        gateway.post("/tag/new", &json!({"name": "red", "max_budget": 0.01}));
        let tagged = |tag: &str| call(gateway, &key, "cent", &json!({"metadata": {"tags": [tag]}}));
        spent("Tag=red")(answered(3, || tagged("red")), 1);
        assert_eq!(tagged("blue").status, 200);
        let limited = gateway.key(&json!({"tag_rpm_limit": {"blue": 1}}));
        let blue = |tag: &str| call(gateway, &limited, "free", &json!({"metadata": {"tags": [tag]}})).status.as_u16();
        assert_eq!([blue("blue"), blue("blue"), blue("green"), blue("green")], [200, 429, 200, 200]);
    });
}

#[test]
fn teams_and_users_have_limits_of_every_kind() {
    priced(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "rpm_limit": 3}));
        let keys = [gateway.key(&json!({"team_id": "t", "max_parallel_requests": 5})), gateway.key(&json!({"team_id": "t"}))];
        let first = gateway.chat(&keys[0], "free");
        assert_eq!(first.header("x-ratelimit-team-remaining-requests"), "2");
        assert_eq!(first.header("x-ratelimit-api_key-limit-max_parallel_requests"), "5");
        assert_eq!(first.header("x-ratelimit-api_key-remaining-max_parallel_requests"), "4");
        let (count, refused) = answered(4, || gateway.chat(&keys[1], "free"));
        assert_eq!((count, refused.expect("one is refused").0), (2, 429));
        let refused = gateway.chat(&keys[0], "free");
        assert_eq!(refused.header("rate_limit_type"), "requests");
        assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().expect("seconds")));
        gateway.post("/user/new", &json!({"user_id": "u", "tpm_limit": 300, "auto_create_key": false}));
        let key = gateway.key(&json!({"user_id": "u"}));
        let first = gateway.chat(&key, "free");
        assert_eq!((first.status.as_u16(), first.header("x-ratelimit-user-limit-tokens")), (200, "300"), "{}", first.text());
        let (count, refused) = answered(150, || gateway.chat(&key, "free"));
        let (status, _, message) = refused.expect("one is refused");
        assert!(count * 4 <= 300 && status == 429 && message.contains("Limit type: tokens"), "{count} {message}");
        let kinds = json!({"metadata": {"model_itpm_limit": {"free": 2}, "model_otpm_limit": {"cent": 5}}});
        let key = gateway.key(&kinds);
        let (status, _, message) = told(&gateway.chat(&key, "free"));
        assert!(status == 429 && message.contains("input_tokens"), "{message}");
        let short = call(gateway, &key, "cent", &json!({"max_tokens": 5}));
        let long = told(&call(gateway, &key, "cent", &json!({"max_tokens": 500})));
        assert_eq!((short.status.as_u16(), long.0), (200, 429), "{}", long.2);
    });
}

#[test]
fn several_windows_hold_at_once() {
    priced(|gateway| {
        let several = json!({"max_budget": 1, "budget_limits": [
            {"budget_duration": "30d", "max_budget": 0.04}, {"budget_duration": "7d", "max_budget": 0.03}, {"budget_duration": "1d", "max_budget": 0.02},
        ]});
        let key = gateway.key(&several);
        let (count, refused) = answered(4, || gateway.chat(&key, "cent"));
        assert_eq!(count, 2, "the tightest one decides");
        assert!(refused.expect("one is refused").2.contains("over 1d budget"));
        gateway.post("/key/update", &json!({"key": key, "budget_limits": [{"budget_duration": "7d", "max_budget": 0.03}]}));
        spent("over weekly budget")(answered(3, || gateway.chat(&key, "cent")), 1);
        // A window of seconds begins anew.
        let key = gateway.key(&json!({"max_budget": 0.01, "budget_duration": "2s"}));
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let mut count = 0;
        while count < 3 {
            assert!(std::time::Instant::now() < end, "{count}");
            let reply = gateway.chat(&key, "cent");
            count += usize::from(reply.status == 200);
            assert!(matches!(reply.status.as_u16(), 200 | 422));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
}

#[test]
fn providers_and_deployments_have_budgets() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let yaml = format!(
        "
  - {{model_name: pair, litellm_params: {{model: openai/nobody-knows-it, api_base: {url}/good/v1, api_key: k, input_cost_per_request: 0.01, input_cost_per_token: 0, output_cost_per_token: 0, max_budget: 0.02, budget_duration: 1d }}, model_info: {{id: first}}}}
  - {{model_name: pair, litellm_params: {{model: openai/nobody-knows-it, api_base: {url}/good/v1, api_key: k, input_cost_per_request: 0.01, input_cost_per_token: 0, output_cost_per_token: 0 }}, model_info: {{id: second}}}}
router_settings: {{provider_budget_config: {{openai: {{budget_limit: 0.05, time_period: 1d}}}}}}
"
    );
    with(&yaml, |gateway| {
        let replies: Vec<Reply> = (0..6).map(|_| gateway.chat(MASTER, "pair")).collect();
        let served: Vec<&str> = replies.iter().map(|reply| reply.header("x-litellm-model-id")).collect();
        let of = |id: &str| served.iter().filter(|served| **served == id).count();
        assert!(of("first") <= 2 && of("first") + of("second") == 5, "{served:?} {}", replies[5].text());
        assert!(replies[5].status.is_client_error(), "{}", replies[5].text());
        let page = gateway.as_key(MASTER, "GET", "/metrics", &Value::Null);
        assert!(page.text().contains("litellm_provider_remaining_budget_metric{api_provider=\"openai\"} 0.0\n"));
    });
}

#[test]
fn a_cheaper_model_answers_when_a_budget_is_spent() {
    priced(|gateway| {
        let key = gateway.key(&json!({"max_budget": 0.02, "budget_fallbacks": {"cent": ["cent", "free"]}}));
        let replies: Vec<Reply> = (0..4).map(|_| gateway.chat(&key, "cent")).collect();
        assert!(replies.iter().all(|reply| reply.status == 200), "{}", replies[3].text());
        let groups: Vec<&str> = replies.iter().map(|reply| reply.header("x-litellm-model-group")).collect();
        assert_eq!(groups, ["cent", "cent", "free", "free"]);
        assert_eq!(gateway.get(&format!("/key/info?key={key}"))["info"]["spend"], 0.02);
        // What answered is in the log beside what was refused.
        crate::spending::until(gateway, &format!("/spend/logs?api_key={key}"), |lines| {
            let answered = |group: &str| {
                let lines = lines.as_array().into_iter().flatten();
                lines.filter(|line| line["model_group"] == group && line["status"] == "success").count()
            };
            (answered("cent"), answered("free")) == (2, 2)
        });
    });
}

const RULES: &str = "
switchboard:
  limit_rules:
    - type: gateway-rate-limiting-config
      name: platform
      rules:
        - {id: each-user, when: {models: [cent]}, limit_to: 2, unit: requests_per_minute, rate_limit_applies_per: [user]}
        - {id: all, when: {models: [cent]}, limit_to: 3, unit: requests_per_minute}
        - {id: app, when: {metadata: {app: chat}}, limit_to: 1, unit: requests_per_hour, rate_limit_applies_per: [metadata.tenant, model]}
        - {id: ci, when: {subjects: ['virtualaccount:ci']}, limit_to: 0, unit: requests_per_day}
    - {name: ml, type: tenant-budget-config, when: {subjects: {in: ['team:ml']}, models: {not_in: [cent]}}, limits: {cost_per_day: 0.02},
       applies_to: {type: per-user, overrides: [{users: [rich], limits: {cost_per_day: 0.03}}]}, mode: enforce}
";

#[test]
fn every_rule_that_matches_holds() {
    let yaml = format!("{PRICED}  - {{model_name: paid, litellm_params: {{model: demo/echo, input_cost_per_request: 0.01}}}}\n{RULES}");
    with(&yaml, |gateway| {
        let key = |user: &str| gateway.key(&json!({"user_id": user}));
        let (one, two) = (key("one"), key("two"));
        let (count, refused) = answered(3, || gateway.chat(&one, "cent"));
        let (status, _, message) = refused.expect("one is refused");
        assert!(count == 2 && status == 429 && message.contains("each-user|user=one"), "{message}");
        let (count, refused) = answered(2, || gateway.chat(&two, "cent"));
        assert!(count == 1 && refused.expect("one is refused").2.contains("rule: all."), "the broad rule holds too");
        assert_eq!(gateway.chat(&two, "free").status, 200);
        let ask = |tenant: &str, model: &str| {
            let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
            let metadata = json!({"app": "chat", "tenant": tenant}).to_string();
            gateway.app.ask("POST", "/v1/chat/completions").key(&two).header("x-tfy-metadata", &metadata).json(&body).send().status.as_u16()
        };
        assert_eq!([ask("a", "free"), ask("a", "free"), ask("b", "free"), ask("a", "good")], [200, 429, 200, 200]);
        assert_eq!(gateway.chat(&gateway.key(&json!({"key_alias": "ci"})), "free").status, 429);
        gateway.post("/team/new", &json!({"team_id": "ml"}));
        let of_team = |user: &str| gateway.key(&json!({"team_id": "ml", "user_id": user}));
        let (plain, rich) = (of_team("plain"), of_team("rich"));
        spent("Rule=ml")(answered(3, || gateway.chat(&plain, "paid")), 2);
        spent("Rule=ml")(answered(4, || gateway.chat(&rich, "paid")), 3);
    });
}

#[test]
fn rules_that_make_no_sense_are_told() {
    let yaml = |rule: &str| {
        format!("model_list: [{{model_name: m, litellm_params: {{model: demo/echo}}}}]\nswitchboard: {{limit_rules: [{rule}]}}\n")
    };
    for rule in [
        "{id: x}",
        "{id: x, limit_to: 1, unit: bananas_per_day}",
        "{id: x, limit_to: 1, unit: requests_per_minute, rate_limit_applies_per: [moon]}",
    ] {
        let loaded = crate::app::load(&yaml(rule));
        assert!(loaded.config.is_none() && loaded.diagnostics.to_string().contains("limit_rules"), "{rule}");
    }
}

#[test]
fn a_soft_budget_is_told_and_refuses_nobody() {
    priced(|gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "soft_budget": 0.01}));
        let key = gateway.key(&json!({"team_id": "t"}));
        assert_eq!(answered(3, || gateway.chat(&key, "cent")).0, 3);
        let page = gateway.as_key(MASTER, "GET", "/metrics", &Value::Null);
        assert!(page.text().contains("switchboard_soft_budgets_crossed_total 1.0\n"), "once for each window");
    });
}
