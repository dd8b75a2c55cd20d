//! The models there are, as each client asks for them.

use serde_json::{Value, json};

use crate::app::TestApp;

const CONFIG: &str = "\
model_list:
  - {model_name: fast, litellm_params: {model: openai/gpt-4o-mini, api_key: sk-x1}, model_info: {access_groups: [cheap]}}
  - {model_name: team/slow, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: sk-x2}}
  - {model_name: groq/*, litellm_params: {model: groq/*, api_key: sk-x3}}
router_settings: {model_group_alias: {quick: fast, secret: {model: fast, hidden: true}}}
";

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|one| one[key].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn the_list_holds_groups_aliases_and_what_patterns_stand_for() {
    let app = TestApp::of(CONFIG);
    let list = app.get("/v1/models").json();
    let listed = names(&list["data"], "id");
    for name in ["fast", "quick", "team/slow"] {
        assert!(listed.contains(&name.to_owned()), "{name} in {listed:?}");
    }
    assert!(listed.iter().any(|name| name.starts_with("groq/llama")), "{listed:?}");
    for name in ["secret", "groq/*", "cheap"] {
        assert!(!listed.contains(&name.to_owned()), "{name} in {listed:?}");
    }
    assert!(listed.is_sorted());
    let fast = list["data"].as_array().expect("a list").iter().find(|one| one["id"] == "fast").expect("listed");
    assert_eq!(
        *fast,
        json!({"id": "fast", "object": "model", "created": 1_677_610_602, "owned_by": "openai", "mode": "chat", "max_input_tokens": 128_000, "max_output_tokens": 16_384})
    );
}

#[test]
fn the_list_can_hold_patterns_and_access_groups() {
    let app = TestApp::of(CONFIG);
    let listed = |query: &str| names(&app.get(&format!("/v1/models?{query}")).json()["data"], "id");
    assert!(listed("return_wildcard_routes=true").contains(&"groq/*".to_owned()));
    assert!(!listed("return_wildcard_routes=false").contains(&"groq/*".to_owned()));
    let with = listed("include_model_access_groups=True");
    assert!(with.contains(&"cheap".to_owned()) && with.contains(&"fast".to_owned()));
    // Alone they are what a key's list names, and nobody has a list here.
    assert_eq!(listed("only_model_access_groups=true"), Vec::<String>::new());
}

#[test]
fn one_model_may_have_slashes_in_its_name() {
    let app = TestApp::of(CONFIG);
    for path in ["/v1/models/team/slow", "/v1/models/team%2Fslow", "/models/groq/llama-3.3-70b-versatile", "/v1/models/never/heard"] {
        let reply = app.get(path);
        let expected = if path.contains("heard") { 404 } else { 200 };
        assert_eq!(reply.status, expected, "{path}: {}", reply.text());
    }
    assert_eq!(app.get("/v1/models/team/slow").json()["owned_by"], "anthropic");
}

#[test]
fn anthropics_and_googles_clients_turn_pages() {
    let app = TestApp::of(CONFIG);
    let all = names(&app.get("/v1/models").json()["data"], "id");
    let page = |query: &str| app.ask("GET", &format!("/v1/models?{query}")).header("anthropic-version", "2023-06-01").send();
    let (mut seen, mut query) = (Vec::new(), "limit=7".to_owned());
    loop {
        let reply = page(&query).json();
        seen.extend(names(&reply["data"], "id"));
        if reply["has_more"] == false {
            break;
        }
        query = format!("limit=7&after_id={}", reply["last_id"].as_str().expect("an id").replace('/', "%2F"));
    }
    assert_eq!(seen, all);
    // On OpenRouter's path too, where others get OpenRouter's list.
    let there = app.ask("GET", "/api/v1/models?limit=2").header("anthropic-version", "2023-06-01").send().json();
    assert_eq!((names(&there["data"], "id").len(), &there["has_more"]), (2, &json!(true)));
    let wrong = page("limit=0");
    assert_eq!((wrong.status.as_u16(), &wrong.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    let (mut seen, mut query) = (Vec::new(), "pageSize=5".to_owned());
    loop {
        let reply = app.get(&format!("/v1beta/models?{query}")).json();
        seen.extend(names(&reply["models"], "displayName"));
        let Some(token) = reply["nextPageToken"].as_str() else { break };
        query = format!("pageSize=5&pageToken={token}");
    }
    assert_eq!(seen, all);
    assert_eq!(app.get("/v1beta/models/fast").json()["name"], "models/fast");
    assert_eq!(app.get("/v1beta/models?pageToken=!").status, 400);
}
