//! When all goes well: every client with every provider, and what is kept of it.

use switchboard_engine::deployment::Spec;
use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_engine::settings::Settings;
use switchboard_engine::terms::NanoUsd;
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;

use super::rig::{KEY, PROMPT, Rig, ask, call, spec};
use super::upstream::{Scripted, json, stream};
use super::words::{ALL, clean_end, closing, content, opening, pairs, streamed, text_of, text_of_stream, whole};

/// An answer that names the model as it was asked for, in the dialects whose clients look for it.
fn asked_for(answer: &str) -> String {
    let own = ["gpt-4o-mini", "claude-haiku-4-5", "o1-pro"].map(|model| format!("\"model\":\"{model}\""));
    own.iter().fold(answer.to_owned(), |answer, model| answer.replace(model, "\"model\":\"m\""))
}

#[tokio::test]
async fn every_client_gets_whole_answers_of_every_provider() {
    for (client, provider) in pairs() {
        let upstream = Scripted::start(vec![json("200 OK", whole(provider))]).await;
        let rig = Rig::new(vec![spec(provider, &upstream)]);
        let told = rig.ask(&ask(client, false)).await;
        assert_eq!(told.status, 200, "{client} of {provider}: {told:?}");
        assert_eq!(text_of(client, &told.json()), "Hello there");
        if client == provider {
            assert_eq!(told.body, whole(provider), "the same dialect passes as it came");
        } else if client != Dialect::Gemini {
            assert_eq!(told.json()["model"], ask(client, false).model, "{client} of {provider}: what is written here names what was asked");
        }
        let (head, body) = upstream.requests().remove(0);
        assert!(head.to_ascii_lowercase().contains(&format!("authorization: bearer {KEY}")), "{head}");
        assert!(String::from_utf8(body).unwrap().contains(PROMPT));
        let record = rig.record();
        assert_eq!((record.outcome, record.status, record.attempts), (Outcome::Complete, 200, 1));
        let usage = record.usage.unwrap();
        assert_eq!((usage.input, usage.output), (Some(11), Some(7)), "{client} of {provider}");
        assert_eq!((record.dialect, record.spoken), (client, Some(provider)));
    }
}

#[tokio::test]
async fn every_client_gets_streams_of_every_provider() {
    for (client, provider) in pairs() {
        let upstream = Scripted::start(vec![stream(&streamed(provider))]).await;
        let rig = Rig::new(vec![spec(provider, &upstream)]);
        let told = rig.ask(&ask(client, true)).await;
        assert_eq!(told.status, 200, "{client} of {provider}: {told:?}");
        assert_eq!(told.header("content-type"), Some("text/event-stream"));
        assert_eq!(text_of_stream(client, &told.body), "Hello there", "{client} of {provider}");
        told.says(&[clean_end(client)]);
        if client == provider && provider != Dialect::OpenAiChat {
            assert_eq!(told.body, streamed(provider), "the same dialect passes as it came");
        }
        let record = rig.record();
        assert_eq!((record.outcome, record.status, record.attempts), (Outcome::Complete, 200, 1), "{client} of {provider}");
        let usage = record.usage.unwrap();
        assert_eq!((usage.input, usage.output), (Some(11), Some(7)), "{client} of {provider}");
        assert!(record.first_content.is_some());
    }
}

#[tokio::test]
async fn the_model_is_named_as_it_was_asked_for_where_that_is_wanted() {
    let settings = || Settings { asked_names: true, ..Settings::default() };
    for dialect in ALL {
        let upstream = Scripted::start(vec![json("200 OK", whole(dialect)), stream(&streamed(dialect))]).await;
        let rig = Rig::trying(vec![spec(dialect, &upstream)], Names::default(), settings());
        assert_eq!(rig.ask(&ask(dialect, false)).await.body, asked_for(whole(dialect)), "{dialect}");
        let told = rig.ask(&ask(dialect, true)).await;
        if dialect != Dialect::OpenAiChat {
            assert_eq!(told.body, asked_for(&streamed(dialect)), "{dialect}");
        }
        assert!(!told.body.contains("\"model\":\"gpt-4o-mini\""), "{dialect}: {told:?}");
    }
}

#[tokio::test]
async fn costs_are_exact_and_told() {
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let priced = spec(Dialect::OpenAiChat, &upstream);
    let rig = Rig::new(vec![Spec { provider: "openai".to_owned(), model: "gpt-4o-mini".to_owned(), ..priced }]);
    let told = rig.ask(&ask(Dialect::OpenAiChat, false)).await;
    // gpt-4o-mini: 0.15 and 0.60 USD for a million tokens.
    let expected = 11 * 150_000 + 7 * 600_000;
    let record = rig.record();
    assert_eq!(record.cost.map(|cost| cost.0), Some(expected));
    assert_eq!(told.header("x-litellm-response-cost"), Some("0.00000585"));
}

#[tokio::test]
async fn answers_say_where_they_are_from() {
    let upstream = Scripted::start(vec![json("500 Internal Server Error", "{}"), json("200 OK", whole(Dialect::Anthropic))]).await;
    let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
    let told = rig.ask(&ask(Dialect::OpenAiChat, false)).await;
    let expected = [
        ("x-litellm-call-id", "call-1"),
        ("x-litellm-model-id", "at-anthropic"),
        ("x-litellm-model-group", "m"),
        ("x-litellm-attempted-retries", "1"),
        ("x-litellm-attempted-fallbacks", "0"),
        ("x-switchboard-provider", "anthropic"),
        ("content-type", "application/json"),
    ];
    for (name, value) in expected {
        assert_eq!(told.header(name), Some(value), "{name}");
    }
    for name in ["x-litellm-overhead-duration-ms", "x-litellm-response-duration-ms"] {
        assert!(told.header(name).unwrap().parse::<f64>().is_ok(), "{name}");
    }
}

#[tokio::test]
async fn usage_is_shown_to_those_who_asked() {
    let asked = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;
    for provider in ALL {
        let upstream = Scripted::start(vec![stream(&streamed(provider))]).await;
        let rig = Rig::new(vec![spec(provider, &upstream)]);
        let shown = rig.ask(&call(Dialect::OpenAiChat, true, asked)).await;
        shown.says(&["\"prompt_tokens\":11", "\"completion_tokens\":7"]);
        let hidden = rig.ask(&ask(Dialect::OpenAiChat, true)).await;
        assert!(!hidden.body.contains("prompt_tokens"), "{provider}: {hidden:?}");
        if provider == Dialect::OpenAiChat {
            let bodies: Vec<serde_json::Value> =
                upstream.requests().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
            assert!(bodies.iter().all(|body| body["stream_options"]["include_usage"] == true), "{bodies:?}");
        }
    }
}

#[tokio::test]
async fn done_is_supplied_where_a_provider_leaves_it_out() {
    let provider = Dialect::OpenAiChat;
    let events = format!("{}{}{}", opening(provider), content(provider, "Hello there"), closing(provider));
    let upstream = Scripted::start(vec![stream(&events)]).await;
    let rig = Rig::new(vec![spec(provider, &upstream)]);
    let told = rig.ask(&ask(provider, true)).await;
    assert!(told.body.ends_with("data: [DONE]\n\n"), "{told:?}");
    assert_eq!(rig.record().outcome, Outcome::Complete);
}

#[tokio::test]
async fn an_unstreamed_answer_is_streamed_to_who_asked_for_a_stream() {
    for (client, provider) in pairs() {
        let upstream = Scripted::start(vec![json("200 OK", whole(provider))]).await;
        let rig = Rig::new(vec![spec(provider, &upstream)]);
        let told = rig.ask(&ask(client, true)).await;
        assert_eq!(told.status, 200, "{client} of {provider}: {told:?}");
        assert_eq!(text_of_stream(client, &told.body), "Hello there", "{client} of {provider}: {told:?}");
        told.says(&[clean_end(client)]);
        assert_eq!(rig.record().outcome, Outcome::Complete);
    }
}

#[tokio::test]
async fn gemini_arrays_are_read_and_written() {
    let items = streamed(Dialect::Gemini);
    let items: Vec<&str> = items.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let array = format!("[{}]", items.join(",\r\n"));
    for client in ALL {
        // A provider that streams an array, whatever it was asked for.
        let upstream = Scripted::start(vec![json("200 OK", &array)]).await;
        let rig = Rig::new(vec![spec(Dialect::Gemini, &upstream)]);
        let told = rig.ask(&ask(client, true)).await;
        assert_eq!(text_of_stream(client, &told.body), "Hello there", "{client}: {told:?}");
        let usage = rig.record().usage.unwrap();
        assert_eq!((usage.input, usage.output), (Some(11), Some(7)));
    }
    for provider in ALL {
        // A client that wants an array.
        let upstream = Scripted::start(vec![stream(&streamed(provider)), json("200 OK", whole(provider))]).await;
        let rig = Rig::new(vec![spec(provider, &upstream)]);
        let mut call = ask(Dialect::Gemini, true);
        call.door.array = true;
        for _ in 0..2 {
            let told = rig.ask(&call).await;
            assert_eq!(told.header("content-type"), Some("application/json"), "{provider}");
            let list = told.json();
            let texts = list.as_array().unwrap().iter().filter_map(|item| item["candidates"][0]["content"]["parts"][0]["text"].as_str());
            assert_eq!(texts.collect::<String>(), "Hello there", "{provider}: {told:?}");
        }
    }
}

#[tokio::test]
async fn what_is_meant_for_the_gateway_stays_here() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"fallbacks":["x"],"num_retries":1,"api_key":"sk-client","api_base":"http://evil","provider":{"order":["a"]},"temperature":0.5,"made_up":{"a":1}}"#;
    for provider in ALL {
        let upstream = Scripted::start(vec![json("200 OK", whole(provider))]).await;
        let rig = Rig::new(vec![spec(provider, &upstream)]);
        assert_eq!(rig.ask(&call(Dialect::OpenAiChat, false, body)).await.status, 200);
        let sent = upstream.body().to_string();
        for word in ["fallbacks", "num_retries", "sk-client", "evil", "order"] {
            assert!(!sent.contains(word), "{provider}: {sent}");
        }
        // What is told by the model's own thoughts takes no temperature.
        assert_eq!(sent.contains("0.5"), provider != Dialect::OpenAiResponses, "{provider}: {sent}");
        assert_eq!(sent.contains("made_up"), provider == Dialect::OpenAiChat, "unknown fields pass to the same dialect alone: {sent}");
    }
}

#[tokio::test]
async fn knobs_that_a_target_lacks_are_told_or_refused() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"frequency_penalty":0.5,"seed":7}"#;
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::Anthropic))]).await;
    let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
    let mut call = call(Dialect::OpenAiChat, false, body);
    let told = rig.ask(&call).await;
    let dropped = told.header("x-switchboard-dropped").unwrap().to_owned();
    assert!(dropped.contains("frequency_penalty") && dropped.contains("seed"), "{dropped}");
    assert_eq!(rig.record().losses, dropped.split(", ").count());

    let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
    call.strict = true;
    let told = rig.ask(&call).await;
    assert_eq!(told.status, 400, "{told:?}");
    told.says(&["frequency_penalty"]);
    assert_eq!(upstream.requests().len(), 1, "nothing more was sent");
    assert_eq!(rig.record().attempts, 0);
}

#[tokio::test]
async fn what_is_only_a_hint_is_never_refused() {
    let body = r#"{"model":"m","max_tokens":2048,"thinking":{"type":"enabled","budget_tokens":1024},"metadata":{"user_id":"u"},
        "system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"yes"}]},
        {"role":"user","content":[{"type":"text","text":"go on","cache_control":{"type":"ephemeral"}}]}]}"#;
    for provider in ALL.into_iter().filter(|provider| *provider != Dialect::Anthropic) {
        let upstream = Scripted::start(vec![json("200 OK", whole(provider))]).await;
        let rig = Rig::new(vec![spec(provider, &upstream)]);
        let mut call = call(Dialect::Anthropic, false, body);
        call.strict = true;
        call.headers.insert("anthropic-beta", "interleaved-thinking-2025-05-14".parse().unwrap());
        let told = rig.ask(&call).await;
        assert_eq!(told.status, 200, "{provider}: {told:?}");
        assert!(rig.record().losses > 0, "{provider}: it is told all the same");
    }
}

#[tokio::test]
async fn content_that_a_target_lacks_is_refused_with_its_name() {
    let audio =
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}"#;
    let several = r#"{"model":"m","n":2,"messages":[{"role":"user","content":"hi"}]}"#;
    let logprobs = r#"{"model":"m","logprobs":true,"top_logprobs":2,"messages":[{"role":"user","content":"hi"}]}"#;
    let cases = [(audio, "audio"), (several, "`n`"), (logprobs, "logprobs")];
    for (body, field) in cases {
        let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::Anthropic))]).await;
        let rig = Rig::new(vec![spec(Dialect::Anthropic, &upstream)]);
        let told = rig.ask(&call(Dialect::OpenAiChat, false, body)).await;
        assert_eq!(told.status, 400, "{field}: {told:?}");
        told.says(&[field, "anthropic"]);
        assert!(upstream.requests().is_empty());
        let record = rig.record();
        assert_eq!((record.status, record.attempts), (400, 0));
    }
}

#[tokio::test]
async fn a_target_that_can_say_it_is_found() {
    let several = r#"{"model":"m","n":2,"messages":[{"role":"user","content":"hi"}]}"#;
    let cannot = Scripted::start(vec![json("200 OK", whole(Dialect::Anthropic))]).await;
    let can = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let mut second = spec(Dialect::OpenAiChat, &can);
    second.order = 1;
    let rig = Rig::new(vec![spec(Dialect::Anthropic, &cannot), second]);
    let told = rig.ask(&call(Dialect::OpenAiChat, false, several)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(cannot.requests().is_empty());
    assert_eq!(rig.record().attempts, 1);
}

#[tokio::test]
async fn openrouter_clients_get_their_own_shapes() {
    let message = "no such temperature";
    let upstream =
        Scripted::start(vec![json("400 Bad Request", &super::words::error(Dialect::OpenAiChat, "invalid_request_error", message))]).await;
    let rig = Rig::new(vec![spec(Dialect::OpenAiChat, &upstream)]);
    let mut call = ask(Dialect::OpenAiChat, false);
    call.door.flavor = Flavor::OpenRouter;
    let told = rig.ask(&call).await;
    let error = &told.json()["error"];
    assert_eq!((told.status, error["code"].as_u64()), (400, Some(400)), "{told:?}");
    assert_eq!(error["metadata"]["provider_name"], "BaseTen", "{told:?}");
    assert!(error["metadata"]["raw"].to_string().contains(message), "{told:?}");
}

fn for_openrouter(mut call: switchboard_engine::call::Call) -> switchboard_engine::call::Call {
    call.door.flavor = Flavor::OpenRouter;
    call
}

/// A model of OpenAI's, whose prices the catalog knows.
fn priced(at: &Scripted) -> Spec {
    let base = Some(format!("http://{}/v1", at.address()));
    Spec { provider: "openai".to_owned(), model: "gpt-4o-mini".to_owned(), base, ..spec(Dialect::OpenAiChat, at) }
}

#[tokio::test]
async fn openrouter_clients_are_told_who_answered_and_what_it_cost() {
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let told = Rig::new(vec![priced(&upstream)]).ask(&for_openrouter(ask(Dialect::OpenAiChat, false))).await;
    let answer = told.json();
    assert_eq!((answer.get("system_fingerprint"), &answer["provider"]), (Some(&serde_json::Value::Null), &"OpenAI".into()), "{told:?}");
    assert_eq!(answer["choices"][0]["native_finish_reason"], "stop", "{told:?}");
    let cost = told.header("x-litellm-response-cost").unwrap();
    told.says(&[&format!(r#""cost":{cost},"is_byok":false"#)]);

    let upstream = Scripted::start(vec![stream(&streamed(Dialect::OpenAiChat))]).await;
    let rig = Rig::new(vec![priced(&upstream)]);
    let told = rig.ask(&for_openrouter(ask(Dialect::OpenAiChat, true))).await;
    let frames = told.body.split("\n\n").filter_map(|frame| frame.strip_prefix("data: ")).filter(|frame| *frame != "[DONE]");
    let frames: Vec<serde_json::Value> = frames.map(|frame| serde_json::from_str(frame).unwrap()).collect();
    let (_, said) = frames.split_last().unwrap();
    let record = rig.record();
    told.says(&[&format!(r#""cost":{},"is_byok":false"#, record.cost.unwrap())]);
    assert_eq!(record.usage.unwrap().cost, None, "the provider told none");
    for frame in said {
        assert!(frame["choices"][0].get("finish_reason").is_some(), "{frame}");
        assert!(frame["choices"][0].get("native_finish_reason").is_some(), "{frame}");
        assert_eq!(frame["provider"], "OpenAI");
    }
}

#[tokio::test]
async fn what_is_charged_goes_by_the_tier_that_served() {
    let served = whole(Dialect::OpenAiChat).replacen('{', r#"{"service_tier":"flex","#, 1);
    for body in [whole(Dialect::OpenAiChat), served.as_str()] {
        let upstream = Scripted::start(vec![json("200 OK", body)]).await;
        let rig = Rig::new(vec![Spec { model: "gpt-5-mini".to_owned(), ..priced(&upstream) }]);
        let told = rig.ask(&ask(Dialect::OpenAiChat, false)).await;
        let record = rig.record();
        let shown = told.header("x-litellm-response-cost").unwrap();
        assert_eq!(shown, record.cost.unwrap().to_string(), "{body}");
        assert_eq!(record.charged, NanoUsd::from_pico(record.cost.unwrap()), "{body}: what the ledger has is what is told");
        assert_eq!(record.tried[0].cost, record.cost, "{body}");
    }
}

#[tokio::test]
async fn what_openrouter_itself_says_is_left_as_it_is_and_unknown_costs_are_not_told() {
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let own = Spec { provider: "openrouter".to_owned(), ..priced(&upstream) };
    let told = Rig::new(vec![own]).ask(&for_openrouter(ask(Dialect::OpenAiChat, false))).await;
    // Beside the one field that its specification requires and this answer lacks.
    assert_eq!(told.body, whole(Dialect::OpenAiChat).trim_end_matches('}').to_owned() + r#"},"system_fingerprint":null}"#);
    let upstream = Scripted::start(vec![json("200 OK", whole(Dialect::OpenAiChat))]).await;
    let told = Rig::new(vec![spec(Dialect::OpenAiChat, &upstream)]).ask(&for_openrouter(ask(Dialect::OpenAiChat, false))).await;
    assert_eq!(told.json()["usage"].get("cost"), None, "{told:?}");
}
