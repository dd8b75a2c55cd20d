//! What holds for every deployment: parameters that the router lays over theirs, and where they are served.

use std::collections::HashSet;

use super::Deployment;
use crate::config::environment::Environment;
use crate::config::fields::{Fields, Reader};
use crate::config::yaml::{Map, Node, Value};

/// What `router_settings` says of every deployment.
pub(in crate::config) struct Common<'a> {
    params: Option<&'a Map>,
    max_parallel: Option<u32>,
}

/// Says which environment this is.
const ENVIRONMENT: &str = "LITELLM_ENVIRONMENT";

impl<'a> Common<'a> {
    pub(in crate::config) fn of(router: &'a Fields) -> Self {
        Self { params: router.map("default_litellm_params"), max_parallel: router.count("default_max_parallel_requests") }
    }

    /// The parameters with those of every request laid over them. What is written in the request itself comes before both.
    pub(super) fn over(&self, params: &Node) -> Node {
        let (Some(common), Some(own)) = (self.params, params.as_map()) else { return params.clone() };
        let mut all = own.clone();
        for entry in common.entries.iter().filter(|entry| entry.name != "metadata" && !entry.node.is_absent()) {
            all.insert(entry.clone());
        }
        Node { value: Value::Map(all), ..params.clone() }
    }

    /// Requests at a time, where the deployment says nothing of how much it takes.
    pub(super) fn bound(&self, deployment: &mut Deployment) {
        let limits = &mut deployment.limits;
        if limits.rpm.is_none() && limits.tpm.is_none() {
            limits.max_parallel_requests = limits.max_parallel_requests.or(self.max_parallel);
        }
    }
}

/// Leaves out the deployments that are for other environments than this one.
pub(in crate::config) fn take_here(reader: &mut Reader<'_>, deployments: &mut Vec<Deployment>, environment: &Environment) {
    let here = environment.get_non_empty(ENVIRONMENT);
    let mut unknown = HashSet::new();
    deployments.retain(|deployment| {
        let named = &deployment.model_info.environments;
        if !named.is_empty() && here.is_none() && unknown.insert(deployment.model_name.clone()) {
            let message =
                format!("`{}` is for some environments alone, and `{ENVIRONMENT}` is not set: it is left out", deployment.model_name);
            reader.found.warn(&deployment.at, message, format!("set `{ENVIRONMENT}` to one of: {}", named.join(", ")));
        }
        named.is_empty() || here.is_some_and(|here| named.iter().any(|name| name == here))
    });
}
