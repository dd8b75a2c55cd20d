//! Lists of keys.

use serde_json::{Value, json};
use switchboard_store::desk::{Filter, Order, Page, Seen, Sort};
use switchboard_store::object::{Key, OrganizationMember, Role, Team, User};
use switchboard_store::{Desk, StoreError, Time};

use crate::admin::{Answer, Request, rows};
use crate::auth::Caller;
use crate::authz::object;
use crate::people;
use crate::refused::Refused;

/// `GET /key/list`
pub(in crate::admin) async fn list(request: &Request) -> Answer {
    let page = page(request)?;
    let text = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let fuzzy = request.flag("substring_matching");
    let mut filter = Filter {
        user: text("user_id"),
        team: text("team_id"),
        organization: text("organization_id"),
        project: text("project_id"),
        id: text("key_hash"),
        name: text("key_alias").filter(|_| !fuzzy),
        search: text("search").or_else(|| text("key_alias").filter(|_| fuzzy)),
        agent: text("agent_id"),
        access_group: text("access_group_id"),
        ..Filter::default()
    };
    state(request, &mut filter)?;
    let caller = request.caller.clone();
    let (teams, made) = (request.flag("include_team_keys"), request.flag("include_created_by_keys"));
    let email = text("user_email");
    if email.is_some() && filter.user.is_some() {
        return Err(Refused::said(400, "Pass either user_id or user_email, not both"));
    }
    let with_users = request.query.iter().any(|(name, what)| name == "expand" && what == "user");
    let read = request.read(move |desk| async move {
        if let Some(email) = &email {
            let Some(user) = of_address(&desk, &caller, email).await? else { return Ok((Vec::new(), 0, Vec::new())) };
            filter.user = Some(user);
        }
        filter.seen_by = visible(&desk, &caller, &filter, Wide { teams, made }).await?;
        let (keys, total) = desk.page::<Key>(&filter, page).await?;
        let users: Vec<String> = keys.iter().filter(|_| with_users).filter_map(|key| key.user_id.clone()).collect();
        Ok::<_, Refused>((keys, total, desk.several::<User>(&users).await?))
    });
    let (keys, total, users) = read.await?;
    let whole = request.flag("return_full_object") || with_users;
    let shown = keys.iter().map(|key| {
        if !whole {
            return json!(key.token);
        }
        let mut row = rows::key_with_hash(&request.app, key, None);
        if with_users {
            let user = users.iter().find(|user| key.user_id.as_ref() == Some(&user.user_id));
            row.insert("user".to_owned(), user.map_or(Value::Null, |user| Value::Object(rows::user(&request.app, user))));
        }
        Value::Object(row)
    });
    let pages = (total + page.size - 1) / page.size;
    Ok(json!({"keys": shown.collect::<Vec<_>>(), "total_count": total, "current_page": page.number, "total_pages": pages}))
}

/// Whether keys are wanted that may be used, that are over or blocked, or that were deleted. Each that there is, is one of the first three.
fn state(request: &Request, filter: &mut Filter) -> Result<(), Refused> {
    let now = Time::now();
    match request.value("status") {
        None => {}
        Some("active") => (filter.blocked, filter.over) = (Some(false), Some((false, now))),
        Some("expired") => (filter.blocked, filter.over) = (Some(false), Some((true, now))),
        Some("revoked") => filter.blocked = Some(true),
        Some("deleted") => filter.deleted = true,
        Some(_) => {
            let message = "Invalid status value. Supported: 'active', 'expired', 'revoked', 'deleted'.";
            return Err(Refused::said(400, message));
        }
    }
    match request.value("expires") {
        None => {}
        Some("active") => filter.over = Some((false, now)),
        Some("expired") => filter.over = Some((true, now)),
        Some(_) => return Err(Refused::said(400, "Invalid expires value. Supported: 'active', 'expired'.")),
    }
    Ok(())
}

fn page(request: &Request) -> Result<Page, Refused> {
    let sort = match request.value("sort_by") {
        None | Some("created_at" | "") => Sort::Created,
        Some("updated_at") => Sort::Updated,
        Some("key_alias") => Sort::Name,
        Some("expires") => Sort::Expires,
        Some("token" | "key_name" | "spend" | "max_budget") => Sort::Id,
        Some(other) => return Err(Refused::said(400, &format!("Invalid sort_by: {other}"))),
    };
    let order = match request.value("sort_order").map(str::to_ascii_lowercase).as_deref() {
        None | Some("desc" | "") => Order::Descending,
        Some("asc") => Order::Ascending,
        Some(other) => return Err(Refused::said(400, &format!("Invalid sort_order: {other}. Must be 'asc' or 'desc'"))),
    };
    let (number, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("size", 10, 1, 100)?);
    Ok(Page { number, size, sort, order })
}

/// What a list shows besides the caller's own.
#[derive(Clone, Copy)]
struct Wide {
    /// Keys of the teams it administers, of those that let their members list them, and of the others those that are no user's.
    teams: bool,
    /// Keys it made.
    made: bool,
}

/// The user with that address, whom only those who see everything may ask for, and the user.
async fn of_address(desk: &Desk, caller: &Caller, email: &str) -> Result<Option<String>, Refused> {
    let found = people::find(desk, None, Some(email)).await?.map(|user| user.user_id);
    if caller.sees_all() || found.is_some() && found == caller.user {
        return Ok(found);
    }
    Err(Refused::forbidden("You are not authorized to check another user's keys"))
}

/// What the caller may see of what it asks for. None: everything.
async fn visible(desk: &Desk, caller: &Caller, filter: &Filter, wide: Wide) -> Result<Option<Seen>, Refused> {
    if caller.sees_all() {
        return Ok(None);
    }
    let Some(user) = &caller.user else {
        // A key of nobody sees itself.
        let denied = || Refused::forbidden("You are not authorized to list keys");
        let own = caller.principal.key_hash.is_some() && filter.id == caller.principal.key_hash;
        return if own { Ok(None) } else { Err(denied()) };
    };
    if filter.user.as_ref().is_some_and(|wanted| wanted != user) && filter.team.is_none() {
        return Err(Refused::forbidden("You are not authorized to check another user's keys"));
    }
    let (mut administered, organizations) = administered(desk, caller, user).await?;
    let (listable, others) = belonging(desk, user).await?;
    administered.extend(listable);
    if let Some(team) = filter.team.as_ref().filter(|team| !administered.contains(team)) {
        let member = desk.get::<Team>(team).await?.is_some_and(|team| team.member(user).is_some());
        if !member {
            return Err(Refused::forbidden("You are not authorized to check this team's keys"));
        }
    }
    let teams = if wide.teams || filter.team.is_some() { administered } else { Vec::new() };
    let services = if wide.teams { others } else { Vec::new() };
    Ok(Some(Seen { user: Some(user.clone()), maker: wide.made.then(|| user.clone()), teams, organizations, services }))
}

/// The teams whose member the user is: those that let it list their keys, and the others, of which it sees those that are no user's.
async fn belonging(desk: &Desk, user: &str) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let row: Option<User> = desk.get(user).await?;
    let teams = desk.several::<Team>(&row.map(|row| row.teams).unwrap_or_default()).await?;
    let (lets, others): (Vec<&Team>, Vec<&Team>) =
        teams.iter().filter(|team| team.member(user).is_some()).partition(|team| object::permits(team, "/key/list"));
    let ids = |teams: Vec<&Team>| teams.into_iter().map(|team| team.team_id.clone()).collect();
    Ok((ids(lets), ids(others)))
}

/// The teams and the organizations that a user administers.
pub(in crate::admin) async fn administered(desk: &Desk, caller: &Caller, user: &str) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let row: Option<User> = desk.get(user).await?;
    let mut teams = Vec::new();
    for team in desk.several::<Team>(&row.map(|row| row.teams).unwrap_or_default()).await? {
        if object::of_team(desk, caller, &team).await? == object::Standing::Admin {
            teams.push(team.team_id);
        }
    }
    let mut organizations = Vec::new();
    for member in desk.of_user::<OrganizationMember>(user).await? {
        if member.user_role == Some(Role::OrgAdmin) {
            organizations.push(member.organization_id);
        }
    }
    Ok((teams, organizations))
}

/// `GET /key/aliases`
pub(in crate::admin) async fn aliases(request: &Request) -> Answer {
    let (number, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("size", 50, 1, 100)?);
    let text = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut filter = Filter { search: text("search"), team: text("team_id"), ..Filter::default() };
    let caller = request.caller.clone();
    let page = Page { number, size, sort: Sort::Name, order: Order::Ascending };
    let read = request.read(move |desk| async move {
        filter.seen_by = visible(&desk, &caller, &filter, Wide { teams: true, made: true }).await?;
        Ok::<_, Refused>(desk.page::<Key>(&filter, page).await?)
    });
    let (keys, total) = read.await?;
    let aliases: Vec<&String> = keys.iter().filter_map(|key| key.key_alias.as_ref()).collect();
    let pages = (total + size - 1) / size;
    Ok(json!({"aliases": aliases, "total_count": total, "current_page": number, "total_pages": pages, "size": size}))
}
