//! `/access_group/new`, `/update`, `/delete`: groups that stand at the models themselves, in `model_info.access_groups`.

use serde_json::{Value, json};
use switchboard_store::Desk;
use switchboard_store::object::{GroupBudget, Model};

use super::may_store;
use crate::admin::{Answer, Request};
use crate::refused::Refused;

const FIELD: &str = "access_groups";

fn groups(model: &Model) -> Vec<String> {
    let list = model.model_info.get(FIELD).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether a request means that model: by its id, by its name, or by what its team calls it.
fn is_meant(model: &Model, names: &[String], ids: &[String]) -> bool {
    let named = |name: &str| names.iter().any(|one| one == name);
    ids.contains(&model.model_id) || named(&model.model_name) || model.public_name().is_some_and(named)
}

async fn put(desk: &Desk, mut model: Model, groups: Vec<String>) -> Result<(), Refused> {
    model.model_info.insert(FIELD.to_owned(), json!(groups));
    desk.put(&model).await?;
    Ok(())
}

/// Whether a model of the file says that it is in that group.
fn in_file(request: &Request, group: &str) -> bool {
    let base = request.app.live.base();
    base.deployments.iter().any(|deployment| deployment.model_info.access_groups.iter().any(|one| one == group))
}

/// The models a request names, every one of which must be there.
fn named(models: &[Model], names: &[String], ids: &[String]) -> Result<(), Refused> {
    if names.is_empty() && ids.is_empty() {
        return Err(Refused::detail(400, json!({"error": "Either model_names or model_ids must be provided and non-empty"})));
    }
    let missing = |one: &&String| !models.iter().any(|model| is_meant(model, std::slice::from_ref(one), &[]));
    let unknown: Vec<&String> = names.iter().filter(missing).collect();
    if !unknown.is_empty() {
        let listed: Vec<&str> = unknown.iter().map(|name| name.as_str()).collect();
        return Err(Refused::detail(400, json!({"error": format!("Model(s) not found: {}", listed.join(", "))})));
    }
    match ids.iter().find(|id| !models.iter().any(|model| model.model_id == **id)) {
        Some(id) => Err(Refused::detail(400, json!({"error": format!("Deployment(s) not found: {id}")}))),
        None => Ok(()),
    }
}

/// `POST /access_group/new`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("NewModelGroupRequest")?;
    let group = form.owned("access_group").unwrap_or_default();
    let (names, ids) = (form.texts("model_names").unwrap_or_default(), form.texts("model_ids").unwrap_or_default());
    if group.trim().is_empty() {
        return Err(Refused::detail(400, json!({"error": "access_group is required and cannot be empty"})));
    }
    may_store(request)?;
    let (told, listed, in_file) = (group.clone(), names.clone(), in_file(request, &group));
    let given = ids.clone();
    let write = request.write(move |desk| async move {
        let models: Vec<Model> = desk.all().await?;
        named(&models, &names, &ids)?;
        if in_file || models.iter().any(|model| groups(model).contains(&group)) {
            let message = format!("Access group '{group}' already exists. Use PUT /access_group/{group}/update to modify it.");
            return Err(Refused::detail(409, json!({"error": message})));
        }
        let mut count = 0;
        for model in models.into_iter().filter(|model| is_meant(model, &names, &ids)) {
            let mut list = groups(&model);
            list.push(group.clone());
            put(&desk, model, list).await?;
            count += 1;
        }
        Ok(count)
    });
    let count: usize = write.await?;
    request.app.live.renewed().await;
    Ok(json!({"access_group": told, "model_names": listed, "model_ids": given, "models_updated": count}))
}

/// `PUT /access_group/{access_group}/update`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("UpdateModelGroupRequest")?;
    let group = request.part(0).to_owned();
    let (names, ids) = (form.texts("model_names").unwrap_or_default(), form.texts("model_ids").unwrap_or_default());
    may_store(request)?;
    let (told, listed, given) = (group.clone(), names.clone(), ids.clone());
    let write = request.write(move |desk| async move {
        let models: Vec<Model> = desk.all().await?;
        if !models.iter().any(|model| groups(model).contains(&group)) {
            return Err(Refused::detail(404, json!({"error": format!("Access group '{group}' not found.")})));
        }
        named(&models, &names, &ids)?;
        let mut count = 0;
        for model in models {
            let (mut list, meant) = (groups(&model), is_meant(&model, &names, &ids));
            count += usize::from(meant);
            if list.contains(&group) == meant {
                continue;
            }
            list.retain(|one| *one != group);
            if meant {
                list.push(group.clone());
            }
            put(&desk, model, list).await?;
        }
        Ok(count)
    });
    let count: usize = write.await?;
    request.app.live.renewed().await;
    Ok(json!({"access_group": told, "model_names": listed, "model_ids": given, "models_updated": count}))
}

/// `DELETE /access_group/{access_group}/delete`
pub(super) async fn delete(request: &Request) -> Answer {
    let group = request.part(0).to_owned();
    may_store(request)?;
    let (told, in_file) = (group.clone(), in_file(request, &group));
    let write = request.write(move |desk| async move {
        let mut count = 0;
        for model in desk.all::<Model>().await? {
            let mut list = groups(&model);
            if list.contains(&group) {
                list.retain(|one| *one != group);
                put(&desk, model, list).await?;
                count += 1;
            }
        }
        if count == 0 {
            return Err(Refused::detail(404, json!({"error": format!("Access group '{group}' not found.")})));
        }
        if !in_file {
            desk.delete::<GroupBudget>(&group).await?;
        }
        Ok(count)
    });
    let count: usize = write.await?;
    request.app.live.renewed().await;
    Ok(json!({"access_group": told, "models_updated": count, "message": format!("Access group '{told}' deleted successfully")}))
}
