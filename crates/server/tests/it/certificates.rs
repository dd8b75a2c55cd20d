//! Certificates of both sides: those that clients show the gateway, and those that it shows providers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::app::{Folder, TestApp, load};

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate it has signed.
struct Signed {
    pem: String,
    key_pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { pem: certificate.pem(), der: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str) -> Signed {
        let params = CertificateParams::new([name.to_owned()]).expect("parameters");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signed { pem: certificate.pem(), key_pem: key.serialize_pem(), der: certificate.der().clone(), key: key.serialize_der() }
    }

    /// The authority's own certificate, as a server shows it.
    fn signed_by_itself(name: &str, years: [i32; 2]) -> Signed {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        [params.not_before, params.not_after] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Signed { pem: certificate.pem(), key_pem: key.serialize_pem(), der: certificate.der().clone(), key: key.serialize_der() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a root");
        roots
    }
}

impl Signed {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Asks the gateway over TLS, perhaps with a certificate: the status line, or why there is none.
fn ask(address: SocketAddr, roots: RootCertStore, own: Option<&Signed>) -> std::io::Result<String> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_root_certificates(roots);
    let config = match own {
        Some(own) => config.with_client_auth_cert(vec![own.der.clone()], own.key()).expect("a certificate"),
        None => config.with_no_client_auth(),
    };
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").expect("a name")).expect("a client");
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(b"GET /health/liveliness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut space = [0; 64];
    let read = stream.read(&mut space)?;
    let text = String::from_utf8_lossy(&space[..read]).into_owned();
    if text.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(text) }
}

fn own_tls(folder: &Folder, server: &Signed, clients: &Authority, more: &str) -> String {
    let (chain, key, ca) = (folder.path("chain.pem"), folder.path("key.pem"), folder.path("clients.pem"));
    std::fs::write(&chain, &server.pem).expect("written");
    std::fs::write(&key, &server.key_pem).expect("written");
    std::fs::write(&ca, &clients.pem).expect("written");
    format!(
        "switchboard: {{tls: {{certificate_file: {}, private_key_file: {}, client_ca_file: {}{more}}}}}\n",
        chain.display(),
        key.display(),
        ca.display()
    )
}

#[test]
fn only_who_shows_a_certificate_of_theirs_is_let_in() {
    let folder = Folder::new("mtls");
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let (server, client, stranger) = (authority.sign("localhost"), authority.sign("client"), other.sign("client"));
    let app = TestApp::of(&own_tls(&folder, &server, &authority, ""));
    let ask = |own| ask(app.address(), authority.roots(), own);
    assert!(ask(Some(&client)).expect("let in").starts_with("HTTP/1.1 200"));
    ask(None).expect_err("no certificate");
    ask(Some(&stranger)).expect_err("somebody else's");
}

#[test]
fn where_it_is_optional_strangers_are_still_refused() {
    let folder = Folder::new("mtls-optional");
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let (server, client, stranger) = (authority.sign("localhost"), authority.sign("client"), other.sign("client"));
    let app = TestApp::of(&own_tls(&folder, &server, &authority, ", client_certificate: optional"));
    let ask = |own| ask(app.address(), authority.roots(), own);
    assert!(ask(Some(&client)).expect("let in").starts_with("HTTP/1.1 200"));
    assert!(ask(None).expect("let in").starts_with("HTTP/1.1 200"));
    ask(Some(&stranger)).expect_err("somebody else's");
}

#[test]
fn what_cannot_be_a_list_of_authorities_is_refused_at_the_start() {
    let loaded = load("switchboard: {tls: {certificate_file: a, private_key_file: b, client_certificate: perhaps}}\n");
    assert!(loaded.config.is_none() && loaded.diagnostics.to_string().contains("client_certificate: required"), "{}", loaded.diagnostics);
}

/// A provider that only talks to who shows a certificate; notes who came.
fn choosy(server: &Signed, clients: &Authority) -> (SocketAddr, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients.roots()), provider()).build().expect("a verifier");
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().expect("versions");
    let config =
        config.with_client_cert_verifier(verifier).with_single_cert(vec![server.der.clone()], server.key()).expect("a certificate");
    let (config, served) = (Arc::new(config), Arc::<Mutex<usize>>::default());
    let count = served.clone();
    // Ends with the test's process; nothing waits for it.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream.expect("a client"));
            let mut request = Vec::new();
            let mut space = [0; 4096];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") || !request.ends_with(b"}") {
                match stream.read(&mut space) {
                    Ok(read) if read > 0 => request.extend_from_slice(&space[..read]),
                    _ => break,
                }
            }
            if request.is_empty() {
                continue;
            }
            *count.lock().expect("lock") += 1;
            let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "in"}}]});
            let body = body.to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(&[head, body].concat().into_bytes()).expect("answered");
            stream.conn.send_close_notify();
            // The client may have gone.
            let _ = stream.flush();
        }
    });
    (address, served)
}

#[test]
fn a_provider_is_shown_the_gateways_certificate() {
    let folder = Folder::new("mtls-upstream");
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let (server, own, strange) = (authority.sign("localhost"), authority.sign("gateway"), other.sign("gateway"));
    let (address, served) = choosy(&server, &authority);
    let write = |name: &str, text: String| {
        let path = folder.path(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let ca = write("ca.pem", authority.pem.clone());
    let (chain, key) = (write("own.pem", own.pem.clone()), write("own.key", own.key_pem.clone()));
    let both = write("both.pem", format!("{}{}", own.pem, own.key_pem));
    let wrong = write("wrong.pem", format!("{}{}", strange.pem, strange.key_pem));
    let model = |more: &str| {
        let port = address.port();
        format!(
            "model_list:\n  - {{model_name: m, litellm_params: {{model: openai/m, api_base: \"https://localhost:{port}/v1\", api_key: k{more}}}}}\n"
        )
    };
    let status = |yaml: &str| {
        let app = TestApp::of(yaml);
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "num_retries": 0});
        app.ask("POST", "/v1/chat/completions").json(&body).send().status
    };
    // For all providers, in the gateway's own words and in LiteLLM's; for one.
    let files = format!("switchboard: {{upstream: {{ca_file: {ca}, client_certificate_file: {chain}, client_key_file: {key}}}}}\n");
    assert_eq!(status(&[model(""), files].concat()), StatusCode::OK);
    let litellm = format!("litellm_settings: {{ssl_verify: {ca}, ssl_certificate: {both}}}\n");
    assert_eq!(status(&[model(""), litellm].concat()), StatusCode::OK);
    assert_eq!(status(&model(&format!(", ssl_verify: {ca}, ssl_certificate: {both}"))), StatusCode::OK);
    assert_eq!(*served.lock().expect("lock"), 3);
    // Without one, and with somebody else's.
    let none = format!("switchboard: {{upstream: {{ca_file: {ca}}}}}\n");
    assert!(status(&[model(""), none].concat()).is_server_error());
    assert!(status(&model(&format!(", ssl_verify: {ca}, ssl_certificate: {wrong}"))).is_server_error());
    assert_eq!(*served.lock().expect("lock"), 3);
}

#[test]
fn a_providers_own_certificate_may_be_listed_itself() {
    let folder = Folder::new("self-signed");
    let (authority, lasting) = (Authority::new("ours"), [2020, 2100]);
    let own = authority.sign("gateway");
    let write = |name: &str, text: String| {
        let path = folder.path(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let both = write("both.pem", format!("{}{}", own.pem, own.key_pem));
    let status = |server: &Signed, listed: &str, for_all: bool| {
        let (address, served) = choosy(server, &authority);
        let (one, all) = match for_all {
            true => (String::new(), format!("litellm_settings: {{ssl_verify: {listed}, ssl_certificate: {both}}}\n")),
            false => (format!(", ssl_verify: {listed}, ssl_certificate: {both}"), String::new()),
        };
        let port = address.port();
        let app = TestApp::of(&format!(
            "model_list:\n  - {{model_name: m, litellm_params: {{model: openai/m, api_base: \"https://localhost:{port}/v1\", api_key: k{one}}}}}\n{all}"
        ));
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "num_retries": 0});
        let status = app.ask("POST", "/v1/chat/completions").json(&body).send().status;
        assert_eq!(*served.lock().expect("lock") > 0, status == StatusCode::OK);
        status
    };
    let server = Authority::signed_by_itself("localhost", lasting);
    let listed = write("listed.pem", server.pem.clone());
    for for_all in [false, true] {
        assert_eq!(status(&server, &listed, for_all), StatusCode::OK);
    }
    // Without its issuer.
    let signed = authority.sign("localhost");
    assert_eq!(status(&signed, &write("signed.pem", signed.pem.clone()), false), StatusCode::OK);
    // Somebody else's, another name's, and one whose time is over.
    let other = Authority::signed_by_itself("localhost", lasting);
    assert_eq!(status(&other, &listed, false), StatusCode::BAD_GATEWAY);
    assert_eq!(status(&signed, &listed, false), StatusCode::BAD_GATEWAY);
    for wrong in [Authority::signed_by_itself("elsewhere.example", lasting), Authority::signed_by_itself("localhost", [2020, 2021])] {
        let listed = write("wrong.pem", wrong.pem.clone());
        assert_eq!(status(&wrong, &listed, false), StatusCode::BAD_GATEWAY);
    }
}
