//! Texts that lead elsewhere as paths, in place of every id (X6; Bifrost #7307): what a provider is asked for stays below what the
//! configuration says, and no file is read or made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use switchboard_server::authz::Policy;
use switchboard_server::router::{Row, rows};

use crate::kept::Kept;
use crate::managed::{MASTER, Managed};
use crate::upstream::Upstream;

/// Where somebody would like to go. The first is there.
const TARGETS: [&str; 5] = ["canary.txt", "etc/passwd", "switchboard.db", "v1/models", "proc/self/environ"];
const WAYS: [&str; 31] = [
    "../T",
    "../../T",
    "../../../../../../../../T",
    "/T",
    "//T",
    "///T",
    "./T",
    "x/../T",
    "x/./T",
    "T/..",
    "T/.",
    "..\\T",
    "..\\..\\..\\T",
    "\\T",
    "\\\\host\\T",
    "%2e%2e/T",
    "..%2fT",
    "%2e%2e%2f%2e%2e%2fT",
    "%252e%252e%252fT",
    "..%5cT",
    "..%c0%afT",
    "%c0%ae%c0%ae/T",
    "..%ef%bc%8fT",
    "....//T",
    "..;/T",
    "..\u{0}/T",
    "T\u{0}.json",
    "T?x=y",
    "T#x",
    "file:///T",
    "~/T",
];
const CANARY: &str = "canary-of-a-file-51c7";
/// Names under which bodies have ids and files.
const FIELDS: [&str; 24] = [
    "model",
    "id",
    "file",
    "file_id",
    "input_file_id",
    "batch_id",
    "previous_response_id",
    "conversation",
    "container",
    "cachedContent",
    "user",
    "user_id",
    "team_id",
    "organization_id",
    "project_id",
    "budget_id",
    "key_alias",
    "credential_name",
    "name",
    "slug",
    "prompt_id",
    "voice",
    "filename",
    "path",
];

fn texts() -> impl Iterator<Item = String> {
    WAYS.iter().flat_map(|way| TARGETS.iter().map(|target| way.replace('T', target)))
}

/// What may not stand in a path, and nothing else, as `%` and digits.
fn bare(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        })
        .collect()
}

/// The same of everything that means something in a path.
fn coded(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A row's path with that text in place of each of its ids.
fn filled(path: &str, text: &str) -> String {
    let mut filled = path.replace("{api_version}", "1alpha");
    while let (Some(start), Some(end)) = (filled.find('{'), filled.find('}')) {
        filled.replace_range(start..=end, text);
    }
    filled
}

/// A path as somebody takes it who decodes it twice.
fn plain(path: &str) -> String {
    let (mut plain, mut left) = (path.to_owned(), 2);
    while left > 0 && plain.contains('%') {
        let mut bytes = Vec::new();
        let mut rest = plain.as_bytes();
        while let [first, tail @ ..] = rest {
            let digits = tail.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
            match digits.filter(|_| *first == b'%') {
                Some(byte) => (bytes.push(byte), rest = &tail[2..]),
                None => (bytes.push(*first), rest = tail),
            };
        }
        plain = String::from_utf8_lossy(&bytes).into_owned();
        left -= 1;
    }
    plain.replace('\\', "/")
}

/// Whether a path stays below where it begins.
fn stays(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let below = path.strip_prefix("/good/v1/");
    below.is_some_and(|below| !plain(below).split('/').any(|part| matches!(part, ".." | ".")))
}

fn files(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found)
        } else {
            found.extend([path])
        };
    }
}

fn with_ids() -> Vec<(String, Row)> {
    rows().filter(|(path, _)| path.contains('{')).collect()
}

#[test]
fn no_id_leads_to_another_path_or_a_file() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let far = format!(
        "  - {{model_name: far, litellm_params: {{model: openai/m, api_base: {url}/good/v1, api_key: k}}}}\n  \
         - {{model_name: \"far/*\", litellm_params: {{model: \"openai/*\", api_base: {url}/good/v1, api_key: k}}}}\n  \
         - {{model_name: \"gem/*\", litellm_params: {{model: \"gemini/*\", api_base: {url}/good/v1, api_key: k}}}}\n"
    );
    let passed = format!("  pass_through_endpoints: [{{path: /place, target: \"{url}/good/v1/place\", include_subpath: true}}]\n");
    let gateway = Managed::with_models(&passed, &far, &[]);
    std::fs::write(gateway.place().join(TARGETS[0]), CANARY).expect("written");
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    files(gateway.place(), &mut before);
    let (mut kept, mut asked, rows) = (Kept::to(&gateway.app, MASTER), 0, with_ids());
    assert!(rows.len() > 80 && texts().count() > 150, "{} rows", rows.len());
    let mut look = |method: &str, path: &str, body: &[u8]| {
        let reply = kept.ask(method, path, body);
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(reply.status.as_u16() != 500, "{method} {path}: {said}");
        assert!(!said.contains(CANARY) && !said.contains("root:x:"), "{method} {path}: {said}");
        asked += 1;
    };
    for (at, text) in texts().enumerate() {
        // Every fourth text in turn; the figure x6 has all of them.
        for (path, row) in rows.iter().skip(at % 4).step_by(4) {
            let id = if at % 8 < 4 { bare(&text) } else { coded(&text) };
            look(row.method, &filled(path, &id), b"{}");
        }
        for prefix in ["/place/", "/place/x/", "/openai/", "/anthropic/", "/ui/"] {
            look("GET", &format!("{prefix}{}", bare(&text)), b"");
            look("POST", &format!("{prefix}{}", coded(&text)), b"{}");
        }
        let mut body = json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": text}}]}], "input": "hello", "max_tokens": 5});
        for field in FIELDS {
            body[field] = json!(text);
        }
        body["contents"] = json!([{"role": "user", "parts": [{"fileData": {"fileUri": text}}]}]);
        body["prompt"] = json!({"id": text});
        for (path, _) in rows_of_calls().iter().skip(at % 4).step_by(4) {
            for model in [text.clone(), format!("far/{text}"), format!("gem/{text}"), "far".to_owned()] {
                body["model"] = json!(model);
                look("POST", path, body.to_string().as_bytes());
            }
        }
    }
    files(gateway.place(), &mut after);
    assert_eq!(before, after, "files were made");
    let paths: Vec<String> = upstream.asked().into_iter().map(|(path, _)| path).collect();
    assert!(paths.len() > 100, "{}", paths.len());
    let strayed: Vec<&String> = paths.iter().filter(|path| !stays(path)).collect();
    assert!(strayed.is_empty(), "{} of {}: {:?}", strayed.len(), paths.len(), &strayed[..strayed.len().min(10)]);
    println!("{} texts, {asked} requests, {} of them passed on", texts().count(), paths.len());
}

/// The routes that call a model named in the body, each once.
fn rows_of_calls() -> Vec<(String, Row)> {
    let prefixed = |path: &str| ["/api/v1/", "/openai/", "/v2/", "/engines/", "/v1/engines/"].iter().any(|prefix| path.starts_with(prefix));
    rows().filter(|(path, row)| row.policy == Policy::Llm && row.method == "POST" && !path.contains('{') && !prefixed(path)).collect()
}
