//! Gateways that remember: on SQLite always, on PostgreSQL where `TEST_DATABASE_URL` says where one is.

use serde_json::{Value, json};
use switchboard_store::{Settings, Store};

use crate::app::{Reply, TestApp};

pub(crate) const MASTER: &str = "sk-master-of-tests-0123456789abcdef";

const MODELS: &str = "
model_list:
  - {model_name: good, litellm_params: {model: demo/echo}, model_info: {access_groups: [friends]}}
  - {model_name: other, litellm_params: {model: demo/echo}}
";

/// A gateway with a master key and an empty database.
pub(crate) struct Managed {
    pub(crate) app: TestApp,
    _folder: tempfile::TempDir,
}

/// Runs a test on each kind of database there is here.
pub(crate) fn each(test: impl Fn(&Managed)) {
    with("", test);
}

/// The same with further configuration.
#[allow(clippy::disallowed_methods, reason = "where the test database is, only the environment says")]
pub(crate) fn with(yaml: &str, test: impl Fn(&Managed)) {
    test(&Managed::start(yaml, None));
    match std::env::var("TEST_DATABASE_URL") {
        Ok(address) => test(&Managed::start(yaml, Some(&schema(&address)))),
        Err(_) => println!("skipped on PostgreSQL: TEST_DATABASE_URL is not set"),
    }
}

/// The address of an empty database that several gateways can share; none without PostgreSQL.
#[allow(clippy::disallowed_methods, reason = "where the test database is, only the environment says")]
pub(crate) fn shared_database() -> Option<String> {
    let address = std::env::var("TEST_DATABASE_URL").ok();
    if address.is_none() {
        println!("skipped: TEST_DATABASE_URL is not set");
    }
    address.map(|address| schema(&address))
}

impl Managed {
    fn start(yaml: &str, database: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display().to_string();
        let mut variables = vec![("SWITCHBOARD_MASTER_KEY", MASTER), ("SWITCHBOARD_DATA_DIR", &place)];
        variables.extend(database.map(|address| ("DATABASE_URL", address)));
        // The server's connections are shared with every other test that runs.
        let settings = "general_settings: {database_connection_pool_limit: 2}\n";
        let app = TestApp::with(&format!("{settings}{MODELS}{yaml}"), &variables);
        Self { app, _folder: folder }
    }

    /// Asks as the holder of that key.
    pub(crate) fn as_key(&self, key: &str, method: &str, path: &str, body: &Value) -> Reply {
        let ask = self.app.ask(method, path).key(key);
        if body.is_null() { ask.send() } else { ask.json(body).send() }
    }

    /// Posts as the administrator, and expects an answer.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let reply = self.as_key(MASTER, "POST", path, body);
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text());
        reply.json()
    }

    /// Gets as the administrator, and expects an answer.
    pub(crate) fn get(&self, path: &str) -> Value {
        let reply = self.as_key(MASTER, "GET", path, &Value::Null);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// A new key of that kind.
    pub(crate) fn key(&self, fields: &Value) -> String {
        self.post("/key/generate", fields)["key"].as_str().expect("a key").to_owned()
    }

    /// Calls a model with that key.
    pub(crate) fn chat(&self, key: &str, model: &str) -> Reply {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
        self.as_key(key, "POST", "/v1/chat/completions", &body)
    }
}

/// The same server with a schema of the test's own.
fn schema(address: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("s{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let store = Store::open(&Settings { address: address.to_owned(), connections: 1 }).expect("an address");
    let (sql, made) = (store.sql().clone(), format!("CREATE SCHEMA {name}"));
    let done = store.thread().block(async move {
        sqlx::query(sqlx::AssertSqlSafe(made)).execute(&sql.writers).await?;
        Ok(())
    });
    done.expect("a schema");
    store.close();
    let joined = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joined}options=-c%20search_path%3D{name}")
}
