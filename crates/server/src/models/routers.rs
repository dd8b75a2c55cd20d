//! Automatic choices of a model that an operator named, as lists of models tell of them: they are called like models.

use serde_json::{Map, Value, json};

use super::info::{Ask, Fits};
use crate::app::App;
use crate::config::resolved::Deployment as Configured;

/// Their names.
pub(super) fn names(app: &App) -> Vec<String> {
    let config = app.config();
    config.switchboard.smart.auto.iter().filter(|auto| auto.explicit).flat_map(|auto| auto.names.clone()).collect()
}

/// Those among the deployments of the configuration that the caller may use, each as it is told.
pub(super) fn told(app: &App, ask: &Ask<'_>, fits: Fits<'_>) -> Vec<(String, Value)> {
    let (config, shown) = (app.config(), app.live.shown());
    let wanted = |router: &Configured| fits((&router.model_name, &router.model_info.id, &router.model_info.access_groups));
    let usable = config.routers.iter().filter(|router| ask.caller.may_use(&[&router.model_name]) && wanted(router));
    let each = usable.map(|router| {
        let id = &router.model_info.id;
        let params = shown.get(id).cloned().map_or_else(|| params(router), Value::Object);
        let mut info = router.model_info.written.iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>();
        info.insert("id".to_owned(), json!(id));
        info.insert("db_model".to_owned(), json!(shown.contains_key(id)));
        let told = json!({"model_name": router.model_name, "litellm_params": params, "model_info": info});
        (router.model_name.clone(), told)
    });
    each.collect()
}

/// What the file says of one.
fn params(configured: &Configured) -> Value {
    let mut params = Map::from_iter([("model".to_owned(), json!(configured.model))]);
    if let Some(router) = &configured.router {
        let by_complexity = router.complexity.is_some() || configured.model.ends_with("complexity_router");
        let default = if by_complexity { "complexity_router_default_model" } else { "auto_router_default_model" };
        let said = [
            ("complexity_router_config", router.complexity.clone()),
            ("auto_router_config", router.semantic.clone()),
            (default, router.default_model.clone().map(Value::from)),
            ("auto_router_embedding_model", router.embedding_model.clone().map(Value::from)),
        ];
        params.extend(said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    params.into()
}
