//! Fetching what somebody else named: an image's URL, an issuer's keys. Also bringing something there.
//!
//! Such a fetch must never reach what only this machine can reach. A name may resolve to anything, at any moment, so the check is
//! where the connection is made: every resolved address is asked about, the connection goes to the very address that was checked,
//! and the peer is asked once more. No redirect is followed unless the policy says how many, and then each is judged anew; no
//! credential is sent, no proxy used, and size and time are bounded.
//!
//! What an operator wrote into the configuration is not fetched through here; that is trusted to name hosts within.

mod public;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use http::uri::{PathAndQuery, Uri};
use http::{Method, StatusCode};

use crate::upstream::{
    AddressCheck, Caps, DialError, DialFault, Origin, Phase, Timeouts, Transport, TransportSettings, Upstream, UpstreamReply,
    UpstreamRequest,
};
pub use public::{is_public, may_be_public};

/// What may be fetched, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The only hosts that may be asked, names or `.suffix`; `None`: any public one.
    pub only: Option<Vec<String>>,
    /// Ports that may be asked for.
    pub ports: Vec<u16>,
    /// Whether plain `http` may be.
    pub plain: bool,
    /// Hosts that an operator allows although their addresses are not public: names, or `.suffix`.
    pub internal: Vec<String>,
    /// How many redirects are followed; where they lead is judged like the first URL.
    pub redirects: u8,
    /// The most bytes.
    pub bytes: u64,
    /// The longest time, from the first look-up to the last byte.
    pub time: Duration,
    /// PEM text of further certificate authorities.
    pub extra_roots: Option<Vec<u8>>,
    /// Names with fixed addresses, in place of the resolver.
    pub hosts: HashMap<String, Vec<IpAddr>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            only: None,
            ports: vec![443],
            plain: false,
            internal: Vec::new(),
            redirects: 0,
            bytes: 20 << 20,
            time: Duration::from_secs(10),
            extra_roots: None,
            hosts: HashMap::new(),
        }
    }
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What it says it is.
    pub content_type: Option<HeaderValue>,
    /// All of it.
    pub body: Bytes,
}

/// Nothing was fetched. `Display` tells no more of the network within than that.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The URL is none that may be fetched.
    #[error("the URL {0}")]
    Url(&'static str),
    /// The host is not one of the public network.
    #[error("the URL's host is not a public one")]
    NotPublic,
    /// The host is none of those that an operator lets be asked.
    #[error("the URL's host is not one that may be asked")]
    NotAllowed,
    /// Somebody answered, but not with the thing itself.
    #[error("the URL answered with status {0}")]
    Status(u16),
    /// Too large, or inflating too much.
    #[error("what the URL leads to is too large")]
    TooLarge,
    /// Nobody answered in time, or not in HTTP.
    #[error("the URL could not be fetched")]
    Unreachable(#[source] DialError),
}

/// Fetches from the public network alone.
#[derive(Clone, Debug)]
pub struct Egress {
    policy: Arc<Policy>,
    /// To the public network.
    outside: Transport,
    /// To hosts the operator allows.
    inside: Transport,
}

impl Egress {
    /// Fetches under that policy.
    pub fn new(policy: Policy) -> Self {
        let transport = |address_check: Option<AddressCheck>| {
            let (extra_roots, hosts) = (policy.extra_roots.clone(), policy.hosts.clone());
            Transport::new(TransportSettings { extra_roots, hosts, address_check, ..TransportSettings::default() })
        };
        let (outside, inside) = (transport(Some(Arc::new(is_public))), transport(None));
        Self { policy: Arc::new(policy), outside, inside }
    }

    /// What it is bound to.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The body of a URL.
    pub async fn get(&self, upstream: &Upstream, url: &str) -> Result<Fetched, EgressError> {
        let end = Instant::now() + self.policy.time;
        let mut url = Cow::Borrowed(url);
        for _ in 0..=self.policy.redirects {
            let (origin, path) = self.read(&url)?;
            let reply = self.send(upstream, (origin.clone(), path), end.saturating_duration_since(Instant::now())).await?;
            if reply.status == StatusCode::OK {
                let content_type = reply.headers.get(CONTENT_TYPE).cloned();
                let body = reply.body.collect().await.map_err(refused)?;
                return Ok(Fetched { content_type, body });
            }
            let place = reply.headers.get(LOCATION).filter(|_| reply.status.is_redirection()).and_then(|place| place.to_str().ok());
            match place.filter(|_| self.policy.redirects > 0) {
                Some(place) => url = Cow::Owned(joined(&origin, place)),
                None => return Err(EgressError::Status(reply.status.as_u16())),
            }
        }
        Err(EgressError::Url("leads to other URLs too often"))
    }

    /// Brings something to a URL. No redirect is followed, and of the answer only the status is looked at.
    pub async fn post(&self, upstream: &Upstream, url: &str, (headers, body): (HeaderMap, Bytes)) -> Result<(), EgressError> {
        let (origin, path) = self.read(url)?;
        let mut request = UpstreamRequest::new(Method::POST, origin, path);
        (request.headers, request.body) = (headers, vec![body]);
        let status = self.sent(upstream, request, self.policy.time).await?.status;
        if status.is_success() { Ok(()) } else { Err(EgressError::Status(status.as_u16())) }
    }

    async fn send(
        &self,
        upstream: &Upstream,
        (origin, path): (Origin, PathAndQuery),
        time: Duration,
    ) -> Result<UpstreamReply, EgressError> {
        self.sent(upstream, UpstreamRequest::new(Method::GET, origin, path), time).await
    }

    async fn sent(&self, upstream: &Upstream, mut request: UpstreamRequest, time: Duration) -> Result<UpstreamReply, EgressError> {
        request.headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        // Some public hosts answer nobody without a name.
        request.headers.insert(USER_AGENT, HeaderValue::from_static(concat!("switchboard/", env!("CARGO_PKG_VERSION"))));
        request.transport = Some(if self.is_internal(request.origin.host()) { self.inside.clone() } else { self.outside.clone() });
        request.caps = Caps { body: self.policy.bytes, ..Caps::WHOLE };
        request.timeouts = Timeouts { connect: time, first_byte: time, idle: time, total: Some(time) };
        upstream.send(request).await.map_err(refused)
    }

    /// The URL, if it is of a kind that may be fetched at all.
    fn read(&self, url: &str) -> Result<(Origin, PathAndQuery), EgressError> {
        let bad = EgressError::Url;
        let uri: Uri = url.parse().map_err(|_| bad("is not one that can be read"))?;
        let origin = Origin::of(url).map_err(|_| bad("must be `https://host/…`, without user and password"))?;
        if !origin.is_secure() && !self.policy.plain {
            return Err(bad("must be `https`"));
        }
        if !self.policy.ports.contains(&origin.port()) {
            return Err(bad("names a port that may not be asked for"));
        }
        let host = origin.host();
        if self.policy.only.as_ref().is_some_and(|only| !is_listed(only, host)) {
            return Err(EgressError::NotAllowed);
        }
        match host.parse::<IpAddr>() {
            Ok(address) if !is_public(address) && !self.is_internal(host) => Err(EgressError::NotPublic),
            Ok(_) => Ok(()),
            Err(_) if !public::is_name(host) => Err(bad("names a host in a form that is not accepted")),
            Err(_) => Ok(()),
        }?;
        Ok((origin, uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"))))
    }

    fn is_internal(&self, host: &str) -> bool {
        is_listed(&self.policy.internal, host)
    }
}

impl PartialEq for Egress {
    fn eq(&self, other: &Self) -> bool {
        self.policy == other.policy
    }
}

/// Whether a host is one of those: names, or `.suffix` for all below it.
fn is_listed(list: &[String], host: &str) -> bool {
    list.iter().any(|allowed| match allowed.strip_prefix('.') {
        Some(_) => {
            let (host, allowed) = (host.as_bytes(), allowed.as_bytes());
            host.len() > allowed.len() && host[host.len() - allowed.len()..].eq_ignore_ascii_case(allowed)
        }
        None => host.eq_ignore_ascii_case(allowed),
    })
}

/// Where a redirect from that origin leads.
fn joined(origin: &Origin, place: &str) -> String {
    match place {
        _ if place.starts_with("//") => format!("{}:{place}", if origin.is_secure() { "https" } else { "http" }),
        _ if place.starts_with('/') => format!("{origin}{place}"),
        _ => place.to_owned(),
    }
}

fn refused(error: DialError) -> EgressError {
    match (error.fault(), error.phase()) {
        (DialFault::Policy, Phase::Resolve | Phase::Connect) => EgressError::NotPublic,
        (DialFault::TooLarge, _) => EgressError::TooLarge,
        _ => EgressError::Unreachable(error),
    }
}
