//! `litellm_jwtauth`: how signed tokens are read, and whose are believed.

use std::time::Duration;

use crate::config::diagnostic::Location;
use crate::config::environment::Environment;
use crate::config::fields::{Fields, Reader};
use crate::config::keys::{self, Section};
use crate::config::yaml::{Map, Node, Value};

/// How signed tokens are read.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtAuth {
    /// Whose tokens are believed.
    pub issuers: Vec<Issuer>,
    /// After this long keys are looked at again.
    pub key_ttl: Duration,
    /// How long they are believed while their place is away.
    pub key_patience: Duration,
    /// The scope of administrators.
    pub admin_scope: String,
    /// The routes they may use.
    pub admin_routes: Vec<String>,
    /// The routes a team's token may use.
    pub team_routes: Vec<String>,
    /// The team of tokens that name none.
    pub team_default: Option<String>,
    /// Make users that are not known.
    pub user_upsert: bool,
    /// Make teams that are not known.
    pub team_upsert: bool,
    /// The end of every user's address.
    pub email_domain: Option<String>,
    /// Of which a user must have one.
    pub user_roles: Vec<String>,
    /// A token without a role is refused.
    pub enforce_rbac: bool,
    /// Roles of tokens and what they are here.
    pub roles: Vec<(String, String)>,
    /// Roles of tokens, with `*`, and the role a user gets by them.
    pub user_role_map: Vec<(String, String)>,
    /// A user's role and teams follow the token.
    pub sync: bool,
    /// A user is put into the teams of the token.
    pub join_teams: bool,
    /// Scopes and what they give.
    pub scopes: Vec<Grant>,
    /// What is not given by a scope is refused.
    pub enforce_scopes: bool,
    /// A token of no team is refused.
    pub enforce_team_models: bool,
    /// What roles give.
    pub role_permissions: Vec<Grant>,
    /// Who is known by a user's id or address is given a key the user has, before a new one is made.
    pub reuses_keys: bool,
}

/// What becomes of a token whose claim has no virtual key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmapped {
    /// It is its user and its team.
    #[default]
    Teams,
    /// It is refused.
    Refused,
    /// A key is made for it, and stands for it from then on.
    Registered,
}

/// Somebody whose tokens are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Where its keys are, or the document that says so.
    pub key_url: String,
    /// What `iss` may be; anything where none is named.
    pub names: Vec<String>,
    /// What `aud` may be; anything where none is named.
    pub audiences: Vec<String>,
    /// Names of claims.
    pub fields: ClaimFields,
    /// What becomes of a token that no virtual key stands for.
    pub unmapped: Unmapped,
}

/// What a scope or a role gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The scope or role.
    pub name: String,
    /// Models; every one where none is named.
    pub models: Vec<String>,
    /// Routes; every one where none is named.
    pub routes: Vec<String>,
}

/// Names of claims; a dot goes one level down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimFields {
    /// The user's id.
    pub user: Option<String>,
    /// The user's address.
    pub email: Option<String>,
    /// The team's id.
    pub team: Option<String>,
    /// The team's alias.
    pub team_alias: Option<String>,
    /// Ids of several teams.
    pub teams: Option<String>,
    /// The organization's id.
    pub organization: Option<String>,
    /// The organization's alias.
    pub organization_alias: Option<String>,
    /// The customer's id.
    pub customer: Option<String>,
    /// Roles.
    pub roles: Option<String>,
    /// Roles of the user.
    pub user_roles: Option<String>,
    /// The id of a user or a team, as the role says.
    pub object: Option<String>,
    /// What a virtual key is mapped by.
    pub key: Option<String>,
}

/// Routes of administrators where nothing else is said.
const ADMIN_ROUTES: [&str; 4] = ["management_routes", "spend_tracking_routes", "global_spend_tracking_routes", "info_routes"];
const TEAM_ROUTES: [&str; 2] = ["openai_routes", "info_routes"];
/// What stands at the address of an issuer that says no other.
const DISCOVERY: &str = "/.well-known/openid-configuration";
const DAY: Duration = Duration::from_secs(24 * 3600);

impl JwtAuth {
    /// Read where `enable_jwt_auth` is on.
    pub(super) fn read(reader: &mut Reader<'_>, general: &Fields, environment: &Environment) -> Option<JwtAuth> {
        let fields = reader.section(Section::JwtAuth, general.node("litellm_jwtauth"));
        if !general.flag("enable_jwt_auth").unwrap_or(false) {
            return None;
        }
        let at = general.node("enable_jwt_auth").map_or_else(Location::environment, |node| node.at.clone());
        let issuers = issuers(reader, &fields, environment, &at);
        let texts = |name: &str, usual: &[&str]| {
            let given = fields.texts(name);
            if given.is_empty() { usual.iter().map(|text| (*text).to_owned()).collect() } else { given }
        };
        let flag = |name: &str| fields.flag(name).unwrap_or(false);
        Some(JwtAuth {
            issuers,
            key_ttl: fields.seconds("public_key_ttl").unwrap_or(Duration::from_secs(600)),
            key_patience: fields.seconds("public_key_stale_ttl").unwrap_or(DAY),
            admin_scope: fields.text("admin_jwt_scope").unwrap_or_else(|| "litellm_proxy_admin".to_owned()),
            admin_routes: texts("admin_allowed_routes", &ADMIN_ROUTES),
            team_routes: texts("team_allowed_routes", &TEAM_ROUTES),
            team_default: fields.text("team_id_default"),
            user_upsert: flag("user_id_upsert"),
            team_upsert: flag("team_id_upsert"),
            email_domain: fields.text("user_allowed_email_domain"),
            user_roles: fields.texts("user_allowed_roles"),
            enforce_rbac: flag("enforce_rbac"),
            roles: pairs(reader, &fields, "role_mappings", ["role", "internal_role"]),
            user_role_map: pairs(reader, &fields, "jwt_litellm_role_map", ["jwt_role", "litellm_role"]),
            sync: flag("sync_user_role_and_teams"),
            join_teams: flag("upsert_sso_user_to_team"),
            scopes: grants(reader, fields.list("scope_mappings"), "scope"),
            enforce_scopes: flag("enforce_scope_based_access"),
            enforce_team_models: flag("enforce_team_based_model_access"),
            role_permissions: grants(reader, general.list("role_permissions"), "role"),
            reuses_keys: flag("auto_register_map_existing_key"),
        })
    }
}

/// Those of the file, and those of the environment.
fn issuers(reader: &mut Reader<'_>, fields: &Fields, environment: &Environment, at: &Location) -> Vec<Issuer> {
    let listed = |name: &str| -> Vec<String> {
        let text = environment.get_non_empty(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let (urls, names, audiences) = (listed("JWT_PUBLIC_KEY_URL"), listed("JWT_ISSUER"), listed("JWT_AUDIENCE"));
    let own = (claim_fields(fields, &ClaimFields::default()), unmapped(reader, fields, Unmapped::default()));
    let mut found: Vec<Issuer> = Vec::new();
    for node in fields.list("issuers") {
        found.extend(issuer(reader, node, &own));
    }
    for (place, url) in urls.iter().enumerate() {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            let message = format!("`{url}` in JWT_PUBLIC_KEY_URL is no address of keys");
            reader.found.error(at, message, "write `https://…`");
        }
        // As many names as places: each place speaks for its own name alone.
        let names = match names.get(place) {
            Some(name) if names.len() == urls.len() => vec![name.clone()],
            Some(_) | None => names.clone(),
        };
        found.push(Issuer { key_url: url.clone(), names, audiences: audiences.clone(), fields: own.0.clone(), unmapped: own.1 });
    }
    if found.is_empty() {
        let hint = "set JWT_PUBLIC_KEY_URL to the address of the issuer's keys, or name `litellm_jwtauth.issuers`";
        reader.found.error(at, "signed tokens are to be accepted, but nobody knows whose keys sign them", hint);
    }
    if !urls.is_empty() && audiences.is_empty() {
        let message = "tokens that were made for others are accepted too";
        reader.found.warn(at, message, "set JWT_AUDIENCE to what tokens for this gateway say, and JWT_ISSUER to who makes them");
    }
    found
}

/// An issuer of the list; what it does not say is as it is for all.
fn issuer(reader: &mut Reader<'_>, node: &Node, (names, usual): &(ClaimFields, Unmapped)) -> Option<Issuer> {
    let fields = reader.section(Section::JwtIssuer, Some(node));
    let Some(name) = fields.text("issuer") else {
        reader.found.error(&node.at, "an entry of `litellm_jwtauth.issuers` needs `issuer`", "write what `iss` of its tokens is");
        return None;
    };
    let audiences = fields.texts("audience");
    if audiences.is_empty() && !fields.flag("disable_audience_validation").unwrap_or(false) {
        let hint = "write `audience: ...`, or `disable_audience_validation: true` to accept tokens made for others";
        reader.found.error(&node.at, format!("the issuer `{name}` needs `audience`"), hint);
    }
    let key_url = fields.text("jwks_url").unwrap_or_else(|| format!("{}{DISCOVERY}", name.trim_end_matches('/')));
    let unmapped = unmapped(reader, &fields, *usual);
    Some(Issuer { key_url, names: vec![name], audiences, fields: claim_fields(&fields, names), unmapped })
}

/// What becomes of tokens without a virtual key; a word nobody knows would open or shut more than was meant.
fn unmapped(reader: &mut Reader<'_>, fields: &Fields, usual: Unmapped) -> Unmapped {
    const NAME: &str = "unregistered_jwt_client_behavior";
    match (fields.text(NAME).as_deref(), fields.node(NAME)) {
        (Some("fallback_team_mapping"), _) => Unmapped::Teams,
        (Some("reject"), _) => Unmapped::Refused,
        (Some("auto_register"), _) => Unmapped::Registered,
        (Some(other), Some(node)) => {
            let message = format!("`{other}` is nothing that `{NAME}` may be");
            reader.found.error(&node.at, message, "write `fallback_team_mapping`, `reject` or `auto_register`");
            Unmapped::Refused
        }
        (Some(_) | None, _) => usual,
    }
}

/// Names of claims; those that are not said are `other`'s.
fn claim_fields(fields: &Fields, other: &ClaimFields) -> ClaimFields {
    let text = |name: &str, other: &Option<String>| fields.text(name).or_else(|| other.clone());
    ClaimFields {
        user: text("user_id_jwt_field", &other.user),
        email: text("user_email_jwt_field", &other.email),
        team: text("team_id_jwt_field", &other.team),
        team_alias: text("team_alias_jwt_field", &other.team_alias),
        teams: text("team_ids_jwt_field", &other.teams),
        organization: text("org_id_jwt_field", &other.organization),
        organization_alias: text("org_alias_jwt_field", &other.organization_alias),
        customer: text("end_user_id_jwt_field", &other.customer),
        roles: text("roles_jwt_field", &other.roles),
        user_roles: text("user_roles_jwt_field", &other.user_roles),
        object: text("object_id_jwt_field", &other.object),
        key: fields.text("virtual_key_claim_field").or_else(|| text("jwt_client_id_field", &other.key)),
    }
}

/// Entries of two texts.
fn pairs(reader: &mut Reader<'_>, fields: &Fields, name: &str, [left, right]: [&str; 2]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for item in fields.list(name) {
        let text = |key: &str| item.as_map().and_then(|map| map.get(key)).and_then(keys::text).map(str::to_owned);
        match text(left).zip(text(right)) {
            Some(pair) => found.push(pair),
            None => {
                let message = format!("an entry of `litellm_jwtauth.{name}` needs `{left}` and `{right}`");
                reader.found.error(&item.at, message, format!("write `- {{{left}: ..., {right}: ...}}`"));
            }
        }
    }
    found
}

fn grants(reader: &mut Reader<'_>, items: &[Node], key: &str) -> Vec<Grant> {
    let mut found = Vec::new();
    for item in items {
        let empty = Map::default();
        let map = item.as_map().unwrap_or(&empty);
        let Some(name) = map.get(key).and_then(keys::text) else {
            reader.found.error(
                &item.at,
                format!("this entry needs `{key}`"),
                format!("write `- {{{key}: ..., models: [...], routes: [...]}}`"),
            );
            continue;
        };
        let texts = |name: &str| {
            let node = map.get(name).filter(|node| !matches!(node.value, Value::Null));
            node.and_then(keys::texts).unwrap_or_default().into_iter().map(str::to_owned).collect()
        };
        found.push(Grant { name: name.to_owned(), models: texts("models"), routes: texts("routes") });
    }
    found
}
