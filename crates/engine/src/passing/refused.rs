//! Refusals of a place, on their way, and what the log says of them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use serde::Deserialize;

use crate::answer::{BrokenOff, Source};
use crate::error::{Told, request_id, shortened};
use crate::meter::Meter;
use crate::scrub;
use crate::upstream::UpstreamBody;

/// So much of a refusal is looked at for its reason.
const LOOKED_AT: usize = 16 * 1024;

/// Why a place refused.
pub(super) struct Reason {
    /// Its status.
    pub(super) status: StatusCode,
    /// What its headers tell.
    pub(super) told: HeaderMap,
    /// What is not to be written down.
    pub(super) secrets: Vec<String>,
}

/// A refusal that comes piece by piece.
pub(super) struct Refused {
    pub(super) body: UpstreamBody,
    /// Its beginning.
    pub(super) said: Vec<u8>,
    pub(super) meter: Meter,
    pub(super) reason: Reason,
    pub(super) failed: bool,
}

impl Reason {
    /// Writes down what the place said.
    pub(super) fn note(&self, said: &[u8], meter: &mut Meter) {
        let hidden: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        let message = message(said).map(|text| shortened(&scrub::text(&text, &hidden)));
        let told = Told { message, status: Some(self.status.as_u16()), request_id: request_id(&self.told) };
        meter.note(|record| record.told = Some(Box::new(told)));
    }
}

impl Source for Refused {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(ctx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are the connection's alone.
                    let Ok(piece) = frame.into_data() else { continue };
                    let left = LOOKED_AT.saturating_sub(self.said.len()).min(piece.len());
                    self.said.extend_from_slice(&piece[..left]);
                    return Poll::Ready(Some(Ok(piece)));
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "a refusal broke off");
                    self.failed = true;
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.failed
    }

    /// It is somebody else's, in words nobody here knows: its connection ends amid it.
    fn stop(&mut self) {}
}

impl Drop for Refused {
    fn drop(&mut self) {
        self.reason.note(&self.said, &mut self.meter);
    }
}

#[derive(Deserialize)]
struct Said {
    message: Option<String>,
}

/// The forms in which places tell what is wrong.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Nested { error: Said },
    Text { error: String },
    Plain { message: String },
}

/// What a refusal says: the message in it where it has one, else all of it.
fn message(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(&text).trim();
    let found = match serde_json::from_str::<Form>(line) {
        Ok(Form::Nested { error }) => error.message,
        Ok(Form::Text { error }) => Some(error),
        Ok(Form::Plain { message }) => Some(message),
        Err(_) => None,
    };
    Some(found.unwrap_or_else(|| line.to_owned())).filter(|text| !text.is_empty())
}
