//! `/access_group/…`: the groups that models say they are in, by `model_info.access_groups`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::admin::{Answer, Refused, Request};

/// Each group with the models in it and how many deployments say so.
fn groups(request: &Request) -> BTreeMap<String, (Vec<String>, usize)> {
    let mut groups: BTreeMap<String, (Vec<String>, usize)> = BTreeMap::new();
    for deployment in &request.app.config().deployments {
        for group in &deployment.model_info.access_groups {
            let (models, count) = groups.entry(group.clone()).or_default();
            if !models.contains(&deployment.model_name) {
                models.push(deployment.model_name.clone());
            }
            *count += 1;
        }
    }
    groups
}

fn shown(name: &str, (models, count): &(Vec<String>, usize)) -> Value {
    json!({"access_group": name, "model_names": models, "deployment_count": count, "spend": null, "budget": null})
}

/// `GET /access_group/list`
pub(super) async fn list(request: &Request) -> Answer {
    let rows: Vec<Value> = groups(request).iter().map(|(name, group)| shown(name, group)).collect();
    Ok(json!({"access_groups": rows}))
}

/// `GET /access_group/{access_group}/info`
pub(super) async fn info(request: &Request) -> Answer {
    let name = request.part(0);
    let missing = || Refused::detail(404, json!({"error": format!("Access group '{name}' not found")}));
    groups(request).get(name).map(|group| shown(name, group)).ok_or_else(missing)
}
