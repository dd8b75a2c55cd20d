//! A deployment as a caller wants it: with a credential, or at an address, of the caller's own.

use std::sync::{Arc, LazyLock};

use switchboard_engine::catalog::{Auth, Catalog, Provider};
use switchboard_engine::deployment::{Deployment, Spec};
use switchboard_engine::egress::{self, is_public};
use switchboard_engine::own;
use switchboard_engine::sign::{self, Secret, Signer};
use switchboard_engine::upstream::{Origin, Transport, TransportSettings};
use switchboard_engine::wire::Dialect;

use crate::config::Config;
use crate::config::resolved::Deployment as Configured;

/// What a caller brings.
pub(crate) struct Place {
    /// A credential.
    pub(crate) key: Option<Secret>,
    /// An address.
    pub(crate) base: Option<String>,
    /// Another version of the API.
    pub(crate) version: Option<String>,
    /// Whether the operator named that address, so that it may be any.
    pub(crate) anywhere: bool,
    /// Whether all of it is the operator's, so that what else the deployment says goes along.
    pub(crate) is_ours: bool,
}

impl Place {
    /// Nothing yet, of the operator's.
    pub(crate) fn of_operator() -> Self {
        Self { key: None, base: None, version: None, anywhere: true, is_ours: true }
    }
}

/// Carries connections to addresses that callers name: to the public network alone, whatever a name turns out to mean.
pub(crate) static OUTSIDE: LazyLock<Transport> =
    LazyLock::new(|| Transport::new(TransportSettings { address_check: Some(Arc::new(is_public)), ..TransportSettings::default() }));

/// That deployment with what the caller brings, or why there is none.
pub(crate) fn of(found: &Deployment, place: &Place, catalog: &Catalog, config: &Config) -> Result<Deployment, String> {
    let mut spec = Spec { id: format!("{}:brought", found.spec.id), shadows: Vec::new(), ..found.spec.clone() };
    spec.secrets = place.key.iter().cloned().collect();
    if let Some(base) = &place.base {
        if !place.is_ours {
            // Whatever the operator adds to requests may be a credential too.
            (spec.headers, spec.set) = (Vec::new(), Vec::new());
        }
        if !place.anywhere {
            let refused = || "`api_base` must be a public address, as `https://host/…`".to_owned();
            is_outside(&Origin::of(base).map_err(|_| refused())?).map_err(|_| refused())?;
            spec.transport = Some(OUTSIDE.clone());
        }
        spec.base = Some(base.clone());
    }
    if let Some(version) = &place.version {
        spec.values.insert("api_version".to_owned(), version.clone());
    }
    let brought = place.base.is_some() && !place.is_ours || config.is_brought(&found.spec.id);
    let values = spec.values.clone();
    let environment = |name: &str| config.environment.get_non_empty(name).filter(|_| !brought).map(str::to_owned);
    let value = move |name: &str| values.get(name).cloned().or_else(|| environment(name));
    let key = place.key.clone();
    let signer = move |auth: &Auth, origin: &Origin| {
        let shown = key.as_ref().map_or(Ok(sign::Auth::None), |key| own::shown(auth, key));
        shown.map(|shown| Arc::new(Signer::new(origin.clone(), shown))).map_err(|error| error.to_string())
    };
    Deployment::build(spec, catalog, &value, &signer).map_err(|error| error.to_string())
}

/// How callers bring a key for a deployment that has none, where the operator lets them.
pub(super) fn how_keys_come(configured: &Configured, provider: &Provider, config: &Config) -> Option<&'static str> {
    let (general, forwarding) = (&config.general, &config.general.forwarding);
    let in_body = configured.connection.brought.key || general.gates.takes_credentials;
    let subscribed = !forwarding.is_idle() && provider.chat.first() == Some(&Dialect::Anthropic);
    match (in_body, forwarding.credentials) {
        // What a team brings has a key of the team's.
        _ if configured.brought => None,
        (true, true) => Some("send it in the body as `api_key` or in the header `x-api-key`"),
        (true, false) => Some("send it in the body as `api_key`"),
        (false, true) => Some("send it in the header `x-api-key`, and the gateway's in another"),
        (false, false) => {
            subscribed.then_some("send a subscription's token in `authorization`, and the gateway's key in `x-litellm-api-key`")
        }
    }
}

/// Refuses a place that is not written as one of the public network's. What its name turns out to mean is seen when it is reached.
pub(crate) fn is_outside(origin: &Origin) -> Result<(), String> {
    match origin.is_secure() && egress::may_be_public(origin.host()) {
        true => Ok(()),
        false => Err(format!("it would be reached at {origin}, and must be at a public address, as `https://host/…`")),
    }
}
