//! Secrets that files name and others keep.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::load_text_in;
use crate::config::Environment;

/// A Vault that has these secrets and a token, until the test ends. How often it was asked.
fn vault(secrets: &'static [(&'static str, &'static str)]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    // It ends with the process of the tests: nobody asks it any more.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a clone")).lines().map(|line| line.expect("a line"));
            while let Some(first) = lines.next() {
                counted.fetch_add(1, Ordering::SeqCst);
                let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
                let trusted = head.iter().any(|line| line.eq_ignore_ascii_case("x-vault-token: hvs.test"));
                let path = first.split(' ').nth(1).expect("a path");
                let found = secrets.iter().find(|(name, _)| path == format!("/v1/secret/data/{name}"));
                let (status, body) = match found {
                    _ if !trusted => (403, r#"{"errors":["permission denied"]}"#.to_owned()),
                    Some((_, fields)) => (200, format!(r#"{{"data":{{"data":{fields},"metadata":{{}}}}}}"#)),
                    None => (404, r#"{"errors":[]}"#.to_owned()),
                };
                write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("written");
            }
        }
    });
    (address, asked)
}

fn key_of(text: &str, variables: &[(&str, &str)]) -> (Option<String>, String) {
    let loaded = load_text_in(text, Environment::from_iter(variables.iter().copied()));
    let shown = format!("{} {:?}", loaded.diagnostics, loaded.config);
    for (_, value) in variables.iter().filter(|(name, _)| name.contains("TOKEN") || name.contains("KEY")) {
        assert!(!shown.contains(value), "{shown}");
    }
    let key = loaded.config.as_ref().and_then(|config| config.deployments.first()?.connection.api_key.clone());
    (key.map(|key| key.expose().to_owned()), loaded.diagnostics.to_string())
}

const MODEL: &str = "model_list: [{model_name: m, litellm_params: {model: openai/x, api_key: KEY}}]\n";
const VAULT: &str = "general_settings: {key_management_system: hashicorp_vault}\n";

#[test]
fn a_manager_is_asked_before_the_environment() {
    let (address, asked) = vault(&[("OPENAI_API_KEY", r#"{"key": "sk-kept"}"#)]);
    let variables =
        [("HCP_VAULT_ADDR", address.as_str()), ("HCP_VAULT_TOKEN", "hvs.test"), ("OPENAI_API_KEY", "sk-around"), ("OTHER", "sk-other")];
    let text = format!("{}{VAULT}", MODEL.replace("KEY", "os.environ/OPENAI_API_KEY"));
    assert_eq!(key_of(&text, &variables).0.as_deref(), Some("sk-kept"));
    // What it has not, the environment may have.
    let text = format!("{}{VAULT}", MODEL.replace("KEY", "os.environ/OTHER"));
    assert_eq!(key_of(&text, &variables).0.as_deref(), Some("sk-other"));
    let before = asked.load(Ordering::SeqCst);
    let only = "general_settings: {key_management_system: hashicorp_vault, key_management_settings: {hosted_keys: [NOT_THIS]}}\n";
    let text = format!("{}{only}", MODEL.replace("KEY", "os.environ/OPENAI_API_KEY"));
    assert_eq!(key_of(&text, &variables).0.as_deref(), Some("sk-around"));
    assert_eq!(asked.load(Ordering::SeqCst), before + 1, "for the hosted key alone");
    let write = "general_settings: {key_management_system: hashicorp_vault, key_management_settings: {access_mode: write_only}}\n";
    let text = format!("{}{write}", MODEL.replace("KEY", "os.environ/OPENAI_API_KEY"));
    assert_eq!(key_of(&text, &variables).0.as_deref(), Some("sk-around"));
    assert_eq!(asked.load(Ordering::SeqCst), before + 1);
}

#[test]
fn a_provider_without_a_written_key_finds_a_hosted_one() {
    let (address, _) = vault(&[("OPENAI_API_KEY", r#"{"key": "sk-kept"}"#)]);
    let text = "general_settings: {key_management_system: hashicorp_vault, key_management_settings: {hosted_keys: [OPENAI_API_KEY]}}\n";
    let variables = [("HCP_VAULT_ADDR", address.as_str()), ("HCP_VAULT_TOKEN", "hvs.test")];
    let loaded = load_text_in(text, Environment::from_iter(variables));
    let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics));
    assert_eq!(config.environment.get("OPENAI_API_KEY"), Some("sk-kept"));
    assert!(config.elsewhere.reference("OPENAI_API_KEY").is_some(), "it can be read again");
}

#[test]
fn one_secret_may_hold_all() {
    let (address, _) = vault(&[("gateway", r#"{"OPENAI_API_KEY": "sk-one", "OTHER": "sk-two"}"#)]);
    let general = "general_settings: {key_management_system: hashicorp_vault, key_management_settings: {primary_secret_name: gateway}}\n";
    let variables = [("HCP_VAULT_ADDR", address.as_str()), ("HCP_VAULT_TOKEN", "hvs.test")];
    let text = format!("{}{general}", MODEL.replace("KEY", "os.environ/OTHER"));
    assert_eq!(key_of(&text, &variables).0.as_deref(), Some("sk-two"));
}

#[test]
fn a_manager_that_is_away_is_an_error_only_where_nothing_else_helps() {
    let variables = [("HCP_VAULT_ADDR", "http://127.0.0.1:1"), ("HCP_VAULT_TOKEN", "hvs.test"), ("OPENAI_API_KEY", "sk-around")];
    let text = format!("{}{VAULT}", MODEL.replace("KEY", "os.environ/OPENAI_API_KEY"));
    let (key, found) = key_of(&text, &variables);
    assert_eq!(key.as_deref(), Some("sk-around"), "{found}");
    assert!(found.contains("warning: `OPENAI_API_KEY` cannot be read"), "{found}");
    let text = format!("{}{VAULT}", MODEL.replace("KEY", "os.environ/ELSEWHERE"));
    let (key, found) = key_of(&text, &variables);
    assert_eq!(key, None);
    assert!(found.contains("error: `ELSEWHERE` cannot be read: the secret manager could not be reached"), "{found}");
    let wrong = [("HCP_VAULT_ADDR", "http://127.0.0.1:1")];
    assert!(key_of(&text, &wrong).1.contains("Vault needs HCP_VAULT_TOKEN"));
    let unknown = "general_settings: {key_management_system: cyberark}\n";
    assert!(key_of(unknown, &[]).1.contains("error: `key_management_system: cyberark` is not known here"));
}

#[test]
fn a_key_may_name_its_place_itself() {
    let (address, _) = vault(&[("team/openai", r#"{"live": "sk-live", "test": "sk-test"}"#)]);
    let file = std::env::temp_dir().join(format!("switchboard-elsewhere-{}", std::process::id()));
    std::fs::write(&file, "sk-from-file\n").expect("written");
    let variables = [("HCP_VAULT_ADDR", address.as_str()), ("HCP_VAULT_TOKEN", "hvs.test"), ("MINE", "sk-mine")];
    let path = file.display().to_string();
    for (written, wanted) in [
        ("'vault:team/openai#test'".to_owned(), "sk-test"),
        ("'env:MINE'".to_owned(), "sk-mine"),
        (format!("'file:{path}'"), "sk-from-file"),
        ("sk-plain".to_owned(), "sk-plain"),
        ("'other:thing'".to_owned(), "other:thing"),
    ] {
        let (key, found) = key_of(&MODEL.replace("KEY", &written), &variables);
        assert_eq!(key.as_deref(), Some(wanted), "{written}: {found}");
    }
    let (key, found) = key_of(&MODEL.replace("KEY", "'file:/no/such/file'"), &variables);
    assert!(key.is_none() && found.contains("error"), "{found}");
    let (key, found) = key_of(&MODEL.replace("KEY", "'vault:none'"), &variables);
    assert!(key.is_none() && found.contains("error: `vault:none` cannot be read"), "{found}");
    // Where no secret is expected, a text is a text.
    let text = "model_list: [{model_name: 'env:MINE', litellm_params: {model: 'openai/env:MINE', api_key: k}}]";
    let loaded = load_text_in(text, Environment::from_iter(variables));
    assert_eq!(loaded.config.expect("usable").deployments[0].model_name, "env:MINE");
    std::fs::remove_file(&file).expect("removed");
}
