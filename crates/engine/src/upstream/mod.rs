//! The one place that dials a provider.
//!
//! An [`Upstream`] keeps connections per origin and sends one request at a time on each (HTTP/1.1) or many (HTTP/2). It
//! follows no redirect, retries nothing a provider may have seen, and attaches a credential only to the origin the
//! credential is bound to. Whether a failure is worth another attempt is for the caller to say; [`DialError`] tells it
//! what happened.
//!
//! One `Upstream` per worker thread keeps its locks uncontended, but it may be shared. Its connections belong to the
//! runtime they were opened on.
//!
//! Start reading at [`Upstream::send`].

mod body;
mod connect;
mod decode;
mod error;
mod exchange;
mod h1;
mod h2;
mod io;
mod late;
mod origin;
mod pool;
mod preset;
mod resolve;
mod segments;
mod settings;
mod transport;

use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderMap;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use tokio::time::Instant;

pub use body::UpstreamBody;
pub use error::{DialError, DialFault, Phase};
pub use origin::{BadOrigin, Credential, Origin, WrongOrigin};
pub use preset::Preset;
pub use settings::{Caps, Settings, Timeouts};
pub use transport::{AddressCheck, Identity, Proxy, Transport, TransportError, TransportSettings, Verify, Versions};

pub(crate) use late::Late;

use connect::Spoken;
use exchange::{Lost, Outbound};
use pool::{Lane, Pool, Ready};
use preset::Headers;
use resolve::Resolver;
use segments::Segments;

/// How often a request the provider has certainly not handled is sent again.
const FREE_RETRIES: u32 = 3;

/// A request to a provider.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// Where to.
    pub origin: Origin,
    /// The method.
    pub method: Method,
    /// The path and query, as they shall stand on the wire.
    pub path_and_query: PathAndQuery,
    /// Headers other than `host`, `content-length` and the credential.
    pub headers: HeaderMap,
    /// Headers that every request to this origin has; those of this request win.
    pub preset: Option<Preset>,
    /// The credential's headers, if the request has one.
    pub credential: Option<Credential>,
    /// The body's pieces, written one after the other.
    pub body: Vec<Bytes>,
    /// The deadlines.
    pub timeouts: Timeouts,
    /// The bounds of the response.
    pub caps: Caps,
    /// How the connection is carried, where that differs from [`Settings::transport`].
    pub transport: Option<Transport>,
}

impl UpstreamRequest {
    /// A request without headers, credential and body, under default deadlines and bounds.
    pub fn new(method: Method, origin: Origin, path_and_query: PathAndQuery) -> Self {
        Self {
            origin,
            method,
            path_and_query,
            headers: HeaderMap::new(),
            preset: None,
            credential: None,
            body: Vec::new(),
            timeouts: Timeouts::default(),
            caps: Caps::default(),
            transport: None,
        }
    }
}

/// A provider's answer. A redirect is an answer like any other.
pub struct UpstreamReply {
    /// The status.
    pub status: StatusCode,
    /// The headers; without `content-encoding` and `content-length` where a coding was undone.
    pub headers: HeaderMap,
    /// The body.
    pub body: UpstreamBody,
}

/// The client towards all providers.
pub struct Upstream {
    pool: Arc<Pool>,
    resolver: Resolver,
    transport: Transport,
    late: Late,
}

impl Upstream {
    /// A client without any connection yet.
    pub fn new(settings: Settings) -> Self {
        Self { pool: Pool::new(&settings), resolver: Resolver::new(&settings), transport: settings.transport, late: Late::default() }
    }

    /// What is read on after its client has left.
    pub(crate) fn late(&self) -> &Late {
        &self.late
    }

    /// Sends a request and waits for the answer's headers.
    ///
    /// Dropping the future closes the connection or resets the stream.
    pub async fn send(&self, request: UpstreamRequest) -> Result<UpstreamReply, DialError> {
        let timeouts = request.timeouts;
        let total = timeouts.total.map(|total| Instant::now() + total);
        let (lane, outbound) = self.prepare(request, total)?;
        let mut fresh = false;
        let mut retries = 0;
        loop {
            let kept = if fresh { None } else { self.pool.take(&lane) };
            let ready = match kept {
                Some(ready) => ready,
                None => Box::pin(self.dial(&lane, timeouts, total)).await?,
            };
            match exchange::run(ready, &outbound, &self.pool, &lane).await {
                Ok(reply) => {
                    crate::failpoint::hit("answered");
                    return Ok(reply);
                }
                Err(Lost::Unseen(error) | Lost::Outdated(error)) if retries == FREE_RETRIES => return Err(error),
                Err(Lost::Failed(error)) => return Err(error),
                Err(lost) => {
                    if matches!(lost, Lost::Outdated(_)) {
                        self.pool.speak_http1(&lane);
                    }
                    retries += 1;
                    fresh = true;
                }
            }
        }
    }

    /// Puts the headers right and finds the lane.
    fn prepare(&self, request: UpstreamRequest, total: Option<Instant>) -> Result<(Lane, Outbound), DialError> {
        let headers = Headers::new(&request.origin, request.preset, request.headers, request.credential.as_ref())
            .map_err(|error| DialError::new(Phase::Send, DialFault::Policy).with(error))?;
        let transport = request.transport.unwrap_or_else(|| self.transport.clone());
        let outbound = Outbound {
            method: request.method,
            path: request.path_and_query,
            headers,
            body: Segments::new(request.body),
            timeouts: request.timeouts,
            caps: request.caps,
            total,
        };
        let lane = Lane { origin: request.origin, transport };
        Ok((lane, outbound))
    }

    async fn dial(&self, lane: &Lane, timeouts: Timeouts, total: Option<Instant>) -> Result<Ready, DialError> {
        let mut deadline = Instant::now() + timeouts.connect;
        if let Some(total) = total {
            deadline = deadline.min(total);
        }
        let versions = self.pool.versions(lane);
        let (wire, spoken) = connect::connect(&self.resolver, (&lane.transport, versions), &lane.origin, deadline).await?;
        match spoken {
            Spoken::Http1 => Ok(Ready::Link(Box::new(h1::Link::open(wire).await?))),
            Spoken::Http2 => {
                let trunk = h2::Trunk::open(wire).await?;
                self.pool.share(lane.clone(), trunk).map(Ready::Place).ok_or_else(|| DialError::new(Phase::Connect, DialFault::Closed))
            }
        }
    }
}
