//! `/organization/…`.

use serde_json::{Value, json};
use switchboard_engine::terms::Level;
use switchboard_store::object::{Budget, Key, Organization, OrganizationMember, Team, User};
use switchboard_store::{Desk, Time};

use super::terms;
use crate::admin::form::Form;
use crate::admin::{Answer, Request, rows};
use crate::app::App;
use crate::auth::Caller;
use crate::authz::object::{self, Standing};
use crate::people;
use crate::refused::Refused;

pub(super) fn missing(id: &str) -> Refused {
    Refused::said(404, &format!("Organization not found for organization_id={id}"))
}

/// An organization with everything that its row shows.
struct Whole {
    organization: Organization,
    budget: Option<Budget>,
    members: Vec<(OrganizationMember, Option<Budget>, Option<User>)>,
    teams: Vec<Team>,
}

async fn whole(desk: &Desk, organization: Organization) -> Result<Whole, Refused> {
    let id = &organization.organization_id;
    let budget: Option<Budget> = match &organization.budget_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    let teams = desk.of_organization::<Team>(id).await?;
    let rows = desk.of_organization::<OrganizationMember>(id).await?;
    let budgets = terms::several(desk, rows.iter().map(|member| member.budget_id.clone())).await?;
    let ids: Vec<String> = rows.iter().map(|member| member.user_id.clone()).collect();
    let users: Vec<User> = desk.several(&ids).await?;
    let with = |member: OrganizationMember| {
        let budget = terms::find(&budgets, member.budget_id.as_ref()).cloned();
        let user = users.iter().find(|user| user.user_id == member.user_id).cloned();
        (member, budget, user)
    };
    Ok(Whole { members: rows.into_iter().map(with).collect(), organization, budget, teams })
}

fn shown(app: &App, whole: &Whole) -> Value {
    let Whole { organization, budget, members, teams } = whole;
    let mut row = rows::columns(organization);
    row.insert("spend".to_owned(), rows::spent(app, Level::Organization, &organization.organization_id));
    row.insert("model_spend".to_owned(), json!({}));
    row.insert("users".to_owned(), Value::Null);
    row.insert("litellm_budget_table".to_owned(), json!(budget.as_ref().map(rows::budget)));
    let members: Vec<Value> = members.iter().map(|(member, budget, user)| membership(member, budget.as_ref(), user.as_ref())).collect();
    row.insert("members".to_owned(), Value::Array(members));
    row.insert("teams".to_owned(), teams.iter().map(|team| Value::Object(rows::team(app, team))).collect());
    Value::Object(row)
}

/// What somebody is in an organization. What is spent is counted for the organization and for the user, not for both together.
pub(super) fn membership(member: &OrganizationMember, budget: Option<&Budget>, user: Option<&User>) -> Value {
    let mut row = rows::columns(member);
    row.insert("spend".to_owned(), Value::Null);
    row.insert("user".to_owned(), Value::Null);
    row.insert("user_email".to_owned(), json!(user.and_then(|user| user.user_email.clone())));
    row.insert("litellm_budget_table".to_owned(), json!(budget.map(rows::budget)));
    Value::Object(row)
}

/// `POST /organization/new`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("NewOrganizationRequest")?;
    rows::amounts(&form)?;
    let write = request.write(move |desk| async move {
        let id = form.owned("organization_id").filter(|id| !id.is_empty()).unwrap_or_else(crate::id::of_object);
        if desk.get::<Organization>(&id).await?.is_some() {
            return Err(Refused::said(400, &format!("Organization id = {id} already exists. Please use a different organization_id.")));
        }
        // An organization has a budget, be it one without terms.
        let budget = match terms::budget(&desk, &form, None).await? {
            Some(budget) => budget,
            None => terms::new(&desk, &Form::default(), None).await?,
        };
        let organization = Organization {
            organization_id: id,
            budget_id: Some(budget.budget_id),
            created_by: Some(desk.actor().to_owned()),
            created_at: Some(Time::now()),
            ..Organization::default()
        };
        let organization = put(&desk, &form, organization).await?;
        whole(&desk, organization).await
    });
    Ok(shown(&request.app, &write.await?))
}

async fn put(desk: &Desk, form: &Form, present: Organization) -> Result<Organization, Refused> {
    let mut own = Form::default();
    for name in ["organization_alias", "models", "object_permission"] {
        if let Some(value) = form.fields.get(name) {
            own.fields.insert(name.to_owned(), value.clone());
        }
    }
    let mut organization: Organization = rows::merged(&present, &own, &[])?;
    organization.metadata = rows::metadata(form, present.metadata);
    (organization.updated_at, organization.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
    desk.put(&organization).await?;
    Ok(organization)
}

/// The organization, for whoever administers it. To a stranger it is as if it were not there.
pub(super) async fn administered(desk: &Desk, caller: &Caller, id: &str) -> Result<Organization, Refused> {
    let organization: Option<Organization> = desk.get(id).await?;
    let not_allowed = || Refused::forbidden(format!("Call not allowed. User not proxy admin OR admin of organization_id={id}"));
    match organization {
        Some(organization) if object::of_organization(desk, caller, &organization).await? == Standing::Admin => Ok(organization),
        None if caller.is_admin() => Err(missing(id)),
        Some(_) | None => Err(not_allowed()),
    }
}

/// `PATCH /organization/update`
pub(super) async fn update(request: &Request) -> Answer {
    // The terms of its budget may be lifted by null, as those of a budget are.
    let form = rows::meant(request.form("UpdateOrganizationRequest")?, &terms::FIELDS);
    changed(request, form).await
}

/// `PATCH /v2/organization/{organization_id}`: what is sent is written, and null clears what may be nothing.
pub(super) async fn patch(request: &Request) -> Answer {
    const MAY_BE_NOTHING: [&str; 2] = ["metadata", "object_permission"];
    let form = request.form("PatchOrganizationRequest")?;
    let mut form = rows::meant(form, &[terms::FIELDS.as_slice(), &MAY_BE_NOTHING].concat());
    form.put("organization_id", request.part(0));
    changed(request, form).await
}

async fn changed(request: &Request, form: Form) -> Answer {
    rows::amounts(&form)?;
    let caller = request.caller.clone();
    let write = request.write(move |desk| async move {
        let id = form.owned("organization_id").unwrap_or_default();
        let mut organization = administered(&desk, &caller, &id).await?;
        // What an organization may have is for those above it to say.
        let more = form.sent("models") || form.sent("budget_id") || !terms::given(&form).fields.is_empty();
        if more && !caller.is_admin() {
            return Err(Refused::forbidden("only an administrator may change the models and the budget of an organization"));
        }
        if let Some(budget) = terms::budget(&desk, &form, organization.budget_id.as_deref()).await? {
            organization.budget_id = Some(budget.budget_id);
        }
        let organization = put(&desk, &form, organization).await?;
        whole(&desk, organization).await
    });
    Ok(shown(&request.app, &write.await?))
}

/// `DELETE /organization/delete`: with its teams, keys and memberships.
pub(super) async fn delete(request: &Request) -> Answer {
    let ids = request.form("DeleteOrganizationRequest")?.texts("organization_ids").unwrap_or_default();
    let write = request.write(move |desk| async move {
        let mut deleted = Vec::new();
        for id in &ids {
            let organization: Organization = desk.get(id).await?.ok_or_else(|| missing(id))?;
            let gone = whole(&desk, organization).await?;
            for team in &gone.teams {
                remove_team(&desk, team.clone()).await?;
            }
            for key in desk.of_organization::<Key>(id).await? {
                people::remove_key(&desk, &key).await?;
            }
            for (member, ..) in &gone.members {
                desk.delete::<OrganizationMember>(&OrganizationMember::id_of(id, &member.user_id)).await?;
            }
            desk.delete::<Organization>(id).await?;
            deleted.push(gone);
        }
        Ok(deleted)
    });
    let deleted = write.await?;
    Ok(deleted.iter().map(|gone| shown(&request.app, gone)).collect())
}

async fn remove_team(desk: &Desk, mut team: Team) -> Result<(), Refused> {
    for key in desk.of_team::<Key>(&team.team_id).await? {
        people::remove_key(desk, &key).await?;
    }
    let members: Vec<String> = team.members_with_roles.iter().filter_map(|member| member.user_id.clone()).collect();
    for member in members {
        people::leave(desk, &mut team, &member).await?;
    }
    super::tags::release(desk, &team.team_id).await?;
    super::access_groups::mirror(desk, &team.team_id, team.access_group_ids.as_deref(), None).await?;
    desk.delete::<Team>(&team.team_id).await?;
    Ok(())
}

/// The organization, for a caller who may see it.
async fn seen(desk: &Desk, caller: &Caller, id: &str) -> Result<Option<Organization>, Refused> {
    let Some(organization) = desk.get::<Organization>(id).await? else { return Ok(None) };
    let standing = object::of_organization(desk, caller, &organization).await?;
    Ok((standing != Standing::Stranger).then_some(organization))
}

/// `GET /organization/info`
pub(super) async fn info(request: &Request) -> Answer {
    let (id, caller) = (request.required("organization_id")?.to_owned(), request.caller.clone());
    let read = request.read(move |desk| async move {
        let gone = || Refused::detail(404, json!({"error": "Organization not found"}));
        let organization = seen(&desk, &caller, &id).await?.ok_or_else(gone)?;
        whole(&desk, organization).await
    });
    Ok(shown(&request.app, &read.await?))
}

/// `POST /organization/info`
pub(super) async fn info_of_many(request: &Request) -> Answer {
    let ids = request.form("OrganizationRequest")?.texts("organizations").unwrap_or_default();
    if ids.is_empty() {
        return Err(Refused::said(400, "Specify list of organization id's to query. Passed in=[]"));
    }
    let caller = request.caller.clone();
    let read = request.read(move |desk| async move {
        let mut found = Vec::new();
        for id in &ids {
            if let Some(organization) = seen(&desk, &caller, id).await? {
                found.push(whole(&desk, organization).await?);
            }
        }
        Ok(found)
    });
    let found = read.await?;
    Ok(found.iter().map(|one| shown(&request.app, one)).collect())
}

/// `GET /organization/list`
pub(super) async fn list(request: &Request) -> Answer {
    let text = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let (id, alias, caller) = (text("org_id"), text("org_alias").map(|alias| alias.to_lowercase()), request.caller.clone());
    let read = request.read(move |desk| async move {
        let mut found = Vec::new();
        for organization in visible(&desk, &caller).await? {
            let name = organization.organization_alias.as_deref().unwrap_or_default().to_lowercase();
            let fits = id.as_ref().is_none_or(|id| *id == organization.organization_id);
            if fits && alias.as_ref().is_none_or(|alias| name.contains(alias)) {
                found.push(whole(&desk, organization).await?);
            }
        }
        Ok(found)
    });
    let found = read.await?;
    Ok(found.iter().map(|one| shown(&request.app, one)).collect())
}

async fn visible(desk: &Desk, caller: &Caller) -> Result<Vec<Organization>, Refused> {
    if caller.sees_all() {
        return Ok(desk.all().await?);
    }
    let mut ids: Vec<String> = caller.organization.iter().cloned().collect();
    if let Some(user) = &caller.user {
        let memberships = desk.of_user::<OrganizationMember>(user).await?;
        ids.extend(memberships.into_iter().map(|member| member.organization_id));
    }
    Ok(desk.several(&ids).await?)
}
