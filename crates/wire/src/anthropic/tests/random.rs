//! No bytes make a reader panic.

use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::fixtures::{REPLY, REQUEST, STREAM};
use super::*;
use crate::event::Frame;

fn read_all(bytes: &[u8]) {
    if let Ok(request) = Anthropic.read_request(&Head::default(), bytes)
        && let Ok(written) = Anthropic.write_request(&request, &Profile::default())
    {
        assert!(serde_json::from_slice::<Value>(&written.body).is_ok());
    }
    if let Ok(reply) = Anthropic.read_reply(&Memo::default(), bytes) {
        assert!(serde_json::from_slice::<Value>(&Anthropic.write_reply(&reply, &stamp())).is_ok());
    }
    Anthropic.read_fault(StatusCode::BAD_REQUEST, &HeaderMap::new(), bytes);
    let mut events = Vec::new();
    drop(Anthropic.event_reader(Memo::default()).read(Frame::new(bytes), &mut events));
}

/// The text with a few bytes changed.
fn mutated(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:0 nx\\".to_vec()));
    prop::collection::vec(change, 1..6).prop_map(move |changes| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn mutated_requests(bytes in mutated(REQUEST)) {
        read_all(&bytes);
    }

    #[test]
    fn mutated_replies(bytes in mutated(REPLY)) {
        read_all(&bytes);
    }

    #[test]
    fn mutated_streams(bytes in mutated(STREAM)) {
        let (events, _) = events_in(Framing::Sse, &bytes, 64);
        written(&events, stamp());
    }
}
