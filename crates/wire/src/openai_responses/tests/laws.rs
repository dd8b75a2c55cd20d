//! Laws that hold for every answer and every stream.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::assemble::events_of;
use crate::chat::{Citation, Part, PartBody, Thought, ToolCall};
use crate::event::Frame;
use crate::reply::{Finish, Reason, Usage};
use crate::seal::Sealed;

/// The answer as a stream of this API.
pub(super) fn stream_of(reply: &ChatReply) -> Vec<u8> {
    let mut writer = DIALECT.inbound().expect("spoken").event_writer(stamp());
    let mut out = BytesMut::new();
    events_of(reply).iter().for_each(|event| writer.write(event, &mut out));
    out.to_vec()
}

/// Whether what the writers write of an answer is read back to the same meaning.
pub(super) fn comes_back(reply: &ChatReply, name: &str) {
    let (events, fault) = events_in(&stream_of(reply), usize::MAX);
    assert_eq!(fault, None, "{name}");
    let streamed = assemble(&events).expect("an answer");
    let plain = |reply: &ChatReply| reply.parts.iter().map(|part| plain(&part.body)).collect::<Vec<_>>();
    assert_eq!(plain(&streamed), plain(reply), "{name}");
    assert_eq!(streamed.finish.reason, reason(reply), "{name}");
    let counts = |reply: &ChatReply| reply.usage.as_ref().map(|usage| (usage.input.unwrap_or(0), usage.output.unwrap_or(0)));
    assert_eq!(counts(&streamed), counts(reply).filter(|_| has_counts(reply)), "{name}");
    let written = DIALECT.inbound().expect("spoken").write_reply(reply, &stamp());
    let whole = DIALECT.outbound().expect("spoken").read_reply(&Memo::default(), &written).expect("an answer");
    assert_eq!(plain(&whole), plain(reply), "{name}");
    assert_eq!(whole.finish.reason, reason(reply), "{name}");
}

fn has_counts(reply: &ChatReply) -> bool {
    reply.usage.as_ref().is_some_and(|usage| usage.input.is_some() || usage.output.is_some())
}

/// Why the answer ended, as far as this API tells reasons apart.
fn reason(reply: &ChatReply) -> Reason {
    let has = |which: fn(&PartBody) -> bool| reply.parts.iter().any(|part| which(&part.body));
    match reply.finish.reason {
        Reason::Length | Reason::ContentFilter => reply.finish.reason,
        Reason::Refusal if reply.finish.raw.as_deref() == Some("refusal") => Reason::ContentFilter,
        Reason::Other if matches!(reply.finish.raw.as_deref(), Some("queued" | "in_progress" | "incomplete" | "cancelled")) => {
            Reason::Other
        }
        _ if has(|body| matches!(body, PartBody::ToolCall(_))) => Reason::ToolCalls,
        _ if has(|body| matches!(body, PartBody::Refusal(_))) => Reason::Refusal,
        _ => Reason::Stop,
    }
}

/// A piece without what only its own format knows.
fn plain(body: &PartBody) -> PartBody {
    match body.clone() {
        PartBody::Image(media) => PartBody::Image(crate::chat::Media { id: None, ..media }),
        PartBody::Text { text, citations } => {
            // Of a source the API tells where it is and what it is called, and requires both.
            let citations = citations.into_iter().filter_map(|Citation { url, title, document, .. }| {
                let document = document.or(title.clone()).filter(|_| url.is_none());
                let title = title.or(url.clone()).or(document.clone())?;
                Some(Citation { url, title: Some(title), document, ..Citation::default() })
            });
            PartBody::Text { text, citations: citations.collect() }
        }
        // Whether it would be a summary does not matter where nothing is shown.
        PartBody::Reasoning(thought) if thought.text.is_empty() => PartBody::Reasoning(Thought { summary: true, ..thought }),
        PartBody::Hosted(hosted) => {
            let compact: serde_json::Value = serde_json::from_str(hosted.raw.get()).expect("JSON");
            PartBody::Hosted(crate::chat::Hosted { raw: serde_json::value::to_raw_value(&compact).expect("JSON"), ..hosted })
        }
        body => body,
    }
}

fn foreign() -> ChatReply {
    let thought =
        Thought { id: None, text: "let me see".to_owned(), summary: false, seal: Some(Sealed::signature(crate::seal::ANTHROPIC, "c2ln")) };
    let call = ToolCall {
        id: "call_1".to_owned(),
        name: "look".to_owned(),
        arguments: "{\"at\": 1}".to_owned(),
        custom: false,
        namespace: Some("maps".to_owned()),
        seal: Some(Sealed::signature(crate::seal::GOOGLE, "Z29v")),
    };
    let free = ToolCall {
        id: "call_2".to_owned(),
        name: "write".to_owned(),
        arguments: "free".to_owned(),
        custom: true,
        namespace: None,
        seal: None,
    };
    let citation = Citation { url: Some("https://a.example".to_owned()), title: Some("A".to_owned()), ..Citation::default() };
    ChatReply {
        parts: vec![
            Part::new(PartBody::Reasoning(thought)),
            Part::new(PartBody::Text { text: "hello".to_owned(), citations: vec![citation] }),
            Part::new(PartBody::Refusal("no".to_owned())),
            Part::new(PartBody::ToolCall(call)),
            Part::new(PartBody::ToolCall(free)),
        ],
        finish: Finish::new(Reason::ToolCalls, "tool_use"),
        usage: Some(Usage { input: Some(3), output: Some(4), total: Some(7), ..Usage::default() }),
        ..ChatReply::default()
    }
}

#[test]
fn an_answer_of_another_vendor_comes_back() {
    comes_back(&foreign(), "foreign");
}

#[test]
fn a_stream_cut_anywhere_says_the_same_or_breaks() {
    let stream = stream_of(&foreign());
    let whole = format!("{:?}", events_in(&stream, usize::MAX));
    for size in [1, 2, 3, 64, 1000] {
        assert_eq!(format!("{:?}", events_in(&stream, size)), whole);
    }
    let last = stream.windows(2).rposition(|pair| pair == b"\n\n").expect("an end");
    let ends_at = stream[..last].windows(2).rposition(|pair| pair == b"\n\n").expect("an event before");
    for end in (0..=ends_at).step_by(5) {
        let (events, fault) = events_in(&stream[..end], usize::MAX);
        assert!(fault.is_some(), "cut at {end}");
        assert!(!events.iter().any(|event| matches!(event, Event::End { .. })), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn events_in_any_order_obey_the_law(order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..40)) {
        let stream = stream_of(&foreign());
        let events: Vec<&str> = std::str::from_utf8(&stream).expect("text").split_inclusive("\n\n").collect();
        let mixed: String = order.iter().map(|at| *at.get(&events)).collect();
        // The numbers would tell that something is there twice.
        let (events, fault) = events_in(mixed.replace("sequence_number", "n").as_bytes(), usize::MAX);
        let ended = matches!(events.last(), Some(Event::End { .. }));
        prop_assert!(fault.is_some() || ended);
    }

    #[test]
    fn nothing_makes_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let outbound = DIALECT.outbound().expect("spoken");
        let inbound = DIALECT.inbound().expect("spoken");
        let mut stream = stream_of(&foreign());
        let mut whole = inbound.write_reply(&foreign(), &stamp());
        let spot = at.index(stream.len());
        stream[spot] = byte;
        let spot = at.index(whole.len());
        whole[spot] = byte;
        for bytes in [bytes, whole, stream.clone()] {
            let _ = outbound.read_reply(&Memo::default(), &bytes);
            let _ = inbound.read_request(&Head::default(), &bytes);
            let _ = outbound.read_fault(http::StatusCode::BAD_REQUEST, &http::HeaderMap::new(), &bytes);
            let _ = reader().read(Frame::new(&bytes), &mut Vec::new());
            let _ = reader().skim(Frame::new(&bytes));
        }
        let _ = events_in(&stream, 50);
    }
}
