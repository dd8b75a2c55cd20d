//! What is counted, as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::managed::{MASTER, Managed, with};
use crate::upstream::Upstream;

type Labels = BTreeMap<String, String>;

/// A page as read by the rules of the format.
#[derive(Debug, Default)]
struct Page {
    kinds: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Page {
    /// Reads a page; whatever breaks the format fails the test.
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has an end");
        let (mut current, mut seen) = (String::new(), BTreeSet::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                current = rest.split_once(' ').expect("a name and a text").0.to_owned();
                assert!(!page.kinds.contains_key(&current), "told twice: {current}");
                continue;
            }
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a kind");
                assert!(name == current && matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                page.kinds.insert(name.to_owned(), kind.to_owned());
                continue;
            }
            let (name, labels, value) = sample(line);
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).filter(|family| *family == current);
            assert_eq!(family.unwrap_or(&name), current, "{line}");
            assert!(seen.insert((name.clone(), labels.clone())), "twice: {line}");
            assert!(page.kinds[&current] != "counter" || name.ends_with("_total") && value >= 0.0, "{line}");
            page.samples.push((name, labels, value));
        }
        page.histograms();
        page
    }

    /// Buckets hold what smaller ones hold, and the last holds all.
    fn histograms(&self) {
        let mut buckets: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for (name, labels, value) in self.samples.iter().filter(|(name, ..)| name.ends_with("_bucket")) {
            let mut labels = labels.clone();
            let bound = labels.remove("le").expect("a bound");
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
            buckets.entry((name.trim_end_matches("_bucket").to_owned(), labels)).or_default().push((bound, *value));
        }
        assert!(self.kinds.values().all(|kind| kind != "histogram") || !buckets.is_empty());
        for ((name, labels), buckets) in buckets {
            assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{name} {buckets:?}");
            let (last, count) = (buckets.last().expect("one"), self.one(&format!("{name}_count"), &labels));
            assert_eq!((last.0, Some(last.1)), (f64::INFINITY, count));
        }
    }

    fn one(&self, name: &str, labels: &Labels) -> Option<f64> {
        self.samples.iter().find(|(known, said, _)| known == name && said == labels).map(|(.., value)| *value)
    }

    /// The sum of what bears those labels.
    fn sum(&self, name: &str, wanted: &[(&str, &str)]) -> f64 {
        let bears = |labels: &Labels| wanted.iter().all(|(name, value)| labels.get(*name).is_some_and(|said| said == value));
        self.samples.iter().filter(|(known, labels, _)| known == name && bears(labels)).map(|(.., value)| value).sum()
    }

    /// The labels of the first sample of that name.
    fn labels(&self, name: &str) -> Vec<&str> {
        let found = self.samples.iter().find(|(known, ..)| known == name);
        found.map(|(_, labels, _)| labels.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    fn names(&self) -> BTreeSet<&str> {
        self.samples.iter().map(|(name, ..)| name.as_str()).collect()
    }
}

/// A line: a name, labels in the order of their names, a number.
fn sample(line: &str) -> (String, Labels, f64) {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (head, value) = line.rsplit_once(' ').expect("a value");
    assert!(value.contains('.') || value.contains("Inf") || value.contains('e'), "a float: {line}");
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().unwrap_or_else(|_| panic!("a number: {line}")) };
    let Some((name, rest)) = head.split_once('{') else {
        assert!(is_name(head), "{line}");
        return (head.to_owned(), Labels::new(), value);
    };
    assert!(is_name(name), "{line}");
    let mut rest = rest.strip_suffix('}').expect("closed");
    let (mut labels, mut last) = (Labels::new(), String::new());
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").expect("a label");
        assert!(is_name(label) && last.as_str() < label, "in order: {line}");
        let (mut said, mut letters) = (String::new(), after.char_indices());
        rest = loop {
            match letters.next().expect("a closing quote") {
                (at, '"') => break &after[at + 1..],
                (_, '\\') => said.push(match letters.next().expect("an escape").1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    other => panic!("`\\{other}` in {line}"),
                }),
                (_, letter) => said.push(letter),
            }
        };
        last = label.to_owned();
        labels.insert(last.clone(), said);
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    (name.to_owned(), labels, value)
}

fn read(gateway: &Managed) -> Page {
    let reply = gateway.as_key(MASTER, "GET", "/metrics", &Value::Null);
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    Page::read(reply.text())
}

const PRICED: &str = "
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01, rpm: 50, tpm: 1000}, model_info: {id: cents}}
";

#[test]
fn calls_are_counted_by_litellms_names() {
    with(PRICED, |gateway| {
        gateway.post("/team/new", &json!({"team_id": "t", "team_alias": "cr\"ew", "max_budget": 1, "budget_duration": "7d"}));
        gateway.post("/user/new", &json!({"user_id": "u", "user_email": "u@example.com", "auto_create_key": false}));
        let key = json!({"team_id": "t", "user_id": "u", "key_alias": "al", "max_budget": 0.03, "rpm_limit": 50});
        let made = gateway.post("/key/generate", &key);
        let [key, hash] = ["key", "token"].map(|name| made[name].as_str().expect("text").to_owned());
        let answered = (0..4).filter(|_| gateway.chat(&key, "cent").status == 200).count();
        assert_eq!(answered, 3, "the fourth does not fit");
        assert!(gateway.chat(&key, "no-such-model").status.is_client_error());
        let page = read(gateway);
        let who = [("hashed_api_key", hash.as_str()), ("api_key_alias", "al"), ("team", "t"), ("team_alias", "cr\"ew"), ("user", "u")];
        let of = |name: &str, more: &[(&str, &str)]| page.sum(name, &[&who, more].concat());
        let total = "litellm_proxy_total_requests_metric_total";
        assert_eq!(of(total, &[("status_code", "200"), ("requested_model", "cent"), ("route", "/chat/completions")]), 3.0);
        assert_eq!(of(total, &[("status_code", "422"), ("user_email", "u@example.com")]), 1.0);
        assert_eq!(of(total, &[]), 5.0);
        let failed = "litellm_proxy_failed_requests_metric_total";
        assert_eq!(of(failed, &[("exception_class", "BudgetExceededError"), ("exception_status", "422")]), 1.0);
        assert_eq!(of(failed, &[("requested_model", "unknown")]), 1.0, "names that callers think of are no labels");
        assert_eq!(of("litellm_requests_metric_total", &[("model", "echo"), ("model_id", "cents"), ("end_user", "None")]), 3.0);
        assert!((of("litellm_spend_metric_total", &[("model_id", "cents")]) - 0.03).abs() < 1e-12);
        let [input, output, tokens] =
            ["input", "output", "total"].map(|kind| of(&format!("litellm_{kind}_tokens_metric_total"), &[("requested_model", "cent")]));
        assert!(input > 0.0 && output > 0.0 && tokens == input + output);
        for name in ["request_total_latency", "llm_api_latency"] {
            assert_eq!(of(&format!("litellm_{name}_metric_count"), &[("model_group", "cent")]), 3.0);
        }
        let place = [("model_id", "cents"), ("litellm_model_name", "echo")];
        assert_eq!(page.sum("litellm_overhead_latency_metric_count", &place), 3.0);
        assert_eq!(page.sum("litellm_deployment_success_responses_total", &place), 3.0);
        assert_eq!(page.sum("litellm_deployment_state", &place), 0.0);
        let (grouped, names) = ([&place[..], &[("model_group", "cent")]].concat(), ["api_base", "api_provider", "litellm_model_name"]);
        let limits = [page.sum("litellm_deployment_rpm_limit", &grouped), page.sum("litellm_deployment_tpm_limit", &grouped)];
        assert_eq!(limits, [50.0, 1000.0]);
        assert_eq!(page.labels("litellm_deployment_rpm_limit"), [&names[..], &["model_group", "model_id"]].concat());
        assert_eq!(of("litellm_request_queue_time_seconds_count", &[("model", "echo"), ("model_id", "cents")]), 3.0);
        let known = ["api_key_alias", "api_provider", "end_user", "hashed_api_key", "model", "model_id", "org_alias", "org_id"];
        let asked = ["requested_model", "team", "team_alias", "user"];
        assert_eq!(page.labels("litellm_request_queue_time_seconds_count"), [&known[..], &asked].concat());
        assert_eq!(page.sum("litellm_request_queue_time_seconds_bucket", &[("le", "600.0")]), 3.0);
        assert_eq!(page.sum("switchboard_requests_total", &[("outcome", "complete"), ("operation", "chat")]), 3.0);
        let whose = [("hashed_api_key", hash.as_str()), ("api_key_alias", "al")];
        assert_eq!(page.sum("litellm_api_key_max_budget_metric", &whose), 0.03);
        assert_eq!(page.sum("litellm_remaining_api_key_budget_metric", &whose), 0.0);
        assert!((page.sum("litellm_remaining_team_budget_metric", &[("team", "t")]) - 0.97).abs() < 1e-9);
        let hours = page.sum("litellm_team_budget_remaining_hours_metric", &[("team", "t"), ("team_alias", "cr\"ew")]);
        assert!(hours > 0.0 && hours <= 168.0);
        let used = [whose.as_slice(), &[("rate_limit_type", "requests")]].concat();
        assert_eq!(page.sum("litellm_api_key_rate_limit_allowed_metric", &used), 50.0);
        assert_eq!(page.sum("litellm_api_key_rate_limit_used_metric", &used), 3.0);
    });
}

#[test]
fn attempts_and_fallbacks_are_counted() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let yaml = format!(
        "
  - {{model_name: limited, litellm_params: {{model: openai/gpt-4o, api_base: '{url}/limited/v1?hush=1', api_key: k}}}}
  - {{model_name: fine, litellm_params: {{model: openai/gpt-4o, api_base: {url}/good/v1, api_key: k}}}}
router_settings: {{fallbacks: [{{limited: [fine]}}], num_retries: 0}}
"
    );
    with(&yaml, |gateway| {
        assert_eq!(gateway.chat(MASTER, "limited").status, 200);
        let body = json!({"model": "fine", "messages": [{"role": "user", "content": "hi"}], "stream": true});
        assert_eq!(gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body).status, 200);
        let page = read(gateway);
        let hash = "hashed_api_key";
        let master = page.samples.iter().find_map(|(_, labels, _)| labels.get(hash)).expect("a hash").clone();
        assert_eq!(master, "litellm_proxy_master_key", "nothing to try guesses against");
        let before = [("exception_class", "Openai.RateLimitError"), ("exception_status", "429"), ("requested_model", "limited")];
        assert_eq!(page.sum("litellm_deployment_failure_responses_total", &before), 1.0);
        let fallback = [before.as_slice(), &[("fallback_model", "fine"), ("api_key_alias", "None"), (hash, &master)]].concat();
        assert_eq!(page.sum("litellm_deployment_successful_fallbacks_total", &fallback), 1.0);
        assert_eq!(page.sum("litellm_deployment_cooled_down_total", &[("exception_status", "429")]), 1.0);
        assert_eq!(
            page.sum("litellm_llm_api_time_to_first_token_metric_count", &[("requested_model", "fine"), ("user", "default_user_id")]),
            1.0
        );
        let text = format!("{:?}", page.samples);
        assert!(text.contains("/limited/v1") && !text.contains("hush"), "addresses are shown without what they may hold");
    });
}

#[test]
fn only_those_who_may_see_them_do() {
    with("", |gateway| {
        let status = |key: Option<&str>| {
            let ask = gateway.app.ask("GET", "/metrics");
            key.map_or(gateway.app.ask("GET", "/metrics/"), |key| ask.key(key)).send().status.as_u16()
        };
        let (plain, scraper) = (gateway.key(&json!({})), gateway.key(&json!({"allowed_routes": ["/metrics"]})));
        assert_eq!([None, Some("sk-wrong"), Some(plain.as_str())].map(status), [401, 401, 403]);
        assert_eq!([Some(scraper.as_str()), Some(MASTER)].map(status), [200, 200]);
        assert_eq!(gateway.chat(&scraper, "good").status, 403);
    });
    with("litellm_settings: {callbacks: [prometheus], require_auth_for_metrics_endpoint: false}\n", |gateway| {
        assert_eq!(gateway.app.get("/metrics").status, 200);
    });
    let open = TestApp::of("model_list: [{model_name: m, litellm_params: {model: demo/echo}}]\n");
    assert_eq!(open.get("/metrics").status, 200, "a gateway without keys");
    let off = TestApp::of("model_list: [{model_name: m, litellm_params: {model: demo/echo}}]\nswitchboard: {metrics: false}\n");
    assert_eq!(off.get("/metrics").status, 404);
}

#[test]
fn labels_without_end_do_not_fill_the_memory() {
    let yaml = "switchboard: {metrics_max_label_sets: 5}\nlitellm_settings: {enable_end_user_cost_tracking_prometheus_only: true}\n";
    with(yaml, |gateway| {
        for number in 0..40 {
            let body = json!({"model": "good", "user": format!("customer-{number}"), "messages": [{"role": "user", "content": "hi"}]});
            assert_eq!(gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body).status, 200);
        }
        let page = read(gateway);
        assert_eq!(page.sum("litellm_proxy_total_requests_metric_total", &[("requested_model", "good")]), 5.0);
        assert_eq!(page.sum("litellm_proxy_total_requests_metric_total", &[("requested_model", "other")]), 35.0);
        assert_eq!(page.sum("litellm_proxy_total_requests_metric_total", &[("end_user", "customer-3")]), 1.0);
        assert_eq!(page.sum("switchboard_metrics_overflow_total", &[("table", "calls")]), 35.0);
        assert_eq!(page.sum("switchboard_requests_total", &[("outcome", "complete")]), 40.0);
    });
}

#[test]
fn budgets_of_customers_are_told_where_customers_are_labels() {
    let yaml = format!("{PRICED}\nlitellm_settings: {{enable_end_user_cost_tracking_prometheus_only: true}}\n");
    let ask = |gateway: &Managed| {
        gateway.post("/customer/new", &json!({"user_id": "shop", "max_budget": 0.05, "budget_duration": "1d"}));
        let body = json!({"model": "cent", "user": "shop", "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(gateway.as_key(MASTER, "POST", "/v1/chat/completions", &body).status, 200);
        read(gateway)
    };
    with(&yaml, |gateway| {
        let page = ask(gateway);
        let whose = Labels::from([("end_user".to_owned(), "shop".to_owned())]);
        let left = page.one("litellm_remaining_customer_budget_metric", &whose).expect("told");
        assert!((left - 0.04).abs() < 1e-9, "{left}");
        assert_eq!(page.one("litellm_customer_max_budget_metric", &whose), Some(0.05));
        let hours = page.one("litellm_customer_budget_remaining_hours_metric", &whose).expect("told");
        assert!(hours > 0.0 && hours <= 24.0, "{hours}");
    });
    with(PRICED, |gateway| assert!(ask(gateway).labels("litellm_customer_max_budget_metric").is_empty()));
}

#[test]
fn an_operator_chooses_metrics_and_labels() {
    let yaml = "litellm_settings:
  custom_prometheus_metadata_labels: [metadata.cost-center]
  prometheus_metrics_config: [{group: mine, metrics: [litellm_proxy_total_requests_metric], include_labels: [team, metadata_cost_center]}]
";
    with(yaml, |gateway| {
        let key = gateway.key(&json!({"metadata": {"cost-center": "c7"}}));
        assert_eq!(gateway.chat(&key, "good").status, 200);
        let page = read(gateway);
        let labels = Labels::from([("metadata_cost_center".to_owned(), "c7".to_owned()), ("team".to_owned(), "None".to_owned())]);
        assert_eq!(page.one("litellm_proxy_total_requests_metric_total", &labels), Some(1.0));
        let litellms: Vec<_> = page.names().into_iter().filter(|name| name.starts_with("litellm_")).collect();
        assert_eq!(litellms, ["litellm_proxy_total_requests_metric_total"]);
    });
}

#[test]
fn a_redis_whose_variable_is_not_set_is_no_redis() {
    let yaml = "model_list: [{model_name: m, litellm_params: {model: demo/echo}}]\n\
                router_settings: {redis_host: os.environ/REDIS_HOST_OF_NOBODY, redis_password: os.environ/REDIS_PASSWORD_OF_NOBODY}\n";
    let loaded = crate::app::load(yaml);
    assert!(loaded.diagnostics.to_string().contains("REDIS_HOST_OF_NOBODY"));
    assert!(loaded.config.expect("usable").redis.is_none());
}
