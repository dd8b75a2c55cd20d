//! The audit log over HTTP, and by the command line.

use serde_json::{Value, json};
use switchboard_store::Store;

use crate::app::TestApp;
use crate::managed::{MASTER, each};

#[test]
fn what_administrators_do_is_written_down_without_their_secrets() {
    each(|managed| {
        let key = managed.key(&json!({"key_alias": "audited", "team_id": null, "metadata": {"api_key": "sk-canary-metadata-0123456789"}}));
        managed.post("/key/update", &json!({"key": key, "models": ["good"]}));
        managed.post("/key/block", &json!({"key": key}));
        managed.post("/key/delete", &json!({"keys": [key]}));
        let all = managed.get("/audit?sort_order=asc");
        let rows = all["audit_logs"].as_array().expect("rows");
        let actions: Vec<&str> = rows.iter().map(|row| row["action"].as_str().expect("an action")).collect();
        assert_eq!(actions, ["created", "updated", "blocked", "deleted"]);
        assert_eq!((all["total"].clone(), all["total_pages"].clone(), all["page_size"].clone()), (json!(4), json!(1), json!(10)));
        for row in rows {
            assert_eq!(row["changed_by"], "default_user_id");
            assert_eq!(row["table_name"], "LiteLLM_VerificationToken");
            assert_eq!(row["source"], "127.0.0.1");
            assert!(row["request_id"].as_str().is_some_and(|id| !id.is_empty()));
        }
        assert_eq!(rows[1]["updated_values"]["models"], json!(["good"]));
        assert_eq!(rows[0]["updated_values"]["key_alias"], "audited");
        assert!(!all.to_string().contains("canary") && !all.to_string().contains(&key), "{all}");
        assert_eq!(managed.get(&format!("/audit/{}", rows[2]["id"].as_str().expect("an id"))), rows[2]);
        assert_eq!(managed.get("/audit?action=blocked&page_size=1")["total"], 1);
        assert_eq!(managed.get("/audit?table_name=LiteLLM_TeamTable")["total"], 0);
        let missing = managed.as_key(MASTER, "GET", "/audit/none", &Value::Null);
        assert_eq!(missing.status, 404);
    });
}

#[test]
fn what_is_refused_is_written_down_too() {
    each(|managed| {
        let key = managed.key(&json!({"key_alias": "nobody"}));
        for _ in 0..3 {
            let refused = managed.as_key(&key, "GET", "/audit", &Value::Null);
            assert!(matches!(refused.status.as_u16(), 401 | 403), "{}", refused.text());
        }
        let denied = managed.get("/audit?table_name=route");
        assert_eq!(denied["total"], 1, "once, however often: {denied}");
        let row = &denied["audit_logs"][0];
        assert_eq!(
            (row["outcome"].as_str(), row["object_id"].as_str(), row["action"].as_str()),
            (Some("denied"), Some("/audit"), Some("GET"))
        );
        // A key that nobody has is nobody's deed.
        managed.as_key("sk-nobody-has-this-key-0123456789", "GET", "/audit", &Value::Null);
        assert_eq!(managed.get("/audit?table_name=route")["total"], 1);
    });
}

fn run(folder: &std::path::Path, words: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(words)
        .env_clear()
        .env("SWITCHBOARD_MASTER_KEY", MASTER)
        .env("SWITCHBOARD_DATA_DIR", folder)
        .output()
        .expect("run");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    (output.status.success(), said.join(""))
}

#[test]
fn the_command_line_verifies_and_rotates_beside_a_running_gateway() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    let variables = [("SWITCHBOARD_MASTER_KEY", MASTER), ("SWITCHBOARD_DATA_DIR", place.as_str())];
    let app = TestApp::with("model_list: []", &variables);
    for n in 0..3 {
        let made = app.ask("POST", "/key/generate").key(MASTER).json(&json!({"key_alias": format!("k{n}")})).send();
        assert_eq!(made.status, 200, "{}", made.text());
    }
    let (good, head) = run(folder.path(), &["audit", "head"]);
    assert!(good && head.starts_with("3:"), "{head}");
    let (good, said) = run(folder.path(), &["audit", "verify", "--head", head.trim()]);
    assert!(good && said.contains("3 rows"), "{said}");
    let (good, said) = run(folder.path(), &["secrets", "rotate"]);
    assert!(good, "{said}");
    let made = app.ask("POST", "/key/generate").key(MASTER).json(&json!({"key_alias": "after"})).send();
    assert_eq!(made.status, 200, "the gateway goes on: {}", made.text());
    drop(app);
    let address = format!("sqlite:{}", folder.path().join("switchboard.db").display());
    let store = Store::open(&switchboard_store::Settings { address, connections: 1 }).expect("open");
    let sql = store.sql().clone();
    let done = store.thread().block(async move {
        sqlx::query("UPDATE audit_log SET actor = 'somebody else' WHERE seq = 2").execute(&sql.writers).await?;
        Ok(())
    });
    done.expect("tampered");
    store.close();
    let (good, said) = run(folder.path(), &["audit", "verify"]);
    assert!(!good && said.contains("row 2"), "{said}");
}

#[test]
fn another_sealing_key_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display().to_string();
    let variables = [("SWITCHBOARD_MASTER_KEY", MASTER), ("SWITCHBOARD_DATA_DIR", place.as_str())];
    drop(TestApp::with("model_list: []", &variables));
    std::fs::write(folder.path().join("sealing.key"), "another key of some length").expect("written");
    let (good, said) = run(folder.path(), &["serve", "--port", "0"]);
    assert!(!good && said.contains("sealed with another master key"), "{said}");
    assert!(!said.contains("another key of some length"), "{said}");
}
