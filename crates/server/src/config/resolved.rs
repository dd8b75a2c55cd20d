//! The configuration as meant: typed, defaults applied, every reference followed.
//!
//! The rest of the gateway reads only this. An `Option` here says that something was not configured and that its absence means
//! something; it is never a default the reader has to supply.

mod alerting;
mod brought;
mod checks;
mod costs;
mod cron;
mod customers;
mod defaults;
mod deployment;
mod experiment;
mod fallback;
mod forced;
mod forwarding;
mod gates;
mod general;
mod jwt;
mod limit_rules;
mod limits;
mod litellm;
mod logs;
mod manners;
mod media;
mod metrics;
mod oracle;
mod pass_through;
mod preset;
mod queue;
mod redis;
mod reserved;
mod resilience;
mod router;
mod routing;
mod sign_in;
mod smart;
mod spending;
mod switchboard;
mod virtual_model;

pub use alerting::{AlertSettings, Alerting};
pub use brought::Brought;
pub use checks::{Check, CheckRouting, HealthChecks};
pub use costs::Costs;
pub use cron::Cron;
pub use customers::Customers;
pub use defaults::{Defaults, Makers, Making};
pub use deployment::{
    Aws, Azure, Connection, Deployment, Limits, ModelInfo, Price, Routing, SslVerify, StandIn, Streaming, Vertex, Watsonx,
};
pub use experiment::ExperimentForm;
pub use fallback::{Alias, Fallback, FallbackTarget};
pub use forced::ForcedModels;
pub use gates::{Gates, Proxies, Routes};
pub use general::General;
pub(super) use general::check_change;
pub use jwt::{ClaimFields, Grant, Issuer, JwtAuth, Unmapped};
pub use limits::LimitSettings;
pub use litellm::{Callbacks, LitellmSettings, ProxyBudget};
pub use logs::{LogSettings, Occasion, Retention};
pub use manners::{Manners, Sessions};
pub use media::MediaSettings;
pub use metrics::{MetricsGroup, MetricsSettings, OwnMetrics};
pub use pass_through::PassThrough;
pub use queue::QueueSettings;
pub use resilience::{AnswerStore, Counts, Recovery, Resilience};
pub use router::RouterSettings;
pub use sign_in::{IdentityProvider, Joining, Newcomer, SignIn};
pub use smart::RouterParams;
pub use spending::Spending;
pub use switchboard::{ClientLimits, ClientTimeouts, Listen, ReloadSettings, SwitchboardSettings, TlsFiles, UpstreamSettings};
pub use virtual_model::TargetPlace;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::elsewhere::Elsewhere;
use super::environment::Environment;
use super::fields::Reader;
use super::keys::Section;
use super::laid::{Laid, Origin};
use super::secret::Secret;

/// A configuration, ready for use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where models run, in the order of the file. Several of one name share the load.
    pub deployments: Vec<Deployment>,
    /// Those of them that only choose a model.
    pub routers: Vec<Deployment>,
    /// Other names of models.
    pub aliases: Vec<Alias>,
    /// The gateway as a whole.
    pub general: General,
    /// How deployments are chosen and what happens when one fails.
    pub router: RouterSettings,
    /// How requests are treated.
    pub litellm: LitellmSettings,
    /// The gateway's own settings.
    pub switchboard: SwitchboardSettings,
    /// Names of the entries of `credential_list`; their values are already part of the deployments.
    pub credentials: Vec<String>,
    /// Those of them that may stand in for a deployment's own (`metadata.model_config` of teams and projects).
    pub stand_ins: BTreeMap<String, StandIn>,
    /// Where gateways meet to tell each other how deployments are doing, with the password in it.
    pub redis: Option<Secret>,
    /// What is there for these gateways alone (`cache_params.namespace`).
    pub redis_namespace: Option<String>,
    /// The environment with `environment_variables` laid over it.
    pub environment: Environment,
    /// Where secrets that others keep can be read again.
    pub elsewhere: Elsewhere,
    /// What start-up should say.
    pub notices: Vec<Diagnostic>,
    /// What it was made from.
    pub(super) origin: Arc<Origin>,
}

impl Config {
    /// The environment as a deployment may know it: one that a team brought knows none.
    pub fn environment_of(&self, deployment: &Deployment) -> &Environment {
        static NOTHING: LazyLock<Environment> = LazyLock::new(Environment::default);
        if deployment.brought { &NOTHING } else { &self.environment }
    }

    /// Whether a team brought the place and the credential of the deployment of that id.
    pub fn is_brought(&self, id: &str) -> bool {
        self.deployments.iter().any(|one| one.brought && one.model_info.id == id)
    }
}

/// Types what is written, with something laid over it. Where the origin names providers nothing is written, and the environment
/// decides which models there are.
pub(super) fn resolve(origin: &Arc<Origin>, laid: &Laid, found: &mut Diagnostics) -> Config {
    let Origin { written, overrides, providers, inferable } = &**origin;
    let (root, environment) = laid.over(written);
    let environment = &environment;
    let mut reader = Reader::new(found);
    let top = reader.section(Section::Top, Some(&root));
    let mut general = General::read(&mut reader, top.node("general_settings"), environment);
    let litellm = LitellmSettings::read(&mut reader, top.node("litellm_settings"), &general.most_of_keys);
    // What it says of places holds as variables do.
    let environment = &environment.with(litellm.places());
    general.sign_in.newcomer = Newcomer::read(&litellm.fields);
    general.forwarding = forwarding::with_litellm(&mut reader, general.forwarding, &litellm.fields);
    general.logs = general.logs.with_litellm(&litellm.fields);
    let mut router = RouterSettings::read(&mut reader, top.node("router_settings"), &litellm);
    router.settings.checks = router.settings.checks.with(&general.check_routing);
    let mut switchboard = SwitchboardSettings::read(&mut reader, top.node("switchboard"), &general, environment, overrides);
    let redis = redis::address(&router.fields, &general, &litellm.fields, environment);
    let redis_namespace = redis::namespace(&router.fields, &litellm.fields);
    let credentials = deployment::Credentials::read(&mut reader, top.list("credential_list"));
    let providers = providers.as_ref().or(general.infers_models.then_some(inferable));
    let mut deployments = providers.map(|providers| deployment::from_environment(providers, environment)).unwrap_or_default();
    let common = deployment::Common::of(&router.fields);
    deployments.extend(deployment::read_all(&mut reader, &top, (&credentials, &common), general.store_model_in_db));
    deployment::take_here(&mut reader, &mut deployments, environment);
    reserved::settle(&mut deployments);
    let aliases = fallback::aliases(&mut reader, &router.fields, &litellm.fields);
    reader.finish();
    let routers = smart::take_routers(&mut deployments, &mut switchboard.smart, found);
    let config = Config {
        deployments,
        routers,
        aliases,
        general,
        router: router.settings,
        litellm: litellm.settings,
        switchboard,
        credentials: credentials.names(),
        stand_ins: credentials.stand_ins(),
        redis,
        redis_namespace,
        environment: environment.clone(),
        elsewhere: written.elsewhere.clone(),
        notices: Vec::new(),
        origin: origin.clone(),
    };
    fallback::check_targets(&config, &router.fields, &router.default_fallbacks_at, found);
    general::check_exposure(&config, found);
    if config.deployments.is_empty() && !config.general.store_model_in_db {
        let hint = "add a `model_list`, or set a provider's key such as `OPENAI_API_KEY` and start without a file";
        found.warn(&written.root.at, "there are no models, so the built-in `demo/echo` answers", hint);
    }
    Config { notices: found.warnings().chain(found.notices()).cloned().collect(), ..config }
}
