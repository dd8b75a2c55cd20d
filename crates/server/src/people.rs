//! Users, their keys, and their coming into teams and leaving them: what sign-in, tokens and the management API do alike.

use switchboard_store::object::{Budget, FormerKey, JwtKeyMapping, Key, Member, Renewed, Role, Team, TeamMember, User};
use switchboard_store::{Desk, Money, StoreError, Time};

use crate::config::resolved::Newcomer;
use crate::id;
use crate::refused::Refused;

/// The user of that id or else that address, whatever its case.
pub(crate) async fn find(desk: &Desk, id: Option<&str>, email: Option<&str>) -> Result<Option<User>, StoreError> {
    match (id, email) {
        (Some(id), _) => desk.get(id).await,
        (None, Some(email)) => Ok(desk.named::<User>(&email.to_lowercase()).await?.into_iter().next()),
        (None, None) => Ok(None),
    }
}

/// The same; made where there is none.
pub(crate) async fn found_or_made(desk: &Desk, id: Option<&str>, email: Option<&str>, role: Role) -> Result<User, Refused> {
    if let Some(user) = find(desk, id, email).await? {
        return Ok(user);
    }
    let now = Some(Time::now());
    let user = User {
        user_id: id.map_or_else(id::of_object, str::to_owned),
        user_email: email.map(str::to_owned),
        user_role: Some(role),
        created_by: Some(desk.actor().to_owned()),
        created_at: now,
        updated_at: now,
        ..User::default()
    };
    desk.put(&user).await?;
    Ok(user)
}

/// A budget as it is written in a configuration.
pub(crate) fn amount(text: Option<&str>) -> Option<Money> {
    text.and_then(|text| Money::of(&text.parse().ok()?))
}

/// Puts somebody who has come for the first time into the teams that newcomers come into. Teams that are no more are passed over.
pub(crate) async fn join_as_newcomer(desk: &Desk, user: &User, newcomer: &Newcomer) -> Result<(), Refused> {
    for joining in &newcomer.teams {
        let Some(mut team) = desk.get::<Team>(&joining.team).await? else { continue };
        let member = Member { user_id: Some(user.user_id.clone()), user_email: user.user_email.clone(), role: joining.role.clone() };
        let portion = Portion { max_budget: amount(joining.max_budget.as_deref()), ..Portion::default() };
        join(desk, &mut team, &member, &portion).await?;
        desk.put(&team).await?;
    }
    Ok(())
}

/// What a member of a team is to have of its own there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Portion {
    pub(crate) max_budget: Option<Money>,
    pub(crate) budget_duration: Option<String>,
    pub(crate) allowed_models: Option<Vec<String>>,
    /// A budget that all members share the terms of.
    pub(crate) budget_id: Option<String>,
    /// Who puts in somebody for whom they do not answer.
    pub(crate) brought_in_by: Option<String>,
}

/// Puts somebody into a team. The team itself is written by the caller.
pub(crate) async fn join(desk: &Desk, team: &mut Team, member: &Member, portion: &Portion) -> Result<(User, TeamMember), Refused> {
    let mut user = found_or_made(desk, member.user_id.as_deref(), member.user_email.as_deref(), Role::InternalUser).await?;
    if !user.teams.contains(&team.team_id) {
        user.teams.push(team.team_id.clone());
        desk.put(&user).await?;
    }
    let entry = Member { user_id: Some(user.user_id.clone()), user_email: member.user_email.clone(), role: member.role.clone() };
    match team.members_with_roles.iter_mut().find(|one| one.user_id.as_deref() == Some(&user.user_id)) {
        Some(present) => *present = entry,
        None => team.members_with_roles.push(entry),
    }
    let mut membership = TeamMember {
        user_id: user.user_id.clone(),
        team_id: team.team_id.clone(),
        budget_id: portion.budget_id.clone(),
        allowed_models: portion.allowed_models.clone(),
        brought_in_by: portion.brought_in_by.clone(),
        created_at: Some(Time::now()),
    };
    if portion.max_budget.is_some() || portion.budget_duration.is_some() {
        let budget = new_budget(desk, portion.max_budget, portion.budget_duration.as_deref()).await?;
        membership.budget_id = Some(budget.budget_id);
    }
    desk.put(&membership).await?;
    Ok((user, membership))
}

/// A budget of a member's own.
pub(crate) async fn new_budget(desk: &Desk, max_budget: Option<Money>, duration: Option<&str>) -> Result<Budget, Refused> {
    let (now, actor) = (Time::now(), Some(desk.actor().to_owned()));
    let mut budget = Budget {
        budget_id: id::of_object(),
        max_budget,
        budget_duration: duration.map(str::to_owned),
        created_by: actor.clone(),
        updated_by: actor,
        created_at: Some(now),
        updated_at: Some(now),
        ..Budget::default()
    };
    budget.begin(&Budget::default(), now);
    desk.put(&budget).await?;
    Ok(budget)
}

/// Takes somebody out of a team, with its keys there. The team itself is written by the caller.
pub(crate) async fn leave(desk: &Desk, team: &mut Team, user: &str) -> Result<(), Refused> {
    team.members_with_roles.retain(|member| member.user_id.as_deref() != Some(user));
    team.members.retain(|member| member != user);
    team.admins.retain(|member| member != user);
    if let Some(mut row) = desk.get::<User>(user).await? {
        row.teams.retain(|one| *one != team.team_id);
        desk.put(&row).await?;
    }
    desk.delete::<TeamMember>(&TeamMember::id_of(&team.team_id, user)).await?;
    for key in desk.of_team::<Key>(&team.team_id).await? {
        if key.user_id.as_deref() == Some(user) {
            remove_key(desk, &key).await?;
        }
    }
    Ok(())
}

/// Deletes a key, and what it was called before.
pub(crate) async fn remove_key(desk: &Desk, key: &Key) -> Result<(), Refused> {
    for former in desk.named::<FormerKey>(&key.token).await? {
        desk.delete::<FormerKey>(&former.token).await?;
    }
    for mapping in mappings(desk, &key.token).await? {
        desk.delete::<JwtKeyMapping>(&mapping.id).await?;
    }
    desk.delete::<Key>(&key.token).await?;
    Ok(())
}

/// The claims of tokens that stand for a key.
pub(crate) async fn mappings(desk: &Desk, token: &str) -> Result<Vec<JwtKeyMapping>, Refused> {
    let mut all: Vec<JwtKeyMapping> = desk.all().await?;
    all.retain(|mapping| mapping.token == token);
    Ok(all)
}
