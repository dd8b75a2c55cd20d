//! From what an identity provider says of somebody to a user of ours.

use serde_json::Value;
use switchboard_store::object::{Json, Role, Team, User};
use switchboard_store::{Desk, Time};

use super::exchange::refused;
use super::{Visit, author};
use crate::auth::caller::ADMIN;
use crate::auth::resolve::is_active;
use crate::auth::session::{SignedIn, Way};
use crate::auth::token::Claims;
use crate::auth::token::claims::claim;
use crate::auth::token::principal::join_all;
use crate::config::resolved::{IdentityProvider, Newcomer};
use crate::people;
use crate::refused::Refused;

/// Somebody, as their provider tells of them.
#[derive(Clone, Debug)]
struct Person {
    /// The provider.
    provider: String,
    id: String,
    email: Option<String>,
    /// Whether the provider vouches for the address.
    vouched: bool,
    name: Option<String>,
    role: Option<Role>,
    teams: Vec<String>,
}

/// The user who came, made if they came for the first time.
pub(super) async fn known(visit: &Visit, provider: &IdentityProvider, claims: &Claims) -> Result<SignedIn, Refused> {
    let config = visit.app.config();
    let sign_in = &config.general.sign_in;
    let mut person = person(provider, claims).ok_or_else(|| refused("the identity provider's answer names nobody"))?;
    if [ADMIN, "litellm-proxy-budget"].contains(&person.id.as_str()) {
        return Err(refused("this id is one of the gateway's own"));
    }
    if !domain_fits(&sign_in.email_domains, person.email.as_deref()) {
        return Err(refused("addresses of this domain are not let in"));
    }
    if sign_in.admin_id.as_ref() == Some(&person.id) {
        person.role = Some(Role::ProxyAdmin);
    }
    if let Some(path) = config.general.jwt.as_ref().and_then(|jwt| jwt.issuers.first()?.fields.teams.clone()) {
        person.teams = texts(claim(claims, &path));
    }
    let usual = provider.default_role.clone().or_else(|| sign_in.newcomer.role.clone());
    let usual = usual.as_deref().and_then(role).unwrap_or(Role::InternalUserViewer);
    let (newcomer, store) = (sign_in.newcomer.clone(), visit.app.store.as_ref().ok_or_else(Refused::no_store)?);
    let user = store.write_as(author(visit, "sso"), move |desk| async move { settled(&desk, person, usual, &newcomer).await }).await?;
    if !is_active(&user) {
        return Err(refused("this user is deactivated"));
    }
    let stamp = visit.app.keys.load().stamps().stamp(Way::Sso, None);
    let (role, user_email) = (user.user_role.unwrap_or_default(), user.user_email.clone());
    Ok(SignedIn { user_id: user.user_id, user_email, role, method: Way::Sso, stamp })
}

async fn settled(desk: &Desk, person: Person, usual: Role, newcomer: &Newcomer) -> Result<User, Refused> {
    let now = Some(Time::now());
    // An address that nobody vouches for is anybody's.
    let email = person.email.clone().filter(|_| person.vouched);
    let mut user = match known_here(desk, &person).await? {
        Some(user) => user,
        None => User {
            user_id: person.id.clone(),
            user_email: email.clone(),
            user_alias: person.name.clone(),
            user_role: Some(usual),
            models: newcomer.models.clone(),
            max_budget: people::amount(newcomer.max_budget.as_deref()),
            budget_duration: newcomer.budget_duration.clone(),
            budget_since: now,
            metadata: Some(Json::from_iter([("auth_provider".to_owned(), person.provider.as_str().into())])),
            created_by: Some("sso".to_owned()),
            created_at: now,
            ..User::default()
        },
    };
    let before = user.clone();
    user.sso_user_id = Some(person.id.clone());
    user.user_role = person.role.or(user.user_role).or(Some(usual));
    user.user_email = user.user_email.or(email);
    let is_new = before.updated_at.is_none() && before.created_at == now;
    if user != before || before.updated_at.is_none() {
        user.updated_at = now;
        desk.put(&user).await?;
    }
    if is_new {
        people::join_as_newcomer(desk, &user, newcomer).await?;
        user = desk.get(&user.user_id).await?.unwrap_or(user);
    }
    let mut teams: Vec<Team> = desk.several(&person.teams).await?;
    join_all(desk, &user, &mut teams).await?;
    Ok(user)
}

/// A user with that id, or else with that address, which nobody else has signed in as.
async fn known_here(desk: &Desk, person: &Person) -> Result<Option<User>, Refused> {
    let by_id = people::find(desk, Some(&person.id), None).await?;
    let known = match (by_id, &person.email) {
        (Some(user), _) => Some(user),
        (None, Some(email)) if person.vouched => people::find(desk, None, Some(email)).await?,
        (None, _) => None,
    };
    match known {
        Some(user) if user.sso_user_id.as_ref().is_some_and(|other| *other != person.id) => {
            Err(refused("this address belongs to somebody else who signs in here"))
        }
        known => Ok(known),
    }
}

fn person(provider: &IdentityProvider, claims: &Claims) -> Option<Person> {
    let first = |paths: &[String]| {
        paths.iter().find_map(|path| match claim(claims, path)? {
            // Whoever has a blank for an id would be one and the same.
            Value::String(text) if !text.trim().is_empty() && text.len() <= 512 => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let groups = texts(provider.group_claim.as_deref().and_then(|path| claim(claims, path)));
    let by_group = provider.group_roles.iter().filter(|(_, of)| of.iter().any(|group| groups.contains(group)));
    let said = texts(claim(claims, &provider.role_claim));
    let roles = said.iter().map(String::as_str).chain(by_group.map(|(role, _)| role.as_str()));
    Some(Person {
        provider: provider.id.clone(),
        id: first(&provider.id_claims)?,
        email: first(&provider.email_claims),
        vouched: claims.get("email_verified").is_none_or(|word| *word == Value::Bool(true) || word.as_str() == Some("true")),
        name: first(&provider.name_claims),
        // The one that may do most.
        role: roles.filter_map(role).min_by_key(|role| rank(*role)),
        teams: Vec::new(),
    })
}

/// A role that somebody may have by signing in.
fn role(name: &str) -> Option<Role> {
    Role::from_name(name).filter(|role| rank(*role) < 4)
}

fn rank(role: Role) -> u8 {
    match role {
        Role::ProxyAdmin => 0,
        Role::ProxyAdminViewer => 1,
        Role::InternalUser => 2,
        Role::InternalUserViewer => 3,
        Role::OrgAdmin | Role::Team | Role::Customer => 4,
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Whether an address is of one of those domains; `evil-example.com` is not `example.com`.
fn domain_fits(domains: &[String], email: Option<&str>) -> bool {
    let host = email.and_then(|email| email.rsplit_once('@')).map(|(_, host)| host.to_ascii_lowercase());
    domains.is_empty() || host.is_some_and(|host| domains.iter().any(|domain| domain.trim_start_matches('@').eq_ignore_ascii_case(&host)))
}
