//! The model of a request that need not name one.

use switchboard_engine::wire::Operation;

use crate::app::App;

/// What OpenAI takes a moderation request without a model to mean.
const MODERATION: &str = "omni-moderation-latest";
/// The only model it makes variations with.
const VARIATION: &str = "dall-e-2";

/// The model of such a request, where the API lets clients leave it out: the configured one, else the one there is, else OpenAI's.
pub(crate) fn of(operation: Operation, app: &App) -> Option<String> {
    match operation {
        Operation::Moderations => {}
        Operation::ImageVariations => return Some(VARIATION.to_owned()),
        _ => return None,
    }
    let config = app.config();
    if let Some(model) = &config.general.moderation_model {
        return Some(model.clone());
    }
    let fleet = app.gateway.fleet();
    let is_for_it = |id: &str, listed: Option<&str>| {
        let configured = config.deployments.iter().find(|configured| configured.model_info.id == id);
        configured.and_then(|configured| configured.model_info.mode.as_deref()).or(listed) == Some("moderation")
    };
    let for_it = fleet.deployments().filter(|deployment| {
        let listed = deployment.card.as_ref().and_then(|card| card.mode.as_deref());
        is_for_it(&deployment.spec.id, listed)
    });
    let mut groups: Vec<&str> = for_it.map(|deployment| deployment.spec.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    match groups.as_slice() {
        [only] => Some((*only).to_owned()),
        _ => Some(MODERATION.to_owned()),
    }
}
