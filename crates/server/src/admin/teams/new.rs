//! Making teams.

use serde_json::{Value, json};
use switchboard_store::object::{Budget, Json, Key, Member, Organization, Renewed, Team, TeamMember};
use switchboard_store::{Desk, Time};

use crate::admin::form::Form;
use crate::admin::grouping::access_groups;
use crate::admin::rows::{self, IN_METADATA};
use crate::admin::scim::Admins;
use crate::admin::{Answer, Request, defaults, members};
use crate::auth::Caller;
use crate::authz::contain;
use crate::authz::object::administers_organization;
use crate::people::{self, Portion};
use crate::refused::Refused;

/// `POST /team/new`
pub(in crate::admin) async fn new(request: &Request) -> Answer {
    let form = defaults::for_team(&request.app.config(), request.form("NewTeamRequest")?);
    rows::amounts(&form)?;
    let (caller, admins) = (request.caller.clone(), Admins::of(request));
    let stays_out = caller.is_admin() && request.app.config().general.keeps_makers_out;
    let maker = caller.user.clone().filter(|_| !stays_out);
    let write = request.write(move |desk| async move {
        may_make(&desk, &caller, &form).await?;
        let mut team = fresh(&desk, &form).await?;
        admins.may_be_called(&caller, None, &team)?;
        contain::passages(&caller, "team", &Json::new(), &team.metadata.clone().unwrap_or_default())?;
        leaves_keys_alone(&desk, &caller, &team).await?;
        within_organization(&desk, &team).await?;
        let mut members = members::named(form.get("members_with_roles"));
        for (list, role) in [("admins", "admin"), ("members", "user")] {
            let named = form.texts(list).unwrap_or_default();
            members.extend(named.into_iter().map(|user| Member { user_id: Some(user), user_email: None, role: role.to_owned() }));
        }
        if let Some(user) = maker.filter(|user| !members.iter().any(|member| member.user_id.as_ref() == Some(user))) {
            members.push(Member { user_id: Some(user), user_email: None, role: "admin".to_owned() });
        }
        let portion = shared_portion(&desk, &form, &mut team).await?;
        for member in &members {
            let brought_in_by = members::bringing(&desk, &caller, member.user_id.as_deref(), member.user_email.as_deref()).await?;
            people::join(&desk, &mut team, member, &Portion { brought_in_by, ..portion.clone() }).await?;
        }
        desk.put(&team).await?;
        access_groups::mirror(&desk, &team.team_id, None, team.access_group_ids.as_deref()).await?;
        Ok(team)
    });
    Ok(Value::Object(rows::team(&request.app, &write.await?)))
}

async fn may_make(desk: &Desk, caller: &Caller, form: &Form) -> Result<(), Refused> {
    let may = match form.text("organization_id") {
        Some(organization) => administers_organization(desk, caller, organization).await?,
        None => caller.is_admin(),
    };
    if may {
        return Ok(());
    }
    Err(crate::authz::admins_only(caller, "/team/new"))
}

async fn fresh(desk: &Desk, form: &Form) -> Result<Team, Refused> {
    let now = Time::now();
    let mut team: Team = rows::merged(&Team::default(), &only_columns(form), &[])?;
    team.team_id = form.owned("team_id").filter(|id| !id.is_empty()).unwrap_or_else(crate::id::of_object);
    if desk.get::<Team>(&team.team_id).await?.is_some() {
        return Err(taken(&team.team_id));
    }
    let metadata = rows::metadata(form, Default::default());
    team.metadata = (!metadata.is_empty() || form.get("metadata").is_some()).then_some(metadata);
    team.begin(&Team::default(), now);
    (team.created_at, team.updated_at, team.created_by) = (Some(now), Some(now), Some(desk.actor().to_owned()));
    Ok(team)
}

/// Keys may name a team that there is not yet: whoever makes it has them, which is for those to decide who could have made the keys.
async fn leaves_keys_alone(desk: &Desk, caller: &Caller, team: &Team) -> Result<(), Refused> {
    if caller.is_admin() || desk.of_team::<Key>(&team.team_id).await?.is_empty() {
        return Ok(());
    }
    Err(taken(&team.team_id))
}

fn taken(id: &str) -> Refused {
    Refused::said(400, &format!("Team id = {id} already exists. Please use a different team id."))
}

/// The sent fields that are columns of a team, and may be set by a request.
pub(super) fn only_columns(form: &Form) -> Form {
    const NOT: [&str; 6] = ["team_id", "metadata", "admins", "members", "members_with_roles", "spend"];
    let columns = rows::columns(&Team::default());
    let mut out = Form::default();
    for (name, value) in &form.fields {
        let kept = columns.contains_key(name) && !NOT.contains(&name.as_str());
        if kept && (!IN_METADATA.contains(&name.as_str()) || name == "policies") {
            out.fields.insert(name.clone(), value.clone());
        }
    }
    out
}

/// A team of an organization has no more than the organization.
pub(super) async fn within_organization(desk: &Desk, team: &Team) -> Result<(), Refused> {
    let Some(id) = &team.organization_id else { return Ok(()) };
    let organization: Option<Organization> = desk.get(id).await?;
    let organization = organization.ok_or_else(|| Refused::said(404, &format!("Organization not found, passed organization_id={id}")))?;
    let every = |list: &[String]| list.is_empty() || list.iter().any(|name| name == crate::access::ALL);
    let foreign = team.models.iter().find(|model| !organization.models.contains(model)).filter(|_| !every(&organization.models));
    if let Some(model) = foreign {
        let message = format!("Cannot use model '{model}': it is not among the models of organization {id}: {:?}", organization.models);
        return Err(Refused::said(403, &message));
    }
    let budget: Option<Budget> = match &organization.budget_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    let Some(budget) = budget else { return Ok(()) };
    let over = |own: Option<u64>, most: Option<u64>| own.zip(most).is_some_and(|(own, most)| own > most);
    if team.max_budget.zip(budget.max_budget).is_some_and(|(own, most)| own > most) {
        return Err(Refused::said(400, "Team max_budget cannot exceed the max_budget of its organization"));
    }
    if over(team.tpm_limit, budget.tpm_limit) || over(team.rpm_limit, budget.rpm_limit) {
        return Err(Refused::said(400, "Team limits cannot exceed the limits of its organization"));
    }
    Ok(())
}

/// What every member of the team gets: a budget they share the terms of, and models.
pub(super) async fn shared_portion(desk: &Desk, form: &Form, team: &mut Team) -> Result<Portion, Refused> {
    const NAME: &str = "team_member_budget_id";
    let known = team.metadata.as_ref().and_then(|metadata| metadata.get(NAME)).and_then(Value::as_str).map(str::to_owned);
    let limits = ["team_member_budget", "team_member_budget_duration", "team_member_rpm_limit", "team_member_tpm_limit"];
    if limits.iter().all(|name| !form.sent(name)) {
        return Ok(Portion { budget_id: known, allowed_models: None, ..Portion::default() });
    }
    let mut budget = match &known {
        Some(id) => desk.get::<Budget>(id).await?.unwrap_or_default(),
        None => Budget::default(),
    };
    let (now, before) = (Time::now(), budget.clone());
    if budget.budget_id.is_empty() {
        (budget.budget_id, budget.created_at, budget.created_by) = (crate::id::of_object(), Some(now), Some(desk.actor().to_owned()));
    }
    if form.sent("team_member_budget") {
        budget.max_budget = form.money("team_member_budget");
    }
    if form.sent("team_member_budget_duration") {
        budget.budget_duration = form.owned("team_member_budget_duration");
        budget.begin(&before, now);
    }
    if form.sent("team_member_rpm_limit") {
        budget.rpm_limit = form.count("team_member_rpm_limit");
    }
    if form.sent("team_member_tpm_limit") {
        budget.tpm_limit = form.count("team_member_tpm_limit");
    }
    (budget.updated_at, budget.updated_by) = (Some(now), Some(desk.actor().to_owned()));
    desk.put(&budget).await?;
    team.metadata.get_or_insert_default().insert(NAME.to_owned(), json!(budget.budget_id));
    for member in desk.of_team::<TeamMember>(&team.team_id).await? {
        if member.budget_id.is_none() {
            desk.put(&TeamMember { budget_id: Some(budget.budget_id.clone()), ..member }).await?;
        }
    }
    Ok(Portion { budget_id: Some(budget.budget_id), ..Portion::default() })
}
