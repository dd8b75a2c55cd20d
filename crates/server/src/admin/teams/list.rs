//! Lists of teams.

use serde_json::{Value, json};
use switchboard_store::Desk;
use switchboard_store::desk::{Filter, Order, Page, Seen, Sort};
use switchboard_store::object::{Key, OrganizationMember, Role, Team, User};

use super::find::{membership, memberships};
use crate::admin::{Answer, Request, rows};
use crate::auth::Caller;
use crate::refused::Refused;

/// `GET /team/list`
pub(in crate::admin) async fn list(request: &Request) -> Answer {
    let text = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let (user, organization, caller) = (text("user_id"), text("organization_id"), request.caller.clone());
    let read = request.read(move |desk| async move {
        let mut found = Vec::new();
        for team in visible(&desk, &caller, user.as_deref()).await? {
            if organization.is_some() && team.organization_id != organization {
                continue;
            }
            let keys = desk.of_team::<Key>(&team.team_id).await?;
            let members = memberships(&desk, &team.team_id).await?;
            found.push((team, keys, members));
        }
        Ok(found)
    });
    let app = &request.app;
    let shown = read.await?.into_iter().map(|(team, keys, members)| {
        let mut row = rows::team(app, &team);
        let keys: Vec<Value> = keys.iter().map(|key| Value::Object(rows::key_with_hash(app, key, None))).collect();
        let members: Vec<Value> = members.iter().map(|(member, budget)| membership(app, member, budget.as_ref())).collect();
        row.insert("keys".to_owned(), Value::Array(keys));
        row.insert("team_memberships".to_owned(), Value::Array(members));
        Value::Object(row)
    });
    Ok(Value::Array(shown.collect()))
}

/// The teams a caller may see: of one user where that is asked.
async fn visible(desk: &Desk, caller: &Caller, user: Option<&str>) -> Result<Vec<Team>, Refused> {
    if caller.sees_all() && user.is_none() {
        return Ok(desk.all::<Team>().await?);
    }
    let own = user.is_none_or(|user| caller.user.as_deref() == Some(user));
    if !own && !caller.sees_all() {
        return Err(Refused::unauthenticated("auth_error", json!("None"), "Only admin users can query all teams/other teams."));
    }
    let Some(user) = user.or(caller.user.as_deref()) else {
        return match &caller.team {
            Some(team) => Ok(desk.get::<Team>(team).await?.into_iter().collect()),
            None => Err(Refused::unauthenticated("auth_error", json!("None"), "Only admin users can query all teams/other teams.")),
        };
    };
    let row: Option<User> = desk.get(user).await?;
    let mut teams = desk.several::<Team>(&row.map(|row| row.teams).unwrap_or_default()).await?;
    for member in desk.of_user::<OrganizationMember>(user).await? {
        if member.user_role == Some(Role::OrgAdmin) {
            for team in desk.of_organization::<Team>(&member.organization_id).await? {
                if !teams.iter().any(|known| known.team_id == team.team_id) {
                    teams.push(team);
                }
            }
        }
    }
    Ok(teams)
}

/// `GET /v2/team/list`
pub(in crate::admin) async fn paged(request: &Request) -> Answer {
    let (number, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("page_size", 10, 1, 100)?);
    let sort = match request.value("sort_by") {
        Some("team_alias") => Sort::Name,
        Some("team_id") => Sort::Id,
        Some("updated_at") => Sort::Updated,
        _ => Sort::Created,
    };
    let order = if request.value("sort_order") == Some("desc") { Order::Descending } else { Order::Ascending };
    let text = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let (user, caller) = (text("user_id"), request.caller.clone());
    let mut filter = Filter {
        team: text("team_id"),
        organization: text("organization_id"),
        search: text("search").or(text("team_alias")),
        ..Filter::default()
    };
    let read = request.read(move |desk| async move {
        if !caller.sees_all() || user.is_some() {
            let teams = visible(&desk, &caller, user.as_deref()).await?;
            filter.seen_by = Some(Seen { teams: teams.into_iter().map(|team| team.team_id).collect(), ..Seen::default() });
        }
        let (teams, total) = desk.page::<Team>(&filter, Page { number, size, sort, order }).await?;
        let mut counted = Vec::new();
        for team in teams {
            let keys = desk.of_team::<Key>(&team.team_id).await?.len();
            counted.push((team, keys));
        }
        Ok((counted, total))
    });
    let (teams, total) = read.await?;
    let shown = teams.iter().map(|(team, keys)| {
        let mut row = rows::team(&request.app, team);
        row.insert("members_count".to_owned(), json!(team.members_with_roles.len()));
        row.insert("keys_count".to_owned(), json!(keys));
        Value::Object(row)
    });
    let pages = (total + size - 1) / size;
    Ok(json!({"teams": shown.collect::<Vec<_>>(), "total": total, "page": number, "page_size": size, "total_pages": pages}))
}
