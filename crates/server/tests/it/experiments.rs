//! Experiments, feedback, shadows, savings, and asking models what a request is, over HTTP.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

const MODELS: &str = "  - {model_name: dear, litellm_params: {model: demo/echo, input_cost_per_token: 0.002, output_cost_per_token: 0.002}}
  - {model_name: cheap, litellm_params: {model: demo/echo, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}
";

const SPLIT: &str = "switchboard:
  experiments:
    - name: prices
      model: assistant
      sticky_by: session
      arms: [{model: dear, weight: 3}, {model: cheap, name: thrifty, weight: 1, params: {temperature: 0.5}}]
";

fn until(gateway: &Managed, path: &str, good: impl Fn(&Value) -> bool) -> Value {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        let found = gateway.get(path);
        if good(&found) {
            return found;
        }
        assert!(Instant::now() < patience, "{path}: {found}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn ask(gateway: &Managed, key: &str, session: &str) -> Reply {
    let body = json!({"model": "assistant", "session_id": session, "messages": [{"role": "user", "content": "Hello there"}]});
    let reply = gateway.as_key(key, "POST", "/v1/chat/completions", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

#[test]
fn requests_are_split_stay_where_they_were_and_are_counted() {
    with(&format!("{MODELS}{SPLIT}"), |gateway| {
        let key = gateway.key(&json!({"models": ["assistant"]}));
        let mut groups: BTreeMap<String, usize> = BTreeMap::new();
        for session in 0..60 {
            let first = ask(gateway, &key, &format!("s{session}")).header("x-litellm-model-group").to_owned();
            let second = ask(gateway, &key, &format!("s{session}")).header("x-litellm-model-group").to_owned();
            assert_eq!(first, second, "a session stays with its arm");
            *groups.entry(first).or_default() += 1;
        }
        assert!(groups["dear"] > 30 && groups["cheap"] > 3, "{groups:?}");
        let path = "/v1/experiments/prices";
        let found = until(gateway, path, |found| {
            let all = found["arms"].as_array().expect("arms");
            all.iter().filter_map(|arm| arm["requests"].as_i64()).sum::<i64>() == 120
        });
        let arms = &found["arms"];
        assert_eq!((&found["status"], &found["source"], &arms[1]["name"]), (&json!("running"), &json!("config"), &json!("thrifty")));
        assert_eq!((&arms[0]["share"], &arms[1]["share"]), (&json!(0.75), &json!(0.25)));
        assert_eq!(arms[1]["requests"].as_u64(), Some(2 * groups["cheap"] as u64));
        let mean = |arm: usize| arms[arm]["cost_usd"]["mean"].as_f64().expect("a mean");
        assert!((mean(0) - 2.0 * mean(1)).abs() < 1e-9, "{arms}");
        assert!(arms[0]["latency_ms"]["low"].as_f64() <= arms[0]["latency_ms"]["high"].as_f64() && arms[0]["quality"].is_null());
        let line = &gateway.get("/spend/logs/v2?page_size=1")["data"][0];
        assert_eq!(line["metadata"]["routing_decision"]["experiment"], "prices", "{line}");
        assert_eq!(gateway.as_key(&key, "GET", path, &Value::Null).status, 403);
        assert_eq!(gateway.as_key(MASTER, "GET", "/v1/experiments/none", &Value::Null).status, 404);
    });
}

#[test]
fn feedback_comes_from_those_it_concerns_and_counts_for_the_arm() {
    with(&format!("{MODELS}{SPLIT}"), |gateway| {
        gateway.post("/team/new", &json!({"team_id": "t"}));
        let (own, stranger) = (gateway.key(&json!({"team_id": "t"})), gateway.key(&json!({})));
        let colleague = gateway.key(&json!({"team_id": "t"}));
        let answered = ask(gateway, &own, "s");
        let id = answered.header("x-litellm-call-id").to_owned();
        let say = |key: &str, body: Value| gateway.as_key(key, "POST", "/v1/feedback", &body);
        let said = say(&own, json!({"generation_id": id, "score": 0.8, "comment": "good"})).json();
        assert_eq!((&said["reward"], &said["source"], &said["experiment"]), (&json!(0.8), &json!("caller"), &json!("prices")), "{said}");
        let said = say(&colleague, json!({"generation_id": id, "thumbs": "down"})).json();
        assert_eq!((&said["reward"], &said["source"]), (&json!(0.0), &json!("team")));
        let said = say(MASTER, json!({"generation_id": id, "score": 4, "max_score": 5, "user": "eve"})).json();
        assert_eq!((&said["reward"], &said["source"], &said["score"]), (&json!(0.8), &json!("admin"), &json!("4/5")), "{said}");
        let by_answer = say(&own, json!({"id": answered.json()["id"], "score": 0.8})).json();
        assert_eq!(by_answer["generation_id"], json!(id), "the id that the answer has is as good: {by_answer}");
        assert_eq!(say(&stranger, json!({"generation_id": id, "thumbs": "up"})).status, 404);
        assert_eq!(say(&own, json!({"generation_id": "nothing", "thumbs": "up"})).status, 404);
        for wrong in [
            json!({"generation_id": id}),
            json!({"score": 1}),
            json!({"generation_id": id, "score": 1.5}),
            json!({"generation_id": id, "thumbs": "sideways"}),
            json!({"generation_id": id, "comment": "x".repeat(5000)}),
        ] {
            assert_eq!(say(&own, wrong.clone()).status, 400, "{wrong}");
        }
        // The last word of each holds.
        assert_eq!(say(&own, json!({"generation_id": id, "thumbs": true})).json()["comment"], "good");
        let arms = gateway.get("/v1/experiments/prices")["arms"].clone();
        let rated: Vec<&Value> = arms.as_array().expect("arms").iter().filter(|arm| arm["rated"] == 3).collect();
        assert_eq!(rated.len(), 1, "{arms}");
        assert!((rated[0]["quality"]["mean"].as_f64().expect("a mean") - 0.6).abs() < 1e-9, "{arms}");
        assert_eq!(gateway.get(&format!("/v1/feedback?generation_id={id}"))["data"].as_array().map(Vec::len), Some(3));
        let seen = gateway.as_key(&own, "GET", "/v1/feedback", &Value::Null).json();
        assert_eq!(seen["data"].as_array().map(Vec::len), Some(1), "everybody sees what they said");
    });
}

#[test]
fn experiments_are_made_changed_and_removed_over_the_api() {
    with(&format!("{MODELS}{SPLIT}"), |gateway| {
        let made = json!({"name": "e", "model": "either", "sticky_by": ["session"], "arms": [{"model": "dear"}, {"model": "cheap"}]});
        let reply = gateway.post("/v1/experiments", &made);
        assert_eq!((&reply["source"], &reply["arms"][1]["share"]), (&json!("api"), &json!(0.5)), "{reply}");
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.chat(&key, "either").status, 200);
        let patch = |body: Value| gateway.as_key(MASTER, "PATCH", "/v1/experiments/e", &body);
        let shares = patch(json!({"shares": {"dear": 0, "cheap": 9}})).json();
        assert_eq!((&shares["arms"][0]["share"], &shares["arms"][1]["share"]), (&json!(0.0), &json!(1.0)), "{shares}");
        assert_eq!(gateway.chat(&key, "either").header("x-litellm-model-group"), "cheap");
        assert_eq!(patch(json!({"status": "paused"})).json()["counts"], false);
        assert_eq!(gateway.chat(&key, "either").header("x-litellm-model-group"), "dear", "paused, the name stands for the first arm");
        let won = patch(json!({"winner": "cheap"})).json();
        assert_eq!((&won["status"], &won["winner"]), (&json!("won"), &json!("cheap")));
        assert_eq!(gateway.chat(&key, "either").header("x-litellm-model-group"), "cheap");
        for wrong in [json!({"winner": "nobody"}), json!({"shares": {"dear": 1}}), json!({"status": "won", "winner": null})] {
            let status = patch(wrong.clone()).status;
            assert!(status == 400 || status == 200 && wrong["status"] == "won", "{wrong}: {status}");
        }
        for wrong in
            [json!({}), json!({"name": "x", "model": "y", "arms": []}), json!({"name": "prices", "model": "y", "arms": [{"model": "z"}]})]
        {
            assert_eq!(gateway.as_key(MASTER, "POST", "/v1/experiments", &wrong).status, 400, "{wrong}");
        }
        assert_eq!(gateway.as_key(&key, "POST", "/v1/experiments", &made).status, 401);
        assert_eq!(gateway.as_key(MASTER, "DELETE", "/v1/experiments/prices", &Value::Null).status, 400);
        let log = gateway.get("/audit?page_size=50").to_string();
        assert!(log.contains("experiment"), "{log}");
        assert_eq!(gateway.as_key(MASTER, "DELETE", "/v1/experiments/e", &Value::Null).status, 200);
        assert_ne!(gateway.chat(&key, "either").status, 200);
    });
}

#[test]
fn shares_shift_by_themselves_and_a_winner_outlives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    let yaml = format!(
        "model_list:\n{MODELS}switchboard:
  experiments:
    - name: best
      model: assistant
      sticky_by: request
      arms: [{{model: dear}}, {{model: cheap}}]
      adapt: {{every_seconds: 1, min_samples: 15, floor: 0.1, max_step: 0.5, tolerance: 0, goal: {{quality: 1}}}}
"
    );
    let variables = [("SWITCHBOARD_MASTER_KEY", MASTER), ("SWITCHBOARD_DATA_DIR", place.as_str())];
    let app = TestApp::with(&yaml, &variables);
    let ask = |app: &TestApp, body: &Value, path: &str| app.ask("POST", path).key(MASTER).json(body).send();
    let chat = json!({"model": "assistant", "messages": [{"role": "user", "content": "Hello"}]});
    for _ in 0..60 {
        let reply = ask(&app, &chat, "/v1/chat/completions");
        let good = reply.header("x-litellm-model-group") == "cheap";
        let id = reply.header("x-litellm-call-id").to_owned();
        assert_eq!(ask(&app, &json!({"generation_id": id, "thumbs": good}), "/v1/feedback").status, 200);
    }
    let show = |app: &TestApp| app.ask("GET", "/v1/experiments/best").key(MASTER).send().json();
    let patience = Instant::now() + Duration::from_secs(30);
    while show(&app)["winner"] != "cheap" {
        assert!(Instant::now() < patience, "{}", show(&app));
        std::thread::sleep(Duration::from_millis(100));
    }
    let log = app.stop();
    assert!(log.contains("\"experiment\":\"best\""), "{log}");
    let app = TestApp::with(&yaml, &variables);
    for _ in 0..8 {
        assert_eq!(ask(&app, &chat, "/v1/chat/completions").header("x-litellm-model-group"), "cheap");
    }
    assert_eq!((&show(&app)["status"], &show(&app)["counts"]), (&json!("won"), &json!(false)));
}

#[test]
fn copies_go_to_another_model_and_nobody_pays_or_hears() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let yaml = format!(
        "  - model_name: live
    litellm_params: {{model: demo/echo, silent_model: quiet, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}
  - model_name: quiet
    litellm_params: {{model: openai/q, api_base: '{url}/good/v1', api_key: k, input_cost_per_token: 0.1, output_cost_per_token: 0.1}}
  - model_name: judge
    litellm_params: {{model: openai/j, api_base: '{url}/marks/v1', api_key: k, input_cost_per_token: 0.01, output_cost_per_token: 0.01}}
switchboard:
  experiments:
    - {{name: watch, model: watched, arms: [{{model: cheap}}], shadows: [{{model: quiet, judge: judge}}]}}
"
    );
    with(&format!("{MODELS}{yaml}"), |gateway| {
        let key = gateway.key(&json!({"models": ["live", "watched"]}));
        assert_eq!(gateway.chat(&key, "live").status, 200);
        let body = json!({"model": "watched", "stream": true, "messages": [{"role": "user", "content": "Say it"}]});
        let watched = gateway.as_key(&key, "POST", "/v1/chat/completions", &body);
        assert!(watched.text().contains("Say") && !watched.text().contains("fine"), "{}", watched.text());
        let all = until(gateway, "/v1/experiments", |all| {
            all["silent"][0]["requests"] == 1
                && all["data"][0]["shadows"].as_array().is_some_and(|rows| rows.len() == 2 && rows[1]["rated"] == 1)
        });
        let (judge, shadow) = (&all["data"][0]["shadows"][0], &all["data"][0]["shadows"][1]);
        assert_eq!((&judge["role"], &shadow["role"], &shadow["model"]), (&json!("judge"), &json!("shadow"), &json!("quiet")), "{all}");
        assert_eq!((&shadow["quality"]["mean"], &all["data"][0]["arms"][0]["quality"]["mean"]), (&json!(0.6), &json!(0.6)), "{all}");
        assert!((shadow["spend"].as_f64().expect("money") - 2.5).abs() < 1e-9, "25 tokens: {shadow}");
        // What the caller spent is what the caller got.
        let lines = until(gateway, "/spend/logs/v2?page_size=50", |lines| lines["total"] == 5);
        let lines = lines["data"].as_array().expect("lines").clone();
        let of = |key: &str| lines.iter().filter(|line| line["api_key"] == key).collect::<Vec<_>>();
        assert_eq!(of("switchboard-shadow").len(), 2);
        assert!(of("switchboard-shadow").iter().all(|line| line["metadata"]["is_silent_experiment"] == true));
        let own: f64 = lines
            .iter()
            .filter(|line| !line["api_key"].as_str().expect("a key").starts_with("switchboard-"))
            .filter_map(|line| line["spend"].as_f64())
            .sum();
        let spent = gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].as_f64().expect("money");
        assert!((own - spent).abs() < 1e-9 && own < 0.1, "{own} {spent}");
    });
}

const TIERS: &str = "model_list:
  - {model_name: tiny, litellm_params: {model: demo/echo, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}
  - {model_name: huge, litellm_params: {model: demo/echo, input_cost_per_token: 0.005, output_cost_per_token: 0.005}}
";

#[test]
fn savings_are_counted_against_the_model_that_would_have_served() {
    let models = TIERS.strip_prefix("model_list:\n").expect("models");
    let auto = "switchboard: {auto: {models: {simple: tiny, reasoning: huge}}}\n";
    with(&format!("{models}{auto}"), |gateway| {
        let key = gateway.key(&json!({"team_id": null}));
        for _ in 0..3 {
            assert_eq!(gateway.chat(&key, "auto").header("x-litellm-model-group"), "tiny");
        }
        let day = until(gateway, "/v1/savings", |found| found["totals"]["requests"] == 3);
        let money = |name: &str| day["totals"][name].as_f64().expect("money");
        assert!(money("spend") > 0.0 && (money("reference_spend") - 5.0 * money("spend")).abs() < 1e-9, "{day}");
        assert!((money("saved") - 4.0 * money("spend")).abs() < 1e-9 && day["data"][0]["day"].is_string(), "{day}");
        let mine = gateway.as_key(&key, "GET", "/v1/savings?group_by=key,reference", &Value::Null).json();
        assert_eq!((&mine["totals"]["requests"], &mine["data"][0]["reference"]), (&json!(3), &json!("huge")), "{mine}");
        let other = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&other, "GET", "/v1/savings", &Value::Null).json()["totals"]["requests"], 0);
        let line = &gateway.get("/spend/logs/v2?page_size=1")["data"][0]["metadata"];
        assert_eq!((&line["autorouter_savings"]["reference_model"], &line["routing_decision"]["tier"]), (&json!("huge"), &json!("simple")));
        let body = json!({"model": "auto", "messages": [{"role": "user", "content": "Hello"}]});
        let told = gateway.post("/v1/route/explain", &body);
        assert_eq!((&told["savings"]["reference_model"], &told["classified_by"]), (&json!("huge"), &json!("local")), "{told}");
        assert!(told["savings"]["expected_saving_usd"].as_f64().is_some_and(|saved| saved > 0.0), "{told}");
        assert_eq!(gateway.as_key(MASTER, "GET", "/v1/savings?group_by=moon", &Value::Null).status, 400);
    });
}

fn group(app: &TestApp, text: &str) -> String {
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": text}]});
    let reply = app.ask("POST", "/v1/chat/completions").json(&body).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-litellm-model-group").to_owned()
}

#[test]
fn a_model_is_asked_once_and_not_waited_for_too_long() {
    let upstream = Upstream::start();
    let with = |order: &str, timeout: u32, more: &str| {
        let url = upstream.url();
        TestApp::of(&format!(
            "{TIERS}  - {{model_name: sage, litellm_params: {{model: openai/s, api_base: '{url}/{order}/v1', api_key: k}}}}
switchboard: {{auto: {{models: {{simple: tiny, reasoning: huge}}, classifier: {{model: sage, timeout_ms: {timeout}{more}}}}}}}
"
        ))
    };
    let app = with("thinks", 5000, "");
    assert_eq!((group(&app, "Hello!"), group(&app, "Hello!"), group(&app, "Hi!")), ("huge".into(), "huge".into(), "huge".into()));
    let asked = upstream.asked().len();
    assert_eq!(asked, 2, "what is known is not asked again");
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": "Good morning!"}]});
    let told = app.ask("POST", "/v1/route/explain").json(&body).send().json();
    assert_eq!((&told["model"], upstream.asked().len()), (&json!("tiny"), asked), "an explanation asks nobody");
    let app = with("thinks", 5000, ", local_up_to: simple");
    assert_eq!((group(&app, "Hello!"), upstream.asked().len()), ("tiny".into(), asked), "what is told to be easy is believed");
    let app = with("bad", 5000, "");
    assert_eq!(group(&app, "Hello!"), "tiny", "what fails is told locally");
    let app = with("dead", 50, "");
    let begun = Instant::now();
    for text in ["Hello!", "Hello, you!", "Hi!", "Good day!"] {
        assert_eq!(group(&app, text), "tiny");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waited for an answer that took five seconds");
}

#[test]
fn examples_tell_where_a_request_goes() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let models =
        format!("{TIERS}  - {{model_name: vectors, litellm_params: {{model: openai/v, api_base: '{url}/vectors/v1', api_key: k}}}}\n");
    let own = "switchboard: {auto: {models: {simple: tiny, reasoning: huge}, classifier: {embedding_model: vectors, timeout_ms: 5000, threshold: 0.5, \
         examples: {simple: [chat with me], reasoning: [write code]}}}}\n";
    let app = TestApp::of(&format!("{models}{own}"));
    assert_eq!((group(&app, "Some code, please"), group(&app, "How are you?")), ("huge".into(), "tiny".into()));
    let asked = upstream.asked();
    assert!(asked[0].1.contains("chat with me") && !asked[1].1.contains("chat with me"), "examples are embedded once: {asked:?}");
    let litellm = "  - model_name: auto
    litellm_params:
      model: auto_router/mine
      auto_router_embedding_model: vectors
      auto_router_default_model: tiny
      auto_router_config: '{\"routes\": [{\"name\": \"huge\", \"utterances\": [\"fix this code\"], \"score_threshold\": 0.6}]}'
";
    let app = TestApp::of(&format!("{models}{litellm}"));
    assert_eq!((group(&app, "My code fails"), group(&app, "Good morning")), ("huge".into(), "tiny".into()));
}

#[test]
fn virtual_models_ask_too_and_savings_count_for_them() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let of = |order: &str| {
        TestApp::of(&format!(
            "{TIERS}  - {{model_name: sage, litellm_params: {{model: openai/s, api_base: '{url}/{order}/v1', api_key: k}}}}
switchboard:
  virtual_models:
    - name: auto
      routing_config:
        type: complexity-based-routing
        classification_strategy: {{type: llm-classifier, model: sage, timeout_ms: 5000, fallback_strategy: {{type: static, default_tier: complex}}}}
        load_balance_targets: [{{target: tiny, tier: simple}}, {{target: huge, tier: complex}}]
"
        ))
    };
    assert_eq!((group(&of("thinks"), "Hello!"), upstream.asked().len()), ("huge".into(), 1));
    assert_eq!(group(&of("bad"), "Hello!"), "huge", "where nobody answers the static tier holds");
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": "Hello"}]});
    let told = of("bad").ask("POST", "/v1/route/explain").json(&body).send().json();
    assert_eq!(told["savings"]["reference_model"], "huge", "{told}");
}

#[test]
fn mistakes_in_experiments_are_told() {
    let told = |experiment: &str| {
        let yaml = format!("{TIERS}switchboard:\n  experiments:\n    - {experiment}\n");
        crate::app::load(&yaml).diagnostics.to_string()
    };
    assert!(told("{name: e, model: m, arms: []}").contains("`arms` must be a list"), "{}", told("{name: e, model: m, arms: []}"));
    assert!(told("{name: e, model: m, arms: [{model: tiny}, {model: tiny}]}").contains("two arms are called `tiny`"));
    assert!(told("{name: e, model: m, sticky_by: moon, arms: [{model: tiny}]}").contains("not `moon`"));
    assert!(told("{name: e, model: m, traffic: 2, arms: [{model: tiny}]}").contains("`traffic` must be between 0 and 1"));
    assert!(told("{name: e, model: m, arms: [{model: tiny}], surprise: 1}").contains("surprise"));
}
