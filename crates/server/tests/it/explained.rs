//! What is explained is what would be done: whatever holds for whom a call is made holds for its explanation too.

use serde_json::{Value, json};

use crate::managed::{MASTER, with};

const MODELS: &str = "  - {model_name: both, litellm_params: {model: demo/echo}, model_info: {id: here, region: eu-west-1}}
  - {model_name: both, litellm_params: {model: demo/echo}, model_info: {id: there, region: us-east-1}}
";

#[test]
fn a_customers_region_and_models_are_explained_as_they_are_kept_to() {
    with(MODELS, |gateway| {
        gateway.post("/end_user/new", &json!({"user_id": "european", "allowed_model_region": "eu"}));
        gateway.post("/end_user/new", &json!({"user_id": "shut", "blocked": true}));
        gateway.post("/end_user/new", &json!({"user_id": "poor", "models": ["good"]}));
        let ask = |path: &str, customer: &str| {
            let body = json!({"model": "both", "user": customer, "messages": [{"role": "user", "content": "hi"}]});
            gateway.as_key(MASTER, "POST", path, &body)
        };
        let explain = |customer: &str| ask("/v1/route/explain", customer).json();
        let ids = |list: &Value| {
            let mut ids: Vec<String> =
                list.as_array().expect("a list").iter().filter_map(|one| one["deployment"].as_str().map(str::to_owned)).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&explain("anybody")["order"]), ["here", "there"]);
        let told = explain("european");
        assert_eq!((ids(&told["order"]), ids(&told["excluded"])), (vec!["here".to_owned()], vec!["there".to_owned()]), "{told}");
        assert_eq!(told["excluded"][0]["reasons"], json!(["data_region"]), "{told}");
        for _ in 0..4 {
            assert_eq!(ask("/v1/chat/completions", "european").header("x-litellm-model-id"), "here");
        }
        // Who would be refused is refused, in the same words.
        for customer in ["shut", "poor"] {
            let (told, done) = (ask("/v1/route/explain", customer), ask("/v1/chat/completions", customer));
            assert!(done.status.is_client_error(), "{customer}: {}", done.text());
            assert_eq!((told.status, told.json()), (done.status, done.json()), "{customer}");
        }
    });
}
