//! Fetching for others reaches nothing that only this machine can reach.

mod corpus;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use switchboard_engine::egress::{Egress, EgressError, Policy};

use crate::upstream::server::Server;
use crate::upstream::{client, soon};

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn policy(port: u16) -> Policy {
    let hosts = HashMap::from([
        // What a resolver says that somebody else controls: the public address first, the other for the second look.
        ("mixed.test".to_owned(), addresses(&["127.0.0.1", "::1"])),
        ("within.test".to_owned(), addresses(&["127.0.0.1"])),
        ("six.test".to_owned(), addresses(&["::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])),
    ]);
    Policy { ports: vec![443, 80, port], plain: true, hosts, time: Duration::from_secs(3), ..Policy::default() }
}

#[tokio::test]
async fn no_spelling_reaches_this_machine() {
    let canary = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ncanary").await;
    let port = canary.address.port();
    let corpus = corpus::urls(port);
    assert!(corpus.len() >= 200, "{}", corpus.len());
    let (upstream, strict) = (client(), Egress::new(Policy::default()));
    let lenient = Egress::new(policy(port));
    for url in &corpus {
        for egress in [&strict, &lenient] {
            let got = soon(egress.get(&upstream, url)).await;
            let told = got.expect_err(url).to_string();
            assert!(!told.contains("127.0.0.1") && !told.contains("refused"), "{url}: {told}");
        }
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn what_an_operator_allows_is_reached_and_bounded() {
    let good = Server::answering("HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 5\r\n\r\nimage").await;
    let port = good.address.port();
    let allowed = Policy { internal: vec!["within.test".to_owned()], ..policy(port) };
    let fetched = soon(Egress::new(allowed.clone()).get(&client(), &format!("http://within.test:{port}/a.png"))).await.unwrap();
    assert_eq!((&fetched.body[..], fetched.content_type.unwrap().to_str().unwrap()), (&b"image"[..], "image/png"));
    let small = Egress::new(Policy { bytes: 4, ..allowed.clone() });
    assert!(matches!(soon(small.get(&client(), &format!("http://within.test:{port}/"))).await, Err(EgressError::TooLarge)));
    let other = Egress::new(allowed);
    assert!(matches!(soon(other.get(&client(), "http://within.test:81/")).await, Err(EgressError::Url(_))));
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let canary = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let reply = format!("HTTP/1.1 {status}\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", canary.address);
        let server = Server::answering(reply).await;
        let port = server.address.port();
        let egress = Egress::new(Policy { internal: vec!["within.test".to_owned()], ..policy(port) });
        let got = soon(egress.get(&client(), &format!("http://within.test:{port}/"))).await;
        assert!(matches!(got, Err(EgressError::Status(_))), "{got:?}");
    }
    assert_eq!(canary.connections(), 0);
}
