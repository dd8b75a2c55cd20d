//! Making users.

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard_store::object::{Budget, Key, Member, Organization, OrganizationMember, Renewed, Role, Team, User};
use switchboard_store::{Desk, Time};

use crate::admin::form::Form;
use crate::admin::rows::{self, IN_METADATA};
use crate::admin::{Answer, Request, defaults, keys, members};
use crate::app::App;
use crate::auth::{Caller, password};
use crate::authz::object::administers_organization;
use crate::people::{self, Portion};
use crate::refused::Refused;

/// `POST /user/new`
pub(in crate::admin) async fn new(request: &Request) -> Answer {
    let (user, key, form) = made(request, request.form("NewUserRequest")?).await?;
    Ok(shown(request, &user, key, &form))
}

/// Makes the user of a form; gives the secret of the key, where there is one.
pub(in crate::admin) async fn make(request: &Request, form: Form) -> Result<(User, Option<String>), Refused> {
    let (user, key, _) = made(request, form).await?;
    Ok((user, key.map(|(secret, ..)| secret)))
}

async fn made(request: &Request, form: Form) -> Result<(User, Option<Made>, Form), Refused> {
    let form = defaults::for_user(&request.app.config(), form);
    rows::amounts(&form)?;
    let (caller, app) = (request.caller.clone(), request.app.clone());
    let password = hashed(&form).await?;
    let write = request.write(move |desk| async move {
        may_make(&desk, &caller, &form).await?;
        let mut user = fresh(&desk, &form).await?;
        desk.put(&user).await?;
        if let Some(password) = password {
            password::keep(&desk, &user.user_id, password).await?;
        }
        join_organizations(&desk, &form, &user).await?;
        for (team, member, portion) in wanted_teams(&form, &user) {
            let found: Option<Team> = desk.get(&team).await?;
            let mut found = found.ok_or_else(|| Refused::said(404, &format!("Team not found, passed team id: {team}.")))?;
            people::join(&desk, &mut found, &member, &portion).await?;
            desk.put(&found).await?;
        }
        let key = match form.flag("auto_create_key").unwrap_or(true) {
            true => Some(key_of(&desk, (&caller, &app), &form, &user).await?),
            false => None,
        };
        user = desk.get(&user.user_id).await?.unwrap_or(user);
        Ok((user, key, form))
    });
    write.await
}

/// The password a request sets, as it is kept.
pub(super) async fn hashed(form: &Form) -> Result<Option<String>, Refused> {
    match form.text("password") {
        Some(given) => password::hashed(given).await.map(Some),
        None => Ok(None),
    }
}

async fn may_make(desk: &Desk, caller: &Caller, form: &Form) -> Result<(), Refused> {
    if caller.is_admin() {
        return Ok(());
    }
    let organizations = organizations(form);
    let mut may = !organizations.is_empty() && !matches!(form.text("user_role"), Some("proxy_admin" | "proxy_admin_viewer"));
    for organization in &organizations {
        may = may && administers_organization(desk, caller, organization).await?;
    }
    if may && form.get("teams").is_none() && form.get("team_id").is_none() {
        return Ok(());
    }
    Err(crate::authz::admins_only(caller, "/user/new"))
}

async fn fresh(desk: &Desk, form: &Form) -> Result<User, Refused> {
    let now = Time::now();
    let mut user: User = rows::merged(&User::default(), &only_columns(form), &[])?;
    user.user_id = form.owned("user_id").filter(|id| !id.is_empty()).unwrap_or_else(crate::id::of_object);
    if desk.get::<User>(&user.user_id).await?.is_some() {
        return Err(Refused::said(409, &format!("User with id {} already exists", user.user_id)));
    }
    if let Some(email) = &user.user_email
        && people::find(desk, None, Some(email)).await?.is_some()
    {
        return Err(Refused::said(409, &format!("User with email {email} already exists")));
    }
    let metadata = rows::metadata(form, Default::default());
    user.metadata = Some(metadata);
    user.teams = Vec::new();
    user.begin(&User::default(), now);
    (user.created_at, user.updated_at, user.created_by) = (Some(now), Some(now), Some(desk.actor().to_owned()));
    Ok(user)
}

/// The sent fields that are columns of a user, and may be set by a request.
pub(super) fn only_columns(form: &Form) -> Form {
    const NOT: [&str; 7] = ["user_id", "metadata", "teams", "spend", "password", "organization_id", "team_id"];
    let columns = rows::columns(&User::default());
    let mut out = Form::default();
    for (name, value) in &form.fields {
        let kept = columns.contains_key(name) && !NOT.contains(&name.as_str());
        if kept && (!IN_METADATA.contains(&name.as_str()) || name == "policies") {
            out.fields.insert(name.clone(), value.clone());
        }
    }
    out
}

/// The teams a request wants its user in: by id, or with a role and a budget.
fn wanted_teams(form: &Form, user: &User) -> Vec<(String, Member, Portion)> {
    let member = |role: &str| Member { user_id: Some(user.user_id.clone()), user_email: user.user_email.clone(), role: role.to_owned() };
    let mut wanted: Vec<(String, Member, Portion)> = Vec::new();
    for team in form.get("teams").and_then(Value::as_array).into_iter().flatten() {
        match team {
            Value::String(id) => wanted.push((id.clone(), member("user"), Portion::default())),
            team => {
                let own = Form { fields: team.as_object().cloned().unwrap_or_default() };
                let role = own.text("user_role").unwrap_or("user");
                wanted.push((own.owned("team_id").unwrap_or_default(), member(role), members::portion(&own)));
            }
        }
    }
    if let Some(id) = form.text("team_id").filter(|id| !wanted.iter().any(|(team, ..)| team == id)) {
        wanted.push((id.to_owned(), member("user"), Portion::default()));
    }
    wanted
}

/// The organizations a request wants its user in, by either of their names.
fn organizations(form: &Form) -> Vec<String> {
    let mut wanted = form.texts("organizations").unwrap_or_default();
    wanted.extend(form.owned("organization_id").filter(|id| !id.is_empty() && !wanted.contains(id)));
    wanted
}

async fn join_organizations(desk: &Desk, form: &Form, user: &User) -> Result<(), Refused> {
    for id in organizations(form) {
        if desk.get::<Organization>(&id).await?.is_none() {
            return Err(Refused::said(404, &format!("Organization not found, passed organization_id={id}")));
        }
        let now = Some(Time::now());
        let member = OrganizationMember {
            user_id: user.user_id.clone(),
            organization_id: id,
            user_role: Some(Role::InternalUser),
            budget_id: None,
            brought_in_by: None,
            created_at: now,
            updated_at: now,
        };
        desk.put(&member).await?;
    }
    Ok(())
}

type Made = (String, Key, Option<Budget>);

/// The first key of a user. The budget is the user's, not the key's.
async fn key_of(desk: &Desk, (caller, app): (&Caller, &Arc<App>), form: &Form, user: &User) -> Result<Made, Refused> {
    let mut own = form.clone();
    for field in ["max_budget", "budget_duration", "budget_limits", "model_max_budget", "soft_budget", "metadata", "organization_id"] {
        own.take(field);
    }
    own.put("user_id", json!(user.user_id));
    let (secret, mut key, budget) = keys::new_key(desk, app, &own).await?;
    key.created_by = Some(caller.actor().to_owned());
    keys::given(desk, caller, (&Key::default(), &key)).await?;
    desk.put(&key).await?;
    Ok((secret, key, budget))
}

fn shown(request: &Request, user: &User, key: Option<Made>, form: &Form) -> Value {
    let mut answer = match &key {
        Some((secret, key, budget)) => keys::answer("NewUserResponse", secret, key, budget.as_ref(), form),
        None => {
            let mut row = rows::shape("NewUserResponse");
            row.insert("key".to_owned(), json!(""));
            Value::Object(row)
        }
    };
    let row = rows::user(&request.app, user);
    let own = [
        "user_id",
        "user_email",
        "user_role",
        "user_alias",
        "teams",
        "max_budget",
        "budget_duration",
        "budget_limits",
        "models",
        "metadata",
        "tpm_limit",
        "rpm_limit",
        "max_parallel_requests",
        "model_max_budget",
        "created_at",
        "updated_at",
        "spend",
    ];
    for name in own {
        if let Some(value) = row.get(name) {
            answer[name] = value.clone();
        }
    }
    answer["budget_limits"] = json!(user.budget_limits);
    answer["created_by"] = json!(user.created_by);
    answer["updated_by"] = json!(user.created_by);
    answer
}
