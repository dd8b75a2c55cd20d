//! A place where a model runs: provider, model, credential, and everything about the wire that can be known beforehand.

mod cache_point;
mod marks;
mod newer_calls;
mod placeless;
mod profile;
mod region;
mod reserved;
mod said;
mod shadow;
mod traits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::control::{is_steering, is_withheld};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::half::{Profile, Thinking};
use switchboard_wire::outline::Edits;
use switchboard_wire::{Dialect, Operation};

use self::marks::{marks, shown};
use crate::catalog::{Ask, Auth, Catalog, ModelCard, Provider, StreamUsage};
use crate::health::{ByClass, Health, Place, Registry};
use crate::hops;
use crate::sign::{Secret, Signer};
use crate::upstream::{Origin, Preset, Transport};
pub use cache_point::CachePoint;
pub use newer_calls::NewerCalls;
pub use reserved::{AccessWindow, Reserved};
pub(crate) use said::TRANSLATED;
pub use shadow::Shadow;
pub use traits::{Facts, Pattern, Pico, Traits};

/// A deployment as configured.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// Its id; stable over restarts.
    pub id: String,
    /// The public name.
    pub group: String,
    /// The provider's id.
    pub provider: String,
    /// The model, as written behind the provider's prefix.
    pub model: String,
    /// The user's base URL.
    pub base: Option<String>,
    /// Values for the placeholders of URLs and for signers, by name.
    pub values: BTreeMap<String, String>,
    /// Headers to add.
    pub headers: Vec<(String, String)>,
    /// Body fields the client need not send (JSON text by name).
    pub defaults: Vec<(String, String)>,
    /// Body fields to set whatever the client sends.
    pub set: Vec<(String, String)>,
    /// Body fields to leave out, and paths to what is left out below one.
    pub remove: Vec<String>,
    /// Body fields that are sent as they are said, whatever is known of the provider.
    pub allowed: Vec<String>,
    /// Whether body fields that the model does not take are left out, where the operator says so of this one.
    pub drops: Option<bool>,
    /// The name under which the price list knows the model, where it differs.
    pub base_model: Option<String>,
    /// Relative share of the group's calls.
    pub weight: Option<f64>,
    /// Prices that hold instead of the price list's, by its names for them, in USD.
    pub prices: Vec<(String, String)>,
    /// What the operator knows of the model, by the names that price lists use (JSON text by name).
    pub known: Vec<(String, String)>,
    /// What else matters when one is chosen.
    pub traits: Traits,
    /// Preference: lower first.
    pub order: u32,
    /// Longest time for a call.
    pub timeout: Option<Duration>,
    /// Longest wait for a stream to begin.
    pub stream_timeout: Option<Duration>,
    /// How often a failed request is repeated, where that differs from the rule.
    pub num_retries: Option<u32>,
    /// How long it rests after too many failures, where that differs from the rule.
    pub cooldown_time: Option<Duration>,
    /// Failures within a minute that it bears, where that differs from the rule.
    pub allowed_fails: Option<u32>,
    /// The same by the class of the failure.
    pub allowed_fails_policy: ByClass,
    /// Whether it has no breaker: a rule of the operator's says when it rests, or that it never does.
    pub unbroken: bool,
    /// Longest times for calls of those service tiers.
    pub timeout_by_tier: Vec<(String, Duration)>,
    /// Longest waits for streams of those service tiers to begin.
    pub stream_timeout_by_tier: Vec<(String, Duration)>,
    /// Chats go to it in the newer of a vendor's two forms, where it has both.
    pub newer_form: bool,
    /// It never answers, for tests.
    pub mock_timeout: bool,
    /// Thoughts are shown as part of the text, between marks.
    pub merge_reasoning: bool,
    /// Where requests are marked for the provider's cache.
    pub cache_points: Vec<CachePoint>,
    /// Seconds after which a stream that is silent sends a comment; not at all from 0 down.
    pub keepalive: Option<f64>,
    /// Whether callers may say how many.
    pub keepalive_override: bool,
    /// How it is connected, where that differs from the rule.
    pub transport: Option<Transport>,
    /// The text of every chat's answer, made up here; one that names one of LiteLLM's exceptions is that failure.
    pub mock: Option<String>,
    /// Whether the caller's own words named the model (wildcards).
    pub guessed: bool,
    /// What must never be shown, wherever a provider may repeat it.
    pub secrets: Vec<Secret>,
    /// What else tells its credential from others: an account, a role, a project.
    pub identity: Vec<String>,
    /// Where copies of the requests that it answers go.
    pub shadows: Vec<Arc<Shadow>>,
}

/// What deployments are built on.
#[derive(Clone, Copy)]
struct Ground<'a> {
    catalog: &'a Catalog,
    provider: &'a Provider,
    value: &'a dyn Fn(&str) -> Option<String>,
    signer: &'a SignerFor<'a>,
}

/// Makes the credential for an origin.
pub type SignerFor<'a> = dyn Fn(&Auth, &Origin) -> Result<Arc<Signer>, String> + 'a;

/// How one kind of request reaches a deployment.
#[derive(Clone, Debug)]
pub struct Reach {
    operation: Operation,
    dialect: Option<Dialect>,
    stream: bool,
    /// Scheme, host and port.
    pub origin: Origin,
    /// Path and query.
    pub path: PathAndQuery,
    /// The name the provider knows the model by.
    pub model: String,
    /// The request's shape where it is no chat.
    pub shape: Option<String>,
    /// Constant headers.
    pub headers: Arc<HeaderMap>,
    /// How the credential is shown.
    pub signer: Arc<Signer>,
    /// The form a credential has there.
    pub auth: Auth,
    /// The constant headers and the credential, where that is the same for all requests.
    pub preset: Option<Preset>,
    /// Changes to the body; the model is not among them.
    pub edits: Edits,
}

/// A place where a model runs.
#[derive(Debug)]
pub struct Deployment {
    /// What was configured.
    pub spec: Spec,
    /// The provider's display name.
    pub provider_name: String,
    /// The chat dialects it speaks, the preferred one first.
    pub chat: Vec<Dialect>,
    /// What the catalog knows of the model.
    pub card: Option<ModelCard>,
    /// What the model can do, for writers.
    pub profile: Profile,
    /// Whether streamed usage must be asked for.
    pub ask_usage: bool,
    /// Whether the provider is a gateway itself.
    pub gateway: bool,
    /// Whether its answers in OpenAI's formats are read and written anew.
    pub rewritten: bool,
    /// Whether the model calls functions while it thinks in the responses API alone.
    pub newer_calls: NewerCalls,
    /// Whether the cost that the provider states is what is billed: its operator says no other price.
    pub states_cost: bool,
    /// Whether the model searches the web whatever it is asked.
    pub searches: bool,
    /// The API that its answers in OpenAI's formats are made for.
    pub flavor: Flavor,
    /// The dialects in which it looks up no web addresses.
    pub bytes_only: Vec<Dialect>,
    /// The headers of answers that say where they came from.
    pub marks: HeaderMap,
    /// What choosing must know of it.
    pub facts: Facts,
    /// How it is doing.
    pub health: Arc<Health>,
    /// Why nothing can be asked of it, where it lacks what it is called with.
    pub lacking: Option<Box<str>>,
    reaches: Vec<Reach>,
    /// The operations it serves, one bit each.
    served: u32,
}

/// What bodies are, unless a call says otherwise.
pub const JSON: &str = "application/json";

/// A deployment that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadDeployment(pub String);

impl Reach {
    /// The dialect it is for; `None` where it is for no chat.
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }
}

impl Deployment {
    /// Works out everything that can be known before a call. `signer` makes the credential for an origin.
    pub fn build(
        spec: Spec,
        catalog: &Catalog,
        value: &dyn Fn(&str) -> Option<String>,
        signer: &SignerFor<'_>,
    ) -> Result<Self, BadDeployment> {
        let provider =
            catalog.provider(&spec.provider).ok_or_else(|| BadDeployment(format!("there is no provider `{}`", spec.provider)))?;
        let based = spec.base_model.as_deref().and_then(|base| catalog.base(&provider.id, base));
        let listed = based.or_else(|| catalog.model(&provider.id, &spec.model));
        let card = said::amended(listed, &spec).map(|card| catalog.with_tools(provider, card));
        let telling = profile::telling(catalog, provider, &spec);
        let mut profile = profile::of(catalog, provider, card.as_ref(), (&spec.model, telling));
        if spec.base.is_some() {
            profile::elsewhere(&mut profile, provider);
        }
        let mut deployment = Self {
            provider_name: provider.listed_name().to_owned(),
            chat: spoken(provider.chat_dialects(&spec.model), card.as_ref()),
            profile,
            ask_usage: provider.stream_usage == StreamUsage::Option,
            gateway: provider.gateway,
            rewritten: provider.rewritten,
            newer_calls: NewerCalls::of(catalog, provider, &spec, value),
            states_cost: provider.states_cost && spec.prices.is_empty(),
            searches: provider.always_searches(&spec.model),
            flavor: provider.flavor,
            bytes_only: provider.bytes_only.clone(),
            facts: Facts::of(provider, card.as_ref(), &spec.traits).listed_by(catalog, &spec),
            card,
            marks: HeaderMap::new(),
            health: Arc::default(),
            lacking: None,
            reaches: Vec::new(),
            served: 0,
            spec,
        };
        let asks = Operation::ALL.into_iter().flat_map(|operation| match operation {
            Operation::Chat => deployment.chat.iter().map(|dialect| (operation, Some(*dialect))).collect::<Vec<_>>(),
            _ => vec![(operation, None)],
        });
        let ground = Ground { catalog, provider, value, signer };
        let mut failure = None;
        for (operation, dialect) in asks.collect::<Vec<_>>() {
            for stream in [false, true] {
                match deployment.reach_for((operation, dialect, stream), &ground) {
                    Ok(Some(reach)) => deployment.add(reach),
                    Ok(None) => {}
                    Err(why) => failure = Some(why),
                }
            }
        }
        said::tell_lost(&deployment);
        let address = deployment.reaches.first().map(|reach| reach.origin.to_string());
        deployment.marks = marks(&deployment.spec, address);
        match failure {
            Some(why) if deployment.reaches.is_empty() => Err(BadDeployment(why)),
            _ => Ok(deployment),
        }
    }

    /// Takes over what is known of its health, and shares with others what they have in common.
    pub fn join(&mut self, registry: &Registry) {
        let mut secrets = self.secrets();
        secrets.extend(self.spec.identity.iter().map(String::as_str));
        let spec = &self.spec;
        let named = |name: &&str| spec.values.get(*name).map(String::as_str);
        let region = ["region_name", "aws_region_name", "vertex_location"].iter().find_map(named);
        // A pattern's deployments differ by their models alone.
        let id = if spec.guessed { format!("{}:{}", spec.id, spec.model) } else { spec.id.clone() };
        let base = spec.base.as_deref();
        self.health = registry.of(&Place { id: &id, provider: &spec.provider, base, secrets: &secrets, model: &spec.model, region });
        self.health.break_never(spec.unbroken);
    }

    fn reach_for(
        &self,
        (operation, dialect, stream): (Operation, Option<Dialect>, bool),
        ground: &Ground<'_>,
    ) -> Result<Option<Reach>, String> {
        let Ground { catalog, provider, value, signer } = *ground;
        let ask = Ask { operation, dialect, model: &self.spec.model, streamed: stream };
        let Some(endpoint) = catalog.endpoint(provider, ask) else { return Ok(None) };
        let from_env = endpoint.base_env.iter().find_map(|name| value(name));
        let base = self.spec.base.clone().or(from_env);
        let endpoint = endpoint.varied(base.as_deref(), value);
        let url = endpoint.url(base.as_deref(), value).map_err(|error| error.to_string())?;
        let origin = Origin::of(&url).map_err(|error| format!("`{}`: {error}", shown(&url)))?;
        let uri: http::Uri = url.parse().map_err(|error| format!("`{}`: {error}", shown(&url)))?;
        let path = uri.path_and_query().cloned().ok_or_else(|| format!("`{}` has no path", shown(&url)))?;
        let constant = endpoint.headers(value).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        hops::mark(&mut headers, hops::may_return(provider, base.is_some()));
        for (name, value) in constant.iter().chain(&self.spec.headers) {
            let name = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name"))?;
            let value = HeaderValue::try_from(value).map_err(|_| format!("the value of header `{name}` cannot be sent"))?;
            headers.insert(name, value);
        }
        let edits = endpoint.edits(value).map_err(|error| error.to_string())?;
        let signer = signer(endpoint.auth, &origin)?;
        let (headers, preset) = self.constant(headers, &origin, &signer)?;
        Ok(Some(Reach {
            operation,
            dialect,
            stream,
            preset,
            signer,
            auth: endpoint.auth.clone(),
            origin,
            path,
            model: endpoint.model.to_owned(),
            shape: endpoint.shape.map(str::to_owned),
            headers,
            edits: self.edits(&edits, dialect, stream),
        }))
    }

    /// What all requests carry that go there so: once for all ways on which that is the same.
    fn constant(&self, headers: HeaderMap, origin: &Origin, signer: &Arc<Signer>) -> Result<(Arc<HeaderMap>, Option<Preset>), String> {
        let is_same = |known: &&Reach| known.origin == *origin && *known.headers == headers && Arc::ptr_eq(&known.signer, signer);
        if let Some(known) = self.reaches.iter().find(is_same) {
            return Ok((known.headers.clone(), known.preset.clone()));
        }
        let preset = signer.constant().map(|credential| Preset::new(origin.clone(), headers.clone(), credential.as_ref()));
        Ok((Arc::new(headers), preset.transpose().map_err(|error| error.to_string())?))
    }

    /// Whether the model thinks before it answers, where that is known.
    pub fn thinks(&self) -> Option<bool> {
        match self.profile.thinking {
            Some(Thinking::Never) => Some(false),
            Some(Thinking::Effort | Thinking::Budget | Thinking::Adaptive) => Some(true),
            None => self.card.as_ref().map(|card| card.supports.iter().any(|ability| ability == "reasoning")),
        }
    }

    /// Whether that field of a request in that dialect is not for the provider: a gateway gets what steers gateways, but for
    /// credentials and addresses.
    pub fn is_kept_from(&self, dialect: Dialect, key: &str) -> bool {
        if self.gateway { is_withheld(dialect, key) } else { is_steering(dialect, key) }
    }

    fn edits(&self, row: &crate::catalog::Edits, dialect: Option<Dialect>, stream: bool) -> Edits {
        let pairs = |map: &BTreeMap<String, String>| map.iter().map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>();
        let mut set = pairs(&row.set);
        let nests = dialect.and_then(Dialect::outbound).is_some_and(|outbound| outbound.nests());
        let (lay, own): (Vec<_>, Vec<_>) = said::fitting(&self.spec.set, stream).partition(|_| nests);
        set.extend(own);
        let mut rename = pairs(&row.rename);
        if dialect == Some(Dialect::OpenAiChat) && self.profile.max_completion_tokens == Some(true) && rename.is_empty() {
            rename.push(("max_tokens".to_owned(), "max_completion_tokens".to_owned()));
        }
        // What the operator says has the name that the provider knows, as what the caller says.
        let renamed = |key: &String| rename.iter().find(|(from, _)| from == key).map_or_else(|| key.clone(), |(_, to)| to.clone());
        let default = said::fitting(&self.spec.defaults, stream).map(|(key, value)| (renamed(&key), value)).collect();
        Edits {
            set,
            lay,
            default,
            rename,
            remove: row.remove.iter().filter(|key| is_ours(key)).chain(&self.spec.remove).cloned().collect(),
            lose: row.remove.iter().filter(|key| !is_ours(key) && !self.spec.allowed.contains(key)).cloned().collect(),
        }
    }

    /// How that kind of request reaches it; `None` where it does not.
    pub fn reach(&self, operation: Operation, dialect: Option<Dialect>, stream: bool) -> Option<&Reach> {
        self.reaches.iter().find(|reach| reach.operation == operation && reach.dialect == dialect && reach.stream == stream)
    }

    /// The hosts it is reached at, where an operator chose them.
    pub fn private_hosts(&self) -> Vec<&str> {
        let hosts = self.reaches.iter().filter(|_| self.spec.base.is_some()).map(|reach| reach.origin.host());
        let mut hosts: Vec<&str> = hosts.collect();
        hosts.dedup();
        hosts
    }

    /// Where it is reached, by the first of its ways.
    pub fn origin(&self) -> Option<&Origin> {
        self.reaches.first().map(|reach| &reach.origin)
    }

    /// What must never be shown.
    pub fn secrets(&self) -> Vec<&str> {
        self.spec.secrets.iter().map(Secret::reveal).collect()
    }

    /// Whether it serves that operation.
    pub fn serves(&self, operation: Operation) -> bool {
        self.served & bit(operation) != 0
    }

    fn add(&mut self, reach: Reach) {
        // Tokens are counted here where the provider does not.
        let counts = if reach.operation == Operation::Chat { bit(Operation::CountTokens) } else { 0 };
        self.served |= bit(reach.operation) | counts;
        self.reaches.push(reach);
    }

    /// Whether the operator says such a field of each request.
    fn says(&self, is_such: impl Fn(&str) -> bool) -> bool {
        self.spec.defaults.iter().chain(&self.spec.set).any(|(key, _)| is_such(key))
    }

    /// The dialect to speak to it with a client of that dialect: the client's own where it can, else its preferred one.
    pub fn dialect_for(&self, client: Dialect) -> Option<Dialect> {
        let reached = |dialect: &Dialect| self.reaches.iter().any(|reach| reach.dialect == Some(*dialect));
        let spoken = || self.chat.iter().copied().filter(reached);
        // What the operator says and one API alone knows is lost in the others.
        let says = |dialect: &Dialect| dialect.outbound().is_some_and(|api| self.says(|key| api.has_alone(key)));
        spoken().find(says).or_else(|| spoken().find(|dialect| *dialect == client)).or_else(|| spoken().next())
    }
}

/// Fields that say how a request travels: that a target has another place for them is no loss to the caller.
fn is_ours(key: &str) -> bool {
    matches!(key, "model" | "stream" | "stream_options")
}

fn bit(operation: Operation) -> u32 {
    1 << operation as u32
}

/// The dialects that a provider speaks for this model: not every model is served on every path.
fn spoken(dialects: &[Dialect], card: Option<&ModelCard>) -> Vec<Dialect> {
    let mode = card.and_then(|card| card.mode.as_deref());
    let fits = |dialect: &Dialect| match mode {
        Some("responses") => *dialect == Dialect::OpenAiResponses,
        Some("completion") => *dialect == Dialect::OpenAiCompletions,
        Some("chat") => *dialect != Dialect::OpenAiCompletions,
        _ => true,
    };
    let fitting: Vec<Dialect> = dialects.iter().copied().filter(fits).collect();
    if fitting.is_empty() { dialects.to_vec() } else { fitting }
}
