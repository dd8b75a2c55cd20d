//! Who may sign in to the dashboard, and how: by a password, or at an identity provider.
//!
//! The variables are LiteLLM's. Well-known providers are rows of `sign_in.json`; any other is described by `GENERIC_…` variables.

use serde::Deserialize;
use serde_json::Value;

use crate::config::environment::Environment;
use crate::config::fields::Fields;
use crate::config::keys;
use crate::config::secret::Secret;
use crate::config::yaml::Node;

const ROWS: &str = include_str!("sign_in.json");

/// Who may sign in to the dashboard, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignIn {
    /// Where people sign in besides by a password.
    pub provider: Option<IdentityProvider>,
    /// A provider whose settings lack something, and the variables that are not set.
    pub unfinished: Option<(String, Vec<String>)>,
    /// The administrator's name.
    pub username: String,
    /// The administrator's password; the master key where none is set.
    pub password: Option<Secret>,
    /// The id of the user who administers the gateway.
    pub admin_id: Option<String>,
    /// Ends of addresses that are let in; every one where none is named.
    pub email_domains: Vec<String>,
    /// Only those who see everything are let in.
    pub admins_only: bool,
    /// Where a browser goes after signing out.
    pub logout_url: Option<String>,
    /// What users who come for the first time are given.
    pub newcomer: Newcomer,
}

/// What users who come for the first time are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newcomer {
    /// Their role.
    pub role: Option<String>,
    /// Their models.
    pub models: Vec<String>,
    /// Their budget, as the text of a number.
    pub max_budget: Option<String>,
    /// For how long it is.
    pub budget_duration: Option<String>,
    /// The teams they come into.
    pub teams: Vec<Joining>,
}

/// A team that somebody comes into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joining {
    /// Its id.
    pub team: String,
    /// As what: `admin` or `user`.
    pub role: String,
    /// What they may spend there, as the text of a number.
    pub max_budget: Option<String>,
}

impl Joining {
    /// An entry of a list of teams: an id, or `{team_id, user_role, max_budget_in_team}`.
    fn of(node: &Node) -> Option<Self> {
        let text = |name: &str| node.as_map()?.get(name).and_then(keys::text).map(str::to_owned);
        let team = text("team_id").or_else(|| keys::text(node).map(str::to_owned))?;
        let role = text("user_role").filter(|role| role == "admin").unwrap_or_else(|| "user".to_owned());
        Some(Self { team, role, max_budget: text("max_budget_in_team") })
    }
}

/// Where people sign in.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityProvider {
    /// Which one.
    pub id: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Option<Secret>,
    /// Where browsers are sent.
    pub authorization: String,
    /// Where a code becomes tokens.
    pub token: String,
    /// Where it is asked who somebody is.
    pub userinfo: Option<String>,
    /// Who makes its tokens.
    pub issuer: Option<String>,
    /// Where its keys are.
    pub keys: Option<String>,
    /// What is asked for.
    pub scope: String,
    /// Claims with a user's id, the first that is there.
    pub id_claims: Vec<String>,
    /// Claims with the address.
    pub email_claims: Vec<String>,
    /// Claims with the name.
    pub name_claims: Vec<String>,
    /// The claim with the role.
    pub role_claim: String,
    /// The claim with groups.
    pub group_claim: Option<String>,
    /// Roles, and the groups whose members have them.
    pub group_roles: Vec<(String, Vec<String>)>,
    /// The role of those who are in none of them.
    pub default_role: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    client_id: String,
    client_secret: String,
    #[serde(default)]
    tenant: Option<String>,
    /// Variables that say other places.
    #[serde(default)]
    elsewhere: Elsewhere,
    authorization: String,
    token: String,
    userinfo: String,
    issuer: String,
    keys: String,
    scope: String,
    id_claims: Vec<String>,
    email_claims: Vec<String>,
    name_claims: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Elsewhere {
    authorization: Option<String>,
    token: Option<String>,
    userinfo: Option<String>,
}

impl SignIn {
    pub(super) fn read(general: &Fields, environment: &Environment) -> SignIn {
        let text = |name: &str| environment.get_non_empty(name).map(str::to_owned);
        let mode = general.node("ui_access_mode").and_then(|node| {
            let inner = node.as_map().and_then(|map| map.get("type")).and_then(keys::text);
            inner.or_else(|| keys::text(node))
        });
        SignIn {
            provider: rows(environment).or_else(|| generic(environment)),
            unfinished: unfinished(environment),
            username: text("UI_USERNAME").unwrap_or_else(|| "admin".to_owned()),
            password: text("UI_PASSWORD").map(Secret::new),
            admin_id: text("PROXY_ADMIN_ID"),
            email_domains: listed(environment, "ALLOWED_EMAIL_DOMAINS"),
            admins_only: mode == Some("admin_only"),
            logout_url: text("PROXY_LOGOUT_URL"),
            newcomer: Newcomer::default(),
        }
    }
}

impl Newcomer {
    pub(super) fn read(litellm: &Fields) -> Newcomer {
        let Some(map) = litellm.map("default_internal_user_params") else { return Newcomer::default() };
        let text = |name: &str| map.get(name).and_then(keys::text).map(str::to_owned);
        let models = map.get("models").and_then(keys::texts).unwrap_or_default();
        Newcomer {
            role: text("user_role"),
            models: models.into_iter().map(str::to_owned).collect(),
            max_budget: text("max_budget"),
            budget_duration: text("budget_duration"),
            teams: map.get("teams").and_then(Node::as_list).unwrap_or_default().iter().filter_map(Joining::of).collect(),
        }
    }
}

fn listed(environment: &Environment, name: &str) -> Vec<String> {
    let text = environment.get_non_empty(name).unwrap_or_default();
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The provider that has an id for us, and the variables without which nobody can sign in there.
fn unfinished(environment: &Environment) -> Option<(String, Vec<String>)> {
    let is_set = |name: &str| environment.get_non_empty(name).is_some();
    let rows: Vec<Row> = serde_json::from_str(ROWS).unwrap_or_default();
    let (id, needed) = match rows.into_iter().find(|row| is_set(&row.client_id)) {
        Some(row) => (row.id, vec![row.client_secret]),
        None if is_set("GENERIC_CLIENT_ID") => {
            ("generic".to_owned(), ["GENERIC_AUTHORIZATION_ENDPOINT", "GENERIC_TOKEN_ENDPOINT"].map(str::to_owned).to_vec())
        }
        None => return None,
    };
    let missing: Vec<String> = needed.into_iter().filter(|name| !is_set(name)).collect();
    (!missing.is_empty()).then_some((id, missing))
}

/// The first well-known provider that has an id for us.
fn rows(environment: &Environment) -> Option<IdentityProvider> {
    let rows: Vec<Row> = serde_json::from_str(ROWS).unwrap_or_default();
    rows.into_iter().find_map(|row| {
        let client_id = environment.get_non_empty(&row.client_id)?.to_owned();
        let tenant = row.tenant.as_deref().and_then(|name| environment.get_non_empty(name)).unwrap_or("common").to_owned();
        let place = |text: &str| text.replace("{tenant}", &tenant);
        let other = |name: &Option<String>| name.as_deref().and_then(|name| environment.get_non_empty(name)).map(str::to_owned);
        let Elsewhere { authorization, token, userinfo } = &row.elsewhere;
        // Whoever gives tokens elsewhere signs with other keys: those that are said, else none are looked for.
        let moved = other(token).is_some();
        let said = |name: &str, usual: Option<String>| if moved { environment.get_non_empty(name).map(str::to_owned) } else { usual };
        // What tokens for everybody's tenants say differs by tenant.
        let issuer = Some(place(&row.issuer)).filter(|_| !["common", "organizations", "consumers"].contains(&tenant.as_str()));
        Some(IdentityProvider {
            client_id,
            client_secret: environment.get_non_empty(&row.client_secret).map(|text| Secret::new(text.to_owned())),
            authorization: other(authorization).unwrap_or_else(|| place(&row.authorization)),
            token: other(token).unwrap_or_else(|| place(&row.token)),
            userinfo: other(userinfo).or_else(|| Some(place(&row.userinfo))),
            issuer: said("GENERIC_ISSUER", issuer),
            keys: said("GENERIC_JWKS_URL", Some(place(&row.keys))),
            ..IdentityProvider::plain(row, environment)
        })
    })
}

impl IdentityProvider {
    fn plain(row: Row, environment: &Environment) -> Self {
        let text = |name: &str| environment.get_non_empty(name).map(str::to_owned);
        Self {
            id: row.id,
            client_id: String::new(),
            client_secret: None,
            authorization: row.authorization,
            token: row.token,
            userinfo: Some(row.userinfo),
            issuer: Some(row.issuer),
            keys: Some(row.keys),
            scope: row.scope,
            id_claims: row.id_claims,
            email_claims: row.email_claims,
            name_claims: row.name_claims,
            role_claim: text("GENERIC_USER_ROLE_ATTRIBUTE").unwrap_or_else(|| "role".to_owned()),
            group_claim: text("GENERIC_ROLE_MAPPINGS_GROUP_CLAIM"),
            group_roles: group_roles(environment),
            default_role: text("GENERIC_ROLE_MAPPINGS_DEFAULT_ROLE"),
        }
    }
}

fn generic(environment: &Environment) -> Option<IdentityProvider> {
    let text = |name: &str| environment.get_non_empty(name).map(str::to_owned);
    let claims = |name: &str, usual: &[&str]| -> Vec<String> {
        text(name).map_or_else(|| usual.iter().map(|claim| (*claim).to_owned()).collect(), |claim| vec![claim])
    };
    Some(IdentityProvider {
        id: "generic".to_owned(),
        client_id: text("GENERIC_CLIENT_ID")?,
        client_secret: text("GENERIC_CLIENT_SECRET").map(Secret::new),
        authorization: text("GENERIC_AUTHORIZATION_ENDPOINT")?,
        token: text("GENERIC_TOKEN_ENDPOINT")?,
        userinfo: text("GENERIC_USERINFO_ENDPOINT"),
        issuer: text("GENERIC_ISSUER"),
        keys: text("GENERIC_JWKS_URL"),
        scope: text("GENERIC_SCOPE").unwrap_or_else(|| "openid email profile".to_owned()),
        id_claims: claims("GENERIC_USER_ID_ATTRIBUTE", &["preferred_username", "sub"]),
        email_claims: claims("GENERIC_USER_EMAIL_ATTRIBUTE", &["email"]),
        name_claims: claims("GENERIC_USER_DISPLAY_NAME_ATTRIBUTE", &["name", "sub"]),
        role_claim: text("GENERIC_USER_ROLE_ATTRIBUTE").unwrap_or_else(|| "role".to_owned()),
        group_claim: text("GENERIC_ROLE_MAPPINGS_GROUP_CLAIM"),
        group_roles: group_roles(environment),
        default_role: text("GENERIC_ROLE_MAPPINGS_DEFAULT_ROLE"),
    })
}

/// `{"proxy_admin": ["admins"], …}`, in either kind of quotes.
fn group_roles(environment: &Environment) -> Vec<(String, Vec<String>)> {
    let text = environment.get_non_empty("GENERIC_ROLE_MAPPINGS_ROLES").unwrap_or_default();
    let read = serde_json::from_str::<Value>(text).or_else(|_| serde_json::from_str(&text.replace('\'', "\"")));
    let groups = |value: &Value| match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    match read {
        Ok(Value::Object(map)) => map.iter().map(|(role, value)| (role.clone(), groups(value))).collect(),
        Ok(_) | Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_providers_are_rows_and_others_are_described() {
        let environment = Environment::from_iter([("MICROSOFT_CLIENT_ID", "us"), ("MICROSOFT_TENANT", "t-1")]);
        let found = rows(&environment).expect("a provider");
        assert_eq!(found.token, "https://login.microsoftonline.com/t-1/oauth2/v2.0/token");
        assert_eq!(found.issuer.as_deref(), Some("https://login.microsoftonline.com/t-1/v2.0"));
        let everybody = rows(&Environment::from_iter([("MICROSOFT_CLIENT_ID", "us")])).expect("a provider");
        assert_eq!(everybody.issuer, None);
        assert_eq!(rows(&Environment::from_iter([("GOOGLE_CLIENT_ID", "us")])).map(|row| row.id), Some("google".to_owned()));
        let elsewhere = Environment::from_iter([
            ("MICROSOFT_CLIENT_ID", "us"),
            ("MICROSOFT_TENANT", "t-1"),
            ("MICROSOFT_AUTHORIZATION_ENDPOINT", "https://login.example/authorize"),
            ("MICROSOFT_TOKEN_ENDPOINT", "https://login.example/token"),
            ("MICROSOFT_USERINFO_ENDPOINT", "https://graph.example/me"),
        ]);
        let elsewhere = rows(&elsewhere).expect("a provider");
        let places = (elsewhere.authorization.as_str(), elsewhere.token.as_str(), elsewhere.userinfo.as_deref());
        assert_eq!(places, ("https://login.example/authorize", "https://login.example/token", Some("https://graph.example/me")));
        assert_eq!((elsewhere.issuer, elsewhere.keys), (None, None), "the keys of the usual place are not those of this one");
        let half = Environment::from_iter([("GENERIC_CLIENT_ID", "us"), ("GENERIC_TOKEN_ENDPOINT", "https://idp/token")]);
        assert_eq!(generic(&half), None, "its places are not said");
        assert_eq!(unfinished(&half), Some(("generic".to_owned(), vec!["GENERIC_AUTHORIZATION_ENDPOINT".to_owned()])));
        assert_eq!(unfinished(&environment), Some(("microsoft".to_owned(), vec!["MICROSOFT_CLIENT_SECRET".to_owned()])));
        assert_eq!(unfinished(&Environment::default()), None);
        let own = Environment::from_iter([
            ("GENERIC_CLIENT_ID", "us"),
            ("GENERIC_AUTHORIZATION_ENDPOINT", "https://idp/auth"),
            ("GENERIC_TOKEN_ENDPOINT", "https://idp/token"),
            ("GENERIC_ROLE_MAPPINGS_ROLES", "{'proxy_admin': ['a', 'b'], 'internal_user': 'c'}"),
        ]);
        let own = generic(&own).expect("a provider");
        assert_eq!(own.group_roles.len(), 2);
        assert_eq!(own.id_claims, ["preferred_username", "sub"]);
    }
}
