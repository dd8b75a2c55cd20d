//! AWS Signature Version 4.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>. Signed are the host,
//! the content type and every `x-amz-` header; the payload is hashed piece by piece. The path is encoded once more than
//! it stands on the wire, as every service but S3 expects.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use ring::digest::{self, SHA256};
use ring::hmac::{self, HMAC_SHA256};

pub use super::aws_credentials::{Endpoints, Keys, Profile, Source};
use super::cached::Cached;
use super::{Clock, Secret, SignError, encode, secret_value, time};
use crate::upstream::{Upstream, UpstreamRequest};

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// A credential for one AWS service in one region.
pub struct Aws {
    region: String,
    service: String,
    source: Source,
    clock: Clock,
    cached: Cached<Keys>,
}

impl Aws {
    /// Signs for a service (`bedrock`, `sagemaker`) in a region.
    pub fn new(region: &str, service: &str, source: Source, clock: Clock) -> Self {
        Self { region: region.to_owned(), service: service.to_owned(), source, clock, cached: Cached::new() }
    }

    pub(crate) async fn headers(
        &self,
        upstream: &Upstream,
        request: &UpstreamRequest,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        let keys = self.cached.get(|| (self.clock)(), async || self.source.fetch(upstream, &self.region, &self.clock).await).await?;
        sign(&keys, &self.region, &self.service, request, (self.clock)())
    }

    pub(crate) fn forget(&self) {
        self.cached.forget();
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("region", &self.region).field("service", &self.service).finish_non_exhaustive()
    }
}

/// The headers that sign a request at a point in time.
pub(crate) fn sign(
    keys: &Keys,
    region: &str,
    service: &str,
    request: &UpstreamRequest,
    now: SystemTime,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    let at = time::basic(now);
    let day = at.get(..8).unwrap_or_default();
    let mut added = vec![(X_AMZ_DATE, secret_value(&at)?)];
    if let Some(token) = &keys.session_token {
        added.push((X_AMZ_SECURITY_TOKEN, secret_value(token.reveal())?));
    }
    let (names, headers) = canonical_headers(request, &added)?;
    let path = &request.path_and_query;
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        request.method,
        canonical_path(path),
        canonical_query(path),
        payload_hash(&request.body),
    );
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let hash = hex::encode(digest::digest(&SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{hash}");
    let key = signing_key(&keys.secret_key, [day, region, service]);
    let signature = hex::encode(hmac::sign(&key, text.as_bytes()).as_ref());
    let value = format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", keys.access_key);
    added.push((AUTHORIZATION, secret_value(&value)?));
    Ok(added)
}

fn signing_key(secret: &Secret, scope: [&str; 3]) -> hmac::Key {
    let start = hmac::Key::new(HMAC_SHA256, format!("AWS4{}", secret.reveal()).as_bytes());
    scope
        .into_iter()
        .chain(["aws4_request"])
        .fold(start, |key, part| hmac::Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()))
}

fn payload_hash(body: &[Bytes]) -> String {
    let mut hash = digest::Context::new(&SHA256);
    body.iter().for_each(|piece| hash.update(piece));
    hex::encode(hash.finish().as_ref())
}

/// The signed headers' names, joined, and their lines.
fn canonical_headers(request: &UpstreamRequest, added: &[(HeaderName, HeaderValue)]) -> Result<(String, String), SignError> {
    let mut signed = HeaderMap::new();
    let taken = request
        .headers
        .iter()
        .filter(|(name, _)| **name == CONTENT_TYPE || (name.as_str().starts_with("x-amz-") && !added.iter().any(|(own, _)| own == **name)));
    for (name, value) in taken.chain(added.iter().map(|(name, value)| (name, value))) {
        signed.append(name, value.clone());
    }
    signed.insert(http::header::HOST, request.origin.host_header().clone());
    let mut names: Vec<&HeaderName> = signed.keys().collect();
    names.sort_unstable_by_key(|name| name.as_str());
    let mut lines = String::new();
    for name in &names {
        lines.push_str(name.as_str());
        lines.push(':');
        for (index, value) in signed.get_all(*name).iter().enumerate() {
            let value = value.to_str().map_err(|_| SignError::Malformed("a signed header is not text"))?;
            if index > 0 {
                lines.push(',');
            }
            let words: Vec<&str> = value.split_ascii_whitespace().collect();
            lines.push_str(&words.join(" "));
        }
        lines.push('\n');
    }
    let names: Vec<&str> = names.into_iter().map(HeaderName::as_str).collect();
    Ok((names.join(";"), lines))
}

/// The path without `.`, `..` and empty segments, each segment encoded.
fn canonical_path(path: &PathAndQuery) -> String {
    let path = path.path();
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut out = String::with_capacity(path.len() + 8);
    for segment in &kept {
        out.push('/');
        out.push_str(&encode::percent(segment));
    }
    if out.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    out
}

fn canonical_query(path: &PathAndQuery) -> String {
    let again = |text: &str| encode::percent_except(&encode::unpercent(text), b"");
    let mut pairs: Vec<(String, String)> = path
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (again(name), again(value))
        })
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests;
