//! TLS and HTTP/2.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use switchboard_engine::upstream::{
    DialFault, Origin, Phase, Proxy, Settings, Transport, TransportSettings, Upstream, UpstreamRequest, Verify, Versions,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::server::{Server, ok, read_request};
use super::soon;

pub(crate) const NAME: &str = "provider.example";

/// A certificate for [`NAME`], self-signed, and the acceptor that shows it.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl Authority {
    pub(crate) fn new(alpn: &[&str], last_year: i32) -> Self {
        let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], secret)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { pem: certificate.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// Settings that trust the certificate and know where the name is.
    fn settings(&self) -> TransportSettings {
        TransportSettings {
            extra_roots: Some(self.pem.clone().into_bytes()),
            hosts: [NAME, "other.example"].map(|name| (name.to_owned(), vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])).into(),
            ..TransportSettings::default()
        }
    }

    /// A server that speaks HTTP/1.1 by hand.
    async fn http1(&self) -> Server {
        let acceptor = self.acceptor.clone();
        Server::start(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                while read_request(&mut stream).await.is_some() {
                    stream.write_all(ok("secured").as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        })
        .await
    }
}

fn client(settings: TransportSettings) -> Upstream {
    Upstream::new(Settings { transport: Transport::new(settings), ..Settings::default() })
}

fn request(host: &str, address: SocketAddr) -> UpstreamRequest {
    let origin = Origin::of(&format!("https://{host}:{}", address.port())).unwrap();
    let mut request = UpstreamRequest::new(Method::POST, origin, PathAndQuery::from_static("/path?query"));
    request.body = vec![Bytes::from_static(b"one "), Bytes::from_static(b"two")];
    request
}

#[tokio::test]
async fn a_trusted_server_is_used() {
    let authority = Authority::new(&["http/1.1"], 2100);
    let server = authority.http1().await;
    let client = client(authority.settings());
    for _ in 0..3 {
        let reply = soon(client.send(request(NAME, server.address))).await.unwrap();
        assert_eq!(soon(reply.body.collect()).await.unwrap(), "secured");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn untrusted_expired_and_misnamed_servers_are_refused() {
    let good = Authority::new(&[], 2100);
    let expired = Authority::new(&[], 2001);
    let stranger = TransportSettings { extra_roots: None, ..good.settings() };
    for (authority, host, settings) in
        [(&good, "other.example", good.settings()), (&expired, NAME, expired.settings()), (&good, NAME, stranger)]
    {
        let server = authority.http1().await;
        let error = soon(client(settings).send(request(host, server.address))).await.err().unwrap();
        assert_eq!((error.phase(), error.fault()), (Phase::Tls, DialFault::Tls));
        assert!(!error.maybe_billed());
        assert_eq!(server.connections(), 1, "a bad certificate was tried again");
    }
}

#[tokio::test]
async fn verification_is_off_only_where_it_is_said() {
    let authority = Authority::new(&[], 2001);
    let server = authority.http1().await;
    let lax = TransportSettings { verify: Verify::Nothing, extra_roots: None, ..authority.settings() };
    let client = client(authority.settings());
    let mut allowed = request("other.example", server.address);
    allowed.transport = Some(Transport::new(lax));
    let reply = soon(client.send(allowed)).await.unwrap();
    assert_eq!(soon(reply.body.collect()).await.unwrap(), "secured");
    // The connection made without verification must not serve a request that asks for it.
    let strict = request("other.example", server.address);
    let error = soon(client.send(strict)).await.err().unwrap();
    assert_eq!(error.fault(), DialFault::Tls);
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    let authority = Authority::new(&[], 2100);
    let server = authority.http1().await;
    let target = server.address;
    let proxy = Server::start(move |mut stream, _| async move {
        let (head, _) = read_request(&mut stream).await.unwrap();
        let wanted = format!("CONNECT {NAME}:{} HTTP/1.1\r\n", target.port());
        assert!(head.starts_with(&wanted), "{head}");
        assert!(head.contains("Proxy-Authorization: Basic abc\r\n"), "{head}");
        let mut beyond = TcpStream::connect(target).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        // Either end may close first.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut beyond).await;
    })
    .await;
    let mut settings = authority.settings();
    settings.hosts.clear();
    settings.proxy = Some(Proxy {
        origin: Origin::of(&format!("http://{}", proxy.address)).unwrap(),
        authorization: Some("Basic abc".parse().unwrap()),
        bypass: Vec::new(),
    });
    let reply = soon(client(settings).send(request(NAME, target))).await.unwrap();
    assert_eq!(soon(reply.body.collect()).await.unwrap(), "secured");
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{:?} {} {} ", request.version(), request.uri(), request.headers()["content-length"].to_str().unwrap());
    assert_eq!(request.version(), Version::HTTP_2);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(Response::new(Full::from([line.as_bytes(), &body].concat())))
}

#[tokio::test]
async fn http2_is_spoken_where_offered_and_shared() {
    let authority = Authority::new(&["h2"], 2100);
    let acceptor = authority.acceptor.clone();
    let server = Server::start(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let stream = TokioIo::new(acceptor.accept(stream).await.unwrap());
            hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service_fn(echo)).await.unwrap();
        }
    })
    .await;
    let client = client(authority.settings());
    let want = format!("HTTP/2.0 https://{NAME}:{}/path?query 7 one two", server.address.port());
    let reply = soon(client.send(request(NAME, server.address))).await.unwrap();
    assert_eq!(soon(reply.body.collect()).await.unwrap(), want);
    let both = async { tokio::try_join!(client.send(request(NAME, server.address)), client.send(request(NAME, server.address))) };
    let (one, two) = soon(both).await.unwrap();
    assert_eq!(soon(one.body.collect()).await.unwrap(), want);
    assert_eq!(soon(two.body.collect()).await.unwrap(), want);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn http1_can_be_insisted_on() {
    let authority = Authority::new(&["h2", "http/1.1"], 2100);
    let server = authority.http1().await;
    let settings = TransportSettings { versions: Versions::Http1, ..authority.settings() };
    let reply = soon(client(settings).send(request(NAME, server.address))).await.unwrap();
    assert_eq!(soon(reply.body.collect()).await.unwrap(), "secured");
}

/// What the first connection does with its second request.
#[derive(Clone, Copy)]
enum Refusal {
    GoAway,
    RefusedStream,
    OtherReset,
}

/// Serves HTTP/2 by frames; the first connection refuses everything after its first request.
async fn refusing(authority: &Authority, refusal: Refusal, seen: &Arc<AtomicUsize>) -> Server {
    let acceptor = authority.acceptor.clone();
    let seen = Arc::clone(seen);
    Server::start(move |stream, number| {
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut served = 0;
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                if number > 0 || served == 0 {
                    let mut body = respond.send_response(Response::new(()), false).unwrap();
                    body.send_data(Bytes::from_static(b"here"), true).unwrap();
                    served += 1;
                    continue;
                }
                match refusal {
                    Refusal::RefusedStream => respond.send_reset(h2::Reason::REFUSED_STREAM),
                    Refusal::OtherReset => respond.send_reset(h2::Reason::INTERNAL_ERROR),
                    Refusal::GoAway => connection.abrupt_shutdown(h2::Reason::NO_ERROR),
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_elsewhere() {
    let authority = Authority::new(&["h2"], 2100);
    let seen = Arc::new(AtomicUsize::new(0));
    let server = refusing(&authority, Refusal::RefusedStream, &seen).await;
    let client = client(authority.settings());
    for _ in 0..2 {
        let reply = soon(client.send(request(NAME, server.address))).await.unwrap();
        assert_eq!(soon(reply.body.collect()).await.unwrap(), "here");
    }
    assert_eq!(server.connections(), 2);
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn another_reset_is_not_sent_again() {
    let authority = Authority::new(&["h2"], 2100);
    let seen = Arc::new(AtomicUsize::new(0));
    let server = refusing(&authority, Refusal::OtherReset, &seen).await;
    let client = client(authority.settings());
    let reply = soon(client.send(request(NAME, server.address))).await.unwrap();
    soon(reply.body.collect()).await.unwrap();
    let error = soon(client.send(request(NAME, server.address))).await.err().unwrap();
    assert!(error.maybe_billed());
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

/// A GOAWAY that covers no stream yet: the request is above the last one, and so certainly unhandled.
#[tokio::test]
async fn a_stream_above_goaway_is_sent_again_elsewhere() {
    let authority = Authority::new(&["h2"], 2100);
    let acceptor = authority.acceptor.clone();
    let server = Server::start(move |stream, number| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            if number == 0 {
                let mut preface = [0; 24];
                stream.read_exact(&mut preface).await.unwrap();
                // SETTINGS, then GOAWAY with last stream 0 and NO_ERROR.
                stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
                let go_away = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                stream.write_all(&go_away).await.unwrap();
                stream.flush().await.unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
                return;
            }
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(b"here"), true).unwrap();
            }
        }
    })
    .await;
    let reply = soon(client(authority.settings()).send(request(NAME, server.address))).await.unwrap();
    assert_eq!(soon(reply.body.collect()).await.unwrap(), "here");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn after_goaway_a_new_connection_is_used() {
    let authority = Authority::new(&["h2"], 2100);
    let seen = Arc::new(AtomicUsize::new(0));
    let server = refusing(&authority, Refusal::GoAway, &seen).await;
    let client = client(authority.settings());
    for _ in 0..3 {
        // The one the GOAWAY fell on may fail; it must not take later ones with it.
        let _ = soon(client.send(request(NAME, server.address))).await;
    }
    let reply = soon(client.send(request(NAME, server.address))).await.unwrap();
    assert_eq!(soon(reply.body.collect()).await.unwrap(), "here");
    assert_eq!(server.connections(), 2);
}

/// Dropping the body resets the stream and leaves the connection to others.
#[tokio::test]
async fn a_dropped_stream_is_reset() {
    let authority = Authority::new(&["h2"], 2100);
    let acceptor = authority.acceptor.clone();
    let (reset, mut resets) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |stream, _| {
        let (acceptor, reset) = (acceptor.clone(), reset.clone());
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut streams = tokio::task::JoinSet::new();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let reset = reset.clone();
                streams.spawn(async move {
                    let mut body = respond.send_response(Response::new(()), false).unwrap();
                    body.send_data(Bytes::from_static(b"some"), false).unwrap();
                    let reason = std::future::poll_fn(|cx| body.poll_reset(cx)).await.unwrap();
                    reset.send(reason).unwrap();
                });
            }
        }
    })
    .await;
    let client = client(authority.settings());
    for _ in 0..2 {
        let reply = soon(client.send(request(NAME, server.address))).await.unwrap();
        drop(reply);
        assert_eq!(soon(resets.recv()).await, Some(h2::Reason::CANCEL));
    }
    assert_eq!(server.connections(), 1);
}
