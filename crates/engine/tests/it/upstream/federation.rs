//! Tokens that are traded for others: Google's workload identity federation, and keys by a row's rule.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use switchboard_engine::sign::token::{Source, Tokens, Traded};
use switchboard_engine::sign::{Auth, gcp};

use super::server::header;
use super::signing::{clock, endpoint, environment, signed, write_file};

const TRADED: &str = r#"{"access_token":"sts-token","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}"#;

/// A credential file with that source.
fn external(base: &str, source: Value) -> Value {
    json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{base}/v1/token"),
        "credential_source": source,
    })
}

/// The fields of a form.
fn fields(body: &str) -> Vec<(String, String)> {
    let plain = |text: &str| {
        let (mut bytes, mut rest) = (Vec::new(), text.bytes());
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let pair = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                other => other,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    body.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (plain(name), plain(value))).collect()
}

fn field(body: &str, name: &str) -> String {
    fields(body).into_iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap_or_default()
}

#[tokio::test]
async fn a_token_in_a_file_is_traded_and_a_service_account_spoken_for() {
    let spoken = r#"{"accessToken":"sa-token","expireTime":"2030-01-01T00:00:00Z"}"#;
    let (server, seen) = endpoint(&[("/v1/token", TRADED), ("/impersonate", spoken)]).await;
    let base = format!("http://{}", server.address);
    let token = write_file("subject.json", r#"{"id_token":"their-token"}"#);
    let format = json!({"type": "json", "subject_token_field_name": "id_token"});
    let mut file = external(&base, json!({"file": token, "format": format}));
    file["service_account_impersonation_url"] = json!(format!("{base}/impersonate"));
    file["service_account_impersonation"] = json!({"token_lifetime_seconds": 1800});
    let tokens = gcp::from_file(&file.to_string(), &environment(&[]), clock(0).0).unwrap();
    assert_eq!(signed(Auth::Token(tokens), "authorization").await.unwrap(), "Bearer sa-token");
    let seen = seen.lock().unwrap();
    let asked = &seen[0].1;
    assert_eq!(field(asked, "grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(field(asked, "requested_token_type"), "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(field(asked, "audience"), file["audience"].as_str().unwrap());
    assert_eq!(field(asked, "subject_token_type"), "urn:ietf:params:oauth:token-type:jwt");
    assert_eq!(field(asked, "subject_token"), "their-token");
    assert_eq!(field(asked, "scope"), gcp::SCOPE);
    assert_eq!(header(&seen[1].0, "authorization"), Some("Bearer sts-token"));
    let asked: Value = serde_json::from_str(&seen[1].1).unwrap();
    assert_eq!(asked, json!({"scope": [gcp::SCOPE], "lifetime": "1800s"}));
}

#[tokio::test]
async fn a_token_at_a_url_is_traded() {
    let (server, seen) = endpoint(&[("/v1/token", TRADED), ("/subject", "their-token\n")]).await;
    let base = format!("http://{}", server.address);
    let mut file = external(&base, json!({"url": format!("{base}/subject"), "headers": {"Metadata": "True"}}));
    file["client_id"] = json!("id");
    file["client_secret"] = json!("secret");
    let tokens = gcp::from_file(&file.to_string(), &environment(&[]), clock(0).0).unwrap();
    assert_eq!(signed(Auth::Token(tokens), "authorization").await.unwrap(), "Bearer sts-token");
    let seen = seen.lock().unwrap();
    assert_eq!(header(&seen[0].0, "metadata"), Some("True"));
    assert_eq!(field(&seen[1].1, "subject_token"), "their-token");
    let basic = format!("Basic {}", STANDARD.encode("id:secret"));
    assert_eq!(header(&seen[1].0, "authorization"), Some(basic.as_str()));
}

#[tokio::test]
async fn awss_token_is_a_signed_question() {
    let keys = r#"{"AccessKeyId":"ASIA9","SecretAccessKey":"s","Token":"tok"}"#;
    let (server, seen) =
        endpoint(&[("/v1/token", TRADED), ("/session", "imds"), ("/zone", "us-east-2b"), ("/roles", "role"), ("/roles/role", keys)]).await;
    let base = format!("http://{}", server.address);
    let source = json!({
        "environment_id": "aws1", "region_url": format!("{base}/zone"), "url": format!("{base}/roles"),
        "imdsv2_session_token_url": format!("{base}/session"),
        "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
    });
    let mut file = external(&base, source);
    file["subject_token_type"] = json!("urn:ietf:params:aws:token-type:aws4_request");
    let own =
        [("AWS_REGION", "eu-west-1".to_owned()), ("AWS_ACCESS_KEY_ID", "AKIA8".to_owned()), ("AWS_SECRET_ACCESS_KEY", "s".to_owned())];
    for (variables, region, key) in [(&[][..], "us-east-2", "ASIA9"), (&own[..], "eu-west-1", "AKIA8")] {
        let tokens = gcp::from_file(&file.to_string(), &environment(variables), clock(1_600_000_000).0).unwrap();
        assert_eq!(signed(Auth::Token(tokens), "authorization").await.unwrap(), "Bearer sts-token");
        let asked = seen.lock().unwrap().last().unwrap().1.clone();
        // It is encoded once of itself, and once more as a field.
        let question = fields(&format!("q={}", field(&asked, "subject_token"))).remove(0).1;
        let question: Value = serde_json::from_str(&question).unwrap();
        let url = format!("https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15");
        assert_eq!((&question["url"], &question["method"]), (&json!(url), &json!("POST")));
        let header = |name: &str| {
            let found = question["headers"].as_array().unwrap().iter().find(|header| header["key"] == name);
            found.map(|header| header["value"].as_str().unwrap().to_owned())
        };
        assert_eq!(header("host"), Some(format!("sts.{region}.amazonaws.com")));
        assert_eq!(header("x-amz-date").as_deref(), Some("20200913T122640Z"));
        assert_eq!(header("x-amz-security-token").as_deref(), (key == "ASIA9").then_some("tok"));
        assert_eq!(header("x-goog-cloud-target-resource"), file["audience"].as_str().map(str::to_owned));
        let authorization = header("Authorization").unwrap();
        let names = if key == "ASIA9" { "host;x-amz-date;x-amz-security-token" } else { "host;x-amz-date" };
        let start = format!("AWS4-HMAC-SHA256 Credential={key}/20200913/{region}/sts/aws4_request, SignedHeaders={names}, Signature=");
        assert!(authorization.starts_with(&start), "{authorization}");
    }
}

#[tokio::test]
async fn a_file_that_names_no_source_is_refused() {
    for source in [json!({}), json!({"environment_id": "gcp9"}), json!("x")] {
        let file = external("http://127.0.0.1:1", source);
        gcp::from_file(&file.to_string(), &environment(&[]), clock(0).0).unwrap_err();
    }
}

#[tokio::test]
async fn a_key_is_traded_as_its_row_says() {
    // A lifetime in milliseconds of Unix time, and one in seconds.
    let (server, seen) = endpoint(&[
        ("/oauth", r#"{"access_token":"short-1","expires_at":1600001800000}"#),
        ("/token", r#"{"token":"short-2","expires_at":1600001800,"refresh_in":1500}"#),
    ])
    .await;
    let base = format!("http://{}", server.address);
    let mut headers = HeaderMap::new();
    headers.insert("editor-version", HeaderValue::from_static("vscode/1.95.0"));
    let form = Traded {
        url: format!("{base}/oauth"),
        key: HeaderValue::from_static("Basic a2V5"),
        headers: HeaderMap::new(),
        request_id: Some(HeaderName::from_static("rquid")),
        form: Some(vec![("scope".to_owned(), "PERSONAL".to_owned())]),
    };
    let get = Traded { url: format!("{base}/token"), key: HeaderValue::from_static("token gho"), headers, request_id: None, form: None };
    for (traded, token) in [(form, "Bearer short-1"), (get, "Bearer short-2")] {
        let tokens = Tokens::new(Source::Traded(traded), clock(1_600_000_000).0);
        assert_eq!(signed(Auth::Token(tokens), "authorization").await.unwrap(), token);
    }
    let seen = seen.lock().unwrap();
    assert!(seen[0].0.starts_with("POST /oauth"), "{}", seen[0].0);
    assert_eq!((header(&seen[0].0, "authorization"), seen[0].1.as_str()), (Some("Basic a2V5"), "scope=PERSONAL"));
    assert_eq!(header(&seen[0].0, "rquid").map(str::len), Some(36));
    assert!(seen[1].0.starts_with("GET /token"), "{}", seen[1].0);
    assert_eq!(header(&seen[1].0, "authorization"), Some("token gho"));
    assert_eq!(header(&seen[1].0, "editor-version"), Some("vscode/1.95.0"));
}
