//! The gateway's own pages and documents.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderName, HeaderValue,
};
use http::{Response, StatusCode};
use serde_json::json;
use switchboard_engine::answer::AnswerBody;

use crate::accept::Acceptor;
use crate::app::App;
use crate::models::document;
use crate::router::Page;

const HOME: &str = include_str!("page/home.html");
const DOCS: &str = include_str!("page/docs.html");

/// What browsers may do with a page of ours: show it, and nothing else.
const SAFETY: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
];

/// A page that needs no key.
pub(crate) fn open(page: Page, app: &App) -> Response<AnswerBody> {
    match page {
        Page::Home => html(HOME),
        Page::Docs => html(DOCS),
        Page::OpenApi => document(&crate::openapi::document()),
        Page::Alive => document(&json!("I'm alive!")),
        Page::Ready | Page::Health => ready(app),
    }
}

/// Whether the gateway can serve. A deployment that fails is its own matter; only a stop makes the whole unready.
fn ready(app: &App) -> Response<AnswerBody> {
    if (app.draining)() {
        let mut response = document(&json!({"status": "shutting_down"}));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return response;
    }
    document(&json!({"status": "healthy", "db": "Not connected"}))
}

/// Asks every deployment for a word.
pub(crate) async fn health(acceptor: &Acceptor, query: Option<&str>) -> Response<AnswerBody> {
    let wanted = query.and_then(|query| crate::query::value(query, "model"));
    crate::health::check(acceptor, wanted.as_deref()).await
}

/// The answer to a browser that asks whether it may.
pub(crate) fn preflight() -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    response
}

fn html(page: &'static str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from_static(page.as_bytes()))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    for (name, value) in SAFETY {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
