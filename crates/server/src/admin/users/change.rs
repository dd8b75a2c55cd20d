//! Changing and deleting users.

use serde_json::{Value, json};
use switchboard_engine::terms::{Level, ScopeId};
use switchboard_store::object::{Invitation, Key, OrganizationMember, Renewed, Role, Team, User};
use switchboard_store::{Desk, Time};

use super::find::row;
use super::missing;
use super::new::{hashed, only_columns};
use crate::admin::form::Form;
use crate::admin::{Answer, Request, rows, spent};
use crate::auth::{Caller, password};
use crate::authz::object;
use crate::people;
use crate::refused::Refused;

/// What null puts back in a user: limits, and the permissions of objects.
const BY_NULL: [&str; 6] = ["max_budget", "budget_duration", "tpm_limit", "rpm_limit", "model_max_budget", "object_permission"];

/// `POST /user/update`
pub(in crate::admin) async fn update(request: &Request) -> Answer {
    let user = apply(request, request.form("UpdateUserRequest")?).await?;
    let mut shown = rows::user(&request.app, &user);
    shown.insert("user_id".to_owned(), json!(user.user_id));
    Ok(json!({"user_id": user.user_id, "data": shown}))
}

async fn apply(request: &Request, mut form: Form) -> Result<User, Refused> {
    // Nor does a list of no models open every one: forms of clients send it where nobody chose any.
    form.fields.retain(|name, value| name != "models" || value.as_array().is_none_or(|models| !models.is_empty()));
    let form = rows::meant(form, &BY_NULL);
    rows::amounts(&form)?;
    if form.text("user_id").is_none() && form.text("user_email").is_none() {
        return Err(Refused::said(400, "Either user_id or user_email must be provided"));
    }
    let spend = spent::wanted(&form);
    let password = hashed(&form).await?;
    let write = request.write(move |desk| async move {
        let (id, email) = (form.text("user_id"), form.text("user_email"));
        let present = match id {
            Some(id) => row(&desk, id).await?,
            None => people::find(&desk, None, email).await?,
        };
        let present = present.ok_or_else(|| missing(id.or(email).unwrap_or_default()))?;
        let mut user: User = rows::merged(&present, &only_columns(&form), &[])?;
        if user.user_email != present.user_email
            && let Some(email) = &user.user_email
            && people::find(&desk, None, Some(email)).await?.is_some_and(|other| other.user_id != user.user_id)
        {
            return Err(Refused::said(409, &format!("User with email {email} already exists")));
        }
        user.metadata = Some(rows::metadata(&form, present.metadata.clone().unwrap_or_default()));
        user.begin(&present, Time::now());
        if let Some(password) = password {
            password::keep(&desk, &user.user_id, password).await?;
        }
        user.created_at = user.created_at.or_else(|| Some(Time::now()));
        user.updated_at = Some(Time::now());
        desk.put(&user).await?;
        Ok(user)
    });
    let user: User = write.await?;
    if let Some(spend) = spend {
        let id = ScopeId::new(Level::User, user.user_id.as_str());
        spent::set(request, &id, user.period(), spend, "/user/update").await?;
    }
    Ok(user)
}

/// `POST /user/bulk_update`
pub(in crate::admin) async fn bulk_update(request: &Request) -> Answer {
    let form = request.form("BulkUpdateUserRequest")?;
    let items: Vec<Form> = if form.flag("all_users") == Some(true) {
        let updates =
            form.object("user_updates").cloned().ok_or_else(|| Refused::said(400, "user_updates must be given with all_users"))?;
        let all = request.read(|desk| async move { Ok(desk.all::<User>().await?) }).await?;
        let one = |user: User| {
            let mut form = Form { fields: updates.clone() };
            form.put("user_id", json!(user.user_id));
            form
        };
        all.into_iter().map(one).collect()
    } else {
        let items = form.get("users").and_then(Value::as_array).cloned().unwrap_or_default();
        items.iter().map(|item| Form { fields: item.as_object().cloned().unwrap_or_default() }).collect()
    };
    if items.is_empty() {
        return Err(Refused::said(400, "No users provided for update"));
    }
    let mut results = Vec::new();
    for form in items {
        let (id, email) = (form.owned("user_id"), form.owned("user_email"));
        results.push(match apply(request, form).await {
            Ok(user) => {
                let shown = rows::user(&request.app, &user);
                json!({"user_id": user.user_id, "user_email": user.user_email, "success": true, "error": null, "updated_user": shown})
            }
            Err(refused) => {
                json!({"user_id": id, "user_email": email, "success": false, "error": refused.message(), "updated_user": null})
            }
        });
    }
    let done = results.iter().filter(|result| result["success"] == true).count();
    let failed = results.len() - done;
    Ok(json!({"total_requested": results.len(), "results": results, "successful_updates": done, "failed_updates": failed}))
}

/// `POST /user/delete`: with their keys, and out of every team.
pub(in crate::admin) async fn delete(request: &Request) -> Answer {
    let form = request.form("DeleteUserRequest")?;
    let mut ids = form.texts("user_ids").unwrap_or_default();
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let own = administered(&desk, &caller).await?;
        ids.sort();
        ids.dedup();
        for id in &ids {
            let user = theirs(&desk, &caller, own.as_deref(), id).await?;
            remove(&desk, &user).await?;
        }
        Ok(ids.len())
    });
    Ok(json!(write.await?))
}

/// Refuses who may delete nobody.
pub(in crate::admin) async fn may_delete(request: &Request) -> Result<(), Refused> {
    let caller = request.caller.clone();
    let nobody = |refused: Refused| match refused.status.is_server_error() {
        true => refused,
        false => Refused::forbidden("Only PROXY_ADMIN or ORG_ADMIN users may delete users."),
    };
    request.read(move |desk| async move { administered(&desk, &caller).await.map(drop).map_err(nobody) }).await
}

/// Deletes one user, with the keys; gives what there was.
pub(in crate::admin) async fn delete_one(request: &Request, id: &str) -> Result<User, Refused> {
    let (caller, id) = (request.caller.clone(), id.to_owned());
    let write = request.write(move |desk| async move {
        let own = administered(&desk, &caller).await?;
        let user = theirs(&desk, &caller, own.as_deref(), &id).await?;
        remove(&desk, &user).await?;
        Ok(user)
    });
    write.await
}

/// The user of that id, for a caller who administers those organizations, or all.
async fn theirs(desk: &Desk, caller: &Caller, own: Option<&[String]>, id: &str) -> Result<User, Refused> {
    let user: Option<User> = desk.get(id).await?;
    let theirs = match (own, &user) {
        (Some(own), Some(user)) => is_among(desk, user, own).await? && object::answers_for(desk, caller, user).await?,
        (own, _) => own.is_none(),
    };
    if !theirs {
        let message = "Only PROXY_ADMIN may delete users outside your administered organizations.";
        return Err(Refused::told(403, &format!("User {id} is not within your admin scope. {message}")));
    }
    user.ok_or_else(|| Refused::told(404, &format!("User not found, passed user_id={id}")))
}

/// The organizations whose people a caller may delete. None: all, and those of none.
async fn administered(desk: &Desk, caller: &Caller) -> Result<Option<Vec<String>>, Refused> {
    if caller.is_admin() {
        return Ok(None);
    }
    let memberships = match &caller.user {
        Some(user) => desk.of_user::<OrganizationMember>(user).await?,
        None => Vec::new(),
    };
    let own = memberships.into_iter().filter(|member| member.user_role == Some(Role::OrgAdmin));
    let own: Vec<String> = own.map(|member| member.organization_id).collect();
    if own.is_empty() { Err(crate::authz::admins_only(caller, "/user/delete")) } else { Ok(Some(own)) }
}

/// Whether a user is in no other organizations than those. Who sees the whole gateway is nobody's to delete.
async fn is_among(desk: &Desk, user: &User, own: &[String]) -> Result<bool, Refused> {
    let sees_all = matches!(user.user_role, Some(Role::ProxyAdmin | Role::ProxyAdminViewer));
    let memberships = desk.of_user::<OrganizationMember>(&user.user_id).await?;
    Ok(!sees_all && !memberships.is_empty() && memberships.iter().all(|member| own.contains(&member.organization_id)))
}

/// Deletes a user, with the keys.
async fn remove(desk: &Desk, user: &User) -> Result<(), Refused> {
    for key in desk.of_user::<Key>(&user.user_id).await? {
        people::remove_key(desk, &key).await?;
    }
    forget(desk, user).await
}

/// Deletes a user, and whatever would open a door to somebody who comes later under the same id. Keys are for the caller to retire.
pub(in crate::admin) async fn forget(desk: &Desk, user: &User) -> Result<(), Refused> {
    password::forget(desk, &user.user_id).await?;
    for invitation in desk.of_user::<Invitation>(&user.user_id).await? {
        desk.delete::<Invitation>(&invitation.digest).await?;
    }
    for team in &user.teams {
        if let Some(mut team) = desk.get::<Team>(team).await? {
            people::leave(desk, &mut team, &user.user_id).await?;
            desk.put(&team).await?;
        }
    }
    for member in desk.of_user::<OrganizationMember>(&user.user_id).await? {
        desk.delete::<OrganizationMember>(&OrganizationMember::id_of(&member.organization_id, &user.user_id)).await?;
    }
    desk.delete::<User>(&user.user_id).await?;
    Ok(())
}
