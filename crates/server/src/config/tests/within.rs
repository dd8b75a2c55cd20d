//! What stands within values: words and names that mean nothing there.

use super::findings;

/// What is told of one line, and whether it names that hint.
fn told(text: &str, what: &str, hint: &str) {
    let found = findings(text);
    assert!(found.contains(what) && found.contains(hint), "{text}: {found}");
}

#[test]
fn names_within_maps_are_looked_at() {
    for (line, name, hint) in [
        ("litellm_settings: {default_key_generate_params: {max_bugdet: 3}}", "default_key_generate_params.max_bugdet", "`max_budget`"),
        ("litellm_settings: {upperbound_key_generate_params: {durration: 1d}}", "upperbound_key_generate_params.durration", "`duration`"),
        ("litellm_settings: {default_team_params: {tpm_limt: 3}}", "default_team_params.tpm_limt", "`tpm_limit`"),
        ("litellm_settings: {default_internal_user_params: {budget_duraton: 1d}}", "params.budget_duraton", "`budget_duration`"),
        ("litellm_settings: {cost_margin_config: {openai: {percentge: 1}}}", "cost_margin_config.openai.percentge", "`percentage`"),
        ("litellm_settings: {cost_margin_config: {openai: {pct: 1}}}", "cost_margin_config.openai.pct", "there are `percentage`"),
        ("litellm_settings: {cost_discount_config: {opnai: 0.5}}", "cost_discount_config.opnai` is no provider", "`openai`"),
        (
            "litellm_settings: {key_generation_settings: {team_key_generation: {allowed_team_member_rols: [a]}}}",
            "key_generation_settings.team_key_generation.allowed_team_member_rols",
            "`allowed_team_member_roles`",
        ),
        (
            "litellm_settings: {tag_budget_config: {a: {max_budget: 1, budget_duraton: 1d}}}",
            "tag_budget_config.a.budget_duraton",
            "did you",
        ),
        ("router_settings: {routing_strategy_args: {tttl: 3}}", "routing_strategy_args.tttl", "`ttl`"),
        (
            "router_settings: {provider_budget_config: {opnai: {budget_limit: 1, time_period: 1d}}}",
            "provider_budget_config.opnai` is no provider",
            "`openai`",
        ),
        (
            "router_settings: {routing_groups: [{models: [m], routing_stratgy: x}]}",
            "routing_groups[].routing_stratgy",
            "`routing_strategy`",
        ),
        ("general_settings: {alerting_args: {outage_alert_tl: 3}}", "alerting_args.outage_alert_tl", "`outage_alert_ttl`"),
        ("general_settings: {coordination_redis: {hst: a}}", "coordination_redis.hst", "`host`"),
    ] {
        told(line, name, hint);
    }
}

#[test]
fn words_are_looked_at() {
    for (line, word, hint) in [
        ("general_settings: {allowed_routes: [/v1/models, llm_api_route]}", "names `llm_api_route`", "`llm_api_routes`"),
        ("general_settings: {alert_types: [budget_alert]}", "names `budget_alert`", "`budget_alerts`"),
        ("general_settings: {token_rate_limit_type: inputs}", "names `inputs`", "`input`"),
        ("general_settings: {ui_access_mode: nobody}", "names `nobody`", "`admin_only`"),
        ("router_settings: {optional_pre_call_checks: [prompt_cache]}", "names `prompt_cache`", "`prompt_caching`"),
    ] {
        told(line, word, hint);
    }
}

#[test]
fn what_is_known_is_said_nothing_of() {
    let text = "general_settings:
  master_key: sk-9f2c4e81b7d05a63
  allowed_routes: [/v1/*, llm_api_routes]
  alert_types: [budget_alerts, llm_exceptions]
  ui_access_mode: {type: restricted_sso_group, restricted_sso_group: g}
  user_header_mappings: [{header_name: x-user, litellm_user_role: customer}]
  pass_through_endpoints: [{path: /x, target: 'https://x.test', headers: {a: b}, auth: true}]
litellm_settings:
  cost_margin_config: {global: 0.1, openai: {percentage: 0.1, fixed_amount: 0.0005}, mine: 0.2}
  default_key_generate_params: {max_budget: 1, duration: 30d, metadata: {a: b}}
  default_internal_user_params: {user_role: internal_user, available_teams: [a]}
  key_generation_settings: {personal_key_generation: {allowed_user_roles: [proxy_admin], required_params: [tags]}}
router_settings:
  model_group_alias: {a: m, b: {model: m, hidden: true}}
  routing_groups: [{group_name: g, models: [m], routing_strategy: least-busy, routing_strategy_args: {ttl: 3}}]
  provider_budget_config: {openai: {budget_limit: 1, time_period: 1d}}
model_list: [{model_name: m, litellm_params: {model: demo/echo, input_cost_per_token_above_200k_tokens: 0.1}}]
";
    let found = findings(text);
    assert!(!found.contains("is not a known key") && !found.contains("which there is not") && !found.contains("is no "), "{found}");
}

#[test]
fn names_of_models_lead_somewhere() {
    let text = "model_list: [{model_name: fast, litellm_params: {model: demo/echo}}]
router_settings:
  model_group_alias: {a: b, b: a, d: c, c: fast}
  weights: {fst: {demo/echo: 1}}
  model_group_retry_policy: {fsat: {TimeoutErrorRetries: 1}}
  routing_groups: [{models: [fast, nope]}]
";
    for what in [
        "the alias `a` stands for `b`, which is an alias itself",
        "the alias `b` stands for `a`, which is an alias itself",
        "the alias `d` stands for `c`, which is an alias itself",
        "there are `weights` for `fst`, which is not in `model_list`",
        "`model_group_retry_policy` for `fsat`",
        "a group of `routing_groups` has `nope`",
    ] {
        told(text, what, "did you mean `fast`?");
    }
    let found = findings(text);
    assert!(!found.contains("the alias `c`"), "{found}");
}

#[test]
fn models_of_routers_lead_somewhere() {
    let text = "model_list:
  - {model_name: fast, litellm_params: {model: demo/echo}}
  - model_name: smart
    litellm_params:
      model: auto_router/complexity_router
      complexity_router_config: {tiers: {SIMPLE: fast, COMPLEX: nope}}
      complexity_router_default_model: fsat
";
    told(text, "`smart` chooses `nope`, which is not in `model_list`", "did you mean `fast`?");
    told(text, "`smart` chooses `fsat`", "did you mean `fast`?");
    assert!(!findings(text).contains("chooses `fast`"));
}

#[test]
fn targets_of_virtual_models_lead_somewhere() {
    let text = "model_list:
  - {model_name: fast, litellm_params: {model: demo/echo}}
  - {model_name: 'openai/*', litellm_params: {model: openai/*}}
router_settings: {model_group_alias: {quick: fast}}
switchboard:
  virtual_models:
    - name: best
      routing_config:
        type: complexity-based-routing
        load_balance_targets:
          - {target: fast, tier: Simple}
          - {target: quick, tier: MEDIUM}
          - {target: openai/o3, tier: reasoning}
          - {target: fsat, tier: complex}
";
    told(
        text,
        "the virtual model `best` has the target `fsat`, which is not in `model_list`\n  --> config.yaml:14:13",
        "did you mean `fast`?",
    );
    assert_eq!(findings(text).matches("the virtual model").count(), 1, "{}", findings(text));
    let stored = format!("{text}general_settings: {{store_model_in_db: true}}\n");
    assert!(!findings(&stored).contains("the virtual model"), "what the database adds is not known yet");
    let manifest = "switchboard:
  virtual_models:
    - name: team
      integrations:
        - name: best
          routing_config:
            type: complexity-based-routing
            load_balance_targets:
              - {target: fast, tier: brilliant}
";
    told(manifest, "there is no tier `brilliant`: write simple, standard, complex or reasoning\n  --> config.yaml:9:17", "docs");
}

#[test]
fn prices_and_statuses_that_mean_nothing_are_told() {
    let prices = "model_list: [{model_name: m, litellm_params: {model: demo/echo, input_cost_per_tokn: 1}, model_info: {outputt_cost_per_token: 1}}]";
    told(prices, "`model_list[].litellm_params.input_cost_per_tokn` is no price", "`input_cost_per_token`");
    told(prices, "`model_list[].model_info.outputt_cost_per_token` is no price", "`output_cost_per_token`");
    told("litellm_settings: {budget_exceeded_status_code: 200}", "is no status that refuses", "400 to 599");
    let near = "model_list: [{model_name: m, litellm_params: {model: bedrock/x, aws_regin_name: x}}]";
    told(near, "aws_regin_name` is not a known key", "`aws_region_name`");
}
