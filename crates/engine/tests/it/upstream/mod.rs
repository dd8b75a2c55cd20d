//! `Upstream` against servers on loopback.

mod aws_keys;
mod bodies;
mod federation;
mod pooling;
pub(crate) mod server;
mod signing;
mod timing;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::uri::PathAndQuery;
use switchboard_engine::upstream::{Origin, Settings, Upstream, UpstreamRequest};

/// A GET for `/` of a plain-text server.
pub(crate) fn get(address: SocketAddr) -> UpstreamRequest {
    UpstreamRequest::new(Method::GET, plain(address), PathAndQuery::from_static("/"))
}

/// A POST of two pieces to `/` of a plain-text server.
pub(crate) fn post(address: SocketAddr) -> UpstreamRequest {
    let mut request = get(address);
    request.method = Method::POST;
    request.body = vec![Bytes::from_static(b"one "), Bytes::from_static(b"two")];
    request
}

/// The origin of a plain-text server.
pub(crate) fn plain(address: SocketAddr) -> Origin {
    Origin::of(&format!("http://{address}")).unwrap()
}

/// A client with default settings.
pub(crate) fn client() -> Upstream {
    Upstream::new(Settings::default())
}

/// Fails the test instead of hanging it.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("took too long")
}
