//! What callers say of their calls beside what they ask, and what they must say.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::compatible::patterns;
use crate::managed::{MASTER, with};
use crate::spending::until;
use crate::upstream::Upstream;

#[test]
fn what_a_caller_falls_back_to_is_on_every_list() {
    const BROKEN: &str = "
  - {model_name: broken, litellm_params: {model: openai/none, api_base: 'http://127.0.0.1:9', api_key: none}}
router_settings: {num_retries: 0}
";
    with(BROKEN, |gateway| {
        gateway.post("/customer/new", &json!({"user_id": "narrow", "models": ["broken"]}));
        gateway.post("/team/new", &json!({"team_id": "t", "models": ["broken"]}));
        let (of_team, few) = (gateway.key(&json!({"team_id": "t", "models": []})), gateway.key(&json!({"models": ["broken"]})));
        let both = gateway.key(&json!({"models": ["broken", "good"]}));
        let said = [
            json!({"fallbacks": ["good"]}),
            json!({"fallbacks": [{"model": "good", "temperature": 0}]}),
            json!({"fallbacks": [{"broken": ["good"]}]}),
            json!({"context_window_fallbacks": [{"broken": ["good"]}]}),
            json!({"router_settings_override": {"fallbacks": [{"broken": ["good"]}]}}),
        ];
        for said in &said {
            let call = |key: &str, customer: &str| {
                let mut body = json!({"model": "broken", "user": customer, "messages": [{"role": "user", "content": "x"}]});
                body.as_object_mut().expect("an object").extend(said.as_object().expect("an object").clone());
                let reply = gateway.as_key(key, "POST", "/v1/chat/completions", &body);
                let kind = reply.json()["error"]["type"].as_str().unwrap_or_default().to_owned();
                let named = reply.text().contains("'good'");
                (reply.status.as_u16(), if named { kind } else { String::new() })
            };
            let denied = |whose: &str| (403, format!("{whose}_model_access_denied"));
            assert_eq!(call(&both, "narrow"), denied("customer"), "{said}");
            assert_eq!(call(&few, "wide"), denied("key"), "{said}");
            assert_eq!(call(&of_team, "wide"), denied("team"), "{said}");
            let served = said.get("context_window_fallbacks").is_none();
            assert_eq!(call(&both, "wide").0 == 200, served, "{said}");
        }
        let elsewhere = json!({"model": "broken", "models": ["good"], "user": "narrow", "messages": [{"role": "user", "content": "x"}]});
        assert_ne!(gateway.as_key(&both, "POST", "/v1/chat/completions", &elsewhere).status, 200);
    });
}

#[test]
fn what_a_request_cannot_do_without_is_told_before_anybody_is_asked() {
    let upstream = Upstream::start();
    with(&patterns(&upstream), |gateway| {
        let (model, before) = ("openai/gpt-4o-mini", upstream.asked().len());
        for (path, body, place, missing) in [
            ("/v1/chat/completions", json!({"temperature": 1}), "/chat/completions", "messages"),
            ("/v1/chat/completions", json!({"messages": null}), "/chat/completions", "messages"),
            ("/v1/completions", json!({"max_tokens": 1}), "/completions", "prompt"),
            ("/v1/responses", json!({"temperature": 1}), "/responses", "input"),
            ("/v1/embeddings", json!({"dimensions": 3}), "/embeddings", "input"),
            ("/v1/images/generations", json!({"n": 1}), "/image/generations", "prompt"),
            ("/v1/images/edits", json!({"prompt": "p"}), "/images/edits", "image"),
            ("/v1/audio/speech", json!({"voice": "alloy"}), "/audio/speech", "input"),
            ("/v1/moderations", json!({}), "/moderations", "input"),
            ("/v1/rerank", json!({"query": "q"}), "/rerank", "documents"),
            ("/v1/messages", json!({"max_tokens": 1}), "anthropic_messages", "messages"),
            ("/v1/messages", json!({"messages": []}), "anthropic_messages", "max_tokens"),
            ("/v1beta/models/openai/gpt-4o-mini:generateContent", json!({"generationConfig": {}}), "agenerate_content", "contents"),
        ] {
            let mut body = body;
            body["model"] = json!(model);
            let refused = gateway.app.ask("POST", path).key(MASTER).header("x-litellm-call-id", "mine-1").json(&body).send();
            let error = &refused.json()["error"];
            assert_eq!(refused.status, 400, "{path}: {}", refused.text());
            assert_eq!(error["message"], format!("{place}: Missing required parameter: '{missing}'."), "{path}");
            assert!(place.starts_with('a') || error["param"] == missing, "{path}: {error}");
            assert_eq!(refused.header("x-litellm-call-id"), "mine-1", "{path}");
        }
        for (body, named) in [(json!({"messages": []}), "None"), (json!({"model": "", "messages": []}), "")] {
            let refused = gateway.app.ask("POST", "/v1/chat/completions").key(MASTER).json(&body).send();
            let wanted = format!("/chat/completions: Invalid model name passed in model={named}. Call `/v1/models`");
            assert!(refused.status == 400 && refused.text().contains(&wanted), "{}", refused.text());
            assert!(!refused.header("x-litellm-call-id").is_empty());
        }
        let form = |path: &str, name: &str| {
            let part = |name: &str, value: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            let body = part("model", model) + &part(name, "data") + "--X--\r\n";
            let kind = "multipart/form-data; boundary=X";
            gateway.app.ask("POST", path).key(MASTER).header("content-type", kind).body(body).send()
        };
        let silent = form("/v1/audio/transcriptions", "language");
        assert_eq!((silent.status.as_u16(), &silent.json()["detail"][0]["loc"]), (422, &json!(["body", "file"])), "{}", silent.text());
        let blank = form("/v1/images/edits", "prompt");
        assert_eq!((blank.status.as_u16(), &blank.json()["error"]["param"]), (400, &json!("image")), "{}", blank.text());
        assert_eq!(upstream.asked().len(), before, "nobody was asked");
        assert_eq!(form("/v1/audio/transcriptions", "file").status, 200);
    });
    let given = "model_list: [{model_name: m, litellm_params: {model: demo/echo, max_tokens: 7}}]";
    let app = TestApp::of(given);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "?"}]});
    assert_eq!(app.ask("POST", "/v1/messages").json(&body).send().status, 200, "a deployment says it");
}

#[test]
fn what_callers_say_of_a_call_is_found_in_every_form() {
    let upstream = Upstream::start();
    with(&patterns(&upstream), |gateway| {
        let model = "openai/gpt-4o-mini";
        let chat = |more: Value| {
            let mut body = json!({"model": model, "messages": [{"role": "user", "content": "?"}]});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            gateway.app.ask("POST", "/v1/chat/completions").key(MASTER).header("x-litellm-call-id", "mine-2").json(&body).send()
        };
        let part = |name: &str, value: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        let form = part("model", model)
            + &part("metadata", r#"{"tags": ["form"], "session_id": "s-form"}"#)
            + &part("litellm_metadata", "{}")
            + &part("tags", r#"["other"]"#)
            + &part("file", "RIFF")
            + "--X--\r\n";
        let kind = "multipart/form-data; boundary=X";
        let heard = gateway.app.ask("POST", "/v1/audio/transcriptions").key(MASTER).header("content-type", kind).body(form).send();
        assert_eq!(heard.status, 200, "{}", heard.text());
        let sent = upstream.asked().pop().expect("a request").1;
        assert!(sent.contains("RIFF") && !sent.contains("metadata") && !sent.contains("tags"), "{sent}");
        let line =
            |session: &str| until(gateway, &format!("/spend/logs/v2?session_id={session}"), |page| page["total"] == 1)["data"][0].clone();
        let told = line("s-form");
        assert_eq!((&told["request_tags"], &told["call_type"]), (&json!(["other", "form"]), &json!("atranscription")), "{told}");
        for (session, said) in [
            ("s-1", json!({"litellm_session_id": "s-1"})),
            ("s-2", json!({"litellm_trace_id": "s-2"})),
            ("s-3", json!({"metadata": {"session_id": "s-3"}})),
            ("s-4", json!({"litellm_metadata": "{\"session_id\": \"s-4\", \"user\": \"eu-4\"}"})),
            ("s-5", json!({"metadata": "{\"session_id\": \"s-5\", \"user_id\": \"eu-5\"}"})),
        ] {
            let reply = chat(said);
            assert_eq!((reply.status.as_u16(), reply.header("x-litellm-call-id")), (200, "mine-2"), "{}", reply.text());
            let told = line(session);
            assert_eq!((&told["litellm_call_id"], &told["metadata"]["litellm_call_id"]), (&json!("mine-2"), &json!("mine-2")), "{told}");
            let user = session.replace("s-", "eu-");
            assert!(told["end_user"] == user.as_str() || !matches!(session, "s-4" | "s-5"), "{told}");
        }
        // Whom nobody has made is known once something was asked for them.
        assert_eq!(gateway.get("/customer/info?end_user_id=eu-5")["user_id"], "eu-5");
        assert_eq!(gateway.as_key(MASTER, "GET", "/customer/info?end_user_id=eu-99", &Value::Null).status, 404);
        let body = json!({"model": model, "input": "?", "safety_identifier": "eu-6", "metadata": {"session_id": "s-6"}});
        gateway.as_key(MASTER, "POST", "/v1/responses", &body);
        let told = line("s-6");
        assert_eq!((&told["end_user"], &told["call_type"]), (&json!("eu-6"), &json!("aresponses")), "{told}");
        let forged = gateway.app.ask("POST", "/v1/chat/completions").key(MASTER).header("x-litellm-call-id", "a b").json(&body).send();
        assert_eq!(forged.header("x-litellm-call-id").len(), 32, "what cannot stand in a log is none");
        for (range, words) in [
            ("start_date=2026-02-01&end_date=2026-01-01", "on or after"),
            ("start_date=2026-13-01&end_date=2026-01-01", "valid YYYY-MM-DD"),
        ] {
            let refused = gateway.as_key(MASTER, "GET", &format!("/user/daily/activity?{range}"), &Value::Null);
            let told = refused.json()["detail"]["error"].as_str().unwrap_or_default().to_owned();
            assert!(refused.status == 400 && told.contains(words), "{range}: {}", refused.text());
        }
    });
}

#[test]
fn keys_say_whether_their_calls_may_go_elsewhere() {
    const BROKEN: &str = "
  - {model_name: broken, litellm_params: {model: openai/none, api_base: 'http://127.0.0.1:9', api_key: none}}
  - {model_name: long, litellm_params: {model: openai/none, api_base: 'http://127.0.0.1:9', api_key: none, mock_response: 'litellm.ContextWindowExceededError'}}
router_settings: {num_retries: 0, fallbacks: [{broken: [good]}, {other: [good]}], context_window_fallbacks: [{long: [good]}]}
";
    with(BROKEN, |gateway| {
        let ask = |key: &str, model: &str, more: Value| {
            let mut body = json!({"model": model, "messages": [{"role": "user", "content": "x"}]});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            gateway.as_key(key, "POST", "/v1/chat/completions", &body)
        };
        let said = |may: Value| gateway.key(&json!({"metadata": {"disable_fallbacks": may}}));
        let (never, free, plain) = (said(json!(true)), said(json!(false)), gateway.key(&json!({})));
        for (key, more, served) in [
            (&plain, json!({}), true),
            (&plain, json!({"disable_fallbacks": true}), false),
            (&never, json!({}), false),
            (&never, json!({"disable_fallbacks": false}), false),
            (&never, json!({"fallbacks": ["good"]}), false),
            (&free, json!({"disable_fallbacks": true}), true),
        ] {
            assert_eq!(ask(key, "broken", more.clone()).status == 200, served, "{more}");
        }
        let window = json!({"context_window_fallbacks": [{"long": ["good"]}]});
        assert_eq!((ask(&plain, "long", window.clone()).status == 200, ask(&never, "long", window).status == 200), (true, false));
        // A limit of one model is none of its fallbacks'.
        let limited = gateway.key(&json!({"model_rpm_limit": {"other": 1}}));
        let group = |reply: &crate::app::Reply| reply.header("x-litellm-model-group").to_owned();
        assert_eq!(group(&ask(&limited, "other", json!({}))), "other");
        assert_eq!(group(&ask(&limited, "other", json!({}))), "good");
        let refused = ask(&limited, "other", json!({"disable_fallbacks": true}));
        let message = refused.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(refused.status == 429 && message.contains("model_per_key: ") && message.contains(":other. Limit type"), "{message}");
        let slow = gateway.key(&json!({"rpm_limit": 1}));
        assert_eq!([ask(&slow, "other", json!({})), ask(&slow, "other", json!({}))].map(|reply| reply.status.as_u16()), [200, 429]);
    });
}
