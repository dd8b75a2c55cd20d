//! LiteLLM's tables.

use std::collections::HashMap;

use serde_json::{Value, json};
use switchboard_engine::terms::{Calendar, Level, NanoUsd, ScopeId};
use switchboard_store::foreign::Foreign;
use switchboard_store::ledger::Balance;
use switchboard_store::object::{Budget, Credential, FormerKey, Key, Model, Period, Renewed, Team, TeamMember};
use switchboard_store::{Money, StoreError, Time, micros};

use super::ImportError;
use super::salt::Salt;
use super::table::{Row, Taken, cleaned, shortened, text};
use crate::auth::mint::Pepper;

/// Tables that are taken.
const TAKEN: [&str; 19] = [
    "LiteLLM_BudgetTable",
    "LiteLLM_OrganizationTable",
    "LiteLLM_OrganizationMembership",
    "LiteLLM_TeamTable",
    "LiteLLM_TeamMembership",
    "LiteLLM_ModelTable",
    "LiteLLM_UserTable",
    "LiteLLM_ProjectTable",
    "LiteLLM_EndUserTable",
    "LiteLLM_TagTable",
    "LiteLLM_AccessGroupTable",
    "LiteLLM_ModelAccessGroupBudgetTable",
    "LiteLLM_ObjectPermissionTable",
    "LiteLLM_VerificationToken",
    "LiteLLM_DeprecatedVerificationToken",
    "LiteLLM_ProxyModelTable",
    "LiteLLM_CredentialsTable",
    "_prisma_migrations",
    "LiteLLM_CronJob",
];

/// The team of keys for LiteLLM's own dashboard, which end with a session.
const DASHBOARD: &str = "litellm-dashboard";
/// The user under whose name LiteLLM counts what the whole gateway spends.
const WHOLE: &str = "litellm-proxy-budget";

/// What is read of one database.
struct Reader<'a> {
    from: &'a Foreign,
    tables: Vec<String>,
    permissions: HashMap<String, Value>,
    budgets: HashMap<String, Budget>,
    calendar: Option<Calendar>,
    taken: Taken,
}

/// Reads everything.
pub(super) fn read(from: &Foreign, salt: Option<&str>, pepper: Option<&Pepper>, calendar: Option<Calendar>) -> Result<Taken, ImportError> {
    let tables = from.tables()?;
    const KEYS: &str = "LiteLLM_VerificationToken";
    if !tables.iter().any(|table| table == KEYS) {
        return Err(ImportError::NoTable(KEYS));
    }
    let mut reader = Reader { from, tables, permissions: HashMap::new(), budgets: HashMap::new(), calendar, taken: Taken::default() };
    reader.terms()?;
    reader.people()?;
    reader.teams()?;
    reader.others()?;
    reader.keys(pepper)?;
    reader.models(&Salt::new(salt))?;
    reader.rest()?;
    Ok(reader.taken)
}

impl Reader<'_> {
    fn rows(&self, table: &str) -> Result<Vec<Row>, StoreError> {
        if !self.tables.iter().any(|known| known == table) {
            return Ok(Vec::new());
        }
        Ok(self.from.rows(table)?.into_iter().map(cleaned).map(|row| self.permitted(row)).collect())
    }

    /// A row with the permissions it refers to, whose budgets begin anew when they would have there.
    fn permitted(&self, mut row: Row) -> Row {
        begun(&mut row);
        let found = text(&row, "object_permission_id").and_then(|id| self.permissions.get(&id).cloned());
        if let Some(permission) = found {
            row.insert("object_permission".to_owned(), permission);
        }
        row
    }

    fn terms(&mut self) -> Result<(), StoreError> {
        for row in self.rows("LiteLLM_ObjectPermissionTable")? {
            if let Some(id) = text(&row, "object_permission_id") {
                self.permissions.insert(id, Value::Object(row));
            }
        }
        let rows = self.rows("LiteLLM_BudgetTable")?;
        let budgets: Vec<Budget> = self.taken.objects(rows, "budget", "budget_id");
        self.budgets = budgets.iter().map(|budget| (budget.budget_id.clone(), budget.clone())).collect();
        self.taken.budgets = budgets;
        Ok(())
    }

    fn people(&mut self) -> Result<(), StoreError> {
        let mut passwords = 0;
        let mut rows = Vec::new();
        for mut row in self.rows("LiteLLM_UserTable")? {
            passwords += usize::from(row.remove("password").is_some());
            let id = text(&row, "user_id").unwrap_or_default();
            match id == WHOLE {
                true => self.balance(Level::Proxy, "", &row),
                false => {
                    self.balance(Level::User, &id, &row);
                    rows.push(row);
                }
            }
        }
        if passwords > 0 {
            self.taken.left.push(format!("passwords of {passwords} users: they set new ones"));
        }
        self.taken.users = self.taken.objects(rows, "user", "user_id");
        Ok(())
    }

    fn teams(&mut self) -> Result<(), StoreError> {
        let rows = self.rows("LiteLLM_OrganizationTable")?;
        self.balances(Level::Organization, "organization_id", &rows);
        self.taken.organizations = self.taken.objects(rows, "organization", "organization_id");
        let rows = self.rows("LiteLLM_OrganizationMembership")?;
        self.taken.organization_members = self.taken.objects(rows, "member of organization", "user_id");
        let aliases: HashMap<i64, Value> = self
            .rows("LiteLLM_ModelTable")?
            .into_iter()
            .filter_map(|row| Some((row.get("id")?.as_i64()?, row.get("aliases")?.clone())))
            .collect();
        let mut rows = self.rows("LiteLLM_TeamTable")?;
        for row in &mut rows {
            let own = row.get("model_id").and_then(Value::as_i64).and_then(|id| aliases.get(&id));
            if let Some(own) = own.filter(|own| own.is_object()) {
                row.insert("model_aliases".to_owned(), own.clone());
            }
            // A team without members has `{}` there.
            if !row.get("members_with_roles").is_some_and(Value::is_array) {
                row.insert("members_with_roles".to_owned(), json!([]));
            }
            lists(row);
        }
        self.balances(Level::Team, "team_id", &rows);
        self.taken.teams = self.taken.objects::<Team>(rows, "team", "team_id");
        let rows = self.rows("LiteLLM_TeamMembership")?;
        for row in &rows {
            let (team, user) = (text(row, "team_id").unwrap_or_default(), text(row, "user_id").unwrap_or_default());
            self.balance(Level::TeamMember, &TeamMember::id_of(&team, &user), row);
        }
        self.taken.team_members = self.taken.objects(rows, "member of team", "user_id");
        for member in &mut self.taken.team_members {
            let budget = member.budget_id.as_ref().and_then(|id| self.budgets.get(id));
            member.allowed_models = budget.and_then(|budget| budget.allowed_models.clone()).filter(|models| !models.is_empty());
        }
        Ok(())
    }

    fn others(&mut self) -> Result<(), StoreError> {
        let rows = self.rows("LiteLLM_ProjectTable")?;
        self.balances(Level::Project, "project_id", &rows);
        self.taken.projects = self.taken.objects(rows, "project", "project_id");
        let rows = self.rows("LiteLLM_EndUserTable")?;
        self.balances(Level::Customer, "user_id", &rows);
        self.taken.customers = self.taken.objects(rows, "customer", "user_id");
        let mut rows = self.rows("LiteLLM_TagTable")?;
        for row in &mut rows {
            if let Some(name) = row.get("tag_name").cloned() {
                row.insert("name".to_owned(), name);
            }
        }
        self.balances(Level::Tag, "name", &rows);
        self.taken.tags = self.taken.objects(rows, "tag", "name");
        let rows = self.rows("LiteLLM_AccessGroupTable")?;
        self.taken.access_groups = self.taken.objects(rows, "access group", "access_group_id");
        let rows = self.rows("LiteLLM_ModelAccessGroupBudgetTable")?;
        self.balances(Level::AccessGroup, "access_group_name", &rows);
        self.taken.group_budgets = self.taken.objects(rows, "budget of group", "access_group_name");
        Ok(())
    }

    fn keys(&mut self, pepper: Option<&Pepper>) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        let mut sessions = 0;
        for mut row in self.rows("LiteLLM_VerificationToken")? {
            let token = text(&row, "token").unwrap_or_default();
            if text(&row, "team_id").as_deref() == Some(DASHBOARD) {
                sessions += 1;
                continue;
            }
            if crate::auth::digest_of_hex(&token).is_none() {
                let name = text(&row, "key_name").unwrap_or_default();
                self.taken.left.push(format!("key {name}: it is kept as it is, not by its SHA-256"));
                continue;
            }
            lists(&mut row);
            self.balance(Level::Key, &token, &row);
            rows.push(row);
        }
        if sessions > 0 {
            self.taken.left.push(format!("{sessions} sessions of LiteLLM's dashboard"));
        }
        let proof = |token: &str| pepper.map(|pepper| pepper.proof_of_hash(token));
        self.taken.keys = self.taken.objects::<Key>(rows, "key", "token");
        for key in &mut self.taken.keys {
            key.verifier = proof(&key.token);
        }
        for row in self.rows("LiteLLM_DeprecatedVerificationToken")? {
            let time = |name: &str| text(&row, name).and_then(|text| Time::parse(&text));
            let (Some(token), Some(active_token), Some(revoke_at)) =
                (text(&row, "token"), text(&row, "active_token_id"), time("revoke_at"))
            else {
                continue;
            };
            let verifier = proof(&token);
            let created_at = time("created_at").unwrap_or_default();
            self.taken.former_keys.push(FormerKey { token, verifier, active_token, revoke_at, created_at });
        }
        Ok(())
    }

    fn models(&mut self, salt: &Salt) -> Result<(), StoreError> {
        for mut row in self.rows("LiteLLM_CredentialsTable")? {
            let values = row.remove("credential_values").and_then(|values| values.as_object().cloned()).unwrap_or_default();
            let name = text(&row, "credential_name").unwrap_or_default();
            let (values, closed) = salt.opened(values);
            if !self.told("credential", &name, &closed) {
                let objects: Vec<Credential> = self.taken.objects(vec![row], "credential", "credential_name");
                self.taken.credentials.extend(objects.into_iter().map(|object| (object, values.clone())));
            }
        }
        for mut row in self.rows("LiteLLM_ProxyModelTable")? {
            let params = row.remove("litellm_params").and_then(|params| params.as_object().cloned()).unwrap_or_default();
            let name = text(&row, "model_name").unwrap_or_default();
            let (mut params, closed) = salt.opened(params);
            params.retain(|_, value| !value.is_null());
            if self.told("model", &name, &closed) {
                continue;
            }
            let objects: Vec<Model> = self.taken.objects(vec![row], "model", "model_name");
            self.taken.models.extend(objects.into_iter().map(|object| (object, params.clone())));
        }
        Ok(())
    }

    /// Tells of secrets that do not open. What lacks one is not taken: it would seem to work.
    fn told(&mut self, kind: &str, name: &str, closed: &[String]) -> bool {
        if !closed.is_empty() {
            let fields = closed.join(", ");
            self.taken.left.push(format!("{kind} `{name}`: {fields} cannot be decrypted; give the right salt key (LITELLM_SALT_KEY)"));
        }
        !closed.is_empty()
    }

    /// Tables with rows that nothing is made of.
    fn rest(&mut self) -> Result<(), StoreError> {
        let others: Vec<String> = self.tables.iter().filter(|table| !TAKEN.contains(&table.as_str())).cloned().collect();
        for table in others.into_iter().filter(|table| table.starts_with("LiteLLM_")) {
            let count = self.from.count(&table)?;
            if count > 0 {
                self.taken.left.push(format!("{count} rows of {table}"));
            }
        }
        Ok(())
    }

    fn balances(&mut self, level: Level, id: &str, rows: &[Row]) {
        for row in rows {
            if let Some(id) = text(row, id) {
                self.balance(level, &id, row);
            }
        }
    }

    /// What a row says was spent: ever, and in the present window of its budget.
    fn balance(&mut self, level: Level, id: &str, row: &Row) {
        let money = |name: &str| row.get(name).and_then(Value::as_number).and_then(Money::of).map_or(NanoUsd::ZERO, |money| money.0);
        let (spend, total) = (money("spend"), money("total_spend"));
        let total = if total > spend { total } else { spend };
        if total <= NanoUsd::ZERO {
            return;
        }
        let named = text(row, "budget_id").and_then(|id| self.budgets.get(&id));
        let (duration, reset) = (text(row, "budget_duration"), text(row, "budget_reset_at").and_then(|text| Time::parse(&text)));
        let since = reset.filter(|_| level != Level::Proxy);
        let period = Period { duration: duration.as_deref(), since }.or(named.map(Renewed::period));
        let reset = reset.or_else(|| named.and_then(|budget| budget.budget_reset_at));
        let window = period.window(self.calendar);
        // A window that is over has been reset by nobody yet.
        let open = reset.is_none_or(|reset| reset > Time::now());
        let present = window.filter(|_| open && spend > NanoUsd::ZERO).map(|window| (window, window.start(micros()), spend));
        self.taken.balances.push(Balance { scope: ScopeId::new(level, id), total, present });
    }
}

/// Says since when the budgets of a row are counted: a window begins where the one before it ends.
fn begun(row: &mut Row) {
    if let Some(at) = row.get("budget_reset_at").cloned() {
        row.insert("budget_since".to_owned(), at);
    }
    for entry in row.get_mut("budget_limits").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(at) = entry.get("reset_at").cloned() {
            entry.insert("budget_since".to_owned(), at);
        }
    }
}

/// Columns that are lists here and hold something else in some rows there.
fn lists(row: &mut Row) {
    if row.get("budget_limits").is_some_and(|limits| !limits.is_array()) {
        let name = text(row, "token").or_else(|| text(row, "team_id")).unwrap_or_default();
        tracing::warn!(of = shortened(&name), "`budget_limits` is no list; it is left out");
        row.remove("budget_limits");
    }
}
