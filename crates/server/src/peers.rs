//! The other gateways: what they tell of deployments, and what they are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard_engine::health::{Peers, Registry};
use switchboard_store::RedisPeers;
use switchboard_store::redis::BadAddress;

use crate::chore::Chore;
use crate::config::Config;

/// How often gateways tell each other.
const PACE: Duration = Duration::from_secs(1);

/// The other gateways, where the configuration says how to reach them.
#[derive(Clone, Debug, Default)]
pub struct Others(Option<Arc<RedisPeers>>);

impl Others {
    /// As configured.
    pub(crate) fn of(config: &Config) -> Result<Self, BadAddress> {
        let meet = |address: &str| RedisPeers::new(address, crate::id::mint()).map(Arc::new);
        config.redis.as_ref().map(|address| meet(address.expose())).transpose().map(Self)
    }

    /// Begins to tell and to listen; nothing where there is nobody.
    pub(crate) fn start(&self, health: &Registry) -> std::io::Result<Option<Chore>> {
        let Some(peers) = self.0.clone() else { return Ok(None) };
        let health = health.clone();
        Chore::start("peers", async move || follow(&*peers, &health).await).map(Some)
    }

    /// LiteLLM's `/health/shared-status`.
    pub(crate) fn told(&self) -> Value {
        match &self.0 {
            None => json!({"shared_health_check_enabled": false, "message": "Shared health check is not enabled"}),
            Some(peers) => json!({
                "shared_health_check_enabled": true,
                "redis_available": peers.is_up(),
                "status": {"pod_id": peers.name(), "redis_available": peers.is_up()},
            }),
        }
    }
}

/// Tells and listens until it is dropped. That Redis goes and comes is said once each time.
async fn follow(peers: &dyn Peers, health: &Registry) {
    let mut was_up = true;
    loop {
        let now = Instant::now();
        let told = peers.exchange(health.reports(now)).await;
        match &told {
            Ok(told) => health.learn(told, Instant::now()),
            Err(error) if was_up => tracing::warn!(%error, "the other gateways cannot be reached; this one goes by what it sees itself"),
            Err(_) => {}
        }
        if told.is_ok() && !was_up {
            tracing::info!("the other gateways can be reached again");
        }
        was_up = told.is_ok();
        tokio::time::sleep(PACE.saturating_sub(now.elapsed())).await;
    }
}
