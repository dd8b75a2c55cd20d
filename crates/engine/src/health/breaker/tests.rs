use super::*;

/// Fails so often in a row.
fn fail(breaker: &mut Breaker, at: u64, times: u32) -> bool {
    (0..times).fold(false, |opened, _| breaker.failed(at, false) || opened)
}

fn open_until(breaker: &Breaker, at: u64) -> u64 {
    let refusal = breaker.refusal(at).expect("open");
    assert_eq!(refusal.why, Why::Open);
    refusal.until
}

#[test]
fn it_opens_after_five_in_a_row_and_not_before() {
    let mut breaker = Breaker::default();
    assert!(!fail(&mut breaker, 1_000, 4));
    assert_eq!(breaker.enter(1_000), Ok(false));
    breaker.succeeded(1_000, false);
    assert!(!fail(&mut breaker, 1_000, 4), "a success ends the run");
    assert!(breaker.failed(1_000, false));
    let until = open_until(&breaker, 1_001);
    assert!((2_000..=2_500).contains(&until), "a second and up to half of it: {until}");
}

#[test]
fn it_opens_when_half_of_twenty_fail() {
    let mut breaker = Breaker::default();
    for number in 0..19 {
        if number % 2 == 0 { assert!(!breaker.failed(number, false)) } else { breaker.succeeded(number, false) }
    }
    assert!(breaker.failed(19, false), "eleven of twenty");
    let mut slow = Breaker::default();
    for number in 0..40 {
        let at = number * 3_000;
        if number % 2 == 0 { assert!(!slow.failed(at, false)) } else { slow.succeeded(at, false) }
    }
}

#[test]
fn a_run_that_chance_explains_does_not_open_it() {
    let mut breaker = Breaker::default();
    for number in 0..300_u64 {
        if number % 3 == 0 { assert!(!breaker.failed(number * 10, false)) } else { breaker.succeeded(number * 10, false) }
    }
    assert!(!fail(&mut breaker, 3_000, 8), "a third fails all the time: eight in a row happen");
    assert!(fail(&mut breaker, 3_001, 8), "sixteen do not");
}

#[test]
fn exactly_one_request_finds_out() {
    let mut breaker = Breaker::default();
    assert!(fail(&mut breaker, 1_000, 5));
    let until = open_until(&breaker, 1_000);
    assert!(breaker.enter(until - 1).is_err());
    assert_eq!(breaker.enter(until), Ok(true));
    for later in 0..100 {
        assert_eq!(breaker.enter(until + later).expect_err("one is enough").why, Why::Probing);
    }
    // It failed: the penalty doubles, and again exactly one goes through.
    assert!(breaker.failed(until + 100, true));
    let next = open_until(&breaker, until + 100);
    assert!((2_000..=3_000).contains(&(next - until - 100)), "{next}");
    assert_eq!(breaker.enter(next), Ok(true));
    breaker.succeeded(next, true);
    assert_eq!(breaker.refusal(next), None, "it comes back");
}

#[test]
fn penalties_double_up_to_a_minute_and_deadlines_only_move_later() {
    let mut breaker = Breaker::default();
    let mut at = 1_000;
    assert!(fail(&mut breaker, at, 5));
    let mut last = 0;
    for penalty in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000] {
        let until = open_until(&breaker, at);
        assert!(until > last, "never earlier than before");
        assert!((penalty..=penalty * 3 / 2).contains(&(until - at)), "{penalty}: {}", until - at);
        // What was sent before it opened changes nothing.
        assert!(!breaker.failed(at + 1, false));
        breaker.succeeded(at + 1, false);
        assert_eq!(open_until(&breaker, at), until);
        last = until;
        at = until;
        assert_eq!(breaker.enter(at), Ok(true));
        assert!(breaker.failed(at, true));
    }
}

#[test]
fn traffic_comes_back_by_and_by() {
    let mut breaker = Breaker::default();
    assert!(fail(&mut breaker, 1_000, 5));
    let back = open_until(&breaker, 1_000);
    assert_eq!(breaker.enter(back), Ok(true));
    breaker.succeeded(back, true);
    let mut share = |at: u64| (0..2_000).filter(|_| breaker.enter(at).is_ok()).count();
    let (first, half) = (share(back), share(back + 5_000));
    assert!((100..=320).contains(&first), "a tenth at once: {first}");
    assert!((850..=1_150).contains(&half), "half of it after half the time: {half}");
    assert_eq!(share(back + 10_000), 2_000);
}

#[test]
fn a_trial_that_tells_nothing_frees_the_place_for_the_next() {
    let mut breaker = Breaker::default();
    assert!(fail(&mut breaker, 1_000, 5));
    let until = open_until(&breaker, 1_000);
    assert_eq!(breaker.enter(until), Ok(true));
    breaker.undecided(until + 5);
    assert_eq!(breaker.enter(until + 5), Ok(true), "the caller who found out left");
    // And one that is never heard of again does not lock it for ever.
    assert!(breaker.enter(until + 6).is_err());
    assert_eq!(breaker.enter(until + 5 + TRIAL), Ok(true));
}

#[test]
fn where_all_are_open_one_may_find_out_early() {
    let mut breaker = Breaker::default();
    assert!(fail(&mut breaker, 1_000, 5));
    assert!(breaker.open_early(1_100));
    assert_eq!(breaker.enter(1_100), Ok(true));
    assert!(!breaker.open_early(1_101), "one is finding out already");
}
