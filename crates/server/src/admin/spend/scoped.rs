//! `/key/spend/report` and its like: what one key, user, team or organization has spent, by key and model.

use serde_json::{Value, json};
use switchboard_store::ledger::report::Days;
use switchboard_store::object::{Key, OrganizationMember, Role, Team};

use super::{day, global, text};
use crate::admin::{Answer, Request, keys};
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is what it is named after")]
pub enum Scope {
    Key,
    User,
    Team,
    Organization,
}

/// The answer to a report.
pub(super) async fn report(request: &Request, scope: Scope) -> Answer {
    let (Some(from), Some(until)) = (day(request, "start_date")?, day(request, "end_date")?) else {
        return Err(Refused::detail(400, json!({"error": "Please provide start_date and end_date"})));
    };
    let (kind, name) = match scope {
        Scope::Key => ("all", "api_key"),
        Scope::User => ("user", "internal_user_id"),
        Scope::Team => ("team", "team_id"),
        Scope::Organization => ("organization", "organization_id"),
    };
    let asked = text(request, name).map(|one| if scope == Scope::Key { keys::hash_of(&one) } else { one });
    let one = if request.caller.sees_all() { asked } else { Some(own(request, scope, asked).await?) };
    let wanted = Days { from, until, ..Days::default() };
    let wanted = match scope {
        Scope::Key => Days { kind, keys: one.into_iter().collect(), ..wanted },
        Scope::User | Scope::Team | Scope::Organization if one.is_none() => wanted,
        Scope::User | Scope::Team | Scope::Organization => Days { kind, entities: one.into_iter().collect(), ..wanted },
    };
    let mut rows = global::by_key(request, wanted).await?;
    if scope == Scope::Organization {
        tell_teams(request, &mut rows).await?;
    }
    Ok(rows)
}

/// What of that a caller may see: what was asked for, or else its own.
async fn own(request: &Request, scope: Scope, asked: Option<String>) -> Result<String, Refused> {
    let (what, caller) = (scope, request.caller.clone());
    let refused = move || {
        let noun = match what {
            Scope::Key => "key",
            Scope::User => "user",
            Scope::Team => "team",
            Scope::Organization => "organization",
        };
        Refused::detail(403, json!(format!("You do not have access to this {noun}")))
    };
    let mine = match scope {
        Scope::Key => caller.principal.key_hash.clone(),
        Scope::User => caller.user.clone(),
        Scope::Team => caller.team.clone(),
        Scope::Organization => caller.organization.clone(),
    };
    let one = asked.or_else(|| mine.clone()).ok_or_else(refused)?;
    if scope != Scope::Organization && mine.as_ref() == Some(&one) {
        return Ok(one);
    }
    let read = request.read(move |desk| async move {
        let may = match scope {
            Scope::Key => match desk.get::<Key>(&one).await? {
                Some(key) => object::of_key(&desk, &caller, &key).await? > Standing::Stranger,
                None => false,
            },
            Scope::User => false,
            Scope::Team => match desk.get::<Team>(&one).await? {
                Some(team) => object::of_team(&desk, &caller, &team).await? == Standing::Admin,
                None => false,
            },
            Scope::Organization => match &caller.user {
                Some(user) => {
                    let member = desk.get::<OrganizationMember>(&OrganizationMember::id_of(&one, user)).await?;
                    member.is_some_and(|member| member.user_role == Some(Role::OrgAdmin))
                }
                None => false,
            },
        };
        if may { Ok(one) } else { Err(refused()) }
    });
    read.await
}

/// Says of each part which team's key it was.
async fn tell_teams(request: &Request, rows: &mut Value) -> Result<(), Refused> {
    let rows = rows.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    let hashes: Vec<String> = rows.iter().filter_map(|row| row["api_key"].as_str().map(str::to_owned)).collect();
    let known: Vec<Key> = request.read(move |desk| async move { Ok(desk.several(&hashes).await?) }).await?;
    for row in rows {
        let team = known.iter().find(|key| row["api_key"] == key.token.as_str()).and_then(|key| key.team_id.clone());
        for part in row["model_details"].as_array_mut().into_iter().flatten() {
            part["team_id"] = json!(team);
        }
    }
    Ok(())
}
