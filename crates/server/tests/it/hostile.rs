//! Paths that are written so that two readers may read two things (C13).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use switchboard_server::authz::Policy;
use switchboard_server::router::rows;

use crate::app::TestApp;

const KEY: &str = "sk-hostile-master-key";
/// One of so many spellings where not all are tried.
const FEW: usize = 24;

fn app() -> TestApp {
    TestApp::of(&format!(
        "model_list:\n  - {{model_name: m, litellm_params: {{model: demo/echo}}}}\ngeneral_settings: {{master_key: {KEY}}}\n"
    ))
}

/// A path in spellings that a reader may take for it.
fn spellings(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let rest = &path[1..];
    let prefixes = [
        "//",
        "/./",
        "/../",
        "/x/../",
        "/%2e/",
        "/%2e%2e/",
        "/x/%2e%2e/",
        "/%2f",
        "/;/",
        "/;x=1/",
        "\\",
        "/\\",
        "/%5c",
        "/%00/",
        "/v1/../",
        "/public/..;/",
    ];
    let suffixes =
        ["", "/", "//", "/.", "/..", "/./", "%00", "%20", ";", ";x=1", "%3b", "?", "#", "%23", "%3f", ".json", "%2f", "\\", "%0a", "%09"];
    for suffix in suffixes {
        found.extend(prefixes.iter().map(|prefix| format!("{prefix}{rest}{suffix}")));
        found.extend((!suffix.is_empty()).then(|| format!("{path}{suffix}")));
    }
    for (at, letter) in path.char_indices() {
        let encoded = format!("%{:02x}", u32::from(letter));
        found.push(format!("{}{encoded}{}", &path[..at], &path[at + 1..]));
        found.push(format!("{}%25{}{}", &path[..at], &encoded[1..], &path[at + 1..]));
    }
    found.push(path.to_uppercase());
    found.push(path.replace('/', "//"));
    found.push(path.replace('/', "/%2e/"));
    found.push(format!("http://elsewhere.test{path}"));
    found.push(format!("//elsewhere.test{path}"));
    found
}

/// What a request with that path on its first line is told: the first line of the answer.
fn told(app: &TestApp, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(app.address()).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let body = "{\"models\":[]}";
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // It may be refused before it is read.
    let _sent = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
    let mut text = Vec::new();
    let _ended = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

/// Every spelling of some paths, and of each path that needs a key some, each some others.
#[test]
fn no_spelling_of_a_path_opens_a_door_that_is_locked() {
    const WHOLLY: [&str; 6] = ["/key/generate", "/user/new", "/key/list", "/model/info", "/spend/logs", "/v1/chat/completions"];
    let (app, mut paths, mut asked) = (app(), 0, 0);
    for (at, (path, row)) in rows().filter(|(_, row)| row.policy != Policy::Public).enumerate() {
        let path = path.replace("{*model}", "m:generateContent").replace("{api_version}", "1alpha").replace(['{', '}', '*'], "");
        let line = told(&app, row.method, &path);
        // Who guesses too often is slowed down.
        assert!(line.starts_with("HTTP/1.1 401") || line.starts_with("HTTP/1.1 429"), "{path}: {line}");
        let spellings = spellings(&path);
        assert!(spellings.len() >= 300, "{path} in {} spellings", spellings.len());
        let (first, step) = if WHOLLY.contains(&path.as_str()) { (0, 1) } else { (at % FEW, FEW) };
        for spelling in spellings.iter().skip(first).step_by(step) {
            let line = told(&app, row.method, spelling);
            assert!(line.is_empty() || line.starts_with("HTTP/1.1 4"), "{} {spelling}: {line}", row.method);
            asked += 1;
        }
        paths += 1;
    }
    println!("{asked} spellings of {paths} paths");
    assert!(paths > 300 && asked > 6000, "{asked} spellings of {paths} paths");
}
