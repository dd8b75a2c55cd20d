//! Keys of providers that callers bring along.
//!
//! A deployment for which the caller has a key comes first, whatever the order asked for, and is called with that key; then come
//! the deployments as they are, with the gateway's keys; then keys that are only to be fallen back to. What is wrong with a key of
//! the caller's (it is refused, or used up) is held against nobody else.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::catalog::Auth;
use crate::deployment::{Deployment, Reach};
use crate::health::Failure;
use crate::pattern;
use crate::sign::{self, Secret, SignError, Signer};
use crate::upstream::{Upstream, UpstreamRequest};

/// The keys a caller brings along.
#[derive(Clone, Debug, Default)]
pub struct OwnKeys {
    /// In the order in which they are tried.
    pub keys: Vec<Arc<OwnKey>>,
    /// Whether what they spend counts in the caller's budgets.
    pub counts: bool,
    /// A key that takes the place of the gateway's, at every target of its provider; without one, at every target.
    pub instead: Option<Arc<OwnKey>>,
}

/// A key of a provider.
#[derive(Clone, Debug)]
pub struct OwnKey {
    /// Its id; never the key.
    pub id: String,
    /// The provider's name.
    pub provider: String,
    /// The key.
    pub secret: Secret,
    /// Only when the gateway's own keys have failed.
    pub is_fallback: bool,
    /// The models it is for: names and patterns with `*`. None means every model.
    pub models: Option<Vec<String>>,
    /// Whether it is the token of a person's own subscription with Anthropic, which is shown otherwise than a key.
    pub is_token: bool,
}

/// What says that a token is one of a subscription.
const SUBSCRIBED: &str = "oauth-2025-04-20";
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// Whether such a failure says something of the key alone.
pub(crate) fn is_of_key(failure: Failure) -> bool {
    matches!(failure, Failure::Credential | Failure::Denied | Failure::Quota | Failure::RateLimited)
}

/// Whether a provider that wants its credential so takes a plain key.
pub fn takes_keys(auth: &Auth) -> bool {
    match auth {
        Auth::Bearer | Auth::Header(_) | Auth::Query(_) | Auth::Scheme(_) => true,
        Auth::Azure | Auth::AzureBearer | Auth::AzureHeader(_) | Auth::Gcp => true,
        Auth::Aws(service) => service == "bedrock",
        Auth::None | Auth::Oci | Auth::Exchange(_) => false,
    }
}

impl OwnKey {
    /// Whether it is for that deployment.
    pub fn fits(&self, deployment: &Deployment) -> bool {
        let spec = &deployment.spec;
        let full = format!("{}/{}", spec.provider, spec.model);
        let named = |patterns: &Vec<String>| {
            patterns.iter().any(|pattern| pattern::matches(pattern, &spec.group) || pattern::matches(pattern, &full))
        };
        deployment.facts.is_named(&self.provider) && self.models.as_ref().is_none_or(named)
    }

    /// Shows it to the provider, as that wants keys to be shown, and to no other origin than the deployment's.
    pub(crate) async fn sign(&self, reach: &Reach, upstream: &Upstream, request: &mut UpstreamRequest) -> Result<(), SignError> {
        let auth = if self.is_token {
            request.headers.remove("x-api-key");
            subscribe(&mut request.headers);
            sign::Auth::bearer(&self.secret)?
        } else {
            shown(&reach.auth, &self.secret)?
        };
        // A constant header of the deployment's may hold the gateway's own key.
        if let sign::Auth::Header(name, _) = &auth {
            request.headers.remove::<&HeaderName>(name);
        }
        Signer::new(reach.origin.clone(), auth).sign(upstream, request).await
    }
}

/// How a plain key is shown to a provider that wants its credential so.
pub fn shown(auth: &Auth, key: &Secret) -> Result<sign::Auth, SignError> {
    match auth {
        Auth::Bearer | Auth::AzureBearer => sign::Auth::bearer(key),
        Auth::Header(name) | Auth::AzureHeader(name) => sign::Auth::header(name, key),
        Auth::Query(name) => Ok(sign::Auth::query(name, key.clone())),
        Auth::Scheme(name) => sign::Auth::scheme(name, key),
        Auth::Azure => sign::Auth::header("api-key", key),
        Auth::Gcp => sign::Auth::header("x-goog-api-key", key),
        Auth::Aws(service) if service == "bedrock" => sign::Auth::bearer(key),
        Auth::None | Auth::Oci | Auth::Exchange(_) | Auth::Aws(_) => Err(SignError::Malformed("the provider takes no plain key")),
    }
}

/// Says among the betas of a request that its token is one of a subscription.
fn subscribe(headers: &mut HeaderMap) {
    let said = headers.get(BETA).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if said.contains(SUBSCRIBED) {
        return;
    }
    let all = if said.is_empty() { SUBSCRIBED.to_owned() } else { format!("{said},{SUBSCRIBED}") };
    if let Ok(value) = HeaderValue::try_from(all) {
        headers.insert(BETA, value);
    }
}
