//! Every answer, in every client's format and back.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use switchboard_wire::Dialect;
use switchboard_wire::assemble::Assembly;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::event::{Event, EventReader};
use switchboard_wire::framing::{Framer, Framing};
use switchboard_wire::grammar::Grammar;
use switchboard_wire::half::{Begun, Inbound, Memo, Outbound, Stamp};
use switchboard_wire::problem::Fault;
use switchboard_wire::reply::ChatReply;

use crate::corpus::Exchange;
use crate::meaning::{self, Meaning};

/// The formats that clients speak.
pub(crate) fn clients() -> impl Iterator<Item = (Dialect, &'static dyn Inbound, &'static dyn Outbound)> {
    Dialect::ALL.into_iter().filter_map(|dialect| Some((dialect, dialect.inbound()?, dialect.outbound()?)))
}

/// Everything a stream's bytes say. The reader sees every frame: no shortcut, no policy.
pub(crate) fn events(framing: Framing, mut reader: Box<dyn EventReader>, chunks: impl IntoIterator<Item = Bytes>) -> Vec<Event> {
    let (mut framer, mut out) = (Framer::new(framing), Vec::new());
    let over = |out: &[Event]| out.iter().any(|event| matches!(event, Event::Fault(_)));
    let mut drain = |framer: &mut Framer, out: &mut Vec<Event>| {
        while let Some(piece) = framer.next_piece() {
            let read = piece.and_then(|piece| if piece.payload.is_empty() { Ok(()) } else { reader.read(piece.frame(), out) });
            if let Err(malformed) = read {
                out.push(Event::Fault(Box::new(Fault::protocol(&malformed.to_string()))));
            }
            if over(out) {
                return;
            }
        }
    };
    for chunk in chunks {
        framer.push(chunk);
        drain(&mut framer, &mut out);
        if over(&out) {
            return out;
        }
    }
    framer.end();
    drain(&mut framer, &mut out);
    if !out.iter().any(|event| matches!(event, Event::Fault(_) | Event::End { .. })) {
        reader.eof(&mut out);
    }
    out
}

/// The whole answer that events tell.
pub(crate) fn assembled(events: &[Event]) -> Result<ChatReply, Fault> {
    let mut assembly = Assembly::new();
    events.iter().for_each(|event| assembly.push(event));
    assembly.finish()
}

/// What is wrong with the order of events.
pub(crate) fn disorder(events: &[Event]) -> Option<String> {
    let mut grammar = Grammar::new();
    // What a provider tells after the end (usage) is the relay's business.
    events.iter().find_map(|event| grammar.check(event).err().filter(|_| !(grammar.ended() && matches!(event, Event::Usage(_)))))
}

/// The stamp of a client that wants everything.
pub(crate) fn stamp() -> Stamp {
    Stamp { id: "gen-1".to_owned(), created: 1_700_000_000, model: "asked-for".to_owned(), stream_usage: true, ..Stamp::default() }
}

/// How a client's stream is cut.
pub(crate) fn client_framing(client: Dialect) -> Framing {
    client.outbound().map_or(Framing::Sse, Outbound::framing)
}

/// What a provider answered.
pub(crate) struct Answer {
    pub(crate) dialect: Dialect,
    pub(crate) events: Option<Vec<Event>>,
    pub(crate) result: Result<ChatReply, Fault>,
}

/// Reads a provider's answer.
pub(crate) fn read(exchange: &Exchange) -> Option<Answer> {
    let dialect = exchange.dialect()?;
    let outbound = dialect.outbound()?;
    if !exchange.is_success() {
        let fault = outbound.read_fault(exchange.status, &HeaderMap::new(), &exchange.response);
        return Some(Answer { dialect, events: None, result: Err(fault) });
    }
    let Some(framing) = exchange.framing else {
        let result = outbound.read_reply(&Memo::default(), &exchange.response);
        return Some(Answer { dialect, events: None, result });
    };
    let events = events(framing, outbound.event_reader(Memo::default()), [exchange.response.clone()]);
    let result = assembled(&events);
    Some(Answer { dialect, events: Some(events), result })
}

/// What a client of that format makes of a whole answer, or of an error in its place.
fn through_whole(answer: &Answer, inbound: &dyn Inbound, outbound: &dyn Outbound) -> Result<ChatReply, Fault> {
    match &answer.result {
        Ok(reply) => outbound.read_reply(&Memo::default(), &inbound.write_reply(reply, &stamp())),
        Err(fault) => {
            let (status, body) = inbound.write_problem(&meaning::problem_of(fault), Flavor::OpenAi);
            Err(outbound.read_fault(status, &HeaderMap::new(), &body))
        }
    }
}

/// What a client of that format makes of a stream.
pub(crate) fn through_stream(events: &[Event], client: Dialect, inbound: &dyn Inbound, outbound: &dyn Outbound) -> Vec<Event> {
    let mut writer = inbound.event_writer(stamp());
    let mut out = BytesMut::new();
    for event in events {
        // As the relay does it: a fault is not the writer's to write.
        match event {
            Event::Fault(fault) => {
                out.extend_from_slice(&inbound.write_stream_problem(&meaning::problem_of(fault), Flavor::OpenAi, &Begun::default()))
            }
            event => writer.write(event, &mut out),
        }
    }
    self::events(client_framing(client), outbound.event_reader(Memo::default()), [out.freeze()])
}

/// What became of an answer in one client's format.
pub(crate) struct Passage {
    pub(crate) client: Dialect,
    pub(crate) streamed: bool,
    pub(crate) was: Meaning,
    pub(crate) is: Meaning,
    pub(crate) disorder: Option<String>,
}

/// The answer in every client's format and back: whole, and streamed where it came as a stream.
pub(crate) fn passages(answer: &Answer) -> Vec<Passage> {
    let mut found = Vec::new();
    for (client, inbound, outbound) in clients() {
        let was = meaning::of_result(&answer.result, Some(client));
        let whole = through_whole(answer, inbound, outbound);
        found.push(Passage { client, streamed: false, was: was.clone(), is: meaning::of_result(&whole, Some(client)), disorder: None });
        if let Some(events) = &answer.events {
            let back = through_stream(events, client, inbound, outbound);
            let is = meaning::of_result(&assembled(&back), Some(client));
            found.push(Passage { client, streamed: true, was, is, disorder: disorder(&back) });
        }
    }
    found
}
