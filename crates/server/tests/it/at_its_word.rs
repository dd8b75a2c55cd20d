//! What the configuration says of calls, taken at its word, over HTTP.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::charged;
use crate::managed::{MASTER, with};
use crate::upstream::Upstream;

const BEARER: (&str, &str) = ("authorization", "Bearer sk-master-of-tests-0123456789abcdef");

fn chat(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn ask(app: &TestApp, body: &Value, headers: &[(&str, &str)]) -> Reply {
    let asked = app.ask("POST", "/v1/chat/completions").json(body);
    headers.iter().fold(asked, |asked, (name, value)| asked.header(name, value)).send()
}

fn last(upstream: &Upstream) -> Value {
    serde_json::from_str(&upstream.asked().pop().expect("a request").1).expect("JSON")
}

#[test]
fn tags_of_callers_are_refused_where_keys_alone_have_some() {
    const MODELS: &str = "
  - {model_name: m, litellm_params: {model: demo/echo, tags: [free]}, model_info: {id: free}}
  - {model_name: m, litellm_params: {model: demo/echo, tags: [default]}, model_info: {id: plain}}
router_settings: {enable_tag_filtering: true}
general_settings: {reject_clientside_metadata_tags: true}
";
    with(MODELS, |gateway| {
        let (plain, free) = (gateway.key(&json!({})), gateway.key(&json!({"metadata": {"tags": ["free"]}})));
        for (more, header, place) in [
            (json!({"metadata": {"tags": ["free"]}}), "", "metadata.tags"),
            (json!({"metadata": {"tags": "free"}}), "", "metadata.tags"),
            (json!({"litellm_metadata": {"tags": ["free"]}}), "", "litellm_metadata.tags"),
            (json!({"tags": ["free"]}), "", "tags"),
            (json!({}), "free", "x-litellm-tags"),
        ] {
            for key in [&plain, &free, MASTER] {
                let asked = gateway.app.ask("POST", "/v1/chat/completions").key(key).json(&chat("m", &more));
                let reply = if header.is_empty() { asked } else { asked.header("x-litellm-tags", header) }.send();
                let error = &reply.json()["error"];
                assert_eq!((reply.status.as_u16(), &error["param"]), (400, &json!(place)), "{more}");
                let told = format!("Client-side '{place}' not allowed in request. 'reject_clientside_metadata_tags'=True.");
                assert!(error["message"].as_str().is_some_and(|message| message.starts_with(&told)), "{error}");
            }
        }
        let fallback = json!({"fallbacks": [{"model": "m", "metadata": {"tags": ["free"]}}], "metadata": {"a": "b"}});
        for (key, more, id) in [(&plain, json!({}), "plain"), (&free, json!({}), "free"), (&plain, fallback, "plain")] {
            let reply = gateway.app.ask("POST", "/v1/chat/completions").key(key).json(&chat("m", &more)).send();
            assert_eq!(reply.header("x-litellm-model-id"), id, "{more}: {}", reply.text());
        }
    });
}

/// Models without keys at that upstream, by settings.
fn keyless(settings: &str, upstream: &Upstream) -> TestApp {
    let url = upstream.url();
    let models = format!(
        "model_list:
  - {{model_name: claude, litellm_params: {{model: anthropic/claude-sonnet-4-5}}}}
  - {{model_name: gpt, litellm_params: {{model: openai/gpt-4o}}}}
  - {{model_name: gemini, litellm_params: {{model: gemini/gemini-2.5-flash}}}}
  - {{model_name: open, litellm_params: {{model: openai/gpt-4o, configurable_clientside_auth_params: [api_key]}}}}
  - {{model_name: either, litellm_params: {{model: openai/gpt-4o, order: 1, configurable_clientside_auth_params: [api_key]}}}}
  - {{model_name: either, litellm_params: {{model: openai/gpt-4o, order: 2, api_key: sk-ours}}}}
  - {{model_name: 'openai/*', litellm_params: {{model: 'openai/*'}}}}
{settings}"
    );
    let variables = [
        ("SWITCHBOARD_MASTER_KEY", MASTER),
        ("ANTHROPIC_API_BASE", &format!("{url}/good")),
        ("OPENAI_API_BASE", &format!("{url}/good/v1")),
        ("GEMINI_API_BASE", &format!("{url}/good/v1beta")),
    ];
    TestApp::with(&models, &variables)
}

#[test]
fn keys_that_callers_bring_open_models_that_have_none() {
    let upstream = Upstream::start();
    let brought = |app: &TestApp, model: &str, more: &Value, headers: &[(&str, &str)], shown: (&str, &str)| {
        let reply = ask(app, &chat(model, more), &[&[BEARER][..], headers].concat());
        assert_eq!((reply.status.as_u16(), upstream.header(shown.0).as_deref()), (200, Some(shown.1)), "{model}: {}", reply.text());
    };
    let missing = |app: &TestApp, model: &str, way: &str| {
        let before = upstream.asked().len();
        let reply = ask(app, &chat(model, &json!({})), &[BEARER]);
        assert_eq!((reply.status.as_u16(), upstream.asked().len()), (401, before), "{model}: {}", reply.text());
        assert!(reply.text().contains(way), "{}", reply.text());
    };
    let nobodys = |app: &TestApp, model: &str| {
        let reply = ask(app, &chat(model, &json!({"api_key": "sk-theirs"})), &[BEARER]);
        assert_eq!(reply.status, 401, "{model}: {}", reply.text());
    };
    let key = json!({"api_key": "sk-theirs"});

    let app = keyless("general_settings: {forward_client_headers_to_llm_api: true, forward_llm_provider_auth_headers: true}", &upstream);
    brought(&app, "claude", &json!({}), &[("x-api-key", "sk-theirs")], ("x-api-key", "sk-theirs"));
    brought(&app, "gpt", &json!({}), &[("x-api-key", "sk-theirs")], ("authorization", "Bearer sk-theirs"));
    brought(&app, "openai/gpt-4o-mini", &json!({}), &[("x-api-key", "sk-theirs")], ("authorization", "Bearer sk-theirs"));
    brought(&app, "gemini", &json!({}), &[("x-goog-api-key", "of-google")], ("x-goog-api-key", "of-google"));
    for model in ["claude", "gpt", "gemini", "openai/gpt-4o-mini"] {
        missing(&app, model, "in the header `x-api-key`");
    }

    let app = keyless("general_settings: {allow_client_side_credentials: true}", &upstream);
    for model in ["gpt", "openai/gpt-4o-mini"] {
        brought(&app, model, &key, &[], ("authorization", "Bearer sk-theirs"));
        missing(&app, model, "in the body as `api_key`");
    }

    let app = keyless("", &upstream);
    brought(&app, "open", &key, &[], ("authorization", "Bearer sk-theirs"));
    missing(&app, "open", "in the body as `api_key`");
    // Who brings none is served where there is one; nobody is kept from it by others who do not.
    for _ in 0..5 {
        brought(&app, "either", &json!({}), &[], ("authorization", "Bearer sk-ours"));
    }
    brought(&app, "either", &key, &[], ("authorization", "Bearer sk-theirs"));
    for model in ["gpt", "claude", "openai/gpt-4o-mini"] {
        nobodys(&app, model);
    }

    let app = keyless("general_settings: {forward_client_headers_to_llm_api: true}", &upstream);
    let subscribed = [("x-litellm-api-key", MASTER), ("authorization", "Bearer sk-ant-oat01-theirs")];
    let reply = ask(&app, &chat("claude", &json!({})), &subscribed);
    assert_eq!((reply.status.as_u16(), upstream.header("authorization").as_deref()), (200, Some("Bearer sk-ant-oat01-theirs")));
    missing(&app, "claude", "a subscription's token");
    nobodys(&app, "gpt");
}

#[test]
fn patterns_with_several_stars_match() {
    let upstream = Upstream::start();
    let place = format!("api_key: k, api_base: '{}/good/v1'", upstream.url());
    let entry = |name: &str, model: &str| format!("  - {{model_name: '{name}', litellm_params: {{model: '{model}', {place}}}}}\n");
    let models =
        [("fo::*:static::*", "openai/fo::*:static::*"), ("a-*-b-*", "openai/*_*"), ("*/one-*", "openai/x-*"), ("s-*-*", "openai/same")];
    let app = TestApp::of(&format!("model_list:\n{}", models.map(|(name, model)| entry(name, model)).concat()));
    for (name, sent) in [
        ("fo::hi::static::hi", "fo::hi::static::hi"),
        ("a-1-b-2", "1_2"),
        ("a-1-b-2-b-3", "1-b-2_3"),
        ("openai/one-two", "one-two"),
        ("s-1-2", "same"),
    ] {
        let reply = ask(&app, &chat(name, &json!({})), &[]);
        assert_eq!((reply.status.as_u16(), &last(&upstream)["model"]), (200, &json!(sent)), "{name}: {}", reply.text());
    }
    for name in ["a-1-c-2", "fo::hi", "s-1"] {
        assert_eq!(ask(&app, &chat(name, &json!({})), &[]).status, 400, "{name}");
    }
    assert_eq!(app.get("/v1/models").status, 200);
}

#[test]
fn parameters_that_are_allowed_are_sent() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let entry = |name: &str, model: &str, more: &str| {
        format!("  - {{model_name: {name}, litellm_params: {{model: {model}, api_key: k, api_base: '{url}/good'{more}}}}}\n")
    };
    let models = [
        entry("gpt", "openai/gpt-4o", ", drop_params: true"),
        entry("gpt-allowed", "openai/gpt-4o", ", drop_params: true, allowed_openai_params: [reasoning_effort]"),
        entry("groq", "groq/openai/gpt-oss-20b", ""),
        entry("groq-allowed", "groq/openai/gpt-oss-20b", ", allowed_openai_params: [logit_bias]"),
        entry("qwen", "bedrock/qwen.qwen3-32b-v1:0", ""),
        entry("qwen-allowed", "bedrock/qwen.qwen3-32b-v1:0", ", allowed_openai_params: [reasoning_effort]"),
    ];
    let app = TestApp::of(&format!("model_list:\n{}", models.concat()));
    let effort = json!({"reasoning_effort": "low"});
    let bias = json!({"logit_bias": {"50256": -100}});
    for (model, said, at, lost) in [
        ("gpt", &effort, "/reasoning_effort", "reasoning_effort"),
        ("groq", &bias, "/logit_bias", "logit_bias"),
        ("qwen", &effort, "/additionalModelRequestFields/reasoning_effort", "reasoning"),
    ] {
        let (name, value) = said.as_object().and_then(|said| said.iter().next()).expect("a parameter");
        let sent = |body: &Value| {
            let reply = ask(&app, body, &[]);
            (last(&upstream).pointer(at).cloned(), reply.header("x-switchboard-dropped").to_owned())
        };
        assert_eq!(sent(&chat(model, said)), (None, lost.to_owned()), "{model}");
        let as_said = (Some(value.clone()), String::new());
        assert_eq!(sent(&chat(&format!("{model}-allowed"), said)), as_said, "{model}, by its entry");
        let mut body = chat(model, said);
        body["allowed_openai_params"] = json!([name]);
        assert_eq!(sent(&body), as_said, "{model}, by its caller");
        assert!(last(&upstream).get("allowed_openai_params").is_none(), "{model}");
    }
}

#[test]
fn paths_of_parameters_are_left_out() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let drops = "additional_drop_params: ['tools[*].input_examples', 'tools[0].function.strict', metadata.a, user]";
    let entry = |model: &str| {
        format!("  - {{model_name: {model}, litellm_params: {{model: {model}/m, api_key: k, api_base: '{url}/good', {drops}}}}}\n")
    };
    let app = TestApp::of(&format!("model_list:\n{}", ["openai", "anthropic"].map(entry).concat()));
    let schema = json!({"type": "object", "properties": {}});
    let tool = json!({"name": "t", "input_schema": schema, "input_examples": [{}]});
    let body = json!({"model": "anthropic", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}],
        "tools": [tool, tool], "metadata": {"user_id": "u"}});
    let reply = app.ask("POST", "/v1/messages").json(&body).send();
    let sent = last(&upstream);
    let bare = json!({"name": "t", "input_schema": schema});
    assert_eq!((reply.status.as_u16(), &sent["tools"], &sent["metadata"]), (200, &json!([bare, bare]), &json!({"user_id": "u"})));
    let function = |strict: bool| {
        let mut function = json!({"type": "function", "function": {"name": "t", "parameters": schema}});
        if strict {
            function["function"]["strict"] = json!(true);
        }
        function
    };
    let tools = json!({"tools": [function(true), function(true)], "metadata": {"a": "1", "b": "2"}, "user": "u"});
    assert_eq!(ask(&app, &chat("openai", &tools), &[]).status, 200);
    let sent = last(&upstream);
    assert_eq!((&sent["tools"], &sent["metadata"]), (&json!([function(false), function(true)]), &json!({"b": "2"})));
    assert!(sent.get("user").is_none());
    // Also in what is translated.
    assert_eq!(ask(&app, &chat("anthropic", &json!({"tools": [function(false)], "user": "u"})), &[]).status, 200);
    assert_eq!(last(&upstream)["tools"][0]["name"], "t");
}

#[test]
fn a_price_of_time_takes_the_place_of_the_lists_prices_of_tokens() {
    const BY_TIME: &str = "input_cost_per_second: 0.000000001";
    let models = [
        ("listed", "openai/gpt-4o-mini", ""),
        ("timed", "openai/gpt-4o-mini", BY_TIME),
        ("answered", "openai/gpt-4o-mini", "output_cost_per_second: 0.000000001"),
        ("known", "openai/gpt-4o-mini", "}, model_info: {input_cost_per_second: 0.000000001"),
        ("both", "openai/gpt-4o-mini", "input_cost_per_second: 0.000000001, input_cost_per_token: 0.001"),
    ];
    charged::told(&models, |gateway| {
        let answer = charged::chat(&json!({"prompt_tokens": 100_000, "completion_tokens": 1, "total_tokens": 100_001}));
        let cost = |model: &str| charged::cost(&charged::ask(gateway, "/v1/chat/completions", model, &json!({}), &answer));
        assert!(cost("listed") > 0.01);
        for model in ["timed", "answered", "known"] {
            assert!(cost(model) < 0.000_1, "{model}");
        }
        assert!(cost("both") > 99.0, "tokens have a price of the operator's own");
    });
}

#[test]
fn a_health_check_of_speech_asks_for_the_voice_that_is_said() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let app = TestApp::of(&format!(
        "model_list:
  - {{model_name: voice, litellm_params: {{model: openai/tts-1, api_base: {url}/good/v1, api_key: sk-x}}, \
     model_info: {{mode: audio_speech, health_check_voice: nova}}}}
"
    ));
    assert_eq!(app.ask("GET", "/health?model=voice").send().status, 200);
    let (_, asked) = upstream.asked().into_iter().find(|(path, _)| path.ends_with("/audio/speech")).expect("a check");
    assert!(asked.contains("\"nova\""), "{asked}");
}

#[test]
fn both_halves_of_a_credential_of_langfuse_become_one() {
    let upstream = Upstream::start();
    let app = TestApp::of(&format!(
        "general_settings:
  pass_through_endpoints:
    - {{path: /traces, target: \"{}/good/v1\", auth: false, headers: {{LANGFUSE_PUBLIC_KEY: os.environ/LANGFUSE_WHO, LANGFUSE_SECRET_KEY: proof}}}}
environment_variables: {{LANGFUSE_WHO: who}}
",
        upstream.url()
    ));
    assert_eq!(app.ask("POST", "/traces").json(&json!({})).send().status, 200);
    assert_eq!(upstream.keys().last().map(String::as_str), Some("Basic d2hvOnByb29m"));
}

#[test]
fn rates_in_the_model_info_hold_as_itpm_does() {
    let models = "
  - {model_name: m, litellm_params: {model: demo/echo}, model_info: {rpm: 1}}
router_settings: {optional_pre_call_checks: [enforce_model_rate_limits], num_retries: 0}
";
    with(models, |gateway| {
        let statuses = [0; 2].map(|_| gateway.chat(MASTER, "m").status.as_u16());
        assert_eq!(statuses, [200, 429]);
    });
}
