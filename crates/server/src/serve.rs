//! From a configuration to a running gateway, and back to nothing without losing an answer.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use switchboard_engine::admit::Admission;
use switchboard_engine::catalog::Catalog;
use switchboard_engine::gateway::{Gateway, Worker};
use switchboard_engine::meter::Recorder;
use switchboard_engine::upstream::{Settings as UpstreamSettings, Timeouts, Upstream};

use crate::accept::{Acceptor, serve};
use crate::app::App;
use crate::auth::Keys;
use crate::config::{Config, Environment, Loader, Overrides, ProviderKeys, Source};
use crate::edge::{self, Edge, Running, Shutdown};
use crate::fleet;
use crate::router::Router;

/// A gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The edge could not.
    #[error(transparent)]
    Edge(#[from] edge::StartError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The routes contradict each other.
    #[error("the routes contradict each other: {0}")]
    Routes(#[from] matchit::InsertError),
}

/// A running gateway.
#[derive(Debug)]
pub struct Gate {
    /// Its state.
    pub app: Arc<App>,
    /// What could not be made into a deployment.
    pub unusable: Vec<fleet::Unusable>,
    running: Running,
    demo: Option<Running>,
    demo_base: Option<String>,
    log: Option<JoinHandle<()>>,
}

/// What loads the configuration of this process.
pub fn loader(file: Option<PathBuf>, overrides: Overrides, environment: Environment) -> Loader {
    let source = Source::choose(file, &environment);
    let providers = Catalog::embedded().providers().filter(|provider| !provider.key_env.is_empty() && !provider.local);
    let providers = providers.map(|provider| ProviderKeys { provider: provider.id.clone(), variables: provider.key_env.clone() });
    Loader { overrides, providers: providers.collect(), ..Loader::new(source, environment) }
}

impl Gate {
    /// Starts a gateway that records to `recorder`; `log` is the recorder's thread, to be waited for at the end.
    pub fn start(config: Config, recorder: Arc<dyn Recorder>, log: Option<JoinHandle<()>>) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let catalog = Catalog::embedded();
        let demo = needs_demo(&config).then(crate::demo::start).transpose()?;
        let demo_base = demo.as_ref().and_then(Running::tcp).map(|address| format!("http://{address}/v1"));
        let (fleet, unusable) = fleet::build(&config, catalog, demo_base.as_deref());
        let bound = config.switchboard.limits.max_requests_in_flight.map_or(usize::MAX, |bound| bound as usize);
        let shutdown: Arc<OnceLock<Shutdown>> = Arc::default();
        let stopping = shutdown.clone();
        let app = Arc::new(App {
            gateway: Gateway::new(fleet, Admission::new(bound), recorder, config.router.num_retries),
            catalog,
            keys: ArcSwap::from_pointee(Keys::of(&config)),
            config: ArcSwap::new(config.clone()),
            draining: Box::new(move || stopping.get().is_some_and(Shutdown::has_begun)),
        });
        let router = Router::new(&config.general.root_path)?;
        let shared = app.clone();
        let running = Edge::run(settings(&config), move |_| {
            let acceptor = Acceptor { worker: worker(&shared.config()), app: shared.clone(), router: router.clone() };
            let acceptor = Rc::new(acceptor);
            Ok(move |request| serve(acceptor.clone(), request))
        })?;
        // Only this thread sets it, once.
        let _ = shutdown.set(running.shutdown());
        Ok(Self { app, unusable, running, demo, demo_base, log })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<String> {
        let scheme = if self.running.certificates().is_some() { "https" } else { "http" };
        let shown = |bound: &edge::Bound| match bound {
            edge::Bound::Tcp(address) => format!("{scheme}://{address}"),
            edge::Bound::Unix(path) => format!("unix:{}", path.display()),
        };
        self.running.addresses().iter().map(shown).collect()
    }

    /// The handle that stops it.
    pub fn shutdown(&self) -> Shutdown {
        self.running.shutdown()
    }

    /// What a new configuration is handed to.
    pub fn reloader(&self) -> impl Fn(Arc<Config>) -> Vec<fleet::Unusable> + Send + 'static {
        let (app, demo_base) = (self.app.clone(), self.demo_base.clone());
        move |config| {
            let (fleet, unusable) = fleet::build(&config, app.catalog, demo_base.as_deref());
            app.gateway.replace(fleet);
            app.keys.store(Arc::new(Keys::of(&config)));
            app.config.store(config);
            unusable
        }
    }

    /// Serves until a signal says to stop, then until every answer is complete.
    pub fn wait(self) -> Result<(), edge::BoxError> {
        let ended = self.running.wait_with_signals();
        if let Some(demo) = self.demo {
            demo.shutdown().drain();
            demo.wait()?;
        }
        drop(self.app);
        if let Some(log) = self.log
            && log.join().is_err()
        {
            tracing::error!("the request log's thread panicked");
        }
        ended
    }
}

/// Whether anything uses the built-in model: a gateway without any deployment does.
fn needs_demo(config: &Config) -> bool {
    config.deployments.is_empty() || config.deployments.iter().any(|deployment| deployment.model.starts_with("demo/"))
}

fn settings(config: &Config) -> edge::Settings {
    let own = &config.switchboard;
    edge::Settings {
        listen: own.listen.iter().map(|listen| edge::Address::Tcp(listen.address)).collect(),
        workers: own.workers as usize,
        max_connections: own.limits.max_connections as usize,
        header_timeout: own.timeouts.header_read,
        idle_timeout: own.timeouts.keep_alive,
        stall_timeout: own.timeouts.write,
        drain_timeout: own.timeouts.drain,
        ..edge::Settings::default()
    }
}

/// One worker's connections to providers.
pub fn worker(config: &Config) -> Worker {
    let own = &config.switchboard.upstream;
    let settings = UpstreamSettings {
        idle_connection_timeout: own.pool_idle_timeout,
        max_idle_per_origin: own.max_idle_connections_per_host as usize,
        ..UpstreamSettings::default()
    };
    let first_byte = config.router.timeout.min(Duration::from_secs(600));
    let timeouts = Timeouts { connect: own.connect_timeout, first_byte, idle: own.stream_idle_timeout, total: None };
    Worker { upstream: Upstream::new(settings), timeouts }
}
