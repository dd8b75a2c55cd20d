//! `/project/…`: parts of a team's work with models and budgets of their own.

use serde_json::{Value, json};
use switchboard_engine::terms::Level;
use switchboard_store::object::{Budget, Key, Project, Team};
use switchboard_store::{Desk, Time};

use super::terms;
use crate::admin::form::Form;
use crate::admin::teams::Permitted;
use crate::admin::{Answer, Request, rows};
use crate::app::App;
use crate::auth::Caller;
use crate::authz::contain;
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

fn missing(id: &str) -> Refused {
    Refused::said(404, &format!("Project not found, passed project_id={id}"))
}

fn shown(app: &App, project: &Project, budget: Option<&Budget>) -> Value {
    let mut row = rows::columns(project);
    row.insert("spend".to_owned(), rows::spent(app, Level::Project, &project.project_id));
    row.insert("model_spend".to_owned(), json!({}));
    row.insert("litellm_budget_table".to_owned(), json!(budget.map(rows::budget)));
    Value::Object(row)
}

/// The team, for whoever administers it and may make projects of it.
async fn team(desk: &Desk, caller: &Caller, permitted: &Permitted, id: &str) -> Result<Team, Refused> {
    let not_allowed = || Refused::forbidden(format!("Call not allowed. User not proxy admin OR admin of team_id={id}"));
    match desk.get::<Team>(id).await? {
        Some(team) if object::of_team(desk, caller, &team).await? == Standing::Admin && permitted.projects(desk, caller, &team).await? => {
            Ok(team)
        }
        None if caller.is_admin() => Err(Refused::said(404, &format!("Team not found, passed team_id={id}"))),
        Some(_) | None => Err(not_allowed()),
    }
}

/// A project has no models that its team has not.
fn contained(team: &Team, project: &Project) -> Result<(), Refused> {
    let every = team.models.is_empty() || team.models.iter().any(|model| model == crate::access::ALL);
    let fits = |model: &&String| !team.models.iter().any(|own| switchboard_engine::pattern::matches(own, model));
    match project.models.iter().find(fits).filter(|_| !every) {
        Some(model) => Err(Refused::said(400, &format!("Model '{model}' is not among the team's models {:?}", team.models))),
        None => Ok(()),
    }
}

/// `POST /project/new`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("NewProjectRequest")?;
    rows::amounts(&form)?;
    let (caller, permitted) = (request.caller.clone(), Permitted::now(request));
    let write = request.write(move |desk| async move {
        let id = form.owned("project_id").filter(|id| !id.is_empty()).unwrap_or_else(crate::id::of_object);
        team(&desk, &caller, &permitted, form.text("team_id").unwrap_or_default()).await?;
        if desk.get::<Project>(&id).await?.is_some() {
            return Err(Refused::said(400, &format!("Project id = {id} already exists. Please use a different project_id.")));
        }
        let made_by = Some(desk.actor().to_owned());
        put(&desk, &caller, &form, Project { project_id: id, created_by: made_by, created_at: Some(Time::now()), ..Project::default() })
            .await
    });
    let (project, budget) = write.await?;
    Ok(shown(&request.app, &project, budget.as_ref()))
}

async fn put(desk: &Desk, caller: &Caller, form: &Form, present: Project) -> Result<(Project, Option<Budget>), Refused> {
    const OWN: [&str; 8] =
        ["project_alias", "description", "team_id", "models", "model_rpm_limit", "model_tpm_limit", "blocked", "object_permission"];
    let mut own = Form::default();
    for name in OWN {
        if let Some(value) = form.fields.get(name) {
            own.fields.insert(name.to_owned(), value.clone());
        }
    }
    let budget = terms::budget(desk, form, present.budget_id.as_deref()).await?;
    let mut project: Project = rows::merged(&present, &own, &[])?;
    let before = present.metadata.unwrap_or_default();
    let metadata = rows::metadata(form, before.clone());
    contain::passages(caller, "project", &before, &metadata)?;
    project.metadata = (!metadata.is_empty()).then_some(metadata);
    project.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    (project.updated_at, project.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
    if let Some(team) = desk.get::<Team>(project.team_id.as_deref().unwrap_or_default()).await? {
        contained(&team, &project)?;
    }
    desk.put(&project).await?;
    Ok((project, budget))
}

/// `POST /project/update`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("UpdateProjectRequest")?;
    rows::amounts(&form)?;
    let (caller, permitted) = (request.caller.clone(), Permitted::now(request));
    let write = request.write(move |desk| async move {
        let id = form.owned("project_id").unwrap_or_default();
        let project: Option<Project> = desk.get(&id).await?;
        let project = match project {
            Some(project) => project,
            None if caller.is_admin() => return Err(missing(&id)),
            None => return Err(Refused::forbidden("Call not allowed. User not proxy admin OR admin of the project's team")),
        };
        if !caller.is_admin() {
            let present = team(&desk, &caller, &permitted, project.team_id.as_deref().unwrap_or_default()).await;
            present.map_err(|_| Refused::forbidden("Call not allowed. User not proxy admin OR admin of the project's team"))?;
        }
        let moves = form.sent("team_id") && form.text("team_id") != project.team_id.as_deref();
        let keys = if moves { desk.of_project::<Key>(&id).await?.len() } else { 0 };
        if keys > 0 {
            // They would stay keys of the other team, and count here.
            return Err(Refused::said(400, &format!("Project {id} has {keys} keys. Delete or move them before its team changes.")));
        }
        if let Some(other) = form.text("team_id").filter(|other| project.team_id.as_deref() != Some(*other)) {
            team(&desk, &caller, &permitted, other).await?;
        }
        put(&desk, &caller, &form, project).await
    });
    let (project, budget) = write.await?;
    Ok(shown(&request.app, &project, budget.as_ref()))
}

/// `DELETE /project/delete`
pub(super) async fn delete(request: &Request) -> Answer {
    let ids = request.form("DeleteProjectRequest")?.texts("project_ids").unwrap_or_default();
    let write = request.write(move |desk| async move {
        let mut deleted = Vec::new();
        for id in &ids {
            let project: Project = desk.get(id).await?.ok_or_else(|| missing(id))?;
            let keys = desk.of_project::<Key>(id).await?.len();
            if keys > 0 {
                return Err(Refused::said(400, &format!("Project {id} has {keys} keys. Delete or move them first.")));
            }
            desk.delete::<Project>(id).await?;
            deleted.push(project);
        }
        Ok(deleted)
    });
    let deleted = write.await?;
    Ok(deleted.iter().map(|project| shown(&request.app, project, None)).collect())
}

/// `GET /project/info`
pub(super) async fn info(request: &Request) -> Answer {
    let (id, caller) = (request.required("project_id")?.to_owned(), request.caller.clone());
    let read = request.read(move |desk| async move {
        let project: Project = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        let team: Option<Team> = desk.get(project.team_id.as_deref().unwrap_or_default()).await?;
        let standing = match &team {
            Some(team) => object::of_team(&desk, &caller, team).await?,
            None => Standing::Stranger,
        };
        if standing == Standing::Stranger && !caller.sees_all() {
            return Err(missing(&id));
        }
        let budget: Option<Budget> = match &project.budget_id {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        Ok((project, budget))
    });
    let (project, budget) = read.await?;
    Ok(shown(&request.app, &project, budget.as_ref()))
}

/// `GET /project/list`
pub(super) async fn list(request: &Request) -> Answer {
    let caller = request.caller.clone();
    let read = request.read(move |desk| async move {
        let projects: Vec<Project> = desk.all().await?;
        let mut seen = Vec::new();
        for project in projects {
            let own = match desk.get::<Team>(project.team_id.as_deref().unwrap_or_default()).await? {
                _ if caller.sees_all() => true,
                Some(team) => object::of_team(&desk, &caller, &team).await? != Standing::Stranger,
                None => false,
            };
            if own {
                seen.push(project);
            }
        }
        let budgets = terms::several(&desk, seen.iter().map(|project| project.budget_id.clone())).await?;
        Ok((seen, budgets))
    });
    let (projects, budgets) = read.await?;
    let row = |project: &Project| shown(&request.app, project, terms::find(&budgets, project.budget_id.as_ref()));
    Ok(projects.iter().map(row).collect())
}
