//! `/model/block` and `/model/unblock`.

use serde_json::{Value, json};
use switchboard_store::Time;
use switchboard_store::object::Model;

use super::{in_file, may_store, row, vault};
use crate::admin::{Answer, Request};
use crate::live::seal;
use crate::refused::Refused;

/// Takes a deployment out of service, or puts it back.
pub(super) async fn set(request: &Request, blocked: bool) -> Answer {
    let form = request.form("BlockModelRequest")?;
    let id = form.owned("model_id").unwrap_or_default();
    if !request.caller.is_admin() {
        return Err(Refused::new(403, "auth_error", json!("blocked"), "Only proxy admins can change a model's blocked flag."));
    }
    may_store(request)?;
    let (vault, in_file) = (vault(request).await?, in_file(request, &id));
    let write = request.write(move |desk| async move {
        let missing = || match in_file {
            true => {
                let message = "Cannot edit config-based model. Store model in DB via /model/new first.";
                Refused::new(400, "validation_error", Value::Null, message)
            }
            false => Refused::new(404, "not_found_error", Value::Null, format!("Model {id} not found on proxy.")),
        };
        let mut model: Model = desk.get(&id).await?.ok_or_else(missing)?;
        model.blocked = blocked;
        (model.updated_at, model.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
        desk.put(&model).await?;
        let params = seal::params(&desk, Some(&vault), &model).await?;
        Ok(row(&model, &params))
    });
    let row = write.await?;
    request.app.live.renewed().await;
    Ok(row)
}
