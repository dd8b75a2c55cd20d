//! The list of models that an automatic name stands for, as calls are planned along it.

use super::*;
use crate::guidance::Fallback;
use crate::route::Plan;
use crate::route::settings;

const CARD: &str = "Hi, my card is 4111 1111 1111 1111.";

/// Those four models, by that automatic name and those rules.
fn planning(auto: AutoModel, content: Vec<ContentRule>) -> Fleet {
    let settings = settings::Settings { checks_fallbacks: true, ..settings::Settings::default() };
    let all = vec![
        deployment("tiny", "1", &[]),
        deployment("small", "2", &["local"]),
        deployment("big", "8", &[]),
        deployment("huge", "30", &[]),
    ];
    let fleet = Fleet::new(all, Names { settings, ..Names::default() }, Box::new(|_, _| None));
    let smart = Smart::new(Settings { auto: vec![auto], content }, &fleet);
    fleet.with_hooks(Hooks { advisor: Some(Arc::new(smart)), ..Hooks::default() })
}

fn tiers() -> AutoModel {
    let high = Choice { model: "huge".to_owned(), params: vec![("reasoning_effort".to_owned(), "\"high\"".to_owned())] };
    AutoModel { tiers: [choices(&["tiny"]), Vec::new(), choices(&["big", "small"]), vec![high]], ..auto() }
}

/// The group of a plan, and where it goes on to.
fn order(plan: &Plan) -> Vec<String> {
    let first = Some(plan.group.to_string()).filter(|_| !plan.targets.is_empty());
    first.into_iter().chain(plan.fallbacks.general.iter().map(|one| one.model.clone())).collect()
}

fn planned(fleet: &Fleet, text: &str, extra: &Value) -> Vec<String> {
    order(&fleet.plan(&ask("auto", text, extra)).expect("a plan"))
}

#[test]
fn what_fails_is_followed_by_the_tiers_above_and_then_below() {
    let fleet = planning(tiers(), Vec::new());
    assert_eq!(planned(&fleet, HELLO, &json!({})), ["tiny", "big", "small", "huge"]);
    assert_eq!(planned(&fleet, "Explain how photosynthesis works.", &json!({})), ["big", "small", "huge", "tiny"]);
    assert_eq!(planned(&fleet, PROOF, &json!({})), ["huge", "big", "small", "tiny"]);
    assert_eq!(planned(&planning(auto(), Vec::new()), "Explain how photosynthesis works.", &json!({})), ["small", "big", "huge", "tiny"]);
    assert_eq!(planned(&fleet, PROOF, &json!({"disable_fallbacks": true})), ["huge"]);
    assert_eq!(planned(&fleet, PROOF, &json!({"models": ["tiny"]})), ["huge", "big", "small", "tiny"]);
    let mut call = ask("auto", PROOF, &json!({}));
    call.principal = Arc::new(Principal { allowed: vec!["auto".to_owned()], ..Principal::named("k") });
    assert_eq!(order(&fleet.plan(&call).expect("a plan")), ["huge", "big", "small", "tiny"], "the name is what the key may use");
    call.principal = Arc::new(Principal { allowed: vec!["auto".to_owned()], disables_fallbacks: Some(true), ..Principal::named("k") });
    assert_eq!(order(&fleet.plan(&call).expect("a plan")), ["huge"]);
    // It is such a list where others fall back to it, too.
    let plan = fleet.plan_fallback(&ask("tiny", PROOF, &json!({})), &Fallback::to("auto")).expect("a plan");
    assert_eq!(order(&plan), ["huge", "big", "small", "tiny"]);
    assert_eq!(plan.targets[0].overrides.as_ref().map(|overrides| overrides.params.len()), Some(1));
}

#[test]
fn what_a_model_may_not_serve_goes_to_the_next() {
    let rules = || vec![ContentRule { classes: vec!["*".to_owned()], labels: vec!["local".to_owned()] }];
    let fleet = planning(tiers(), rules());
    let plan = fleet.plan(&ask("auto", CARD, &json!({}))).expect("a plan");
    assert_eq!((order(&plan), &*plan.group), (["small", "huge"].map(str::to_owned).to_vec(), "small"));
    let reasons: Vec<_> = plan.excluded.iter().map(|one| (one.deployment.spec.group.as_str(), one.reasons[0].as_str())).collect();
    assert_eq!(reasons, [("tiny", "content_class"), ("big", "content_class")]);
    assert_eq!(plan.advice.and_then(|advice| advice.tier), Some("simple"));
    // What may not go there does not go there after a failure either.
    assert!(fleet.plan_fallback(&ask("auto", CARD, &json!({})), &Fallback::to("huge")).expect("a plan").targets.is_empty());
    assert_eq!(planned(&planning(auto(), rules()), CARD, &json!({})), ["small", "big", "huge"]);
    let cheap = json!({"provider": {"max_price": {"prompt": 3}}});
    assert_eq!(planned(&fleet, PROOF, &cheap), ["small", "tiny"]);
    let plan = fleet.plan(&ask("auto", PROOF, &cheap)).expect("a plan");
    assert!(plan.targets[0].overrides.is_none(), "what is set for another model is not set for this one");
    // Where none may, the refusal tells all the reasons.
    let call = ask("auto", CARD, &json!({"provider": {"max_price": {"prompt": 1}}}));
    let plan = fleet.plan(&call).expect("a plan");
    assert_eq!((plan.targets.len(), plan.excluded.len(), &*plan.group), (0, 4, "tiny"));
}

#[test]
fn long_requests_go_to_a_model_that_reads_them() {
    let long = |name: &str, usd: &str, tokens: u64| {
        let mut spec = deployment(name, usd, &[]).spec.clone();
        spec.traits.max_input_tokens = Some(tokens);
        let signer = |_: &Auth, origin: &Origin| Ok(Arc::new(Signer::new(origin.clone(), sign::Auth::None)));
        Deployment::build(spec, Catalog::embedded(), &|_| None, &signer).expect("a deployment")
    };
    let fleet = Fleet::new(vec![long("short", "1", 2_000), long("wide", "9", 1_000_000)], Names::default(), Box::new(|_, _| None));
    let auto = AutoModel { tiers: std::array::from_fn(|_| choices(&["short", "wide"])), ..auto() };
    let smart = Smart::new(Settings { auto: vec![auto], content: Vec::new() }, &fleet);
    let fleet = fleet.with_hooks(Hooks { advisor: Some(Arc::new(smart)), ..Hooks::default() });
    let call = ask("auto", &"hello ".repeat(5_000), &json!({}));
    assert!(fleet.plan(&call).expect("a plan").uncounted);
    assert_eq!(&*fleet.plan_counted(&call, Some(5_000)).expect("a plan").group, "wide");
    assert_eq!(&*fleet.plan(&ask("auto", HELLO, &json!({}))).expect("a plan").group, "short");
}

#[test]
fn plugins_bound_the_list_and_pin_its_first() {
    let of = |auto: AutoModel, plugin: Value, said: &str| {
        let messages = json!([{"role": "user", "content": HELLO}, {"role": "assistant", "content": "Hi!", "model": said},
            {"role": "user", "content": PROOF}]);
        let mut plugin = plugin;
        plugin["id"] = json!("auto-router");
        let call = call_of(CHAT, &json!({"model": "auto", "plugins": [plugin], "messages": messages}));
        order(&planning(auto, Vec::new()).plan(&call).expect("a plan"))
    };
    for bound in
        [json!({"cost_tier": "low"}), json!({"cost_quality_tradeoff": 10}), json!({"cost_tier": "low", "cost_quality_tradeoff": 0})]
    {
        assert_eq!(of(auto(), bound.clone(), "big"), ["tiny"], "{bound}");
        assert_eq!(of(tiers(), bound.clone(), "big"), ["tiny"], "{bound}");
    }
    assert_eq!(of(auto(), json!({"cost_quality_tradeoff": 7}), "big"), ["small", "tiny"]);
    assert_eq!(of(auto(), json!({"cost_quality_tradeoff": 0}), "big"), ["huge", "big", "small", "tiny"]);
    assert_eq!(of(tiers(), json!({"pin_model": true}), "small"), ["small", "huge", "big", "tiny"]);
    assert_eq!(of(auto(), json!({"pin_model": true}), "openai/up-big"), ["big", "huge", "small", "tiny"]);
    assert_eq!(of(tiers(), json!({"pin_model": true}), "another"), ["huge", "big", "small", "tiny"]);
    assert_eq!(of(tiers(), json!({}), "small"), ["huge", "big", "small", "tiny"]);
}
