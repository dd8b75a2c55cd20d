//! M7: random histories of admission against a model that is too simple to be wrong: lists of what happened, summed anew each time.

use proptest::prelude::*;

use super::*;

const SCOPES: usize = 5;
/// Two keys, two teams, the whole.
const NAMES: [(Level, &str); SCOPES] = [(Level::Key, "a"), (Level::Key, "b"), (Level::Team, "x"), (Level::Team, "y"), (Level::Proxy, "p")];
/// Who calls: key, team; the whole is in every call.
const CALLERS: [[usize; 3]; 3] = [[0, 2, 4], [1, 2, 4], [1, 3, 4]];
const WINDOWS: [Window; 3] = [Window::Lifetime, Window::Seconds(30), Window::DAILY];

#[derive(Clone, Debug)]
enum Step {
    Take { caller: usize, money: i64, tokens: u64 },
    Again { call: usize, money: i64, settled: i64 },
    Settle { call: usize, cost: i64 },
    End { call: usize, cost: i64, tokens: u64 },
    Wait { seconds: u64 },
    Terms { scope: usize, budget: Option<(i64, usize)>, rpm: Option<u64>, tpm: Option<u64>, parallel: Option<u64> },
}

fn step() -> impl Strategy<Value = Step> {
    let maybe = |most: u64| proptest::option::weighted(0.3, 0..most);
    prop_oneof![
        6 => (0..3_usize, 0..60_i64, 0..40_u64).prop_map(|(caller, money, tokens)| Step::Take { caller, money, tokens }),
        2 => (any::<usize>(), 0..60_i64, 0..40_i64).prop_map(|(call, money, settled)| Step::Again { call, money, settled }),
        1 => (any::<usize>(), 0..60_i64).prop_map(|(call, cost)| Step::Settle { call, cost }),
        4 => (any::<usize>(), 0..60_i64, 0..40_u64).prop_map(|(call, cost, tokens)| Step::End { call, cost, tokens }),
        2 => (0..40_u64).prop_map(|seconds| Step::Wait { seconds }),
        2 => (0..SCOPES, proptest::option::weighted(0.7, (0..300_i64, 0..3_usize)), maybe(8), maybe(150), maybe(4))
            .prop_map(|(scope, budget, rpm, tpm, parallel)| Step::Terms { scope, budget, rpm, tpm, parallel }),
    ]
}

/// A call under way, as the model knows it.
struct Live {
    hold: Hold,
    scopes: [usize; 3],
    /// When it was admitted, and which limits it was counted by.
    admitted: Micros,
    counted: Vec<(usize, Unit)>,
    tokens: u64,
    /// When its money was taken, how much, and in which windows of which scopes it is held.
    booked: Micros,
    money: i64,
    held: Vec<(usize, Window)>,
}

#[derive(Default)]
struct Model {
    terms: Vec<Terms>,
    /// The windows of each scope, and how much of what was spent came before anybody counted it.
    windows: Vec<(usize, Window, usize)>,
    /// Scope, time of booking, amount.
    spent: Vec<(usize, Micros, i64)>,
    /// Scope, unit, the time its window opened, what is used.
    counts: Vec<(usize, Unit, Micros, u64)>,
}

impl Model {
    fn spent(&self, scope: usize, window: Window, at: Micros) -> i64 {
        let start = window.start(at);
        let made = self.windows.iter().find(|(other, kind, _)| (*other, *kind) == (scope, window));
        let since = made.map_or(0, |(.., since)| if window == Window::Lifetime { 0 } else { *since });
        self.spent[since..]
            .iter()
            .filter(|(other, when, _)| *other == scope && window.start(*when) == start)
            .map(|(.., amount)| amount)
            .sum()
    }

    fn held(live: &[Live], scope: usize, window: Window, at: Micros) -> i64 {
        let start = window.start(at);
        let here =
            |call: &&Live| call.held.iter().any(|(other, kind)| (*other, *kind) == (scope, window)) && window.start(call.booked) == start;
        live.iter().filter(here).map(|call| call.money).sum()
    }

    fn used(&mut self, scope: usize, unit: Unit, now: Micros) -> &mut (usize, Unit, Micros, u64) {
        let at = match self.counts.iter().position(|count| (count.0, count.1) == (scope, unit)) {
            Some(at) => at,
            None => {
                self.counts.push((scope, unit, Micros::MIN / 2, 0));
                self.counts.len() - 1
            }
        };
        let count = &mut self.counts[at];
        if unit != Unit::Parallel && now >= count.2.saturating_add(60_000_000) {
            *count = (scope, unit, now, 0);
        }
        count
    }

    /// Whether a call fits, by the lists alone. `own` is the call that asks again, which gives back what it holds.
    fn fits(&self, (live, now): (&[Live], Micros), scopes: [usize; 3], need: &Need, own: Option<(usize, i64)>) -> bool {
        for scope in scopes {
            for budget in self.terms[scope].budgets.clone() {
                let mut spent = self.spent(scope, budget.window, now);
                let mut held = Self::held(live, scope, budget.window, now);
                if let Some((call, settled)) = own {
                    let same = budget.window.start(live[call].booked) == budget.window.start(now);
                    let holds = live[call].held.iter().any(|(other, kind)| (*other, *kind) == (scope, budget.window));
                    held -= if same && holds { live[call].money } else { 0 };
                    spent += if same { settled } else { 0 };
                }
                let fits = spent + held + need.money.0 <= budget.limit.0 && (need.money.0 > 0 || spent + held < budget.limit.0);
                if !fits {
                    return false;
                }
            }
            if own.is_none() {
                for limit in self.terms[scope].limits.clone() {
                    let used = self.counts.iter().find(|count| (count.0, count.1) == (scope, limit.unit));
                    let used = used
                        .filter(|count| limit.unit == Unit::Parallel || now < count.2.saturating_add(60_000_000))
                        .map_or(0, |count| count.3);
                    if used + need.of(limit.unit) > limit.amount {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn windows_of(&self, scope: usize) -> Vec<(usize, Window)> {
        // A scope that limits nothing holds nothing.
        if self.terms[scope].are_empty() {
            return Vec::new();
        }
        self.windows.iter().filter(|(other, ..)| *other == scope).map(|(_, window, _)| (scope, *window)).collect()
    }
}

struct Run {
    admission: Admission,
    clock: Arc<HandClock>,
    scopes: Vec<Arc<Scope>>,
    callers: Vec<Principal>,
    model: Model,
    live: Vec<Live>,
}

impl Run {
    fn new() -> Self {
        let (admission, clock) = admission();
        let scopes: Vec<_> =
            NAMES.iter().map(|(level, name)| admission.book().scope(ScopeId::new(*level, *name), Terms::default())).collect();
        let callers = CALLERS
            .iter()
            .map(|own| Principal { scopes: own[..2].iter().map(|at| scopes[*at].clone()).collect(), ..Principal::named("k") });
        let callers = callers.collect();
        let model = Model { terms: vec![Terms::default(); SCOPES], ..Model::default() };
        Self { admission, clock, scopes, callers, model, live: Vec::new() }
    }

    fn step(&mut self, step: Step) {
        let now_at = self.clock.now();
        match step {
            Step::Take { caller, money, tokens } => {
                let need = Need { money: NanoUsd(money), input: tokens, output: 0, ..Need::default() };
                let scopes = CALLERS[caller];
                let fits = self.model.fits((&self.live, now_at), scopes, &need, None);
                let before = counters(&self.admission);
                let taken = take(&self.admission, &self.callers[caller], need);
                assert_eq!(taken.is_ok(), fits, "{taken:?}");
                let Ok(hold) = taken else {
                    assert_eq!(counters(&self.admission), before, "I8: a refusal changed something");
                    return;
                };
                let mut counted = Vec::new();
                for scope in scopes {
                    for limit in self.model.terms[scope].limits.clone() {
                        self.model.used(scope, limit.unit, now_at).3 += need.of(limit.unit);
                        counted.push((scope, limit.unit));
                    }
                }
                let held = scopes.iter().flat_map(|scope| self.model.windows_of(*scope)).collect();
                self.live.push(Live { hold, scopes, admitted: now_at, counted, tokens, booked: now_at, money, held });
            }
            Step::Again { call, money, settled } if !self.live.is_empty() => self.again(call % self.live.len(), money, settled),
            Step::Settle { call, cost } if !self.live.is_empty() => {
                let call = call % self.live.len();
                self.live[call].hold.settle(NanoUsd(cost));
                self.spend(call, cost);
                self.live[call].money = 0;
            }
            Step::End { call, cost, tokens } if !self.live.is_empty() => self.end(call % self.live.len(), cost, tokens),
            Step::Wait { seconds } => self.clock.advance(Duration::from_secs(seconds)),
            Step::Terms { scope, budget, rpm, tpm, parallel } => self.terms(scope, budget, [rpm, tpm, parallel]),
            Step::Again { .. } | Step::Settle { .. } | Step::End { .. } => {}
        }
    }

    fn spend(&mut self, call: usize, cost: i64) {
        let booked = self.live[call].booked;
        for scope in self.live[call].scopes {
            self.model.spent.push((scope, booked, cost));
        }
    }

    fn again(&mut self, call: usize, money: i64, settled: i64) {
        let now_at = self.clock.now();
        let need = Need { money: NanoUsd(money), ..Need::default() };
        let fits = self.model.fits((&self.live, now_at), self.live[call].scopes, &need, Some((call, settled)));
        let taken = now(self.live[call].hold.take(("p", "d"), need, NanoUsd(settled)));
        assert_eq!(taken.is_ok(), fits, "{taken:?}");
        if fits {
            self.spend(call, settled);
            let held = self.live[call].scopes.iter().flat_map(|scope| self.model.windows_of(*scope)).collect();
            let live = &mut self.live[call];
            (live.booked, live.money, live.held) = (now_at, money, held);
        }
    }

    fn end(&mut self, call: usize, cost: i64, tokens: u64) {
        self.spend(call, cost);
        let mut live = self.live.swap_remove(call);
        live.hold.used(tokens, 0);
        live.hold.settle(NanoUsd(cost));
        for (scope, unit) in &live.counted {
            let Some(count) = self.model.counts.iter_mut().find(|count| (count.0, count.1) == (*scope, *unit)) else { continue };
            if count.2 > live.admitted {
                continue;
            }
            match unit {
                Unit::Parallel => count.3 -= 1,
                Unit::Requests => {}
                _ => count.3 = count.3 - live.tokens + tokens,
            }
        }
        drop(live.hold);
    }

    fn terms(&mut self, scope: usize, budget: Option<(i64, usize)>, [rpm, tpm, parallel]: [Option<u64>; 3]) {
        let budgets: Vec<_> = budget.into_iter().map(|(limit, window)| Budget::new(NanoUsd(limit), WINDOWS[window])).collect();
        let limits = [rpm.map(Limit::rpm), tpm.map(Limit::tpm), parallel.map(Limit::parallel)].into_iter().flatten().collect::<Vec<_>>();
        let terms = Terms { budgets, limits, ..Terms::default() };
        let (level, name) = NAMES[scope];
        self.admission.book().scope(ScopeId::new(level, name), terms.clone());
        for budget in &terms.budgets {
            if !self.model.windows.iter().any(|(other, window, _)| (*other, *window) == (scope, budget.window)) {
                self.model.windows.push((scope, budget.window, self.model.spent.len()));
            }
        }
        // A limit that is taken away forgets what it counted.
        let kept = |unit: Unit| terms.limits.iter().any(|limit| limit.unit == unit);
        self.model.counts.retain(|(other, unit, ..)| *other != scope || kept(*unit));
        for live in &mut self.live {
            live.counted.retain(|(other, unit)| *other != scope || kept(*unit));
        }
        self.model.terms[scope] = terms;
    }

    /// I2, I3, I4, I10, I12: after every step.
    fn check(&self) {
        for (at, scope) in self.scopes.iter().enumerate() {
            let state = scope.state();
            let all: i64 = self.model.spent.iter().filter(|(other, ..)| *other == at).map(|(.., amount)| amount).sum();
            assert_eq!(scope.spent(), NanoUsd(all), "I4 {scope:?}");
            for purse in &state.purses {
                let held = Model::held(&self.live, at, purse.window, purse.start);
                assert!(purse.held.0 >= 0, "I2 {scope:?}");
                assert_eq!(purse.held, NanoUsd(held), "I7 {scope:?} {purse:?}");
            }
            for count in state.counts.iter().filter(|count| count.unit == Unit::Parallel) {
                let live = self.live.iter().filter(|live| live.counted.contains(&(at, Unit::Parallel))).count();
                assert_eq!(count.used, live as u64, "I12 {scope:?}");
            }
        }
        let sum = |scopes: [usize; 2]| NanoUsd(scopes.iter().map(|at| self.scopes[*at].spent().0).sum());
        assert_eq!(self.scopes[4].spent(), sum([0, 1]), "I10");
        assert_eq!(self.scopes[4].spent(), sum([2, 3]), "I10");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn m7_admission_is_what_the_model_says(steps in proptest::collection::vec(step(), 1..60)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
            run.check();
        }
        run.live.clear();
        for scope in &run.scopes {
            let state = scope.state();
            assert!(state.purses.iter().all(|purse| purse.held == NanoUsd::ZERO), "I7 {state:?}");
            assert!(state.counts.iter().all(|count| count.unit != Unit::Parallel || count.used == 0), "I12 {state:?}");
        }
    }
}

/// A few thousand here; `PROPTEST_CASES=100000` asks for more.
fn cases() -> u32 {
    ProptestConfig::default().cases.max(2_000)
}
