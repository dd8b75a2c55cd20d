//! Deployments that are kept for teams, and what each key may ask of a model.

use serde_json::json;

use crate::managed::{MASTER, Managed, with};

/// The status of a call, and whose answer it was or what was said instead.
fn asked(gateway: &Managed, key: &str, model: &str) -> (u16, String) {
    let reply = gateway.chat(key, model);
    let told = match reply.status.as_u16() {
        200 => reply.header("x-litellm-model-id").to_owned(),
        _ => reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned(),
    };
    (reply.status.as_u16(), told)
}

#[test]
fn a_teams_deployments_are_its_own() {
    let yaml = "
  - {model_name: shared, litellm_params: {model: demo/echo, order: 2}, model_info: {id: everybodys}}
  - {model_name: shared, litellm_params: {model: demo/echo, order: 1}, model_info: {id: kept, team_id: t}}
  - {model_name: alone, litellm_params: {model: demo/echo}, model_info: {id: single, team_id: t}}
  - {model_name: model_name_t_1, litellm_params: {model: demo/echo}, model_info: {id: named, team_id: t, team_public_model_name: ours}}
  - {model_name: both, litellm_params: {model: demo/echo, order: 2}, model_info: {id: both-all}}
  - {model_name: both, litellm_params: {model: demo/echo, order: 1}, model_info: {id: both-t, team_id: t, team_public_model_name: both}}
";
    with(yaml, |gateway| {
        for team in ["t", "other"] {
            gateway.post("/team/new", &json!({"team_id": team}));
        }
        let (own, other) = (gateway.key(&json!({"team_id": "t"})), gateway.key(&json!({"team_id": "other"})));
        let nobodys = gateway.key(&json!({}));
        for _ in 0..5 {
            assert_eq!(asked(gateway, &other, "shared"), (200, "everybodys".to_owned()));
            assert_eq!(asked(gateway, &nobodys, "both"), (200, "both-all".to_owned()));
        }
        assert_eq!(asked(gateway, &own, "shared"), (200, "kept".to_owned()));
        assert_eq!(asked(gateway, &own, "both"), (200, "both-t".to_owned()));
        assert_eq!(asked(gateway, &own, "alone"), (200, "single".to_owned()));
        assert_eq!(asked(gateway, &own, "ours"), (200, "named".to_owned()));
        assert_eq!(asked(gateway, MASTER, "alone").0, 200, "an administrator's key is no team's");
        for key in [&other, &nobodys] {
            for model in ["alone", "ours", "model_name_t_1"] {
                let (status, told) = asked(gateway, key, model);
                assert!((400..500).contains(&status), "{model}: {status} {told}");
            }
        }
    });
}

#[test]
fn a_teams_own_models_fall_back_by_the_teams_names() {
    let upstream = crate::upstream::Upstream::start();
    let broken = format!("{{model: openai/m, api_base: {}/bad, api_key: k, num_retries: 0}}", upstream.url());
    let yaml = format!(
        "
  - {{model_name: model_name_t_1, litellm_params: {broken}, model_info: {{team_id: t, team_public_model_name: p}}}}
  - {{model_name: model_name_t_2, litellm_params: {broken}, model_info: {{team_id: t, team_public_model_name: q}}}}
  - {{model_name: model_name_t_3, litellm_params: {broken}, model_info: {{team_id: t, team_public_model_name: r}}}}
  - {{model_name: model_name_t_4, litellm_params: {{model: demo/echo}}, model_info: {{id: ours, team_id: t, team_public_model_name: f}}}}
  - {{model_name: b, litellm_params: {broken}}}
router_settings: {{fallbacks: [{{p: [f]}}, {{q: [good]}}, {{b: [f]}}]}}
"
    );
    with(&yaml, |gateway| {
        ["t", "other"].iter().for_each(|team| drop(gateway.post("/team/new", &json!({"team_id": team}))));
        let own = gateway.key(&json!({"team_id": "t"}));
        for (model, by) in [("p", "ours"), ("b", "ours")] {
            assert_eq!(asked(gateway, &own, model), (200, by.to_owned()), "{model}");
        }
        assert_eq!(asked(gateway, &own, "q").0, 200);
        assert_ne!(asked(gateway, &own, "r").0, 200);
        for models in [json!(["p", "q", "r", "f"]), json!([])] {
            let key = gateway.key(&json!({"team_id": "t", "models": models}));
            let said = json!({"model": "r", "messages": [{"role": "user", "content": "hi"}], "fallbacks": ["f"]});
            let reply = gateway.as_key(&key, "POST", "/v1/chat/completions", &said);
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let other = gateway.key(&json!({"team_id": "other"}));
        for model in ["p", "b"] {
            assert_ne!(asked(gateway, &other, model).0, 200, "what is the team's serves nobody else");
        }
    });
}

#[test]
fn a_window_keeps_a_deployment_for_a_team() {
    // The day in two halves, of which one is always open; and an hour that is not now.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() / 3600 % 24;
    let (start, end) = ((now + 10) % 24, (now + 11) % 24);
    let yaml = format!(
        "
  - model_name: always
    litellm_params: {{model: demo/echo}}
    model_info:
      access_windows:
        - {{start: '00:00', end: '12:00', timezone: UTC, team_ids: [t]}}
        - {{start: '12:00', end: '00:00', timezone: UTC, team_ids: [t]}}
  - model_name: later
    litellm_params: {{model: demo/echo}}
    model_info: {{access_windows: [{{start: '{start:02}:00', end: '{end:02}:00', timezone: UTC, team_ids: [t]}}]}}
"
    );
    with(&yaml, |gateway| {
        gateway.post("/team/new", &json!({"team_id": "t"}));
        let (own, other) = (gateway.key(&json!({"team_id": "t"})), gateway.key(&json!({})));
        assert_eq!(gateway.chat(&own, "always").status, 200);
        assert_eq!(gateway.chat(&other, "later").status, 200);
        let (status, told) = asked(gateway, &other, "always");
        assert_eq!(status, 400, "{told}");
        assert!(told.contains("Deployment always is reserved for another team until ") && told.ends_with(" UTC"), "{told}");
    });
    let loaded = crate::app::load(
        "model_list: [{model_name: m, litellm_params: {model: demo/echo}, model_info: {access_windows: [{start: '09:00', end: '09:00', timezone: UTC, team_ids: [t]}]}}]",
    );
    let fault = loaded.diagnostics.faults().next().expect("the model is left out");
    assert!(fault.to_string().contains("start and end must differ"), "{fault}");
}

#[test]
fn a_model_says_what_each_key_may_ask_of_it() {
    let yaml = "
  - {model_name: slow, litellm_params: {model: demo/echo, default_api_key_rpm_limit: 2, default_api_key_tpm_limit: 100000}}
  - {model_name: slow, litellm_params: {model: demo/echo, default_api_key_rpm_limit: 5}}
";
    with(yaml, |gateway| {
        let keys = [gateway.key(&json!({})), gateway.key(&json!({})), gateway.key(&json!({"model_rpm_limit": {"slow": 4}}))];
        let served = |key: &str, model: &str| (0..6).filter(|_| gateway.chat(key, model).status == 200).count();
        assert_eq!(served(&keys[0], "slow"), 2);
        let refused = gateway.chat(&keys[0], "slow");
        assert_eq!(refused.status, 429);
        assert!(refused.text().contains("Limit type: requests. Current limit: 2"), "{}", refused.text());
        assert_eq!(served(&keys[0], "good"), 6, "other models have no such limit");
        assert_eq!(served(&keys[1], "slow"), 2, "each key has its own");
        assert_eq!(served(&keys[2], "slow"), 4, "what a key says of itself goes before");
        assert_eq!(served(MASTER, "slow"), 6);
        gateway.post("/team/new", &json!({"team_id": "t", "model_rpm_limit": {"slow": 3}}));
        assert_eq!(served(&gateway.key(&json!({"team_id": "t"})), "slow"), 3, "and what its team says");
    });
}
