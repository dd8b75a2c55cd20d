//! Making keys.

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard_store::object::{Budget, Json, Key, Organization, Project, Renewed, Team, User};
use switchboard_store::{Desk, Time};

use crate::admin::form::Form;
use crate::admin::rows::{self, IN_METADATA};
use crate::admin::{Answer, Request, defaults, duration, spent};
use crate::app::App;
use crate::auth::{Caller, SERVICE_ACCOUNT, digest, mint};
use crate::authz::contain::{self, Bounds};
use crate::authz::object::{self, Standing};
use crate::config::Config;
use crate::refused::Refused;

use super::{makers, may};

/// `POST /key/generate`
pub(in crate::admin) async fn generate(request: &Request) -> Answer {
    let form = request.form("GenerateKeyRequest")?;
    make(request, form).await
}

/// `POST /key/service-account/generate`: a key of a team, and of no user.
pub(in crate::admin) async fn service_account(request: &Request) -> Answer {
    let mut form = request.form("GenerateKeyRequest")?;
    if form.text("team_id").is_none() {
        return Err(Refused::said(400, "team_id is required for service account keys. Please specify `team_id` in the request body."));
    }
    form.put("user_id", Value::Null);
    let mut metadata = form.object("metadata").cloned().unwrap_or_default();
    if metadata.get(SERVICE_ACCOUNT).is_none_or(Value::is_null) {
        metadata.insert(SERVICE_ACCOUNT.to_owned(), json!(form.owned("key_alias").unwrap_or_else(crate::id::mint)));
    }
    form.put("metadata", metadata);
    make_for(request, form, Owner::Nobody).await
}

async fn make(request: &Request, form: Form) -> Answer {
    make_for(request, form, Owner::Caller).await
}

/// Whose a key is when its request names nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Caller,
    Nobody,
}

async fn make_for(request: &Request, form: Form, owner: Owner) -> Answer {
    let (app, caller) = (request.app.clone(), request.caller.clone());
    let config = app.config();
    makers::said(&config, &caller, &form)?;
    let form = defaults::for_key(&config, form)?;
    let made = request.write(move |desk| async move {
        let form = owned(&desk, (&caller, &config), form, owner).await?;
        let (secret, mut key, budget) = new_key(&desk, &app, &form).await?;
        // Whoever makes it for themselves changes it afterwards, so this is never what a header says.
        key.created_by = Some(caller.actor().to_owned());
        let team: Option<Team> = match &key.team_id {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        contain::passages(&caller, "key", &Json::new(), &key.metadata)?;
        contain::spending(&caller, &Key::default(), &key)?;
        may::given(&desk, &caller, (&Key::default(), &key)).await?;
        if let Some(bounds) = Bounds::of(&desk, &caller, team.as_ref()).await? {
            bounds.hold(&key)?;
            key.makers = bounds.makers();
        }
        desk.put(&key).await?;
        Ok::<_, Refused>((secret, key, budget, form))
    });
    let (secret, key, budget, form) = made.await?;
    if let Some(spend) = spent::wanted(&form).filter(|_| request.caller.is_admin()) {
        spent::set_key(request, &key, key.period(), spend, "/key/generate").await?;
    }
    Ok(answer("GenerateKeyResponse", &secret, &key, budget.as_ref(), &form))
}

/// Settles whose the key is to be, or refuses who may not make such a one.
async fn owned(desk: &Desk, (caller, config): (&Caller, &Config), mut form: Form, owner: Owner) -> Result<Form, Refused> {
    in_project(desk, caller, &mut form).await?;
    let team: Option<Team> = match form.text("team_id") {
        Some(id) => {
            let team = desk.get(id).await?;
            // An administrator may name teams that are kept elsewhere, as long as it is not said who may make keys of teams.
            let elsewhere = caller.is_admin() && owner == Owner::Caller && makers::anybody(config);
            if team.is_none() && !elsewhere {
                return Err(no_team(id));
            }
            team
        }
        None => None,
    };
    if form.text("team_id").is_none() {
        makers::personal(config, caller)?;
    }
    if caller.is_admin() {
        return Ok(form);
    }
    in_organization(desk, caller, team.as_ref(), &form).await?;
    if let Some(team) = &team {
        let standing = object::of_team(desk, caller, team).await?;
        if standing == Standing::Stranger {
            return Err(no_team(&team.team_id));
        }
        let may = standing == Standing::Admin || standing == Standing::Member && object::permits(team, "/key/generate");
        if !may {
            return Err(super::not_permitted(team, "/key/generate"));
        }
        makers::of_team(config, caller, team, standing)?;
        if standing == Standing::Admin {
            if owner == Owner::Caller && form.text("user_id").is_none() {
                form.put("user_id", json!(caller.user));
            }
            return for_member(desk, caller, member_of(team, form)?).await;
        }
    }
    let own = form.text("user_id").is_none_or(|user| caller.user.as_deref() == Some(user));
    if !own {
        let message = "User can only create keys for themselves.";
        return Err(Refused::forbidden(message));
    }
    if owner == Owner::Caller {
        form.put("user_id", json!(caller.user));
    }
    Ok(form)
}

/// What is told of a team that is not there.
pub(super) fn no_team(id: &str) -> Refused {
    Refused::said(400, &format!("Unable to find team object in database. Team id: {id}"))
}

/// What is told of a project that is not there.
fn no_project(id: &str) -> Refused {
    Refused::said(404, &format!("Project not found, project_id={id}"))
}

/// A key of a project is one of its team: whoever may not make that may not make this.
async fn in_project(desk: &Desk, caller: &Caller, form: &mut Form) -> Result<(), Refused> {
    if caller.is_admin() {
        return Ok(());
    }
    let Some(id) = form.owned("project_id") else { return Ok(()) };
    let missing = || no_project(&id);
    let project: Project = desk.get(&id).await?.ok_or_else(missing)?;
    let team: Option<Team> = match &project.team_id {
        Some(team) => desk.get(team).await?,
        None => None,
    };
    let team = team.ok_or_else(missing)?;
    if object::of_team(desk, caller, &team).await? == Standing::Stranger {
        return Err(missing());
    }
    if form.text("team_id").is_none() {
        form.put("team_id", team.team_id);
    }
    Ok(())
}

/// An organization pays for the keys in it: it is that of the team, or one that the caller belongs to.
async fn in_organization(desk: &Desk, caller: &Caller, team: Option<&Team>, form: &Form) -> Result<(), Refused> {
    let Some(id) = form.text("organization_id") else { return Ok(()) };
    let missing = || Refused::said(400, &format!("Organization not found, passed organization_id={id}"));
    if let Some(team) = team {
        return if team.organization_id.as_deref() == Some(id) { Ok(()) } else { Err(missing()) };
    }
    let organization: Organization = desk.get(id).await?.ok_or_else(missing)?;
    match object::of_organization(desk, caller, &organization).await? {
        Standing::Stranger => Err(missing()),
        _ => Ok(()),
    }
}

/// A team's administrator makes keys for members of the team.
fn member_of(team: &Team, form: Form) -> Result<Form, Refused> {
    match form.text("user_id") {
        Some(user) if team.member(user).is_none() => {
            Err(Refused::forbidden(format!("User={user} not assigned to team. Passed team_id={}.", team.team_id)))
        }
        Some(_) | None => Ok(form),
    }
}

/// Whoever holds a key acts as its user. So a key for somebody for whom its maker does not answer is one for calls alone.
async fn for_member(desk: &Desk, caller: &Caller, mut form: Form) -> Result<Form, Refused> {
    let user: Option<User> = match form.text("user_id").filter(|user| caller.user.as_deref() != Some(user)) {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    let Some(user) = user else { return Ok(form) };
    if object::answers_for(desk, caller, &user).await? {
        return Ok(form);
    }
    let routes = form.texts("allowed_routes").unwrap_or_default();
    match form.text("key_type") {
        Some(CALLS) => Ok(form),
        None | Some("default") if routes.is_empty() => {
            form.put("key_type", json!(CALLS));
            Ok(form)
        }
        _ if is_for_calls(&routes) => Ok(form),
        _ => Err(Refused::forbidden(format!(
            "User={} has to do with more than you administer: such a key is of `key_type` `{CALLS}`",
            user.user_id
        ))),
    }
}

/// The type of keys that call models and do nothing else.
const CALLS: &str = "llm_api";
/// The routes of such keys.
const CALL_ROUTES: &str = "llm_api_routes";

/// Whether a key of those routes calls models and does nothing else.
pub(super) fn is_for_calls(routes: &[String]) -> bool {
    !routes.is_empty() && routes.iter().all(|route| route == CALL_ROUTES)
}

/// The key a form asks for, not yet kept: the key itself, its row, and a budget made for it.
pub(in crate::admin) async fn new_key(desk: &Desk, app: &Arc<App>, form: &Form) -> Result<(String, Key, Option<Budget>), Refused> {
    rows::amounts(form)?;
    stays(form)?;
    let secret = match form.text("key") {
        Some(brought) => brought_along(brought)?,
        None => mint::key(),
    };
    let now = Time::now();
    let mut key: Key = rows::merged(&Key::default(), &only_columns(form), &[])?;
    key.token = hex::encode(digest(secret.as_bytes()));
    key.verifier = app.keys.load().pepper().map(|pepper| pepper.proof(&secret));
    key.key_name = Some(mint::short(&secret));
    key.metadata = rows::metadata(form, key.metadata);
    key.expires = form.text("duration").filter(|text| *text != "-1").map(|text| duration::after(now, text)).transpose()?;
    key.begin(&Key::default(), now);
    key_type(&mut key)?;
    (key.created_at, key.updated_at) = (Some(now), Some(now));
    (key.created_by, key.updated_by) = (Some(desk.actor().to_owned()), Some(desk.actor().to_owned()));
    if desk.get::<Key>(&key.token).await?.is_some() {
        return Err(Refused::bad("Key already exists. Send another `key`, or none to get a new one"));
    }
    alias_is_free(desk, key.key_alias.as_deref(), &key.token).await?;
    placed(desk, &mut key).await?;
    let budget = own_budget(desk, form, &mut key).await?;
    Ok((secret, key, budget))
}

/// Refuses a key that is to get a new secret by itself: there would be nobody to tell it to.
pub(super) fn stays(form: &Form) -> Result<(), Refused> {
    if form.flag("auto_rotate") == Some(true) {
        let message = "`auto_rotate` is not kept to: keys get a new secret by `/key/regenerate` alone, which tells it; \
                       with `grace_period` the former one goes on for a while";
        return Err(Refused::new(400, "bad_request_error", json!("auto_rotate"), message));
    }
    Ok(())
}

/// A key that the caller made.
fn brought_along(key: &str) -> Result<String, Refused> {
    if !key.starts_with("sk-") {
        let message = "Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: ****";
        return Err(Refused::said(400, message));
    }
    if key.len() < mint::SHORTEST || !mint::may_be_key(key) {
        let message = format!("Invalid key format. A key has at least {} visible ASCII characters", mint::SHORTEST);
        return Err(Refused::said(400, &message));
    }
    Ok(key.to_owned())
}

/// The sent fields that are columns of a key, and may be set by a request.
pub(super) fn only_columns(form: &Form) -> Form {
    const NOT: [&str; 12] = [
        "key",
        "duration",
        "metadata",
        "spend",
        "soft_budget",
        "send_invite_email",
        "new_key",
        "new_master_key",
        "grace_period",
        "expires",
        "token",
        "verifier",
    ];
    let columns = rows::columns(&Key::default());
    let mut out = Form::default();
    for (name, value) in &form.fields {
        let kept = columns.contains_key(name) && !NOT.contains(&name.as_str());
        if kept && (!IN_METADATA.contains(&name.as_str()) || name == "policies" && value.is_array()) {
            out.fields.insert(name.clone(), value.clone());
        }
    }
    out
}

/// The routes that a type of key stands for.
fn key_type(key: &mut Key) -> Result<(), Refused> {
    let routes = match key.key_type.as_deref() {
        None | Some("default") => return Ok(()),
        Some(CALLS) => CALL_ROUTES,
        Some("management") => "management_routes",
        Some("read_only") => "info_routes",
        Some(other) => return Err(Refused::bad(format!("there is no key type `{other}`"))),
    };
    key.allowed_routes = vec![routes.to_owned()];
    Ok(())
}

/// Two keys with one alias would be one and the same to people.
pub(super) async fn alias_is_free(desk: &Desk, alias: Option<&str>, token: &str) -> Result<(), Refused> {
    let Some(alias) = alias else { return Ok(()) };
    let taken = desk.named::<Key>(alias).await?.iter().any(|key| key.token != token);
    if !taken {
        return Ok(());
    }
    let message = format!("Key with alias '{alias}' already exists. Unique key aliases across all keys are required.");
    Err(Refused::new(400, "bad_request_error", json!("key_alias"), message))
}

/// Checks the team and the project a key is put into.
pub(super) async fn placed(desk: &Desk, key: &mut Key) -> Result<(), Refused> {
    if let Some(id) = &key.project_id {
        let project: Option<Project> = desk.get(id).await?;
        let project = project.ok_or_else(|| no_project(id))?;
        if key.team_id != project.team_id {
            return Err(Refused::said(400, "the project does not belong to the key's team"));
        }
    }
    let team: Option<Team> = match &key.team_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    if let Some(team) = team {
        if !key.models.is_empty() {
            contain::within_team(key, &team)?;
        }
        if key.organization_id.is_none() {
            key.organization_id = team.organization_id;
        }
    }
    if let Some(id) = &key.budget_id
        && desk.get::<Budget>(id).await?.is_none()
    {
        return Err(Refused::said(400, &format!("Budget not found, passed budget_id={id}")));
    }
    Ok(())
}

/// A soft budget stands in a row of its own, as LiteLLM has it.
async fn own_budget(desk: &Desk, form: &Form, key: &mut Key) -> Result<Option<Budget>, Refused> {
    let Some(soft_budget) = form.money("soft_budget") else { return Ok(None) };
    let (now, actor) = (Some(Time::now()), Some(desk.actor().to_owned()));
    let budget = Budget {
        budget_id: crate::id::mint(),
        soft_budget: Some(soft_budget),
        max_budget: key.max_budget,
        created_by: actor.clone(),
        updated_by: actor,
        created_at: now,
        updated_at: now,
        ..Budget::default()
    };
    desk.put(&budget).await?;
    key.budget_id = Some(budget.budget_id.clone());
    Ok(Some(budget))
}

/// What a key was made as, with the key itself: the only time it is shown.
pub(in crate::admin) fn answer(shape: &str, secret: &str, key: &Key, budget: Option<&Budget>, form: &Form) -> Value {
    let mut row = rows::shape(shape);
    rows::filled(&mut row, &rows::columns(key));
    rows::without_beginnings(&mut row);
    for (name, value) in [("key", json!(secret)), ("token", json!(key.token)), ("token_id", json!(key.token))] {
        row.insert(name.to_owned(), value);
    }
    if key.key_type.is_none() {
        row.insert("key_type".to_owned(), json!("default"));
    }
    row.insert("spend".to_owned(), form.get("spend").cloned().unwrap_or(json!(0.0)));
    if let Some(soft_budget) = form.get("soft_budget") {
        row.insert("soft_budget".to_owned(), soft_budget.clone());
    }
    row.insert("litellm_budget_table".to_owned(), budget.map_or(Value::Null, rows::budget));
    Value::Object(row)
}
