//! What a token says of who sent it.

use serde_json::Value;
use switchboard_engine::pattern::matches;
use switchboard_store::Time;

use super::Claims;
use crate::config::resolved::{ClaimFields, Grant, JwtAuth};
use crate::refused::Refused;

/// Who sent a token, in the gateway's terms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bearer {
    /// An administrator, by scope or role.
    pub admin: bool,
    /// The user.
    pub user: Option<String>,
    /// The user's address.
    pub email: Option<String>,
    /// Teams, the one that is meant first.
    pub teams: Vec<String>,
    /// The team's alias, where it is known by that.
    pub team_alias: Option<String>,
    /// The organization.
    pub organization: Option<String>,
    /// The organization's alias.
    pub organization_alias: Option<String>,
    /// The customer.
    pub customer: Option<String>,
    /// The role that the user has by the token.
    pub role: Option<String>,
    /// Models it is limited to; every one where none is named.
    pub models: Vec<String>,
    /// Routes it is limited to.
    pub routes: Vec<String>,
    /// The claim by which a virtual key is found, where there is to be one.
    pub key: Option<Mapping>,
    /// When the token ends.
    pub expires: Option<Time>,
}

/// The claim by which a virtual key is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its name.
    pub claim: String,
    /// What the token says there.
    pub value: Option<String>,
    /// Whether that is the user's id or address, and so one user's alone.
    pub is_user: bool,
}

/// A claim, by the names of the levels above it.
pub fn claim<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    // A name may itself have dots, as URLs that are names of claims do.
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    let inner = claims.get(first)?.as_object()?;
    claim(inner, rest)
}

/// A claim that is one text. A blank names nobody: else all who bear one would be the same.
fn text(claims: &Claims, path: Option<&String>) -> Option<String> {
    let said = match claim(claims, path?)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        // Where an issuer sends several and one is asked for, the first is meant.
        Value::Array(items) => items.first().and_then(Value::as_str)?.to_owned(),
        Value::Null | Value::Bool(_) | Value::Object(_) => return None,
    };
    Some(said).filter(|said| !said.trim().is_empty())
}

fn texts(claims: &Claims, path: Option<&String>) -> Vec<String> {
    let said: Vec<&str> = match path.and_then(|path| claim(claims, path)) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    said.into_iter().filter(|text| !text.trim().is_empty()).map(str::to_owned).collect()
}

/// The scopes of a token: one text with spaces, or a list.
fn scopes(claims: &Claims) -> Vec<String> {
    match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn refused(message: impl Into<String>) -> Refused {
    Refused::forbidden(message)
}

/// Reads a token's claims; refuses those that the settings do not let in.
pub fn read(settings: &JwtAuth, fields: &ClaimFields, claims: &Claims) -> Result<Bearer, Refused> {
    let (scopes, roles) = (scopes(claims), texts(claims, fields.roles.as_ref()));
    let mapped = settings.roles.iter().find(|(role, _)| roles.contains(role)).map(|(_, internal)| internal.as_str());
    let mut bearer = Bearer {
        admin: scopes.contains(&settings.admin_scope) || mapped == Some("proxy_admin"),
        user: text(claims, fields.user.as_ref()),
        // An address that its issuer has not checked is anybody's word.
        email: text(claims, fields.email.as_ref()).filter(|_| claims.get("email_verified") != Some(&Value::Bool(false))),
        teams: teams(fields, claims),
        team_alias: text(claims, fields.team_alias.as_ref()),
        organization: text(claims, fields.organization.as_ref()),
        organization_alias: text(claims, fields.organization_alias.as_ref()),
        customer: text(claims, fields.customer.as_ref()),
        role: role_of(settings, &roles),
        expires: claims.get("exp").and_then(Value::as_f64).map(|seconds| Time((seconds * 1_000_000.0) as i64)),
        ..Bearer::default()
    };
    bearer.key = mapping(fields, claims, &bearer);
    if let Some(object) = text(claims, fields.object.as_ref()) {
        match mapped {
            Some("team") => bearer.teams.insert(0, object),
            Some("internal_user") => bearer.user = Some(object),
            Some(_) | None => {}
        }
    }
    check(settings, fields, claims, &bearer)?;
    if bearer.admin {
        bearer.routes.clone_from(&settings.admin_routes);
        return Ok(bearer);
    }
    if bearer.teams.is_empty() && bearer.team_alias.is_none() {
        bearer.teams.extend(settings.team_default.clone());
    }
    let standing = standing(settings, fields, claims, &bearer, mapped);
    if settings.enforce_rbac && standing.is_none() {
        return Err(refused("This token has no role here: it is neither an administrator's, a team's nor a user's"));
    }
    limit(settings, &scopes, standing, &mut bearer)?;
    Ok(bearer)
}

fn mapping(fields: &ClaimFields, claims: &Claims, bearer: &Bearer) -> Option<Mapping> {
    let claim = fields.key.clone()?;
    let (is_id, is_email) = (fields.user.as_ref() == Some(&claim), fields.email.as_ref() == Some(&claim));
    let value = if is_email { bearer.email.clone() } else { text(claims, Some(&claim)) };
    Some(Mapping { claim, value, is_user: is_id || is_email })
}

fn teams(fields: &ClaimFields, claims: &Claims) -> Vec<String> {
    let mut teams: Vec<String> = text(claims, fields.team.as_ref()).into_iter().collect();
    let more = texts(claims, fields.teams.as_ref()).into_iter().chain(texts(claims, fields.team.as_ref()));
    for team in more {
        if !teams.contains(&team) {
            teams.push(team);
        }
    }
    teams
}

/// The role a user gets by the token's roles.
fn role_of(settings: &JwtAuth, roles: &[String]) -> Option<String> {
    let map = &settings.user_role_map;
    map.iter().find(|(pattern, _)| roles.iter().any(|role| matches(pattern, role))).map(|(_, role)| role.clone())
}

/// What keeps a token out whoever sent it.
fn check(settings: &JwtAuth, fields: &ClaimFields, claims: &Claims, bearer: &Bearer) -> Result<(), Refused> {
    if let Some(domain) = &settings.email_domain {
        let host = bearer.email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, host)| host.to_ascii_lowercase());
        let wanted = domain.trim_start_matches('@').to_ascii_lowercase();
        // `evil-example.com` is not `example.com`.
        let inside = host.is_some_and(|host| host == wanted || host.strip_suffix(&wanted).is_some_and(|rest| rest.ends_with('.')));
        if !inside {
            return Err(refused(format!("only addresses of `{wanted}` are let in")));
        }
    }
    let roles = fields.user_roles.as_ref().map(|path| texts(claims, Some(path)));
    if let Some(roles) = roles.filter(|_| !settings.user_roles.is_empty() && !bearer.admin)
        && !roles.iter().any(|role| settings.user_roles.contains(role))
    {
        return Err(refused("none of the token's roles is let in"));
    }
    let missing = fields.team.is_some() || fields.team_alias.is_some();
    if missing && !bearer.admin && bearer.teams.is_empty() && bearer.team_alias.is_none() && settings.team_default.is_none() {
        let field = fields.team.as_deref().or(fields.team_alias.as_deref()).unwrap_or_default();
        return Err(Refused::unauthenticated(
            "auth_error",
            serde_json::json!("None"),
            format!("No team id found in token. Checked team_id field '{field}'"),
        ));
    }
    if settings.enforce_team_models && !bearer.admin && bearer.teams.is_empty() && bearer.team_alias.is_none() {
        return Err(refused("the token names no team"));
    }
    Ok(())
}

/// What a token makes of its sender: `team`, `internal_user`, or what its roles are mapped to.
fn standing<'a>(settings: &JwtAuth, fields: &ClaimFields, claims: &Claims, bearer: &Bearer, mapped: Option<&'a str>) -> Option<&'a str> {
    let allowed = || texts(claims, fields.user_roles.as_ref()).iter().any(|role| settings.user_roles.contains(role));
    match () {
        () if !bearer.teams.is_empty() || bearer.team_alias.is_some() => Some("team"),
        () if bearer.user.is_some() || allowed() => Some("internal_user"),
        () => mapped,
    }
}

/// The models and routes that scopes and roles leave.
fn limit(settings: &JwtAuth, scopes: &[String], standing: Option<&str>, bearer: &mut Bearer) -> Result<(), Refused> {
    if let Some(grant) =
        settings.role_permissions.iter().find(|grant| Some(grant.name.as_str()) == standing).filter(|_| settings.enforce_rbac)
    {
        bearer.models.clone_from(&grant.models);
        bearer.routes.clone_from(&grant.routes);
    } else if standing == Some("team") && bearer.user.is_none() {
        bearer.routes.clone_from(&settings.team_routes);
    }
    if !settings.enforce_scopes {
        return Ok(());
    }
    let given: Vec<_> = settings.scopes.iter().filter(|grant| scopes.contains(&grant.name)).collect();
    if given.is_empty() {
        return Err(refused("none of the token's scopes gives anything here"));
    }
    let united = |pick: fn(&Grant) -> &Vec<String>| -> Vec<String> {
        // One scope without a list gives everything.
        if given.iter().any(|grant| pick(grant).is_empty()) {
            Vec::new()
        } else {
            given.iter().flat_map(|grant| pick(grant).clone()).collect()
        }
    };
    let (models, routes) = (united(|grant| &grant.models), united(|grant| &grant.routes));
    if !models.is_empty() {
        bearer.models = models;
    }
    if !routes.is_empty() {
        bearer.routes = routes;
    }
    Ok(())
}
