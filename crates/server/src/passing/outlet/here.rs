//! Paths that belong to a provider and to the gateway: calls there that the gateway serves, and paths of its own that lead to a provider.

use http::Method;
use http::header::{HeaderMap, HeaderName};
use switchboard_engine::call::{Call, OWN_FORM};
use switchboard_engine::catalog::{Catalog, Outlet, Provider};
use switchboard_engine::wire::Dialect;

use super::{Way, jobs};
use crate::app::App;

/// What clients of Gemini's keep at the provider, by how their paths begin.
const CACHES: &str = "cachedContents";
/// Where Gemini's paths begin, and the prefix of its models' names.
const GEMINI: &str = "v1beta";
const MODELS: &str = "models/";

/// The way to what clients of Gemini's keep at the provider.
pub(super) fn kept(name: &str, rest: &str, catalog: &Catalog) -> Option<Way> {
    let is_kept = name == GEMINI && rest.split('/').next() == Some(CACHES);
    let way = || Way { name: Dialect::Gemini.as_str().to_owned(), rest: format!("{GEMINI}/{rest}") };
    is_kept.then(way).filter(|way| catalog.outlet(&way.name).is_some())
}

/// The model's name: Gemini's clients say it as that of a thing among others.
pub(super) fn plain(model: String, provider: &Provider) -> String {
    let is_geminis = provider.chat.contains(&Dialect::Gemini);
    model.strip_prefix(MODELS).filter(|_| is_geminis).map(str::to_owned).unwrap_or(model)
}

/// Whether the gateway serves the call itself: a provider that anybody may run has no account but a deployment's, so that a model which
/// deployments there serve is asked for as at the gateway's own paths.
pub(super) fn is_served(call: &Call, rest: &str, outlet: &Outlet<'_>, app: &App) -> bool {
    let plain = outlet.provider.local && !call.model_in_path && call.door.shape != OWN_FORM && outlet.known(rest).is_some();
    let fleet = app.gateway.fleet();
    let found = || fleet.find(&call.model).filter(|(_, group)| !group.is_empty());
    plain && found().is_some_and(|(_, group)| group.iter().all(|one| one.spec.provider == outlet.provider.id))
}

/// Takes from the headers those by which an answer that is read would not say what it took.
pub(super) fn aloud(outlet: &Outlet<'_>, rest: &str, headers: &mut HeaderMap) {
    let pass = &outlet.provider.pass;
    if pass.hushes.is_empty() || !is_read(outlet, rest) {
        return;
    }
    let hushed = headers.iter().filter(|(name, value)| pass.hushes(name.as_str(), value.to_str().unwrap_or_default()));
    let hushed: Vec<HeaderName> = hushed.map(|(name, _)| name.clone()).collect();
    hushed.iter().for_each(|name| {
        headers.remove(name);
    });
}

/// Whether what is answered at that path is read.
fn is_read(outlet: &Outlet<'_>, rest: &str) -> bool {
    outlet.known(rest).is_some() || jobs::shown(outlet, &Method::GET, rest).is_some()
}

/// The same of a query.
pub(super) fn asked_aloud(outlet: &Outlet<'_>, rest: &str, asked: String) -> String {
    let pass = &outlet.provider.pass;
    if pass.hushes.is_empty() || asked.is_empty() || !is_read(outlet, rest) {
        return asked;
    }
    let kept = crate::query::pairs(&asked).into_iter().filter(|(name, value)| !pass.hushes(name, value));
    let written = kept.map(|(name, value)| format!("{}={}", crate::query::encode(&name), crate::query::encode(&value)));
    written.collect::<Vec<_>>().join("&")
}
