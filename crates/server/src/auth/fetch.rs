//! Asking an identity provider that an operator has named: its keys, its tokens, who somebody is.
//!
//! This is seldom, so each time is a connection of its own: those that are kept belong to the runtime they were made on.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, Method, StatusCode};
use switchboard_engine::egress::{Egress, Policy};
use switchboard_engine::upstream::{Caps, Credential, Origin, Settings, Timeouts, Transport, Upstream, UpstreamRequest};

/// No answer is longer.
const LONGEST: u64 = 1 << 20;
const SHORT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);

/// What is asked.
pub(crate) struct Question<'a> {
    /// Where.
    pub(crate) url: &'a str,
    /// The value of `authorization`, which goes nowhere else.
    pub(crate) authorization: Option<HeaderValue>,
    /// A form to be posted; without one it is a GET.
    pub(crate) form: Option<String>,
}

impl<'a> Question<'a> {
    /// What is at that address.
    pub(crate) fn of(url: &'a str) -> Self {
        Self { url, authorization: None, form: None }
    }
}

/// The answer, unless there is none. That is the provider's trouble, not the caller's.
pub(crate) async fn ask(transport: &Transport, question: Question<'_>) -> Option<(StatusCode, Bytes)> {
    let origin = Origin::of(question.url).ok()?;
    let path = question.url.parse::<Uri>().ok()?.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let method = if question.form.is_some() { Method::POST } else { Method::GET };
    let mut request = UpstreamRequest::new(method, origin.clone(), path);
    request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(form) = question.form {
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = vec![Bytes::from(form)];
    }
    request.credential = question.authorization.map(|value| Credential::new(origin, [(http::header::AUTHORIZATION, value)]));
    request.caps = Caps { body: LONGEST, ..Caps::WHOLE };
    request.timeouts = Timeouts { connect: SHORT, first_byte: SHORT, idle: SHORT, total: Some(WHOLE) };
    let upstream = Upstream::new(Settings { transport: transport.clone(), ..Settings::default() });
    let reply = upstream.send(request).await.ok()?;
    let status = reply.status;
    Some((status, reply.body.collect().await.ok()?))
}

/// What is at an address that somebody else than the operator has named: from the public network alone.
pub(crate) async fn ask_outside(transport: &Transport, url: &str) -> Option<Bytes> {
    let upstream = Upstream::new(Settings { transport: transport.clone(), ..Settings::default() });
    Some(Egress::new(Policy { bytes: LONGEST, ..Policy::default() }).get(&upstream, url).await.ok()?.body)
}

/// An address as logs show it.
pub(crate) fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}
