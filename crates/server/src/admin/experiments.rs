//! `/v1/experiments`, `/v1/feedback` and `/v1/savings`: which model does best, by whose word, and what choosing saves.

pub(super) mod feedback;
mod figures;
mod savings;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use switchboard_store::chain::{Entry, Outcome};
use switchboard_store::experiment;

use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::authz::Policy::{Admin, Info, Llm, Viewer};
use crate::config::resolved::ExperimentForm;
use crate::refused::Refused;
use crate::trials::{Known, State, Status};

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Experiments {
    List,
    One,
    Make,
    Change,
    Remove,
    Say,
    Said,
    Savings,
}

const fn one(method: &'static str, action: Experiments, form: &'static str, summary: &'static str) -> Row {
    Row { method, ..post("/v1/experiments/{name}", Action::Experiments(action), Admin, form, summary) }
}

/// The routes.
pub(super) const ROWS: &[Row] = &[
    get("/v1/experiments", Action::Experiments(Experiments::List), Viewer, "Experiments, and what their arms have come to"),
    post(
        "/v1/experiments",
        Action::Experiments(Experiments::Make),
        Admin,
        "ExperimentRequest",
        "Begin an experiment, or change what it is",
    ),
    get("/v1/experiments/{name}", Action::Experiments(Experiments::One), Viewer, "An experiment, and what its arms have come to"),
    one("PATCH", Experiments::Change, "ExperimentChange", "Pause, resume or stop an experiment, say who wins, or set shares"),
    one("DELETE", Experiments::Remove, "", "Remove an experiment that was made over the API"),
    post("/v1/feedback", Action::Experiments(Experiments::Say), Llm, "FeedbackRequest", "Say what you think of an answer"),
    post("/feedback", Action::Experiments(Experiments::Say), Llm, "FeedbackRequest", "Say what you think of an answer"),
    get("/v1/feedback", Action::Experiments(Experiments::Said), Info, "What was said of answers, the latest first"),
    get("/v1/savings", Action::Experiments(Experiments::Savings), Info, "What choosing models has saved, by day, key, team, …"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Experiments, request: &Request) -> Answer {
    match action {
        Experiments::List => list(request).await,
        Experiments::One => show(request, request.part(0)).await,
        Experiments::Make => make(request).await,
        Experiments::Change => change(request).await,
        Experiments::Remove => remove(request).await,
        Experiments::Say => feedback::say(request).await,
        Experiments::Said => feedback::said(request).await,
        Experiments::Savings => savings::savings(request).await,
    }
}

/// Those there are now, by the database's last word.
async fn known(request: &Request) -> Result<Vec<Known>, Refused> {
    let app = &request.app;
    app.trials.refresh(&request.store, &app.smart, &app.config()).await?;
    Ok(app.trials.known(&app.config()))
}

async fn find(request: &Request, name: &str) -> Result<Known, Refused> {
    let found = known(request).await?.into_iter().find(|known| known.experiment.name == name);
    found.ok_or_else(|| Refused::said(404, &format!("there is no experiment `{name}`")))
}

async fn list(request: &Request) -> Answer {
    let figures = experiment::figures(&request.store, None).await?;
    let all: Vec<Value> = known(request).await?.iter().map(|known| figures::shown(known, &figures)).collect();
    // What is copied for `silent_model` belongs to no experiment.
    let silent = figures::copies(&figures, "silent");
    Ok(json!({"data": all, "silent": silent}))
}

async fn show(request: &Request, name: &str) -> Answer {
    let known = find(request, name).await?;
    let figures = experiment::figures(&request.store, Some(known.experiment.name.clone())).await?;
    Ok(figures::shown(&known, &figures))
}

/// `POST /v1/experiments`
async fn make(request: &Request) -> Answer {
    let body = request.body.clone().unwrap_or(Value::Null);
    let form: ExperimentForm = serde_json::from_value(body).map_err(|error| Refused::said(400, &format!("an experiment: {error}")))?;
    let experiment = Arc::new(form.meant().map_err(|why| Refused::said(400, &why))?);
    let all = known(request).await?;
    let before = all.into_iter().find(|known| known.experiment.name == experiment.name);
    if before.as_ref().is_some_and(|before| before.form.is_none()) {
        let why = format!("the experiment `{}` stands in the configuration and is changed there", experiment.name);
        return Err(Refused::said(400, &why));
    }
    let (state, version) = before.as_ref().map_or_else(|| (State::default(), 0), |before| (before.state.clone(), before.version));
    let arms = |known: &Known| known.experiment.arms.iter().map(|arm| (arm.name.clone(), arm.weight.to_bits())).collect::<Vec<_>>();
    let made = Known { experiment, form: Some(form), state: state.begun(), version };
    // With other arms, or other weights, it begins anew.
    let same = before.as_ref().is_some_and(|before| arms(before) == arms(&made));
    let made = if same { made } else { Known { state: State::default().begun(), ..made } };
    written(request, before.as_ref(), &made).await
}

/// `PATCH /v1/experiments/{name}`
async fn change(request: &Request) -> Answer {
    let form = request.form("ExperimentChange")?;
    let before = find(request, request.part(0)).await?;
    let mut state = before.state.clone().begun();
    if let Some(status) = form.text("status") {
        state.status =
            serde_json::from_value(json!(status)).map_err(|_| Refused::bad("`status` may be running, paused, stopped or won"))?;
        if state.status == Status::Running {
            state.winner = None;
        }
    }
    if let Some(winner) = form.text("winner") {
        before.experiment.place(winner).ok_or_else(|| Refused::said(400, &format!("there is no arm `{winner}`")))?;
        (state.status, state.winner) = (Status::Won, Some(winner.to_owned()));
    }
    if let Some(Value::Object(shares)) = form.get("shares") {
        let share = |name: &str| shares.get(name).and_then(Value::as_f64).filter(|share| share.is_finite() && *share >= 0.0);
        let arms = before.experiment.arms.iter().map(|arm| Some((arm.name.to_string(), share(&arm.name)?)));
        let named: Option<Vec<(String, f64)>> = arms.collect();
        let sum: f64 = named.iter().flatten().map(|(_, share)| share).sum();
        let named = named.filter(|named| named.len() == shares.len() && sum > 0.0);
        let named = named.ok_or_else(|| Refused::bad("`shares` must give every arm, and nobody else, a number from 0"))?;
        state.shares = named.into_iter().map(|(name, share)| (name, share / sum)).collect();
    }
    if state.status == Status::Won && state.winner.is_none() {
        return Err(Refused::bad("say who has won with `winner`"));
    }
    let after = Known { state, ..before.clone() };
    written(request, Some(&before), &after).await
}

/// Writes an experiment and routes by it, and shows what it is then.
async fn written(request: &Request, before: Option<&Known>, after: &Known) -> Answer {
    if !after.write(&request.store).await? {
        return Err(Refused::said(409, "the experiment was changed by somebody else meanwhile; read it and try again"));
    }
    let action = if before.is_some() { "updated" } else { "created" };
    witness(request, action, &after.experiment.name, (before, Some(after))).await?;
    show(request, &after.experiment.name).await
}

/// `DELETE /v1/experiments/{name}`
async fn remove(request: &Request) -> Answer {
    let before = find(request, request.part(0)).await?;
    if before.form.is_none() {
        return Err(Refused::said(400, "the experiment stands in the configuration and is removed there"));
    }
    let name = before.experiment.name.clone();
    experiment::remove(&request.store, &name).await?;
    request.app.trials.refresh(&request.store, &request.app.smart, &request.app.config()).await?;
    witness(request, "deleted", &name, (Some(&before), None)).await?;
    Ok(json!({"name": name, "deleted": true}))
}

/// Writes into the audit log what an administrator did.
async fn witness(request: &Request, action: &str, name: &str, (before, after): (Option<&Known>, Option<&Known>)) -> Result<(), Refused> {
    let Some(trust) = &request.app.trust else { return Ok(()) };
    let document = |known: &Known| {
        let mut said = Map::new();
        said.insert("experiment".to_owned(), json!(known.form));
        said.insert("state".to_owned(), json!(known.state));
        Value::Object(said)
    };
    let author = request.author();
    let entry = Entry {
        actor: author.name,
        actor_key: author.key,
        action: action.to_owned(),
        outcome: Outcome::Done,
        kind: "experiment".to_owned(),
        object: name.to_owned(),
        team: String::new(),
        before: before.map(document),
        after: after.map(document),
        source: author.source,
        request_id: author.request_id,
    };
    trust.audit().await?.append(entry).await?;
    Ok(())
}
