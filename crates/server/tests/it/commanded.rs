//! What commands say of what they cannot do.

use serde_json::json;

use crate::app::Folder;
use crate::commands::run;

/// How a command ended, and what it said.
fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn warnings_fail_a_strict_check_alone() {
    let folder = Folder::new("strict");
    let good = "model_list: [{model_name: echo, litellm_params: {model: demo/echo}}]\n";
    for (text, code) in [(good.to_owned(), 0), (format!("{good}router_setings: {{}}\n"), 64)] {
        let file = folder.write("config.yaml", &text);
        let file = file.to_str().expect("text");
        assert_eq!(said(&["check", file]).0, Some(0));
        let (ended, told) = said(&["check", "--strict", file]);
        assert_eq!((ended, told.contains("did you mean `router_settings`?")), (Some(code), code != 0), "{told}");
    }
}

#[test]
fn routes_that_get_nothing_are_told() {
    let folder = Folder::new("hidden");
    let routes = "general_settings: {pass_through_endpoints: [{path: /v1/rerank, target: 'http://127.0.0.1:9/x'}, {path: /mine, target: 'http://127.0.0.1:9/x'}]}\n";
    let file = folder.write("config.yaml", routes);
    let (_, told) = said(&["check", file.to_str().expect("text")]);
    assert!(told.contains("warning: the pass-through route `/v1/rerank` gets no POST requests"), "{told}");
    assert!(!told.contains("`/mine` gets") && told.contains("0 errors"), "{told}");
}

#[test]
fn a_use_that_a_provider_does_not_serve_is_told() {
    let folder = Folder::new("uses");
    let text = "model_list:
  - {model_name: vectors, litellm_params: {model: anthropic/claude-sonnet-5-5, api_key: k}, model_info: {mode: embedding}}
  - {model_name: fine, litellm_params: {model: openai/text-embedding-3-small, api_key: k}, model_info: {mode: embedding}}
";
    let file = folder.write("config.yaml", text);
    let (code, told) = said(&["check", file.to_str().expect("text")]);
    assert!(
        code == Some(0)
            && told.contains("`vectors` is of `mode: embedding`, which its provider `anthropic` does not serve")
            && !told.contains("`fine` is"),
        "{told}"
    );
}

#[test]
fn modes_and_abilities_that_there_are_not_are_told_with_those_there_are() {
    for (arguments, words) in [
        (["models", "--mode", "nope"], ["no model has the mode `nope`", "audio_speech, "]),
        (["models", "--supports", "flying"], ["no model has the ability `flying`", "vision"]),
    ] {
        let (code, told) = said(&arguments);
        assert!(code == Some(64) && words.iter().all(|word| told.contains(word)), "{told}");
    }
}

#[test]
fn an_export_without_anything_to_compare_is_no_empty_one() {
    let folder = Folder::new("exports");
    let config = folder.write("config.yaml", &format!("switchboard: {{data_dir: {}}}\n", folder.path("data").display()));
    std::fs::create_dir(folder.path("data")).expect("a folder");
    let store = switchboard_store::Settings { address: format!("sqlite:{}", folder.path("data/switchboard.db").display()), connections: 1 };
    let store = switchboard_store::Store::open(&store).expect("an address");
    store.migrate().expect("a database");
    store.close();
    let reconcile = |provider: &str, export: &str| {
        let export = folder.write("export", export);
        let (config, export) = (config.to_str().expect("text"), export.to_str().expect("text"));
        let period = ["--from", "2026-11-01", "--to", "2026-12-01"];
        said(&[&["reconcile", "-c", config, "--provider", provider, "--export", export][..], &period].concat())
    };
    let day = |more: &str| json!({"data": [{"date": "2026-11-01", "model": "m", more: 1}]}).to_string();
    for (provider, export, code, words) in [
        ("openai", "Datum,Betrag\n2026-11-01,3\n", 1, "no column of a cost, of tokens or of requests, but betrag, datum"),
        ("openai", &day("betrag"), 1, "--column cost=NAME"),
        ("openai", r#"{"betrag": 1}"#, 1, "no list of lines"),
        ("openai", "", 1, "it is empty"),
        ("openai", r#"{"data": []}"#, 0, "0 compared"),
        ("openai", &day("requests"), 1, "missing_in_ledger"),
        ("opnai", &day("requests"), 64, "the ledger has nothing of `opnai`, and no provider is called so"),
    ] {
        let (ended, told) = reconcile(provider, export);
        assert!(ended == Some(code) && told.contains(words), "{provider} {export}: {ended:?} {told}");
    }
}

#[test]
fn who_cannot_be_reached_is_named_with_the_systems_reason() {
    let (_, told) = said(&["chat", "--url", "http://127.0.0.1:1", "-m", "m", "hello"]);
    assert!(told.contains("http://127.0.0.1:1 cannot be reached: ") && told.contains("refused") && !told.contains("provider"), "{told}");
    let (code, told) = said(&["serve", "--host", "nohost", "--port", "0"]);
    assert!(code == Some(64) && told.contains("command line") && told.contains("write `--host` with"), "{told}");
}
