//! Sources that an answer names.

use serde_json::{Value, json};

use crate::assemble::events_of;
use crate::chat::{Citation, Part, PartBody};
use crate::half::{Inbound, Stamp};
use crate::openai_chat::OpenAiChat;
use crate::reply::ChatReply;

/// Libraries refuse a whole answer for an annotation that is not as OpenAI writes it.
#[test]
fn annotations_are_pages_with_their_places() {
    let source = |url: Option<&str>, place: Option<u64>| {
        let (url, document) = (url.map(str::to_owned), url.is_none().then(|| "doc_1".to_owned()));
        Citation { url, document, start: place.map(|_| 0), end: place, ..Citation::default() }
    };
    let cited = vec![source(None, None), source(Some("https://a.example"), None), source(Some("https://b.example"), Some(3))];
    let text = |text: &str, citations| Part::new(PartBody::Text { text: text.to_owned(), citations });
    let reply = ChatReply { parts: vec![text("Grüße. ", Vec::new()), text("So.", cited)], ..ChatReply::default() };
    let page = |url: &str, start: u64, end: u64| {
        let place = json!({"url": url, "title": "", "start_index": start, "end_index": end});
        json!({"type": "url_citation", "url_citation": place})
    };
    let (pages, others) = (
        json!([page("https://a.example", 10, 10), page("https://b.example", 7, 10)]),
        json!([{"type": "file_citation", "file_citation": {"file_id": "doc_1"}}]),
    );
    let whole: Value = serde_json::from_slice(&OpenAiChat.write_reply(&reply, &Stamp::default())).expect("JSON");
    let message = &whole["choices"][0]["message"];
    assert_eq!((&message["annotations"], &message["citations"]), (&pages, &others));
    let mut writer = OpenAiChat.event_writer(Stamp::default());
    let mut out = bytes::BytesMut::new();
    events_of(&reply).iter().for_each(|event| writer.write(event, &mut out));
    let deltas = String::from_utf8_lossy(&out);
    let chunks = deltas.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let deltas: Vec<Value> = chunks.map(|mut chunk| chunk["choices"][0]["delta"].take()).collect();
    let said = |key: &str| deltas.iter().filter_map(|delta| delta[key].as_array()).flatten().cloned().collect::<Vec<_>>();
    // In a stream each says which of its list it is.
    let numbered = |list: Value| {
        let mut list = list;
        list.as_array_mut().unwrap().iter_mut().enumerate().for_each(|(at, one)| one["index"] = json!(at));
        list
    };
    assert_eq!((json!(said("annotations")), json!(said("citations"))), (numbered(pages), numbered(others)));
}
