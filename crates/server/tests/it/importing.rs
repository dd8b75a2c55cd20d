//! `switchboard import litellm`, from a database as LiteLLM makes it.

use std::process::{Command, Stdio};

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use switchboard_engine::terms::Window;
use switchboard_store::{Settings, Store, Time};

use crate::managed::{MASTER, Managed, owned};
use crate::schema;
use crate::upstream::Upstream;

const SALT: &str = "sk-salt-of-tests";
/// `sk-upstream`, encrypted with that salt key in both ways there are.
const NACL: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX16Jl5XaGdKa1vkOm_UuGzErz1YmwwSnKbP8Z";
const AES: &str = "v2:gcm:AAECAwQFBgcICQoLSYwQkTTWSL7KudttsFJ7VDpIXwmuHCQi9Xpc";

/// The tables with the columns that matter here, typed as LiteLLM's migrations type them.
const TABLES: &str = r#"
CREATE TABLE "LiteLLM_BudgetTable" (budget_id TEXT PRIMARY KEY, max_budget DOUBLE PRECISION, soft_budget DOUBLE PRECISION,
  max_parallel_requests INTEGER, tpm_limit BIGINT, rpm_limit BIGINT, model_max_budget JSONB, budget_duration TEXT,
  budget_reset_at TIMESTAMP(3), allowed_models TEXT[] DEFAULT '{}', created_at TIMESTAMP(3) DEFAULT now(), created_by TEXT,
  updated_at TIMESTAMP(3) DEFAULT now(), updated_by TEXT);
CREATE TABLE "LiteLLM_OrganizationTable" (organization_id TEXT PRIMARY KEY, organization_alias TEXT, budget_id TEXT, metadata JSONB DEFAULT '{}',
  models TEXT[] DEFAULT '{}', spend DOUBLE PRECISION DEFAULT 0, created_by TEXT, updated_by TEXT, created_at TIMESTAMP(3) DEFAULT now());
CREATE TABLE "LiteLLM_ModelTable" (id SERIAL PRIMARY KEY, aliases JSONB, created_by TEXT);
CREATE TABLE "LiteLLM_TeamTable" (team_id TEXT PRIMARY KEY, team_alias TEXT, organization_id TEXT, admins TEXT[] DEFAULT '{}', members TEXT[] DEFAULT '{}',
  members_with_roles JSONB DEFAULT '{}', metadata JSONB DEFAULT '{}', max_budget DOUBLE PRECISION, spend DOUBLE PRECISION DEFAULT 0,
  models TEXT[] DEFAULT '{}', tpm_limit BIGINT, rpm_limit BIGINT, budget_duration TEXT, budget_reset_at TIMESTAMP(3), blocked BOOLEAN DEFAULT false,
  model_max_budget JSONB DEFAULT '{}', team_member_permissions TEXT[] DEFAULT '{}', model_id INTEGER, created_at TIMESTAMP(3) DEFAULT now());
CREATE TABLE "LiteLLM_TeamMembership" (user_id TEXT, team_id TEXT, spend DOUBLE PRECISION DEFAULT 0, budget_id TEXT, PRIMARY KEY (user_id, team_id));
CREATE TABLE "LiteLLM_UserTable" (user_id TEXT PRIMARY KEY, user_alias TEXT, user_email TEXT, user_role TEXT, password TEXT, teams TEXT[] DEFAULT '{}',
  max_budget DOUBLE PRECISION, spend DOUBLE PRECISION DEFAULT 0, models TEXT[] DEFAULT '{}', metadata JSONB DEFAULT '{}',
  model_max_budget JSONB DEFAULT '{}', created_at TIMESTAMP(3) DEFAULT now());
CREATE TABLE "LiteLLM_ModelAccessGroupBudgetTable" (access_group_name TEXT PRIMARY KEY, budget_id TEXT, spend DOUBLE PRECISION DEFAULT 0,
  created_at TIMESTAMP(3) DEFAULT now(), created_by TEXT, updated_at TIMESTAMP(3) DEFAULT now(), updated_by TEXT);
CREATE TABLE "LiteLLM_VerificationToken" (token TEXT PRIMARY KEY, key_name TEXT, key_alias TEXT, spend DOUBLE PRECISION DEFAULT 0,
  total_spend DOUBLE PRECISION DEFAULT 0, expires TIMESTAMP(3), models TEXT[] DEFAULT '{}', aliases JSONB DEFAULT '{}', config JSONB DEFAULT '{}',
  user_id TEXT, team_id TEXT, permissions JSONB DEFAULT '{}', max_parallel_requests INTEGER, metadata JSONB DEFAULT '{}', blocked BOOLEAN,
  tpm_limit BIGINT, rpm_limit BIGINT, max_budget DOUBLE PRECISION, budget_duration TEXT, budget_reset_at TIMESTAMP(3),
  allowed_routes TEXT[] DEFAULT '{}', model_max_budget JSONB DEFAULT '{}', budget_id TEXT, organization_id TEXT,
  created_at TIMESTAMP(3) DEFAULT now(), created_by TEXT, rotation_count INTEGER DEFAULT 0, budget_limits JSONB);
CREATE TABLE "LiteLLM_EndUserTable" (user_id TEXT PRIMARY KEY, alias TEXT, spend DOUBLE PRECISION DEFAULT 0, blocked BOOLEAN DEFAULT false, budget_id TEXT);
CREATE TABLE "LiteLLM_ProxyModelTable" (model_id TEXT PRIMARY KEY, model_name TEXT, litellm_params JSONB, model_info JSONB, blocked BOOLEAN DEFAULT false,
  created_at TIMESTAMP(3) DEFAULT now(), created_by TEXT, updated_at TIMESTAMP(3) DEFAULT now(), updated_by TEXT);
CREATE TABLE "LiteLLM_CredentialsTable" (credential_id TEXT PRIMARY KEY, credential_name TEXT, credential_values JSONB, credential_info JSONB);
CREATE TABLE "LiteLLM_SpendLogs" (request_id TEXT PRIMARY KEY)
"#;

fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Rows of a small company.
fn rows(upstream: &Upstream) -> Vec<String> {
    let (key, spent, blocked) = (sha256("sk-taken-over-1234"), sha256("sk-spent-over-1234"), sha256("sk-blocked-one-1234"));
    let params =
        json!({"model": "openai/m", "api_base": format!("{}/good", upstream.url()), "api_key": NACL, "input_cost_per_token": 1e-6});
    let other = json!({"model": "openai/m", "api_base": format!("{}/good", upstream.url()), "litellm_credential_name": "shared"});
    vec![
        r#"INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, budget_duration, created_by, updated_by) VALUES ('b', 7.5, '30d', 'a', 'a')"#.to_owned(),
        r#"INSERT INTO "LiteLLM_OrganizationTable" (organization_id, organization_alias, budget_id, created_by) VALUES ('o', 'Acme', 'b', 'a')"#.to_owned(),
        r#"INSERT INTO "LiteLLM_ModelTable" (id, aliases, created_by) VALUES (1, '{"mine": "taken"}', 'a')"#.to_owned(),
        r#"INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, organization_id, members_with_roles, spend, model_id)
           VALUES ('t', 'Crew', 'o', '[{"role": "admin", "user_id": "u"}]', 1.25, 1)"#.to_owned(),
        r#"INSERT INTO "LiteLLM_TeamMembership" (user_id, team_id, budget_id) VALUES ('u', 't', 'b')"#.to_owned(),
        r#"INSERT INTO "LiteLLM_UserTable" (user_id, user_email, user_role, password, teams, spend) VALUES ('u', 'u@example.com', 'internal_user', 'x', '{t}', 2.5)"#.to_owned(),
        format!(
            r#"INSERT INTO "LiteLLM_VerificationToken" (token, key_name, key_alias, spend, total_spend, user_id, team_id, max_budget, budget_duration, metadata)
               VALUES ('{key}', 'sk-...1234', 'taken over', 0.5, 1.75, 'u', 't', 3, '30d', '{{"tags": ["x"]}}')"#
        ),
        format!(
            r#"INSERT INTO "LiteLLM_VerificationToken" (token, key_name, spend, max_budget, budget_duration, budget_reset_at)
               VALUES ('{spent}', 'sk-...1234', 5, 5, '45d', (now() at time zone 'UTC')::date + 4)"#
        ),
        r#"INSERT INTO "LiteLLM_ModelAccessGroupBudgetTable" (access_group_name, budget_id, spend) VALUES ('friends', 'b', 0.25)"#.to_owned(),
        format!(r#"INSERT INTO "LiteLLM_VerificationToken" (token, key_name, blocked) VALUES ('{blocked}', 'sk-...1234', true)"#),
        format!(r#"INSERT INTO "LiteLLM_VerificationToken" (token, team_id) VALUES ('{}', 'litellm-dashboard')"#, sha256("sk-session-12345678")),
        r#"INSERT INTO "LiteLLM_EndUserTable" (user_id, spend) VALUES ('customer', 0.125)"#.to_owned(),
        format!(r#"INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params, model_info, created_by) VALUES ('m', 'taken', '{params}', '{{"id": "m"}}', 'a')"#),
        format!(r#"INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params, model_info, created_by) VALUES ('n', 'shared', '{other}', '{{}}', 'a')"#),
        format!(r#"INSERT INTO "LiteLLM_CredentialsTable" (credential_id, credential_name, credential_values, credential_info) VALUES ('c', 'shared', '{{"api_key": "{AES}"}}', '{{}}')"#),
        r#"INSERT INTO "LiteLLM_SpendLogs" (request_id) VALUES ('r')"#.to_owned(),
    ]
}

/// The address and the schema of such a database.
fn made(address: &str, upstream: &Upstream) -> (String, String) {
    let own = schema::own(address);
    let name = own.rsplit_once("%3D").expect("a schema").1.to_owned();
    let store = Store::open(&Settings { address: own, connections: 1 }).expect("an address");
    let (sql, statements) = (store.sql().clone(), rows(upstream));
    let done = store.thread().block(async move {
        let tables = TABLES.split(';').map(str::to_owned);
        for statement in tables.chain(statements) {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&sql.writers).await?;
        }
        Ok(())
    });
    done.expect("tables");
    store.close();
    (address.to_owned(), name)
}

fn import(gateway: &Managed, from: &(String, String), salt: &str, more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["import", "litellm", "--database-url", &from.0, "--schema", &from.1]).args(more);
    command.env_clear().envs(gateway.environment()).env("HOME", gateway.place()).env("LITELLM_SALT_KEY", salt).stdin(Stdio::null());
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn keys_people_models_and_spend_are_taken_over() {
    let Ok(address) = std::env::var("TEST_DATABASE_URL") else {
        println!("skipped: TEST_DATABASE_URL is not set");
        return;
    };
    let upstream = Upstream::start();
    let from = made(&address, &upstream);
    owned(|mut gateway| {
        let look = import(&gateway, &from, SALT, &[]);
        for line in
            ["keys: 3 new, 0 changed, 0 here already", "models: 2 new", "nothing was written", "not taken: 1 rows of LiteLLM_SpendLogs"]
        {
            assert!(look.contains(line), "{line} in {look}");
        }
        assert!(
            look.contains("6.75 USD") && look.contains("sessions of LiteLLM's dashboard") && look.contains("passwords of 1 users"),
            "{look}"
        );
        assert_eq!(gateway.chat("sk-taken-over-1234", "good").status, 401);
        let wrong = import(&gateway, &from, "sk-another-salt", &[]);
        assert!(wrong.contains("models: 1 new") && wrong.contains("model `taken`: api_key cannot be decrypted"), "{wrong}");
        import(&gateway, &from, SALT, &["--apply"]);
        let again = import(&gateway, &from, SALT, &["--apply"]);
        assert!(again.contains("keys: 0 new, 0 changed, 3 here already"), "{again}");
        gateway.restarted();
        for model in ["taken", "shared", "mine"] {
            assert_eq!(gateway.chat("sk-taken-over-1234", model).status, 200, "{model}");
            assert_eq!(upstream.keys().last().map(String::as_str), Some("Bearer sk-upstream"), "{model}");
        }
        let info = gateway.get("/key/info?key=sk-taken-over-1234")["info"].clone();
        assert_eq!((&info["key_alias"], &info["metadata"]["tags"], &info["team_id"]), (&json!("taken over"), &json!(["x"]), &json!("t")));
        let spent = |value: &Value| value.as_f64().expect("a number");
        assert!(spent(&info["total_spend"]) >= 1.75, "{info}");
        // Where gateways share a database, a window's spend is told as of this gateway's start.
        if gateway.environment().iter().all(|(name, _)| name != "DATABASE_URL") {
            assert!(spent(&info["spend"]) >= 0.5 && spent(&info["spend"]) < 0.6, "{info}");
        }
        assert_eq!(gateway.chat("sk-spent-over-1234", "taken").status, 422);
        // It begins anew when it would have there.
        let end = Time(Window::DAILY.start(Time::now().0) + 4 * 86_400_000_000);
        assert_eq!(gateway.get("/key/info?key=sk-spent-over-1234")["info"]["budget_reset_at"], json!(end));
        let friends = gateway.get("/access_group/friends/budget");
        assert_eq!((&friends["spend"], &friends["budget"]["max_budget"]), (&json!(0.25), &json!(7.5)));
        assert_eq!(gateway.chat("sk-blocked-one-1234", "taken").status, 401);
        assert_eq!(gateway.chat("sk-session-12345678", "taken").status, 401);
        let team = gateway.get("/team/info?team_id=t");
        assert_eq!(
            (&team["team_info"]["team_alias"], &team["team_info"]["members_with_roles"][0]["user_id"]),
            (&json!("Crew"), &json!("u"))
        );
        assert!(spent(&team["team_info"]["spend"]) >= 1.25, "{team}");
        assert_eq!(gateway.get("/user/info?user_id=u")["user_info"]["user_email"], "u@example.com");
        assert_eq!(gateway.get("/organization/info?organization_id=o")["litellm_budget_table"]["max_budget"], 7.5);
        let mut verify = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        verify.arg("verify").env_clear().envs(gateway.environment()).env("HOME", gateway.place());
        let verified = verify.output().expect("it runs");
        assert!(verified.status.success(), "{verified:?}");
        assert_eq!(gateway.as_key(MASTER, "GET", "/key/info?key=sk-session-12345678", &Value::Null).status, 404);
    });
}
