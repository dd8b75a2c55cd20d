//! Virtual models, by each of their rules.

use super::*;
use crate::classify::Tier;
use crate::route::hooks::{Advice, Advisor, Hooks};
use crate::route::plan::{Overrides, Sla};
use crate::route::virtual_model::{Identifier, Rule, Sticky, VirtualModel, VirtualTarget};

fn target(model: &str) -> VirtualTarget {
    VirtualTarget {
        model: model.to_owned(),
        weight: 1.0,
        priority: 0,
        sla: None,
        tier: None,
        overrides: Arc::new(Overrides::candidate()),
        metadata: Vec::new(),
    }
}

fn over(rule: Rule, targets: Vec<VirtualTarget>, sticky: Option<Sticky>) -> Fleet {
    let group = |id: &str| deployment(id, |spec| spec.group = format!("x/{id}"));
    let model = VirtualModel { name: "v".into(), aliases: vec!["gpt-4o".into()], rule, targets, sticky, classification: None };
    fleet(vec![group("a"), group("b"), group("c")], Names { virtual_models: vec![model], ..Names::default() })
}

#[test]
fn weights_share_and_say_what_differs() {
    let changed = Arc::new(Overrides { params: vec![("temperature".into(), "0.2".into())], ..Overrides::default() });
    let targets =
        vec![VirtualTarget { weight: 90.0, overrides: changed.clone(), ..target("x/a") }, VirtualTarget { weight: 10.0, ..target("x/b") }];
    let fleet = over(Rule::Weight, targets, None);
    assert_shares(&shares(&fleet, &ask("gpt-4o", "")), &[("a", 0.9), ("b", 0.1)]);
    let mut seen_alone = false;
    for seed in 0..50 {
        let plan = fleet.plan_at(&ask("v", ""), &mut moment(seed)).expect("a plan");
        assert_eq!((&*plan.group, plan.strategy), ("v", "weight-based-routing"));
        match ids(&plan)[0] {
            "a" => assert_eq!((plan.targets[0].overrides.as_ref(), ids(&plan).len()), (Some(&changed), 2)),
            // The other one is no fallback.
            _ => seen_alone |= ids(&plan) == ["b"],
        }
    }
    assert!(seen_alone);
    assert!(fleet.names().iter().any(|(name, _)| *name == "v"));
}

/// What has no weight and is no fallback is never asked, whatever becomes of the others.
#[test]
fn no_weight_and_no_fallback_is_never() {
    let idle = VirtualTarget { weight: 0.0, overrides: Arc::new(Overrides::default()), ..target("x/b") };
    let fleet = over(Rule::Weight, vec![target("x/a"), idle], None);
    assert_eq!(ids(&plan(&fleet, &ask("v", ""))), ["a"]);
    health_of(&fleet, "a").health.rest_until(Instant::now() + Duration::from_secs(60));
    let left = fleet.plan_at(&ask("v", ""), &mut moment(1)).map(|plan| ids(&plan).into_iter().map(str::to_owned).collect::<Vec<_>>());
    assert!(left.as_ref().map_or(true, |left| !left.contains(&"b".to_owned())), "{left:?}");
}

#[test]
fn priorities_hold_until_times_are_missed() {
    let sla = Sla { time_per_output_token: Some(Duration::from_millis(50)), time_to_first_token: None };
    let targets = vec![
        VirtualTarget { priority: 0, sla: Some(sla), ..target("x/a") },
        VirtualTarget { priority: 1, ..target("x/b") },
        VirtualTarget { priority: 2, ..target("x/c") },
    ];
    let fleet = over(Rule::Priority, targets, None);
    assert_eq!(ids(&plan(&fleet, &ask("v", ""))), ["a", "b", "c"]);
    answered(&fleet, "a", Duration::from_secs(1), 10, Instant::now());
    assert_eq!(ids(&plan(&fleet, &ask("v", ""))), ["b", "c", "a"]);
}

#[test]
fn those_within_a_fifth_of_the_fastest_share() {
    let fleet = over(Rule::Latency, vec![target("x/a"), target("x/b"), target("x/c")], None);
    let now = Instant::now() + Duration::from_secs(5);
    let feed = |id: &str, millis| (0..3).for_each(|_| answered(&fleet, id, Duration::from_millis(millis), 100, now));
    feed("a", 1_000);
    feed("b", 1_150);
    let explored = shares_at(&fleet, &ask("v", ""), now);
    assert_shares(&explored, &[("a", 1.0 / 3.0), ("b", 1.0 / 3.0), ("c", 1.0 / 3.0)]);
    feed("c", 1_300);
    assert_shares(&shares_at(&fleet, &ask("v", ""), now), &[("a", 0.5), ("b", 0.5), ("c", 0.0)]);
}

struct Says(&'static str);

impl Advisor for Says {
    fn advise(&self, _: &Call, _: &str, _: Instant) -> Result<Option<Advice>, crate::error::Error> {
        Ok(Some(Advice { tier: Some(self.0), ..Advice::default() }))
    }
}

#[test]
fn tiers_choose_by_how_hard_a_request_is() {
    let tiers = [("x/a", "simple"), ("x/b", "medium"), ("x/c", "complex")];
    for (tier, order) in
        [("simple", ["a", "b", "c"]), ("standard", ["b", "c", "a"]), ("complex", ["c", "b", "a"]), ("reasoning", ["c", "b", "a"])]
    {
        let targets = tiers.map(|(model, tier)| VirtualTarget { tier: Tier::from_name(tier), ..target(model) });
        let hooks = Hooks { advisor: Some(Arc::new(Says(tier))), ..Hooks::default() };
        let fleet = over(Rule::Complexity, targets.into(), None).with_hooks(hooks);
        let plan = plan(&fleet, &ask("v", ""));
        assert_eq!(ids(&plan), order, "{tier}");
        assert_eq!(plan.advice.expect("it is told").tier, Some(tier));
    }
}

#[test]
fn metadata_chooses_targets_and_sessions_stay() {
    let sticky = Sticky { ttl: Duration::from_secs(60), identifiers: vec![Identifier::Metadata("user".into())] };
    let targets = vec![VirtualTarget { metadata: vec![("tenant".into(), "acme".into())], ..target("x/a") }, target("x/b"), target("x/c")];
    let fleet = over(Rule::Weight, targets, Some(sticky));
    assert_eq!(plan(&fleet, &ask("v", "")).targets.len(), 2);
    let call = ask("v", r#""metadata":{"tenant":"acme","user":"u1"}"#);
    let now = Instant::now();
    let first = plan(&fleet, &call);
    assert_eq!(first.targets.len(), 3);
    let home = &first.targets[0].deployment;
    first.bonds.iter().for_each(|bond| bond.learn(home, None, now));
    for seed in 0..20 {
        let plan = fleet.plan_at(&call, &mut moment(seed)).expect("a plan");
        assert_eq!(plan.targets[0].deployment.spec.id, home.spec.id);
    }
}
