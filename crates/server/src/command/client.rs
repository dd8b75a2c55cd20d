//! What the commands ask over HTTP: a running gateway, or a file on the web.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};
use serde_json::Value;
use switchboard_engine::upstream::{
    Credential, DialError, Origin, Settings, Timeouts, Transport, Upstream, UpstreamReply, UpstreamRequest,
};

/// A request of a command's that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The URL is none.
    #[error("`{0}` is no http or https URL without user and password")]
    Url(String),
    /// The key cannot stand in a header.
    #[error("the key holds letters that cannot be sent")]
    Key,
    /// Nobody answered.
    #[error("{origin} cannot be reached: {}", cause(.source))]
    Unreachable {
        /// Where.
        origin: Origin,
        /// Why.
        source: DialError,
    },
    /// The answer is an error.
    #[error("{status}: {message}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it says.
        message: String,
    },
    /// The answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
}

/// Why a server cannot be reached, in the system's words where it has some: `DialError` speaks of providers.
fn cause(error: &DialError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Asks one server.
pub(super) struct Client {
    upstream: Upstream,
    origin: Origin,
    path: String,
    credential: Option<Credential>,
}

impl Client {
    /// For the server at that URL; the key, if there is one, is shown to it alone.
    pub(super) fn new(url: &str, key: Option<&str>, transport: Transport) -> Result<Self, ClientError> {
        let wrong = || ClientError::Url(url.rsplit('@').next().unwrap_or_default().to_owned());
        let origin = Origin::of(url).map_err(|_| wrong())?;
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let path = uri.path_and_query().map_or("", PathAndQuery::as_str).trim_end_matches('/');
        // As clients of OpenAI's have it in their base URL.
        let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        let credential = key.map(|key| {
            let value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| ClientError::Key)?;
            Ok(Credential::new(origin.clone(), [(AUTHORIZATION, value)]))
        });
        let credential = credential.transpose()?;
        Ok(Self { upstream: Upstream::new(Settings { transport, ..Settings::default() }), origin, path, credential })
    }

    /// Asks for a path below the URL; an answer that is an error is told as one.
    pub(super) async fn ask(&self, path: &str, body: Option<&Value>) -> Result<UpstreamReply, ClientError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        self.send(method, path, body).await
    }

    /// The same by any method, and the whole answer as JSON; an empty one is nothing.
    pub(super) async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let told = |error: &dyn std::fmt::Display| ClientError::Answer(error.to_string());
        let bytes = self.send(method, path, body).await?.body.collect().await.map_err(|error| told(&error))?;
        if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes).map_err(|error| told(&error)) }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<UpstreamReply, ClientError> {
        let whole = format!("{}{path}", self.path);
        let whole = if whole.is_empty() { "/" } else { &whole };
        let path_and_query: PathAndQuery = whole.parse().map_err(|_| ClientError::Url(whole.to_owned()))?;
        let mut request = UpstreamRequest::new(method, self.origin.clone(), path_and_query);
        request.credential.clone_from(&self.credential);
        let patient = Duration::from_secs(600);
        request.timeouts = Timeouts { first_byte: patient, idle: patient, ..Timeouts::default() };
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream, text/plain"));
        if let Some(body) = body {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.body.push(Bytes::from(body.to_string()));
        }
        let reply = self.upstream.send(request).await;
        let reply = reply.map_err(|source| ClientError::Unreachable { origin: self.origin.clone(), source })?;
        if reply.status.is_success() {
            return Ok(reply);
        }
        let status = reply.status;
        let said = reply.body.collect().await.unwrap_or_default();
        Err(ClientError::Refused { status, message: message(&said) })
    }

    /// The whole answer.
    pub(super) async fn read(&self, path: &str, body: Option<&Value>) -> Result<Bytes, ClientError> {
        self.ask(path, body).await?.body.collect().await.map_err(|error| ClientError::Answer(error.to_string()))
    }
}

/// What an error answer says, in whichever form it says it.
fn message(said: &[u8]) -> String {
    let value: Option<Value> = serde_json::from_slice(said).ok();
    let found = value.as_ref().and_then(|value| value["error"]["message"].as_str().or_else(|| value["detail"].as_str()));
    found.map_or_else(|| String::from_utf8_lossy(said).chars().take(500).collect(), str::to_owned)
}
