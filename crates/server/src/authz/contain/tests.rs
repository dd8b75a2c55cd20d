//! Whatever is handed on, and on, is within what it began with (A5; CVE-2026-47101).

use proptest::prelude::*;
use switchboard_store::{Money, Time};

use super::*;

const MODELS: [&str; 4] = ["a", "b", "c", "x/*"];
const ASKED: [&str; 6] = ["a", "b", "c", "x/1", "x/2", "d"];
const ROUTES: [&str; 4] = ["llm_api_routes", "info_routes", "/key/*", "management_routes"];

fn some<T: Clone>(list: &[T], mask: u8) -> Vec<T> {
    list.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, one)| one.clone()).collect()
}

fn texts(list: &[&str], mask: u8) -> Vec<String> {
    some(list, mask).into_iter().map(str::to_owned).collect()
}

fn money(amount: u8) -> Option<Money> {
    (amount > 0).then(|| Money::of(&serde_json::Number::from(amount)).expect("an amount"))
}

/// A key at random; a zero is what is not said.
fn key((models, routes, budget, rpm, expires): (u8, u8, u8, u8, u8), team: bool) -> Key {
    Key {
        models: texts(&MODELS, models),
        allowed_routes: texts(&ROUTES, routes),
        max_budget: money(budget),
        rpm_limit: (rpm > 0).then_some(u64::from(rpm)),
        expires: (expires > 0).then_some(Time(i64::from(expires) * 1_000_000)),
        team_id: team.then(|| "t".to_owned()),
        ..Key::default()
    }
}

/// Whether a list lets a model through, said once more and otherwise.
fn lets(list: &[String], model: &str) -> bool {
    list.is_empty() || list.iter().any(|entry| entry == model || entry.strip_suffix('*').is_some_and(|start| model.starts_with(start)))
}

fn most<T: PartialOrd>(gift: Option<T>, own: Option<T>) -> bool {
    match (gift, own) {
        (_, None) => true,
        (Some(gift), Some(own)) => gift <= own,
        (None, Some(_)) => false,
    }
}

type Numbers = (u8, u8, u8, u8, u8);

fn numbers() -> impl Strategy<Value = Numbers> {
    (0..16_u8, 0..16_u8, 0..20_u8, 0..20_u8, 0..20_u8)
}

/// A team's administrator who comes with a limited key of the administrator's own makes no broader one of the team.
#[test]
fn a_personal_key_bounds_what_is_made_of_a_team() {
    let own = key((1, 0, 10, 5, 0), false);
    let team = Some(Team { team_id: "t".to_owned(), models: texts(&MODELS, 15), ..Team::default() });
    let bounds = Bounds { key: Some(own), user: None, team };
    assert!(bounds.hold(&key((1, 0, 10, 5, 0), true)).is_ok());
    for broader in [(3, 0, 10, 5, 0), (0, 0, 10, 5, 0), (1, 0, 11, 5, 0), (1, 0, 0, 5, 0), (1, 0, 10, 6, 0), (1, 0, 10, 0, 0)] {
        assert!(bounds.hold(&key(broader, true)).is_err(), "{broader:?}");
        // What an administrator gave may keep its bounds where something else of it is changed.
        let (present, named) = (key(broader, true), Key { key_alias: Some("n".to_owned()), ..key(broader, true) });
        assert!(bounds.hold_change(&present, &named).is_ok(), "{broader:?}");
        assert!(bounds.hold_change(&key((1, 0, 10, 5, 0), true), &named).is_err(), "{broader:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_chain_of_gifts_leads_out(root in numbers(), gifts in proptest::collection::vec(numbers(), 1..6), team in any::<bool>(), limits in (0..16_u8, 0..16_u8, 0..20_u8)) {
        let (of_team, of_user, budget) = limits;
        let team_row = team.then(|| Team { team_id: "t".to_owned(), models: texts(&MODELS, of_team), ..Team::default() });
        let user = User { user_id: "u".to_owned(), models: texts(&MODELS, of_user), max_budget: money(budget), ..User::default() };
        let root = key(root, team);
        let mut own = root.clone();
        for gift in gifts {
            let gift = key(gift, team);
            let bounds = Bounds { key: Some(own.clone()), user: Some(user.clone()), team: team_row.clone() };
            if bounds.hold(&gift).is_err() {
                continue;
            }
            for model in ASKED {
                let around = |key: &Key| match &team_row {
                    Some(row) => lets(&key.models, model) && lets(&row.models, model),
                    None => lets(&key.models, model) && lets(&user.models, model),
                };
                prop_assert!(!around(&gift) || around(&root), "{model}: {:?} of {:?}", gift.models, root.models);
            }
            prop_assert!(root.allowed_routes.is_empty() || !gift.allowed_routes.is_empty() && gift.allowed_routes.iter().all(|route| root.allowed_routes.contains(route)));
            prop_assert!(most(gift.max_budget, root.max_budget));
            prop_assert!(most(gift.rpm_limit, root.rpm_limit));
            prop_assert!(most(gift.expires, root.expires));
            own = gift;
        }
    }
}
