//! HTTP/1.1 and HTTP/2, in clear and over TLS, on TCP and unix sockets.

use std::{
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use switchboard_engine::answer::AnswerBody;
use switchboard_server::edge::{Address, Bound, Running, StartError, settings::TlsFiles};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{read_until, settings, start};

/// Sends two requests on one HTTP/2 connection and returns the answers.
async fn over_http2<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: I) -> Vec<String> {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), TokioIo::new(io)).await.expect("handshake");
    let driver = tokio::spawn(connection);
    let mut answers = Vec::new();
    for body in ["one", "two"] {
        let request = Request::post("http://localhost/echo").body(Full::new(Bytes::from(body))).expect("request");
        let response = sender.send_request(request).await.expect("response");
        assert_eq!(response.version(), Version::HTTP_2);
        let bytes = response.into_body().collect().await.expect("body").to_bytes();
        answers.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    drop(sender);
    driver.await.expect("joined").expect("ended well");
    answers
}

#[test]
fn keep_alive_connections_are_reused() {
    let house = start(settings());
    let mut stream = house.connect();
    for body in ["one", "two", "three"] {
        write!(stream, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("sent");
        let text = read_until(&mut stream, "\r\n0\r\n\r\n");
        assert!(text.contains(&format!("[POST /a {} {body}]", body.len())), "{text}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let house = start(settings());
    let text = house.raw(
        b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
          2\r\nab\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    let at = ["[GET /1 0 ]", "[POST /2 2 ab]", "[GET /3 0 ]"].map(|answer| text.find(answer).expect(answer));
    assert!(at.is_sorted(), "{text}");
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    let house = start(settings());
    let stream = tokio::net::TcpStream::connect(house.running.tcp().expect("address")).await.expect("connected");
    assert_eq!(over_http2(stream).await, ["[POST /echo 3 one]", "[POST /echo 3 two]"]);
}

#[test]
fn unix_sockets_are_served_and_removed() {
    let path = scratch("edge.sock");
    let house = start(switchboard_server::edge::Settings { listen: vec![Address::Unix(path.clone())], ..settings() });
    assert_eq!(house.running.addresses(), [Bound::Unix(path.clone())]);
    let mut stream = UnixStream::connect(&path).expect("connected");
    stream.write_all(b"GET /u HTTP/1.1\r\nHost: h\r\n\r\n").expect("sent");
    read_until(&mut stream, "[GET /u 0 ]");
    house.running.shutdown().drain();
    house.running.wait().expect("ended");
    assert!(!path.exists());
}

/// Who listens there, alone or in the place of somebody else.
fn at_socket(path: &Path, takeover: bool) -> Result<Running, StartError> {
    let settings = switchboard_server::edge::Settings { listen: vec![Address::Unix(path.to_owned())], takeover, workers: 2, ..settings() };
    let service = |_: Request<switchboard_server::edge::RequestBody>| async { http::Response::new(AnswerBody::Whole(None)) };
    switchboard_server::edge::Edge::run(settings, move |_| Ok(service))
}

fn stop(running: Running) {
    running.shutdown().drain();
    running.wait().expect("ended");
}

#[test]
fn a_unix_socket_is_for_its_owner_and_group_and_for_one_gateway() {
    let path = scratch("one.sock");
    // What a gateway that was killed has left behind is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    let first = at_socket(&path, false).expect("a stale one is replaced");
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o660);
    UnixStream::connect(&path).expect("connected");
    assert!(at_socket(&path, false).expect_err("in use").to_string().contains("cannot listen on `unix:"));
    UnixStream::connect(&path).expect("still there");
    // A successor has the name at once, and keeps it when the first one ends.
    let second = at_socket(&path, true).expect("taken over");
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o660);
    stop(first);
    UnixStream::connect(&path).expect("the second's");
    stop(second);
    assert!(!path.exists());
}

#[test]
fn no_file_but_a_socket_gives_way_to_one() {
    let path = scratch("notes.txt");
    std::fs::write(&path, "notes").expect("written");
    for takeover in [false, true] {
        at_socket(&path, takeover).expect_err("not a socket");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("read"), "notes");
    std::fs::remove_file(&path).expect("removed");
}

#[test]
fn an_address_in_use_is_refused() {
    let house = start(settings());
    let taken = Address::Tcp(house.running.tcp().expect("address"));
    let second = switchboard_server::edge::Settings { listen: vec![taken], ..settings() };
    let service = |_: Request<switchboard_server::edge::RequestBody>| async { http::Response::new(AnswerBody::Whole(None)) };
    let refused = switchboard_server::edge::Edge::run(second, move |_| Ok(service)).expect_err("refused");
    assert!(refused.to_string().contains("cannot listen"), "{refused}");
}

/// A path of its own for each caller.
fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("switchboard-edge-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("folder");
    folder.join(name)
}

/// Writes a new certificate for `localhost` and returns its DER.
fn certify(files: &TlsFiles) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
    std::fs::write(&files.certificate, made.cert.pem()).expect("written");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    made.cert.der().clone()
}

async fn tls(
    address: std::net::SocketAddr,
    root: &rustls::pki_types::CertificateDer<'static>,
    protocol: &[u8],
) -> std::io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = tokio::net::TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("name");
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn tls_speaks_both_protocols_and_reloads_its_certificate() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let files = TlsFiles { certificate: scratch("cert.pem"), key: scratch("key.pem"), clients: None };
    let first = certify(&files);
    let house = start(switchboard_server::edge::Settings { tls: Some(files.clone()), ..settings() });
    let address = house.running.tcp().expect("address");

    let stream = tls(address, &first, b"h2").await.expect("handshake");
    assert_eq!(over_http2(stream).await, ["[POST /echo 3 one]", "[POST /echo 3 two]"]);

    let mut stream = tls(address, &first, b"http/1.1").await.expect("handshake");
    stream.write_all(b"GET /t HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut text = Vec::new();
    // the server may close without a TLS goodbye
    let _ended = stream.read_to_end(&mut text).await;
    assert!(String::from_utf8_lossy(&text).contains("[GET /t 0 ]"));

    let second = certify(&files);
    tls(address, &second, b"h2").await.expect_err("not yet reloaded");
    let certificates = house.running.certificates().expect("certificates");
    certificates.reload().expect("reloaded");
    tls(address, &second, b"h2").await.expect("the new certificate is served");
    std::fs::write(&files.key, "nonsense").expect("written");
    certificates.reload().expect_err("a broken key");
    tls(address, &second, b"h2").await.expect("the last good certificate stays");
}
