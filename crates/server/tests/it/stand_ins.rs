//! Credentials of a team or a project for models of all (`enable_model_config_credential_overrides`).

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed};
use crate::upstream::Upstream;

fn configured(upstream: &Upstream, settings: &str) -> String {
    let url = upstream.url();
    format!(
        "  - {{model_name: shared, litellm_params: {{model: openai/gpt-4o-mini, api_base: '{url}/good', api_key: sk-of-the-gateway, input_cost_per_request: 0.01, input_cost_per_token: 0, output_cost_per_token: 0}}}}
  - {{model_name: second, litellm_params: {{model: openai/gpt-4o, api_base: '{url}/good', api_key: sk-of-the-gateway}}}}
credential_list:
  - {{credential_name: theirs, credential_values: {{api_key: sk-of-the-team}}}}
  - {{credential_name: narrow, credential_values: {{api_key: sk-of-the-project, api_base: '{url}/good/elsewhere'}}}}
litellm_settings: {{{settings}}}
"
    )
}

const ON: &str = "enable_model_config_credential_overrides: true";

/// The credential and the path of the call that the upstream got last.
fn last(upstream: &Upstream) -> (String, String) {
    let key = upstream.keys().last().expect("a credential").trim_start_matches("Bearer ").to_owned();
    (key, upstream.asked().last().expect("a call").0.clone())
}

fn of(credential: &str, provider: &str) -> Value {
    json!({provider: {"litellm_credentials": credential}})
}

#[test]
fn calls_go_with_the_credential_of_their_project_or_team() {
    let upstream = Upstream::start();
    let gateway = Managed::with_models("", &configured(&upstream, ON), &[]);
    let called = |key: &str, model: &str| {
        assert_eq!(gateway.chat(key, model).status, 200);
        last(&upstream).0
    };
    let own = json!({"model_config": {"defaultconfig": of("theirs", "openai")}});
    gateway.post("/team/new", &json!({"team_id": "t", "metadata": own}));
    let narrower = json!({"model_config": {"shared": of("narrow", "openai")}});
    gateway.post("/project/new", &json!({"team_id": "t", "project_id": "p", "metadata": narrower}));
    let (plain, of_team) = (gateway.key(&json!({})), gateway.key(&json!({"team_id": "t", "max_budget": 0.01})));
    let of_project = gateway.key(&json!({"team_id": "t", "project_id": "p"}));
    assert_eq!(called(&plain, "shared"), "sk-of-the-gateway");
    assert_eq!(called(&of_team, "shared"), "sk-of-the-team");
    assert_eq!(gateway.chat(&of_team, "shared").status, 422, "whoever is billed, budgets hold");
    assert_eq!(called(&of_project, "shared"), "sk-of-the-project");
    assert!(last(&upstream).1.starts_with("/good/elsewhere/"), "{}", last(&upstream).1);
    assert_eq!(called(&of_project, "second"), "sk-of-the-team", "for what the project says nothing of, the team's word counts");
    // A credential is shown to its own provider alone, and one that is not there changes nothing.
    for said in [of("theirs", "anthropic"), of("nobodys", "openai")] {
        gateway.post("/team/update", &json!({"team_id": "t", "metadata": {"model_config": {"defaultconfig": said}}}));
        assert_eq!(called(&gateway.key(&json!({"team_id": "t"})), "shared"), "sk-of-the-gateway", "{said}");
    }
}

#[test]
fn only_administrators_say_whose_credential_it_is() {
    let upstream = Upstream::start();
    let gateway = Managed::with_models("", &configured(&upstream, ON), &[]);
    gateway.post("/user/new", &json!({"user_id": "lead", "auto_create_key": false}));
    gateway.post("/organization/new", &json!({"organization_id": "o", "organization_alias": "ours"}));
    let member = json!({"organization_id": "o", "member": {"user_id": "lead", "role": "org_admin"}});
    gateway.post("/organization/member_add", &member);
    gateway
        .post("/team/new", &json!({"team_id": "t", "organization_id": "o", "members_with_roles": [{"user_id": "lead", "role": "admin"}]}));
    let lead = gateway.key(&json!({"user_id": "lead"}));
    let said = json!({"model_config": {"defaultconfig": of("theirs", "openai")}});
    for (path, body) in [
        ("/team/new", json!({"team_id": "u", "organization_id": "o", "metadata": said})),
        ("/team/new", json!({"team_id": "u", "organization_id": "o", "metadata": {"allowed_passthrough_routes": ["/x"]}})),
        ("/team/update", json!({"team_id": "t", "metadata": said})),
        ("/project/new", json!({"team_id": "t", "project_id": "p", "metadata": said})),
    ] {
        let reply = gateway.as_key(&lead, "POST", path, &body);
        assert_eq!(reply.status, 403, "{path}: {}", reply.text());
    }
    assert_eq!(gateway.as_key(&lead, "POST", "/team/new", &json!({"team_id": "u", "organization_id": "o"})).status, 200);
    assert_eq!(gateway.as_key(MASTER, "GET", "/project/info?project_id=p", &Value::Null).status, 404);
}

#[test]
fn nobodys_credential_stands_in_unless_the_operator_says_so() {
    let upstream = Upstream::start();
    let gateway = Managed::with_models("", &configured(&upstream, ""), &[]);
    gateway.post("/team/new", &json!({"team_id": "t", "metadata": {"model_config": {"defaultconfig": of("theirs", "openai")}}}));
    assert_eq!(gateway.chat(&gateway.key(&json!({"team_id": "t"})), "shared").status, 200);
    assert_eq!(last(&upstream).0, "sk-of-the-gateway");
}
