//! What is configured and never used, as far as only the finished gateway can tell.

use std::collections::HashMap;

use http::Method;
use switchboard_engine::catalog::ModelCard;
use switchboard_engine::route::Fleet;

use crate::config::Config;
use crate::router::{Match, Router};

/// What is to be said of it.
pub(crate) fn in_vain(config: &Config, fleet: &Fleet) -> Vec<String> {
    let mut said = routes(config);
    said.extend(modes(config, fleet));
    said.extend(targets(config, fleet));
    said
}

/// Routes that are passed on and get nothing: the gateway's own go before them.
fn routes(config: &Config) -> Vec<String> {
    const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    // Whether routes contradict each other is told at the start.
    let Ok(router) = Router::new("") else { return Vec::new() };
    let told = config.general.pass_through.iter().filter_map(|one| {
        let (path, methods) = (&one.path, if one.methods.is_empty() { &METHODS[..] } else { &one.methods });
        let is_own = |method: &&Method| matches!(router.find(method, path), Match::Found(..));
        let taken: Vec<&str> = methods.iter().filter(is_own).map(Method::as_str).collect();
        let which = taken.join(", ");
        (!taken.is_empty()).then(|| {
            format!("the pass-through route `{path}` gets no {which} requests: the gateway serves them itself; write another `path`")
        })
    });
    told.collect()
}

/// Models for a use that their provider does not serve here.
fn modes(config: &Config, fleet: &Fleet) -> Vec<String> {
    let built: HashMap<&str, _> = fleet.deployments().map(|built| (built.spec.id.as_str(), built)).collect();
    let told = config.deployments.iter().filter_map(|deployment| {
        let mode = deployment.model_info.mode.clone()?;
        let operation = ModelCard { mode: Some(mode.clone()), ..ModelCard::default() }.operation()?;
        let built = built.get(deployment.model_info.id.as_str())?;
        (!built.serves(operation)).then(|| {
            let (name, provider) = (&deployment.model_name, &built.spec.provider);
            format!("`{name}` is of `mode: {mode}`, which its provider `{provider}` does not serve: such requests are refused")
        })
    });
    told.collect()
}

/// Targets of virtual models whose every deployment is left out.
fn targets(config: &Config, fleet: &Fleet) -> Vec<String> {
    let is_listed = |model: &str| config.deployments.iter().any(|deployment| deployment.model_name == model);
    let is_served = |model: &str| fleet.deployments().any(|built| built.spec.group == model);
    let unserved = config.switchboard.virtual_targets.iter().filter(|one| is_listed(&one.model) && !is_served(&one.model));
    let told = unserved.map(|one| {
        let (of, model, at) = (&one.of, &one.model, &one.at);
        format!("the virtual model `{of}` never goes to its target `{model}`, of which no deployment can be used\n  --> {at}")
    });
    told.collect()
}
