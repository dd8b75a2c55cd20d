//! From what a token says to a caller, by what is kept of its users and teams.

use std::sync::Arc;

use switchboard_engine::book::Book;
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::Level;
use switchboard_store::object::{JwtKeyMapping, Key, Member, Organization, Role, Team, User};
use switchboard_store::{Desk, Store, Time};

use super::claims::Bearer;
use super::register;
use crate::auth::caller::{ADMIN, Caller, Credential};
use crate::auth::mint::Pepper;
use crate::auth::owned::Owned;
use crate::auth::resolve::{self, Groups};
use crate::auth::rules::Rules;
use crate::auth::terms::{self, Policy};
use crate::config::resolved::{JwtAuth, Newcomer, Unmapped};
use crate::people;
use crate::refused::Refused;

/// The name of callers who have a token, in logs and records.
const NAME: &str = "jwt";
/// What a token proves is looked at again after this long: users and teams are followed, but keys of issuers are withdrawn too.
const BELIEVED: i64 = 300;
/// Users that are the gateway's own.
const RESERVED: [&str; 2] = [ADMIN, "litellm-proxy-budget"];

/// What callers of tokens are made with.
#[derive(Clone, Debug)]
pub struct Means {
    /// How tokens are read.
    pub settings: Arc<JwtAuth>,
    /// What becomes of a token that no virtual key stands for.
    pub unmapped: Unmapped,
    /// What proofs of keys are made with.
    pub pepper: Option<Pepper>,
    /// What all callers are made with.
    pub around: Around,
}

/// What callers are made with.
#[derive(Clone, Debug)]
pub struct Around {
    /// Groups of models.
    pub groups: Arc<Groups>,
    /// Models that teams have to themselves.
    pub owned: Arc<Owned>,
    /// What everybody has spent.
    pub book: Arc<Book>,
    /// Whose budgets hold.
    pub policy: Arc<Policy>,
}

/// Who sent a token of that issuer. Users, teams and keys that are not known are made where the settings say so.
pub async fn caller(store: &Store, means: Means, bearer: Bearer, issuer: String) -> Result<Caller, Refused> {
    let until = Some(Time::now().plus_seconds(BELIEVED));
    if let Some(mapped) = mapped(store, &means, &bearer, &issuer).await? {
        register::addressed(store, &bearer, &mapped).await?;
        return Ok(Caller { until: sooner(mapped.until, until), ..mapped });
    }
    if bearer.admin {
        return Ok(Caller { until, ..administrator(&bearer) });
    }
    let named = of_claims(store, means.clone(), bearer.clone()).await?;
    let found = match means.unmapped {
        Unmapped::Registered if named.barred.is_none() && bearer.key.is_some() => {
            register::registered(store, &means, &bearer, &issuer, &named).await?;
            mapped(store, &means, &bearer, &issuer).await?.ok_or_else(|| unregistered(&bearer))?
        }
        Unmapped::Registered | Unmapped::Teams | Unmapped::Refused => named,
    };
    Ok(Caller { until: sooner(found.until, until), ..found })
}

/// The refusal of a token that no virtual key stands for.
fn unregistered(bearer: &Bearer) -> Refused {
    let (claim, value) = bearer.key.as_ref().map(|mapping| (mapping.claim.as_str(), mapping.value.as_deref())).unwrap_or_default();
    Refused::forbidden(match value {
        Some(value) => format!("JWT Key Mapping: No registered mapping for {claim}='{value}'. Access denied."),
        None => format!("JWT Key Mapping: Required claim '{claim}' is missing from the JWT. Access denied."),
    })
}

/// The user and the team that a token names.
async fn of_claims(store: &Store, means: Means, bearer: Bearer) -> Result<Caller, Refused> {
    if bearer.user.as_deref().is_some_and(|user| RESERVED.contains(&user)) {
        return Err(Refused::forbidden("the token's user is one of the gateway's own"));
    }
    let settings = means.settings.clone();
    let writes = settings.user_upsert || settings.team_upsert || settings.sync || settings.join_teams;
    let (reading, kept) = (bearer.clone(), means.clone());
    let first = store.read(move |desk| async move { found(&desk, &kept, &reading, Writes::None).await }).await?;
    match first {
        Found::Complete(caller) => Ok(*caller),
        // Only who is not yet as the token says is written; all others are read.
        Found::Lacking if writes => {
            let work = move |desk: Desk| async move { found(&desk, &means, &bearer, Writes::Missing).await };
            match store.write("jwt", work).await? {
                Found::Complete(caller) => Ok(*caller),
                Found::Lacking => Err(Refused::forbidden("the token's user or team is not known here")),
            }
        }
        Found::Lacking => Err(Refused::forbidden("the token's user or team is not known here")),
    }
}

fn sooner(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    one.into_iter().chain(other).min()
}

/// The holder of the virtual key that stands for a claim of the token.
async fn mapped(store: &Store, means: &Means, bearer: &Bearer, issuer: &str) -> Result<Option<Caller>, Refused> {
    let Some(mapping) = bearer.key.clone() else { return Ok(None) };
    let needed = !bearer.admin && means.unmapped != Unmapped::Teams;
    // Who leaves the claim out is not let in by that.
    let Some(value) = mapping.value else { return if needed { Err(unregistered(bearer)) } else { Ok(None) } };
    let (reading, around, issuer) = (bearer.clone(), means.around.clone(), issuer.to_owned());
    let read = move |desk: Desk| async move {
        for issuer in [issuer.as_str(), ""] {
            let name = JwtKeyMapping::name_of(issuer, &mapping.claim, &value);
            let Some(mapping) = desk.named::<JwtKeyMapping>(&name).await?.into_iter().find(|mapping| mapping.is_active) else { continue };
            let Some(key) = desk.get::<Key>(&mapping.token).await? else { continue };
            let key = register::narrowed(key, &reading);
            let beside = resolve::surroundings(&desk, &key).await?;
            let allowance = terms::of(&around.book, &key, (&beside, &around.groups), &around.policy);
            let caller = resolve::caller(&key, &beside, &around.groups, allowance);
            let mut caller = caller.owning(&around.owned);
            Rules::read(&desk, &key).await?.govern(&mut caller, &around.book);
            let expires = sooner(caller.expires, reading.expires);
            return Ok::<_, Refused>(Some(Caller { credential: Credential::Token, expires, ..caller }));
        }
        Ok(None)
    };
    match store.read(read).await? {
        None if needed && means.unmapped == Unmapped::Refused => Err(unregistered(bearer)),
        found => Ok(found),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    None,
    Missing,
}

enum Found {
    Complete(Box<Caller>),
    /// Something is to be written first.
    Lacking,
}

fn administrator(bearer: &Bearer) -> Caller {
    let user = bearer.user.clone().unwrap_or_else(|| ADMIN.to_owned());
    let principal = Principal {
        user: Some(user.clone()),
        user_email: bearer.email.clone(),
        customer: bearer.customer.clone(),
        ..Principal::named(NAME)
    };
    Caller {
        principal: Arc::new(principal),
        user: Some(user),
        routes: bearer.routes.clone(),
        expires: bearer.expires,
        ..Caller::trusted(Credential::Token)
    }
}

async fn found(desk: &Desk, means: &Means, bearer: &Bearer, writes: Writes) -> Result<Found, Refused> {
    let (may, settings) = (writes == Writes::Missing, &*means.settings);
    let mut teams = Vec::new();
    for id in &bearer.teams {
        match desk.get::<Team>(id).await? {
            Some(team) => teams.push(team),
            None if settings.team_upsert && may => teams.push(new_team(desk, id).await?),
            None if settings.team_upsert => return Ok(Found::Lacking),
            None => {}
        }
    }
    if let Some(alias) = &bearer.team_alias {
        teams.extend(desk.named::<Team>(alias).await?.into_iter().take(1));
    }
    if teams.is_empty() && (!bearer.teams.is_empty() || bearer.team_alias.is_some()) {
        let named = bearer.teams.first().or(bearer.team_alias.as_ref()).cloned().unwrap_or_default();
        return Err(Refused::forbidden(format!("Team doesn't exist in db. Team={named}. Create team via `/team/new` call.")));
    }
    let user = match user(desk, (settings, &means.around.policy.newcomer), bearer, may).await? {
        Ok(user) => user,
        Err(lacking) => return Ok(lacking),
    };
    if let Some(user) = &user
        && (settings.sync || settings.join_teams)
        && !agree(desk, (settings, bearer), user, &mut teams, may).await?
    {
        return Ok(Found::Lacking);
    }
    let organization = organization(desk, bearer).await?;
    let mut callers = Vec::new();
    for team in teams.iter().map(Some).chain(teams.is_empty().then_some(None)) {
        callers.push(of_team(desk, means, bearer, (user.as_ref(), team, organization.as_deref())).await?);
    }
    let mut callers = callers.into_iter();
    let Some(first) = callers.next() else { return Ok(Found::Lacking) };
    Ok(Found::Complete(Box::new(Caller { others: callers.map(Arc::new).collect(), ..first })))
}

/// The user the token names: known, made, or none where a team answers for the token.
async fn user(
    desk: &Desk,
    (settings, newcomer): (&JwtAuth, &Newcomer),
    bearer: &Bearer,
    may: bool,
) -> Result<Result<Option<User>, Found>, Refused> {
    if bearer.user.is_none() && bearer.email.is_none() {
        return Ok(Ok(None));
    }
    let known = people::find(desk, bearer.user.as_deref(), bearer.email.as_deref()).await?;
    match known {
        Some(user) => Ok(Ok(Some(user))),
        None if settings.user_upsert && may => {
            let made = people::found_or_made(desk, bearer.user.as_deref(), bearer.email.as_deref(), Role::InternalUser).await?;
            Ok(Ok(Some(welcomed(desk, made, newcomer).await?)))
        }
        None if settings.user_upsert => Ok(Err(Found::Lacking)),
        None if !bearer.teams.is_empty() || bearer.team_alias.is_some() => Ok(Ok(None)),
        None => {
            let named = bearer.user.as_ref().or(bearer.email.as_ref()).cloned().unwrap_or_default();
            Err(Refused::forbidden(format!("User doesn't exist in db. 'user_id'={named}. Create user via `/user/new` call.")))
        }
    }
}

/// Somebody who was just made, with what newcomers are given. No role that sees more than its own is given so.
async fn welcomed(desk: &Desk, made: User, newcomer: &Newcomer) -> Result<User, Refused> {
    let role = newcomer.role.as_deref().and_then(Role::from_name).filter(|role| *role == Role::InternalUserViewer);
    let user = User {
        user_role: role.or(made.user_role),
        models: newcomer.models.clone(),
        max_budget: people::amount(newcomer.max_budget.as_deref()),
        budget_duration: newcomer.budget_duration.clone(),
        budget_since: Some(Time::now()),
        ..made
    };
    desk.put(&user).await?;
    people::join_as_newcomer(desk, &user, newcomer).await?;
    Ok(desk.get(&user.user_id).await?.unwrap_or(user))
}

/// Whether the user's role and teams are as the token says; makes them so where it may.
async fn agree(desk: &Desk, (settings, bearer): (&JwtAuth, &Bearer), user: &User, teams: &mut [Team], may: bool) -> Result<bool, Refused> {
    let role = bearer.role.as_deref().and_then(Role::from_name).filter(|_| settings.sync);
    let wrong_role = role.is_some_and(|role| user.user_role != Some(role));
    let outside = teams.iter().any(|team| team.member(&user.user_id).is_none());
    let named: Vec<String> = teams.iter().map(|team| team.team_id.clone()).collect();
    let left: Vec<String> = user.teams.iter().filter(|team| settings.sync && !named.contains(team)).cloned().collect();
    if !wrong_role && !outside && left.is_empty() {
        return Ok(true);
    }
    if !may {
        return Ok(false);
    }
    if wrong_role {
        desk.put(&User { user_role: role, updated_at: Some(Time::now()), ..user.clone() }).await?;
    }
    join_all(desk, user, teams).await?;
    for id in left {
        if let Some(mut team) = desk.get::<Team>(&id).await? {
            people::leave(desk, &mut team, &user.user_id).await?;
            desk.put(&team).await?;
        }
    }
    Ok(true)
}

/// Puts a user into those teams.
pub(crate) async fn join_all(desk: &Desk, user: &User, teams: &mut [Team]) -> Result<(), Refused> {
    for team in teams.iter_mut().filter(|team| team.member(&user.user_id).is_none()) {
        let member = Member { user_id: Some(user.user_id.clone()), user_email: user.user_email.clone(), role: "user".to_owned() };
        people::join(desk, team, &member, &people::Portion::default()).await?;
        desk.put(&*team).await?;
    }
    Ok(())
}

async fn new_team(desk: &Desk, id: &str) -> Result<Team, Refused> {
    let now = Some(Time::now());
    let team = Team { team_id: id.to_owned(), team_alias: Some(id.to_owned()), created_at: now, updated_at: now, ..Team::default() };
    desk.put(&team).await?;
    Ok(team)
}

async fn organization(desk: &Desk, bearer: &Bearer) -> Result<Option<String>, Refused> {
    let known = match (&bearer.organization, &bearer.organization_alias) {
        (Some(id), _) => desk.get::<Organization>(id).await?,
        (None, Some(alias)) => desk.named::<Organization>(alias).await?.into_iter().next(),
        (None, None) => return Ok(None),
    };
    let known = known.ok_or_else(|| Refused::forbidden("the token's organization is not known here"))?;
    Ok(Some(known.organization_id))
}

/// A user, a team and an organization, as far as a token names them.
type Named<'a> = (Option<&'a User>, Option<&'a Team>, Option<&'a str>);

/// The caller that the token makes in one of its teams.
async fn of_team(desk: &Desk, means: &Means, bearer: &Bearer, (user, team, organization): Named<'_>) -> Result<Caller, Refused> {
    let key = Key {
        user_id: user.map(|user| user.user_id.clone()).or_else(|| bearer.user.clone()),
        team_id: team.map(|team| team.team_id.clone()),
        organization_id: organization.map(str::to_owned),
        models: bearer.models.clone(),
        allowed_routes: bearer.routes.clone(),
        expires: bearer.expires,
        ..Key::default()
    };
    let caller = without_key(desk, &key, &means.around).await?;
    let principal = Principal { key: NAME.to_owned(), customer: bearer.customer.clone(), ..(*caller.principal).clone() };
    // A token that names the administrator's own id is not the administrator.
    let role = user.map(|user| user.user_role.unwrap_or_default()).or_else(|| team.map(|_| Role::Team));
    Ok(Caller { principal: Arc::new(principal), credential: Credential::Token, role, ..caller })
}

/// The caller that a key would make which nobody has: its user and team count, the key itself does not.
pub(crate) async fn without_key(desk: &Desk, key: &Key, means: &Around) -> Result<Caller, Refused> {
    let around = resolve::surroundings(desk, key).await?;
    let mut allowance = terms::of(&means.book, key, (&around, &means.groups), &means.policy);
    // All of them have the same empty hash: what one spends is not the others'.
    allowance.scopes.retain(|scope| scope.id.level != Level::Key);
    allowance.counted.retain(|scope| scope.id.level != Level::Key);
    let caller = resolve::caller(key, &around, &means.groups, allowance).owning(&means.owned);
    let principal = Principal { key_hash: None, ..(*caller.principal).clone() };
    let mut caller = Caller { principal: Arc::new(principal), ..caller };
    // What its user and its workspace are held to, it is held to; keys of providers are for keys.
    Rules::read(desk, key).await?.govern(&mut caller, &means.book);
    Ok(caller)
}
