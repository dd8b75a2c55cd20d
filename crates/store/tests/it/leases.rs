//! M2: four gateways on one budget.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;
use switchboard_engine::admit::Admission;
use switchboard_engine::admit::journal::{AttemptId, Intent, Journal as _};
use switchboard_engine::book::port::Authority;
use switchboard_engine::book::{Book, Need};
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Budget, Level, NanoUsd, Refusal, ScopeId, Terms, Why, Window};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::lease::{Budgets, Lessor};
use switchboard_store::ledger::{Writer, verify};
use switchboard_store::{Settings, Store, micros};
use tempfile::TempDir;

use crate::ledger::{futures, settle};
use crate::stores::postgres;

const CENT: NanoUsd = NanoUsd(10_000_000);
const DOLLAR: i64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// One of several gateways.
struct Gateway {
    store: Store,
    journal: Arc<Journal>,
    writer: Writer,
    lessor: Arc<Lessor>,
    book: Arc<Book>,
    admission: Admission,
    folder: TempDir,
}

impl Gateway {
    fn start(settings: &Settings) -> Self {
        Self::start_in(settings, tempfile::tempdir().expect("a folder"))
    }

    fn start_in(settings: &Settings, folder: TempDir) -> Self {
        let store = Store::open(settings).expect("an address");
        store.migrate().expect("a database");
        let (journal, _) = Journal::open(folder.path(), Durability::Grouped).expect("a journal");
        let journal = Arc::new(journal);
        let writer = Writer::start(&store, journal.clone());
        let book = Arc::new(Book::default());
        let lessor = Lessor::start(&store, journal.instance(), book.clone(), writer.caught_up());
        let admission = Admission::new(usize::MAX).with_book(book.clone()).with_authority(lessor.clone());
        Self { store, journal, writer, lessor, book, admission, folder }
    }

    /// Dies, and is started again with the same files.
    fn restart(self, settings: &Settings) -> Self {
        let Self { folder, store, journal, writer, .. } = self;
        store.close();
        drop((writer, journal));
        Self::start_in(settings, folder)
    }

    fn principal(&self, limit: i64, window: Window) -> Principal {
        let terms = Terms { budgets: vec![Budget::new(NanoUsd(limit), window)], ..Terms::default() };
        let scopes = [(Level::Key, "k"), (Level::Team, "t")].map(|(level, id)| self.book.scope(ScopeId::new(level, id), terms.clone()));
        Principal { scopes: scopes.to_vec(), ..Principal::named("k") }
    }

    /// So many calls of a cent at once; how many went ahead.
    fn storm(&self, calls: usize, principal: &Principal) -> usize {
        self.storm_of(calls, principal, CENT)
    }

    /// The same, of calls that might cost more.
    fn storm_of(&self, calls: usize, principal: &Principal, most: NanoUsd) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut running = tokio::task::JoinSet::new();
            for _ in 0..calls {
                let (admission, principal, journal) = (self.admission.clone(), principal.clone(), self.journal.clone());
                running.spawn(async move { call(&admission, &principal, &journal, most).await });
            }
            let mut admitted = 0;
            while let Some(done) = running.join_next().await {
                match done.expect("a call") {
                    Ok(()) => admitted += 1,
                    Err(why) => assert!(matches!(why, Why::Budget { .. }), "{why:?}"),
                }
            }
            admitted
        })
    }

    /// One call of a cent.
    fn one(&self, principal: &Principal) -> Result<(), Why> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(call(&self.admission, principal, &self.journal, CENT))
    }

    fn counters(&self) -> Vec<(i64, i64)> {
        let pool = self.store.sql().pool.clone();
        let rows = async move {
            let rows = sqlx::query(
                "SELECT w.spent, w.leased FROM ledger_windows w JOIN ledger_accounts a ON a.id = w.account WHERE a.level <> 'owed' AND w.span = $1 ORDER BY account",
            );
            rows.bind("1d").fetch_all(&pool).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        };
        self.store.thread().block(rows).expect("a database")
    }

    fn end(self) {
        self.writer.flush_blocking(PATIENCE).expect("a database");
        self.lessor.end().expect("a database");
        self.store.close();
    }
}

/// A call that costs a cent.
async fn call(admission: &Admission, principal: &Principal, journal: &Journal, most: NanoUsd) -> Result<(), Why> {
    let mut hold = admission.hold(principal, ["m"; 2]);
    let taken = hold.take(("p", "d"), Need { money: most, ..Need::default() }, NanoUsd::ZERO).await;
    taken.map_err(|refusal| refusal.why)?;
    let attempt = AttemptId::mint(micros());
    let (at, lines) = (micros(), hold.lines());
    let (reserved, begun) = (most, CENT);
    journal
        .intend(&Intent {
            attempt,
            call: "call",
            at,
            reserved,
            begun,
            lines: &lines,
            provider: "p",
            deployment: "d",
            model: "gpt-4o-mini",
            group: "fast",
        })
        .expect("a journal");
    tokio::task::yield_now().await;
    settle(journal, attempt, CENT.0);
    hold.settle(CENT);
    Ok(())
}

#[test]
fn m2_four_gateways_overrun_no_budget_and_refuse_nothing_that_is_there() {
    for _ in 0..3 {
        let Some(settings) = postgres() else { return };
        let gateways: Vec<_> = (0..4).map(|_| Gateway::start(&settings)).collect();
        let admitted: usize = std::thread::scope(|threads| {
            let storms: Vec<_> =
                gateways.iter().map(|gateway| threads.spawn(|| gateway.storm(250, &gateway.principal(DOLLAR, Window::DAILY)))).collect();
            storms.into_iter().map(|storm| storm.join().expect("a storm")).sum()
        });
        for (spent, leased) in gateways[0].counters() {
            assert!(spent + leased <= DOLLAR, "I3: {spent} + {leased}");
        }
        gateways.iter().for_each(|gateway| gateway.writer.flush_blocking(PATIENCE).expect("a database"));
        let stranded = DOLLAR - i64::try_from(admitted).expect("few") * CENT.0;
        assert!((0..=DOLLAR / 20).contains(&stranded), "{admitted} were admitted");
        // What one of them has and does not use goes back, and is there for another.
        std::thread::sleep(Duration::from_secs(if stranded > 0 { 12 } else { 0 }));
        let late = gateways[0].storm(250, &gateways[0].principal(DOLLAR, Window::DAILY));
        assert_eq!(admitted + late, 100);
        gateways[0].writer.flush_blocking(PATIENCE).expect("a database");
        assert_eq!(gateways[0].counters(), [(DOLLAR, 0), (DOLLAR, 0)]);
        let report = futures(verify(&gateways[0].store));
        assert!(report.is_clean(), "{:?}", report.findings);
        gateways.into_iter().for_each(Gateway::end);
    }
}

/// What calls held and did not cost lies with many gateways. It is called back before one is refused: one call after another goes
/// ahead for as long as there is what it may cost.
#[test]
fn m2_what_lies_unused_elsewhere_is_called_back_before_a_call_is_refused() {
    let Some(settings) = postgres() else { return };
    let gateways: Vec<_> = (0..4).map(|_| Gateway::start(&settings)).collect();
    let principals: Vec<_> = gateways.iter().map(|gateway| gateway.principal(DOLLAR, Window::DAILY)).collect();
    let (most, mut admitted) = (NanoUsd(45_000_000), 0);
    for turn in 0..100 {
        let at = turn % 4;
        let call = || gateways[at].storm_of(1, &principals[at], most);
        // A word may be late where much else goes on.
        let here = if call() > 0 { 1 } else { call() };
        assert!(here > 0 || DOLLAR - admitted * CENT.0 < most.0, "refused after {admitted} calls");
        admitted += i64::try_from(here).expect("few");
    }
    assert_eq!(admitted, 96, "nothing is left that such a call might need");
    // Calls that need less have the rest, wherever it lies, and many at once wait for one word.
    let late: usize = std::thread::scope(|threads| {
        let storms: Vec<_> =
            gateways.iter().zip(&principals).map(|(gateway, principal)| threads.spawn(|| gateway.storm(50, principal))).collect();
        storms.into_iter().map(|storm| storm.join().expect("a storm")).sum()
    });
    assert!(late >= 3, "{late}");
    let last = if late < 4 { gateways[0].storm(1, &principals[0]) } else { 0 };
    assert_eq!(late + last, 4);
    gateways.iter().for_each(|gateway| gateway.writer.flush_blocking(PATIENCE).expect("a database"));
    assert_eq!(gateways[0].counters(), [(DOLLAR, 0), (DOLLAR, 0)]);
    let report = futures(verify(&gateways[0].store));
    assert!(report.is_clean(), "{:?}", report.findings);
    gateways.into_iter().for_each(Gateway::end);
}

/// Calls under way keep what they hold, and a gateway that does not answer keeps nobody waiting for long.
#[test]
fn only_what_no_call_holds_is_called_back() {
    let Some(settings) = postgres() else { return };
    let (holder, other) = (Gateway::start(&settings), Gateway::start(&settings));
    let (holders, others) = (holder.principal(DOLLAR, Window::DAILY), other.principal(DOLLAR, Window::DAILY));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let need = |cents: i64| Need { money: NanoUsd(cents * CENT.0), ..Need::default() };
    runtime.block_on(async {
        let mut hold = holder.admission.hold(&holders, ["m"; 2]);
        hold.take(("p", "d"), need(60), NanoUsd::ZERO).await.expect("there is plenty");
        let mut second = other.admission.hold(&others, ["m"; 2]);
        let refused = second.take(("p", "d"), need(50), NanoUsd::ZERO).await.expect_err("that much is held");
        let Why::Budget { held, .. } = refused.why else { panic!("{refused:?}") };
        assert_eq!((held, refused.why.is_passing()), (NanoUsd(60 * CENT.0), true));
        // What comes free of it is for who was refused.
        drop(hold);
        tokio::time::sleep(Duration::from_millis(300)).await;
        second.take(("p", "d"), need(100), NanoUsd::ZERO).await.expect("all of it came back");
    });
    // Somebody holds something and hears nothing any more.
    let (holders, others) = (holder.principal(DOLLAR, Window::MONTHLY), other.principal(DOLLAR, Window::MONTHLY));
    let mut kept = holder.admission.hold(&holders, ["m"; 2]);
    runtime.block_on(kept.take(("p", "d"), need(60), NanoUsd::ZERO)).expect("there is plenty");
    holder.store.close();
    let asked = |expected: Duration| {
        let began = std::time::Instant::now();
        assert_eq!(other.storm_of(1, &others, need(60).money), 0);
        assert!(began.elapsed() < expected, "{:?}", began.elapsed());
    };
    asked(Duration::from_secs(1));
    asked(Duration::from_millis(90));
    other.end();
}

/// While its lease lasts a gateway needs no database; then it refuses, and says that it is its own trouble.
#[test]
fn without_a_database_a_gateway_spends_what_it_holds() {
    let Some(settings) = postgres() else { return };
    let gateway = Gateway::start(&settings);
    let principal = gateway.principal(100 * DOLLAR, Window::DAILY);
    assert_eq!(gateway.storm(1, &principal), 1);
    // The database is gone.
    let pool = gateway.store.sql().writers.clone();
    gateway
        .store
        .thread()
        .block(async move {
            pool.close().await;
            Ok(())
        })
        .expect("closed");
    // The slice was a hundredth of the budget.
    let calls = (DOLLAR / CENT.0 - 1) as usize;
    assert_eq!(gateway.storm(calls, &principal), calls);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let refused = runtime.block_on(async {
        let mut hold = gateway.admission.hold(&principal, ["m"; 2]);
        hold.take(("p", "d"), Need { money: CENT, ..Need::default() }, NanoUsd::ZERO).await
    });
    let Err(Refusal { why: Why::Unavailable, .. }) = refused else { panic!("{refused:?}") };
    assert!(gateway.lessor.is_in_force());
    gateway.store.close();
}

/// While the database does not answer, an operator may have so much spent beyond what is leased, and no more of a budget than was left.
/// When it answers again, the books are right and nothing is lent.
#[test]
fn without_a_database_so_much_is_lent_as_the_operator_says() {
    for (budgets, limit, lent) in [(Budgets::UpTo(NanoUsd(5 * CENT.0)), DOLLAR, 5), (Budgets::Open, 4 * CENT.0, 3)] {
        let Some(settings) = postgres() else { return };
        let gateway = Gateway::start(&settings);
        gateway.lessor.without_database(budgets);
        let principal = gateway.principal(limit, Window::DAILY);
        assert_eq!(gateway.one(&principal), Ok(()));
        // Nobody gets at the counters for a while.
        let pool = gateway.store.sql().writers.clone();
        let lock = async move {
            let mut locked = pool.begin().await?;
            sqlx::query("LOCK TABLE ledger_windows IN ACCESS EXCLUSIVE MODE").execute(&mut *locked).await?;
            Ok(locked)
        };
        let locked = gateway.store.thread().block(lock).expect("locked");
        let asked: Vec<Result<(), Why>> = (0..8).map(|_| gateway.one(&principal)).collect();
        assert_eq!(asked.iter().filter(|one| one.is_ok()).count(), lent, "{asked:?}");
        let refused = |why: &Why| matches!((why, budgets), (Why::Unavailable, Budgets::UpTo(_)) | (Why::Budget { .. }, Budgets::Open));
        assert!(asked.iter().filter_map(|one| one.as_ref().err()).all(refused), "{asked:?}");
        let unlock = async move { Ok(locked.rollback().await?) };
        gateway.store.thread().block(unlock).expect("unlocked");
        std::thread::sleep(Duration::from_millis(1200));
        let whole = usize::try_from(limit / CENT.0).expect("few");
        assert_eq!(gateway.storm(200, &principal), whole - 1 - lent);
        gateway.writer.flush_blocking(PATIENCE).expect("a database");
        assert_eq!(gateway.counters(), [(limit, 0), (limit, 0)]);
        let report = futures(verify(&gateway.store));
        assert!(report.is_clean(), "{:?}", report.findings);
        gateway.end();
    }
}

/// What a gateway held that died goes back when its lease is over.
#[test]
fn leases_of_the_dead_go_back() {
    let Some(settings) = postgres() else { return };
    let (dead, alive) = (Gateway::start(&settings), Gateway::start(&settings));
    assert_eq!(dead.storm(1, &dead.principal(100 * DOLLAR, Window::DAILY)), 1);
    assert!(alive.counters().iter().all(|(_, leased)| *leased > 0), "{:?}", alive.counters());
    let sql = alive.store.sql().clone();
    let bury = async move {
        // Thirty seconds later.
        sqlx::query("UPDATE gateways SET beat_at = beat_at - 31000000").execute(&sql.writers).await?;
        switchboard_store::lease::bury(&sql).await
    };
    alive.store.thread().block(bury).expect("a database");
    assert!(alive.counters().iter().all(|(_, leased)| *leased == 0), "{:?}", alive.counters());
    drop(dead);
    alive.end();
}

/// A gateway that died and is back lets go of what it had leased, though it is the one that is heard of under that name.
#[test]
fn leases_of_ones_last_life_go_back() {
    let Some(settings) = postgres() else { return };
    let gateway = Gateway::start(&settings);
    let most = 50 * DOLLAR;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let principal = gateway.principal(100 * DOLLAR, Window::DAILY);
    let mut hold = gateway.admission.hold(&principal, ["m"; 2]);
    runtime.block_on(hold.take(("p", "d"), Need { money: NanoUsd(most), ..Need::default() }, NanoUsd::ZERO)).expect("there is so much");
    assert!(gateway.counters().iter().all(|(_, leased)| *leased >= most), "{:?}", gateway.counters());
    let kept = gateway.admission.clone();
    let gateway = gateway.restart(&settings);
    // It asks for more than was free beside its last life's lease.
    let principal = gateway.principal(100 * DOLLAR, Window::DAILY);
    assert_eq!(gateway.storm_of(1, &principal, NanoUsd(99 * DOLLAR)), 1);
    assert_eq!(gateway.counters().iter().map(|(spent, _)| *spent).collect::<Vec<_>>(), [0, 0], "not carried yet");
    drop((hold, kept));
    gateway.end();
}

/// LiteLLM #30522: a request that was cancelled kept its hold. What is granted to a caller who has gone by then goes back at once.
#[test]
fn what_nobody_waits_for_goes_back() {
    let Some(settings) = postgres() else { return };
    let gateway = Gateway::start(&settings);
    let principal = gateway.principal(DOLLAR, Window::DAILY);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..50 {
            let mut hold = gateway.admission.hold(&principal, ["m"; 2]);
            let taking = hold.take(("p", "d"), Need { money: CENT, ..Need::default() }, NanoUsd::ZERO);
            // The caller leaves while the database is asked.
            let left = tokio::time::timeout(Duration::from_micros(fastrand_micros()), taking).await;
            drop(left);
        }
    });
    let patience = std::time::Instant::now() + PATIENCE;
    // What was asked for last may be granted after what was granted before has gone back.
    let mut quiet = 0;
    while quiet < 5 && std::time::Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(50));
        quiet = if gateway.counters().iter().all(|(_, leased)| *leased == 0) { quiet + 1 } else { 0 };
    }
    assert_eq!(quiet, 5, "{:?}", gateway.counters());
    assert_eq!(gateway.storm(200, &principal), 100);
    gateway.end();
}

/// Some time within which a database may or may not answer.
fn fastrand_micros() -> u64 {
    u64::from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos())) % 3000
}
