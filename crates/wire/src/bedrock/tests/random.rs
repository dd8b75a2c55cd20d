use proptest::prelude::*;

use crate::bedrock::Bedrock;
use crate::event::Frame;
use crate::half::{Memo, Outbound};
use crate::recorded::events;

use super::replies::{STREAM, stream};

const NAMES: [&str; 8] =
    ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "throttlingException", ""];

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200), name in 0..NAMES.len()) {
        let _ = Bedrock.read_reply(&Memo::default(), &body);
        let _ = Bedrock.read_fault(http::StatusCode::BAD_REQUEST, &http::HeaderMap::new(), &body);
        let mut reader = Bedrock.event_reader(Memo::default());
        let mut out = Vec::new();
        let _ = reader.read(Frame { name: NAMES[name], payload: &body }, &mut out);
        reader.eof(&mut out);
        let _ = events(&Bedrock, &Memo::default(), &body, 50);
    }

    #[test]
    fn frames_in_any_order_keep_the_grammar(order in proptest::collection::vec(0..STREAM.len(), 0..20)) {
        let frames: Vec<(&str, &str)> = order.into_iter().map(|at| STREAM[at]).collect();
        // The relay checks the order of events itself.
        let _ = events(&Bedrock, &Memo::default(), &stream(&frames), 4096);
    }

    #[test]
    fn mutated_answers_are_read_without_panic(at in 0..super::replies::REPLY.len(), byte in any::<u8>()) {
        let mut body = super::replies::REPLY.as_bytes().to_vec();
        body[at] = byte;
        let _ = Bedrock.read_reply(&Memo::default(), &body);
    }
}
