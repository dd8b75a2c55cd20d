//! Admission: exact, all or nothing, and nothing stays behind.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::book::{Book, Clock, HandClock, Hold, Need, Scope};
use crate::clock::Micros;
use crate::principal::Principal;
use crate::terms::{Budget, Level, Limit, Mode, NanoUsd, Refusal, ScopeId, Source, Terms, Unit, Why, Window};

mod model;
mod share;

const NOW: Micros = 1_795_242_000_000_000;
const CENT: NanoUsd = NanoUsd(10_000_000);
const DOLLAR: NanoUsd = NanoUsd(1_000_000_000);

/// Admission without an authority never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("admission waits for nobody here"),
    }
}

fn admission() -> (Admission, Arc<HandClock>) {
    let clock = Arc::new(HandClock::at(NOW));
    (Admission::new(usize::MAX).with_book(Arc::new(Book::new(clock.clone()))), clock)
}

fn key(admission: &Admission, terms: Terms) -> Principal {
    let scope = admission.book().scope(ScopeId::new(Level::Key, "k"), terms);
    Principal { scopes: vec![scope], ..Principal::named("k") }
}

fn budget(limit: NanoUsd, window: Window) -> Terms {
    Terms { budgets: vec![Budget::new(limit, window)], ..Terms::default() }
}

fn money(amount: NanoUsd) -> Need {
    Need { money: amount, ..Need::default() }
}

fn take(admission: &Admission, principal: &Principal, need: Need) -> Result<Hold, Refusal> {
    let mut hold = admission.hold(principal, ["m"; 2]);
    now(hold.take(("p", "d"), need, NanoUsd::ZERO)).map(|()| hold)
}

/// Everything that is counted anywhere, to be compared to the bit.
fn counters(admission: &Admission) -> Vec<(ScopeId, NanoUsd, String)> {
    let mut all: Vec<_> = admission.book().all();
    all.sort_by_key(|scope| scope.order);
    all.iter().map(|scope| (scope.id.clone(), scope.spent(), format!("{:?}", scope.state()))).collect()
}

/// A thousand calls of a cent at once on one dollar: exactly a hundred go ahead, and no nano-dollar more is spent.
#[test]
fn m1_a_hundred_of_a_thousand_simultaneous_calls_fit_in_a_dollar() {
    const THREADS: u32 = 20;
    for round in 0..100 {
        let (admission, _) = admission();
        let team = admission.book().scope(ScopeId::new(Level::Team, "t"), budget(NanoUsd(1_500_000_000), Window::MONTHLY));
        let mut principal = key(&admission, budget(DOLLAR, if round % 2 == 0 { Window::Lifetime } else { Window::DAILY }));
        principal.scopes.push(team.clone());
        let (admitted, barrier) = (AtomicU32::new(0), Barrier::new(THREADS as usize));
        std::thread::scope(|threads| {
            for _ in 0..THREADS {
                threads.spawn(|| {
                    barrier.wait();
                    for _ in 0..1000 / THREADS {
                        if let Ok(mut hold) = take(&admission, &principal, money(CENT)) {
                            admitted.fetch_add(1, Ordering::Relaxed);
                            hold.settle(CENT);
                        }
                    }
                });
            }
        });
        assert_eq!(admitted.load(Ordering::Relaxed), 100, "round {round}");
        assert_eq!((principal.scopes[0].spent(), team.spent()), (DOLLAR, DOLLAR), "round {round}");
    }
}

/// Of calls that hold a cent and spend less, what they did not spend is there for others.
#[test]
fn what_is_held_and_not_spent_comes_back() {
    let (admission, _) = admission();
    let principal = key(&admission, budget(CENT, Window::Lifetime));
    for spent in 0..100 {
        let mut hold = take(&admission, &principal, money(NanoUsd(CENT.0 - 99))).expect("it fits");
        assert!(take(&admission, &principal, money(CENT)).is_err());
        hold.settle(NanoUsd(1));
        drop(hold);
        assert_eq!(principal.scopes[0].spent(), NanoUsd(spent + 1));
    }
    assert!(take(&admission, &principal, money(NanoUsd(CENT.0 - 99))).is_err());
}

/// However a call ends, nothing is held at its end.
#[test]
fn m3_m15_nothing_is_held_for_calls_that_are_gone() {
    let (admission, _) = admission();
    let limits = vec![Limit::parallel(8)];
    let principal = key(&admission, Terms { limits, ..budget(DOLLAR, Window::DAILY) });
    for round in 0..100_000_u32 {
        let hold = take(&admission, &principal, money(NanoUsd(1_000))).expect("it fits");
        match round % 4 {
            0 => drop(hold),
            1 => {
                let mut hold = hold;
                hold.settle(NanoUsd(7));
            }
            2 => {
                let mut hold = hold;
                now(hold.take(("q", "e"), money(NanoUsd(500)), NanoUsd(3))).expect("it fits");
            }
            _ if round % 1000 == 3 => {
                let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                    let _held = hold;
                    std::panic::resume_unwind(Box::new(()));
                }));
                assert!(panicked.is_err());
            }
            _ => std::mem::drop(hold),
        }
    }
    let state = principal.scopes[0].state();
    assert!(state.purses.iter().all(|purse| purse.held == NanoUsd::ZERO), "{state:?}");
    assert!(state.counts.iter().all(|count| count.used == 0), "{state:?}");
    assert_eq!(state.purses[0].spent, NanoUsd(25_000 * 7 + 25_000 * 3));
}

/// A refusal of any kind, at any scope, leaves every counter as it was.
#[test]
fn m14_refusals_change_nothing() {
    let (admission, clock) = admission();
    let book = admission.book();
    let roomy = Terms { limits: vec![Limit::rpm(1_000_000), Limit::tpm(u64::MAX), Limit::parallel(1000)], ..budget(DOLLAR, Window::DAILY) };
    let tight = |terms: Terms, level| book.scope(ScopeId::new(level, "tight"), terms);
    let limit = |unit, amount| Terms { limits: vec![Limit { unit, amount, within: Duration::from_secs(60) }], ..Terms::default() };
    let refusing = [
        tight(budget(CENT, Window::Lifetime), Level::Organization),
        tight(budget(CENT, Window::DAILY), Level::Team),
        tight(limit(Unit::Requests, 0), Level::User),
        tight(limit(Unit::Tokens, 10), Level::Customer),
        tight(limit(Unit::InputTokens, 1), Level::Tag),
        tight(limit(Unit::OutputTokens, 1), Level::Project),
        tight(limit(Unit::Parallel, 0), Level::Workspace),
        tight(
            Terms {
                budgets: vec![Budget { mode: Mode::Soft, ..Budget::new(CENT, Window::MONTHLY) }],
                models: vec!["*".to_owned()],
                ..Terms::default()
            },
            Level::AccessGroup,
        ),
        tight(
            Terms { budgets: vec![Budget { source: Source::Credits, ..Budget::new(CENT, Window::Lifetime) }], ..Terms::default() },
            Level::Key,
        ),
    ];
    for (at, scope) in refusing.iter().enumerate() {
        // Whether the scope that refuses is locked before or after the others must not matter.
        let others = |level| {
            book.scope(
                ScopeId::new(level, format!("roomy {at}")),
                if scope.id.level == Level::AccessGroup { Terms::default() } else { roomy.clone() },
            )
        };
        let principal = Principal { scopes: vec![others(Level::Team), scope.clone(), others(Level::User)], ..Principal::named("k") };
        let need = Need { money: NanoUsd(CENT.0 + 1), input: 8, output: 8, ..Need::default() };
        let before = counters(&admission);
        for _ in 0..10_000 {
            assert!(take(&admission, &principal, need).is_err(), "{scope:?}");
            clock.advance(Duration::from_millis(11));
        }
        assert_eq!(counters(&admission), before, "{scope:?}");
    }
}

/// A thousand requests in a tenth of a second on a limit of a hundred a minute: a hundred, and a hundred again a minute later.
#[test]
fn m12_requests_per_minute_are_exact() {
    let (admission, clock) = admission();
    let principal = key(&admission, Terms { limits: vec![Limit::rpm(100)], ..Terms::default() });
    for _ in 0..3 {
        let admitted = (0..1000).filter(|_| {
            clock.advance(Duration::from_micros(100));
            take(&admission, &principal, Need::default()).is_ok()
        });
        assert_eq!(admitted.count(), 100);
        let Err(Refusal { why: Why::Limit { remaining: 0, retry_after, .. }, .. }) = take(&admission, &principal, Need::default()) else {
            panic!("the limit holds")
        };
        clock.advance(retry_after - Duration::from_micros(1));
        assert!(take(&admission, &principal, Need::default()).is_err());
        clock.advance(Duration::from_micros(1));
    }
}

/// What calls reserve of a minute's tokens never exceeds the limit, and what they did not use is used by others.
#[test]
fn m13_tokens_per_minute_are_exact_and_used_up() {
    let (admission, clock) = admission();
    let principal = key(&admission, Terms { limits: vec![Limit::tpm(10_000)], ..Terms::default() });
    let (mut in_all, minutes) = (0, 10);
    for _ in 0..minutes {
        let mut used = 0;
        loop {
            let Ok(mut hold) = take(&admission, &principal, Need { input: 100, output: 200, ..Need::default() }) else { break };
            assert!(used + 300 <= 10_000, "{used}");
            hold.used(80, 20);
            used += 100;
        }
        in_all += used;
        clock.advance(Duration::from_secs(60));
    }
    assert!(in_all <= minutes * 10_000 && in_all * 100 >= minutes * 10_000 * 97, "{in_all}");
}

/// Tokens of a call that ends in the next window are not taken from that window.
#[test]
fn a_call_over_a_window_s_end_corrects_the_window_it_began_in() {
    let (admission, clock) = admission();
    let principal = key(&admission, Terms { limits: vec![Limit::tpm(1_000), Limit::parallel(2)], ..budget(DOLLAR, Window::Seconds(60)) });
    let mut hold = take(&admission, &principal, Need { money: CENT, input: 500, output: 500, ..Need::default() }).expect("it fits");
    clock.advance(Duration::from_secs(61));
    let other = take(&admission, &principal, Need { money: CENT, input: 500, output: 400, ..Need::default() }).expect("a new window");
    hold.used(1, 1);
    hold.settle(CENT);
    drop(hold);
    let state = principal.scopes[0].state().clone();
    assert_eq!(state.counts.iter().find(|count| count.unit == Unit::Tokens).map(|count| count.used), Some(900));
    assert_eq!(state.counts.iter().find(|count| count.unit == Unit::Parallel).map(|count| count.used), Some(1));
    assert_eq!((state.purses[0].held, state.purses[0].spent), (CENT, NanoUsd::ZERO));
    drop(other);
}

/// Five hundred windows of two seconds: each is opened once, with all its money, at its time.
#[test]
fn m11_windows_open_once_and_in_time() {
    let (admission, clock) = admission();
    let principal = key(&admission, budget(CENT, Window::Seconds(2)));
    for _ in 0..500 {
        for call in 0..20 {
            match take(&admission, &principal, money(NanoUsd(CENT.0 / 10))) {
                Ok(mut hold) => {
                    assert!(call < 10);
                    hold.settle(NanoUsd(CENT.0 / 10));
                }
                Err(Refusal { why: Why::Budget { resets_at: Some(at), spent, .. }, .. }) => {
                    assert!(call >= 10);
                    assert_eq!((at.rem_euclid(2_000_000), spent), (0, CENT));
                }
                Err(other) => panic!("{other:?}"),
            }
            clock.advance(Duration::from_millis(100));
        }
    }
    assert_eq!(principal.scopes[0].spent(), NanoUsd(500 * CENT.0));
}

/// New terms hold at once, and for what was spent before them.
#[test]
fn terms_change_under_calls_that_are_under_way() {
    let (admission, _) = admission();
    let principal = key(&admission, Terms::default());
    let mut before = take(&admission, &principal, money(CENT)).expect("nothing is limited");
    key(&admission, budget(NanoUsd(2 * CENT.0), Window::Lifetime));
    before.settle(CENT);
    drop(before);
    let held = take(&admission, &principal, money(CENT)).expect("a cent is left");
    assert!(take(&admission, &principal, money(CENT)).is_err());
    key(&admission, Terms::default());
    drop(held);
    key(&admission, budget(NanoUsd(2 * CENT.0), Window::Lifetime));
    assert!(take(&admission, &principal, money(CENT)).is_ok(), "nothing is held for a call that is gone");
}

/// Where nothing was limited when a window ended, nobody has opened the next one before something is spent in it.
#[test]
fn what_is_spent_in_a_window_that_nobody_opened_counts_in_it() {
    let minute = Window::Seconds(60);
    let (admission, clock) = admission();
    let principal = key(&admission, budget(NanoUsd(2 * CENT.0), minute));
    drop(take(&admission, &principal, money(CENT)).expect("it fits"));
    key(&admission, Terms::default());
    clock.advance(Duration::from_secs(60));
    let mut unlimited = take(&admission, &principal, money(CENT)).expect("nothing is limited");
    key(&admission, budget(NanoUsd(2 * CENT.0), minute));
    unlimited.settle(CENT);
    assert!(take(&admission, &principal, money(NanoUsd(2 * CENT.0))).is_err(), "a cent of this window is spent");

    let counted = admission.book().scope(ScopeId::new(Level::Team, "t"), budget(NanoUsd(2 * CENT.0), minute));
    let member = Principal { scopes: vec![counted.clone()], ..Principal::named("member") };
    let master = Principal { counted: vec![counted], ..Principal::named("master") };
    clock.advance(Duration::from_secs(60));
    take(&admission, &master, money(CENT)).expect("it is only counted").settle(CENT);
    assert!(take(&admission, &member, money(NanoUsd(2 * CENT.0))).is_err(), "what is only counted is spent too");
}

/// A target's budget is the next attempt's no longer; the caller's hold follows the price.
#[test]
fn a_fallback_takes_its_own_price_in_one_step() {
    let (admission, _) = admission();
    let book = admission.book();
    let principal = key(&admission, budget(NanoUsd(10 * CENT.0), Window::Lifetime));
    let provider = book.scope(ScopeId::new(Level::Provider, "p"), budget(NanoUsd(8 * CENT.0), Window::DAILY));
    let mut hold = admission.hold(&principal, ["m"; 2]);
    now(hold.take(("p", "d"), money(NanoUsd(8 * CENT.0)), NanoUsd::ZERO)).expect("it fits");
    assert!(
        now(admission.hold(&principal, ["m"; 2]).take(("p", "d"), money(CENT), NanoUsd::ZERO)).is_err(),
        "the provider's budget is held"
    );
    // Eight held and nine wanted is seventeen, but the eight come back in the same step, a cent of them spent.
    now(hold.take(("q", "e"), money(NanoUsd(9 * CENT.0)), CENT)).expect("it fits");
    assert!(now(hold.take(("q", "e"), money(NanoUsd(10 * CENT.0)), NanoUsd::ZERO)).is_err());
    assert_eq!(provider.state().purses[0].held, NanoUsd::ZERO);
    assert_eq!(provider.spent(), CENT);
    hold.settle(NanoUsd(2 * CENT.0));
    drop(hold);
    assert_eq!((provider.spent(), principal.scopes[0].spent()), (CENT, NanoUsd(3 * CENT.0)));
}

#[test]
fn whose_prompts_may_be_counted_is_told_once_there_is_somebody() {
    let book = Book::default();
    let is_told = || pin!(book.will_count()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    let of = |id: &str| ScopeId::new(Level::Key, id);
    book.scope(of("a"), Terms::default());
    book.scope(of("b"), Terms { limits: vec![Limit::rpm(1), Limit::parallel(1)], ..Terms::default() });
    assert!(!is_told());
    for (id, terms) in [
        ("c", Terms { limits: vec![Limit::tpm(1)], ..Terms::default() }),
        ("a", Terms { budgets: vec![Budget::new(DOLLAR, Window::Lifetime)], ..Terms::default() }),
    ] {
        book.scope(of(id), terms);
        assert!(is_told() && !is_told(), "{id}");
    }
}
