//! Server-sent events inside Amazon's event stream: SageMaker passes a container's bytes on in parts, cut anywhere.

use bytes::Bytes;
use serde::Deserialize;

use super::{Framer, Piece, aws_event_stream};
use crate::json;
use crate::problem::Malformed;

const PART: &[u8] = b"PayloadPart";

/// The next event of the inner stream. A failure that the outer one tells is an event too, in the form the container would use.
pub(super) fn next_piece(outer: &mut Framer, inner: &mut Framer) -> Option<Result<Piece, Malformed>> {
    loop {
        if let Some(piece) = inner.next_piece() {
            return Some(piece);
        }
        let piece = match outer.cut() {
            Some(Ok(piece)) => piece,
            Some(Err(malformed)) => return Some(Err(malformed)),
            None if outer.ended && !inner.ended => {
                inner.end();
                continue;
            }
            None => return None,
        };
        if aws_event_stream::is_failure(&piece.raw) {
            return Some(Ok(Piece { payload: failure(&piece), ..piece }));
        }
        if piece.name == PART {
            inner.push(piece.payload);
        } else if piece.name.is_empty() && !piece.payload.is_empty() {
            // Bedrock's `InvokeModel` wraps one event, already cut.
            return Some(Ok(piece));
        }
    }
}

fn failure(piece: &Piece) -> Bytes {
    #[derive(Default, Deserialize)]
    struct Body {
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let said = serde_json::from_slice::<Body>(&piece.payload).unwrap_or_default().message;
    let message = said.unwrap_or_else(|| String::from_utf8_lossy(&piece.payload).into_owned());
    let name = String::from_utf8_lossy(&piece.name);
    let body = json::object(|out| {
        out.object("error", |out| {
            out.field("message", &message);
            out.field("type", &name);
        });
    });
    body.into()
}
