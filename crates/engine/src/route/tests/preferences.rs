//! What a caller prefers, and what stays where it is.

use switchboard_wire::reply::Usage;

use super::*;
use crate::guidance::Strategy;
use crate::route::affinity::Bond;
use crate::route::settings::{AffinitySettings, Settings};

fn three() -> Fleet {
    let of = |id: &str, provider: &str, usd: &str| {
        deployment(id, |spec| {
            spec.provider = provider.to_owned();
            set_price(spec, usd);
        })
    };
    fleet(vec![of("a", "openai", "3"), of("b", "anthropic", "2"), of("c", "mistral", "1")], Names::default())
}

#[test]
fn sorts_rank_by_one_figure() {
    let fleet = three();
    let now = Instant::now();
    for (id, took, tokens) in [("a", 1_000, 100), ("b", 3_000, 600), ("c", 2_000, 50)] {
        answered(&fleet, id, Duration::from_millis(took), tokens, now);
    }
    for (sort, order) in [
        (r#""price""#, ["c", "b", "a"]),
        (r#"{"by":"price","partition":"model"}"#, ["c", "b", "a"]),
        (r#""latency""#, ["a", "c", "b"]),
        (r#""throughput""#, ["b", "a", "c"]),
    ] {
        let plan = fleet.plan_at(&ask("m", &format!(r#""provider":{{"sort":{sort}}}"#)), &mut Moment { now, ..moment(5) }).expect("a plan");
        assert_eq!(ids(&plan), order, "{sort}");
    }
}

#[test]
fn given_orders_come_first_and_others_follow() {
    let fleet = three();
    let plan = plan(&fleet, &ask("m", r#""provider":{"order":["anthropic","openai"]}"#));
    assert_eq!((ids(&plan), plan.strategy), (vec!["b", "a", "c"], "provider.order"));
    let only = super::plan(&fleet, &ask("m", r#""provider":{"order":["anthropic","nobody"],"allow_fallbacks":false}"#));
    assert_eq!(ids(&only), ["b"]);
    let first = super::plan(&fleet, &ask("m", r#""provider":{"sort":"price","allow_fallbacks":false}"#));
    assert_eq!((ids(&first), first.excluded.len()), (vec!["c"], 2));
}

#[test]
fn softer_wishes_move_to_the_back() {
    let fleet = three();
    let now = Instant::now() + Duration::from_secs(1);
    for (id, tokens) in [("a", 100), ("b", 200), ("c", 10)] {
        answered(&fleet, id, Duration::from_secs(1), tokens, now);
    }
    for (wish, order) in [
        (r#""preferred_min_throughput":50"#, ["b", "a", "c"]),
        (r#""preferred_min_throughput":{"p50":150}"#, ["b", "c", "a"]),
        (r#""preferred_min_throughput":{"p50":150,"p99":1}"#, ["b", "c", "a"]),
        (r#""preferred_min_throughput":1"#, ["c", "b", "a"]),
    ] {
        let call = ask("m", &format!(r#""provider":{{"sort":"price",{wish}}}"#));
        let plan = fleet.plan_at(&call, &mut Moment { now, ..moment(5) }).expect("a plan");
        assert_eq!(ids(&plan), order, "{wish}");
    }
}

/// Which is first, and what is remembered of the answer that comes from there.
fn turn(fleet: &Fleet, call: &Call, cached: bool, now: Instant, seed: u64) -> String {
    let plan = fleet.plan_at(call, &mut Moment { now, ..moment(seed) }).expect("a plan");
    let usage = Usage { cache_read: cached.then_some(100), ..Usage::default() };
    let first = &plan.targets[0].deployment;
    plan.bonds.iter().for_each(|bond: &Bond| bond.learn(first, Some(&usage), now));
    first.spec.id.clone()
}

#[test]
fn a_conversation_stays_where_its_prompt_is_cached() {
    let cached = |id: &str| {
        deployment(id, |spec| {
            set_price(spec, "1");
            spec.prices.push(("cache_read_input_token_cost".to_owned(), "1e-7".to_owned()));
        })
    };
    let fleet = fleet((0..8).map(|number| cached(&number.to_string())).collect(), Names::default());
    let now = Instant::now();
    let mut call = ask("m", "");
    call.door.flavor = Flavor::OpenRouter;
    // Without a cache hit it goes anywhere.
    let seen: std::collections::BTreeSet<_> = (0..20).map(|seed| turn(&fleet, &call, false, now, seed)).collect();
    assert!(seen.len() > 3, "{seen:?}");
    let home = turn(&fleet, &call, true, now, 99);
    for seed in 0..20 {
        assert_eq!(turn(&fleet, &call, false, now + Duration::from_secs(500), seed), home);
    }
    // It stays for ten minutes after its last answer, no longer.
    let later: std::collections::BTreeSet<_> = (0..20)
        .map(|seed| fleet.plan_at(&call, &mut Moment { now: now + Duration::from_secs(1_101), ..moment(seed) }).expect("a plan"))
        .map(|plan| plan.targets[0].deployment.spec.id.clone())
        .collect();
    assert!(later.len() > 3, "{later:?}");
    // Another conversation, and another key, are not bound by it; an order given is stronger.
    let other = Call { principal: Arc::new(Principal::named("other")), ..call.clone() };
    let others: std::collections::BTreeSet<_> = (0..20).map(|seed| turn(&fleet, &other, false, now, seed)).collect();
    assert!(others.len() > 3, "{others:?}");
}

/// What is known by its beginning stays where its cache is; what the client names stays from its first answer on.
#[test]
fn a_conversation_that_is_named_stays_where_it_was_answered() {
    let fleet = fleet((0..8).map(|number| priced(&number.to_string(), "1")).collect(), Names::default());
    let now = Instant::now();
    for name in [r#""session_id":"s1""#, r#""prompt_cache_key":"k1""#] {
        let mut call = ask("m", name);
        call.door.flavor = Flavor::OpenRouter;
        let home = turn(&fleet, &call, false, now, 1);
        assert!((2..20).all(|seed| turn(&fleet, &call, false, now, seed) == home), "{name}");
    }
}

#[test]
fn sessions_stay_where_the_operator_wants_them_to() {
    let settings = Settings { affinity: AffinitySettings { by_session: true, ..AffinitySettings::default() }, ..Settings::default() };
    let fleet = fleet((0..8).map(|number| priced(&number.to_string(), "1")).collect(), Names { settings, ..Names::default() });
    let now = Instant::now();
    let mut call = ask("m", r#""litellm_session_id":"s1""#);
    let home = turn(&fleet, &call, false, now, 1);
    assert!((2..20).all(|seed| turn(&fleet, &call, false, now, seed) == home));
    // Where its deployment rests, it goes on elsewhere.
    health_of(&fleet, &home).health.rest_until(now + Duration::from_secs(60));
    assert_ne!(turn(&fleet, &call, false, now, 3), home);
    call = ask("m", "");
    let anywhere: std::collections::BTreeSet<_> = (0..20).map(|seed| turn(&fleet, &call, false, now, seed)).collect();
    assert!(anywhere.len() > 3, "{anywhere:?}");
}

#[test]
fn tiers_of_service_are_for_those_who_ask() {
    let of = |id: &str, tier: Option<&str>, usd: &str| {
        deployment(id, |spec| {
            spec.traits.variant = tier.map(str::to_owned);
            set_price(spec, usd);
        })
    };
    let all = || vec![of("plain", None, "2"), of("flex", Some("flex"), "1"), of("priority", Some("priority"), "4")];
    let names = || Names { settings: Settings { openrouter: Strategy::SortPrice, ..Settings::default() }, ..Names::default() };
    let three = fleet(all(), names());
    let told = |model: &str, fields: &str| {
        let mut call = ask(model, fields);
        call.door.flavor = switchboard_wire::dialect::Flavor::OpenRouter;
        ids(&plan(&three, &call)).join(" ")
    };
    assert_eq!(told("m", ""), "plain");
    assert_eq!(told("m", r#""provider":{"sort":"price"}"#), "plain");
    assert_eq!(told("m", r#""service_tier":"default""#), "plain");
    assert_eq!(told("m", r#""service_tier":"flex""#), "flex");
    assert_eq!(told("m", r#""service_tier":"priority""#), "priority plain");
    assert_eq!(told("m:floor", ""), "flex plain");
    assert_eq!(told("m:nitro", "").split(' ').count(), 2);
    assert!(!told("m:nitro", "").contains("flex"));
    assert_eq!(told("m", r#""provider":{"only":["openai/flex"]}"#), "flex");
    assert_eq!(told("m", r#""provider":{"order":["openai/flex"]}"#), "flex plain");
    // What LiteLLM's clients ask for is theirs to say, and where nothing else is there a tier is no reason.
    assert_eq!(plan(&three, &ask("m", "")).targets.len(), 3);
    let two = fleet(vec![of("flex", Some("flex"), "1"), of("priority", Some("priority"), "4")], names());
    let mut call = ask("m", "");
    call.door.flavor = switchboard_wire::dialect::Flavor::OpenRouter;
    assert_eq!(plan(&two, &call).targets.len(), 2);
}
