//! Coming into an organization, changing there, leaving it.

use serde_json::{Value, json};
use switchboard_store::object::{Budget, OrganizationMember, Role, User};
use switchboard_store::{Desk, Time};

use super::organizations::{administered, membership};
use crate::admin::form::Form;
use crate::admin::{Answer, Request, members, rows};
use crate::auth::Caller;
use crate::people;
use crate::refused::Refused;

/// Somebody as a request names them.
struct Named {
    id: Option<String>,
    email: Option<String>,
    role: Option<Role>,
}

fn named(value: &Value) -> Named {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Named { id: text("user_id"), email: text("user_email"), role: value["role"].as_str().and_then(Role::from_name) }
}

/// `POST /organization/member_add`
pub(super) async fn add(request: &Request) -> Answer {
    let form = request.form("OrganizationMemberAddRequest")?;
    let people: Vec<Named> = match form.get("member") {
        Some(Value::Array(list)) => list.iter().map(named).collect(),
        Some(one) => vec![named(one)],
        None => Vec::new(),
    };
    if people.is_empty() || people.iter().any(|one| one.id.is_none() && one.email.is_none()) {
        return Err(Refused::said(400, "Either user_id or user_email must be provided"));
    }
    let (caller, id) = (request.caller.clone(), form.owned("organization_id").unwrap_or_default());
    let told = id.clone();
    let write = request.write(move |desk| async move {
        administered(&desk, &caller, &id).await?;
        let mut added = Vec::new();
        for one in people {
            not_above(&caller, one.role)?;
            let brought_in_by = members::bringing(&desk, &caller, one.id.as_deref(), one.email.as_deref()).await?;
            let user = people::found_or_made(&desk, one.id.as_deref(), one.email.as_deref(), Role::InternalUser).await?;
            let known: Option<OrganizationMember> = desk.get(&OrganizationMember::id_of(&id, &user.user_id)).await?;
            if known.is_some() {
                let message = format!("User {} is already a member of organization {id}", user.user_id);
                return Err(Refused::new(400, "bad_request_error", json!("user_id"), message));
            }
            let now = Some(Time::now());
            let member = OrganizationMember {
                user_id: user.user_id.clone(),
                organization_id: id.clone(),
                user_role: one.role,
                brought_in_by,
                created_at: now,
                updated_at: now,
                ..OrganizationMember::default()
            };
            added.push(put(&desk, &form, member, user).await?);
        }
        Ok(added)
    });
    let added = write.await?;
    let users: Vec<Value> = added.iter().map(|(.., user)| Value::Object(rows::user(&request.app, user))).collect();
    let memberships: Vec<Value> = added.iter().map(|(member, budget, user)| membership(member, budget.as_ref(), Some(user))).collect();
    Ok(json!({"organization_id": told, "updated_users": users, "updated_organization_memberships": memberships}))
}

/// Refuses a role above the caller's.
fn not_above(caller: &Caller, role: Option<Role>) -> Result<(), Refused> {
    match role {
        Some(Role::ProxyAdmin | Role::ProxyAdminViewer) if !caller.is_admin() => {
            Err(Refused::forbidden("only an administrator of the gateway makes others so"))
        }
        _ => Ok(()),
    }
}

type Put = (OrganizationMember, Option<Budget>, User);

/// Writes a membership, with the budget that the request says it is to have.
async fn put(desk: &Desk, form: &Form, mut member: OrganizationMember, mut user: User) -> Result<Put, Refused> {
    const BUDGET: &str = "max_budget_in_organization";
    if form.get(BUDGET).is_some() {
        let amount = form.money(BUDGET).filter(|amount| amount.0.0 >= 0);
        let amount = amount.ok_or_else(|| Refused::said(400, "max_budget_in_organization must be a non-negative finite number"))?;
        let budget = people::new_budget(desk, Some(amount), None).await?;
        member.budget_id = Some(budget.budget_id);
    } else if form.sent(BUDGET) {
        member.budget_id = None;
    }
    let budget: Option<Budget> = match &member.budget_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    // Whoever administers an organization may use the routes for that; which organizations, its memberships say.
    if member.user_role == Some(Role::OrgAdmin) && matches!(user.user_role, None | Some(Role::InternalUserViewer)) {
        user.user_role = Some(Role::InternalUser);
        desk.put(&user).await?;
    }
    desk.put(&member).await?;
    Ok((member, budget, user))
}

async fn found(desk: &Desk, form: &Form, organization: &str) -> Result<(OrganizationMember, User), Refused> {
    let missing = || Refused::said(404, &format!("User not found in organization={organization}"));
    if form.text("user_id").is_none() && form.text("user_email").is_none() {
        return Err(Refused::said(400, "Either user_id or user_email must be provided"));
    }
    let user = people::find(desk, form.text("user_id"), form.text("user_email")).await?.ok_or_else(missing)?;
    let member: Option<OrganizationMember> = desk.get(&OrganizationMember::id_of(organization, &user.user_id)).await?;
    Ok((member.ok_or_else(missing)?, user))
}

/// `PATCH /organization/member_update`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("OrganizationMemberUpdateRequest")?;
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let id = form.owned("organization_id").unwrap_or_default();
        administered(&desk, &caller, &id).await?;
        let (mut member, user) = found(&desk, &form, &id).await?;
        if let Some(role) = form.text("role").and_then(Role::from_name) {
            not_above(&caller, Some(role))?;
            member.user_role = Some(role);
        }
        member.updated_at = Some(Time::now());
        put(&desk, &form, member, user).await
    });
    let (member, budget, user) = write.await?;
    Ok(membership(&member, budget.as_ref(), Some(&user)))
}

/// `DELETE /organization/member_delete`
pub(super) async fn delete(request: &Request) -> Answer {
    let form = request.form("OrganizationMemberDeleteRequest")?;
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let id = form.owned("organization_id").unwrap_or_default();
        administered(&desk, &caller, &id).await?;
        let (member, user) = found(&desk, &form, &id).await?;
        desk.delete::<OrganizationMember>(&OrganizationMember::id_of(&id, &user.user_id)).await?;
        Ok((member, user))
    });
    let (member, user) = write.await?;
    Ok(membership(&member, None, Some(&user)))
}
