//! Texts that would be statements, in every place a request has one (X2; CVE-2026-42208 in the Authorization header, GHSA-h6m6-jj8v-94jj
//! in a query, CVE-2025-45809 in a body).

use std::path::Path;

use serde_json::{Value, json};
use switchboard_server::router::{Row, rows};

use crate::managed::{MASTER, each};

const TEXTS: [&str; 20] = [
    "'",
    "''",
    "' OR '1'='1",
    "' OR 1=1 --",
    "'; DROP TABLE objects; --",
    "\" OR \"\"=\"",
    "1; SELECT pg_sleep(5)",
    "' UNION SELECT document FROM objects --",
    "x' AND (SELECT COUNT(*) FROM objects) > 0 --",
    "%' --",
    "%",
    "_",
    "\\",
    "\\' OR 1=1 --",
    "$1",
    "?1",
    ":id",
    "') OR ('a'='a",
    "{\"$ne\": null}",
    "x'||(SELECT document FROM objects LIMIT 1)||'",
];

fn percent(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Names of parameters that some route has.
const PARAMETERS: [&str; 16] = [
    "key",
    "user_id",
    "team_id",
    "organization_id",
    "search",
    "sort_by",
    "key_alias",
    "user_ids",
    "role",
    "page",
    "start_date",
    "end_date",
    "api_key",
    "request_id",
    "filter",
    "tag",
];

#[test]
fn texts_that_would_be_statements_are_texts() {
    each(|gateway| {
        let admin: Vec<(String, Row)> =
            rows().filter(|(path, row)| row.method == "GET" && !path.contains("model") && !path.starts_with("/health")).collect();
        let mut wrong = Vec::new();
        for text in TEXTS {
            let coded = percent(text);
            for name in [
                "authorization",
                "x-api-key",
                "x-litellm-api-key",
                "api-key",
                "x-goog-api-key",
                "cookie",
                "litellm-changed-by",
                "x-litellm-customer-id",
                "x-litellm-tags",
            ] {
                for value in [text.to_owned(), format!("Bearer {text}"), format!("Bearer sk-{text}"), format!("token={text}")] {
                    let reply = gateway.app.ask("GET", "/key/info").header(name, &value).send();
                    if ![400, 401, 429].contains(&reply.status.as_u16()) {
                        wrong.push(format!("{name}: {value}: {} {}", reply.status, reply.text()));
                    }
                }
            }
            // All parameters at once, and in the path, on every route that only reads.
            let query: Vec<String> = PARAMETERS.iter().map(|name| format!("{name}={coded}")).collect();
            for (path, _) in &admin {
                let mut path = path.clone();
                while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
                    path.replace_range(start..=end, &coded);
                }
                for path in [format!("{path}?{}", query.join("&")), path] {
                    let reply = gateway.as_key(MASTER, "GET", &path, &Value::Null);
                    if reply.status == 500 {
                        wrong.push(format!("{path}: {} {}", reply.status, reply.text()));
                    }
                }
            }
            for (path, body) in [
                ("/key/block", json!({"key": text})),
                ("/key/delete", json!({"keys": [text], "key_aliases": [text]})),
                ("/user/delete", json!({"user_ids": [text]})),
                ("/team/delete", json!({"team_ids": [text]})),
                ("/v2/login", json!({"username": text, "password": text})),
                ("/jwt/key/mapping/delete", json!({"id": text})),
            ] {
                let reply = gateway.as_key(MASTER, "POST", path, &body);
                if reply.status.is_server_error() || reply.status == 200 && path != "/key/delete" {
                    wrong.push(format!("{path} {body}: {} {}", reply.status, reply.text()));
                }
            }
            // Kept and given back letter by letter.
            let made = gateway.post("/user/new", &json!({"user_id": format!("u {text}"), "user_alias": text, "auto_create_key": false}));
            assert_eq!(made["user_alias"], text);
        }
        assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
        assert_eq!(gateway.get("/user/list?page_size=100")["total"], TEXTS.len(), "nothing was dropped, nothing is there twice");
    });
}

#[test]
fn statements_are_constants() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/src");
    let (mut folders, mut escapes) = (vec![store], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // Without this word one library takes nothing but constants; the other takes any text, wherever it is used.
            let text = std::fs::read_to_string(&path).expect("a text");
            if text.contains("AssertSqlSafe") || text.contains("use rusqlite") {
                escapes.push(path.file_name().expect("a name").to_string_lossy().into_owned());
            }
        }
    }
    // Each of these chooses among constants or joins them: which column, which order, how many rows. None has a value in it;
    // `foreign` quotes the names of tables and of the schema that whoever runs the import names, `tables` those that the database has.
    // `file` runs statements of the program's own and inserts of its own rows.
    let looked_at = [
        "beat.rs",
        "file.rs",
        "follow.rs",
        "foreign.rs",
        "lease.rs",
        "ledger.rs",
        "migrate.rs",
        "query.rs",
        "report.rs",
        "savings.rs",
        "scribe.rs",
        "sessions.rs",
        "tables.rs",
        "verify.rs",
    ];
    escapes.retain(|name| !looked_at.contains(&name.as_str()));
    assert!(escapes.is_empty(), "look whether these join anything but constants, then name them here: {escapes:?}");
}
