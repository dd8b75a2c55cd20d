//! How deployments are, as LiteLLM's proxy tells: `GET /health` asks each for a word, or tells what the checks in the background
//! found; `/health/latest` and `/health/history` tell what was found before.

pub(crate) mod background;
mod probe;

use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode, request};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::wire::problem::{Kind, Problem};

use crate::answered::document;
use crate::app::Acceptor;
use crate::auth::{Caller, Credential};
use crate::checks::{Outcome, Page};
use crate::config::Config;
use crate::together;

use probe::Probe;

/// Tells those who may not see where deployments are reached that they were not told.
const NOTICE: HeaderName = HeaderName::from_static("litellm-health-field-notice");

/// Whoever asks, and how.
pub(crate) struct Ask<'a> {
    /// Who.
    pub(crate) caller: &'a Caller,
    /// How.
    pub(crate) parts: &'a request::Parts,
}

impl Ask<'_> {
    fn value(&self, name: &str) -> Option<String> {
        self.parts.uri.query().and_then(|query| crate::query::value(query, name)).filter(|value| !value.is_empty())
    }

    fn whole(&self, name: &str, usual: usize) -> Result<usize, Problem> {
        let Some(text) = self.value(name) else { return Ok(usual) };
        text.parse().map_err(|_| Problem::new(Kind::BadRequest, format!("`{name}` must be a whole number from 0")).with_param(name))
    }

    fn may_see(&self, outcome: &Outcome) -> bool {
        self.caller.may_use(&[&outcome.group])
    }
}

/// `GET /health`: every deployment, or those of one model. Providers are asked at an administrator's word; everybody else is told what
/// was found last.
pub(crate) async fn check(acceptor: &Acceptor, ask: &Ask<'_>) -> Response<AnswerBody> {
    let app = &acceptor.app;
    let (fleet, config) = (app.gateway.fleet(), app.config());
    let wanted = ask.value("model").or_else(|| ask.value("model_id"));
    let is_wanted = |deployment: &&Arc<Deployment>| {
        let spec = &deployment.spec;
        ask.caller.may_use(&[&spec.group]) && wanted.as_ref().is_none_or(|name| spec.group == *name || spec.id == *name)
    };
    let asks = ask.caller.is_admin() || ask.caller.credential == Credential::Open;
    let (mut probes, mut found, mut unchecked) = (Vec::new(), Vec::new(), Vec::new());
    for deployment in fleet.deployments().filter(is_wanted) {
        let known = (config.general.health_checks.background || !asks).then(|| app.checks.latest(&deployment.spec.id)).flatten();
        match (known, Probe::of(deployment, app, &config, wanted.is_some()).filter(|_| asks)) {
            (Some(known), _) => found.push(known),
            (None, Some(probe)) => probes.push(probe),
            (None, None) => unchecked.push(deployment.clone()),
        }
    }
    let asked = probes.into_iter().map(|probe| probe.run(app, &acceptor.worker));
    for outcome in together::all(asked, config.general.health_checks.at_once as usize).await {
        app.checks.add(&outcome);
        found.push(outcome);
    }
    report(&found, &unchecked, wanted.is_some(), &Telling { ask, config: &config })
}

/// Asks a deployment for a word, which need not be one of the fleet's.
pub(crate) async fn once(target: &Arc<Deployment>, acceptor: &Acceptor, config: &Config) -> Result<(), String> {
    let probe = Probe::of(target, &acceptor.app, config, true).ok_or("there is no question for a model of that mode")?;
    match probe.run(&acceptor.app, &acceptor.worker).await.error {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

/// What an entry may hold.
struct Telling<'a> {
    ask: &'a Ask<'a>,
    config: &'a Config,
}

impl Telling<'_> {
    fn entry(&self, model: &str, id: &str) -> Value {
        let mut entry = json!({"model": model, "model_id": id});
        let configured = self.config.deployments.iter().find(|configured| configured.model_info.id == id);
        let base = configured.and_then(|configured| configured.connection.api_base.as_deref()).filter(|_| self.ask.caller.sees_places());
        if let Some(base) = base {
            entry["api_base"] = crate::models::info::bare(base).into();
        }
        entry
    }

    fn found(&self, outcome: &Outcome) -> Value {
        let mut entry = self.entry(&outcome.model, &outcome.id);
        if let Some(error) = outcome.error.as_deref().filter(|_| self.config.general.health_checks.details) {
            entry["error"] = error.into();
        }
        entry
    }
}

fn report(found: &[Outcome], unchecked: &[Arc<Deployment>], wanted: bool, telling: &Telling<'_>) -> Response<AnswerBody> {
    let entries = |healthy: bool| {
        let fitting = found.iter().filter(|outcome| outcome.error.is_none() == healthy);
        fitting.map(|outcome| telling.found(outcome)).collect::<Vec<_>>()
    };
    let (healthy, unhealthy) = (entries(true), entries(false));
    let none_left = wanted && healthy.is_empty();
    let mut value = json!({
        "healthy_count": healthy.len(),
        "unhealthy_count": unhealthy.len(),
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": unhealthy,
    });
    if !unchecked.is_empty() {
        let list = unchecked.iter().map(|deployment| telling.entry(&probe::shown(deployment), &deployment.spec.id));
        value["unchecked_endpoints"] = list.collect::<Vec<_>>().into();
    }
    let mut response = document(&value);
    if none_left {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    if !telling.ask.caller.sees_places() {
        response.headers_mut().insert(NOTICE, HeaderValue::from_static("api_base is shown to administrators only"));
    }
    response
}

/// `GET /health/latest`.
pub(crate) fn latest(acceptor: &Acceptor, ask: &Ask<'_>) -> Response<AnswerBody> {
    document(&acceptor.app.checks.told_latest(&|outcome| ask.may_see(outcome)))
}

/// `GET /health/history`.
pub(crate) fn history(acceptor: &Acceptor, ask: &Ask<'_>) -> Result<Response<AnswerBody>, Problem> {
    let healthy = match ask.value("status_filter").as_deref() {
        None => None,
        Some("healthy") => Some(true),
        Some("unhealthy") => Some(false),
        Some(_) => {
            let problem = Problem::new(Kind::BadRequest, "`status_filter` must be `healthy` or `unhealthy`");
            return Err(problem.with_param("status_filter"));
        }
    };
    let page = Page { model: ask.value("model"), healthy, limit: ask.whole("limit", 100)?, offset: ask.whole("offset", 0)? };
    Ok(document(&acceptor.app.checks.told_history(&page, &|outcome| ask.may_see(outcome))))
}
