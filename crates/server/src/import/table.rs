//! What was read, and how a row becomes an object.

use serde_json::{Map, Value};
use switchboard_store::ledger::Balance;
use switchboard_store::object::{
    AccessGroup, Budget, Credential, Customer, FormerKey, GroupBudget, Key, Model, Object, Organization, OrganizationMember, Project, Tag,
    Team, TeamMember, User,
};

/// A row.
pub(super) type Row = Map<String, Value>;

/// An object whose secrets stand beside it.
pub(super) type Params<O> = (O, Row);

/// Everything that was read.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) budgets: Vec<Budget>,
    pub(super) organizations: Vec<Organization>,
    pub(super) organization_members: Vec<OrganizationMember>,
    pub(super) teams: Vec<Team>,
    pub(super) team_members: Vec<TeamMember>,
    pub(super) users: Vec<User>,
    pub(super) projects: Vec<Project>,
    pub(super) customers: Vec<Customer>,
    pub(super) tags: Vec<Tag>,
    pub(super) access_groups: Vec<AccessGroup>,
    pub(super) group_budgets: Vec<GroupBudget>,
    pub(super) keys: Vec<Key>,
    pub(super) former_keys: Vec<FormerKey>,
    pub(super) models: Vec<Params<Model>>,
    pub(super) credentials: Vec<Params<Credential>>,
    pub(super) balances: Vec<Balance>,
    /// What is not taken, and why.
    pub(super) left: Vec<String>,
}

/// A kind of object as people read it.
pub(super) fn name(field: &'static str) -> &'static str {
    match field {
        "organization_members" => "members of organizations",
        "team_members" => "members of teams",
        "access_groups" => "access groups",
        "group_budgets" => "budgets of groups of models",
        "former_keys" => "former keys",
        field => field,
    }
}

/// A row without nulls, with JSON that was written as text made JSON again.
pub(super) fn cleaned(row: Row) -> Row {
    const STRUCTURED: [&str; 18] = [
        "members_with_roles",
        "metadata",
        "model_max_budget",
        "budget_limits",
        "budget_fallbacks",
        "litellm_params",
        "model_info",
        "aliases",
        "config",
        "permissions",
        "router_settings",
        "credential_values",
        "credential_info",
        "model_rpm_limit",
        "model_tpm_limit",
        "model_spend",
        "param_value",
        "mcp_tool_permissions",
    ];
    let parsed = |name: &str, value: Value| match &value {
        Value::String(text) if STRUCTURED.contains(&name) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    };
    row.into_iter().map(|(name, value)| (name.clone(), parsed(&name, value))).filter(|(_, value)| !value.is_null()).collect()
}

/// The text of a column.
pub(super) fn text(row: &Row, name: &str) -> Option<String> {
    row.get(name).and_then(Value::as_str).map(str::to_owned)
}

impl Taken {
    /// The objects that rows are; a row that is none is told by what names it.
    pub(super) fn objects<O: Object>(&mut self, rows: Vec<Row>, kind: &str, id: &str) -> Vec<O> {
        let mut objects = Vec::with_capacity(rows.len());
        for row in rows {
            let named = text(&row, id).unwrap_or_default();
            match serde_json::from_value(Value::Object(row)) {
                Ok(object) => objects.push(object),
                Err(error) => self.left.push(format!("{kind} `{}`: {error}", shortened(&named))),
            }
        }
        objects
    }
}

/// Enough of a name to find it by; a key's hash is not told whole.
pub(super) fn shortened(name: &str) -> String {
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { format!("{}…", &name[..8]) } else { name.to_owned() }
}
