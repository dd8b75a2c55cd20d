//! `/model/delete`.

use serde_json::json;
use switchboard_store::Desk;
use switchboard_store::object::{Model, Object, Team};

use super::{may_store, rules, vault};
use crate::admin::{Answer, Request};
use crate::refused::Refused;

/// `POST /model/delete`
pub(super) async fn delete(request: &Request) -> Answer {
    let form = request.form("ModelInfoDelete")?;
    let id = form.owned("id").unwrap_or_default();
    may_store(request)?;
    let (caller, vault, told) = (request.caller.clone(), vault(request).await?, id.clone());
    let write = request.write(move |desk| async move {
        let missing = || Refused::new(400, "auth_error", json!("None"), format!("{{'error': 'Model with id={id} not found in db'}}"));
        let model: Model = match desk.get(&id).await? {
            Some(model) => model,
            None if caller.is_admin() => return Err(missing()),
            None => {
                rules::may_write(&desk, &caller, None).await?;
                return Err(missing());
            }
        };
        // A team that is gone has nobody who could.
        let team = match model.team() {
            Some(team) if caller.is_admin() && desk.get::<Team>(team).await?.is_none() => None,
            team => rules::may_write(&desk, &caller, team).await?,
        };
        desk.forget(&vault, Model::KIND, &model.model_id).await?;
        desk.delete::<Model>(&model.model_id).await?;
        match team {
            Some(team) => unlisted(&desk, team, &model).await,
            None => Ok(()),
        }
    });
    write.await?;
    request.app.live.renewed().await;
    Ok(json!({"message": format!("Model: {told} deleted successfully")}))
}

/// A team's list has no name of a model that the team no longer has.
async fn unlisted(desk: &Desk, mut team: Team, model: &Model) -> Result<(), Refused> {
    let Some(public) = model.public_name() else { return Ok(()) };
    let siblings: Vec<Model> = desk.of_team(&team.team_id).await?;
    if siblings.iter().any(|sibling| sibling.public_name() == Some(public)) || !team.models.iter().any(|name| name == public) {
        return Ok(());
    }
    team.models.retain(|name| name != public);
    // An empty list would mean every model.
    if team.models.is_empty() {
        team.models.push(crate::access::NONE.to_owned());
    }
    desk.put(&team).await?;
    Ok(())
}
