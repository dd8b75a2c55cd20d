//! Single rules, on the typed side.

use std::time::Duration;

use super::{config, environment, findings, load_text, load_text_in};
use crate::config::resolved::SslVerify;
use crate::config::{Environment, Loader, Overrides, Source};

fn with_params(params: &str) -> String {
    format!("model_list: [{{model_name: m, litellm_params: {{model: openai/x, {params}}}}}]")
}

#[test]
fn secrets_and_numbers_come_from_variables() {
    let config = config(&with_params("api_key: os.environ/OPENAI_API_KEY, rpm: '60', timeout: '1.5'"));
    let deployment = &config.deployments[0];
    assert_eq!(deployment.connection.api_key.as_ref().unwrap().expose(), "value-of-openai");
    assert_eq!(deployment.limits.rpm, Some(60));
    assert_eq!(deployment.limits.timeout, Some(Duration::from_millis(1500)));
}

#[test]
fn prices_stay_exact() {
    let config = config(&with_params("input_cost_per_token: 0.0000000000000000001, output_cost_per_token: 1e-5"));
    let prices = &config.deployments[0].prices;
    assert_eq!(prices["input_cost_per_token"].as_str(), "0.0000000000000000001");
    assert_eq!(prices["output_cost_per_token"].as_str(), "1e-5");
}

#[test]
fn prices_beside_the_connection_win_over_the_model_info() {
    let text = "model_list: [{model_name: m, litellm_params: {model: x, input_cost_per_token: 2}, \
                model_info: {input_cost_per_token: 1, output_cost_per_image: 3}}]";
    let prices = config(text).deployments.remove(0).prices;
    assert_eq!(prices["input_cost_per_token"].as_str(), "2");
    assert_eq!(prices["output_cost_per_image"].as_str(), "3");
}

#[test]
fn keys_without_a_row_are_request_parameters() {
    let config = config(&with_params("temperature: 0.2, seed: 7, options: {a: [1, null]}, rpm: 1"));
    let params = serde_json::Value::Object(config.deployments[0].default_params.clone());
    assert_eq!(params, serde_json::json!({"temperature": 0.2, "seed": 7, "options": {"a": [1, null]}}));
}

#[test]
fn what_is_litellms_own_is_no_request_parameter() {
    let own = "s3_secret_access_key: hidden, s3_access_key_id: a, some_api_key: hidden, langfuse_secret: hidden, litellm_trace_id: t, \
               aws_batch_role_arn: arn, base_model: gpt-4o, bos_token: b, roles: {user: u}, bucket_name: b, force_timeout: 3, \
               model_info: {a: 1}, no-log: true, ttl: 3, preset_cache_key: k, metadata: {a: b}, _internal: 1, prompt_variables: {a: b}, \
               supports_system_message: false, vector_store_ids: [v], realtime_protocol: x, temperature: 0.5, anthropic_beta: [b]";
    let deployment = config(&with_params(own)).deployments.remove(0);
    let params = serde_json::Value::Object(deployment.default_params);
    assert_eq!(params, serde_json::json!({"temperature": 0.5, "anthropic_beta": ["b"]}));
    assert_eq!(deployment.model_info.base_model.as_deref(), Some("gpt-4o"));
    let told = findings(&with_params("bos_token: b, langfuse_secret: hidden"));
    assert!(told.contains("litellm_params.bos_token") && !told.contains("hidden"), "{told}");
}

#[test]
fn the_model_info_is_kept_as_written() {
    let text = "model_list: [{model_name: m, litellm_params: {model: x}, model_info: {id: i, mode: chat, ours: {deep: [true]}}}]";
    let info = config(text).deployments.remove(0).model_info;
    assert_eq!((info.id.as_str(), info.mode.as_deref()), ("i", Some("chat")));
    assert_eq!(serde_json::Value::Object(info.written), serde_json::json!({"id": "i", "mode": "chat", "ours": {"deep": [true]}}));
}

#[test]
fn an_identity_survives_a_change_of_key_and_order_but_not_of_model() {
    let id = |text: &str, key: &str| {
        let environment = Environment::from_iter([("K", key)]);
        load_text_in(text, environment).config.unwrap().deployments.remove(0).model_info.id
    };
    let first = id(&with_params("api_key: os.environ/K, rpm: 1"), "old");
    assert_eq!(first.len(), 64);
    assert_eq!(first, id(&with_params("rpm: 1, api_key: os.environ/K"), "new"));
    assert_ne!(first, id(&with_params("api_key: os.environ/K, rpm: 2"), "old"));
}

#[test]
fn equal_deployments_have_different_identities() {
    let entry = "{model_name: m, litellm_params: {model: x}}";
    let config = config(&format!("model_list: [{entry}, {entry}]"));
    assert_ne!(config.deployments[0].model_info.id, config.deployments[1].model_info.id);
}

#[test]
fn the_router_wins_over_litellm_settings() {
    let text = "litellm_settings: {num_retries: 9, allowed_fails: 8, request_timeout: 7}\nrouter_settings: {num_retries: 1}";
    let router = config(text).router;
    assert_eq!((router.num_retries, router.allowed_fails, router.timeout), (Some(1), Some(8), Duration::from_secs(7)));
}

#[test]
fn defaults_are_those_existing_files_expect() {
    let config = config("model_list: []");
    assert_eq!((config.router.num_retries, config.router.allowed_fails, config.router.max_fallbacks), (None, None, 5));
    assert_eq!(config.router.timeout, Duration::from_secs(6000));
    assert_eq!(config.router.cooldown_time, None);
    assert_eq!(config.litellm.drop_params, None);
    assert_eq!(config.switchboard.listen[0].address.to_string(), "127.0.0.1:4000");
    assert!(config.switchboard.workers >= 1);
}

#[test]
fn certificates_may_be_checked_in_three_ways() {
    for (written, meant) in [("false", SslVerify::Off), ("true", SslVerify::System), ("/ca.pem", SslVerify::File("/ca.pem".into()))] {
        let config = config(&with_params(&format!("ssl_verify: {written}")));
        assert_eq!(config.deployments[0].connection.ssl_verify, Some(meant));
    }
}

#[test]
fn variables_of_the_file_cover_those_of_the_process() {
    let config = config("environment_variables: {OPENAI_API_KEY: mine, NEW: os.environ/TEAM}");
    assert_eq!(config.environment.get("OPENAI_API_KEY"), Some("mine"));
    assert_eq!(config.environment.get("NEW"), Some("value-of-team"));
    assert_eq!(environment().get("OPENAI_API_KEY"), Some("value-of-openai"));
}

#[test]
fn the_command_line_wins_over_file_and_environment() {
    let environment = Environment::from_iter([("PORT", "5000"), ("HOST", "127.0.0.2"), ("NUM_WORKERS", "6")]);
    let source = Source::Text { name: "c".into(), text: String::new() };
    let mut loader = Loader::new(source, environment);
    let config = loader.load().config.unwrap();
    assert_eq!(config.switchboard.listen[0].address.to_string(), "127.0.0.2:5000");
    assert_eq!(config.switchboard.workers, 6);
    loader.source = Source::Text { name: "c".into(), text: "switchboard: {listen: '127.0.0.1:6000', workers: 2}".into() };
    let config = loader.load().config.unwrap();
    assert_eq!(config.switchboard.listen[0].address.to_string(), "127.0.0.1:6000");
    loader.overrides = Overrides { host: Some("localhost".into()), port: Some(7000), workers: Some(1), ..Overrides::default() };
    let config = loader.load().config.unwrap();
    assert_eq!(config.switchboard.listen[0].address.to_string(), "127.0.0.1:7000");
    assert_eq!(config.switchboard.workers, 1);
    loader.overrides = Overrides { uds: Some("/run/s.sock".into()), ..Overrides::default() };
    let addresses: Vec<String> = loader.load().config.unwrap().switchboard.listen.iter().map(|one| one.address.to_string()).collect();
    assert_eq!(addresses, ["unix:/run/s.sock"]);
}

#[test]
fn a_misspelt_key_names_the_right_one() {
    let found = findings("router_settings:\n  num_retrys: 3\n");
    let wanted = "warning: `router_settings.num_retrys` is not a known key\n  --> config.yaml:2:3\n  \
                  = hint: did you mean `num_retries`?";
    assert!(found.contains(wanted), "{found}");
}

#[test]
fn a_wrong_value_is_an_error_with_its_place_and_without_the_value() {
    let found = findings("router_settings:\n  num_retries: sk-pasted-here\n");
    let wanted = "error: `router_settings.num_retries` must be a whole number from 0, not text\n  --> config.yaml:2:16\n  \
                  = hint: write `num_retries: 60`, without a unit";
    assert!(found.contains(wanted), "{found}");
    assert!(!found.contains("sk-pasted"), "{found}");
}

#[test]
fn keys_without_effect_are_named_in_one_notice() {
    let loaded = load_text("litellm_settings: {cache: true}");
    let notices: Vec<_> = loaded.diagnostics.notices().map(|notice| notice.message.clone()).collect();
    assert_eq!(notices, ["accepted, no effect yet: `litellm_settings.cache`"]);
}

#[test]
fn what_would_have_protected_is_a_warning() {
    let found = findings("guardrails: [{guardrail_name: g, litellm_params: {guardrail: x, mode: pre_call}}]");
    assert!(found.contains("warning: accepted, no effect yet, and meant to protect something: `guardrails`"), "{found}");
}

#[test]
fn what_is_switched_off_is_not_worth_a_notice() {
    let found = findings("litellm_settings: {cache: false, set_verbose: true, callbacks: []}");
    assert!(!found.contains("no effect"), "{found}");
}

#[test]
fn a_wrong_value_without_effect_does_not_stop_the_gateway() {
    let loaded = load_text("general_settings: {alerting_threshold: soon}\nmcp_servers: [a]");
    assert!(loaded.config.is_some(), "{}", loaded.diagnostics);
    assert_eq!(loaded.diagnostics.warnings().filter(|warning| warning.message.contains("must be")).count(), 2);
}

#[test]
fn a_reference_must_be_the_whole_value() {
    let found = findings(&with_params("extra_headers: {Authorization: Bearer os.environ/OPENAI_API_KEY}"));
    assert!(found.contains("`os.environ/...` inside the text of `Authorization` is not expanded"), "{found}");
}

#[test]
fn a_database_may_hold_what_the_file_lacks() {
    let text = "general_settings: {store_model_in_db: true}\nrouter_settings: {default_fallbacks: [x]}\n\
                model_list: [{model_name: m, litellm_params: {model: y, litellm_credential_name: elsewhere}}]";
    let loaded = load_text(text);
    assert!(loaded.config.is_some(), "{}", loaded.diagnostics);
    assert!(!loaded.diagnostics.to_string().contains("`x`"), "{}", loaded.diagnostics);
}

#[test]
fn fallbacks_to_wildcards_are_found_and_to_nothing_are_not() {
    let models = "model_list: [{model_name: 'openai/*', litellm_params: {model: 'openai/*'}}]\n";
    assert!(!findings(&format!("{models}router_settings: {{default_fallbacks: [openai/gpt-4o]}}")).contains("not in"));
    let found = findings(&format!("{models}router_settings: {{default_fallbacks: [gpt-4o]}}"));
    assert!(found.contains("`default_fallbacks` names `gpt-4o`, which is not in `model_list`\n  --> config.yaml:2:38"), "{found}");
}

#[test]
fn a_key_in_the_wrong_section_is_told_where_it_belongs() {
    let found = findings("model_list: [{model_name: m, api_base: 3, litellm_params: {model: x}}]\nmaster_key: sk-1\n");
    assert!(
        found.contains(
            "`model_list[].api_base` is not a known key\n  --> config.yaml:1:30\n  = hint: it belongs to `model_list[].litellm_params`"
        ),
        "{found}"
    );
    assert!(
        found.contains("`master_key` is not a known key\n  --> config.yaml:2:1\n  = hint: it belongs to `general_settings`"),
        "{found}"
    );
}

#[test]
fn the_redis_of_all_gateways_may_stand_in_three_places() {
    for (yaml, expected) in [
        ("router_settings: {redis_host: h, redis_port: 7, redis_password: 'p@ss'}", Some("redis://:p%40ss@h:7/0")),
        ("router_settings: {redis_url: 'rediss://u:p@h:1/2'}", Some("rediss://u:p@h:1/2")),
        ("general_settings: {coordination_redis: {host: c, ssl: true, db: 3}}", Some("rediss://:w@c:6379/3")),
        ("litellm_settings: {cache_params: {type: redis, host: k, port: 6380}}", Some("redis://:w@k:6380/0")),
        ("litellm_settings: {cache_params: {type: redis}}", Some("redis://:w@env:6379/0")),
        ("litellm_settings: {cache_params: {type: s3, host: k}}", None),
        ("router_settings: {num_retries: 1}", None),
    ] {
        let environment = Environment::from_iter([("REDIS_HOST", "env"), ("REDIS_PASSWORD", "w")]);
        let config = load_text_in(yaml, environment).config.expect("a configuration");
        assert_eq!(config.redis.as_ref().map(|address| address.expose()), expected, "{yaml}");
    }
}

#[test]
fn bodies_in_flight_are_a_part_of_the_memory_there_may_be() {
    let limits = |text: &str| config(&format!("switchboard: {{limits: {{{text}}}}}")).switchboard.limits;
    assert_eq!(limits("").max_memory_bytes, None);
    assert_eq!(limits("").max_body_bytes_in_flight, 512 << 20);
    assert_eq!(limits("max_memory_bytes: 268435456").max_memory_bytes, Some(256 << 20));
    assert_eq!(limits("max_memory_bytes: 268435456").max_body_bytes_in_flight, 64 << 20);
    assert_eq!(limits("max_memory_bytes: 268435456, max_body_bytes_in_flight: 1000").max_body_bytes_in_flight, 1000);
}

#[test]
fn a_database_may_be_said_in_parts() {
    let parts = [("DATABASE_HOST", "db:5433"), ("DATABASE_USERNAME", "me"), ("DATABASE_PASSWORD", "p@ss/w"), ("DATABASE_NAME", "one")];
    let url = |variables: &[(&'static str, &'static str)]| {
        let config = load_text_in("model_list: []", Environment::from_iter(variables.iter().copied())).config.unwrap();
        config.general.database_url.map(|url| url.expose().to_owned())
    };
    assert_eq!(url(&parts).as_deref(), Some("postgresql://me:p%40ss%2Fw@db:5433/one"));
    assert_eq!(url(&parts[..3]), None);
    assert_eq!(url(&[&parts[..], &[("DATABASE_URL", "sqlite:x")]].concat()).as_deref(), Some("sqlite:x"));
}

#[test]
fn a_unix_socket_is_listened_on_and_reached_by_this_machine_alone() {
    let config = config("switchboard: {listen: [unix:/run/s.sock, '127.0.0.1:1']}");
    let listen = &config.switchboard.listen;
    assert_eq!(listen.iter().map(|one| one.address.to_string()).collect::<Vec<_>>(), ["unix:/run/s.sock", "127.0.0.1:1"]);
    assert!(listen.iter().all(|one| !one.address.is_exposed()));
    for wrong in ["unix:", "/run/s.sock"] {
        let source = Source::Text { name: "c".into(), text: format!("switchboard: {{listen: '{wrong}'}}") };
        let loaded = Loader::new(source, environment()).load();
        assert!(loaded.config.is_none() && loaded.diagnostics.to_string().contains("`unix:/path`"), "{wrong}: {}", loaded.diagnostics);
    }
}

#[test]
fn a_container_is_reached_from_outside_where_a_key_says_who_may() {
    let hosts = |text: &str| {
        let source = Source::Text { name: "config.yaml".into(), text: text.into() };
        let mut loader = Loader::new(source, environment());
        loader.overrides = Overrides { contained: true, ..Overrides::default() };
        loader.load().config.unwrap().switchboard.listen.iter().map(|listen| listen.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(hosts("general_settings: {master_key: os.environ/GOOD_MASTER_KEY}"), ["0.0.0.0:4000"]);
    assert_eq!(hosts("general_settings: {master_key: os.environ/GOOD_MASTER_KEY}\nswitchboard: {listen: '127.0.0.1:1'}"), ["127.0.0.1:1"]);
    assert_eq!(hosts("model_list: []"), ["127.0.0.1:4000"]);
}

#[test]
fn what_a_model_can_is_no_request_parameter() {
    let deployment = config(&with_params("supports_vision: true, supports_function_calling: false, stream: true")).deployments.remove(0);
    assert!(deployment.default_params.is_empty(), "{:?}", deployment.default_params);
    assert_eq!(deployment.model_info.written["supports_vision"], true);
    assert!(findings(&with_params("stream: true")).contains("`stream` of the deployment `m` has no effect"));
}

#[test]
fn limits_beside_the_parameters_go_before_those_in_them() {
    let yaml = "model_list: [{model_name: m, rpm: 3, otpm: 9, litellm_params: {model: openai/x, api_key: k, rpm: 5, tpm: 7}, model_info: {itpm: 8, otpm: 1}}]";
    let limits = load_text(yaml).config.expect("a configuration").deployments.remove(0).limits;
    assert_eq!((limits.rpm, limits.tpm, limits.itpm, limits.otpm), (Some(3), Some(7), Some(8), Some(9)));
    assert!(!findings(yaml).contains("is not a known key"), "{}", findings(yaml));
}

#[test]
fn limiters_that_are_callbacks_have_rates_kept_to() {
    for (callbacks, keeps) in [("[dynamic_rate_limiter_v3]", true), ("dynamic_rate_limiter", true), ("[prometheus]", false)] {
        let yaml = format!("litellm_settings: {{callbacks: {callbacks}}}");
        let config = load_text(&yaml).config.expect("a configuration");
        assert_eq!(config.router.routing.enforce_rates, keeps, "{callbacks}");
        assert_eq!(findings(&yaml).contains("but not shared among keys"), keeps, "{}", findings(&yaml));
    }
    let found = findings("litellm_settings: {priority_reservation: {prod: 0.9}, priority_reservation_settings: {default_priority: 0.1}}");
    assert!(found.contains("meant to protect something: `litellm_settings.priority_reservation`"), "{found}");
}

#[test]
fn routes_are_public_as_the_examples_write_them() {
    let found = findings("general_settings: {public_routes: ['LiteLLMRoutes.public_routes', '/spend/calculate']}");
    assert!(!found.contains("which there is not"), "{found}");
}
