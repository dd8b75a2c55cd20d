//! Every kind of problem, as each client is told, whole and amid a stream.

use http::HeaderMap;
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::event::Event;
use switchboard_wire::half::{Begun, Memo};
use switchboard_wire::problem::{Kind, Problem};

use crate::answers::{client_framing, clients, events};

/// What a client of that format can tell a kind from: formats have fewer words than we have kinds.
fn told(client: Dialect, kind: Kind) -> Kind {
    match kind {
        // What the gateway refuses is a wrong request to the caller, what it fails at a failed server. A filter is known by its code.
        Kind::Unsupported | Kind::Filtered => Kind::BadRequest,
        Kind::Internal => Kind::Upstream,
        // `FAILED_PRECONDITION` and `INVALID_ARGUMENT` are the words Google has.
        Kind::BudgetSpent | Kind::TooLarge if client == Dialect::Gemini => Kind::BadRequest,
        kind => kind,
    }
}

#[test]
fn every_kind_of_problem_reaches_every_client() {
    let mut wrong = Vec::new();
    for (client, inbound, outbound) in clients() {
        for kind in Kind::ALL {
            let problem = Problem::new(kind, "The tide is out.");
            let (status, body) = inbound.write_problem(&problem, Flavor::OpenAi);
            let fault = outbound.read_fault(status, &HeaderMap::new(), &body);
            if told(client, kind) != fault.kind || fault.message != problem.message || status.is_success() {
                wrong.push(format!("{client}: {kind:?} is {:?} ({status}): {}", fault.kind, fault.message));
            }
            let words = inbound.write_stream_problem(&problem, Flavor::OpenAi, &Begun::default());
            let found = events(client_framing(client), outbound.event_reader(Memo::default()), [words.into()]);
            match found.as_slice() {
                [.., Event::Fault(fault)] if told(client, kind) == fault.kind && fault.message == problem.message => {}
                other => wrong.push(format!("{client}, amid a stream: {kind:?} is {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
