//! Fetching for others reaches nothing that only this machine can reach.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use switchboard_engine::egress::{Egress, EgressError, Policy};

use crate::upstream::server::Server;
use crate::upstream::{client, soon};

/// Hosts that lead to this machine, its network or a metadata service, in every spelling known from attacks.
const HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.0.1.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "127.0.0.01",
    "127.00.00.1",
    "127.0.0.1.",
    "127.0.0.0x1",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "0.0",
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "localhost.localdomain",
    "ip6-localhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:7f00:0001::1]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[2002:a9fe:a9fe::]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.0.1]",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "metadata",
    "metadata.google.internal",
    "metadata.google.internal.",
    "instance-data",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16.",
    "10.0.0.1",
    "10.255.255.254",
    "10.1",
    "167772161",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.1",
    "3232235521",
    "100.64.0.1",
    "100.127.255.254",
    "198.18.0.1",
    "198.19.255.254",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "0.0.0.1",
    "0.1.2.3",
    "127.127.127.127",
    "127.255.255.255",
    "host.docker.internal",
    "gateway.docker.internal",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// URLs that parsers read differently. `PORT` is the canary's.
const URLS: &[&str] = &[
    "http://user@127.0.0.1:PORT/",
    "http://user:pass@127.0.0.1:PORT/",
    "http://example.com@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@example.com/",
    "http://example.com:80@127.0.0.1:PORT/",
    "http://@127.0.0.1:PORT/",
    "http://:@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@example.com/",
    "http://127.0.0.1:PORT?@example.com/",
    "http://example.com#@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@example.com/",
    "http://example.com\\@127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:////127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "/127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "127.0.0.1:PORT/",
    "http://127.0.0.1%2f:PORT/",
    "http://127.0.0.1%00:PORT/",
    "http://127.0.0.1%20:PORT/",
    "http://127.0.0.1%09:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://１２７.0.0.1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://loc\u{ad}alhost:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://127.0.0.1 :PORT/",
    "http:// 127.0.0.1:PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://127.0.0.1\r\n:PORT/",
    "http://127.0.0.1\n.example.com:PORT/",
    "http://127.0.0.1:PORT\r\nHost: example.com/",
    "http://[127.0.0.1]:PORT/",
    "http://[::1%25lo]:PORT/",
    "http://[::1%lo]:PORT/",
    "http://[fe80::1%25eth0]:PORT/",
    "http://[::1]PORT/",
    "http://[::1:PORT/",
    "http://::1:PORT/",
    "http://[::ffff:127.0.0.1%25]:PORT/",
    "http://127.0.0.1:0PORT/",
    "http://127.0.0.1:+PORT/",
    "http://127.0.0.1:PORT:PORT/",
    "http://127.0.0.1:/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/",
    "ftp://127.0.0.1:PORT/",
    "gopher://127.0.0.1:PORT/_x",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "dict://127.0.0.1:PORT/x",
    "ldap://127.0.0.1:PORT/",
    "jar:http://127.0.0.1:PORT/!/",
    "netdoc:///etc/passwd",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "ws://127.0.0.1:PORT/",
    "unix:/var/run/docker.sock",
    "blob:http://127.0.0.1:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "hTTp://localhost:PORT/",
    "http://127.0.0.1:PORT/../../",
    "http://127.0.0.1:PORT/?url=http://example.com",
    "http://0x7f000001:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.0.0.1..:PORT/",
    "http://.127.0.0.1:PORT/",
    "http://.:PORT/",
    "http://..:PORT/",
    "http://:PORT/",
    "http://",
    "",
    " ",
    "\0",
    "http://127.0.0.1:PORT#PORT/",
    "http://bucket.127.0.0.1:PORT#.s3.amazonaws.com/",
    "http://mixed.test:PORT/",
    "http://within.test:PORT/",
    "http://six.test:PORT/",
    "http://WITHIN.TEST:PORT/",
];

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
    let of_hosts = HOSTS.iter().flat_map(|host| [format!("http://{host}:{port}/"), format!("https://{host}:{port}/latest/meta-data/")]);
    let whole = URLS.iter().map(|url| url.replace("PORT", &port.to_string()));
    let corpus: Vec<String> = of_hosts.chain(whole).collect();
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
