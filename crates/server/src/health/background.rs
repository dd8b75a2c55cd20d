//! Checks while nobody asks, on a thread of their own.

use std::sync::Arc;
use std::time::Instant;

use switchboard_engine::gateway::Worker;

use super::probe::Probe;
use crate::app::App;
use crate::chore::Chore;
use crate::config::Config;
use crate::config::resolved::Deployment;
use crate::together;

/// Begins to check, with connections of its own.
pub(crate) fn start(app: Arc<App>, worker: impl Fn() -> Worker + Send + 'static) -> std::io::Result<Chore> {
    Chore::start("health-checks", async move || rounds(&app, &worker()).await)
}

async fn rounds(app: &App, worker: &Worker) {
    loop {
        let config = app.config();
        if config.general.health_checks.background {
            round(app, worker, &config).await;
        }
        tokio::time::sleep(config.general.health_checks.interval).await;
    }
}

/// Asks every deployment that may be asked, and says what follows from it.
async fn round(app: &App, worker: &Worker, config: &Config) {
    let fleet = app.gateway.fleet();
    let models = &config.general.health_checks.models;
    let left_out = |known: &Deployment| known.model_info.check.is_off || !models.is_empty() && !models.contains(&known.model_name);
    let is_off = |id: &str| config.deployments.iter().any(|known| known.model_info.id == id && left_out(known));
    let probes = fleet.deployments().filter(|deployment| !is_off(&deployment.spec.id));
    let probes: Vec<Probe> = probes.filter_map(|deployment| Probe::of(deployment, app, config, false)).collect();
    let asked = probes.into_iter().map(|probe| async {
        let health = probe.target.health.clone();
        (health, probe.run(app, worker).await)
    });
    let checks = &config.router.checks;
    let staleness = checks.staleness.unwrap_or(config.general.health_checks.interval * 2);
    for (health, outcome) in together::all(asked, config.general.health_checks.at_once as usize).await {
        app.checks.add(&outcome);
        if outcome.error.is_some() {
            tracing::warn!(deployment = %outcome.id, model = %outcome.model, "a health check failed");
        }
        let says_nothing = checks.ignores_transient && outcome.is_transient;
        if checks.enabled && !says_nothing {
            health.unwell_until(outcome.error.is_some().then(|| Instant::now() + staleness));
        }
    }
}
