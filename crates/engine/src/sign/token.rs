//! Bearer tokens that are fetched: every flow that ends in `access_token`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use serde::Deserialize;

use super::cached::{Cached, Expiring};
use super::external::External;
use super::gcp::ServiceAccount;
use super::{Clock, Secret, SignError, encode, secret_value, time};
use crate::upstream::{Caps, Origin, Timeouts, Upstream, UpstreamRequest};

/// A token endpoint's answer is at most this long.
const ANSWER_CAP: u64 = 1 << 20;
/// A token whose answer names no lifetime is kept this long.
const ASSUMED_LIFETIME: u64 = 300;

/// Where tokens come from, and the one at hand.
#[derive(Debug)]
pub struct Tokens {
    source: Source,
    clock: Ticker,
    extra: Vec<(HeaderName, HeaderValue)>,
    cached: Cached<HeaderValue>,
}

/// How a token is asked for.
#[derive(Debug)]
pub enum Source {
    /// POST of a form.
    Form(Form),
    /// GET, as metadata services want it.
    Get {
        /// The address, with its query.
        url: String,
        /// The headers the service insists on.
        headers: HeaderMap,
    },
    /// A form with a token read anew from a file each time, since its owner rotates it.
    Federated {
        /// The form's constant fields.
        form: Form,
        /// The field the file's text goes into.
        field: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// A Google service account's signed assertion.
    ServiceAccount(ServiceAccount),
    /// Another's token, which Google takes for one of its own.
    External(Box<External>),
    /// A long-lived key, traded the way its provider's row says.
    Traded(Traded),
}

/// A form for a token endpoint.
#[derive(Debug)]
pub struct Form {
    /// The token endpoint.
    pub url: String,
    /// The fields.
    pub fields: Vec<(&'static str, Secret)>,
    /// User and password for HTTP Basic authentication, where the endpoint wants it.
    pub basic: Option<(String, Secret)>,
}

/// How a long-lived key is traded for a token.
#[derive(Debug)]
pub struct Traded {
    /// The token endpoint.
    pub url: String,
    /// The key, with the scheme it is shown by.
    pub key: HeaderValue,
    /// Further headers.
    pub headers: HeaderMap,
    /// A header that wants an id of its own for every request, in the form of a UUID.
    pub request_id: Option<HeaderName>,
    /// The fields of the form that is posted; `None`: the endpoint is asked by GET.
    pub form: Option<Vec<(String, String)>>,
}

/// A clock whose `Debug` is quiet.
struct Ticker(Clock);

impl std::fmt::Debug for Ticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "token", alias = "tok")]
    access_token: String,
    expires_in: Option<Seconds>,
    /// When it ends, in Unix time: seconds, or milliseconds where that would be in a far future.
    #[serde(alias = "exp")]
    expires_at: Option<u64>,
}

/// As seconds this is in the year 5138, as milliseconds in 1973.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// Azure's metadata service writes the number as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

// === impl Tokens ===

impl Tokens {
    /// Tokens from a source; none is fetched before the first is needed.
    pub fn new(source: Source, clock: Clock) -> Self {
        Self { source, clock: Ticker(clock), extra: Vec::new(), cached: Cached::new() }
    }

    /// Adds a header that goes with every token.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.extra.push((name, value));
        self
    }

    pub(crate) async fn headers(&self, upstream: &Upstream) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        let now = || (self.clock.0)();
        let fetch = async || {
            let asked_at = now();
            let answer = self.source.ask(upstream, asked_at).await?;
            let answer: Answer = serde_json::from_slice(&answer).map_err(|_| SignError::Unreadable)?;
            let ends = answer.expires_at.map(|at| if at < MILLISECONDS_FROM { at } else { at / 1000 });
            let lifetime = match (answer.expires_in, ends) {
                (Some(Seconds::Number(seconds)), _) => seconds,
                (Some(Seconds::Text(text)), _) => text.parse().map_err(|_| SignError::Unreadable)?,
                (None, Some(end)) => end.saturating_sub(time::unix(asked_at)),
                (None, None) => ASSUMED_LIFETIME,
            };
            Ok(Expiring {
                value: secret_value(&format!("Bearer {}", answer.access_token))?,
                expires: asked_at.checked_add(Duration::from_secs(lifetime)),
            })
        };
        let value = self.cached.get(now, fetch).await?;
        let mut headers = self.extra.clone();
        headers.push((AUTHORIZATION, value));
        Ok(headers)
    }

    pub(crate) fn forget(&self) {
        self.cached.forget();
    }
}

impl Source {
    async fn ask(&self, upstream: &Upstream, now: std::time::SystemTime) -> Result<Bytes, SignError> {
        match self {
            Self::Form(form) => form.post(upstream, &[]).await,
            Self::Get { url, headers } => get(upstream, url, headers.clone()).await,
            Self::Federated { form, field, file } => {
                let token = read_file(file)?;
                form.post(upstream, &[(field, token.trim())]).await
            }
            Self::ServiceAccount(account) => {
                let assertion = account.assertion(now)?;
                let form = Form {
                    url: account.token_url().to_owned(),
                    fields: vec![("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".into())],
                    basic: None,
                };
                form.post(upstream, &[("assertion", &assertion)]).await
            }
            Self::External(external) => external.token(upstream, now).await,
            Self::Traded(traded) => traded.ask(upstream).await,
        }
    }
}

impl Form {
    async fn post(&self, upstream: &Upstream, more: &[(&str, &str)]) -> Result<Bytes, SignError> {
        let fields = self.fields.iter().map(|(name, value)| (*name, value.reveal())).chain(more.iter().copied());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some((user, password)) = &self.basic {
            let pair = STANDARD.encode(format!("{user}:{}", password.reveal()));
            headers.insert(AUTHORIZATION, secret_value(&format!("Basic {pair}"))?);
        }
        let body = encode::form(fields).into();
        ask(upstream, Method::POST, &self.url, headers, body).await
    }
}

impl Traded {
    async fn ask(&self, upstream: &Upstream) -> Result<Bytes, SignError> {
        let mut headers = self.headers.clone();
        headers.insert(AUTHORIZATION, self.key.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(name) = &self.request_id {
            headers.insert(name.clone(), secret_value(&uuid())?);
        }
        let Some(fields) = &self.form else { return get(upstream, &self.url, headers).await };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let body = encode::form(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        ask(upstream, Method::POST, &self.url, headers, body.into()).await
    }
}

/// A random UUID, version 4.
fn uuid() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76 | 0x3 << 62) | (0x4 << 76 | 0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// IBM Cloud's exchange of an API key for a token. The public endpoint is `https://iam.cloud.ibm.com/identity/token`.
pub fn watsonx(url: &str, key: Secret) -> Source {
    Source::Form(Form {
        url: url.to_owned(),
        fields: vec![("grant_type", "urn:ibm:params:oauth:grant-type:apikey".into()), ("apikey", key)],
        basic: None,
    })
}

/// A Databricks service principal's token, from `https://WORKSPACE/oidc/v1/token`.
pub fn databricks(url: &str, client_id: &str, client_secret: Secret) -> Source {
    Source::Form(Form {
        url: url.to_owned(),
        fields: vec![("grant_type", "client_credentials".into()), ("scope", "all-apis".into())],
        basic: Some((client_id.to_owned(), client_secret)),
    })
}

pub(crate) fn read_file(file: &std::path::Path) -> Result<String, SignError> {
    std::fs::read_to_string(file).map_err(|error| SignError::File(Arc::new(error)))
}

pub(crate) async fn get(upstream: &Upstream, url: &str, headers: HeaderMap) -> Result<Bytes, SignError> {
    ask(upstream, Method::GET, url, headers, Bytes::new()).await
}

/// One exchange with a token endpoint.
pub(crate) async fn ask(upstream: &Upstream, method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Result<Bytes, SignError> {
    let bad = |_| SignError::Malformed("the token endpoint is not a URL");
    let origin = Origin::of(url).map_err(|_| SignError::Malformed("the token endpoint is not a URL"))?;
    let uri: Uri = url.parse().map_err(bad)?;
    let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let mut request = UpstreamRequest::new(method, origin, path);
    request.headers = headers;
    request.body = vec![body];
    request.caps = Caps { body: ANSWER_CAP, ..Caps::WHOLE };
    request.timeouts = Timeouts {
        connect: Duration::from_secs(2),
        first_byte: Duration::from_secs(10),
        idle: Duration::from_secs(10),
        total: Some(Duration::from_secs(15)),
    };
    let reach = |error| SignError::Unreachable(Arc::new(error));
    let reply = upstream.send(request).await.map_err(reach)?;
    if !reply.status.is_success() {
        return Err(SignError::Refused(reply.status.as_u16()));
    }
    reply.body.collect().await.map_err(reach)
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_random_uuids() {
        for _ in 0..100 {
            let id = super::uuid();
            let parts: Vec<&str> = id.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        }
        assert_ne!(super::uuid(), super::uuid());
    }
}
