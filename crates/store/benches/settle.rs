//! What money costs: CPU per request for budgets, limits, reservation, journal and settlement, on the thread that serves and on all
//! others (what carries the journal to the database, and SQLite itself), and settlements a second carried to the database. `cargo bench -p switchboard-store --bench settle`; with an address of PostgreSQL behind `--` there too,
//! by leases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench tells what it finds, and stops where it cannot go on"
)]

#[path = "../tests/it/schema.rs"]
mod schema;

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_engine::admit::Admission;
use switchboard_engine::admit::journal::{AttemptId, Basis, Ending, Intent, Journal as Port, Settlement};
use switchboard_engine::book::{Book, Need};
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Budget, Level, Limit, NanoUsd, ScopeId, Terms, Window};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::lease::Lessor;
use switchboard_store::ledger::{Writer, verify_blocking};
use switchboard_store::sql::Kind;
use switchboard_store::{Settings, Store, micros};

const THREADS: usize = 2;
/// What threads that ask are called.
const ASKS: &str = "asks";
const RATE: u64 = 2_000;
const RUN: Duration = Duration::from_secs(10);
const GOAL_MICROS: f64 = 15.0;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    run(&format!("sqlite:{}", folder.path().join("s.db").display()));
    match std::env::args().find(|argument| argument.starts_with("postgres")) {
        Some(address) => {
            run(&schema::own(&address));
        }
        None => println!("PostgreSQL: not measured, no address of one is given"),
    }
}

/// CPU time of a thread, by the scheduler's word.
fn cpu_of(thread: &str) -> Duration {
    let text = std::fs::read_to_string(format!("{thread}/schedstat")).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// CPU time of this thread.
fn cpu() -> Duration {
    cpu_of("/proc/thread-self")
}

/// CPU time of all threads but those that ask.
fn cpu_beside() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux").flatten().map(|thread| thread.path().display().to_string());
    let asks = |thread: &str| std::fs::read_to_string(format!("{thread}/comm")).is_ok_and(|name| name.trim() == ASKS);
    threads.filter(|thread| !asks(thread)).map(|thread| cpu_of(&thread)).sum()
}

fn principals(book: &Book) -> Vec<Principal> {
    let terms = |name: &str| Terms {
        name: name.to_owned(),
        budgets: vec![Budget::new(NanoUsd(1_000_000_000_000_000), Window::MONTHLY)],
        limits: vec![Limit::rpm(100_000_000), Limit::tpm(1_000_000_000_000)],
        parent: None,
        models: Vec::new(),
    };
    book.scope(ScopeId::new(Level::Proxy, ""), terms("proxy"));
    let one = |at: usize| {
        let ids = [(Level::Key, format!("key{at}")), (Level::Team, format!("team{}", at % 10)), (Level::User, format!("user{}", at % 50))];
        let scopes = ids.into_iter().map(|(level, id)| book.scope(ScopeId::new(level, id.as_str()), terms(&id)));
        Principal { scopes: scopes.collect(), ..Principal::named("k") }
    };
    (0..200).map(one).collect()
}

fn run(address: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&Settings { address: address.to_owned(), connections: 4 }).expect("an address");
    store.migrate().expect("a database");
    let (journal, _) = Journal::open(folder.path(), Durability::Grouped).expect("a journal");
    let journal = Arc::new(journal);
    let writer = Writer::start(&store, journal.clone());
    let book = Arc::new(Book::default());
    let mut admission = Admission::new(usize::MAX).with_book(book.clone()).with_journal(journal.clone());
    let lessor = (store.sql().kind == Kind::Postgres).then(|| {
        book.share();
        Lessor::start(&store, journal.instance(), book.clone(), writer.caught_up())
    });
    if let Some(lessor) = &lessor {
        admission = admission.with_authority(lessor.clone());
    }
    let principals = principals(&book);
    // Before the measure everything is touched once, and every lease taken.
    request_all(&admission, &journal, &principals, 1);
    writer.flush_blocking(Duration::from_secs(120)).expect("carried");
    let (began, before) = (Instant::now(), cpu_beside());
    let spent: Vec<(u64, Duration)> = std::thread::scope(|scope| {
        let asks = || std::thread::Builder::new().name(ASKS.to_owned());
        let asking = |_| asks().spawn_scoped(scope, || paced(&admission, &journal, &principals, began)).expect("a thread");
        let threads: Vec<_> = (0..THREADS).map(asking).collect();
        threads.into_iter().map(|thread| thread.join().expect("ran")).collect()
    });
    let took = began.elapsed();
    let count: u64 = spent.iter().map(|(count, _)| count).sum();
    let cpu: Duration = spent.iter().map(|(_, cpu)| *cpu).sum();
    let lag = Instant::now();
    writer.flush_blocking(Duration::from_secs(120)).expect("carried");
    let per = |cpu: Duration| cpu.as_secs_f64() * 1e6 / count as f64;
    let (here, beside) = (per(cpu), per(cpu_beside().saturating_sub(before)));
    let each = here + beside;
    let rate = count as f64 / (took + lag.elapsed()).as_secs_f64();
    let good = if each <= GOAL_MICROS { "reached" } else { "NOT reached" };
    println!(
        "{:?}: {each:.2} us CPU a request, {here:.2} where it is served and {beside:.2} beside (goal {GOAL_MICROS}: {good})",
        store.sql().kind
    );
    let good = if rate >= RATE as f64 * 0.95 { "reached" } else { "NOT reached" };
    println!(
        "{:?}: {rate:.0} settlements/s to the database, {:.2} s behind at the end (goal {RATE}: {good})",
        store.sql().kind,
        lag.elapsed().as_secs_f64()
    );
    if let Some(lessor) = &lessor {
        lessor.end().expect("given back");
    }
    drop(writer);
    let report = verify_blocking(&store).expect("looked");
    println!("{:?}: {} rows, {} findings", store.sql().kind, report.rows, report.findings.len());
    assert!(report.is_clean(), "{:?}", report.findings);
    store.close();
}

/// So many requests a second on each thread, for as long as the run is.
fn paced(admission: &Admission, journal: &Arc<Journal>, principals: &[Principal], began: Instant) -> (u64, Duration) {
    let gap = Duration::from_nanos(1_000_000_000 * THREADS as u64 / RATE);
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = clock.enter();
    let (mut due, mut count, mut used) = (began, 0, Duration::ZERO);
    while began.elapsed() < RUN {
        let batch = u64::try_from(began.elapsed().saturating_sub(due - began).as_nanos() / gap.as_nanos()).unwrap_or(0).min(64);
        if batch == 0 {
            std::thread::sleep(gap);
            continue;
        }
        let before = cpu();
        for _ in 0..batch {
            request(admission, journal, &principals[count as usize % principals.len()]);
            count += 1;
        }
        used += cpu().saturating_sub(before);
        due += gap * u32::try_from(batch).unwrap_or(1);
    }
    (count, used)
}

fn request_all(admission: &Admission, journal: &Arc<Journal>, principals: &[Principal], rounds: usize) {
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = clock.enter();
    for _ in 0..rounds {
        principals.iter().for_each(|principal| request(admission, journal, principal));
    }
}

/// What the gateway does for the money of one request.
fn request(admission: &Admission, journal: &Arc<Journal>, principal: &Principal) {
    let mut hold = admission.hold(principal, ["gpt-4o-mini"; 2]);
    let (need, amount) = (Need { money: NanoUsd(500_000), input: 300, output: 500, ..Need::default() }, NanoUsd(123_456));
    {
        let mut taking = Box::pin(hold.take(("openai", "d"), need, NanoUsd::ZERO));
        let waker = std::task::Waker::noop();
        // Nearly always done at once; where money must be leased, that is waited for.
        while taking.as_mut().poll(&mut std::task::Context::from_waker(waker)).map(|taken| taken.expect("there is money")).is_pending() {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    let now = micros();
    let (attempt, lines) = (AttemptId::mint(now), hold.lines());
    let call = "0192f0c4b7a97f0e8f1b2c3d4e5f6071";
    let (provider, deployment) = ("openai", "d");
    journal
        .intend(&Intent {
            attempt,
            call,
            at: now,
            reserved: need.money,
            begun: NanoUsd(1),
            lines: &lines,
            provider,
            deployment,
            model: "m",
            group: "m",
        })
        .expect("written");
    let basis = Basis { counts: vec![("input", 300), ("output", 120)], ..Basis::default() };
    journal.settle(&Settlement {
        attempt,
        call,
        at: now,
        ending: Ending::Settled,
        amount,
        owed: amount,
        basis: &basis,
        model: "gpt-4o-mini",
        estimated: false,
        reserved: need.money,
        lines: &lines,
        provider,
        deployment,
        tokens: (300, 120),
    });
    hold.used(300, 120);
    hold.settle(amount);
}
