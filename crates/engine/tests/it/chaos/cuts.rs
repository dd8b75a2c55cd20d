//! Streams cut anywhere: none of them ends as if it were complete, and nothing is said twice.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_wire::Dialect;
use tokio::io::AsyncWriteExt;

use super::side_by_side;
use super::words::{PROVIDERS, closing, content, opening, sse};
use crate::exchange::rig::{PATIENT, Rig, ask, at_address};
use crate::exchange::words::{ALL, clean_end, text_of_stream};
use crate::upstream::server::{Server, read_request};

/// What is said when nothing is cut.
const WORDS: [&str; 8] = ["one ", "two ", "three ", "four ", "five ", "six ", "seven ", "eight "];

/// Every provider with every client.
fn pairs() -> impl Iterator<Item = (Dialect, Dialect)> {
    PROVIDERS.into_iter().flat_map(|provider| ALL.into_iter().map(move |client| (provider, client)))
}

fn stream(dialect: Dialect) -> Vec<u8> {
    let pieces = WORDS.iter().flat_map(|word| content(dialect, word)).collect();
    [opening(dialect), pieces, closing(dialect, &WORDS.concat())].concat()
}

/// The last byte that is needed for the answer to be complete.
fn complete_at(dialect: Dialect, stream: &[u8]) -> usize {
    let (mark, close, checked) = match dialect {
        Dialect::Anthropic => ("\"message_stop\"", "}", 0),
        Dialect::Gemini => ("finishReason", "\r\n", 0),
        Dialect::OpenAiResponses => ("\"type\":\"response.completed\"", "\n\n", 0),
        // A frame ends in four bytes that prove it whole.
        Dialect::Bedrock => ("stopReason", "}", 4),
        _ => ("\"finish_reason\":\"stop\"", "\n", 0),
    };
    let find = |text: &str, from: usize| from + stream[from..].windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
    find(close, find(mark, 0)) + checked
}

/// A provider whose streams break off after a number of bytes that is drawn anew for each.
async fn cutting(dialect: Dialect, seed: u64) -> Server {
    let dice = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
    let whole = Arc::new(stream(dialect));
    Server::start(move |mut connection, _| {
        let (dice, whole) = (dice.clone(), whole.clone());
        async move {
            if read_request(&mut connection).await.is_none() {
                return;
            }
            let most = complete_at(dialect, &whole);
            let (cut, pieces) = {
                let mut dice = dice.lock().unwrap();
                (dice.usize(..most), dice.usize(1..4))
            };
            // The client may have seen enough.
            let _ = connection.write_all(&unended(sse(dialect), &whole[..cut], pieces)).await;
        }
    })
    .await
}

/// An answer in so many chunks, without the last one.
fn unended(kind: &str, body: &[u8], pieces: usize) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.chunks(body.len() / pieces + 1) {
        out.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        out.extend(piece);
        out.extend(b"\r\n");
    }
    out
}

/// The converse: an answer that said all there is loses nothing by its connection.
#[tokio::test]
async fn complete_streams_end_well_however_their_connections_end() {
    side_by_side(pairs().map(|(provider, client)| async move {
        let server = Server::start(move |mut connection, _| async move {
            if read_request(&mut connection).await.is_some() {
                let _ = connection.write_all(&unended(sse(provider), &stream(provider), 3)).await;
            }
        })
        .await;
        let rig = Rig::with(vec![at_address(provider, &server.address.to_string())], Names::default(), PATIENT);
        let told = rig.ask(&ask(client, true)).await;
        let shown = format!("{provider} for {client}: {told:?}");
        assert_eq!(told.status, 200, "{shown}");
        assert!(told.body.contains(clean_end(client)) && !told.body.contains("upstream_truncated"), "{shown}");
        assert_eq!(text_of_stream(client, &told.body), WORDS.concat(), "{shown}");
        assert!(!matches!(rig.record().outcome, Outcome::Failed(_)), "{shown}");
    }))
    .await;
}

#[tokio::test]
async fn ten_thousand_cut_streams_end_honestly() {
    const EACH: usize = 500;
    side_by_side(pairs().map(|(provider, client)| async move {
        let server = Rc::new(cutting(provider, 7).await);
        let said = WORDS.concat();
        for number in 0..EACH {
            // One deployment a call: what is looked at is one stream, not what is shut out after many.
            let rig = Rig::with(vec![at_address(provider, &server.address.to_string())], Names::default(), PATIENT);
            let mut call = ask(client, true);
            call.headers.insert("x-litellm-num-retries", http::HeaderValue::from_static("0"));
            let told = rig.ask(&call).await;
            let shown = format!("{provider} for {client}, stream {number}: {told:?}");
            if told.status != 200 {
                assert_eq!(told.status, 502, "{shown}");
                assert!(told.json()["error"]["message"].is_string(), "{shown}");
                continue;
            }
            assert!(!told.body.contains(clean_end(client)), "{shown}");
            assert!(told.body.contains("error"), "{shown}");
            let text = text_of_stream(client, &told.body);
            assert!(!text.is_empty() && said.starts_with(&text), "{shown}");
            assert!(matches!(rig.record().outcome, Outcome::Failed(_)), "{shown}");
        }
    }))
    .await;
}
