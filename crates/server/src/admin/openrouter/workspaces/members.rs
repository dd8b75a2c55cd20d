//! Who is in a workspace, and who there is at all.

use serde_json::{Value, json};
use switchboard_store::object::{Key, Member, Role, TeamMember, User};
use switchboard_store::{Desk, Time};

use super::{Place, find, keep};
use crate::admin::openrouter::{cut, form};
use crate::admin::{Answer, Request};
use crate::auth::rules::uuid_of;
use crate::people::{self, Portion};
use crate::refused::Refused;

const MOST: usize = 100;

/// One member as it is told.
struct Row {
    place: String,
    user: String,
    admin: bool,
    since: Time,
}

impl Row {
    fn shown(&self) -> Value {
        json!({
            "id": uuid_of(&format!("member {} of {}", self.user, self.place)), "workspace_id": self.place, "user_id": self.user,
            "role": if self.admin { "admin" } else { "member" }, "created_at": self.since,
        })
    }
}

fn manages(user: &User) -> bool {
    matches!(user.user_role, Some(Role::ProxyAdmin | Role::OrgAdmin))
}

async fn rows(desk: &Desk, place: &Place) -> Result<Vec<Row>, Refused> {
    let id = place.id().to_owned();
    let Some(team) = &place.team else {
        // Everybody is in the default one.
        let all: Vec<User> = desk.all().await?;
        let row =
            |user: User| Row { place: id.clone(), admin: manages(&user), since: user.created_at.unwrap_or_default(), user: user.user_id };
        return Ok(all.into_iter().map(row).collect());
    };
    let mut found = Vec::new();
    for member in &team.members_with_roles {
        let Some(user) = &member.user_id else { continue };
        let since: Option<TeamMember> = desk.get(&TeamMember::id_of(&team.team_id, user)).await?;
        let since = since.and_then(|member| member.created_at).or(team.created_at).unwrap_or_default();
        found.push(Row { place: id.clone(), user: user.clone(), admin: member.role == "admin", since });
    }
    Ok(found)
}

/// `GET /workspaces/{id}/members`
pub(in crate::admin::openrouter) async fn members(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let read = request.read(move |desk| async move {
        let place = find(&desk, &id).await?;
        rows(&desk, &place).await
    });
    cut(request, &read.await?, Row::shown)
}

fn users(request: &Request) -> Result<Vec<String>, Refused> {
    let users = form(request, "OpenRouterUserIds")?.texts("user_ids").unwrap_or_default();
    if users.is_empty() || users.len() > MOST { Err(Refused::plain(400, "user_ids must name 1 to 100 users")) } else { Ok(users) }
}

/// `POST /workspaces/{id}/members/add`
pub(in crate::admin::openrouter) async fn add_members(request: &Request) -> Answer {
    let (id, users) = (request.part(0).to_owned(), users(request)?);
    let write = request.write(move |desk| async move {
        let mut place = find(&desk, &id).await?;
        for user in &users {
            let known: User =
                desk.get(user).await?.ok_or_else(|| Refused::plain(400, &format!("User {user} is not a member of the organization")))?;
            let role = if manages(&known) { "admin" } else { "user" };
            let Some(team) = &mut place.team else { continue };
            if team.member(user).is_none() {
                let member = Member { user_id: Some(user.clone()), user_email: known.user_email, role: role.to_owned() };
                people::join(&desk, team, &member, &Portion::default()).await?;
            }
        }
        if place.team.is_some() {
            keep(&desk, &mut place).await?;
        }
        let all = rows(&desk, &place).await?;
        Ok(all.into_iter().filter(|row| users.contains(&row.user)).collect::<Vec<_>>())
    });
    let added = write.await?;
    Ok(json!({"added_count": added.len(), "data": added.iter().map(Row::shown).collect::<Vec<_>>()}))
}

/// `POST /workspaces/{id}/members/remove`
pub(in crate::admin::openrouter) async fn remove_members(request: &Request) -> Answer {
    let (id, users) = (request.part(0).to_owned(), users(request)?);
    let write = request.write(move |desk| async move {
        let mut place = find(&desk, &id).await?;
        let Some(team) = &mut place.team else {
            return Err(Refused::plain(400, "Nobody can be removed from the default workspace"));
        };
        let keys: Vec<Key> = desk.of_team(&team.team_id).await?;
        let mut removed = 0;
        for user in &users {
            if keys.iter().any(|key| key.user_id.as_ref() == Some(user) && key.blocked != Some(true)) {
                return Err(Refused::plain(400, &format!("User {user} has active API keys in the workspace")));
            }
            if team.member(user).is_some() {
                people::leave(&desk, team, user).await?;
                removed += 1;
            }
        }
        keep(&desk, &mut place).await?;
        Ok(removed)
    });
    Ok(json!({"removed_count": write.await?}))
}

/// `GET /organization/members`
pub(in crate::admin::openrouter) async fn organization(request: &Request) -> Answer {
    let all: Vec<User> = request.read(|desk| async move { Ok(desk.all().await?) }).await?;
    let shown = |user: &User| {
        let role = if manages(user) { "org:admin" } else { "org:member" };
        json!({
            "id": user.user_id, "email": user.user_email.as_deref().unwrap_or(""), "first_name": user.user_alias, "last_name": null,
            "role": role,
        })
    };
    cut(request, &all, shown)
}
