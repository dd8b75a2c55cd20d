//! The drill: what is backed up comes back, opens with the same keys, and is as it must be.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::commands::{run, switchboard};
use crate::managed::MASTER;

const MODELS: &str = "
model_list:
  - {model_name: cent, litellm_params: {model: demo/echo, input_cost_per_request: 0.01}}
";

fn gateway(folder: &std::path::Path) -> TestApp {
    let place = folder.display().to_string();
    TestApp::with(MODELS, &[("SWITCHBOARD_MASTER_KEY", MASTER), ("SWITCHBOARD_DATA_DIR", &place)])
}

fn post(app: &TestApp, key: &str, path: &str, body: &Value) -> Value {
    let reply = app.ask("POST", path).key(key).json(body).send();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

fn chat(app: &TestApp, key: &str) {
    post(app, key, "/v1/chat/completions", &json!({"model": "cent", "messages": [{"role": "user", "content": "hello"}]}));
}

fn spend(app: &TestApp, key: &str) -> Value {
    app.ask("GET", &format!("/key/info?key={key}")).key(MASTER).send().json()["info"]["spend"].clone()
}

fn well(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn a_gateway_comes_back_from_its_backup() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (first, second) = (folder.path().join("one"), folder.path().join("two"));
    let database = |folder: &std::path::Path| format!("sqlite:{}", folder.join("switchboard.db").display());
    let app = gateway(&first);
    let key = post(&app, MASTER, "/key/generate", &json!({"max_budget": 0.05}))["key"].as_str().expect("a key").to_owned();
    (0..3).for_each(|_| chat(&app, &key));
    // While it runs.
    well(&["backup", "--database-url", &database(&first), "--to", &at("backup")]);
    chat(&app, &key);
    assert!(!run(&["restore", "--database-url", &database(&first), "--from", &at("backup"), "--force"]).status.success(), "it runs");
    app.stop();
    assert!(well(&["verify", "--database-url", &database(&first)]).contains("0 findings"));
    assert!(well(&["restore", "--check", "--from", &at("backup")]).contains("whole"));
    well(&["restore", "--database-url", &database(&second), "--from", &at("backup")]);
    let again = gateway(&second);
    assert_eq!(spend(&again, &key), 0.03);
    chat(&again, &key);
    assert_eq!(spend(&again, &key), 0.04);
    again.stop();
    assert!(well(&["verify", "--database-url", &database(&second)]).contains("0 findings"));
    let dry = well(&["reprice", "--database-url", &database(&second), "--from", "2020-01-01", "--to", "2098-01-01", "--dry-run"]);
    assert!(dry.starts_with("4 attempts"), "{dry}");
    std::fs::write(at("export.csv"), "date,model,cost\n2020-01-02,echo,1\n").expect("written");
    let (database, export) = (database(&second), at("export.csv"));
    let compared = run(&[
        "reconcile",
        "--database-url",
        &database,
        "--provider",
        "demo",
        "--export",
        &export,
        "--from",
        "2020-01-01",
        "--to",
        "2098-01-01",
    ]);
    let said = String::from_utf8_lossy(&compared.stdout).into_owned();
    assert!(!compared.status.success() && said.contains("missing_in_ledger") && said.contains("missing_in_export"), "{said}");
}

/// A database in a file of its own has the sealing key beside it, and the journal is elsewhere: a backup holds both, as lines too.
#[test]
fn what_is_sealed_opens_after_a_restore_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(folder.path().join("one")).expect("a folder");
    let text = |name: &str| {
        let (data, file) = (at(&format!("{name}-data")), at(&format!("{name}/gateway.db")));
        format!("{MODELS}general_settings: {{master_key: {MASTER}, database_url: 'sqlite:{file}'}}\nswitchboard: {{data_dir: '{data}'}}\n")
    };
    let app = TestApp::of(&text("one"));
    let sealed = json!({"credential_name": "c", "credential_values": {"api_key": "sk-sealed-0123456789"}, "credential_info": {}});
    post(&app, MASTER, "/credentials", &sealed);
    let model =
        json!({"model_name": "made", "litellm_params": {"model": "demo/echo", "litellm_credential_name": "c", "api_key": "sk-own"}});
    post(&app, MASTER, "/model/new", &model);
    app.stop();
    for name in ["one", "two"] {
        std::fs::write(at(&format!("{name}.yaml")), text(name)).expect("written");
    }
    well(&["backup", "-c", &at("one.yaml"), "--to", &at("backup"), "--logical"]);
    well(&["restore", "-c", &at("two.yaml"), "--from", &at("backup")]);
    let again = TestApp::of(&text("two"));
    post(&again, MASTER, "/v1/chat/completions", &json!({"model": "made", "messages": [{"role": "user", "content": "hello"}]}));
}

/// A gateway on SQLite seals with a key that it made and keeps beside the database; one on PostgreSQL is given its key.
#[test]
fn a_restore_that_would_leave_secrets_sealed_says_so_before_it_writes() {
    let Some(address) = crate::managed::shared_database() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let file = format!("sqlite:{}", at("one/switchboard.db"));
    let app = gateway(&folder.path().join("one"));
    let sealed = json!({"credential_name": "c", "credential_values": {"api_key": "sk-sealed-0123456789"}, "credential_info": {}});
    post(&app, MASTER, "/credentials", &sealed);
    let own = std::fs::read_to_string(at("one/sealing.key")).expect("its own key");
    app.stop();
    well(&["backup", "--database-url", &file, "--to", &at("backup")]);
    let restore = |into: &str, backup: &str, more: &[&str], key: Option<&str>| {
        let mut command = switchboard(&[&["restore", "--database-url", into, "--from", &at(backup)], more].concat());
        command.envs(key.map(|key| ("SWITCHBOARD_SEALING_KEY", key)));
        let output = command.output().expect("it runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // The key lies in the backup, and nobody on PostgreSQL looks there.
    let (done, said) = restore(&address, "backup", &[], None);
    assert!(!done && said.contains("backup/sealing.key") && said.contains("SWITCHBOARD_SEALING_KEY_FILE"), "{said}");
    let (done, said) = restore(&address, "backup", &[], Some("another-key-0123456789abcdef012345"));
    assert!(!done && !said.contains(own.trim()), "{said}");
    // Nothing was written: what is not empty is not restored without --force.
    let (done, said) = restore(&address, "backup", &[], Some(&own));
    assert!(done, "{said}");
    let variables = [("SWITCHBOARD_MASTER_KEY", MASTER), ("DATABASE_URL", &address), ("SWITCHBOARD_SEALING_KEY", &own)];
    let data = at("two");
    let again = TestApp::with(MODELS, &[&variables[..], &[("SWITCHBOARD_DATA_DIR", &data)]].concat());
    let told = again.ask("GET", "/credentials").key(MASTER).send();
    assert!(told.text().contains("\"c\""), "{}", told.text());
    again.stop();
    // Back again: that key is in no backup.
    well(&["backup", "--database-url", &address, "--to", &at("back")]);
    let file = format!("sqlite:{}", at("three/switchboard.db"));
    let (done, said) = restore(&file, "back", &[], None);
    assert!(!done && said.contains("not in it") && !std::path::Path::new(&at("three")).exists(), "{said}");
    let (done, said) = restore(&file, "back", &["--sealed"], None);
    assert!(done, "{said}");
    let (done, said) = restore(&file, "back", &["--force"], Some(&own));
    assert!(done, "{said}");
}
