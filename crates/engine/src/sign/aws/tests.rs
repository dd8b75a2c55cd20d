//! AWS's published test suite for Signature Version 4: its keys, date and expected signatures.

use http::{HeaderValue, Method};

use super::*;
use crate::upstream::Origin;

fn check(method: Method, path: &str, content_type: Option<&str>, body: &'static [u8], want: &str) {
    let keys =
        Keys { access_key: "AKIDEXAMPLE".into(), secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(), session_token: None };
    let origin = Origin::of("https://example.amazonaws.com").unwrap();
    let mut request = UpstreamRequest::new(method, origin, path.parse().unwrap());
    if let Some(content_type) = content_type {
        let value = HeaderValue::from_str(content_type).unwrap();
        request.headers.insert(CONTENT_TYPE, value);
    }
    request.body = body.chunks(5).map(Bytes::from_static).collect();
    let now = time::read_rfc3339("2015-08-30T12:36:00Z").unwrap();
    let headers = sign(&keys, "us-east-1", "service", &request, now).unwrap();
    let (_, value) = headers.last().unwrap();
    let signature = value.to_str().unwrap().rsplit_once("Signature=").unwrap().1;
    assert_eq!(signature, want, "{path}");
}

#[test]
fn get_vanilla() {
    let want = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    check(Method::GET, "/", None, b"", want);
    // `get-slash`, `get-relative` and `get-slash-dot-slash` normalise to the same request.
    check(Method::GET, "//", None, b"", want);
    check(Method::GET, "/example/..", None, b"", want);
    check(Method::GET, "/./", None, b"", want);
}

#[test]
fn get_vanilla_query_order_key_case() {
    let want = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
    check(Method::GET, "/?Param2=value2&Param1=value1", None, b"", want);
}

#[test]
fn get_utf8() {
    let want = "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85";
    check(Method::GET, "/\u{1234}", None, b"", want);
}

#[test]
fn post_vanilla() {
    let want = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    check(Method::POST, "/", None, b"", want);
}

#[test]
fn post_form() {
    let want = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
    let content_type = Some("application/x-www-form-urlencoded");
    check(Method::POST, "/", content_type, b"Param1=value1", want);
}

#[test]
fn a_model_id_is_encoded_twice() {
    let encoded = |path: &str| canonical_path(&path.parse().unwrap());
    assert_eq!(encoded("/model/a.b-v1:0/converse"), "/model/a.b-v1%3A0/converse");
    assert_eq!(encoded("/model/a.b-v1%3A0/converse"), "/model/a.b-v1%253A0/converse");
}

#[test]
fn a_session_token_is_sent_and_signed() {
    let keys = Keys { access_key: "AKIDEXAMPLE".into(), secret_key: "secret".into(), session_token: Some("token".into()) };
    let origin = Origin::of("https://example.amazonaws.com").unwrap();
    let request = UpstreamRequest::new(Method::GET, origin, "/".parse().unwrap());
    let headers = sign(&keys, "r", "s", &request, SystemTime::UNIX_EPOCH).unwrap();
    assert!(headers.iter().any(|(name, value)| name == X_AMZ_SECURITY_TOKEN && value == "token"));
    let (_, value) = headers.last().unwrap();
    let value = value.to_str().unwrap();
    assert!(value.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
}
