//! Streams that break off, and bytes that mean nothing.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use memchr::memmem;
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::event::{Delta, Event};
use switchboard_wire::framing::Framing;
use switchboard_wire::half::{Head, Memo};
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::relay::{Output, Relay};

use crate::answers::{self, stamp};
use crate::corpus::{self, Exchange};
use crate::cutting::{Cut, Dice, pieces};
use crate::verbatim::relayed;

/// What says that a stream is complete: one of these stands in the bytes of its last event.
fn terminals(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        // A reason that is not `null`; some providers send nothing after it.
        Dialect::OpenAiChat | Dialect::OpenAiCompletions => &["[DONE]", "\"finish_reason\":\"", "\"finish_reason\": \""],
        Dialect::OpenAiResponses => &["response.completed", "response.incomplete", "response.failed", "response.cancelled"],
        // Or a whole message in one event. In Amazon's framing events are in base64: the word at each of its three places.
        Dialect::Anthropic => &["message_stop", "event: message\n", "bWVzc2FnZV9zdG9w", "1lc3NhZ2Vfc3RvcC", "tZXNzYWdlX3N0b3"],
        Dialect::Gemini => &["\"finishReason\"", "\"blockReason\""],
        Dialect::Bedrock => &["messageStop"],
        Dialect::Cohere => &["message-end"],
        Dialect::Ollama => &["\"done\":true", "\"done\": true"],
        // It does not stream: nothing that is cut up is ever an answer.
        Dialect::Replicate => &[],
    }
}

fn streams() -> Vec<&'static Exchange> {
    let recorded = corpus::recorded().unwrap_or_default().iter().chain(corpus::fixtures());
    recorded.filter(|exchange| exchange.dialect().is_some() && exchange.framing.is_some() && exchange.is_success()).collect()
}

fn output(dialect: Dialect, dice: &mut Dice) -> Output {
    let mut clients: Vec<_> = answers::clients().collect();
    let (_, inbound, _) = clients.swap_remove(dice.below(clients.len()));
    match dice.below(2) {
        0 => Output::Verbatim { hide_usage: false, epilogue: dialect.inbound().map_or(b"", |inbound| inbound.epilogue()), rename: None },
        _ => Output::Written(inbound.event_writer(stamp())),
    }
}

/// 10,000 streams, cut at any byte: none ends as if it were complete, unless it said so before.
#[test]
fn a_cut_stream_is_never_a_clean_end() {
    let streams = streams();
    let mut dice = Dice::new(10_000);
    let (mut clean, mut wrong) = (0, Vec::new());
    for _ in 0..10_000 {
        let exchange = streams[dice.below(streams.len())];
        let (Some(dialect), Some(framing)) = (exchange.dialect(), exchange.framing) else { continue };
        let body = exchange.response.slice(..dice.below(exchange.response.len()));
        let output = output(dialect, &mut dice);
        let chunks = pieces(&body, Cut::Random(2_000), framing, &mut dice);
        let passed = relayed(framing, dialect, output, &chunks);
        if passed.result.is_ok() {
            clean += 1;
            if !terminals(dialect).iter().any(|terminal| memmem::find(&body, terminal.as_bytes()).is_some()) {
                wrong.push(format!("{} {} cut at {}", exchange.id, exchange.api, body.len()));
            }
        }
    }
    println!("{clean} of 10000 cut streams had been complete before the cut");
    assert!(wrong.is_empty(), "{} clean ends without a terminal:\n{}", wrong.len(), wrong.join("\n"));
}

/// Bytes like the recorded ones, but wrong somewhere.
fn mutated(body: &Bytes, framing: Framing, dice: &mut Dice) -> Vec<u8> {
    let mut frames = pieces(body, Cut::Frames, framing, dice);
    match dice.below(4) {
        0 if !frames.is_empty() => frames.insert(dice.below(frames.len()), frames[dice.below(frames.len())].clone()),
        1 if !frames.is_empty() => drop(frames.remove(dice.below(frames.len()))),
        2 if frames.len() > 1 => {
            let (one, other) = (dice.below(frames.len()), dice.below(frames.len()));
            frames.swap(one, other);
        }
        _ => {}
    }
    let mut bytes = frames.concat();
    for _ in 0..dice.below(6) {
        const LIKELY: &[u8] = b"\"{}[],:\\\n0-e\0\xff";
        let at = dice.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = if dice.below(2) == 0 { LIKELY[dice.below(LIKELY.len())] } else { dice.below(256).to_le_bytes()[0] };
        }
    }
    if dice.below(4) == 0 {
        bytes.truncate(dice.below(bytes.len()));
    }
    bytes
}

/// The bytes that an event carries.
fn weight(event: &Event) -> usize {
    match event {
        Event::BlockDelta {
            delta: Delta::Text(text) | Delta::Arguments(text) | Delta::AudioData(text) | Delta::Transcript(text), ..
        } => text.len(),
        _ => 1,
    }
}

/// No bytes bring a reader, a writer or the relay down, and what comes out is bounded by what came in.
#[test]
fn broken_streams_break_nothing() {
    let streams = streams();
    let mut dice = Dice::new(4_711);
    for _ in 0..4_000 {
        let exchange = streams[dice.below(streams.len())];
        let (Some(mut dialect), Some(framing)) = (exchange.dialect(), exchange.framing) else { continue };
        if dice.below(10) == 0 {
            dialect = Dialect::ALL[dice.below(Dialect::ALL.len())];
        }
        if dialect.outbound().is_none() {
            continue;
        }
        let bytes = Bytes::from(mutated(&exchange.response, framing, &mut dice));
        let output = output(dialect, &mut dice);
        let passed = relayed(framing, dialect, output, &pieces(&bytes, Cut::Random(3_000), framing, &mut dice));
        let weight: usize = passed.seen.iter().map(weight).sum();
        assert!(weight <= 2 * bytes.len() + 64, "{} says {weight} bytes from {}", exchange.id, bytes.len());
        assert!(
            passed.bytes.len() <= 64 * bytes.len() + 4_096,
            "{} becomes {} bytes from {}",
            exchange.id,
            passed.bytes.len(),
            bytes.len()
        );
    }
}

/// The same for whole answers, errors and requests.
#[test]
fn broken_bodies_break_nothing() {
    let exchanges: Vec<&Exchange> = corpus::recorded().unwrap_or_default().iter().chain(corpus::fixtures()).collect();
    let mut dice = Dice::new(815);
    for _ in 0..6_000 {
        let exchange = exchanges[dice.below(exchanges.len())];
        let dialect = match exchange.dialect() {
            Some(dialect) if dice.below(8) > 0 => dialect,
            _ => Dialect::ALL[dice.below(Dialect::ALL.len())],
        };
        if let (Some(outbound), true) = (dialect.outbound(), exchange.response.len() < 100_000) {
            let body = mutated(&exchange.response, Framing::JsonLines, &mut dice);
            drop(outbound.read_reply(&Memo::default(), &body));
            drop(outbound.read_fault(StatusCode::BAD_REQUEST, &HeaderMap::new(), &body));
        }
        if let (Some(inbound), Some(request)) = (dialect.inbound(), exchange.request.as_ref().filter(|body| body.len() < 100_000)) {
            let body = mutated(request, Framing::JsonLines, &mut dice);
            drop(inbound.read_request(&Head { path_model: Some("m"), ..Head::default() }, &body));
        }
    }
}

/// What a client gets of a chat stream that ends with these bytes, with the error where there is one.
fn ended_with(tail: &str) -> (String, bool) {
    let dialect = Dialect::OpenAiChat;
    let (outbound, inbound) = (dialect.outbound().expect("spoken"), dialect.inbound().expect("spoken"));
    let output = Output::Verbatim { hide_usage: false, epilogue: inbound.epilogue(), rename: None };
    let mut relay = Relay::new(Framing::Sse, outbound.event_reader(Memo::default()), output);
    let mut out = Vec::new();
    let mut result = relay.push(Bytes::copy_from_slice([FIRST, tail].concat().as_bytes()), &mut |_| {}, &mut out);
    if result.is_ok() {
        result = relay.finish(&mut |_| {}, &mut out);
    }
    if result.is_err() {
        out.push(relay.break_off(&Problem::new(Kind::Upstream, "cut"), inbound, Flavor::OpenAi));
    }
    let text = String::from_utf8(out.concat()).expect("text");
    (text.strip_prefix(FIRST).expect("what came before").to_owned(), result.is_ok())
}

const FIRST: &str = "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";

#[test]
fn half_a_frame_at_the_end_is_never_passed_on() {
    for tail in
        ["ev", "event: delta\n", ": a com", "id: 7\n", "data", "data: ", "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}", "\n:"]
    {
        let (text, complete) = ended_with(tail);
        assert!(!complete, "{tail}");
        assert!(text.trim_start().starts_with("data: {\"error\""), "{tail}: {text}");
    }
}

#[test]
fn a_whole_event_at_the_end_needs_no_blank_line() {
    let last = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}";
    let wanted = (format!("{last}\n\ndata: [DONE]\n\n"), true);
    for tail in ["", "\n", "\n\n", "\n\ndata: [DO", "\n\nevent: x\n"] {
        assert_eq!(ended_with(&format!("{last}{tail}")), wanted, "{tail:?}");
    }
    assert_eq!(ended_with(&format!("{last}\n\ndata: [DONE]")), (format!("{last}\n\ndata: [DONE]"), true));
    let content = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n";
    let (text, complete) = ended_with(content);
    assert!(!complete && text.starts_with(&format!("{content}\ndata: {{\"error\"")), "{text}");
}
