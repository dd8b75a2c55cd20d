//! Why a management request is not answered, in the forms LiteLLM's clients expect.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_store::StoreError;

/// The kind of what is refused because the database is away or busy.
const OUTAGE: &str = "database_unavailable";

/// A refusal: a status and a body.
#[derive(Debug)]
pub struct Refused {
    /// The status.
    pub status: StatusCode,
    body: Box<Value>,
    retry_after: Option<u64>,
}

impl Refused {
    /// `{"error": {message, type, param, code}}`, the form of nearly all of them. `code` is the status, as a string.
    pub fn new(status: u16, kind: &str, param: Value, message: impl Into<String>) -> Self {
        let body = json!({"error": {"message": message.into(), "type": kind, "param": param, "code": status.to_string()}});
        Self::with(status, body)
    }

    /// `{"detail": …}`, the form of what FastAPI itself refuses.
    pub fn detail(status: u16, detail: Value) -> Self {
        Self::with(status, json!({"detail": detail}))
    }

    /// `{"detail": {"error": …}}`, the form of what LiteLLM's own routes refuse.
    pub fn told(status: u16, message: &str) -> Self {
        Self::detail(status, json!({"error": message}))
    }

    /// 422, with what is wrong in which place.
    pub fn invalid(complaints: Vec<Value>) -> Self {
        Self::detail(422, Value::Array(complaints))
    }

    /// What LiteLLM makes of an exception that only has a text.
    pub fn said(status: u16, message: &str) -> Self {
        Self::new(status, "internal_server_error", json!("None"), format!("{{'error': {}}}", quoted(message)))
    }

    /// What LiteLLM makes of a refusal by one of its checks of requests.
    pub fn by_check(status: u16, message: String) -> Self {
        let mut refused = Self::new(status, "invalid_request_error", Value::Null, message.clone());
        refused.body["error"]["provider_specific_fields"] = json!({"error": message});
        refused
    }

    /// `{"error": {code, message}}`, OpenRouter's form.
    pub fn plain(status: u16, message: &str) -> Self {
        Self::with(status, json!({"error": {"code": status, "message": message}}))
    }

    /// The same in OpenRouter's form.
    #[must_use]
    pub fn in_openrouters_form(self) -> Self {
        if self.body["error"]["code"].is_number() {
            return self;
        }
        let invalid = self.status == StatusCode::UNPROCESSABLE_ENTITY;
        let status = if invalid { StatusCode::BAD_REQUEST } else { self.status };
        let message = self.body["error"]["message"].as_str().or_else(|| self.body["detail"].as_str());
        let message = message.filter(|_| !invalid).unwrap_or("Invalid request parameters");
        Self { retry_after: self.retry_after, ..Self::plain(status.as_u16(), message) }
    }

    /// The same as a problem (RFC 9457), the form of LiteLLM's `/management/v1`.
    #[must_use]
    pub fn as_problem(self) -> Self {
        let (kind, title) = match self.status.as_u16() {
            401 => ("unauthorized", "Unauthorized"),
            403 => ("forbidden", "Forbidden"),
            404 => ("team-not-found", "Team not found"),
            422 => ("invalid-request-body", "Invalid request body"),
            503 => ("database-not-connected", "Database not connected"),
            500..=599 => ("internal-server-error", "Internal server error"),
            _ => ("invalid-request", "Invalid request"),
        };
        let place = |complaint: &Value| {
            let steps = complaint["loc"].as_array().into_iter().flatten().skip(1);
            steps.map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect::<Vec<_>>().join(".")
        };
        let complaints = self.body["detail"].as_array().into_iter().flatten();
        let said = complaints.map(|complaint| format!("{}: {}", place(complaint), complaint["msg"].as_str().unwrap_or_default()));
        let said: Vec<String> = said.collect();
        let detail = if said.is_empty() { self.message().to_owned() } else { said.join("; ") };
        let status = self.status.as_u16();
        let body = json!({"type": format!("urn:litellm:error:{kind}"), "title": title, "status": status, "detail": detail});
        Self { retry_after: self.retry_after, ..Self::with(status, body) }
    }

    /// 400, where a request contradicts itself or what there is.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request_error", Value::Null, message)
    }

    /// 404 for a thing that is not there, or not there for the caller.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "not_found_error", Value::Null, message)
    }

    /// 403 for a thing the caller may not do.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "auth_error", json!("None"), message)
    }

    /// 401.
    pub fn unauthenticated(kind: &str, param: Value, message: impl Into<String>) -> Self {
        Self::new(401, kind, param, message)
    }

    /// What is answered where no database is configured.
    pub fn no_store() -> Self {
        let message = "DB not connected. This endpoint needs a database: set `general_settings.database_url` or `switchboard.data_dir`, \
                       or start with a configuration file";
        Self::new(500, "no_db_connection", Value::Null, message)
    }

    /// Says when to ask again.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Whether it is the database that is to blame, and may be back soon.
    pub fn is_outage(&self) -> bool {
        self.body["error"]["type"] == OUTAGE
    }

    /// What is told, in words.
    pub fn message(&self) -> &str {
        let detail = &self.body["detail"];
        let told = self.body["error"]["message"].as_str().or_else(|| detail["error"].as_str());
        told.or_else(|| detail.as_str()).unwrap_or_default()
    }

    /// That body.
    pub(crate) fn with(status: u16, body: Value) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, body: Box::new(body), retry_after: None }
    }

    /// The same as every dialect can tell it.
    pub fn problem(&self) -> Problem {
        let kind = match self.status.as_u16() {
            401 => Kind::Unauthenticated,
            403 => Kind::Forbidden,
            404 => Kind::NotFound,
            429 => Kind::RateLimited,
            503 => Kind::Overloaded,
            500..=599 => Kind::Internal,
            _ => Kind::BadRequest,
        };
        let retry_after = self.retry_after.map(Duration::from_secs);
        let message = self.body["error"]["message"].as_str().or_else(|| self.body["detail"].as_str()).unwrap_or_default();
        Problem { status: Some(self.status), retry_after, ..Problem::new(kind, message) }
    }

    /// What is told, as JSON.
    pub(crate) fn body(&self) -> &Value {
        &self.body
    }

    /// The parameter that it is about, and its code.
    pub fn about(&self) -> Option<(&str, &str)> {
        let error = &self.body["error"];
        Some((error["param"].as_str().filter(|param| *param != "None")?, error["code"].as_str()?))
    }

    /// The body.
    pub fn bytes(&self) -> Bytes {
        Bytes::from(self.body.to_string())
    }

    /// The answer.
    pub fn response(&self) -> Response<AnswerBody> {
        let mut response = crate::answered::document(&self.body);
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A text as Python shows one.
fn quoted(text: &str) -> String {
    if text.contains('\'') && !text.contains('"') { format!("\"{text}\"") } else { format!("'{}'", text.replace('\'', "\\'")) }
}

impl From<StoreError> for Refused {
    /// Trouble with the database is never a matter of the caller's key.
    fn from(error: StoreError) -> Self {
        if error.is_outage() {
            tracing::warn!(%error, "the database cannot be asked");
            let message = "The database is away or busy; try again in a moment";
            return Self::new(503, OUTAGE, Value::Null, message).after(1);
        }
        tracing::error!(%error, source = ?std::error::Error::source(&error), "the database refused a statement");
        Self::new(500, "internal_server_error", Value::Null, "The database refused; the gateway's log says why")
    }
}
