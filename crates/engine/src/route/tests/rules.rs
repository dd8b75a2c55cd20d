//! Rules of guardrails, and keys that callers bring along.

use std::sync::Arc;

use super::*;
use crate::guidance::{Guidance, Rule};
use crate::own::{OwnKey, OwnKeys};
use crate::sign::Secret;

fn under(rules: Vec<Rule>, fields: &str) -> Call {
    let guidance = Guidance { rules, ..Guidance::default() };
    let mut call = ask("m", fields);
    call.principal = Arc::new(Principal { guidance: Some(Arc::new(guidance)), ..Principal::named("k") });
    call
}

fn claude(change: impl FnOnce(&mut Spec)) -> Deployment {
    deployment("claude", |spec| {
        (spec.provider, spec.model) = ("anthropic".to_owned(), "claude-sonnet-4-5".to_owned());
        change(spec);
    })
}

#[test]
fn rules_exclude_models_whatever_leads_to_them() {
    let fleet = fleet(vec![deployment("gpt", |spec| spec.model = "gpt-4o".to_owned()), claude(|_| ())], Names::default());
    let only = |models: &[&str]| Rule { models: Some(models.iter().map(|one| (*one).to_owned()).collect()), ..Rule::default() };
    assert_eq!(ids(&plan(&fleet, &under(vec![only(&["openai/*"])], ""))), ["gpt"]);
    assert_eq!(ids(&plan(&fleet, &under(vec![only(&["m"])], ""))).len(), 2);
    let without = Rule { ignored_models: vec!["anthropic/*".to_owned()], ..Rule::default() };
    assert_eq!(excluded(&plan(&fleet, &under(vec![without], ""))), [("claude", vec!["access"])]);
    // What one rule forbids, no other allows.
    let none = plan(&fleet, &under(vec![only(&["openai/*"]), only(&["anthropic/*"])], ""));
    assert!(none.targets.is_empty());
}

#[test]
fn retention_is_a_matter_of_who_makes_the_model() {
    let private = |spec: &mut Spec| (spec.traits.retains, spec.traits.trains) = (Some(false), Some(false));
    let open = |spec: &mut Spec| {
        spec.model = "gpt-4o".to_owned();
        (spec.traits.retains, spec.traits.trains) = (Some(true), Some(true));
    };
    let fleet = fleet(vec![deployment("gpt", open), claude(private)], Names::default());
    let rule = |unretained| Rule { unretained, ..Rule::default() };
    assert_eq!(ids(&plan(&fleet, &under(vec![rule(vec!["anthropic"])], ""))).len(), 2);
    assert_eq!(excluded(&plan(&fleet, &under(vec![rule(vec!["openai"])], ""))), [("gpt", vec!["data_policy:zdr"])]);
    let trained = Rule { no_paid_training: true, ..Rule::default() };
    assert_eq!(excluded(&plan(&fleet, &under(vec![trained], ""))), [("gpt", vec!["data_policy:training"])]);
}

#[test]
fn a_callers_own_key_comes_first_and_one_to_fall_back_to_last() {
    let fleet = fleet(vec![deployment("gpt", |spec| spec.model = "gpt-4o".to_owned()), claude(|_| ())], Names::default());
    let key = |id: &str, provider: &str, is_fallback, models: Option<&str>| {
        let models = models.map(|model| vec![model.to_owned()]);
        Arc::new(OwnKey {
            id: id.to_owned(),
            provider: provider.to_owned(),
            secret: Secret::from("s"),
            is_fallback,
            models,
            is_token: false,
        })
    };
    let arranged = |keys: Vec<Arc<OwnKey>>| {
        let mut call = ask("m", r#""provider":{"order":["openai","anthropic"]}"#);
        call.principal =
            Arc::new(Principal { own_keys: Some(Arc::new(OwnKeys { keys, counts: false, instead: None })), ..Principal::named("k") });
        let mut plan = plan(&fleet, &call);
        plan.bring(&call);
        let told = plan.targets.iter().map(|target| {
            let own = target.own.as_ref().map_or("", |key| key.id.as_str());
            format!("{}{own}", target.deployment.spec.id)
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(arranged(vec![key("+a", "anthropic", false, None)]), ["claude+a", "gpt", "claude"]);
    assert_eq!(
        arranged(vec![key("+o", "openai", true, None), key("+a", "anthropic", false, None)]),
        ["claude+a", "gpt", "claude", "gpt+o"]
    );
    assert_eq!(arranged(vec![key("+o", "openai", false, Some("openai/gpt-4o"))]), ["gpt+o", "gpt", "claude"]);
    assert_eq!(arranged(vec![key("+o", "openai", false, Some("other"))]), ["gpt", "claude"]);
}
