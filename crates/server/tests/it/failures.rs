//! Failures of money that other gateways had: each must be impossible here, by the name it had there.
//!
//! | what happened | shown by |
//! |---|---|
//! | parallel requests all pass a budget (LiteLLM #34732, one-api #2440, new-api #6609) | `parallel_requests_never_pass_a_budget_together` |
//! | the master key bypasses every budget (buttercup #550) | `no_credential_bypasses_the_ledger` |
//! | holds ignore tiers of long prompts (LiteLLM #40002) | `what_is_held_knows_the_tiers_of_long_prompts` |
//! | cancelled requests keep their holds (LiteLLM #30522) | `cancelled_requests_hold_nothing` |
//! | spend is lost at the end (LiteLLM #38157) | `a_stop_loses_no_spend`; figure m5 |
//! | no row for a client that left (LiteLLM #33736) | `a_client_that_leaves_has_a_row`; figure m8 |
//! | refusals and failures count (LiteLLM #39309) | `refusals_and_failures_take_neither_requests_nor_places` |
//! | budgets hold for each replica alone (Bifrost #3547) | `leases::m2_four_gateways…`, `shared::…`; figure m2 |
//! | places never come back (LiteLLM #17323) | `places_come_back_however_a_call_ends` |
//! | a price in the wrong unit blocks a user for good (LiteLLM #20615) | `absurd::a_mistaken_price_is_put_right_by_rows_that_are_added` |
//! | gateways lock each other out of counters (LiteLLM #6895) | store `contention::m9_four_gateways…` |
//! | a name that the client gives makes a call free (Bifrost #7303) | `whoever_names_calls_alike_pays_for_each` |

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, with};
use crate::spending::until;
use crate::upstream::Upstream;

const MODELS: &str = "
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
  - {model_name: tiered, litellm_params: {model: demo/echo, input_cost_per_token: 0.00001, output_cost_per_token: 0, input_cost_per_token_above_128k_tokens: 0.0001}}
  - {model_name: broken, litellm_params: {model: openai/none, api_base: 'http://127.0.0.1:9', api_key: none, input_cost_per_request: 0.01}}
";

fn each(more: &str, test: impl Fn(&Managed)) {
    with(&format!("{MODELS}{more}"), test);
}

fn answered(gateway: &Managed, key: &str, threads: usize, each: usize, body: &Value) -> usize {
    std::thread::scope(|scope| {
        let ask = move || (0..each).filter(|_| gateway.as_key(key, "POST", "/v1/chat/completions", body).status == 200).count();
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("asked")).sum()
    })
}

fn words(model: &str, words: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": words}]})
}

/// Sends a request and leaves before the answer is whole.
fn leave(gateway: &Managed, key: &str, body: &Value, after: Duration) {
    let mut socket = std::net::TcpStream::connect(gateway.app.address()).expect("connected");
    let text = body.to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(text.as_bytes())).expect("sent");
    socket.set_read_timeout(Some(after)).expect("set");
    // What came of it does not matter to somebody who leaves.
    let _ = socket.read(&mut [0; 64]);
}

#[test]
fn parallel_requests_never_pass_a_budget_together() {
    each("", |gateway| {
        for stream in [false, true] {
            let key = gateway.key(&json!({"max_budget": 0.1}));
            assert_eq!(answered(gateway, &key, 10, 5, &words("cent", "hello", stream)), 10, "stream: {stream}");
        }
    });
}

#[test]
fn no_credential_bypasses_the_ledger() {
    each("\nlitellm_settings: {max_budget: 0.05}\n", |gateway| {
        let key = gateway.key(&json!({}));
        let (own, master) =
            (answered(gateway, &key, 2, 2, &words("cent", "a", false)), answered(gateway, MASTER, 2, 5, &words("cent", "a", false)));
        assert_eq!((own, own + master), (4, 5), "also the master key is held to it");
    });
}

#[test]
fn what_is_held_knows_the_tiers_of_long_prompts() {
    each("", |gateway| {
        // 130,000 words cost $1.3 by the lower tier and $13 by the one they reach.
        let long = "word ".repeat(130_000);
        let key = gateway.key(&json!({"max_budget": 5}));
        assert_eq!(gateway.as_key(&key, "POST", "/v1/chat/completions", &words("tiered", &long, false)).status, 422);
        assert_eq!(gateway.get(&format!("/key/info?key={key}"))["info"]["spend"], 0.0);
    });
}

#[test]
fn cancelled_requests_hold_nothing() {
    each("", |gateway| {
        let key = gateway.key(&json!({"max_budget": 0.06}));
        for _ in 0..20 {
            leave(gateway, &key, &words("cent", &"word ".repeat(200), true), Duration::from_millis(1));
        }
        // Whoever left may have been charged: what they were not charged can be spent, to the last cent.
        let spent = || gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].as_f64().expect("spend");
        let patience = std::time::Instant::now() + Duration::from_secs(20);
        while spent() < 0.06 && std::time::Instant::now() < patience {
            answered(gateway, &key, 2, 2, &words("cent", "a", false));
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!((spent() - 0.06).abs() < 1e-9, "{}", spent());
    });
}

#[test]
fn a_client_that_leaves_has_a_row() {
    each("", |gateway| {
        let key = gateway.key(&json!({}));
        for _ in 0..10 {
            // As soon as it sees that it is answered.
            leave(gateway, &key, &words("cent", "hello", true), Duration::from_secs(20));
        }
        until(gateway, "/spend/logs/v2", |page| page["total"] == 10);
    });
}

#[test]
fn refusals_and_failures_take_neither_requests_nor_places() {
    each("", |gateway| {
        let key = gateway.key(&json!({"max_budget": 0.03, "rpm_limit": 50, "max_parallel_requests": 2}));
        for _ in 0..20 {
            assert!(gateway.chat(&key, "broken").status.as_u16() >= 500);
        }
        assert_eq!(answered(gateway, &key, 1, 3, &words("cent", "a", false)), 3);
        for _ in 0..20 {
            assert_eq!(gateway.chat(&key, "cent").status, 422);
        }
        assert_eq!(gateway.get(&format!("/key/info?key={key}"))["info"]["spend"], 0.03);
    });
}

#[test]
fn places_come_back_however_a_call_ends() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let slow = format!("model: openai/m, api_base: '{url}/dead/v1', api_key: k");
    let models = format!(
        "  - {{model_name: late, litellm_params: {{{slow}, timeout: 0.2, max_retries: 0}}}}
  - {{model_name: endless, litellm_params: {{{slow}}}}}
  - {{model_name: refused, litellm_params: {{model: openai/m, api_base: '{url}/refusing/v1', api_key: k}}}}
"
    );
    each(&models, |gateway| {
        let key = gateway.key(&json!({"max_parallel_requests": 1}));
        let free = |after: &str| crate::app::until(after, || gateway.chat(&key, "cent").status == 200);
        free("at the start");
        for _ in 0..3 {
            for stream in [false, true] {
                leave(gateway, &key, &words("endless", "hello", stream), Duration::from_millis(50));
                free("after somebody left");
            }
            assert!(gateway.chat(&key, "late").status.as_u16() >= 400);
            free("after a call that took too long");
            assert_eq!(gateway.chat(&key, "refused").status, 400);
            free("after a refusal of the provider's");
            assert!(gateway.chat(&key, "broken").status.as_u16() >= 500);
            free("after a failure");
            assert_eq!(gateway.chat(&key, "no-such-model").status.as_u16() / 100, 4);
            free("after a refusal");
        }
    });
}

#[test]
fn whoever_names_calls_alike_pays_for_each() {
    each("", |gateway| {
        let key = gateway.key(&json!({"max_budget": 0.05}));
        let names = ["x-request-id", "x-litellm-call-id", "x-litellm-trace-id", "x-session-id", "traceparent", "x-generation-id"];
        let ask = |stream: bool| {
            let ask = gateway.app.ask("POST", "/v1/chat/completions").key(&key).json(&words("cent", "hello", stream));
            names.iter().fold(ask, |ask, name| ask.header(name, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")).send().status
        };
        let statuses: Vec<u16> = (0..7).map(|at| ask(at % 2 == 0).as_u16()).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 422, 422], "five cents buy five calls");
        assert_eq!(gateway.get(&format!("/key/info?key={key}"))["info"]["spend"], 0.05);
        until(gateway, "/spend/logs/v2?status_filter=success", |page| page["total"] == 5);
    });
}
