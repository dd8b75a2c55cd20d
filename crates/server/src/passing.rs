//! Serving `pass_through_endpoints`: a request goes on as it is to where an operator said, and its answer comes back as it is.
//!
//! Nothing of the gateway's goes along: the client's key stays here, whatever header it came in, and so do cookies. What an operator
//! wrote into the file may lead anywhere; what was made over the API never leads to link-local addresses, where clouds tell machines
//! their credentials. An answer is another origin's page and may not act as one of the gateway's own.

pub(crate) mod outlet;

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Response};
use serde_json::Value;
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::catalog::{ModelCard, derive};
use switchboard_engine::control::is_plain;
use switchboard_engine::deployment::{Deployment, Spec};
use switchboard_engine::passing::Passing;
use switchboard_engine::pattern::steps_aside;
use switchboard_engine::upstream::{Caps, Origin, Timeouts, Transport, TransportSettings, UpstreamRequest};
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::frames::Frames;
use switchboard_engine::wire::outline::Outline;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_engine::wire::{Dialect, Operation};

use crate::answered::Answered;
use crate::app::{Acceptor, App};
use crate::auth::{Caller, Credential, session};
use crate::authz::{self, Policy, gate};
use crate::clock::unix_seconds;
use crate::config::resolved::PassThrough;
use crate::edge::RequestBody;
use crate::identity;
use crate::refusal::{Refusal, body_refusal, shown};
use crate::refused::Refused;

/// What is passed on is no model's, and its errors are told as OpenAI's clients expect.
const DOOR: Door =
    Door { operation: Operation::PassThrough, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false };

/// Headers that say who the client is, or are the connection's alone.
const OWN: [&str; 17] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-litellm-api-key",
    "ocp-apim-subscription-key",
    "cookie",
    "host",
    "content-length",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
    "accept-encoding",
];
/// A client's header behind this goes along by the rest of its name.
const FOR_THE_PLACE: &str = "x-pass-";

/// A request on its way through.
pub(crate) struct Passage {
    to: Arc<PassThrough>,
    rest: String,
}

/// Where a path leads that is none of the gateway's own: the later entry, and the longer path of two.
pub(crate) fn find(app: &App, method: &Method, path: &str) -> Option<Passage> {
    let config = app.config();
    let known = config.general.pass_through.iter().rev();
    let fitting = known.filter_map(|one| Some((one, one.rest(method, path)?)));
    let (to, rest) = fitting.reduce(|best, next| if next.0.path.len() > best.0.path.len() { next } else { best })?;
    Some(Passage { to: to.clone(), rest: rest.to_owned() })
}

/// Passes a request on.
pub(crate) async fn serve(
    acceptor: &Arc<Acceptor>,
    passage: Passage,
    (parts, body): (Parts, RequestBody),
    (from, received): (Option<IpAddr>, Instant),
) -> Result<Answered, Refusal> {
    let caller = match passage.to.auth {
        true => identified(acceptor, &passage.to.path, &parts, from).await.map_err(|refused| shown(refused, &DOOR))?,
        false => Arc::new(Caller::trusted(Credential::Open)),
    };
    let frames = body.collect().await.map_err(|error| body_refusal(&error, &DOOR))?;
    let body = frames.into_bytes();
    let told = |problem: Problem| Refusal { error: problem.into(), dialect: DOOR.dialect, flavor: DOOR.flavor };
    let request = request(acceptor, &passage, &parts, body.clone()).map_err(told)?;
    let target = Arc::new(place(&passage.to));
    let mut call = call(&passage.to, &caller, parts.headers, (body, received));
    if passage.to.auth {
        call = identity::engaged(call, &acceptor.app).await.map_err(|refused| shown(refused, &DOOR))?;
    }
    send(acceptor, &call, &target, Passing { request, signer: None, secrets: secrets(&passage.to), may_return: true, job: None }).await
}

/// What is shown there and to be told nobody.
fn secrets(to: &PassThrough) -> Vec<String> {
    to.headers.iter().filter_map(|(_, value)| value.to_str().ok()).map(str::to_owned).collect()
}

/// Sends a request on, and makes of its answer one of another origin's.
async fn send(acceptor: &Acceptor, call: &Call, target: &Arc<Deployment>, passing: Passing) -> Result<Answered, Refusal> {
    may_go(acceptor, call, target)?;
    let answer = acceptor.app.gateway.pass_on(call, &acceptor.worker, target, passing).await;
    let told = |error| crate::ask::as_configured(error, call.door.flavor, &acceptor.app);
    let answer = answer.map_err(|error| Refusal { error: told(error), dialect: call.door.dialect, flavor: call.door.flavor })?;
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// Refuses what rules on content let go to places with certain labels alone, where the place has none of them.
fn may_go(acceptor: &Acceptor, call: &Call, target: &Deployment) -> Result<(), Refusal> {
    let Some(labels) = acceptor.app.smart.demanded(call) else { return Ok(()) };
    if labels.iter().any(|label| target.spec.traits.labels.contains(label)) {
        return Ok(());
    }
    let message = "the request holds content that may not go to this place (`content_rules`)";
    Err(Refusal { error: Problem::new(Kind::Forbidden, message).into(), dialect: call.door.dialect, flavor: call.door.flavor })
}

/// Who asks, if they may.
async fn identified(acceptor: &Acceptor, route: &str, parts: &Parts, from: Option<IpAddr>) -> Result<Arc<Caller>, Refused> {
    let keys = acceptor.app.keys.load_full();
    let (path, routes) = (acceptor.root.below(parts.uri.path()), &keys.gates().routes);
    gate::served(routes, Policy::Pass, path)?;
    let caller = keys.caller(&parts.headers, parts.uri.query(), from).await?;
    if caller.credential == Credential::Session {
        session::guard(parts)?;
    }
    authz::enter(Policy::Pass, path, &caller)?;
    gate::for_admins(routes, (Policy::Pass, path), &caller)?;
    listed(&caller, route, path)?;
    Ok(caller)
}

/// Whether the caller's key may use that route, where it lists those it may, and is not kept from that path.
fn listed(caller: &Caller, route: &str, path: &str) -> Result<(), Refused> {
    if let Some(entry) = closed(&caller.closed, path).filter(|_| !caller.is_admin()) {
        let message = format!("Key/team denied access to passthrough route {path}. Matched `{entry}` in `denied_passthrough_routes`.");
        return Err(Refused::detail(403, message.into()));
    }
    let metadata: Option<Value> = caller.principal.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let allowed = metadata.as_ref().and_then(|metadata| metadata.get("allowed_passthrough_routes")).and_then(Value::as_array);
    let names = |entry: &Value| entry.as_str().is_some_and(|entry| switchboard_engine::pattern::matches(entry, route));
    if allowed.is_some_and(|list| !list.is_empty() && !list.iter().any(names)) {
        return Err(Refused::forbidden(format!("This key may not use the pass-through route {route}")));
    }
    Ok(())
}

/// The entry that keeps a caller from a path, however that is written: whole parts of it, or a beginning that ends in a star.
pub(crate) fn closed<'a>(entries: &'a [String], path: &str) -> Option<&'a String> {
    if entries.is_empty() {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    // A plus sign is one in a path.
    let decoded = crate::query::decode(&path.replace('+', "%2B"));
    for part in decoded.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let plain = format!("/{}", parts.join("/"));
    let covers = |entry: &str, path: &str| {
        let whole = entry.trim_end_matches('/');
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        entry.strip_suffix('*').is_some_and(|start| path.starts_with(start)) || path.strip_prefix(whole).is_some_and(below)
    };
    entries.iter().find(|entry| !entry.is_empty() && (covers(entry, path) || covers(entry, &plain)))
}

/// The request as the place gets it.
fn request(acceptor: &Acceptor, passage: &Passage, parts: &Parts, body: Bytes) -> Result<UpstreamRequest, Problem> {
    let to = &passage.to;
    let unreadable = || Problem::new(Kind::BadRequest, format!("`{}` cannot be passed on", parts.uri.path()));
    let origin = Origin::of(&to.target).map_err(|_| unreadable())?;
    let target: http::Uri = to.target.parse().map_err(|_| unreadable())?;
    if steps_aside(&passage.rest) {
        return Err(Problem::new(Kind::BadRequest, "a path that is passed on leads nowhere but down"));
    }
    let path = format!("{}{}", target.path().trim_end_matches('/'), passage.rest);
    let path = if path.is_empty() { "/" } else { &path };
    let query = query(&to.query, target.query().unwrap_or_default(), parts.uri.query().unwrap_or_default());
    let whole = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let whole = PathAndQuery::try_from(whole).map_err(|_| unreadable())?;
    let mut request = UpstreamRequest::new(parts.method.clone(), origin, whole);
    request.headers = headers(&parts.headers, to.forwards_headers);
    for (name, value) in &to.headers {
        request.headers.insert(name.clone(), value.clone());
    }
    request.body = if body.is_empty() { Vec::new() } else { vec![body] };
    request.timeouts = Timeouts { first_byte: to.timeout, idle: to.timeout, total: Some(to.timeout), ..acceptor.worker.timeouts };
    request.caps = Caps::STREAM;
    request.transport = to.is_stored.then(|| GUARDED.clone());
    Ok(request)
}

/// What is asked, by the name of each value: as the client says, else as configured, else as the target has it.
fn query(set: &[(String, String)], own: &str, asked: &str) -> String {
    let mut pairs = crate::query::pairs(own);
    let mut overlay = |(name, value): (String, String)| {
        pairs.retain(|(known, _)| *known != name);
        pairs.push((name, value));
    };
    set.iter().cloned().for_each(&mut overlay);
    // A key of the gateway's stays here.
    let asked = crate::query::pairs(asked).into_iter().filter(|(name, value)| name != "key" || !value.starts_with("sk-"));
    let asked: Vec<(String, String)> = asked.collect();
    pairs.retain(|(known, _)| !asked.iter().any(|(name, _)| name == known));
    pairs.extend(asked);
    let written = pairs.iter().map(|(name, value)| format!("{}={}", crate::query::encode(name), crate::query::encode(value)));
    written.collect::<Vec<_>>().join("&")
}

/// The client's headers that go along: what describes the body, and what it says is for the place; or all that tell nothing of it.
fn headers(client: &HeaderMap, all: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in client {
        let plain = name.as_str();
        let wanted = matches!(plain, "content-type" | "accept") || all;
        if !is_plain(value) {
            continue;
        }
        if let Some(bare) = plain.strip_prefix(FOR_THE_PLACE).and_then(|bare| bare.parse::<HeaderName>().ok()) {
            headers.insert(bare, value.clone());
        } else if wanted && !OWN.contains(&plain) && !plain.starts_with("x-litellm-") {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// The call, as budgets, limits and records see it.
fn call(to: &PassThrough, caller: &Caller, headers: HeaderMap, (body, received): (Bytes, Instant)) -> Call {
    let body = Frames::from(body);
    let content = Outline::scan(&body).map_or_else(|_| Content::Form("application/octet-stream".to_owned()), Content::Json);
    Call {
        id: crate::id::of_call(),
        door: DOOR,
        principal: caller.principal.clone(),
        model: to.path.clone(),
        model_in_path: true,
        stream: false,
        headers,
        body,
        content,
        strict: false,
        lenient: false,
        received,
        created: unix_seconds(),
        mentioned: Default::default(),
        laid: Default::default(),
    }
}

/// The place, as budgets, limits and records see it.
fn place(to: &PassThrough) -> Deployment {
    let host = Origin::of(&to.target).map(|origin| origin.host().to_owned()).unwrap_or_default();
    let mut card = ModelCard { provider: host.clone(), model: to.path.clone(), ..ModelCard::default() };
    derive::set_price(&mut card, "input_cost_per_request", &to.cost);
    let spec = Spec { id: to.id.clone(), group: to.path.clone(), provider: host, model: to.path.clone(), ..Spec::default() };
    Deployment::outside(spec, card)
}

/// How what was made over the API is connected.
static GUARDED: LazyLock<Transport> = LazyLock::new(|| {
    let check: switchboard_engine::upstream::AddressCheck = Arc::new(|address| !is_link_local(address));
    Transport::new(TransportSettings { address_check: Some(check), ..TransportSettings::default() })
});

/// Whether only machines on the same wire have that address; clouds answer there with credentials.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.is_link_local(),
            // `fd00:ec2::254` is one such place that is no link-local address.
            None => address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0x0ec2],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_closed_however_it_is_written() {
        let entries = ["/p/admin".to_owned(), "/q/adm*".to_owned(), "/r/".to_owned()];
        for (path, entry) in [
            ("/p/admin", Some("/p/admin")),
            ("/p/admin/users", Some("/p/admin")),
            ("/p/%61dmin", Some("/p/admin")),
            ("/p//admin", Some("/p/admin")),
            ("/p/x/../admin", Some("/p/admin")),
            ("/p/administrator", None),
            ("/p", None),
            ("/q/admin", Some("/q/adm*")),
            ("/r", Some("/r/")),
            ("/r/x", Some("/r/")),
        ] {
            assert_eq!(closed(&entries, path).map(String::as_str), entry, "{path}");
        }
        assert_eq!(closed(&["/".to_owned()], "/p").map(String::as_str), Some("/"));
    }

    #[test]
    fn where_clouds_keep_credentials_nothing_is_sent() {
        for (address, local) in [
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("fe80::1", true),
            ("fd00:ec2::254", true),
            ("127.0.0.1", false),
            ("10.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_link_local(address.parse().expect("an address")), local, "{address}");
        }
    }
}
