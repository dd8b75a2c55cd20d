//! Checks while nobody asks, on a thread of their own.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use switchboard_engine::gateway::Worker;
use tokio::sync::oneshot;

use super::probe::Probe;
use super::together;
use crate::app::App;
use crate::config::Config;

/// Checks until it is dropped.
#[derive(Debug)]
pub(crate) struct Checking {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checking {
    /// Begins, with connections of its own.
    pub(crate) fn start(app: Arc<App>, worker: impl FnOnce() -> Worker + Send + 'static) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let check = move || {
            runtime.block_on(async move {
                let worker = worker();
                tokio::select! {
                    _ = stopped => {}
                    () = rounds(&app, &worker) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("health-checks".to_owned()).spawn(check)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of health checks panicked");
        }
    }
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
    let is_off = |id: &str| config.deployments.iter().any(|known| known.model_info.id == id && known.model_info.check.is_off);
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
