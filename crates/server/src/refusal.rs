//! Requests that cannot be answered: each client is told so in its own dialect.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::call::Door;
use switchboard_engine::error::Error;
use switchboard_engine::wire::Dialect;
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::problem::{Kind, Problem};

use crate::answered::Answered;
use crate::refused::Refused;

/// A request that cannot be answered, and how its client wants to be told.
pub(crate) struct Refusal {
    pub(crate) error: Error,
    pub(crate) dialect: Dialect,
    pub(crate) flavor: Flavor,
}

/// A refusal as the client of that door expects it: in LiteLLM's words where the form is OpenAI's, else in the dialect's own.
pub(crate) fn shown(refused: Refused, door: &Door) -> Refusal {
    let mut error = Error::from(refused.problem());
    let own = matches!(door.dialect, Dialect::Anthropic | Dialect::Gemini) || door.flavor == Flavor::OpenRouter;
    if !own {
        error.verbatim = Some(refused.bytes());
    } else if door.dialect == Dialect::Anthropic && door.flavor != Flavor::OpenRouter {
        error.verbatim = with_param(&error.problem, &refused);
    }
    Refusal { error, dialect: door.dialect, flavor: door.flavor }
}

/// The refusal in Anthropic's form, with the parameter and the code that LiteLLM's clients look for; `None` where it is about none.
fn with_param(problem: &Problem, refused: &Refused) -> Option<Bytes> {
    let (param, code) = refused.about()?;
    let (_, body) = Dialect::Anthropic.inbound()?.write_problem(problem, Flavor::OpenAi);
    let mut told: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let error = told.get_mut("error")?.as_object_mut()?;
    error.insert("param".to_owned(), param.into());
    error.insert("code".to_owned(), code.into());
    Some(told.to_string().into())
}

/// The refusal of a request whose body cannot be read.
pub(crate) fn body_refusal(error: &crate::edge::BodyError, door: &Door) -> Refusal {
    let status = error.status();
    let kind = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::REQUEST_TIMEOUT => Kind::Timeout,
        StatusCode::SERVICE_UNAVAILABLE => Kind::Overloaded,
        _ => Kind::BadRequest,
    };
    let problem = Problem { status: Some(status), ..Problem::new(kind, error.to_string()) };
    Refusal { error: problem.into(), dialect: door.dialect, flavor: door.flavor }
}

/// Tells a client, in its own dialect, why there is no answer.
pub(crate) fn refuse(refusal: &Refusal) -> Answered {
    let problem = &refusal.error.problem;
    let (status, body) = match (&refusal.error.verbatim, refusal.dialect.inbound()) {
        (Some(verbatim), _) => (problem.status(), verbatim.clone()),
        (None, Some(inbound)) => {
            let (status, body) = inbound.write_problem(problem, refusal.flavor);
            (status, Bytes::from(body))
        }
        (None, None) => (problem.status(), Bytes::from(problem.message.clone())),
    };
    let mut response = Response::new(AnswerBody::Whole(Some(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(told) = &refusal.error.headers {
        response.headers_mut().extend(told.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    if let Some(reason) = &refusal.error.refusal {
        response.headers_mut().extend(reason.headers());
    }
    if let Some(wait) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
    }
    response
}
