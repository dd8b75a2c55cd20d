//! `/team/{team_id}/callback`: what a team wants told of its requests, and to whom.
//!
//! It is kept as LiteLLM keeps it, in the team's `metadata.logging`, and nobody is told: this gateway calls no such service. So what
//! is a secret among the variables is not kept at all.

use serde_json::{Map, Value, json};
use switchboard_store::Time;
use switchboard_store::object::Team;

use super::administered;
use crate::admin::callback_vars::{FORMER, PLACE, VARIABLES, redact};
use crate::admin::{Answer, Request, rows};
use crate::refused::Refused;

/// The team, if the caller administers it; `status` is what those are told who may know that there is none.
async fn team(
    request: &Request,
    change: impl FnOnce(&mut Map<String, Value>, &str) -> Result<(), Refused> + Send + 'static,
    status: u16,
) -> Result<Team, Refused> {
    let (id, caller) = (request.part(0).to_owned(), request.caller.clone());
    let write = request.write(move |desk| async move {
        if caller.is_admin() && desk.get::<Team>(&id).await?.is_none() {
            return Err(unknown(&id, status));
        }
        let mut team = administered(&desk, &caller, &id, "/team/{team_id}/callback").await?;
        change(team.metadata.get_or_insert_default(), &id)?;
        team.updated_at = Some(Time::now());
        desk.put(&team).await?;
        Ok(team)
    });
    write.await
}

fn unknown(id: &str, status: u16) -> Refused {
    Refused::detail(status, json!({"error": format!("Team id = {id} does not exist.")}))
}

/// `POST /team/{team_id}/callback`
pub(in crate::admin) async fn add(request: &Request) -> Answer {
    let form = request.form("AddTeamCallback")?;
    let name = form.owned("callback_name").unwrap_or_default();
    let event = form.owned("callback_type").unwrap_or_else(|| "success_and_failure".to_owned());
    let mut kept = Value::Object(form.object(VARIABLES).cloned().unwrap_or_default());
    redact(&mut kept);
    let changed = team(
        request,
        move |metadata, id| {
            let list = metadata.entry(PLACE).or_insert_with(|| json!([]));
            if !list.is_array() {
                *list = json!([]);
            }
            let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
            if entries.iter().any(|one| one["callback_name"] == name.as_str() && one["callback_type"] == event.as_str()) {
                let message =
                    format!("callback_name = {name} already exists in team_callback_settings, for team_id = {id} and event = {event}");
                return Err(Refused::new(400, "bad_request_error", json!("callback_name"), message));
            }
            if let Some(list) = list.as_array_mut() {
                list.push(json!({"callback_name": name, "callback_type": event, "callback_vars": kept}));
            }
            Ok(())
        },
        400,
    );
    let changed = changed.await?;
    Ok(json!({"status": "success", "data": rows::team(&request.app, &changed)}))
}

/// `GET /team/{team_id}/callback`
pub(in crate::admin) async fn list(request: &Request) -> Answer {
    let (id, caller) = (request.part(0).to_owned(), request.caller.clone());
    let read = request.read(move |desk| async move {
        if caller.is_admin() && desk.get::<Team>(&id).await?.is_none() {
            return Err(unknown(&id, 404));
        }
        administered(&desk, &caller, &id, "/team/{team_id}/callback").await
    });
    let team = read.await?;
    let told = Told::of(team.metadata.as_ref());
    let data = json!({
        "team_id": team.team_id, "success_callbacks": told.success, "failure_callbacks": told.failure, "callback_vars": told.variables,
    });
    Ok(json!({"status": "success", "data": data}))
}

/// `DELETE /team/{team_id}/callback/{callback_name}`
pub(in crate::admin) async fn remove(request: &Request) -> Answer {
    let name = request.part(1).to_owned();
    let gone = name.clone();
    let change = move |metadata: &mut Map<String, Value>, id: &str| {
        let missing = || Refused::detail(404, json!({"error": format!("callback_name = {gone} is not registered for team_id = {id}.")}));
        let list = metadata.get_mut(PLACE).and_then(Value::as_array_mut).ok_or_else(missing)?;
        let count = list.len();
        list.retain(|one| one["callback_name"] != gone.as_str());
        if list.len() == count { Err(missing()) } else { Ok(()) }
    };
    let changed = team(request, change, 404).await?;
    let left = Told::of(changed.metadata.as_ref());
    let data = json!({"team_id": changed.team_id, "success_callbacks": left.success, "failure_callbacks": left.failure});
    Ok(json!({"status": "success", "message": format!("Callback {name} removed for team {}", changed.team_id), "data": data}))
}

/// `POST /team/{team_id}/disable_logging`
pub(in crate::admin) async fn disable(request: &Request) -> Answer {
    let change = |metadata: &mut Map<String, Value>, _: &str| {
        metadata.insert(PLACE.to_owned(), json!([]));
        let former = metadata.entry(FORMER).or_insert_with(|| json!({}));
        if let Some(former) = former.as_object_mut() {
            former.insert("success_callback".to_owned(), json!([]));
            former.insert("failure_callback".to_owned(), json!([]));
        }
        Ok(())
    };
    let changed = team(request, change, 404).await?;
    let data = json!({"team_id": changed.team_id, "success_callbacks": [], "failure_callbacks": []});
    Ok(json!({"status": "success", "message": format!("Logging disabled for team {}", changed.team_id), "data": data}))
}

/// What is to be told of a team's requests.
#[derive(Default)]
struct Told {
    success: Vec<String>,
    failure: Vec<String>,
    variables: Map<String, Value>,
}

impl Told {
    /// As the metadata has it: the older place counts where there is none of the newer.
    fn of(metadata: Option<&Map<String, Value>>) -> Self {
        let mut told = Self::default();
        let place = |name: &str| metadata.and_then(|metadata| metadata.get(name));
        match (place(PLACE), place(FORMER)) {
            (Some(entries), _) => entries.as_array().into_iter().flatten().for_each(|entry| told.add(entry)),
            (None, Some(former)) => {
                told.success = crate::access::texts(former.get("success_callback"));
                told.failure = crate::access::texts(former.get("failure_callback"));
                told.variables(former.get("callback_vars"));
            }
            (None, None) => {}
        }
        told
    }

    fn add(&mut self, entry: &Value) {
        let Some(name) = entry["callback_name"].as_str() else { return };
        let event = entry["callback_type"].as_str().unwrap_or("success_and_failure");
        for (list, other) in [(&mut self.success, "failure"), (&mut self.failure, "success")] {
            if event != other && !list.iter().any(|known| known == name) {
                list.push(name.to_owned());
            }
        }
        self.variables(entry.get("callback_vars"));
    }

    fn variables(&mut self, variables: Option<&Value>) {
        let mut variables = variables.cloned().unwrap_or_default();
        redact(&mut variables);
        self.variables.extend(variables.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    }
}
