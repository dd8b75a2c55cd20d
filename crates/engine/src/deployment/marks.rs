//! What answers tell of the deployment that gave them.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::Spec;
use crate::release;

/// The headers that say where an answer came from; a name that no header can hold is left out. `address` is where the provider is
/// unless the operator says.
pub(super) fn marks(spec: &Spec, address: Option<String>) -> HeaderMap {
    let model = format!("{}/{}", spec.provider, spec.model);
    let base = spec.base.as_deref().map(shown).or(address);
    let named = [
        ("x-litellm-model-id", Some(&spec.id)),
        ("x-litellm-model-group", Some(&spec.group)),
        ("x-litellm-model-name", Some(&model)),
        ("x-litellm-model-api-base", base.as_ref()),
        ("x-litellm-model-region", spec.traits.region.as_ref()),
        ("x-switchboard-provider", Some(&spec.provider)),
    ];
    let fit = named.into_iter().filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(value?).ok()?)));
    fit.chain(std::iter::once((release::VERSION, HeaderValue::from_static(release::LITELLM)))).collect()
}

/// A URL as it may be told: a user, a password and a query may be credentials.
pub(super) fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}
