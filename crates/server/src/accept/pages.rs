//! What browsers are told: pages of other places may call models, and nobody shows an answer in a frame.
//!
//! The rest of the management API answers no page but the gateway's own: whose browser holds a session there is asked by nobody else.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue,
    ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, Request, StatusCode};
use switchboard_engine::answer::AnswerBody;

use super::Entrance;
use crate::admin::Action;
use crate::answered::Answered;
use crate::config::Config;
use crate::edge::RequestBody;
use crate::router::{Match, Route};

const EVERYBODY: &str = "*";
/// What is told of every answer, unless it says so itself.
const GUARDS: [(http::HeaderName, HeaderValue); 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'")),
];

/// Whose pages may read the answer to a request that a page makes; nothing is said to whoever is no page, or may not.
pub(super) fn allowed(entrance: &Entrance, request: &Request<RequestBody>) -> Option<HeaderValue> {
    let origin = request.headers().get(ORIGIN)?;
    let asked = || Method::from_bytes(request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok();
    let method = if request.method() == Method::OPTIONS { asked()? } else { request.method().clone() };
    let Match::Found(row, _) = entrance.router.find(&method, request.uri().path()) else { return None };
    if !is_open(row.route) {
        return None;
    }
    may_read(origin, &entrance.acceptor.app.config.load())
}

/// What a page of that origin is told: that it may read the answer, if it may.
pub(super) fn may_read(origin: &HeaderValue, config: &Config) -> Option<HeaderValue> {
    let origins = &config.switchboard.cors_origins;
    // Whoever asks for no key is protected by its address alone, and every page that is looked at there has that address.
    if origins.is_empty() && config.general.master_key.is_none() {
        return is_near(origin).then(|| origin.clone());
    }
    if origins.is_empty() || origins.iter().any(|one| one == EVERYBODY) {
        return Some(HeaderValue::from_static(EVERYBODY));
    }
    origins.iter().any(|one| one.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// Whether a page comes from the machine that it is looked at on.
pub(super) fn is_near(origin: &HeaderValue) -> bool {
    let uri = origin.to_str().ok().and_then(|text| text.parse::<http::Uri>().ok());
    uri.is_some_and(|uri| matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]")))
}

/// What pages may ask for: models, and what there is of them.
fn is_open(route: Route) -> bool {
    match route {
        Route::Call(_) | Route::Gemini | Route::Explain(_) => true,
        Route::Models | Route::Model | Route::GeminiModels | Route::Market(_) | Route::Info(_) => true,
        // Applications in browsers trade their code for a key there, and ask what it may spend. No browser sends a session along.
        Route::Admin(Action::OpenRouter(_)) => true,
        Route::Page(_) | Route::Consent | Route::SignIn(_) | Route::Admin(_) => false,
    }
}

/// The answer to a browser that asks what a page may send. That the page may ask at all is said of it as of every answer.
pub(super) fn preflight(headers: &HeaderMap) -> Answered {
    let mut answered = Answered::new(AnswerBody::Whole(None));
    *answered.status_mut() = StatusCode::NO_CONTENT;
    let told = answered.headers_mut();
    told.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS"));
    // `*` does not stand for `authorization`.
    let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    told.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(HeaderValue::from_static(EVERYBODY)));
    told.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    answered
}

/// Tells a browser how the answer may be used.
pub(super) fn tell(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    for (name, value) in GUARDS {
        headers.entry(name).or_insert(value);
    }
    let Some(allowed) = allowed else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EVERYBODY));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}
