//! The management API, in LiteLLM's paths, shapes and statuses.
//!
//! Each family of objects has a file with a function for each of its routes. A function reads its [`Form`], asks [`authz`] of the
//! objects it loads, writes within one transaction, and answers with JSON. What was written lasts when the answer is sent.
//!
//! [`authz`]: crate::authz

mod audit;
mod callback_vars;
mod compliance;
mod cost_map;
mod credits;
mod defaults;
mod diagnosis;
mod duration;
mod experiments;
pub mod form;
mod grouping;
mod hub;
pub(crate) mod invitations;
mod keys;
mod members;
pub(crate) mod models;
mod openrouter;
mod ownership;
mod prices;
mod proof;
pub mod routes;
pub(crate) mod rows;
mod scim;
mod several;
mod spend;
mod spent;
mod teams;
mod tools;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode, request};
use serde_json::Value;
use switchboard_engine::answer::AnswerBody;
use switchboard_store::desk::Author;
use switchboard_store::{Desk, Store};

pub use form::Form;
pub(crate) use openrouter::codes;
pub use routes::Action;

use crate::app::{Acceptor, App};
use crate::auth::Caller;
use crate::refused::Refused;
use crate::trust::Denial;

/// What every management request has.
pub struct Request {
    /// The gateway.
    pub app: Arc<App>,
    /// Where objects are kept.
    pub store: Store,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// The query.
    pub query: Vec<(String, String)>,
    /// The variable parts of the path, in their order.
    pub path: Vec<String>,
    /// The body; none was sent if there is none.
    pub body: Option<Value>,
    /// From where.
    pub from: Option<IpAddr>,
    /// The worker it came in at, to ask others with; none where the gateway asks itself.
    pub acceptor: Option<Arc<Acceptor>>,
    /// Its id.
    pub id: String,
    /// Who says so, where an administrator acts for somebody else (`litellm-changed-by`).
    pub changed_by: Option<String>,
}

/// What a management request is answered with.
pub type Answer = Result<Value, Refused>;

impl Request {
    /// The body as that form.
    pub fn form(&self, name: &'static str) -> Result<Form, Refused> {
        Form::read(name, self.body.as_ref())
    }

    /// A value of the query.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A value of the query that must be there.
    pub fn required(&self, name: &str) -> Result<&str, Refused> {
        let complaint = || serde_json::json!({"type": "missing", "loc": ["query", name], "msg": "Field required", "input": null});
        self.value(name).ok_or_else(|| Refused::invalid(vec![complaint()]))
    }

    /// A whole number of the query.
    pub fn number(&self, name: &str, default: i64, least: i64, most: i64) -> Result<i64, Refused> {
        let Some(text) = self.value(name) else { return Ok(default) };
        let complain = |kind: &str, message: String| {
            Refused::invalid(vec![serde_json::json!({"type": kind, "loc": ["query", name], "msg": message, "input": text})])
        };
        let number: i64 = text.trim().parse().map_err(|_| {
            let message = "Input should be a valid integer, unable to parse string as an integer";
            complain("int_parsing", message.to_owned())
        })?;
        if number < least {
            return Err(complain("greater_than_equal", format!("Input should be greater than or equal to {least}")));
        }
        if number > most {
            return Err(complain("less_than_equal", format!("Input should be less than or equal to {most}")));
        }
        Ok(number)
    }

    /// A flag of the query.
    pub fn flag(&self, name: &str) -> bool {
        self.value(name).is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on" | "t" | "y"))
    }

    /// The name under which what it writes is kept.
    pub fn actor(&self) -> String {
        self.changed_by.clone().unwrap_or_else(|| self.caller.actor().to_owned())
    }

    /// The same, and what else the audit log says.
    pub fn author(&self) -> Author {
        Author {
            name: self.actor(),
            key: self.caller.principal.key_hash.clone().unwrap_or_default(),
            source: crate::trust::source(self.from),
            request_id: self.id.clone(),
        }
    }

    /// Reads objects.
    pub async fn read<T, F, W>(&self, work: W) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refused>> + Send + 'static,
        W: FnOnce(Desk) -> F + Send + 'static,
    {
        self.store.read(work).await
    }

    /// Writes objects, all or nothing.
    pub async fn write<T, F, W>(&self, work: W) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refused>> + Send + 'static,
        W: FnOnce(Desk) -> F + Send + 'static,
    {
        if let Some(trust) = &self.app.trust {
            // What is done is written down with it, or not done.
            trust.audit().await?;
        }
        self.store.write_as(self.author(), work).await
    }

    /// A part of the path.
    pub fn part(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }
}

/// A user as the management API shows one.
pub(crate) fn user_row(app: &App, user: &switchboard_store::object::User) -> Value {
    Value::Object(rows::user(app, user))
}

/// What came in besides the route.
pub struct Arrived {
    /// The request's head.
    pub parts: request::Parts,
    /// Its body.
    pub body: Bytes,
    /// From where.
    pub from: Option<IpAddr>,
}

/// Answers a management request of a caller who may use the route.
pub async fn serve(acceptor: &Arc<Acceptor>, caller: Arc<Caller>, action: Action, pattern: &str, arrived: Arrived) -> Response<AnswerBody> {
    switchboard_engine::failpoint::hit("managing");
    if action == Action::Tool(routes::Tool::CostMap) {
        return cost_map::response(&acceptor.app.catalog());
    }
    let wants_table = matches!(action, Action::Spend(spend::Spend::Export(_)))
        && crate::query::value(arrived.parts.uri.query().unwrap_or_default(), "format").is_none_or(|format| format != "json");
    match answer(acceptor, caller, action, pattern, arrived).await {
        Ok(value) if wants_table => spend::table(&value).unwrap_or_else(|refused| refused.response()),
        Ok(value) => typed(action, answered(action, &value)),
        Err(refused) if matches!(action, Action::OpenRouter(_)) => refused.in_openrouters_form().response(),
        Err(refused) if matches!(action, Action::Several(_)) => {
            let mut response = refused.as_problem().response();
            response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/problem+json"));
            response
        }
        Err(refused) => typed(action, refused.response()),
    }
}

/// SCIM has a media type of its own.
fn typed(action: Action, mut response: Response<AnswerBody>) -> Response<AnswerBody> {
    if let Action::Scim(_) = action {
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/scim+json"));
    }
    response
}

fn answered(action: Action, value: &Value) -> Response<AnswerBody> {
    let status = routes::status(action);
    if status == StatusCode::NO_CONTENT {
        let mut response = Response::new(AnswerBody::Whole(None));
        *response.status_mut() = status;
        return response;
    }
    let mut response = crate::answered::document(value);
    *response.status_mut() = status;
    response
}

async fn answer(acceptor: &Arc<Acceptor>, caller: Arc<Caller>, action: Action, pattern: &str, arrived: Arrived) -> Answer {
    let app = &acceptor.app;
    let store = app.store.clone().ok_or_else(Refused::no_store)?;
    let Arrived { parts, body, from } = arrived;
    let body = read_body(&body)?;
    let changed_by = parts.headers.get("litellm-changed-by").filter(|_| caller.is_admin());
    let changed_by = changed_by.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request = Request {
        app: app.clone(),
        store,
        caller,
        query: crate::query::pairs(parts.uri.query().unwrap_or_default()),
        path: routes::variables(pattern, parts.uri.path()),
        body,
        from,
        acceptor: Some(acceptor.clone()),
        id: crate::id::mint(),
        changed_by,
    };
    let mut answer = Box::pin(routes::dispatch(action, &request)).await;
    if parts.method == http::Method::GET && app.book.is_shared() {
        // What was shown may lack what other gateways have spent: once the database has been asked, it is shown again.
        let wishes = app.book.wishes();
        if answer.is_ok() && !wishes.is_empty() && spent::learn(&request, wishes).await.is_ok() {
            answer = Box::pin(routes::dispatch(action, &request)).await;
            app.book.wishes();
        }
    }
    if let (Err(refused), Some(trust)) = (&answer, &app.trust)
        && matches!(refused.status.as_u16(), 401 | 403)
    {
        // What is no field of the route is nobody's to keep.
        let row = routes::rows().find(|row| row.path == pattern && parts.method == row.method);
        let asked = request.body.as_ref().zip(row).map(|(body, row)| form::known(row.form, body));
        let asked = asked.as_ref();
        let (who, action) = (request.caller.who(), parts.method.as_str());
        trust.denied(Denial { who, action, route: pattern, asked, from, request_id: &request.id }).await;
    }
    answer
}

fn read_body(bytes: &[u8]) -> Result<Option<Value>, Refused> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    serde_json::from_slice(bytes).map(Some).map_err(|error| {
        let place = serde_json::json!(["body", error.column()]);
        let complaint = serde_json::json!({
            "type": "json_invalid", "loc": place, "msg": "JSON decode error", "input": {}, "ctx": {"error": error.to_string()},
        });
        Refused::invalid(vec![complaint])
    })
}
