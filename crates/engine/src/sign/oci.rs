//! Oracle Cloud: each request carries an RSA signature over some of its headers.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use ring::digest::{Context, SHA256};
use ring::rsa::KeyPair;

use super::gcp::{read_rsa_key, sign_rsa};
use super::{Clock, SignError, secret_value};
use crate::upstream::UpstreamRequest;

/// A user's API signing key.
pub struct Oci {
    key_id: String,
    key: KeyPair,
    clock: Clock,
}

impl Oci {
    /// The key with this fingerprint, of this user in this tenancy.
    pub fn new(tenancy: &str, user: &str, fingerprint: &str, private_key_pem: &str, clock: Clock) -> Result<Self, SignError> {
        Ok(Self { key_id: format!("{tenancy}/{user}/{fingerprint}"), key: read_rsa_key(private_key_pem)?, clock })
    }

    pub(crate) fn headers(&self, request: &UpstreamRequest) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        let date = httpdate::fmt_http_date((self.clock)());
        let method = request.method.as_str().to_ascii_lowercase();
        let mut names = "date (request-target) host".to_owned();
        let mut text = format!("date: {date}\n(request-target): {method} {}\nhost: {}", request.path_and_query, request.origin.authority());
        let mut headers = vec![(DATE, secret_value(&date)?)];
        if request.method == Method::POST || request.method == Method::PUT {
            let mut digest = Context::new(&SHA256);
            request.body.iter().for_each(|piece| digest.update(piece));
            let digest = STANDARD.encode(digest.finish());
            let length: usize = request.body.iter().map(bytes::Bytes::len).sum();
            let kind = request.headers.get(CONTENT_TYPE).cloned().unwrap_or(HeaderValue::from_static("application/json"));
            let shown = kind.to_str().map_err(|_| SignError::Malformed("the content type is not text"))?;
            names.push_str(" content-length content-type x-content-sha256");
            text.push_str(&format!("\ncontent-length: {length}\ncontent-type: {shown}\nx-content-sha256: {digest}"));
            headers.push((HeaderName::from_static("x-content-sha256"), secret_value(&digest)?));
            headers.push((CONTENT_TYPE, kind));
        }
        let signature = STANDARD.encode(sign_rsa(&self.key, text.as_bytes())?);
        let key_id = &self.key_id;
        let value =
            format!("Signature version=\"1\",keyId=\"{key_id}\",algorithm=\"rsa-sha256\",headers=\"{names}\",signature=\"{signature}\"");
        headers.push((AUTHORIZATION, secret_value(&value)?));
        Ok(headers)
    }
}

impl fmt::Debug for Oci {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oci").finish_non_exhaustive()
    }
}
