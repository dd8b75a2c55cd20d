//! Looking at one user.

use serde_json::{Value, json};
use switchboard_engine::terms::Level;
use switchboard_store::object::{Budget, Key, OrganizationMember, Team, TeamMember, User};
use switchboard_store::{Desk, StoreError};

use super::{PROXY, missing};
use crate::admin::teams::{membership, memberships};
use crate::admin::{Answer, Request, rows};
use crate::auth::Caller;
use crate::auth::caller::ADMIN;
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// A team, and some of those in it.
type Joined = (Team, Vec<(TeamMember, Option<Budget>)>);

/// What belongs to a user.
struct Around {
    user: Option<User>,
    keys: Vec<Key>,
    teams: Vec<Joined>,
    organizations: Vec<OrganizationMember>,
}

/// `GET /user/info`
pub(in crate::admin) async fn info(request: &Request) -> Answer {
    let caller = &request.caller;
    let asked = request.value("user_id").filter(|id| !id.is_empty()).map(|id| id.trim().replace(' ', "+"));
    let everything = asked.is_none() && caller.sees_all();
    let id = wanted(caller, asked)?;
    let around = around(request, id.clone(), everything).await?;
    let app = &request.app;
    let row = around.user.as_ref().map(|user| {
        let mut row = rows::user(app, user);
        if user.user_id == PROXY {
            row.insert("spend".to_owned(), rows::spent(app, Level::Proxy, ""));
        }
        row.insert("organization_memberships".to_owned(), json!(around.organizations));
        row
    });
    let row = match row {
        Some(row) => Value::Object(row),
        None if everything => json!({"spend": rows::spent(app, Level::Proxy, "")}),
        None => return Err(missing(&id)),
    };
    let keys: Vec<Value> = around.keys.iter().map(|key| Value::Object(rows::key_with_hash(app, key, None))).collect();
    let teams: Vec<Value> = around
        .teams
        .iter()
        .map(|(team, members)| {
            let mut row = rows::team(app, team);
            let members: Vec<Value> = members.iter().map(|(member, budget)| membership(app, member, budget.as_ref())).collect();
            row.insert("team_memberships".to_owned(), Value::Array(members));
            Value::Object(row)
        })
        .collect();
    Ok(json!({"user_id": id, "user_info": row, "keys": keys, "teams": teams}))
}

/// Whom the caller asks about, if it may.
fn wanted(caller: &Caller, asked: Option<String>) -> Result<String, Refused> {
    match (asked, &caller.user) {
        (Some(asked), own) if caller.sees_all() || own.as_deref() == Some(asked.as_str()) => Ok(asked),
        (None, Some(own)) => Ok(own.clone()),
        (None, None) | (Some(_), _) => {
            let own = caller.user.as_deref().unwrap_or("None");
            Err(Refused::forbidden(format!("user_id/key not allowed to access this user's info. key's user_id={own}")))
        }
    }
}

async fn around(request: &Request, id: String, everything: bool) -> Result<Around, Refused> {
    let read = request.read(move |desk| async move {
        let user = row(&desk, &id).await?;
        let (keys, teams) = if everything {
            (desk.all::<Key>().await?, desk.all::<Team>().await?)
        } else {
            let ids = user.as_ref().map(|user| user.teams.clone()).unwrap_or_default();
            (desk.of_user::<Key>(&id).await?, desk.several::<Team>(&ids).await?)
        };
        let mut with = Vec::new();
        for team in teams {
            let mut members = memberships(&desk, &team.team_id).await?;
            members.retain(|(member, _)| everything || member.user_id == id);
            with.push((team, members));
        }
        Ok(Around { user, keys, teams: with, organizations: desk.of_user(&id).await? })
    });
    read.await
}

/// A user's row. Those that are always there need none.
pub(super) async fn row(desk: &Desk, id: &str) -> Result<Option<User>, StoreError> {
    let known: Option<User> = desk.get(id).await?;
    let always = || match id {
        PROXY => Some(User { user_id: id.to_owned(), ..User::default() }),
        ADMIN => Some(User { user_id: id.to_owned(), user_role: Some(switchboard_store::object::Role::ProxyAdmin), ..User::default() }),
        _ => None,
    };
    Ok(known.or_else(always))
}

/// Whether the caller administers a team that the user is in.
async fn leads(desk: &Desk, caller: &Caller, user: &User) -> Result<bool, StoreError> {
    for team in desk.several::<Team>(&user.teams).await? {
        if object::of_team(desk, caller, &team).await? == Standing::Admin {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `GET /v2/user/info`: the row alone, for the user and for administrators of its teams.
pub(in crate::admin) async fn own_row(request: &Request) -> Answer {
    let asked = request.value("user_id").filter(|id| !id.is_empty()).map(str::to_owned);
    let caller = request.caller.clone();
    let own = wanted(&caller, asked.clone());
    let id = own.as_ref().ok().cloned().or(asked).unwrap_or_default();
    let (told, may) = (id.clone(), own.is_ok());
    let read = request.read(move |desk| async move {
        let user = row(&desk, &id).await?;
        match user {
            Some(user) if may || leads(&desk, &caller, &user).await? => Ok(Some(user)),
            Some(_) | None => Ok(None),
        }
    });
    let user = read.await?.ok_or_else(|| missing(&told))?;
    let row = rows::user(&request.app, &user);
    let fields = [
        "user_id",
        "user_email",
        "user_alias",
        "user_role",
        "spend",
        "max_budget",
        "tpm_limit",
        "rpm_limit",
        "models",
        "budget_duration",
        "budget_reset_at",
        "metadata",
        "created_at",
        "updated_at",
        "sso_user_id",
        "teams",
        "object_permission",
        "model_max_budget",
    ];
    let shown = fields.iter().map(|name| ((*name).to_owned(), row.get(*name).cloned().unwrap_or_default()));
    Ok(Value::Object(shown.collect()))
}
