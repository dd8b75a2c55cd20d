//! Faults of HTTP/2: what is refused before it was seen is sent again for nothing, what breaks later is a failure like any other.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use switchboard_engine::deployment::Spec;
use switchboard_engine::health::Failure;
use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_engine::upstream::{Transport, TransportSettings};
use switchboard_wire::Dialect;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::fault::{Act, good};
use super::server::Chaos;
use super::words::{PROVIDERS, closing, content, opening, sse, whole};
use crate::exchange::rig::{PATIENT, Rig, ask, at_address};
use crate::exchange::words::{clean_end, text_of, text_of_stream};
use crate::upstream::server::{Server, read_request};
use crate::upstream::tls::{Authority, NAME};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The stream is refused, and so has not been looked at.
    Refused,
    /// The stream is reset before the head of an answer.
    Reset,
    /// The connection goes away with the request unanswered.
    GoAway,
    /// The stream is to be asked for over HTTP/1.1.
    Outdated,
    /// The same, said of the whole connection.
    OutdatedAway,
    /// There are too many requests: said of the stream.
    Crowded,
    /// The same, said of the whole connection.
    CrowdedAway,
    /// The stream is reset after the first content.
    ResetLate,
    /// The connection is to be used no more, and the answer is brought to its end.
    GoAwayGracefully,
}

/// The requests that a provider has seen.
#[derive(Default)]
struct Seen {
    all: AtomicUsize,
    http1: AtomicUsize,
}

/// A provider whose first connection shows that fault to its first request; all else is answered well.
async fn provider(authority: &Authority, dialect: Dialect, fault: Fault, seen: &Arc<Seen>) -> Server {
    let (acceptor, seen) = (authority.acceptor.clone(), seen.clone());
    Server::start(move |stream, number| {
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                return over_http1(&mut stream, dialect, &seen).await;
            }
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            let mut answers = tokio::task::JoinSet::new();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                seen.all.fetch_add(1, Ordering::SeqCst);
                let fault = (number == 0).then_some(fault);
                match fault {
                    Some(Fault::Refused) => respond.send_reset(h2::Reason::REFUSED_STREAM),
                    Some(Fault::Reset) => respond.send_reset(h2::Reason::INTERNAL_ERROR),
                    Some(Fault::GoAway) => connection.abrupt_shutdown(h2::Reason::INTERNAL_ERROR),
                    Some(Fault::Outdated) => respond.send_reset(h2::Reason::HTTP_1_1_REQUIRED),
                    Some(Fault::OutdatedAway) => connection.abrupt_shutdown(h2::Reason::HTTP_1_1_REQUIRED),
                    Some(Fault::Crowded) => respond.send_reset(h2::Reason::ENHANCE_YOUR_CALM),
                    Some(Fault::CrowdedAway) => connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM),
                    Some(Fault::GoAwayGracefully | Fault::ResetLate) | None => {
                        if fault == Some(Fault::GoAwayGracefully) {
                            connection.graceful_shutdown();
                        }
                        // The connection is driven on while the answer is given.
                        answers.spawn(answer(request, respond, dialect, fault == Some(Fault::ResetLate)));
                    }
                }
            }
        }
    })
    .await
}

/// Answers one request well, and closes.
async fn over_http1(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), dialect: Dialect, seen: &Seen) {
    let Some((head, body)) = read_request(stream).await else { return };
    seen.all.fetch_add(1, Ordering::SeqCst);
    seen.http1.fetch_add(1, Ordering::SeqCst);
    let path = head.lines().next().unwrap();
    let streamed = path.contains("stream") || String::from_utf8_lossy(&body).contains("\"stream\":true");
    let Act::Say(bytes) = good(dialect, streamed, "Hello") else { return };
    // The client may have gone.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

async fn answer(request: http::Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>, dialect: Dialect, reset: bool) {
    let streamed = request.uri().path().contains("stream") || stream_asked(request).await;
    let kind = if streamed { sse(dialect) } else { "application/json" };
    let head = Response::builder().header("content-type", kind).body(()).unwrap();
    // The client may have gone.
    let Ok(mut body) = respond.send_response(head, false) else { return };
    if !streamed {
        let _ = body.send_data(whole(dialect).replace("Hello there", "Hello").into(), true);
        return;
    }
    let _ = body.send_data([opening(dialect), content(dialect, "Hello")].concat().into(), false);
    if reset {
        // What was sent before it is to arrive.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        return body.send_reset(h2::Reason::INTERNAL_ERROR);
    }
    let _ = body.send_data(closing(dialect, "Hello").into(), true);
}

async fn stream_asked(request: http::Request<h2::RecvStream>) -> bool {
    let mut body = request.into_body();
    let mut whole = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        let _ = body.flow_control().release_capacity(chunk.len());
        whole.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&whole).contains("\"stream\":true")
}

fn over_tls(authority: &Authority, dialect: Dialect, server: &Server) -> Spec {
    let hosts: HashMap<_, _> = [(NAME.to_owned(), vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])].into();
    let settings = TransportSettings { extra_roots: Some(authority.pem.clone().into_bytes()), hosts, ..TransportSettings::default() };
    let plain = at_address(dialect, &format!("{NAME}:{}", server.address.port()));
    let base = plain.base.as_deref().map(|base| base.replace("http://", "https://"));
    Spec { base, id: "h2".to_owned(), transport: Some(Transport::new(settings)), ..plain }
}

#[tokio::test]
async fn every_fault_of_http2_is_told_as_what_it_is() {
    // What is asked how often: of the provider itself, and of the one beside it.
    let table = [
        (Fault::Refused, 2, 0),
        (Fault::Reset, 1, 1),
        (Fault::GoAway, 1, 1),
        (Fault::GoAwayGracefully, 1, 0),
        (Fault::Outdated, 2, 0),
        (Fault::OutdatedAway, 2, 0),
        (Fault::Crowded, 1, 1),
        (Fault::CrowdedAway, 1, 1),
    ];
    let authority = Authority::new(&["h2", "http/1.1"], 2100);
    for (fault, own, others) in table {
        for dialect in PROVIDERS {
            for stream in [false, true] {
                let shown = format!("{fault:?} of {dialect}, stream {stream}");
                let seen = Arc::<Seen>::default();
                let server = provider(&authority, dialect, fault, &seen).await;
                let spare = Chaos::always(Dialect::OpenAiChat, None).await;
                let other = Spec { id: "spare".to_owned(), order: 1, ..at_address(Dialect::OpenAiChat, &spare.address().to_string()) };
                let rig = Rig::with(vec![over_tls(&authority, dialect, &server), other], Names::default(), PATIENT);
                let told = rig.ask(&ask(Dialect::OpenAiChat, stream)).await;
                assert_eq!(told.status, 200, "{shown}: {told:?}");
                assert_eq!((seen.all.load(Ordering::SeqCst), spare.requests()), (own, others), "{shown}: {told:?}");
                let text =
                    if stream { text_of_stream(Dialect::OpenAiChat, &told.body) } else { text_of(Dialect::OpenAiChat, &told.json()) };
                assert_eq!(text, if others == 0 { "Hello" } else { "Hello there" }, "{shown}: {told:?}");
                let record = rig.record();
                // What a provider has not looked at is the same attempt.
                assert_eq!(record.tried.len(), 1 + others, "{shown}: {:?}", record.tried);
                assert_eq!(record.outcome, Outcome::Complete, "{shown}");
                let crowded = record.tried[0].failure == Some(Failure::RateLimited);
                assert_eq!(crowded, matches!(fault, Fault::Crowded | Fault::CrowdedAway), "{shown}: {:?}", record.tried);
            }
        }
    }
}

#[tokio::test]
async fn a_reset_after_content_is_an_error_event() {
    let authority = Authority::new(&["h2"], 2100);
    for dialect in PROVIDERS {
        let seen = Arc::<Seen>::default();
        let server = provider(&authority, dialect, Fault::ResetLate, &seen).await;
        let rig = Rig::with(vec![over_tls(&authority, dialect, &server)], Names::default(), PATIENT);
        let told = rig.ask(&ask(Dialect::Anthropic, true)).await;
        assert_eq!((told.status, seen.all.load(Ordering::SeqCst)), (200, 1), "{dialect}: {told:?}");
        assert_eq!(text_of_stream(Dialect::Anthropic, &told.body), "Hello", "{dialect}: {told:?}");
        assert!(told.body.contains("error") && !told.body.contains(clean_end(Dialect::Anthropic)), "{dialect}: {told:?}");
        assert!(matches!(rig.record().outcome, Outcome::Failed(_)), "{dialect}");
    }
}

/// What asks for HTTP/1.1 is not asked over HTTP/2 again.
#[tokio::test]
async fn that_a_provider_wants_http1_is_remembered() {
    let authority = Authority::new(&["h2", "http/1.1"], 2100);
    for fault in [Fault::Outdated, Fault::OutdatedAway] {
        let seen = Arc::<Seen>::default();
        let server = provider(&authority, Dialect::OpenAiChat, fault, &seen).await;
        let rig = Rig::with(vec![over_tls(&authority, Dialect::OpenAiChat, &server)], Names::default(), PATIENT);
        for asked in 1..=3 {
            let told = rig.ask(&ask(Dialect::OpenAiChat, false)).await;
            assert_eq!((told.status, seen.http1.load(Ordering::SeqCst)), (200, asked), "{fault:?}: {told:?}");
        }
        assert_eq!((seen.all.load(Ordering::SeqCst), server.connections()), (4, 4), "{fault:?}");
    }
}

/// What wants fewer requests is not asked again at once, and callers are told as of any limit.
#[tokio::test]
async fn a_provider_that_wants_calm_gets_it() {
    let authority = Authority::new(&["h2"], 2100);
    for fault in [Fault::Crowded, Fault::CrowdedAway] {
        let seen = Arc::<Seen>::default();
        let server = provider(&authority, Dialect::OpenAiChat, fault, &seen).await;
        let rig = Rig::with(vec![over_tls(&authority, Dialect::OpenAiChat, &server)], Names::default(), PATIENT);
        let told = rig.ask(&ask(Dialect::OpenAiChat, true)).await;
        assert_eq!((told.status, seen.all.load(Ordering::SeqCst), server.connections()), (429, 1, 1), "{fault:?}: {told:?}");
        told.says(&["upstream_crowded"]);
    }
}
