//! Gateways that remember: on SQLite always, on PostgreSQL where `TEST_DATABASE_URL` says where one is.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::schema;

pub(crate) const MASTER: &str = "sk-master-of-tests-0123456789abcdef";

const PEPPER: &str = "a-pepper-of-tests-0123456789abcdef";
const SEAL: &str = "a-sealing-key-of-tests-0123456789abcdef";

const MODELS: &str = "
model_list:
  - {model_name: good, litellm_params: {model: demo/echo}, model_info: {access_groups: [friends]}}
  - {model_name: other, litellm_params: {model: demo/echo}}
";

/// A gateway with a master key and an empty database.
pub(crate) struct Managed {
    pub(crate) app: TestApp,
    folder: tempfile::TempDir,
    yaml: String,
    more: Vec<(String, String)>,
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
        Ok(address) => test(&Managed::start(yaml, Some(&schema::own(&address)))),
        Err(_) => println!("skipped on PostgreSQL: TEST_DATABASE_URL is not set"),
    }
}

/// So many gateways with one database between them, at that address or in a schema of their own; none where there is none.
pub(crate) fn together(yaml: &str, count: usize, through: impl Fn(&str) -> String) -> Vec<Managed> {
    let Some(address) = database() else { return Vec::new() };
    let address = through(&schema::own(&address));
    (0..count).map(|_| Managed::start(yaml, Some(&address))).collect()
}

/// The address of an empty database that several gateways can share; none without PostgreSQL.
pub(crate) fn shared_database() -> Option<String> {
    database().map(|address| schema::own(&address))
}

/// Where the test database is.
#[allow(clippy::disallowed_methods, reason = "where the test database is, only the environment says")]
pub(crate) fn database() -> Option<String> {
    let address = std::env::var("TEST_DATABASE_URL").ok();
    if address.is_none() {
        println!("skipped: TEST_DATABASE_URL is not set");
    }
    address
}

/// Runs a test that stops and starts its gateway.
#[allow(clippy::disallowed_methods, reason = "where the test database is, only the environment says")]
pub(crate) fn owned(test: impl Fn(Managed)) {
    test(Managed::start("", None));
    match std::env::var("TEST_DATABASE_URL") {
        Ok(address) => test(Managed::start("", Some(&schema::own(&address)))),
        Err(_) => println!("skipped on PostgreSQL: TEST_DATABASE_URL is not set"),
    }
}

impl Managed {
    fn start(yaml: &str, database: Option<&str>) -> Self {
        // The server's connections are shared with every other test that runs.
        const SETTINGS: &str = "general_settings: {";
        let own = yaml.lines().find_map(|line| line.strip_prefix(SETTINGS)).map_or("}".to_owned(), |rest| format!(", {rest}"));
        let rest: String = yaml.lines().filter(|line| !line.starts_with(SETTINGS)).map(|line| format!("{line}\n")).collect();
        // Gateways that share a database share what proves and seals.
        let shared = [("SWITCHBOARD_KEY_PEPPER", PEPPER), ("SWITCHBOARD_SEALING_KEY", SEAL)];
        let more = shared.into_iter().chain(database.map(|address| ("DATABASE_URL", address)));
        Self::of(&format!("{SETTINGS}database_connection_pool_limit: 2{own}\n{MODELS}{rest}"), &more.collect::<Vec<_>>())
    }

    /// With those lines of `general_settings` and those variables, on SQLite.
    pub(crate) fn signing_in(general: &str, variables: &[(&str, &str)]) -> Self {
        Self::of(&format!("general_settings:\n  database_connection_pool_limit: 2\n{general}{MODELS}"), variables)
    }

    /// The same with further entries of `model_list`.
    pub(crate) fn with_models(general: &str, models: &str, variables: &[(&str, &str)]) -> Self {
        Self::of(&format!("general_settings:\n  database_connection_pool_limit: 2\n{general}{MODELS}{models}"), variables)
    }

    fn of(yaml: &str, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let more: Vec<_> = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let app = begun(yaml, &variables(&more, folder.path()));
        Self { app, folder, yaml: yaml.to_owned(), more }
    }

    /// Stops; gives the folder with its files, and what was written to the request log.
    pub(crate) fn stop(self) -> (tempfile::TempDir, String) {
        (self.folder, self.app.stop())
    }

    /// The same after a stop and a start.
    pub(crate) fn restarted(&mut self) {
        let nothing = TestApp::of("");
        drop(std::mem::replace(&mut self.app, nothing));
        self.app = begun(&self.yaml, &self.environment());
    }

    /// Another gateway on the same database, where gateways can share one.
    pub(crate) fn another(&self) -> Option<Self> {
        let shares = self.more.iter().any(|(name, _)| name == "DATABASE_URL");
        shares.then(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let app = begun(&self.yaml, &variables(&self.more, folder.path()));
            Self { app, folder, yaml: self.yaml.clone(), more: self.more.clone() }
        })
    }

    /// What a command must be told to mean this gateway.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        variables(&self.more, self.folder.path())
    }

    /// Where it keeps its files.
    pub(crate) fn place(&self) -> &std::path::Path {
        self.folder.path()
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

/// The environment of a gateway of tests.
fn variables(more: &[(String, String)], folder: &std::path::Path) -> Vec<(String, String)> {
    let own = [("SWITCHBOARD_MASTER_KEY", MASTER.to_owned()), ("SWITCHBOARD_DATA_DIR", folder.display().to_string())];
    own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(more.iter().cloned()).collect()
}

fn begun(yaml: &str, variables: &[(String, String)]) -> TestApp {
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    TestApp::with(yaml, &variables)
}
