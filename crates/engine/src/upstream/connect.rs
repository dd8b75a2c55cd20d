//! From an origin to a byte stream: addresses, TCP, proxy, TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::{DialError, DialFault, Phase, is_exhausted};
use super::io::Wire;
use super::origin::Origin;
use super::resolve::Resolver;
use super::transport::{Proxy, Transport, Versions};

/// An address that has not answered for this long gets company from the next one.
const HEAD_START: Duration = Duration::from_millis(250);
/// Idle sockets are probed after this long, so that a silent loss is noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A proxy's answer to CONNECT is at most this long.
const CONNECT_REPLY: usize = 8 << 10;

/// The HTTP version a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    Http1,
    Http2,
}

/// Opens a byte stream to the origin before the deadline.
pub(crate) async fn connect(
    resolver: &Resolver,
    (transport, versions): (&Transport, Versions),
    origin: &Origin,
    deadline: Instant,
) -> Result<(Wire, Spoken), DialError> {
    let mut phase = Phase::Resolve;
    let work = async {
        let proxy = transport.proxy_for(origin);
        let next = proxy.map_or(origin, |proxy| &proxy.origin);
        let addresses = resolver.resolve(transport, next.host(), next.port()).await?;
        phase = Phase::Connect;
        let mut stream = open(addresses).await?;
        phase = Phase::Tls;
        set_options(&stream, transport)?;
        if !origin.is_secure() {
            return Ok((Wire::Plain(stream), Spoken::Http1));
        }
        if let Some(proxy) = proxy {
            tunnel(&mut stream, proxy, origin).await?;
        }
        secure(stream, (transport, versions), origin).await
    };
    match timeout_at(deadline, work).await {
        Ok(result) => result,
        Err(_) => Err(DialError::new(phase, DialFault::Timeout)),
    }
}

/// Tries the addresses in order, a slow one together with its successors.
async fn open(addresses: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
    let mut failure = DialError::new(Phase::Connect, DialFault::NoAddress);
    if let [only] = addresses[..] {
        return TcpStream::connect(only).await.map_err(unreachable);
    }
    let mut attempts = JoinSet::new();
    let mut waiting = addresses.into_iter();
    loop {
        let more = match waiting.next() {
            Some(address) => {
                attempts.spawn(TcpStream::connect(address));
                waiting.len() > 0
            }
            None => false,
        };
        let finished = if more {
            match timeout(HEAD_START, attempts.join_next()).await {
                Ok(finished) => finished,
                Err(_) => continue,
            }
        } else {
            attempts.join_next().await
        };
        match finished {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => failure = unreachable(error),
            Some(Err(lost)) => failure = unreachable(io::Error::other(lost)),
            None => return Err(failure),
        }
    }
}

fn unreachable(error: io::Error) -> DialError {
    let fault = if is_exhausted(&error) { DialFault::Exhausted } else { DialFault::Closed };
    DialError::new(Phase::Connect, fault).with(error)
}

fn set_options(stream: &TcpStream, transport: &Transport) -> Result<(), DialError> {
    // The peer is asked once more: what was checked must be what was reached.
    if let Some(allowed) = &transport.settings().address_check {
        let peer = stream.peer_addr().map_err(unreachable)?;
        if !allowed(peer.ip()) {
            return Err(DialError::new(Phase::Connect, DialFault::Policy));
        }
    }
    stream.set_nodelay(true).map_err(unreachable)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE)).map_err(unreachable)
}

async fn secure(stream: TcpStream, (transport, versions): (&Transport, Versions), origin: &Origin) -> Result<(Wire, Spoken), DialError> {
    let failed = || DialError::new(Phase::Tls, DialFault::Tls);
    let config = transport.tls(versions).map_err(|error| failed().with(error))?;
    let name = ServerName::try_from(origin.host().to_owned()).map_err(|error| failed().with(error))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        let verdict = error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>());
        let fault = if verdict { DialFault::Tls } else { DialFault::Closed };
        DialError::new(Phase::Tls, fault).with(error)
    })?;
    let spoken = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Spoken::Http2,
        _ => Spoken::Http1,
    };
    Ok((Wire::Tls(Box::new(stream)), spoken))
}

/// Asks the proxy for a tunnel to the origin.
async fn tunnel(stream: &mut TcpStream, proxy: &Proxy, origin: &Origin) -> Result<(), DialError> {
    let broken = |error: io::Error| DialError::new(Phase::Tls, DialFault::Closed).with(error);
    let host = if origin.host().contains(':') {
        format!("[{}]:{}", origin.host(), origin.port())
    } else {
        format!("{}:{}", origin.host(), origin.port())
    };
    let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(broken)?;
    // Byte by byte, since what follows the blank line already belongs to the origin's TLS.
    let mut reply = Vec::with_capacity(256);
    while !reply.ends_with(b"\r\n\r\n") {
        if reply.len() == CONNECT_REPLY {
            return Err(DialError::new(Phase::Tls, DialFault::Protocol));
        }
        reply.push(stream.read_u8().await.map_err(broken)?);
    }
    let accepted = reply.starts_with(b"HTTP/1.") && reply.get(8..12) == Some(b" 200");
    if accepted { Ok(()) } else { Err(DialError::new(Phase::Tls, DialFault::Closed).with("the proxy refused to open a tunnel")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Origin, Retry};
    use crate::health::Failure;

    #[test]
    fn that_no_descriptor_is_left_tells_against_no_provider() {
        for code in [23, 24] {
            let error = Error::dial(unreachable(io::Error::from_raw_os_error(code)));
            assert_eq!((error.origin, error.retry, error.failure), (Origin::Gateway, Retry::Never, Failure::Own));
            assert!(error.problem.retry_after.is_some());
        }
        let refused = Error::dial(unreachable(io::Error::from_raw_os_error(111)));
        assert_eq!((refused.origin, refused.failure), (Origin::Provider, Failure::Unreachable));
    }
}
