//! Connections between requests: kept, stale, lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use switchboard_engine::upstream::{DialFault, Origin, Phase, Settings, Transport, TransportSettings, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::server::{Server, header, ok, read_request};
use super::{client, get, post, soon};

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let server = Server::start(|mut stream, _| async move {
        while let Some((head, body)) = read_request(&mut stream).await {
            assert_eq!(body, b"one two");
            assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
            assert_eq!(header(&head, "content-length"), Some("7"));
            assert!(header(&head, "user-agent").unwrap().starts_with("switchboard/"));
            let host = header(&head, "host").unwrap().to_owned();
            stream.write_all(ok(&host).as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = client();
    for _ in 0..20 {
        let reply = soon(client.send(post(server.address))).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(soon(reply.body.collect()).await.unwrap(), server.address.to_string());
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn many_requests_at_once_get_connections_of_their_own() {
    let server = Server::start(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            tokio::task::yield_now().await;
            stream.write_all(ok("here").as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = Arc::new(client());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let client = Arc::clone(&client);
        let address = server.address;
        tasks.spawn(async move {
            for _ in 0..50 {
                let reply = client.send(get(address)).await.unwrap();
                assert_eq!(reply.body.collect().await.unwrap(), "here");
            }
        });
    }
    soon(tasks.join_all()).await;
    assert!(server.connections() <= 16, "{}", server.connections());
}

/// The first connection answers once, and then closes on the second request without a byte.
#[tokio::test]
async fn a_stale_connection_is_retried_once_on_a_fresh_one() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let server = Server::start(move |mut stream, number| {
        let seen = Arc::clone(&counted);
        async move {
            while read_request(&mut stream).await.is_some() {
                let count = seen.fetch_add(1, Ordering::SeqCst);
                if number == 0 && count > 0 {
                    return;
                }
                stream.write_all(ok("here").as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let client = client();
    for _ in 0..2 {
        let reply = soon(client.send(post(server.address))).await.unwrap();
        assert_eq!(soon(reply.body.collect()).await.unwrap(), "here");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_fresh_connection_that_closes_is_not_retried() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let server = Server::start(move |mut stream, _| {
        let seen = Arc::clone(&counted);
        async move {
            read_request(&mut stream).await.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let error = soon(client().send(post(server.address))).await.err().unwrap();
    assert_eq!(error.phase(), Phase::Headers);
    assert_eq!(error.fault(), DialFault::Closed);
    assert!(error.maybe_billed());
    assert!(!error.reused());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

/// One byte of an answer is proof that the request was seen.
#[tokio::test]
async fn a_reused_connection_that_began_to_answer_is_not_retried() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let server = Server::start(move |mut stream, _| {
        let seen = Arc::clone(&counted);
        async move {
            while read_request(&mut stream).await.is_some() {
                if seen.fetch_add(1, Ordering::SeqCst) > 0 {
                    stream.write_all(b"HTTP/1.1 2").await.unwrap();
                    return;
                }
                stream.write_all(ok("here").as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let client = client();
    let reply = soon(client.send(post(server.address))).await.unwrap();
    soon(reply.body.collect()).await.unwrap();
    let error = soon(client.send(post(server.address))).await.err().unwrap();
    assert!(error.reused());
    assert!(error.maybe_billed());
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

/// Idle connections are closed after 1 to 50 ms, in a fixed but irregular order, under 2,000 requests.
#[tokio::test]
async fn servers_that_close_idle_connections_cause_no_error() {
    let server = Server::start(|mut stream, number| async move {
        let mut turn = number as u64;
        let mut served = false;
        loop {
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let idle = Duration::from_millis(1 + (turn >> 33) % 50);
            let next = read_request(&mut stream);
            let request = if served {
                match timeout(idle, next).await {
                    Ok(request) => request,
                    Err(_) => return,
                }
            } else {
                next.await
            };
            if request.is_none() || stream.write_all(ok("here").as_bytes()).await.is_err() {
                return;
            }
            served = true;
        }
    })
    .await;
    let client = Arc::new(client());
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..20_u64 {
        let client = Arc::clone(&client);
        let address = server.address;
        tasks.spawn(async move {
            for round in 0..100_u64 {
                let reply = client.send(post(address)).await.unwrap();
                assert_eq!(reply.body.collect().await.unwrap(), "here");
                tokio::time::sleep(Duration::from_millis((worker * 7 + round * 3) % 30)).await;
            }
        });
    }
    soon(tasks.join_all()).await;
    assert!(server.connections() > 20, "no connection was ever closed");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let (closed, mut watch) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let closed = closed.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(ok("here").as_bytes()).await.unwrap();
            }
            closed.send(()).unwrap();
        }
    })
    .await;
    let client = Upstream::new(Settings { idle_connection_timeout: Duration::from_millis(40), ..Settings::default() });
    let reply = soon(client.send(get(server.address))).await.unwrap();
    soon(reply.body.collect()).await.unwrap();
    soon(watch.recv()).await.unwrap();
}

#[tokio::test]
async fn bytes_after_the_body_end_the_connection() {
    let server = Server::start(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            let reply = format!("{}surplus", ok("here"));
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = client();
    for _ in 0..3 {
        let reply = soon(client.send(get(server.address))).await.unwrap();
        assert_eq!(soon(reply.body.collect()).await.unwrap(), "here");
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let error = soon(client().send(get(refusing().await))).await.err().unwrap();
    assert_eq!(error.phase(), Phase::Connect);
    assert_eq!(error.fault(), DialFault::Closed);
    assert!(!error.maybe_billed());
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let server = Server::answering(ok("here")).await;
    let port = server.address.port();
    let transport = Transport::new(TransportSettings {
        // Nothing listens on the first address.
        hosts: [("two.example".to_owned(), vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()])].into(),
        ..TransportSettings::default()
    });
    let mut request = get(server.address);
    request.origin = Origin::of(&format!("http://two.example:{port}")).unwrap();
    request.transport = Some(transport);
    let reply = soon(client().send(request)).await.unwrap();
    assert_eq!(soon(reply.body.collect()).await.unwrap(), "here");
}

#[tokio::test]
async fn an_address_refused_by_policy_is_not_dialled() {
    let server = Server::answering(ok("here")).await;
    let mut request = get(server.address);
    request.transport = Some(Transport::new(TransportSettings {
        address_check: Some(Arc::new(|address| !address.is_loopback())),
        ..TransportSettings::default()
    }));
    let error = soon(client().send(request)).await.err().unwrap();
    assert_eq!(error.fault(), DialFault::Policy);
    assert_eq!(server.connections(), 0);
}

/// The server sees the end of the connection as soon as the answer is dropped, before or within its body.
#[tokio::test]
async fn a_dropped_request_closes_the_socket() {
    for reply in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = client();
        let mut sending = Box::pin(client.send(post(address)));
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await.unwrap();
            stream.write_all(reply.as_bytes()).await.unwrap();
            stream
        };
        let (mut stream, held) = soon(async {
            if reply.is_empty() {
                tokio::select! {
                    stream = serve => (stream, None),
                    _ = &mut sending => unreachable!("no answer was sent"),
                }
            } else {
                let (stream, reply) = tokio::join!(serve, &mut sending);
                (stream, Some(reply.unwrap()))
            }
        })
        .await;
        drop(held);
        drop(sending);
        let end = soon(stream.read(&mut [0; 8])).await;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

/// Wake-ups from other threads must not be lost while a connection is being polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_arrive_whole_on_many_threads() {
    let server = Server::start(|mut stream, _| async move {
        while read_request(&mut stream).await.is_some() {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..100 {
                stream.write_all(b"4\r\nsome\r\n").await.unwrap();
                tokio::task::yield_now().await;
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let client = Arc::new(client());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let client = Arc::clone(&client);
        let address = server.address;
        tasks.spawn(async move {
            for _ in 0..30 {
                let reply = client.send(post(address)).await.unwrap();
                assert_eq!(reply.body.collect().await.unwrap().len(), 400);
            }
        });
    }
    soon(tasks.join_all()).await;
    assert!(server.connections() <= 16, "{}", server.connections());
}

/// Reading to the last byte, without asking for the end, is enough to give the connection back, in or out of a runtime.
#[test]
fn a_body_may_be_dropped_outside_the_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = client();
    let (server, reply) = runtime.block_on(async {
        let server = Server::start(|mut stream, _| async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(ok("here").as_bytes()).await.unwrap();
            }
        })
        .await;
        let reply = soon(client.send(get(server.address))).await.unwrap();
        (server, reply)
    });
    drop(reply);
    runtime.block_on(async {
        let reply = soon(client.send(get(server.address))).await.unwrap();
        assert_eq!(soon(reply.body.collect()).await.unwrap(), "here");
    });
}

/// An address on which nothing listens.
async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
