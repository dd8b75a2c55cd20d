//! The mock over HTTP/2 says what it says over HTTP/1.1.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::stage::{ask, body_of, listen, on_stage, start_mock};

#[test]
fn a_stream_is_the_same_and_a_fault_resets_it() {
    on_stage(async {
        let path = std::env::temp_dir().join(format!("switchboard-mock-{}.pem", std::process::id()));
        let (listener, address) = listen().await;
        let certificate = path.clone();
        spawn_local(async move { switchboard_bench::mockup::over_http2::serve(listener, &certificate).await.unwrap() });
        // It has begun once it takes the connection.
        let stream = TcpStream::connect(address).await.unwrap();
        tokio::task::yield_now().await;
        let mut roots = RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        spawn_local(async move {
            let _ = connection.await;
        });
        let order = r#"{"model":"mock-5x260","stream":true,"messages":[]}"#;
        let mut over = async |path: &str| {
            let request = Request::post(format!("https://127.0.0.1{path}")).body(Full::new(Bytes::from(order))).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            answer.into_body().collect().await.map(|body| String::from_utf8(body.to_bytes().to_vec()).unwrap())
        };
        let mock = start_mock().await;
        let expected = body_of(&ask(mock, "POST", "/v1/chat/completions", order).await);
        assert_eq!(over("/v1/chat/completions").await.unwrap(), expected);
        over("/fault=cut/v1/chat/completions").await.unwrap_err();
        assert_eq!(over("/v1/chat/completions").await.unwrap(), expected, "the connection goes on");
    });
}
