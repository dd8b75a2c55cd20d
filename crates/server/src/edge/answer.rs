//! The body of an answer: the service's, or the edge's own few words.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{LastWords, pulse::Exchange};

pin_project! {
    /// What goes out. Holds the exchange open until the last byte has been handed over, or the client is gone.
    #[project = Projected]
    pub(super) enum Answer<B> {
        Served { #[pin] body: B, exchange: Exchange },
        Refused { text: Option<Bytes> },
    }
}

impl<B> Answer<B> {
    /// A refusal by the edge itself, after which the connection ends.
    pub(super) fn refusal(status: StatusCode, message: &'static str) -> Response<Self> {
        let kind = if status.is_server_error() { "service_unavailable_error" } else { "invalid_request_error" };
        let text = format!(r#"{{"error":{{"message":"{message}","type":"{kind}","code":{}}}}}"#, status.as_u16());
        let mut response = Response::new(Self::Refused { text: Some(text.into()) });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

impl<B: Body<Data = Bytes> + LastWords> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project() {
            // who writes it asks again, or is woken to
            Projected::Served { exchange, .. } if exchange.holds_back() => Poll::Pending,
            Projected::Served { mut body, exchange } => {
                if exchange.is_last_call() {
                    body.as_mut().stop();
                }
                let frame = body.poll_frame(cx);
                let got = match &frame {
                    Poll::Ready(Some(Ok(frame))) => Some(frame.data_ref().map_or(0, Bytes::len)),
                    Poll::Ready(_) | Poll::Pending => None,
                };
                exchange.offered(got);
                frame
            }
            Projected::Refused { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Served { body, .. } => body.is_end_stream(),
            Self::Refused { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Served { body, .. } => body.size_hint(),
            Self::Refused { text } => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}
