//! Limits that gateways share: together they never exceed them, and use them up.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;
use crate::book::port::{Later, Outage};
use crate::book::share::{Company, Draw, Drawn, Pool, Shares, Surplus, Without};

/// What Redis does, in memory: windows by a clock of its own, and places by gateway.
struct Common {
    clock: Arc<HandClock>,
    windows: Mutex<Vec<(Pool, Micros, u64)>>,
    places: Mutex<Vec<(Pool, Vec<u64>)>>,
    is_up: AtomicBool,
}

/// One gateway's way there.
struct Member {
    common: Arc<Common>,
    book: Arc<Book>,
    rank: usize,
    gateways: usize,
    without: Without,
}

impl Common {
    fn draw(&self, rank: usize, gateways: usize, draw: &Draw) -> Drawn {
        let now = self.clock.now();
        let slice = |taken: u64| {
            let Some(limit) = draw.limit else { return draw.least };
            let rest = limit.saturating_sub(taken);
            if draw.least <= rest { draw.least + (rest - draw.least) / (4 * gateways as u64) } else { 0 }
        };
        if draw.pool.unit == Unit::Parallel {
            let mut places = self.places.lock().unwrap();
            if !places.iter().any(|(pool, _)| *pool == draw.pool) {
                places.push((draw.pool.clone(), vec![0; gateways]));
            }
            let held = &mut places.iter_mut().find(|(pool, _)| *pool == draw.pool).unwrap().1;
            let granted = slice(held.iter().sum());
            held[rank] += granted;
            return Drawn { granted, taken: held.iter().sum(), window: 1, left: 0 };
        }
        let mut windows = self.windows.lock().unwrap();
        windows.retain(|(pool, opened, _)| *pool != draw.pool || now < opened + pool.within);
        let at = windows.iter().position(|(pool, ..)| *pool == draw.pool).unwrap_or_else(|| {
            windows.push((draw.pool.clone(), now, 0));
            windows.len() - 1
        });
        let (pool, opened, taken) = &mut windows[at];
        let granted = slice(*taken);
        *taken += granted;
        Drawn { granted, taken: *taken, window: *opened, left: *opened + pool.within - now }
    }

    fn back(&self, rank: usize, surplus: &Surplus) {
        if surplus.pool.unit == Unit::Parallel {
            let mut places = self.places.lock().unwrap();
            let held = &mut places.iter_mut().find(|(pool, _)| *pool == surplus.pool).unwrap().1[rank];
            *held = held.checked_sub(surplus.amount).expect("only what is held goes back");
        } else if let Some(window) =
            self.windows.lock().unwrap().iter_mut().find(|(pool, opened, _)| *pool == surplus.pool && *opened == surplus.window)
        {
            window.2 = window.2.checked_sub(surplus.amount).expect("only what was drawn goes back");
        }
    }
}

impl Shares for Member {
    fn company(&self) -> Company {
        let (gateways, rank) = (self.gateways as u64, self.rank as u64);
        Company { is_up: self.common.is_up.load(Ordering::Relaxed), gateways, rank, without: self.without }
    }

    fn draw(&self, draws: Vec<Draw>) -> Later<'_, Result<Vec<Drawn>, Outage>> {
        Box::pin(async move {
            if !self.common.is_up.load(Ordering::Relaxed) {
                return Err(Outage);
            }
            let drawn: Vec<Drawn> = draws.iter().map(|draw| self.common.draw(self.rank, self.gateways, draw)).collect();
            draws.iter().zip(&drawn).for_each(|(draw, drawn)| self.book.receive(draw, drawn));
            Ok(drawn)
        })
    }

    fn give_back(&self, surplus: Vec<Surplus>) {
        surplus.iter().for_each(|surplus| self.common.back(self.rank, surplus));
    }
}

/// So many gateways with the same key.
struct Fleet {
    common: Arc<Common>,
    members: Vec<(Admission, Principal)>,
}

impl Fleet {
    fn new(gateways: usize, without: Without, limits: &[Limit]) -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let is_up = AtomicBool::new(true);
        let common = Arc::new(Common { clock: clock.clone(), windows: Mutex::default(), places: Mutex::default(), is_up });
        let member = |rank| {
            let book = Arc::new(Book::new(clock.clone()));
            let shares = Arc::new(Member { common: common.clone(), book: book.clone(), rank, gateways, without });
            let admission = Admission::new(usize::MAX).with_book(book).with_shares(shares);
            let principal = key(&admission, Terms { limits: limits.to_vec(), ..Terms::default() });
            (admission, principal)
        };
        let members = (0..gateways).map(member).collect();
        Self { common, members }
    }

    fn take(&self, gateway: usize, need: Need) -> Result<Hold, Refusal> {
        let (admission, principal) = &self.members[gateway];
        take(admission, principal, need)
    }

    fn up(&self, up: bool) {
        for (rank, (admission, _)) in self.members.iter().enumerate().filter(|_| up) {
            for draw in admission.book().debts() {
                admission.book().receive(&draw, &self.common.draw(rank, self.members.len(), &draw));
            }
        }
        self.common.is_up.store(up, Ordering::Relaxed);
    }

    /// What is idle goes back.
    fn tend(&self) {
        for (rank, (admission, _)) in self.members.iter().enumerate() {
            admission.book().tend().0.iter().for_each(|surplus| self.common.back(rank, surplus));
        }
    }

    fn later(&self, by: Duration) {
        self.common.clock.advance(by);
    }
}

fn tokens(input: u64, output: u64) -> Need {
    Need { money: NanoUsd::ZERO, input, output, ..Need::default() }
}

#[test]
fn m12_a_burst_over_three_gateways_is_exact() {
    let fleet = Fleet::new(3, Without::Share, &[Limit::rpm(100)]);
    for _ in 0..3 {
        let admitted = (0..1000).filter(|at| {
            fleet.later(Duration::from_micros(100));
            fleet.take(at % 3, Need::default()).is_ok()
        });
        assert_eq!(admitted.count(), 100);
        fleet.later(Duration::from_secs(60));
    }
}

#[test]
fn what_one_gateway_does_not_use_another_does() {
    let fleet = Fleet::new(4, Without::Share, &[Limit::rpm(100)]);
    let mut admitted: usize = (1..4).map(|gateway| usize::from(fleet.take(gateway, Need::default()).is_ok())).sum();
    let ask = || (0..200).filter(|_| fleet.take(0, Need::default()).is_ok()).count();
    admitted += ask();
    assert!((70..100).contains(&admitted), "the others have slices: {admitted}");
    fleet.tend();
    fleet.tend();
    fleet.later(Duration::from_millis(101));
    admitted += ask();
    assert_eq!(admitted, 100);
}

#[test]
fn requests_ask_nobody_while_a_slice_lasts() {
    let fleet = Fleet::new(2, Without::Closed, &[Limit::rpm(1_000)]);
    fleet.take(0, Need::default()).expect("it fits");
    let taken = || fleet.common.windows.lock().unwrap()[0].2;
    let before = taken();
    assert!(before > 100, "{before}");
    (0..100).for_each(|_| drop(fleet.take(0, Need::default()).expect("it fits")));
    assert_eq!(taken(), before);
}

#[test]
fn places_are_shared_and_come_back_at_once() {
    let fleet = Fleet::new(2, Without::Share, &[Limit::parallel(3)]);
    for _ in 0..1000 {
        let held: Vec<Hold> = (0..9).filter_map(|at| fleet.take(at % 2, Need::default()).ok()).collect();
        assert_eq!(held.len(), 3);
        drop(held);
        fleet.later(Duration::from_millis(3));
        let one: Vec<Hold> = (0..9).filter_map(|_| fleet.take(1, Need::default()).ok()).collect();
        assert_eq!(one.len(), 3, "nobody keeps a place of which there are few");
        fleet.later(Duration::from_millis(5));
    }
    fleet.tend();
    fleet.tend();
    assert_eq!(fleet.common.places.lock().unwrap()[0].1, [0, 0]);
}

#[test]
fn tokens_that_are_not_used_are_used_by_others() {
    let fleet = Fleet::new(3, Without::Share, &[Limit::tpm(10_000)]);
    let mut used = 0;
    for at in 0..400 {
        if let Ok(mut hold) = fleet.take(at % 3, tokens(100, 200)) {
            hold.used(80, 20);
            used += 100;
        }
        fleet.later(Duration::from_millis(101));
        fleet.tend();
    }
    assert!((9_700..=10_000).contains(&used), "{used}");
}

/// Without Redis: each keeps to its part, all parts are the whole, and what was used is told when it is back.
#[test]
fn alone_each_gateway_keeps_to_its_part() {
    for (gateways, limit) in [(1, 100), (3, 100), (7, 5)] {
        let fleet = Fleet::new(gateways, Without::Share, &[Limit::rpm(limit)]);
        fleet.up(false);
        let burst = || (0..3000).filter(|at| fleet.take(at % gateways, Need::default()).is_ok()).count() as u64;
        assert_eq!(burst(), limit);
        fleet.up(true);
        assert_eq!(burst(), 0, "what was used alone is used");
        fleet.later(Duration::from_secs(60));
        assert_eq!(burst(), limit);
        fleet.up(false);
        assert_eq!(burst(), 0, "nothing was left when it went");
        fleet.later(Duration::from_secs(60));
        assert_eq!(burst(), limit);
    }
}

#[test]
fn an_operator_may_have_it_otherwise() {
    let fleet = Fleet::new(2, Without::Open, &[Limit::rpm(1)]);
    fleet.up(false);
    assert!((0..10).all(|_| fleet.take(0, Need::default()).is_ok()));
    let fleet = Fleet::new(2, Without::Closed, &[Limit::rpm(100)]);
    fleet.up(false);
    let refused: crate::error::Error = fleet.take(0, Need::default()).expect_err("nobody can be asked").into();
    assert_eq!((refused.problem.status().as_u16(), refused.problem.code.as_deref()), (503, Some("limit_store_unavailable")));
}

proptest! {
    /// Whatever gateways do, and whenever they lose each other: in no window do they admit more than the limit, and what they lose
    /// by that is bounded.
    #[test]
    fn together_they_never_exceed_a_limit(steps in prop::collection::vec((0_usize..3, 0_u8..20, 1_u64..60), 1..400)) {
        let limit = 100;
        let fleet = Fleet::new(3, Without::Share, &[Limit::tpm(limit), Limit::parallel(4)]);
        let mut held: Vec<Hold> = Vec::new();
        let mut admitted: Vec<(Micros, u64)> = Vec::new();
        for (gateway, what, size) in steps {
            match what {
                0..12 => {
                    if let Ok(hold) = fleet.take(gateway, tokens(size, 0)) {
                        admitted.push((fleet.common.clock.now(), size));
                        held.push(hold);
                    }
                }
                12..16 if !held.is_empty() => {
                    let mut hold = held.swap_remove(size as usize % held.len());
                    // All of it is used: what counts here is what was admitted.
                    let need = hold.need().input;
                    hold.used(need, 0);
                }
                12..17 => fleet.tend(),
                _ => fleet.later(Duration::from_millis(size * 100)),
            }
            prop_assert!(held.len() <= 4);
            let windows = fleet.common.windows.lock().unwrap();
            if let Some((_, opened, taken)) = windows.iter().find(|(pool, ..)| pool.unit == Unit::Tokens) {
                prop_assert!(*taken <= limit);
                let within = admitted.iter().filter(|(at, _)| at >= opened && *at < opened + 60_000_000);
                prop_assert!(within.map(|(_, size)| size).sum::<u64>() <= limit);
            }
        }
        drop(held);
        fleet.tend();
        fleet.tend();
        prop_assert!(fleet.common.places.lock().unwrap().iter().all(|(_, places)| places.iter().all(|held| *held == 0)));
    }
}
