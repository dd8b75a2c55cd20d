//! What the edge calls for every request.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use super::{BoxError, LastWords, RequestBody};

/// Answers requests. There is one per worker, used from that worker's thread only.
///
/// The future, and then the body of the answer, are dropped as soon as the client is gone: drop is the cancel signal.
/// Closures `Fn(Request<RequestBody>) -> Future<Output = Response<B>>` are services.
pub trait Service: 'static {
    /// The body of the answers.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + LastWords + 'static;

    /// Answers one request. The future may not borrow the service: it shares what it needs.
    fn call(&self, request: Request<RequestBody>) -> impl Future<Output = Response<Self::Body>> + 'static;
}

impl<F, Answer, B> Service for F
where
    F: Fn(Request<RequestBody>) -> Answer + 'static,
    Answer: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + LastWords + 'static,
{
    type Body = B;

    fn call(&self, request: Request<RequestBody>) -> impl Future<Output = Response<B>> + 'static {
        self(request)
    }
}
