//! Changes of the configuration while the gateway runs.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;
use switchboard_server::reload::Reload;

use crate::app::{Folder, TestApp};
use crate::edge::eventually;

fn file(model: &str, more: &str) -> String {
    format!(
        "model_list:\n  - {{model_name: {model}, litellm_params: {{model: demo/echo}}}}\nswitchboard:\n  reload: {{poll_interval_ms: 20}}\n{more}"
    )
}

fn listed(app: &TestApp) -> Vec<String> {
    let list = app.get("/v1/models").json();
    list["data"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("a name").to_owned()).collect()
}

/// What a watcher is told.
#[derive(Debug, PartialEq)]
enum Told {
    Changed(Vec<&'static str>),
    Refused(String),
}

fn followed(folder: &Folder, text: &str) -> (TestApp, mpsc::Receiver<Told>) {
    let path = folder.write("config.yaml", text);
    let mut app = TestApp::of_file(&path);
    let (sender, told) = mpsc::channel();
    app.follow(&path, move |outcome, applied| {
        let told = match (outcome, applied) {
            (Reload::Changed(_), Some(applied)) => Told::Changed(applied.restart.clone()),
            (Reload::Changed(_), None) => Told::Refused("model cards".to_owned()),
            (Reload::Refused(diagnostics), _) => Told::Refused(diagnostics.to_string()),
        };
        sender.send(told).expect("heard");
    });
    (app, told)
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_changed_file_takes_effect_and_a_bad_one_changes_nothing() {
    let folder = Folder::new("reload");
    let (app, told) = followed(&folder, &file("first", ""));
    assert_eq!(listed(&app), ["first"]);

    folder.write("config.yaml", &file("second", "general_settings: {master_key: sk-9f2c4e81b7d05a63}\n"));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Changed(vec![])));
    assert_eq!(app.get("/v1/models").status, 401, "the key is asked for at once");
    let keyed = app.ask("GET", "/v1/models").key("sk-9f2c4e81b7d05a63").send().json();
    assert_eq!(keyed["data"][0]["id"], "second");

    folder.write("config.yaml", "model_list: [\n# sk-never-shown-123456");
    let refused = told.recv_timeout(PATIENCE).expect("told");
    assert!(matches!(&refused, Told::Refused(why) if why.contains("config.yaml") && !why.contains("never-shown")), "{refused:?}");
    let keyed = app.ask("GET", "/v1/models").key("sk-9f2c4e81b7d05a63").send().json();
    assert_eq!(keyed["data"][0]["id"], "second", "the last good one stays");

    folder.write("config.yaml", &file("third", "  workers: 7\n  limits: {max_connections: 5}\n"));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Changed(vec!["switchboard.limits"])), "workers are given on the command line");
    assert_eq!(listed(&app), ["third"]);
}

#[test]
fn model_cards_are_laid_over_and_followed() {
    let folder = Folder::new("overlay");
    let cards = folder.write("models.txt", "demo/echo\tmode=chat max_in=1234\n");
    let text = file("echo", &format!("  catalog: {}\n", cards.display()));
    let (app, told) = followed(&folder, &text);
    assert_eq!(app.get("/v1/models/echo").json()["max_input_tokens"], 1234);

    folder.write("models.txt", "demo/echo\tmode=chat max_in=5678\n");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Changed(vec![])));
    eventually("new cards", || app.get("/v1/models/echo").json()["max_input_tokens"] == json!(5678));

    folder.write("models.txt", "this is no card\n");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Refused("model cards".to_owned())));
    assert_eq!(app.get("/v1/models/echo").json()["max_input_tokens"], 5678, "the last good ones stay");
}
