//! Shares, estimates and shifts, by seeds that are said.

use std::sync::Arc;

use fastrand::Rng;

use super::posterior::Tally;
use super::shift::{Goal, Policy};
use super::{Arm, Experiment, Running, Sticky};

fn experiment(weights: &[f64]) -> Arc<Experiment> {
    let arm = |(place, weight): (usize, &f64)| Arm {
        name: Arc::from(format!("arm{place}")),
        model: format!("m{place}"),
        weight: *weight,
        params: Vec::new(),
    };
    Arc::new(Experiment {
        name: "e".to_owned(),
        model: "m".to_owned(),
        arms: weights.iter().enumerate().map(arm).collect(),
        sticky: vec![Sticky::User],
        traffic: 1.0,
        shadows: Vec::new(),
        policy: None,
    })
}

/// The share of each arm among so many people.
#[expect(clippy::cast_precision_loss, reason = "counts of a test")]
fn shares(running: &Running, people: usize) -> (Vec<f64>, f64) {
    let (mut counts, mut counted) = (vec![0_usize; running.shares.len()], 0);
    for person in 0..people {
        let draw = running.draw_for(&format!("person-{person}"));
        counts[draw.arm] += 1;
        counted += usize::from(draw.counts);
    }
    (counts.into_iter().map(|count| count as f64 / people as f64).collect(), counted as f64 / people as f64)
}

#[test]
fn shares_are_as_said_within_three_percent() {
    for weights in [vec![1.0, 1.0], vec![0.9, 0.1], vec![5.0, 3.0, 2.0], vec![0.05, 0.05, 0.2, 0.7], vec![1.0, 0.0]] {
        let running = Running::begin(experiment(&weights));
        let (found, counted) = shares(&running, 20_000);
        for (found, said) in found.iter().zip(&running.shares) {
            assert!((found - said).abs() < 0.03, "{weights:?}: {found} for {said}");
        }
        assert!((counted - 1.0).abs() < f64::EPSILON);
    }
}

#[test]
fn only_those_who_must_change_their_arm_do() {
    let mut running = Running::begin(experiment(&[1.0, 1.0]));
    let before: Vec<usize> = (0..20_000).map(|person| running.draw_for(&format!("p{person}")).arm).collect();
    running.shares = vec![0.4, 0.6];
    let after: Vec<usize> = (0..20_000).map(|person| running.draw_for(&format!("p{person}")).arm).collect();
    let moved: Vec<_> = before.iter().zip(&after).filter(|(one, other)| one != other).collect();
    assert!(moved.iter().all(|(one, other)| (**one, **other) == (0, 1)), "all moved to the arm that grew");
    assert!((1_700..2_300).contains(&moved.len()), "{} of 20,000 moved where a tenth must", moved.len());
}

#[test]
fn some_take_part_and_the_rest_stays_where_it_was() {
    let base = experiment(&[1.0, 1.0]);
    let running = Running::begin(Arc::new(Experiment { traffic: 0.2, ..(*base).clone() }));
    let (found, counted) = shares(&running, 20_000);
    assert!((counted - 0.2).abs() < 0.03 && (found[1] - 0.1).abs() < 0.03, "{found:?} {counted}");
    let ended = Running { shares: vec![0.2, 0.8], counts: false, ..running };
    assert_eq!(shares(&ended, 100), (vec![0.0, 1.0], 0.0));
}

/// An arm with ratings of that mean, at that price in nano-dollars.
fn tally(requests: i64, quality: f64, price: i64) -> Tally {
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "counts of a test")]
    let rewards = (requests as f64 * quality * 10_000.0) as i64;
    let micros = price / 1000;
    Tally {
        requests,
        spend: price * requests,
        spend_squares: micros * micros * requests,
        timed: requests,
        latency: 100 * requests,
        latency_squares: 10_000 * requests,
        rated: requests,
        rewards,
        reward_squares: rewards * 10_000,
        ..Tally::default()
    }
}

#[test]
fn intervals_hold_the_truth_and_shrink() {
    let (few, many) = (tally(20, 0.8, 5_000_000), tally(2_000, 0.8, 5_000_000));
    let (few, many) = (few.quality().expect("rated"), many.quality().expect("rated"));
    assert!(few.low < 0.8 && few.high > 0.8 && many.low > few.low && many.high < few.high, "{few:?} {many:?}");
    assert!((many.mean - 0.8).abs() < 1e-9 && many.high - many.low < 0.04, "{many:?}");
    let cost = tally(50, 0.8, 5_000_000).cost().expect("paid");
    assert!((cost.mean - 5000.0).abs() < 1e-6 && (cost.high - cost.low).abs() < 1.0, "all cost the same: {cost:?}");
    assert_eq!((Tally::default().quality(), Tally::default().cost(), Tally::default().latency()), (None, None, None));
}

#[test]
fn traffic_shifts_bit_by_bit_to_the_better_arm_and_then_stops() {
    let policy = Policy { goal: Goal { quality: 1.0, cost: 0.0, latency: 0.0 }, tolerance: 0.0, ..Policy::default() };
    let mut rng = Rng::with_seed(7);
    let (mut now, mut truth) = (vec![0.5, 0.5], Rng::with_seed(11));
    let mut tallies = [Tally::default(); 2];
    let mut steps = 0;
    let winner = loop {
        steps += 1;
        assert!(steps < 400, "{now:?} {tallies:?}");
        for (arm, quality) in [0.70, 0.78].into_iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of a test")]
            for _ in 0..(now[arm] * 60.0_f64).round() as usize {
                let good = i64::from(truth.f64() < quality) * 10_000;
                tallies[arm].requests += 1;
                tallies[arm].rated += 1;
                tallies[arm].rewards += good;
            }
        }
        let Some(verdict) = policy.step(&tallies, &now, &mut rng) else { continue };
        if let Some(winner) = verdict.winner {
            assert_eq!(verdict.shares, [0.0, 1.0], "the winner gets everything");
            break winner;
        }
        let moved = verdict.shares.iter().zip(&now).map(|(new, old)| (new - old).abs()).fold(0.0, f64::max);
        assert!(moved <= policy.max_step + 1e-9, "{now:?} to {:?}", verdict.shares);
        assert!(verdict.shares.iter().all(|share| *share >= policy.floor - 1e-9), "{:?}", verdict.shares);
        assert!((verdict.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        now = verdict.shares;
    };
    assert_eq!(winner, 1);
}

#[test]
fn nothing_shifts_before_enough_is_known() {
    let policy = Policy::default();
    let mut rng = Rng::with_seed(1);
    assert_eq!(policy.step(&[tally(99, 0.9, 1000), tally(5_000, 0.1, 1000)], &[0.5, 0.5], &mut rng), None);
    let unrated = |requests| Tally { rated: 0, rewards: 0, reward_squares: 0, ..tally(requests, 0.0, 1000) };
    assert!(policy.step(&[unrated(500), unrated(500)], &[0.5, 0.5], &mut rng).is_some(), "where nobody rates, failures and cost tell");
}

#[test]
fn cost_decides_between_equals_and_goals_weigh() {
    let mut rng = Rng::with_seed(3);
    let (dear, cheap) = (tally(3_000, 0.9, 9_000_000), tally(3_000, 0.88, 1_000_000));
    let by = |goal| Policy { goal, ..Policy::default() };
    let thrifty = by(Goal { quality: 0.7, cost: 0.3, latency: 0.0 }).step(&[dear, cheap], &[0.5, 0.5], &mut rng).expect("known");
    assert_eq!(thrifty.winner, Some(1));
    let fine = by(Goal { quality: 1.0, cost: 0.0, latency: 0.0 }).step(&[dear, cheap], &[0.5, 0.5], &mut rng).expect("known");
    assert!(fine.best[0] > 0.9, "{fine:?}");
    let same = tally(50_000, 0.9, 1_000_000);
    let even = Policy::default().step(&[same, same], &[0.5, 0.5], &mut rng).expect("known");
    assert!(even.winner.is_some(), "where nothing is to be lost the search ends: {even:?}");
}

#[test]
fn an_answer_is_read_in_whatever_form_it_was_given() {
    use super::shadow::{Spoken, Tap};
    use switchboard_wire::Dialect;
    let whole = br#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"four"}}]}"#;
    let spoken = |dialect, stream, bytes: &'static [u8]| Spoken { dialect, stream, chunks: vec![bytes::Bytes::from_static(bytes)] };
    assert_eq!(spoken(Dialect::OpenAiChat, false, whole).text().as_deref(), Some("four"));
    let stream = b"data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"fo\"}}]}\n\ndata: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ur\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    assert_eq!(spoken(Dialect::OpenAiChat, true, stream).text().as_deref(), Some("four"));
    assert_eq!(spoken(Dialect::OpenAiChat, false, b"no answer").text(), None);
    let (done, mut kept) = tokio::sync::oneshot::channel();
    let mut tap = Tap::new(Dialect::OpenAiChat, false, done);
    tap.pass(&bytes::Bytes::from(vec![b' '; 300 * 1024]));
    tap.end();
    assert!(kept.try_recv().is_err(), "what is too long is not kept");
}
