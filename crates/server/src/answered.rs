//! What requests are answered with.

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use switchboard_engine::answer::AnswerBody;

/// An answer on its way.
pub(crate) type Answered = Response<AnswerBody>;

/// A JSON document as an answer. It may depend on who asks and when, so nobody keeps it.
pub(crate) fn document(value: &Value) -> Answered {
    written(Bytes::from(value.to_string()))
}

/// The same of one that is written already.
pub(crate) fn written(json: Bytes) -> Answered {
    let mut response = Response::new(AnswerBody::Whole(Some(json)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
