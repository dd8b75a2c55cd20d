use proptest::prelude::*;

use super::replies::{LINES, REPLY};
use crate::event::Frame;
use crate::half::{Memo, Outbound};
use crate::ollama::Ollama;
use crate::recorded::events;

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Ollama.read_reply(&Memo::default(), &body);
        let _ = Ollama.read_fault(http::StatusCode::BAD_REQUEST, &http::HeaderMap::new(), &body);
        let mut reader = Ollama.event_reader(Memo::default());
        let mut out = Vec::new();
        let _ = reader.read(Frame::new(&body), &mut out);
        reader.eof(&mut out);
        let _ = events(&Ollama, &Memo::default(), &body, 50);
    }

    #[test]
    fn mutated_answers_are_read_without_panic(at in 0..REPLY.len(), byte in any::<u8>()) {
        let mut body = REPLY.as_bytes().to_vec();
        body[at] = byte;
        let _ = Ollama.read_reply(&Memo::default(), &body);
        let mut body = LINES.concat().into_bytes();
        let at = at % body.len();
        body[at] = byte;
        let _ = events(&Ollama, &Memo::default(), &body, 64);
    }

    #[test]
    fn any_time_is_read_without_panic(time in ".{0,30}") {
        let body = format!(r#"{{"message":{{}},"created_at":{}}}"#, serde_json::Value::from(time));
        let _ = Ollama.read_reply(&Memo::default(), body.as_bytes());
    }
}
