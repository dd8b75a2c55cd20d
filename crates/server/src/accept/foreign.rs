//! What pages of other sites make browsers send, where no key is asked for.
//!
//! Such a gateway is protected by its address alone, and every browser that runs there has that address. So a page of another site is
//! refused, and so is a name that nobody here has given: whoever has a name may let it lead here, and then his page is of this site.

use std::net::IpAddr;

use http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use http::uri::Authority;
use http::{HeaderName, Method, Request};
use switchboard_engine::wire::problem::{Kind, Problem};

use super::pages::{is_near, may_read};
use super::{Refusal, refusal};
use crate::app::Acceptor;
use crate::config::Config;
use crate::edge::{Peer, RequestBody};

/// Names below which nobody can have one of his own in public.
const PRIVATE: [&str; 3] = ["localhost", "local", "internal"];
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Refuses what nobody meant to send who may ask here.
pub(super) fn guard(acceptor: &Acceptor, request: &Request<RequestBody>) -> Result<(), Refusal> {
    let config = acceptor.app.config.load();
    if config.general.master_key.is_some() {
        return Ok(());
    }
    let refused = |message: String| Err(refusal(request.uri().path(), Problem::new(Kind::Forbidden, message)));
    if is_foreign(request, &config) {
        return refused("this gateway asks for no key, so it answers no page of another site: set SWITCHBOARD_MASTER_KEY, or name the site in `switchboard.cors_origins`".to_owned());
    }
    // Whoever may open a unix socket is no browser, and who lets everybody in has let them in by every name.
    let is_told = request.body().peer() == Peer::Unix || config.general.permit_missing_master_key;
    match host(request).filter(|host| !is_told && !is_ours(host, &config)) {
        Some(host) => refused(format!(
            "this gateway asks for no key, so it answers to no name that it was not given, such as `{host}`: use its address, set SWITCHBOARD_MASTER_KEY, or say PROXY_BASE_URL"
        )),
        None => Ok(()),
    }
}

/// The name, without its port, by which the client reached the gateway.
fn host<T>(request: &Request<T>) -> Option<String> {
    let written = || request.headers().get(HOST)?.to_str().ok()?.parse().ok();
    let authority: Option<Authority> = request.uri().authority().cloned().or_else(written);
    authority.map(|authority| authority.host().trim_end_matches('.').to_ascii_lowercase())
}

/// An address, a name that nobody can have in public, or one that the operator has given.
fn is_ours(host: &str, config: &Config) -> bool {
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_private = || host.rsplit_once('.').is_none_or(|(_, last)| PRIVATE.contains(&last));
    let given = config.general.public_base_url.iter().chain(&config.switchboard.cors_origins);
    is_address || is_private() || given.map(String::as_str).filter_map(host_of).any(|given| given.eq_ignore_ascii_case(host))
}

fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host))
}

/// Whether a browser says that a page of another site made it ask. A link is followed all the same: that page sees no answer.
fn is_foreign<T>(request: &Request<T>, config: &Config) -> bool {
    let headers = request.headers();
    match headers.get(ORIGIN) {
        Some(origin) => is_site(origin) && !is_near(origin) && !is_own(origin, headers) && may_read(origin, config).is_none(),
        None => says(headers, &SITE, "cross-site") && !(request.method() == Method::GET && says(headers, &MODE, "navigate")),
    }
}

fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers.get(name).is_some_and(|value| value == word)
}

/// Whether it is a place in the web, or hides which one. Programs that are made of pages have origins of other schemes.
fn is_site(origin: &HeaderValue) -> bool {
    ["http://", "https://", "null"].iter().any(|scheme| origin.as_bytes().starts_with(scheme.as_bytes()))
}

/// Whether the page is the gateway's.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let own = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
    own.is_some() && own == headers.get(HOST).and_then(|host| host.to_str().ok())
}
