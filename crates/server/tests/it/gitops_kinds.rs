//! What else files may say: settings, keys for tokens and for providers, workspaces, and budgets of groups and members.

use serde_json::{Value, json};

use crate::gitops::{SECRET, place};
use crate::managed::{MASTER, Managed, with};

const SETTINGS: &str = "
settings:
  litellm_settings:
    cost_discount_config: {openai: 0.1, anthropic: 0.2}
    cost_margin_config: {global: 0.05}
    default_team_params: {max_budget: 7}
    default_internal_user_params: {max_budget: 3}
    default_key_generate_params: {max_budget: 2}
  router_settings:
    num_retries: 5
    model_group_alias: {quick: good}
    fallbacks: [{good: [other]}, {other: [good]}]
  switchboard:
    limit_rules: [{id: few, when: {}, limit_to: 2, unit: requests_per_day}]
  environment_variables:
    OPENAI_API_KEY: {env: OWN_KEY}
    PLACE: somewhere
";

fn stored(gateway: &Managed) -> Vec<(String, Value)> {
    let all = gateway.get("/config/list?config_type=stored");
    let named = |row: &Value| format!("{}.{}", row["section"].as_str().expect("text"), row["field_name"].as_str().expect("text"));
    all.as_array().expect("settings").iter().map(|row| (named(row), row["field_value"].clone())).collect()
}

#[test]
fn settings_are_set_key_by_key_and_those_of_others_stay() {
    with("", |gateway| {
        let place = place(gateway);
        gateway.post("/config/update", &json!({"router_settings": {"allowed_fails": 9}}));
        place.write(SETTINGS);
        let told = place.ended(&["plan"], 2);
        assert!(told.contains("+ setting litellm_settings.cost_discount_config") && told.contains("11 to make"), "{told}");
        place.ended(&["apply"], 0);
        for command in ["plan", "apply"] {
            assert!(place.ended(&[command], 0).contains("Nothing to do"));
        }
        assert_eq!(gateway.get("/config/cost_discount_config")["values"], json!({"openai": 0.1, "anthropic": 0.2}));
        assert_eq!(gateway.get("/router/settings")["current_values"]["num_retries"], 5);
        assert_eq!(gateway.post("/team/new", &json!({"team_alias": "new"}))["max_budget"], 7.0);
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.get(&format!("/key/info?key={key}"))["info"]["max_budget"], 2.0);
        let statuses: Vec<u16> = (0..3).map(|_| gateway.chat(&key, "quick").status.as_u16()).collect();
        assert_eq!(statuses, [200, 200, 429], "the rule is in force, and the alias");
        // Another provider's discount is not of the file: what is said is all of it. And the order of a list counts.
        gateway
            .post("/config/update", &json!({"litellm_settings": {"cost_discount_config": {"openai": 0.1, "anthropic": 0.2, "groq": 0.3}}}));
        place.write(&SETTINGS.replace("[{good: [other]}, {other: [good]}]", "[{other: [good]}, {good: [other]}]"));
        assert!(place.ended(&["apply"], 0).contains("2 changed"));
        assert_eq!(gateway.get("/config/cost_discount_config")["values"], json!({"openai": 0.1, "anthropic": 0.2}));
        // What is named no longer is the file's again, or what is usual.
        place.write("settings:\n  router_settings: {num_retries: 5}\n");
        assert!(place.ended(&["apply", "--prune"], 0).contains("10 deleted"));
        assert_eq!(
            stored(gateway),
            [("router_settings.allowed_fails".to_owned(), json!(9)), ("router_settings.num_retries".to_owned(), json!(5))]
        );
        place.write("settings:\n  router_settings: {num_retries: 5, allowed_fails: 1}\n");
        assert!(place.ended(&["apply"], 64).contains("! setting router_settings.allowed_fails"));
        place.ended(&["apply", "--adopt"], 0);
        assert_eq!(gateway.get("/router/settings")["current_values"]["allowed_fails"], 1);
    });
}

#[test]
fn files_that_say_what_cannot_be_are_told_with_their_lines() {
    with("", |gateway| {
        let place = place(gateway);
        for (text, said) in [
            ("settings: []\n", "`settings` must be a map"),
            ("settings:\n  routing: {a: 1}\n", "`routing` is no section"),
            ("settings:\n  router_settings: {num_retriez: 1}\n", "has no key `num_retriez`"),
            ("settings:\n  router_settings: {num_retries: many}\n", "num_retries"),
            ("settings:\n  router_settings: {num_retries: null}\n", "says nothing"),
            ("settings:\n  general_settings: {store_model_in_db: true}\n", "is for the gateway's file"),
            ("settings:\n  switchboard: {listen: []}\n", "is for the gateway's file"),
            ("settings:\n  environment_variables: {OPENAI_API_KEY: sk-plain}\n", "`OPENAI_API_KEY` must not stand in a file"),
            ("settings:\n  environment_variables: {OPENAI_API_KEY: {env: NONE}}\n", "`NONE` is not set"),
            ("credentials:\n  - {name: a, credential_values: {api_key: sk-plain}}\n", "`api_key` must not stand in a file"),
            ("byok:\n  - {name: a, provider: openai, key: sk-plain}\n", "`key` must not stand in a file"),
            ("byok:\n  - {name: a, provider: openai}\n", "has no `key`"),
            ("credits:\n  - {id: a, team: lab}\n", "has no `amount`"),
            ("credits:\n  - {id: a, team: lab, amount: much}\n", "`amount`"),
            ("credits:\n  - {id: a, team: lab, user: ann, amount: 1}\n", "several owners"),
            ("credits:\n  - {id: a, amount: 1, low_balance: 1}\n", "no field `low_balance`"),
            ("credits:\n  - {id: a, amount: 1}\n  - {id: a, amount: 1}\n", "there twice"),
            ("prices:\n  - {model: a/b, prices: {input_cost_per_token: 1}}\n", "has no `effective_from`"),
            ("prices:\n  - {model: a/b, effective_from: soon, prices: {}}\n", "valid datetime"),
            ("teams:\n  - {alias: lab, members: [{user: ann, max_budgt_in_team: 1}]}\n", "no field `max_budgt_in_team`"),
            ("teams:\n  - {alias: lab, max_budget: much}\n", "valid number"),
            ("jwt_key_mappings:\n  - {jwt_claim_name: sub, key: ci}\n", "has no `jwt_claim_value`"),
        ] {
            place.write(text);
            let told = place.ended(&["plan"], 64);
            assert!(told.contains(said) && told.contains("gateway.yaml:") && !told.contains("sk-plain"), "{text}: {told}");
        }
    });
}

const OTHERS: &str = "
teams:
  - alias: lab
    members: [{user: ann, role: admin, max_budget_in_team: 4, rpm_limit: 10}, {user: bob, max_budget_in_team: 1}]
    team_member_permissions: [/key/info, /key/generate]
customers:
  - {id: shop, max_budget: 5, tpm_limit: 100}
users:
  - {id: ann}
  - {id: bob}
organizations:
  - {alias: acme, members: [{user: ann, max_budget_in_organization: 9}]}
keys:
  - {alias: own, team: lab, value: {env: OWN_KEY}}
guardrails:
  - {name: quiet, team: lab, allowed_models: [good], limit_usd: 1}
workspaces:
  - team: lab
    slug: the-lab
    description: Where things are tried
    is_data_discount_logging_enabled: true
    budgets: [{reset_interval: monthly, limit_usd: 40}, {reset_interval: daily, limit_usd: 10}]
  - {team: default, description: Everybody else}
byok:
  - {name: ours, provider: OpenAI, key: {env: OWN_KEY}, team: lab, keys: [own], users: [ann], allowed_models: [gpt-4o]}
jwt_key_mappings:
  - {jwt_issuer: 'https://issuer.example', jwt_claim_name: sub, jwt_claim_value: ci, key: own, is_active: false, description: Jobs}
group_budgets:
  - {access_group: friends, max_budget: 5, budget_duration: 1d}
";

fn data(gateway: &Managed, path: &str) -> Vec<Value> {
    gateway.get(path)["data"].as_array().expect("a list").clone()
}

fn workspace(gateway: &Managed, slug: &str) -> Value {
    gateway.get(&format!("/api/v1/workspaces/{slug}"))["data"].clone()
}

fn limits(gateway: &Managed, slug: &str) -> Vec<(Value, Value)> {
    let list = data(gateway, &format!("/api/v1/workspaces/{slug}/budgets"));
    list.iter().map(|budget| (budget["reset_interval"].clone(), budget["limit_usd"].clone())).collect()
}

/// The same, and something of each otherwise.
fn changed() -> String {
    OTHERS
        .replace("max_budget_in_team: 1}", "max_budget_in_team: 2}")
        .replace("[/key/info, /key/generate]", "[/key/info, /key/update]")
        .replace("max_budget: 5, tpm_limit: 100", "tpm_limit: 200")
        .replace("max_budget_in_organization: 9", "max_budget_in_organization: 8")
        .replace(
            "budgets: [{reset_interval: monthly, limit_usd: 40}, {reset_interval: daily, limit_usd: 10}]",
            "budgets: [{reset_interval: weekly, limit_usd: 8}, {limit_usd: 9}]",
        )
        .replace("    is_data_discount_logging_enabled: true\n", "")
        .replace(", allowed_models: [gpt-4o]", "")
        .replace(", allowed_models: [good], limit_usd: 1}", ", limit_usd: 1}")
        .replace("is_active: false", "is_active: true")
        .replace(", budget_duration: 1d", "")
}

#[test]
fn what_else_can_be_made_is_made_once_changed_and_gone_again() {
    with("", |gateway| {
        let place = place(gateway);
        place.write(OTHERS);
        place.ended(&["apply"], 0);
        for command in ["plan", "apply"] {
            let told = place.ended(&[command], 0);
            assert!(told.contains("Nothing to do"), "{told}");
        }
        let lab = workspace(gateway, "the-lab");
        assert_eq!((&lab["name"], &lab["is_data_discount_logging_enabled"]), (&json!("lab"), &json!(true)));
        assert_eq!(limits(gateway, "the-lab"), [(json!("daily"), json!(10.0)), (json!("monthly"), json!(40.0))]);
        assert_eq!(workspace(gateway, "default")["description"], "Everybody else");
        let own = data(gateway, "/api/v1/byok?workspace_id=all")[0].clone();
        assert_eq!((&own["workspace_id"], &own["allowed_user_ids"], &own["name"]), (&lab["id"], &json!(["ann"]), &json!("ours")));
        assert_eq!(own["allowed_api_key_hashes"][0], gateway.get("/key/list")["keys"][0]);
        assert_eq!(data(gateway, "/api/v1/guardrails")[0]["workspace_id"], lab["id"]);
        let mapping = gateway.get("/jwt/key/mapping/list")["mappings"][0].clone();
        assert_eq!((&mapping["is_active"], &mapping["description"]), (&json!(false), &json!("Jobs")));
        assert_eq!(gateway.get("/access_group/friends/budget")["budget"]["max_budget"], 5.0);
        let most = |user: &str| {
            let team = gateway.get(&format!("/team/info?team_id={}", lab["id"].as_str().expect("an id")));
            let own = team["team_memberships"].as_array().expect("members").iter().find(|member| member["user_id"] == user).cloned();
            own.map(|member| (member["litellm_budget_table"]["max_budget"].clone(), member["litellm_budget_table"]["rpm_limit"].clone()))
        };
        assert_eq!((most("ann"), most("bob")), (Some((json!(4.0), json!(10))), Some((json!(1.0), Value::Null))));

        let changed = changed();
        place.write(&changed);
        let told = place.ended(&["apply"], 0);
        assert!(told.contains("8 changed"), "{told}");
        assert!(place.ended(&["plan"], 0).contains("Nothing to do"));
        assert_eq!(limits(gateway, "the-lab"), [(json!("weekly"), json!(8.0)), (Value::Null, json!(9.0))]);
        assert_eq!(workspace(gateway, "the-lab")["is_data_discount_logging_enabled"], false);
        assert_eq!(data(gateway, "/api/v1/byok?workspace_id=all")[0]["allowed_models"], Value::Null);
        assert_eq!(data(gateway, "/api/v1/guardrails")[0]["allowed_models"], Value::Null);
        assert_eq!(gateway.get("/jwt/key/mapping/list")["mappings"][0]["is_active"], true);
        assert_eq!((most("bob").map(|(budget, _)| budget), most("ann").map(|(_, rpm)| rpm)), (Some(json!(2.0)), Some(json!(10))));
        assert_eq!(gateway.get("/access_group/friends/budget")["budget"]["budget_duration"], Value::Null);
        let permitted = gateway.get(&format!("/team/permissions_list?team_id={}", lab["id"].as_str().expect("an id")));
        assert_eq!(permitted["team_member_permissions"], json!(["/key/info", "/key/update"]), "{permitted}");
        let shop = gateway.get("/customer/info?end_user_id=shop")["litellm_budget_table"].clone();
        assert_eq!((&shop["max_budget"], &shop["tpm_limit"]), (&Value::Null, &json!(200)), "{shop}");
        // A key of a provider stays where it was brought.
        place.write(&changed.replace("provider: OpenAI", "provider: Groq"));
        assert!(place.ended(&["plan"], 64).contains("! provider key ours  cannot become that"));

        let kept = changed.split("workspaces:").next().expect("the first part");
        place.write(kept);
        assert!(place.ended(&["apply", "--prune"], 0).contains("5 deleted"));
        assert!(place.ended(&["plan"], 0).contains("Nothing to do"));
        assert_eq!((limits(gateway, "lab").len(), &workspace(gateway, "default")["description"]), (0, &Value::Null));
        assert!(data(gateway, "/api/v1/byok?workspace_id=all").is_empty());
        assert_eq!(gateway.get("/jwt/key/mapping/list")["mappings"], json!([]));
        assert_eq!(gateway.get("/access_group/friends/budget")["budget"], Value::Null);
        assert_eq!(gateway.chat(SECRET, "good").status, 200, "the team and its key are there");
    });
}

#[test]
fn workspaces_that_somebody_spoke_of_are_theirs() {
    with("", |gateway| {
        let place = place(gateway);
        gateway.post("/team/new", &json!({"team_alias": "theirs"}));
        let path = "/api/v1/workspaces/default";
        assert_eq!(gateway.as_key(MASTER, "PATCH", path, &json!({"description": "said over the API"})).status, 200);
        for team in ["theirs", "default"] {
            place.write(&format!("workspaces:\n  - {{team: {team}, description: said by a file}}\n"));
            assert!(place.ended(&["apply"], 64).contains(&format!("! workspace {team}")));
        }
        assert_eq!(gateway.get(path)["data"]["description"], "said over the API");
        place.ended(&["apply", "--adopt"], 0);
        assert_eq!(gateway.get(path)["data"]["description"], "said by a file");
    });
}
