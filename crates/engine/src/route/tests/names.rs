//! What names stand for.

use super::*;
use crate::guidance::Fallback;

fn group(id: &str, name: &str) -> Deployment {
    deployment(id, |spec| spec.group = name.to_owned())
}

#[test]
fn names_lead_where_they_should() {
    let deployments = vec![
        group("exact", "openai/gpt-4o"),
        group("free", "meta/llama:free"),
        group("base", "meta/llama"),
        group("old", "anthropic/sonnet-4"),
        group("new", "anthropic/sonnet-4.5"),
        group("dated", "mistral/large-2025-06-01"),
        deployment("access", |spec| {
            spec.group = "private".to_owned();
            spec.traits.access_groups = vec!["beta".to_owned()];
        }),
    ];
    let names = Names { aliases: vec![("alias".into(), "meta/llama".into())], ..Names::default() };
    let fleet = fleet(deployments, names);
    for (name, id) in [
        ("openai/gpt-4o", "exact"),
        ("openai/gpt-4o:nitro", "exact"),
        ("openai/gpt-4o-2024-08-06", "exact"),
        ("meta/llama:free", "free"),
        ("meta/llama:floor", "base"),
        ("alias", "base"),
        ("alias:exacto", "base"),
        ("~anthropic/sonnet-latest", "new"),
        ("mistral/large", "dated"),
        ("beta", "access"),
    ] {
        let (_, group) = fleet.find(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(group[0].spec.id, id, "{name}");
    }
    for name in ["openai/gpt-4", "openai/gpt-4o:cheap", "~anthropic/none-latest", ""] {
        assert!(fleet.find(name).is_none(), "{name}");
    }
}

#[test]
fn variants_choose_the_order() {
    let fleet = fleet(vec![priced("dear", "9"), priced("cheap", "1")], Names::default());
    for (name, strategy) in
        [("m:floor", "sort:price"), ("m:nitro", "sort:throughput"), ("m:exacto", "sort:exacto"), ("m", "simple-shuffle")]
    {
        assert_eq!(plan(&fleet, &ask(name, "")).strategy, strategy);
    }
    assert_eq!(ids(&plan(&fleet, &ask("m:floor", ""))), ["cheap", "dear"]);
}

#[test]
fn exacto_goes_by_the_faults_of_tool_calls() {
    let fleet = fleet(["a", "b", "c"].map(|id| deployment(id, |_| ())).into(), Names::default());
    let now = Instant::now() + Duration::from_secs(10);
    for (id, faulty) in [("a", 5), ("b", 1)] {
        for number in 0..20 {
            let sample = Sample { tools_at_fault: Some(number < faulty), ..Sample::default() };
            health_of(&fleet, id).health.begin_anyway(now).finish(&sample, now);
        }
    }
    // One fault of one call says less than five of twenty.
    let sample = Sample { tools_at_fault: Some(true), ..Sample::default() };
    health_of(&fleet, "c").health.begin_anyway(now).finish(&sample, now);
    let plan = fleet.plan_at(&ask("m:exacto", ""), &mut Moment { now, ..moment(1) }).expect("a plan");
    assert_eq!(ids(&plan), ["b", "c", "a"]);
}

#[test]
fn a_search_goes_where_the_model_is_known_to_search() {
    let searching = deployment("searches", |spec| spec.known = vec![("supports_web_search".to_owned(), "true".to_owned())]);
    let fleet = fleet(vec![deployment("plain", |_| ()), searching], Names::default());
    for (name, fields) in [("m:online", ""), ("m", r#""plugins":[{"id":"web"}]"#)] {
        let plan = plan(&fleet, &ask(name, fields));
        assert_eq!((ids(&plan), excluded(&plan)), (vec!["searches"], vec![("plain", vec!["web_search"])]), "{name} {fields}");
    }
    let off = plan(&fleet, &ask("m", r#""plugins":[{"id":"web","enabled":false},{"id":"response-healing"}]"#));
    assert_eq!(off.targets.len(), 2);
}

#[test]
fn patterns_are_expanded_without_their_variant() {
    let pattern = group("wild", "openai/*");
    let expand = |pattern: &Deployment, captured: &[&str]| {
        let model = captured.concat();
        Some(deployment(&pattern.spec.id, |spec| spec.model = model))
    };
    let fleet = Fleet::new(vec![pattern], Names::default(), Box::new(expand));
    for name in ["openai/gpt-4o", "openai/gpt-4o:nitro"] {
        assert_eq!(fleet.find(name).expect("known").1[0].spec.model, "gpt-4o", "{name}");
    }
    assert_eq!(fleet.find("openai/llama:latest").expect("known").1[0].spec.model, "llama:latest");
}

#[test]
fn names_of_makers_lead_to_their_own_providers() {
    let patterns = ["gemini", "anthropic", "xai", "mistral"].map(|provider| group(provider, &format!("{provider}/*")));
    let expand = |pattern: &Deployment, captured: &[&str]| {
        let (provider, model) = (pattern.spec.id.clone(), captured.concat());
        Some(deployment(&pattern.spec.id, |spec| (spec.provider, spec.model) = (provider, model)))
    };
    let fleet = Fleet::new(patterns.into(), Names::default(), Box::new(expand));
    let fleet = fleet.completing(Box::new(|name| Catalog::embedded().whole_names(name)));
    for (name, provider, model) in [
        ("google/gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
        ("google/gemini-2.5-pro:nitro", "gemini", "gemini-2.5-pro"),
        ("anthropic/claude-sonnet-4.5", "anthropic", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4-5-20991231", "anthropic", "claude-sonnet-4-5-20991231"),
        ("x-ai/grok-code-fast-1", "xai", "grok-code-fast-1"),
        ("mistralai/mistral-large", "mistral", "mistral-large-latest"),
    ] {
        let (group, found) = fleet.find(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!((found[0].spec.provider.as_str(), found[0].spec.model.as_str()), (provider, model), "{name}");
        assert!(found[0].card.is_some() || model.ends_with("31"), "{name}");
        assert!(group.starts_with(provider), "{name}: {group}");
    }
    for name in ["openai/gpt-4o", "moonshotai/kimi-k2", "nobody/gemini-2.5-pro"] {
        assert!(fleet.find(name).is_none(), "{name}");
    }
}

/// The newest is looked for among names and among what patterns have, and only among models that chat.
#[test]
fn families_lead_to_their_newest_model() {
    let named = |name: &str| {
        let (provider, model) = name.split_once('/').expect("a provider");
        deployment(name, |spec| (spec.group, spec.provider, spec.model) = (name.to_owned(), provider.to_owned(), model.to_owned()))
    };
    let expand = |pattern: &Deployment, captured: &[&str]| {
        let (provider, model) = (pattern.spec.id.clone(), captured.concat());
        Some(deployment(&pattern.spec.id, |spec| (spec.provider, spec.model) = (provider, model)))
    };
    let own = ["openai/gpt-3.5-turbo", "openai/gpt-oss-120b", "openai/gpt-4o", "openai/gpt-5-mini", "openai/gpt-4.1"];
    let mut all: Vec<Deployment> = own.map(named).into();
    all.extend([
        group("anthropic", "anthropic/*"),
        group("gemini", "gemini/*"),
        named("anthropic/claude-opus-3"),
        group("new", "anthropic/claude-sonnet-99"),
    ]);
    let fleet = Fleet::new(all, Names::default(), Box::new(expand)).completing(Box::new(|name| Catalog::embedded().whole_names(name)));
    let found = |name: &str| fleet.find(name).map(|(group, _)| group.to_string());
    assert_eq!(found("~openai/gpt-latest").as_deref(), Some("openai/gpt-4.1"));
    assert_eq!(found("~openai/gpt-mini-latest:nitro").as_deref(), Some("openai/gpt-5-mini"));
    assert_eq!(found("~openai/gpt-nano-latest"), None, "what is not here is nothing");
    let opus = found("~anthropic/claude-opus-latest").expect("a pattern's");
    assert!(opus.starts_with("anthropic/claude-opus-") && opus != "anthropic/claude-opus-3", "{opus}");
    assert_eq!(found("~anthropic/claude-sonnet-latest").as_deref(), Some("anthropic/claude-sonnet-99"), "newer than any that is known");
    assert!(found("~google/gemini-pro-latest").is_some_and(|name| name.starts_with("gemini/gemini-")));
    let plan = plan(&fleet, &ask("~openai/gpt-latest", ""));
    assert!(plan.picked && &*plan.group == "openai/gpt-4.1");
}

#[test]
fn fallbacks_are_those_of_the_group_or_of_all() {
    let to = |names: &[&str]| names.iter().map(|name| Fallback::to(*name)).collect::<Vec<_>>();
    let names = Names {
        fallbacks: vec![("m".into(), to(&["n"])), ("bare".into(), to(&["m"]))],
        context_window_fallbacks: vec![("m".into(), to(&["long"]))],
        default_fallbacks: to(&["n", "last"]),
        ..Names::default()
    };
    let deployments = vec![group("a", "m"), group("b", "n"), group("c", "x/bare")];
    let fleet = fleet(deployments, names);
    let general = |call: &Call| plan(&fleet, call).fallbacks.general.iter().map(|one| one.model.clone()).collect::<Vec<_>>();
    assert_eq!(general(&ask("m", "")), ["n"]);
    assert_eq!(plan(&fleet, &ask("m", "")).fallbacks.context_window, to(&["long"]));
    assert_eq!(general(&ask("x/bare", "")), ["m"], "by the name without the provider");
    assert_eq!(general(&ask("m", r#""fallbacks":["last",{"model":"n","temperature":0}]"#)), ["last", "n"]);
    assert_eq!(general(&ask("m", r#""fallbacks":[{"m":["last"]},{"other":["n"]}]"#)), ["last"]);
    assert_eq!(general(&ask("m", r#""router_settings_override":{"fallbacks":[{"m":["last","n"]}]}"#)), ["last", "n"]);
    assert!(general(&ask("m", r#""disable_fallbacks":true"#)).is_empty());
    let changed = Fallback { model: "n".into(), params: vec![("temperature".into(), "0".into())] };
    let plan = fleet.plan_fallback(&ask("m", ""), &changed).expect("a plan");
    assert_eq!(plan.targets[0].overrides.as_ref().expect("changes").params, changed.params);
}

#[test]
fn models_are_tried_one_after_the_other_or_ranked_together() {
    let named = |id: &str, name: &str, usd: &str| {
        deployment(id, |spec| {
            spec.group = name.to_owned();
            set_price(spec, usd);
        })
    };
    let fleet = fleet(vec![named("dear", "one", "9"), named("cheap", "two", "1")], Names::default());
    let one = plan(&fleet, &ask("one", r#""models":["two","nothing","one"]"#));
    assert_eq!((ids(&one), one.fallbacks.general.as_slice()), (vec!["dear"], &[Fallback::to("two")][..]));
    let together = plan(&fleet, &ask("one", r#""models":["two"],"provider":{"sort":{"by":"price","partition":"none"}}"#));
    assert_eq!(ids(&together), ["cheap", "dear"]);
    assert!(together.fallbacks.is_empty() && together.mixed && !one.mixed);
    // The first is unknown: the next is taken at once.
    assert_eq!(ids(&plan(&fleet, &ask("nothing", r#""models":["two"]"#))), ["cheap"]);
    let mut call = ask("one", r#""models":["two"]"#);
    call.principal = Arc::new(Principal { allowed: vec!["one".into()], ..Principal::named("k") });
    assert!(plan(&fleet, &call).fallbacks.general.is_empty(), "a list of models is no way round what a key may use");
}
