//! The fault table, cell by cell: what the client is told, how often providers are asked, and what is shut out.

use std::time::Duration;

use switchboard_engine::clock;
use switchboard_engine::deployment::Spec;
use switchboard_engine::health::{Failure, Why};
use switchboard_engine::meter::Outcome;
use switchboard_engine::route::Names;
use switchboard_engine::upstream::Timeouts;
use switchboard_wire::Dialect;

use super::fault::Fault;
use super::server::Chaos;
use super::side_by_side;
use super::words::PROVIDERS;
use crate::exchange::rig::{PATIENT, Rig, ask, at_address};
use crate::exchange::words::{ALL, clean_end, text_of, text_of_stream};

/// One row of the table.
struct Row {
    fault: Fault,
    /// What the client is told by the only deployment.
    status: u16,
    code: Option<&'static str>,
    /// How often the only deployment is asked.
    alone: usize,
    /// How often it is asked where there are others.
    first: usize,
    /// What keeps requests from it after six of them.
    shut: Option<Why>,
}

const fn row(fault: Fault, status: u16, alone: usize, first: usize, shut: Option<Why>) -> Row {
    Row { fault, status, code: None, alone, first, shut }
}

impl Row {
    const fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }
}

const OPEN: Option<Why> = Some(Why::Open);
const QUARANTINED: Option<Why> = Some(Why::Quarantined);

const ROWS: [Row; 33] = [
    row(Fault::RateLimited, 429, 1, 1, Some(Why::RateLimited)),
    row(Fault::Quota, 503, 1, 1, QUARANTINED).code("upstream_quota"),
    row(Fault::Overloaded529, 503, 2, 1, OPEN),
    row(Fault::Overloaded503, 503, 2, 1, OPEN),
    row(Fault::Server500, 502, 2, 2, OPEN),
    row(Fault::Server502, 502, 2, 2, OPEN),
    row(Fault::Server504, 502, 2, 2, OPEN),
    row(Fault::HangUp, 502, 2, 1, OPEN).code("upstream_closed"),
    row(Fault::HeadThenGone, 502, 2, 1, OPEN).code("upstream_truncated"),
    row(Fault::Silent, 504, 1, 1, OPEN).code("upstream_timeout"),
    row(Fault::HeadThenSilent, 504, 1, 1, OPEN),
    row(Fault::Malformed, 502, 1, 1, OPEN),
    row(Fault::ErrorEvent, 503, 2, 1, OPEN),
    row(Fault::ErrorBody, 502, 1, 1, OPEN),
    row(Fault::Null, 502, 1, 1, OPEN),
    row(Fault::Html, 502, 1, 1, OPEN),
    row(Fault::HtmlError, 503, 2, 1, OPEN),
    row(Fault::UnknownCoding, 502, 1, 1, OPEN),
    row(Fault::BadChunk, 502, 2, 1, OPEN),
    row(Fault::BothLengths, 502, 1, 1, OPEN).code("upstream_protocol"),
    row(Fault::ShortBody, 502, 2, 1, OPEN).code("upstream_truncated"),
    row(Fault::Unauthorized, 503, 1, 1, QUARANTINED).code("upstream_auth"),
    row(Fault::Forbidden, 503, 1, 1, QUARANTINED).code("upstream_auth"),
    row(Fault::NotFound, 502, 1, 1, Some(Why::Resting)).code("upstream_model_not_found"),
    row(Fault::BadRequest, 400, 1, 1, None),
    row(Fault::Unprocessable, 422, 1, 1, None),
    row(Fault::TimeoutStatus, 408, 2, 2, None),
    row(Fault::Conflict, 409, 2, 2, None),
    row(Fault::TooEarly, 425, 2, 2, None),
    row(Fault::Redirect, 502, 1, 1, OPEN).code("upstream_redirect"),
    row(Fault::BadStatusLine, 502, 1, 1, OPEN).code("upstream_protocol"),
    row(Fault::LongBody, 200, 1, 1, None),
    row(Fault::NoUsage, 200, 1, 1, None),
];

/// Silence is waited out for so long; whatever says something is given its time, however busy the machine is.
fn patience(fault: Fault) -> Duration {
    let is_silent = matches!(fault, Fault::Silent | Fault::HeadThenSilent);
    if is_silent { Duration::from_millis(300) } else { AMPLE }
}

/// Nothing here takes so long, on any machine.
const AMPLE: Duration = Duration::from_secs(300);

fn deadlines(fault: Fault) -> Timeouts {
    // What has been said before a stall must have arrived before the stall is noticed.
    let idle = if fault == Fault::Stall { Duration::from_secs(2) } else { patience(fault) };
    Timeouts { connect: AMPLE, first_byte: AMPLE, idle, total: None }
}

fn failing(fault: Fault, dialect: Dialect, chaos: &Chaos) -> Spec {
    let timeout = Some(patience(fault));
    Spec { timeout, stream_timeout: timeout, ..at(dialect, chaos, 0) }
}

/// A provider that was given up may not have got round to counting what it was asked.
async fn counted(chaos: &Chaos, least: usize) -> usize {
    while chaos.requests() < least {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    chaos.requests()
}

fn at(dialect: Dialect, chaos: &Chaos, number: u32) -> Spec {
    let id = format!("deployment-{number}");
    Spec { id, order: number, ..at_address(dialect, &chaos.address().to_string()) }
}

fn cells() -> impl Iterator<Item = (&'static Row, Dialect, bool)> {
    let faults = ROWS.iter().flat_map(|row| PROVIDERS.into_iter().map(move |dialect| (row, dialect)));
    let cells = faults.flat_map(|(row, dialect)| [false, true].map(|stream| (row, dialect, stream)));
    cells.filter(|(row, _, stream)| *stream || row.fault != Fault::ErrorEvent)
}

/// A dialect's own word for a kind of failure may have a status of its own.
fn status_of(row: &Row, client: Dialect, provider: Dialect) -> Vec<u16> {
    match (row.status, client) {
        (503, Dialect::Anthropic) if row.code.is_none() => vec![503, 529],
        // Google has no other status for these.
        _ if provider == Dialect::Gemini && matches!(row.fault, Fault::TimeoutStatus) => vec![row.status, 504],
        (status, _) => vec![status],
    }
}

#[tokio::test]
async fn alone_every_fault_is_told_as_what_it_is() {
    side_by_side(cells().flat_map(|cell| ALL.map(|client| alone(cell, client)))).await;
}

async fn alone((row, provider, stream): (&'static Row, Dialect, bool), client: Dialect) {
    let shown = format!("{:?} of {provider} for {client}, stream {stream}", row.fault);
    let chaos = Chaos::always(provider, Some(row.fault)).await;
    let rig = Rig::with(vec![failing(row.fault, provider, &chaos)], Names::default(), deadlines(row.fault));
    let told = rig.ask(&ask(client, stream)).await;
    assert!(status_of(row, client, provider).contains(&told.status), "{shown}: {told:?}");
    assert_eq!(counted(&chaos, row.alone).await, row.alone, "{shown}: {told:?}");
    assert!(!told.body.contains("<html"), "{shown}: {told:?}");
    if row.status == 200 {
        assert!(told.body.contains("Hello"), "{shown}: {told:?}");
    } else {
        let body = told.says(&[]).json();
        assert!(body["error"]["message"].is_string(), "{shown}: {told:?}");
        if let (Some(code), Dialect::OpenAiChat | Dialect::OpenAiResponses) = (row.code, client) {
            assert_eq!(body["error"]["code"], code, "{shown}: {told:?}");
        }
    }
    let record = rig.record();
    assert_eq!(record.status, told.status, "{shown}");
    assert_eq!(record.tried.len(), row.alone, "{shown}");
    assert_eq!(matches!(record.outcome, Outcome::Failed(_)), row.status != 200, "{shown}");
    assert!(record.tried.iter().all(|attempt| attempt.failure.is_some() == (row.status != 200)), "{shown}: {:?}", record.tried);
}

#[tokio::test]
async fn others_answer_and_what_fails_is_shut_out() {
    side_by_side(cells().map(among_others)).await;
}

async fn among_others((row, provider, stream): (&'static Row, Dialect, bool)) {
    let shown = format!("{:?} of {provider}, stream {stream}", row.fault);
    let chaos = Chaos::always(provider, Some(row.fault)).await;
    let others = [Chaos::always(Dialect::Anthropic, None).await, Chaos::always(Dialect::OpenAiChat, None).await];
    let mut specs =
        vec![failing(row.fault, provider, &chaos), at(Dialect::Anthropic, &others[0], 1), at(Dialect::OpenAiChat, &others[1], 2)];
    let is_final = matches!(row.status, 400 | 422);
    if is_final {
        // What one says all of its `order` would say; a deeper one is asked.
        specs.iter_mut().for_each(|spec| (spec.weight, spec.order) = (Some(if spec.order == 0 { 1.0 } else { 0.0 }), 0));
    }
    let rig = Rig::with(specs, Names::default(), deadlines(row.fault));
    let first = rig.deployment("deployment-0");
    for number in 0..6 {
        let before = chaos.requests();
        let told = rig.ask(&ask(Dialect::OpenAiChat, stream)).await;
        let shown = format!("{shown}, request {number}: {told:?}");
        if is_final {
            assert_eq!(told.status, row.status, "{shown}");
            continue;
        }
        assert_eq!(told.status, 200, "{shown}");
        let text = if stream { text_of_stream(Dialect::OpenAiChat, &told.body) } else { text_of(Dialect::OpenAiChat, &told.json()) };
        assert_eq!(text, "Hello there", "{shown}");
        if number == 0 {
            assert_eq!(counted(&chaos, before + row.first).await - before, row.first, "{shown}");
            let retries = told.header("x-litellm-attempted-retries").unwrap();
            assert_eq!(retries.parse::<usize>().unwrap(), if row.status == 200 { 0 } else { row.first }, "{shown}");
        }
    }
    let refusal = first.health.refusal(clock::now()).map(|refusal| refusal.why);
    // A penalty may be over by now: then nothing keeps the next request from finding out.
    let was_open = row.shut == OPEN && refusal.is_none() && first.health.begin(clock::now()).is_ok_and(|ticket| ticket.is_probe());
    assert!(refusal == row.shut || was_open, "{shown}: {refusal:?}");
    if is_final {
        assert_eq!(others.iter().map(Chaos::requests).sum::<usize>(), 0, "{shown}: every provider would say the same");
        assert_eq!(chaos.requests(), 6, "{shown}: a caller's mistakes shut nothing out");
    }
}

const LATE: [Fault; 5] = [Fault::Stall, Fault::Cut, Fault::CutWithinFrame, Fault::MalformedLate, Fault::ErrorEventLate];

#[tokio::test]
async fn after_content_a_stream_says_that_it_failed() {
    let cells = LATE.into_iter().flat_map(|fault| PROVIDERS.into_iter().map(move |provider| (fault, provider)));
    side_by_side(cells.flat_map(|cell| ALL.map(|client| late(cell, client)))).await;
}

async fn late((fault, provider): (Fault, Dialect), client: Dialect) {
    let shown = format!("{fault:?} of {provider} for {client}");
    let chaos = Chaos::always(provider, Some(fault)).await;
    let spare = Chaos::always(provider, None).await;
    let rig = Rig::with(vec![failing(fault, provider, &chaos), at(provider, &spare, 1)], Names::default(), deadlines(fault));
    let told = rig.ask(&ask(client, true)).await;
    assert_eq!((told.status, chaos.requests(), spare.requests()), (200, 1, 0), "{shown}: {told:?}");
    assert!(text_of_stream(client, &told.body).starts_with("Hello"), "{shown}: {told:?}");
    assert!(!told.body.contains(clean_end(client)), "{shown}: {told:?}");
    told.says(&["error"]);
    let record = rig.record();
    assert!(matches!(record.outcome, Outcome::Failed(_)), "{shown}: {record:?}");
    assert!(record.tried[0].failure.is_some_and(|failure| failure.counts()), "{shown}: {:?}", record.tried);
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_once_more_and_then_passed_on() {
    let cells = PROVIDERS.into_iter().flat_map(|provider| [false, true].map(|stream| (provider, stream)));
    side_by_side(cells.map(|(provider, stream)| async move {
        let shown = format!("{provider}, stream {stream}");
        let chaos = Chaos::always(provider, Some(Fault::Empty)).await;
        let rig = Rig::with(vec![at(provider, &chaos, 0)], Names::default(), PATIENT);
        let told = rig.ask(&ask(Dialect::OpenAiChat, stream)).await;
        assert_eq!((told.status, chaos.requests()), (200, 2), "{shown}: {told:?}");
        assert_eq!(told.header("x-switchboard-empty"), Some("1"), "{shown}: {told:?}");
        let spare = Chaos::always(provider, None).await;
        let rig = Rig::with(vec![at(provider, &chaos, 0), at(provider, &spare, 1)], Names::default(), PATIENT);
        let told = rig.ask(&ask(Dialect::OpenAiChat, stream)).await;
        assert_eq!((told.status, chaos.requests(), spare.requests()), (200, 3, 1), "{shown}: {told:?}");
        assert_eq!(told.header("x-switchboard-empty"), None, "{shown}: {told:?}");
    }))
    .await;
}

/// What never ends is cut, and no other provider is spared for it: an answer of that size is nobody's.
#[tokio::test]
async fn what_is_too_much_is_cut() {
    let cells = PROVIDERS.into_iter().flat_map(|provider| [false, true].map(|stream| (provider, stream)));
    for (provider, stream) in cells {
        let shown = format!("{provider}, stream {stream}");
        let chaos = Chaos::always(provider, Some(Fault::Endless)).await;
        let spare = Chaos::always(Dialect::OpenAiChat, None).await;
        let rig = Rig::with(vec![at(provider, &chaos, 0), at(Dialect::OpenAiChat, &spare, 1)], Names::default(), PATIENT);
        let told = rig.ask(&ask(Dialect::OpenAiChat, stream)).await;
        assert_eq!((told.status, chaos.requests(), spare.requests()), (200, 1, 1), "{shown}: {told:?}");
        let record = rig.record();
        let failure = record.tried[0].failure;
        let wanted = if stream { [Some(Failure::Protocol), Some(Failure::TooLarge)] } else { [Some(Failure::TooLarge); 2] };
        assert!(wanted.contains(&failure), "{shown}: {failure:?}");
    }
}

/// A piece that comes twice is said twice, but where the dialect numbers its events and so tells that it is the same.
#[tokio::test]
async fn doubled_pieces_pass_where_nothing_tells_them_apart() {
    for provider in PROVIDERS {
        for client in ALL {
            let chaos = Chaos::always(provider, Some(Fault::Doubled)).await;
            let rig = Rig::with(vec![at(provider, &chaos, 0)], Names::default(), PATIENT);
            let told = rig.ask(&ask(client, true)).await;
            assert_eq!(told.status, 200, "{provider} for {client}: {told:?}");
            // What passes as it came is not read, and so not told apart either.
            let once = provider == Dialect::OpenAiResponses && client != provider;
            let wanted = if once { "Hello" } else { "HelloHello" };
            assert_eq!(text_of_stream(client, &told.body), wanted, "{provider} for {client}: {told:?}");
            told.says(&[clean_end(client)]);
            let usage = rig.record().usage.unwrap();
            assert_eq!((usage.input, usage.output), (Some(11), Some(7)), "{provider} for {client}: counted once");
        }
    }
}

/// One tenant's mistakes cost the others nothing.
#[tokio::test]
async fn a_tenant_cannot_eject_a_model() {
    let chaos = Chaos::start(Dialect::OpenAiChat, std::sync::Arc::new(|number| (number < 600).then_some(Fault::BadRequest))).await;
    let rig = Rig::with(vec![at(Dialect::OpenAiChat, &chaos, 0)], Names::default(), PATIENT);
    let call = ask(Dialect::OpenAiChat, false);
    for _ in 0..600 {
        assert_eq!(rig.ask(&call).await.status, 400);
    }
    // Callers who leave say nothing of the deployment either.
    for _ in 0..50 {
        let _ = tokio::time::timeout(Duration::from_micros(50), rig.ask(&call)).await;
    }
    assert_eq!(rig.deployment("deployment-0").health.refusal(clock::now()), None);
    assert_eq!(rig.ask(&call).await.status, 200);
}
