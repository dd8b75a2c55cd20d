//! What scopes have spent, where other gateways spend too; and setting that to another amount.
//!
//! One gateway alone knows it by itself. Where several share a database, it is asked before anything is shown: what this gateway has
//! spent is written there first.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};
use switchboard_store::Money;
use switchboard_store::ledger::{self, Correction};
use switchboard_store::object::{Budget, Key, Period, Renewed, Team, TeamMember, User};

use super::form::Form;
use super::{Answer, Request, keys, rows, teams};
use crate::refused::Refused;

/// How long it is waited until the database has what was spent here.
const PATIENCE: Duration = Duration::from_secs(5);
/// On whose account what is set back is set off: nobody's who is owed anything.
const SET_OFF: &str = "gateway/spend reset";

/// Learns what those scopes have spent.
pub(super) async fn learn(request: &Request, scopes: Vec<ScopeId>) -> Result<(), Refused> {
    let book = &request.app.book;
    if !book.is_shared() || scopes.is_empty() {
        return Ok(());
    }
    let before: HashMap<ScopeId, NanoUsd> = scopes.iter().filter_map(|id| Some((id.clone(), book.known(id)?))).collect();
    request.app.books.settled(PATIENCE).await?;
    let (spends, _) = ledger::spends(&request.store, &scopes).await?;
    book.learn(spends, &before);
    Ok(())
}

/// Sets what a scope has spent in the present time of its budget; gives what it was.
pub(super) async fn set(request: &Request, id: &ScopeId, period: Period<'_>, to: NanoUsd, why: &str) -> Result<NanoUsd, Refused> {
    learn(request, vec![id.clone()]).await?;
    let book = &request.app.book;
    let window = period.window(book.calendar()).unwrap_or(Window::Lifetime);
    let present = book.spent(id, window);
    let amount = to.minus(present);
    if amount == NanoUsd::ZERO {
        return Ok(present);
    }
    let windows: Vec<Window> = Some(window).filter(|window| *window != Window::Lifetime).into_iter().collect();
    let correction = Correction {
        scope: id.clone(),
        windows: windows.iter().map(|window| (*window, window.start(book.now()))).collect(),
        amount,
        credit: SET_OFF.to_owned(),
        reason: why.to_owned(),
        actor: request.actor(),
    };
    ledger::correct(&request.store, &request.app.books.instance(), vec![correction]).await?;
    if book.is_shared() {
        learn(request, vec![id.clone()]).await?;
    } else {
        book.correct(id, amount, &windows);
    }
    Ok(present)
}

/// What a form wants to have been spent, if it says so.
pub(super) fn wanted(form: &Form) -> Option<NanoUsd> {
    form.money("spend").map(|money| money.0)
}

/// Sets what a key has spent, and remembers by how much that was set back.
pub(super) async fn set_key(request: &Request, key: &Key, period: Period<'_>, to: NanoUsd, why: &str) -> Result<NanoUsd, Refused> {
    let before = set(request, &ScopeId::new(Level::Key, key.account()), period, to, why).await?;
    let (token, back) = (key.token.clone(), before.minus(to));
    let write = request.write(move |desk| async move {
        if let Some(mut key) = desk.get::<Key>(&token).await? {
            let sum = key.spend_reset.unwrap_or_default().0.plus(back);
            key.spend_reset = (sum != NanoUsd::ZERO).then_some(Money(sum));
            desk.put(&key).await?;
        }
        Ok::<_, Refused>(())
    });
    write.await?;
    Ok(before)
}

/// `reset_to` of a request: no less than nothing, and no more than what was spent.
fn target(form: &Form, present: NanoUsd) -> Result<NanoUsd, Refused> {
    let to = form.money("reset_to").map(|money| money.0).filter(|to| *to >= NanoUsd::ZERO);
    let to = to.ok_or_else(|| Refused::said(400, "reset_to must be >= 0"))?;
    if to > present {
        return Err(Refused::said(400, &format!("reset_to ({to}) must be <= current spend ({present})")));
    }
    Ok(to)
}

/// Whose spend is set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// A key's.
    Key,
    /// A team's.
    Team,
    /// A user's.
    User,
    /// A member's, in a team.
    Member,
    /// That of every key and team.
    Everybody,
}

/// Sets back what somebody has spent.
pub(super) async fn reset(whose: Whose, request: &Request) -> Answer {
    match whose {
        Whose::Key => reset_key(request).await,
        Whose::Team => reset_team(request).await,
        Whose::User => reset_user(request).await,
        Whose::Member => reset_member(request).await,
        Whose::Everybody => reset_all(request).await,
    }
}

/// `POST /key/{key}/reset_spend`
async fn reset_key(request: &Request) -> Answer {
    let (form, named, caller) = (request.form("ResetSpendRequest")?, request.part(0).to_owned(), request.caller.clone());
    let read = request.read(move |desk| async move {
        let missing = || Refused::said(404, "Key not found");
        let key = keys::named(&desk, &named).await?.ok_or_else(missing)?;
        keys::may_reset(&desk, &caller, &key).await?;
        let budget = match &key.budget_id {
            Some(id) => desk.get::<Budget>(id).await?,
            None => None,
        };
        Ok((key, budget))
    });
    let (key, budget) = read.await?;
    learn(request, vec![ScopeId::new(Level::Key, key.account())]).await?;
    let period = key.period().or(budget.as_ref().map(Renewed::period));
    let window = period.window(request.app.book.calendar()).unwrap_or(Window::Lifetime);
    let present = request.app.book.spent(&ScopeId::new(Level::Key, key.account()), window);
    let to = target(&form, present)?;
    let before = set_key(request, &key, period, to, "reset_spend").await?;
    let row = rows::key(&request.app, &key, budget.as_ref());
    Ok(json!({
        "key_hash": key.token, "spend": Money(to), "previous_spend": Money(before), "max_budget": key.max_budget,
        "budget_reset_at": row.get("budget_reset_at"),
    }))
}

/// `POST /team/{team_id}/reset_spend`
async fn reset_team(request: &Request) -> Answer {
    let (form, id) = (request.form("ResetSpendRequest")?, request.part(0).to_owned());
    let team: Option<Team> = request.read(move |desk| async move { Ok(desk.get(&id).await?) }).await?;
    let team = team.ok_or_else(|| Refused::said(404, &format!("Team not found, passed team_id={}", request.part(0))))?;
    let own = ScopeId::new(Level::Team, team.team_id.as_str());
    reset_one(request, &form, own, team.period(), ("team_id", team.team_id.clone())).await
}

/// `POST /user/{user_id}/reset_spend`
async fn reset_user(request: &Request) -> Answer {
    let (form, id) = (request.form("ResetSpendRequest")?, request.part(0).to_owned());
    let user: Option<User> = request.read(move |desk| async move { Ok(desk.get(&id).await?) }).await?;
    let user = user.ok_or_else(|| Refused::said(404, &format!("User not found, passed user_id={}", request.part(0))))?;
    let own = ScopeId::new(Level::User, user.user_id.as_str());
    reset_one(request, &form, own, user.period(), ("user_id", user.user_id.clone())).await
}

/// `POST /team/{team_id}/member/{user_id}/reset_spend`
async fn reset_member(request: &Request) -> Answer {
    let (form, caller) = (request.form("ResetSpendRequest")?, request.caller.clone());
    let (team, user) = (request.part(0).to_owned(), request.part(1).to_owned());
    let read = request.read(move |desk| async move {
        let (_, member) = teams::member_of(&desk, &caller, (&team, &user), "/team/member/reset_spend").await?;
        // Whoever set back what they spend themselves would be held to nothing.
        if !caller.is_admin() && caller.user.as_ref() == Some(&user) {
            return Err(Refused::told(403, "Cannot reset your own spend. Ask a proxy admin."));
        }
        let budget: Option<Budget> = match &member.budget_id {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        Ok((member, budget))
    });
    let (member, budget) = read.await?;
    let own = ScopeId::new(Level::TeamMember, TeamMember::id_of(&member.team_id, &member.user_id));
    let period = budget.as_ref().map(Renewed::period).unwrap_or_default();
    let mut told = reset_one(request, &form, own, period, ("team_id", member.team_id)).await?;
    told["user_id"] = json!(member.user_id);
    told["max_budget"] = json!(budget.and_then(|budget| budget.max_budget));
    Ok(told)
}

async fn reset_one(request: &Request, form: &Form, id: ScopeId, period: Period<'_>, named: (&str, String)) -> Answer {
    learn(request, vec![id.clone()]).await?;
    let window = period.window(request.app.book.calendar()).unwrap_or(Window::Lifetime);
    let to = target(form, request.app.book.spent(&id, window))?;
    let before = set(request, &id, period, to, "reset_spend").await?;
    Ok(json!({named.0: named.1, "spend": Money(to), "previous_spend": Money(before)}))
}

/// `POST /global/spend/reset`: every key, team and member of a team begins at nothing. The request log stays.
async fn reset_all(request: &Request) -> Answer {
    let all =
        request.read(|desk| async move { Ok((desk.all::<Key>().await?, desk.all::<Team>().await?, desk.all::<TeamMember>().await?)) });
    let (keys, teams, members) = all.await?;
    for key in keys {
        set_key(request, &key, key.period(), NanoUsd::ZERO, "global reset").await?;
    }
    for team in teams {
        let id = ScopeId::new(Level::Team, team.team_id.as_str());
        set(request, &id, team.period(), NanoUsd::ZERO, "global reset").await?;
    }
    for member in members {
        let id = ScopeId::new(Level::TeamMember, TeamMember::id_of(&member.team_id, &member.user_id));
        set(request, &id, Period::default(), NanoUsd::ZERO, "global reset").await?;
    }
    Ok(json!({"message": "Spend for all API Keys and Teams reset successfully", "status": "success"}))
}

/// What a row shows as ever spent: with what was set back.
pub(super) fn total(spent: &Value, reset: Option<Money>) -> Value {
    let nano = spent.as_number().and_then(|number| NanoUsd::parse(&number.to_string())).unwrap_or_default();
    json!(Money(nano.plus(reset.unwrap_or_default().0)))
}
