//! Routes that are passed on as they are: `pass_through_endpoints`, of the file and over the API.

use serde_json::{Value, json};

use crate::managed::{MASTER, Managed, each, with};
use crate::spending::until;
use crate::upstream::Upstream;

fn endpoints(upstream: &Upstream) -> String {
    let url = upstream.url();
    format!(
        "general_settings: {{pass_through_endpoints: [\
         {{path: /bria, target: \"{url}/good/v1?a=1&b=2\", headers: {{authorization: bearer os.environ/PLACE_KEY}}, \
           cost_per_request: 0.25, include_subpath: true, default_query_params: {{b: 3}}}}, \
         {{path: /hook, target: \"{url}/good/open\", auth: false, methods: [POST]}}, \
         {{path: /bad, target: \"{url}/bad/x\", cost_per_request: 0.25}}]}}\n\
         environment_variables: {{PLACE_KEY: of-the-place}}\n"
    )
}

fn spent(gateway: &Managed, key: &str) -> Value {
    gateway.get(&format!("/key/info?key={key}"))["info"]["spend"].clone()
}

#[test]
fn what_is_passed_on_takes_nothing_of_the_gateway_along_and_is_paid_for() {
    let upstream = Upstream::start();
    with(&endpoints(&upstream), |gateway| {
        let key = gateway.key(&json!({}));
        let before = upstream.asked().len();
        let body = json!({"text": "a cat"});
        let reply = gateway.as_key(&key, "POST", "/bria/text-to-image/base?c=4&key=sk-mine", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["object"], "chat.completion");
        assert_eq!((reply.header("x-litellm-response-cost"), reply.header("content-security-policy")), ("0.25", "sandbox"));
        let (path, sent) = upstream.asked()[before].clone();
        assert_eq!((path.as_str(), sent), ("/good/v1/text-to-image/base?a=1&b=3&c=4", body.to_string()));
        assert_eq!(upstream.keys().last().map(String::as_str), Some("bearer of-the-place"));
        until(gateway, &format!("/key/info?key={key}"), |info| info["info"]["spend"] == 0.25);
        let lines = until(gateway, &format!("/spend/logs?api_key={key}"), |lines| lines[0].is_object());
        assert_eq!(
            (&lines[0]["call_type"], &lines[0]["model_group"], &lines[0]["spend"]),
            (&json!("pass_through_endpoint"), &json!("/bria"), &json!(0.25))
        );
    });
}

/// Whom it is for and under which tags counts here as elsewhere.
#[test]
fn what_tags_and_customers_may_spend_holds_for_what_is_passed_on() {
    let upstream = Upstream::start();
    with(&endpoints(&upstream), |gateway| {
        gateway.post("/tag/new", &json!({"name": "poor", "max_budget": 0.3}));
        gateway.post("/customer/new", &json!({"user_id": "cora", "max_budget": 0.3}));
        let tagged = gateway.key(&json!({"metadata": {"tags": ["poor"]}}));
        let plain = gateway.key(&json!({}));
        let pass = |key: &str, header: (&str, &str)| {
            let reply = gateway.app.ask("POST", "/bria").key(key).header(header.0, header.1).json(&json!({})).send();
            reply.status.as_u16()
        };
        assert_eq!([pass(&tagged, ("x-any", "1")), pass(&plain, ("x-litellm-tags", "poor"))], [200, 422]);
        let customer = ("x-litellm-customer-id", "cora");
        assert_eq!([pass(&plain, customer), pass(&plain, customer), pass(&plain, ("x-any", "1"))], [200, 422, 200]);
        let lines = until(gateway, "/spend/logs/v2", |page| page["total"].as_u64() >= Some(3));
        assert!(lines["data"].as_array().expect("lines").iter().any(|line| line["end_user"] == "cora"), "{lines}");
    });
}

#[test]
fn who_may_not_pass_does_not() {
    let upstream = Upstream::start();
    with(&endpoints(&upstream), |gateway| {
        let asked = upstream.asked().len();
        assert_eq!(gateway.app.ask("POST", "/bria").send().status, 401);
        let poor = gateway.key(&json!({"max_budget": 0.1}));
        let refused = gateway.as_key(&poor, "POST", "/bria", &json!({}));
        assert_eq!((refused.status.as_u16(), refused.json()["error"]["type"].clone()), (422, json!("budget_exceeded")));
        let elsewhere = gateway.key(&json!({"metadata": {"allowed_passthrough_routes": ["/other"]}}));
        assert_eq!(gateway.as_key(&elsewhere, "POST", "/bria", &json!({})).status, 403);
        gateway.post("/team/new", &json!({"team_id": "shut", "denied_passthrough_routes": ["/bria/admin"]}));
        for fields in [
            json!({"denied_passthrough_routes": ["/bria/admin"]}),
            json!({"metadata": {"denied_passthrough_routes": ["/bria/adm*"], "allowed_passthrough_routes": ["/bria"]}}),
            json!({"team_id": "shut"}),
        ] {
            let key = gateway.key(&fields);
            for path in ["/bria/admin", "/bria/admin/users?x=1", "/bria/%61dmin"] {
                let refused = gateway.as_key(&key, "POST", path, &json!({}));
                assert_eq!(refused.status, 403, "{path} {}", refused.text());
                assert!(refused.text().contains("in `denied_passthrough_routes`"), "{}", refused.text());
            }
            assert_eq!(gateway.chat(&key, "good").status, 200);
        }
        let paths = |team: &str| {
            let list = gateway.get(&format!("/config/pass_through_endpoint?team_id={team}"));
            list["endpoints"].as_array().map_or(0, Vec::len)
        };
        gateway.post("/team/new", &json!({"team_id": "shutter", "denied_passthrough_routes": ["/bria"]}));
        assert_eq!((paths("shut"), paths("shutter")), (3, 2));
        let embeds = gateway.key(&json!({"allowed_routes": ["/v1/embeddings"]}));
        assert_eq!(gateway.as_key(&embeds, "POST", "/bria", &json!({})).status, 403);
        assert_eq!(gateway.as_key(MASTER, "GET", "/hook", &Value::Null).status, 404);
        assert_eq!(gateway.as_key(MASTER, "POST", "/hook/below", &json!({})).status, 404);
        assert_eq!(upstream.asked().len(), asked, "nobody was asked");
        assert_eq!(gateway.app.ask("POST", "/hook").json(&json!({})).send().status, 200);
        assert_eq!(upstream.asked().len(), asked + 1);
    });
}

#[test]
fn what_the_place_refuses_is_told_in_its_words_and_costs_nothing() {
    let upstream = Upstream::start();
    with(&endpoints(&upstream), |gateway| {
        let key = gateway.key(&json!({"max_budget": 1}));
        let reply = gateway.as_key(&key, "POST", "/bad", &json!({}));
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["message"]), (500, &json!("scripted failure")));
        let lines = until(gateway, &format!("/spend/logs?api_key={key}"), |lines| lines[0].is_object());
        assert_eq!((&lines[0]["status"], &lines[0]["spend"], spent(gateway, &key)), (&json!("failure"), &json!(0.0), json!(0.0)));
    });
}

#[test]
fn a_route_made_over_the_api_lives_at_once_beside_those_of_the_file() {
    let upstream = Upstream::start();
    with(&endpoints(&upstream), |gateway| {
        let made = gateway.post(
            "/config/pass_through_endpoint",
            &json!({"path": "/fresh", "target": format!("{}/good/fresh", upstream.url()), "headers": {"authorization": "bearer secret-of-the-place"}}),
        );
        assert!(!made.to_string().contains("secret-of-the-place"), "{made}");
        let endpoint = &made["endpoints"][0];
        assert_eq!(
            (&endpoint["auth"], &endpoint["is_from_config"], &endpoint["cost_per_request"]),
            (&json!(true), &json!(false), &json!(0.0))
        );
        let id = endpoint["id"].as_str().expect("an id").to_owned();
        let key = gateway.key(&json!({}));
        assert_eq!(gateway.as_key(&key, "POST", "/fresh", &json!({})).status, 200);
        assert_eq!(upstream.keys().last().map(String::as_str), Some("bearer secret-of-the-place"));
        let listed = gateway.get("/config/pass_through_endpoint");
        let paths: Vec<&str> = listed["endpoints"].as_array().expect("a list").iter().filter_map(|one| one["path"].as_str()).collect();
        assert_eq!(paths, ["/bria", "/hook", "/bad", "/fresh"]);
        assert!(!listed.to_string().contains("of-the-place"), "{listed}");
        // What is sent back as it was shown stays what it is; what is not sent stays too.
        let url = format!("{}/good/moved", upstream.url());
        let changed = json!({"path": "/fresh", "target": url, "headers": endpoint["headers"], "display_name": null});
        gateway.post(&format!("/config/pass_through_endpoint/{id}"), &changed);
        assert_eq!(gateway.as_key(&key, "POST", "/fresh", &json!({})).status, 200);
        assert_eq!(upstream.asked().last().map(|(path, _)| path.clone()), Some("/good/moved".to_owned()));
        assert_eq!(upstream.keys().last().map(String::as_str), Some("bearer secret-of-the-place"));
        let delete = format!("/config/pass_through_endpoint?endpoint_id={id}");
        assert_eq!(gateway.as_key(MASTER, "DELETE", &delete, &Value::Null).status, 200);
        assert_eq!(gateway.as_key(MASTER, "DELETE", &delete, &Value::Null).status, 400);
        assert_eq!(gateway.as_key(&key, "POST", "/fresh", &json!({})).status, 404);
        assert_eq!(gateway.as_key(&key, "POST", "/bad", &json!({})).status, 500, "those of the file stay");
    });
}

#[test]
fn only_administrators_make_routes_and_none_leads_where_clouds_keep_credentials() {
    each(|gateway| {
        let route = |target: &str| json!({"path": "/there", "target": target});
        let key = gateway.key(&json!({}));
        for method in ["POST", "GET"] {
            let refused = gateway.as_key(
                &key,
                method,
                "/config/pass_through_endpoint",
                &if method == "POST" { route("http://127.0.0.1:1") } else { Value::Null },
            );
            assert!(matches!(refused.status.as_u16(), 401 | 403), "{}", refused.text());
        }
        for wrong in ["ftp://place", "http://user:password@place/", "place"] {
            assert_eq!(gateway.as_key(MASTER, "POST", "/config/pass_through_endpoint", &route(wrong)).status, 400, "{wrong}");
        }
        let own = json!({"path": "/there", "target": "http://127.0.0.1:1", "headers": {"x": "os.environ/SWITCHBOARD_SEALING_KEY"}});
        assert_eq!(gateway.as_key(MASTER, "POST", "/config/pass_through_endpoint", &own).status, 400);
        gateway.post("/config/pass_through_endpoint", &route("http://169.254.169.254/latest/meta-data"));
        let reply = gateway.as_key(&key, "GET", "/there", &Value::Null);
        assert_eq!((reply.status.as_u16(), reply.json()["error"]["code"].as_str()), (500, Some("upstream_policy")), "{}", reply.text());
    });
}
