//! From a configuration to a running gateway, and back to nothing without losing an answer.

mod archive;
mod waiting;

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use switchboard_engine::catalog::Catalog;
use switchboard_engine::gateway::{Gateway, Worker};
use switchboard_engine::health::Registry;
use switchboard_engine::meter::Recorder;
use switchboard_engine::route::hooks::Hooks;
use switchboard_engine::smart::Smart;
use switchboard_engine::upstream::{Settings as UpstreamSettings, Timeouts, Transport, Upstream};
use switchboard_store::Store;
use switchboard_store::redis::BadAddress;

use crate::accept::{Entrance, serve};
use crate::alerts::Alerts;
use crate::app::{Acceptor, App};
use crate::auth::Keys;
use crate::books::{Books, BooksError};
use crate::checks::Checks;
use crate::chore::Chore;
use crate::config::{Config, Environment, Loader, Overrides, ProviderKeys, Source, Watch};
use crate::edge::relief::Relief;
use crate::edge::reservoir::Reservoir;
use crate::edge::settings::{BodyLimits, ClientAuthorities};
use crate::edge::{self, Edge, Running, Shutdown};
use crate::fleet::overlay::{self, OverlayError};
use crate::fleet::resilience;
use crate::fleet::transport::{self, BadTransport};
use crate::health::background;
use crate::limits::Limits;
use crate::live::{self, Applied, Live};
use crate::log::Discreet;
use crate::memory::{self, MemoryError};
use crate::metrics::Metrics;
use crate::money::{self, credits, purge};
use crate::peers::Others;
use crate::reload::{Reload, Reloading};
use crate::router::Router;
use crate::shadows::{self, Mirrored};
use crate::trials::{self, Trials};
use crate::trust::{Trust, TrustError};
use crate::{ceiling, descriptors, fleet, renewal, webhooks};

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
    /// What the gateway is to remember has no place.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// What is spent cannot be written down.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The user's model cards cannot be used.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// Secrets cannot be kept.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The Redis where gateways meet cannot be understood.
    #[error(transparent)]
    Redis(#[from] BadAddress),
    /// The settings of connections to providers cannot be used.
    #[error(transparent)]
    Transport(#[from] BadTransport),
}

/// One thing in two hands.
fn twice<T: Clone>(one: T) -> (T, T) {
    (one.clone(), one)
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
    reloading: Option<Reloading>,
    chores: Vec<Chore>,
    log: Option<JoinHandle<()>>,
}

/// What loads the configuration of this process.
pub fn loader(source: Source, overrides: Overrides, environment: Environment) -> Loader {
    let providers = Catalog::embedded().providers().filter(|provider| !provider.key_env.is_empty() && !provider.local);
    let providers = providers.map(|provider| ProviderKeys { provider: provider.id.clone(), variables: provider.key_env.clone() });
    Loader { overrides, providers: providers.collect(), ..Loader::new(source, environment) }
}

impl Gate {
    /// Starts a gateway that records to `recorder`; `log` is the recorder's thread, to be waited for at the end.
    pub fn start(config: Config, recorder: Arc<dyn Recorder>, log: Option<JoinHandle<()>>) -> Result<Self, StartError> {
        let base = Arc::new(config);
        let config = base.clone();
        let catalog = overlay::catalog(config.switchboard.catalog.as_deref())?;
        let transport = transport::of(&config)?;
        let demo = needs_demo(&config).then(crate::demo::start).transpose()?;
        let demo_base = demo.as_ref().and_then(Running::tcp).map(|address| format!("http://{address}/v1"));
        let health = Registry::default();
        let mut foundation = memory::open(&config)?;
        let trust = foundation.store.as_ref().map(|store| Trust::open(&config, store)).transpose()?.flatten().map(Arc::new);
        foundation.trust.clone_from(&trust);
        let laid = live::at_start(foundation.store.as_ref(), trust.as_ref());
        let config = live::over(&config, &laid);
        let books = Books::open(&config, foundation.store.as_ref())?;
        foundation.book = books.book.clone();
        books.follow(&config, &catalog);
        let (fleet, unusable) = fleet::build(&config, &catalog, demo_base.as_deref(), &health);
        let smart = Arc::new(Smart::new(config.switchboard.smart.clone(), &fleet));
        let fleet = fleet.with_hooks(Hooks { advisor: Some(smart.clone()), ..Hooks::default() });
        let limits = Limits::of(&config, &catalog, &books)?;
        let (bound, relief) = (config.switchboard.limits.most_in_flight(), Relief::default());
        let own = base.clone();
        let (live, wakes) = Live::new(base, laid, unusable.clone());
        if let Some(store) = &foundation.store {
            store.listen(live.ear());
        }
        let (shutdown, stopping) = twice(Arc::<OnceLock<Shutdown>>::default());
        let (discreet, metrics, alerts) = watching(&config, &books, recorder);
        let app = Arc::new(App {
            gateway: Gateway::new(fleet, limits.admission(books.admission(bound)), books.recorder(alerts.clone()), resilience::of(&config))
                .with_archive(archive::open(&config, foundation.store.as_ref())?),
            smart,
            trials: Arc::new(Trials::open(foundation.store.as_ref())),
            health,
            others: Others::of(&config)?,
            checks: Checks::default(),
            catalog: ArcSwap::new(catalog),
            keys: ArcSwap::from_pointee(Keys::of(&config, &foundation)),
            store: foundation.store.clone(),
            trust,
            foundation,
            book: books.book.clone(),
            books,
            discreet,
            config: ArcSwap::new(config.clone()),
            limits,
            alerts,
            metrics,
            live,
            outlets: crate::fleet::signers::Signers::default(),
            draining: Box::new(move || stopping.get().is_some_and(Shutdown::has_begun)),
        });
        learn_prices(&app)?;
        app.trials.apply(&app.smart, &config);
        let mut chores = chores(&app, &config, &transport, &relief)?;
        chores.push(renewal::follow(app.clone(), demo_base.clone(), wakes)?);
        chores.extend(webhooks::start(app.clone(), own)?);
        let running = opened(&app, &config, transport, Router::new(&config.general.root_path)?, relief)?;
        chores.extend([counting(app.clone())?, waiting::close(app.clone(), running.shutdown())?]);
        // Only this thread sets it, once.
        let _ = shutdown.set(running.shutdown());
        Ok(Self { app, unusable, running, demo, demo_base, reloading: None, chores, log })
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

    /// What a new configuration is handed to. One that cannot be used leaves the old one in force.
    pub fn reloader(&self) -> impl Fn(Arc<Config>) -> Result<Applied, OverlayError> + Send + 'static {
        let (app, demo_base) = (self.app.clone(), self.demo_base.clone());
        move |config| {
            let needs_demo = demo_base.is_none() && needs_demo(&config);
            let mut applied = app.live.rebase(config, &|config| renewal::take(&app, demo_base.as_deref(), config))?;
            app.trials.apply(&app.smart, &app.config());
            if needs_demo {
                applied.restart.push("the built-in model");
            }
            app.books.prices.apply(&app.catalog(), app.gateway.fleet().deployments().map(Arc::as_ref));
            Ok(applied)
        }
    }

    /// Follows changes of the configuration from now on; every outcome is told to `tell`.
    pub fn follow(
        &mut self,
        watch: Watch,
        tell: impl Fn(&Reload, Option<Result<Applied, OverlayError>>) + Send + 'static,
    ) -> std::io::Result<()> {
        let reload = &self.app.config().switchboard.reload;
        let interval = reload.enabled.then_some(reload.poll_interval);
        let apply = self.reloader();
        let on_reload = move |outcome: Reload| {
            let applied = match &outcome {
                Reload::Changed(config) => Some(apply(config.clone())),
                Reload::Refused(_) => None,
            };
            tell(&outcome, applied);
        };
        self.reloading = Some(Reloading::start(watch, interval, self.running.certificates().cloned(), on_reload)?);
        Ok(())
    }

    /// Serves until a signal says to stop, then until every answer is complete.
    pub fn wait(self, signals: edge::StopSignals) -> Result<(), edge::BoxError> {
        let Self { app, running, demo, reloading, chores, log, .. } = self;
        let ended = running.wait_with_signals(signals);
        Remains { app, demo, reloading, chores, log }.end()?;
        ended
    }

    /// Stops, and waits until every answer is complete.
    pub fn stop(self) -> Result<(), edge::BoxError> {
        let Self { app, running, demo, reloading, chores, log, .. } = self;
        running.shutdown().drain();
        running.wait()?;
        Remains { app, demo, reloading, chores, log }.end()
    }
}

/// What is left of a gateway that no longer serves.
struct Remains {
    app: Arc<App>,
    demo: Option<Running>,
    reloading: Option<Reloading>,
    chores: Vec<Chore>,
    log: Option<JoinHandle<()>>,
}

impl Remains {
    /// Ends every thread, the log last: whoever may still write to it must be gone.
    fn end(self) -> Result<(), edge::BoxError> {
        drop(self.reloading);
        drop(self.chores);
        if let Some(demo) = self.demo {
            demo.shutdown().drain();
            demo.wait()?;
        }
        self.app.books.close();
        if let Some(store) = &self.app.store {
            store.close();
        }
        drop(self.app);
        if let Some(log) = self.log
            && log.join().is_err()
        {
            tracing::error!("the request log's thread panicked");
        }
        Ok(())
    }
}

/// What sees every record, in front of that recorder: what is counted, and what is told.
fn watching(config: &Config, books: &Books, recorder: Arc<dyn Recorder>) -> (Arc<Discreet>, Option<Arc<Metrics>>, Arc<Alerts>) {
    let discreet = Arc::new(Discreet::new(config, recorder));
    let recorder: Arc<dyn Recorder> = discreet.clone();
    let metrics = config.switchboard.metrics.enabled.then(|| Arc::new(Metrics::new(config, recorder.clone())));
    let recorder = metrics.clone().map_or(recorder, |metrics| metrics);
    let alerts = Arc::new(Alerts::new(books.book.clone(), recorder));
    (discreet, metrics, alerts)
}

/// Whether anything uses the built-in model: a gateway without any deployment does.
fn needs_demo(config: &Config) -> bool {
    config.deployments.is_empty() || config.deployments.iter().any(|deployment| deployment.model.starts_with("demo/"))
}

/// Reads the prices and credits that the database has, before anybody calls.
fn learn_prices(app: &Arc<App>) -> Result<(), StartError> {
    let Some(store) = &app.store else { return Ok(()) };
    store.listen(app.books.prices.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Err(error) = runtime.block_on(money::refresh(app)) {
        tracing::warn!(%error, "dated prices and credits are not known yet");
    }
    Ok(())
}

/// Opens the doors.
fn opened(app: &Arc<App>, config: &Config, transport: Transport, router: Router, relief: Relief) -> Result<Running, StartError> {
    let shared = app.clone();
    Ok(Edge::run(settings(config, relief), move |_| {
        let acceptor = Acceptor { worker: worker(&shared.config(), &transport), app: shared.clone(), root: router.root().clone() };
        let entrance = Arc::new(Entrance { acceptor: Arc::new(acceptor), router: router.clone() });
        Ok(move |request| serve(entrance.clone(), request))
    })?)
}

fn settings(config: &Config, relief: Relief) -> edge::Settings {
    let own = &config.switchboard;
    edge::Settings {
        listen: own.listen.iter().map(|listen| listen.address.clone()).collect(),
        tls: own.tls.as_ref().map(|files| edge::settings::TlsFiles {
            certificate: files.certificate_file.clone(),
            key: files.private_key_file.clone(),
            clients: files.client_ca_file.clone().map(|authorities| ClientAuthorities { authorities, optional: files.client_optional }),
        }),
        workers: own.workers as usize,
        takeover: own.takeover,
        max_connections: descriptors::for_clients(own.limits.max_connections),
        header_timeout: own.timeouts.header_read,
        idle_timeout: own.timeouts.keep_alive,
        stall_timeout: own.timeouts.write,
        max_header_bytes: usize::try_from(own.limits.max_header_bytes).unwrap_or(usize::MAX),
        max_headers: own.limits.max_headers as usize,
        body: BodyLimits {
            max_bytes: own.limits.max_body_bytes,
            total: own.timeouts.body_read,
            reservoir: Reservoir::new(own.limits.max_body_bytes_in_flight).under(relief.clone()),
            ..BodyLimits::default()
        },
        relief,
        drain_timeout: own.timeouts.drain,
        ..edge::Settings::default()
    }
}

/// What goes on beside requests.
fn chores(app: &Arc<App>, config: &Arc<Config>, transport: &Transport, relief: &Relief) -> Result<Vec<Chore>, StartError> {
    let (own, transport, again) = (config.clone(), transport.clone(), transport.clone());
    let check = || background::start(app.clone(), move || worker(&own, &transport));
    let checking = config.general.health_checks.background.then(check).transpose()?;
    let watched = app.clone();
    let credits = app.store.is_some().then(|| Chore::start("credits", async move || beside(watched.clone()).await)).transpose()?;
    let limits = app.limits.start(&app.book)?;
    let asked = app.clone();
    let follow = |store: &Store| trials::start(app.trials.clone(), (store.clone(), app.smart.clone()), move || asked.config());
    let following = app.store.as_ref().map(follow).transpose()?;
    let (mirrored, inbox) = Mirrored::new(app.trials.clone());
    app.gateway.reflect_to(Arc::new(mirrored));
    let (own, transport) = (config.clone(), again);
    let reflecting = shadows::reflect(app.clone(), inbox, move || worker(&own, &transport))?;
    Ok(app
        .others
        .start(&app.health)?
        .into_iter()
        .chain(limits)
        .chain(checking)
        .chain(following)
        .chain(credits)
        .chain(ceiling::watch(app, config, relief)?)
        .chain([reflecting])
        .collect())
}

/// Makes ready what prompts are counted with, beside the calls, once it is known that some will be.
fn counting(app: Arc<App>) -> std::io::Result<Chore> {
    Chore::start("tokenizer", async move || {
        app.gateway.will_count().await;
        switchboard_engine::prepare_to_count();
    })
}

/// What is looked after in the database, a few times a minute.
async fn beside(app: Arc<App>) {
    tokio::join!(credits::watch(app.clone()), purge::watch(app));
}

/// One worker's connections to providers.
fn worker(config: &Config, transport: &Transport) -> Worker {
    let own = &config.switchboard.upstream;
    let settings = UpstreamSettings {
        transport: transport.clone(),
        idle_connection_timeout: own.pool_idle_timeout,
        max_idle_per_origin: own.max_idle_connections_per_host as usize,
        ..UpstreamSettings::default()
    };
    let first_byte = config.router.timeout.min(Duration::from_secs(600));
    let timeouts = Timeouts { connect: own.connect_timeout, first_byte, idle: own.stream_idle_timeout, total: None };
    Worker { upstream: Upstream::new(settings), timeouts }
}
