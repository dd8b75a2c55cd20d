//! Each strategy's shares over 20,000 requests, as its definition says.

use super::*;
use crate::guidance::Strategy;
use crate::route::order::Args;
use crate::route::settings::Settings;

fn by(strategy: Strategy) -> Names {
    Names { settings: Settings { strategy, ..Settings::default() }, ..Names::default() }
}

fn weighted(id: &str, weight: f64) -> Deployment {
    deployment(id, |spec| spec.weight = Some(weight))
}

#[test]
fn simple_shuffle_goes_by_weight_then_requests_then_tokens() {
    let fleet_of = |deployments| fleet(deployments, Names::default());
    let by_weight = fleet_of(vec![weighted("a", 7.0), weighted("b", 2.0), weighted("c", 1.0)]);
    assert_shares(&shares(&by_weight, &ask("m", "")), &[("a", 0.7), ("b", 0.2), ("c", 0.1)]);
    // Whoever has no weight where others have one gets nothing at first, and is tried last.
    let some = fleet_of(vec![weighted("a", 1.0), deployment("b", |_| ())]);
    assert_shares(&shares(&some, &ask("m", "")), &[("a", 1.0), ("b", 0.0)]);
    assert_eq!(ids(&plan(&some, &ask("m", ""))), ["a", "b"]);
    let by_requests = fleet_of(vec![
        deployment("a", |spec| spec.traits.rpm = Some(900)),
        deployment("b", |spec| (spec.traits.rpm, spec.traits.tpm) = (Some(100), Some(1))),
    ]);
    assert_shares(&shares(&by_requests, &ask("m", "")), &[("a", 0.9), ("b", 0.1)]);
    let by_tokens = fleet_of(vec![deployment("a", |spec| spec.traits.tpm = Some(30)), deployment("b", |spec| spec.traits.tpm = Some(10))]);
    assert_shares(&shares(&by_tokens, &ask("m", "")), &[("a", 0.75), ("b", 0.25)]);
    let plain = fleet_of(vec![deployment("a", |_| ()), deployment("b", |_| ()), deployment("c", |_| ())]);
    assert_shares(&shares(&plain, &ask("m", "")), &[("a", 1.0 / 3.0), ("b", 1.0 / 3.0), ("c", 1.0 / 3.0)]);
}

#[test]
fn shares_hold_when_deployments_come_go_and_fail() {
    let now = Instant::now();
    let three = fleet(vec![weighted("a", 6.0), weighted("b", 3.0), weighted("c", 1.0)], Names::default());
    for _ in 0..5 {
        failed(&three, "a", Failure::Server, now);
    }
    let soon = now + Duration::from_millis(10);
    assert_shares(&shares_at(&three, &ask("m", ""), soon), &[("a", 0.0), ("b", 0.75), ("c", 0.25)]);
    let plan = three.plan_at(&ask("m", ""), &mut Moment { now: soon, ..moment(1) }).expect("a plan");
    assert_eq!(excluded(&plan), [("a", vec!["breaker_open"])]);
    // Its penalty is over.
    assert_shares(&shares_at(&three, &ask("m", ""), now + Duration::from_secs(90)), &[("a", 0.6), ("b", 0.3), ("c", 0.1)]);
    let four = fleet(vec![weighted("a", 6.0), weighted("b", 3.0), weighted("c", 1.0), weighted("d", 10.0)], Names::default());
    assert_shares(&shares(&four, &ask("m", "")), &[("a", 0.3), ("b", 0.15), ("c", 0.05), ("d", 0.5)]);
}

#[test]
fn least_busy_takes_the_idle_and_the_first_on_a_tie() {
    let fleet = fleet(vec![deployment("a", |_| ()), deployment("b", |_| ()), deployment("c", |_| ())], by(Strategy::LeastBusy));
    let now = Instant::now();
    assert_eq!(ids(&plan(&fleet, &ask("m", ""))), ["a", "b", "c"]);
    let held = [health_of(&fleet, "a").health.begin_anyway(now), health_of(&fleet, "b").health.begin_anyway(now)];
    assert_eq!(ids(&plan(&fleet, &ask("m", ""))), ["c", "a", "b"]);
    drop(held);
    assert_eq!(ids(&plan(&fleet, &ask("m", ""))), ["a", "b", "c"]);
    // With requests that last, everyone gets the same.
    let mut tickets = Vec::new();
    for _ in 0..300 {
        let plan = plan(&fleet, &ask("m", ""));
        tickets.push(plan.targets[0].deployment.health.begin_anyway(now));
    }
    for id in ["a", "b", "c"] {
        assert_eq!(health_of(&fleet, id).health.in_flight(), 100, "{id}");
    }
}

#[test]
fn latency_draws_among_those_within_the_buffer() {
    let args = Args { lowest_latency_buffer: 0.5, ..Args::default() };
    let settings = Settings { strategy: Strategy::Latency, args, ..Settings::default() };
    let fleet = fleet(["a", "b", "c"].map(|id| deployment(id, |_| ())).into(), Names { settings, ..Names::default() });
    let now = Instant::now() + Duration::from_secs(10);
    answered(&fleet, "a", Duration::from_millis(1000), 100, now);
    answered(&fleet, "b", Duration::from_millis(1400), 100, now);
    // Nothing is known of the third: it is tried.
    assert_shares(&shares_at(&fleet, &ask("m", ""), now), &[("a", 0.0), ("b", 0.0), ("c", 1.0)]);
    answered(&fleet, "c", Duration::from_millis(4000), 100, now);
    assert_shares(&shares_at(&fleet, &ask("m", ""), now), &[("a", 0.5), ("b", 0.5), ("c", 0.0)]);
    // A timeout counts as a thousand seconds.
    failed(&fleet, "a", Failure::Timeout, now);
    assert_shares(&shares_at(&fleet, &ask("m", ""), now), &[("a", 0.0), ("b", 1.0), ("c", 0.0)]);
    // What is older than an hour is forgotten.
    let later = now + Duration::from_secs(3700);
    assert_shares(&shares_at(&fleet, &ask("m", ""), later), &[("a", 1.0 / 3.0), ("b", 1.0 / 3.0), ("c", 1.0 / 3.0)]);
}

#[test]
fn usage_takes_the_fewest_tokens_within_the_limits() {
    for strategy in [Strategy::Usage, Strategy::UsageV2] {
        let deployments = vec![
            deployment("a", |spec| spec.traits.tpm = Some(1_000)),
            deployment("b", |spec| spec.traits.tpm = Some(100_000)),
            deployment("c", |spec| spec.traits.rpm = Some(2)),
        ];
        let fleet = fleet(deployments, by(strategy));
        let now = Instant::now() + Duration::from_secs(10);
        let call = ask("m", "");
        let third = 1.0 / 3.0;
        assert_shares(&shares_at(&fleet, &call, now), &[("a", third), ("b", third), ("c", third)]);
        let used = |id: &str, tokens| health_of(&fleet, id).health.add_tokens(tokens, now);
        used("a", 400);
        used("b", 500);
        used("c", 600);
        assert_shares(&shares_at(&fleet, &call, now), &[("a", 1.0), ("b", 0.0), ("c", 0.0)]);
        used("a", 590);
        assert_shares(&shares_at(&fleet, &call, now), &[("a", 0.0), ("b", 1.0), ("c", 0.0)]);
        let held = [health_of(&fleet, "c").health.begin_anyway(now), health_of(&fleet, "c").health.begin_anyway(now)];
        let at = |now| fleet.plan_at(&call, &mut Moment { now, ..moment(1) }).expect("a plan");
        assert_eq!(excluded(&at(now)), [("a", vec!["rate_limit"]), ("c", vec!["rate_limit"])], "{strategy:?}");
        // A new minute.
        assert_eq!(at(now + Duration::from_secs(60)).targets.len(), 3);
        drop(held);
    }
}

#[test]
fn cost_takes_the_cheapest_and_unknown_prices_last() {
    let fleet = fleet(vec![deployment("unknown", |_| ()), priced("dear", "3"), priced("cheap", "0.5")], by(Strategy::Cost));
    assert_eq!(ids(&plan(&fleet, &ask("m", ""))), ["cheap", "dear", "unknown"]);
}

#[test]
fn inverse_square_is_openrouters_example() {
    // A costs 1, B costs 2 and is out, C costs 3: A is nine times likelier than C, and B comes last.
    let fleet = fleet(vec![priced("a", "1"), priced("b", "2"), priced("c", "3")], by(Strategy::InverseSquare));
    let now = Instant::now();
    assert_shares(&shares_at(&fleet, &ask("m", ""), now), &[("a", 36.0 / 49.0), ("b", 9.0 / 49.0), ("c", 4.0 / 49.0)]);
    for _ in 0..3 {
        failed(&fleet, "b", Failure::Server, now);
    }
    assert_shares(&shares_at(&fleet, &ask("m", ""), now), &[("a", 0.9), ("b", 0.0), ("c", 0.1)]);
    let plan = fleet.plan_at(&ask("m", ""), &mut Moment { now, ..moment(3) }).expect("a plan");
    assert_eq!(ids(&plan)[2], "b");
    let later = now + Duration::from_secs(31);
    assert_shares(&shares_at(&fleet, &ask("m", ""), later), &[("a", 36.0 / 49.0), ("b", 9.0 / 49.0), ("c", 4.0 / 49.0)]);
}

#[test]
fn what_costs_nothing_comes_before_what_does() {
    let fleet = fleet(vec![priced("paid", "1"), priced("free", "0"), priced("also", "0")], by(Strategy::InverseSquare));
    assert_shares(&shares(&fleet, &ask("m", "")), &[("free", 0.5), ("also", 0.5), ("paid", 0.0)]);
}

#[test]
fn ours_takes_the_cheapest_that_is_quick_enough() {
    let fleet_of = |deployments| fleet(deployments, by(Strategy::Switchboard));
    let now = Instant::now() + Duration::from_secs(100);
    let call = ask("m", "");
    // Equal in everything: equal shares.
    let equal = fleet_of(vec![priced("a", "1"), priced("b", "1"), priced("c", "1"), priced("d", "1")]);
    assert_shares(&shares_at(&equal, &call, now), &[("a", 0.25), ("b", 0.25), ("c", 0.25), ("d", 0.25)]);
    // Two of three are alike in cost and speed; the dear one gets nothing.
    let costs = fleet_of(vec![priced("a", "1"), priced("b", "1.02"), priced("c", "2")]);
    assert_shares(&shares_at(&costs, &call, now), &[("a", 0.5), ("b", 0.5), ("c", 0.0)]);
    // The cheapest is far too slow.
    let speeds = fleet_of(vec![priced("a", "1"), priced("b", "2")]);
    answered(&speeds, "a", Duration::from_secs(9), 10, now);
    answered(&speeds, "b", Duration::from_secs(1), 10, now);
    assert_shares(&shares_at(&speeds, &call, now), &[("a", 0.0), ("b", 1.0)]);
    // The power of two choices: of four alike, a slower one wins only against itself, which is never drawn twice.
    for id in ["a", "b", "c"] {
        answered(&equal, id, Duration::from_secs(1), 10, now);
    }
    answered(&equal, "d", Duration::from_millis(1500), 10, now);
    assert_shares(&shares_at(&equal, &call, now), &[("a", 1.0 / 3.0), ("b", 1.0 / 3.0), ("c", 1.0 / 3.0), ("d", 0.0)]);
}

#[test]
fn what_is_under_way_does_not_undo_prices() {
    let now = Instant::now() + Duration::from_secs(100);
    let call = ask("m", "");
    let fleet_of = |prices: [&str; 3]| {
        let [a, b, c] = prices;
        let fleet = fleet(vec![priced("a", a), priced("b", b), priced("c", c)], by(Strategy::Switchboard));
        for id in ["a", "b", "c"] {
            answered(&fleet, id, Duration::from_millis(100), 10, now);
        }
        fleet
    };
    let costs = fleet_of(["1", "10", "100"]);
    let held: Vec<_> = (0..50).map(|_| health_of(&costs, "a").health.begin_anyway(now)).collect();
    assert_shares(&shares_at(&costs, &call, now), &[("a", 1.0), ("b", 0.0), ("c", 0.0)]);
    drop(held);
    // Among those alike in cost the idle one goes first wherever it is drawn.
    let alike = fleet_of(["1", "1", "1"]);
    let _held: Vec<_> = ["a", "b"].iter().map(|id| health_of(&alike, id).health.begin_anyway(now)).collect();
    assert_shares(&shares_at(&alike, &call, now), &[("a", 1.0 / 6.0), ("b", 1.0 / 6.0), ("c", 2.0 / 3.0)]);
    // One that is too busy answers late, and that is measured.
    answered(&costs, "a", Duration::from_secs(5), 10, now);
    assert_shares(&shares_at(&costs, &call, now), &[("a", 0.0), ("b", 1.0), ("c", 0.0)]);
}

#[test]
fn groups_of_models_have_strategies_of_their_own() {
    let own = crate::route::settings::StrategyGroup {
        name: "cheap".to_owned(),
        models: vec!["m*".to_owned()],
        strategy: Strategy::Cost,
        args: Args::default(),
    };
    let settings = Settings { groups: vec![own], ..Settings::default() };
    let fleet = fleet(vec![priced("dear", "3"), priced("cheap", "1")], Names { settings, ..Names::default() });
    assert_eq!(plan(&fleet, &ask("m", "")).strategy, "cost-based-routing");
}

#[test]
fn levels_come_before_any_strategy() {
    let deployments = vec![deployment("b", |spec| (spec.order, spec.weight) = (2, Some(9.0))), deployment("a", |spec| spec.order = 1)];
    let fleet = fleet(deployments, Names::default());
    assert_shares(&shares(&fleet, &ask("m", "")), &[("a", 1.0), ("b", 0.0)]);
}
