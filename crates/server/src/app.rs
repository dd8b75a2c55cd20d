//! What every handler may use.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::request::Parts;
use switchboard_engine::book::Book;
use switchboard_engine::catalog::Catalog;
use switchboard_engine::gateway::{Gateway, Worker};
use switchboard_engine::health::Registry;
use switchboard_store::Store;

use crate::auth::{Foundation, Keys};
use crate::books::Books;
use crate::checks::Checks;
use crate::config::Config;
use crate::live::Live;
use crate::path::Root;
use crate::peers::Others;
use crate::refused::Refused;
use crate::trust::Trust;

/// The gateway as the world sees it: one for all workers.
pub struct App {
    /// The engine.
    pub gateway: Gateway,
    /// Reads requests where a name or a rule asks for it.
    pub smart: Arc<switchboard_engine::smart::Smart>,
    /// Experiments, as the database last said they stand.
    pub(crate) trials: Arc<crate::trials::Trials>,
    /// How deployments are doing; outlives changes of the configuration.
    pub health: Registry,
    /// The other gateways.
    pub others: Others,
    /// What checks of deployments have found.
    pub checks: Checks,
    /// What is known of providers and models.
    pub catalog: ArcSwap<Catalog>,
    /// The configuration in force.
    pub config: ArcSwap<Config>,
    /// What puts it in force, with what the database adds.
    pub live: Live,
    /// Who may come in.
    pub keys: ArcSwap<Keys>,
    /// What keys stand on that stays when the configuration changes.
    pub foundation: Foundation,
    /// Where objects are kept, if anywhere.
    pub store: Option<Store>,
    /// What secrets are sealed with, and the log of what administrators do; none without a database.
    pub trust: crate::trust::Shared,
    /// What every key, team and user has spent.
    pub book: Arc<Book>,
    /// Where it is written down.
    pub books: Books,
    /// What keeps callers out of the log, where that is wanted.
    pub discreet: Arc<crate::log::Discreet>,
    /// Limits that other gateways have too.
    pub limits: crate::limits::Limits,
    /// What is told without anybody asking.
    pub alerts: Arc<crate::alerts::Alerts>,
    /// What is counted; none where nothing is.
    pub metrics: Option<Arc<crate::metrics::Metrics>>,
    /// What shows the credentials of providers to which requests are passed on.
    pub(crate) outlets: crate::fleet::signers::Signers,
    /// Whether the gateway is about to stop.
    pub draining: Box<dyn Fn() -> bool + Send + Sync>,
}

impl App {
    /// What is known of providers and models.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// What secrets are sealed with, and the log of what administrators do.
    pub fn trust(&self) -> Result<&Trust, Refused> {
        self.trust.as_deref().ok_or_else(Refused::no_store)
    }

    /// The URL at which clients reach the gateway: configured, else as this client wrote it.
    pub fn base(&self, parts: &Parts) -> String {
        let config = self.config();
        if let Some(url) = &config.general.public_base_url {
            return url.trim_end_matches('/').to_owned();
        }
        let host = parts.uri.authority().map(|authority| authority.as_str());
        let host = host.or_else(|| parts.headers.get(http::header::HOST)?.to_str().ok()).unwrap_or("127.0.0.1:4000");
        let secure = config.switchboard.tls.is_some() || config.switchboard.behind_tls_proxy;
        format!("{}://{host}{}", if secure { "https" } else { "http" }, config.general.root_path)
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }
}

/// What one worker serves with.
pub struct Acceptor {
    /// Shared by all workers.
    pub app: Arc<App>,
    /// This worker's own.
    pub worker: Worker,
    /// What all paths begin with.
    pub root: Root,
}

impl std::fmt::Debug for App {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("App").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}
