//! A changed configuration takes effect without a restart, or not at all.
//!
//! Files are watched by polling; a hang-up signal asks for a look at once. What cannot be used leaves the last good
//! configuration in force and says why. What only a restart can change is named.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::config::{Config, Watch, WatchThread};
use crate::edge::Certificates;

pub use crate::config::Reload;

/// Watches on behalf of a gateway until it is dropped.
#[derive(Debug)]
pub struct Reloading {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Reloading {
    /// Begins to watch; every outcome is handed to `on_reload`. Without an interval only a hang-up signal is a reason to look.
    pub fn start(
        watch: Watch,
        interval: Option<Duration>,
        certificates: Option<Arc<Certificates>>,
        on_reload: impl FnMut(Reload) + Send + 'static,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Before this returns: an unheeded hang-up would end the process.
        let hang_up = {
            let _inside = runtime.enter();
            signal(SignalKind::hangup())?
        };
        let watching = watch.spawn(interval.unwrap_or(Duration::MAX), on_reload)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("config-signal".to_owned())
            .spawn(move || runtime.block_on(follow(hang_up, watching, certificates, stopped)))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

async fn follow(mut hang_up: Signal, watching: WatchThread, certificates: Option<Arc<Certificates>>, mut stopped: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            seen = hang_up.recv() => {
                if seen.is_none() {
                    return;
                }
                watching.reload_now();
                if let Some(Err(error)) = certificates.as_ref().map(|certificates| certificates.reload()) {
                    tracing::error!(%error, "the certificate cannot be used; the last good one stays");
                }
            }
        }
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that follows signals panicked");
        }
    }
}

/// The settings that differ and that only a restart can change.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (before, after) = (&old.switchboard, &new.switchboard);
    let addresses = |config: &Config| config.switchboard.listen.iter().map(|listen| listen.address.clone()).collect::<Vec<_>>();
    let changed = [
        ("switchboard.listen", addresses(old) != addresses(new)),
        ("switchboard.tls", before.tls != after.tls),
        ("switchboard.workers", before.workers != after.workers),
        ("switchboard.limits", before.limits != after.limits),
        ("switchboard.timeouts", before.timeouts != after.timeouts),
        ("switchboard.upstream", before.upstream != after.upstream),
        ("switchboard.reload", before.reload != after.reload),
        ("general_settings.background_health_checks", !old.general.health_checks.background && new.general.health_checks.background),
        ("router_settings.redis_url", old.redis != new.redis),
        ("general_settings.database_url", old.general.database_url != new.general.database_url),
        ("litellm_settings.json_logs", old.litellm.json_logs != new.litellm.json_logs),
        ("SERVER_ROOT_PATH", old.general.root_path != new.general.root_path),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}
