//! The laws of the line. There is no time in it: what becomes free is said.

use proptest::prelude::*;

use super::line::Line;
use super::*;

fn model() -> Capacity {
    Capacity::Model("m".into())
}

fn own(tenant: &str) -> Capacity {
    Capacity::Scope(ScopeId::new(Level::Key, tenant))
}

fn join(line: &mut Line, tenant: &str, priority: u8) -> u64 {
    line.join(tenant.into(), priority, vec![own(tenant), model()])
}

/// Serves one after the other, each when the one before has gone; says who it was.
fn serve(line: &mut Line, most: usize) -> Vec<u64> {
    let mut served = Vec::new();
    while served.len() < most {
        let turns = line.turns();
        let [next] = turns[..] else {
            assert!(turns.is_empty() && line.len() == 0, "one at a time needs the same model: {turns:?}");
            break;
        };
        line.leave(next, true);
        served.push(next);
    }
    served
}

/// A has twenty times as many calls as B: as long as both wait, they take turns.
#[test]
fn a_tenant_with_twenty_times_as_many_calls_gets_every_other_turn() {
    let mut line = Line::default();
    let a: Vec<u64> = (0..200).map(|_| join(&mut line, "a", 0)).collect();
    let b: Vec<u64> = (0..10).map(|_| join(&mut line, "b", 0)).collect();
    let served = serve(&mut line, 20);
    assert_eq!(served.iter().filter(|number| b.contains(number)).count(), 10);
    assert_eq!(serve(&mut line, usize::MAX), a[10..], "then the rest as they came");
}

/// Who comes again and again with one call gets every other turn too, and no more.
#[test]
fn a_tenant_that_comes_back_at_once_gets_no_turn_of_another() {
    let mut line = Line::default();
    for _ in 0..100 {
        join(&mut line, "a", 0);
    }
    let mut of_b = 0;
    for _ in 0..50 {
        let mine = join(&mut line, "b", 0);
        let next = serve(&mut line, 1);
        if next == [mine] {
            of_b += 1;
        } else {
            line.leave(mine, false);
        }
    }
    assert!((20..=26).contains(&of_b), "{of_b}");
}

/// A tenant that waited at its own limit while others were served has saved up nothing.
#[test]
fn turns_are_not_saved_up() {
    let mut line = Line::default();
    let b: Vec<u64> = (0..20).map(|_| join(&mut line, "b", 0)).collect();
    assert_eq!(line.turns(), [b[0]]);
    line.block(b[0], own("b"));
    for _ in 0..40 {
        join(&mut line, "a", 0);
    }
    assert_eq!(serve(&mut line, 20).iter().filter(|number| b.contains(number)).count(), 0, "b is in nobody's way");
    assert!(line.freed(&|what| *what == own("b")));
    let of_b = serve(&mut line, 20).iter().filter(|number| b.contains(number)).count();
    assert!((10..=11).contains(&of_b), "every other turn from then on, and not all it has missed: {of_b}");
}

#[test]
fn the_lower_priority_goes_first_within_a_tenant_and_within_a_round() {
    let mut line = Line::default();
    let (late, soon) = (join(&mut line, "a", 9), join(&mut line, "a", 1));
    let other = join(&mut line, "b", 5);
    assert_eq!(serve(&mut line, 3), [soon, other, late], "b's first call is in the round of a's first");
    line.strict = true;
    let (a, b) = ([join(&mut line, "a", 1), join(&mut line, "a", 1)], join(&mut line, "b", 5));
    assert_eq!(serve(&mut line, 3), [a[0], a[1], b], "where priorities come before turns");
}

/// What becomes free while one is trying is not lost on it.
#[test]
fn what_is_freed_during_a_try_is_worth_another() {
    let mut line = Line::default();
    let one = join(&mut line, "a", 0);
    assert_eq!(line.turns(), [one]);
    line.freed(&|what| *what == model());
    line.block(one, model());
    assert_eq!(line.turns(), [one]);
    line.block(one, model());
    assert!(line.turns().is_empty(), "nothing has become free since");
    line.ripen(one);
    assert_eq!(line.turns(), [one]);
}

/// Others than those that need the same may try at the same time.
#[test]
fn who_needs_nothing_that_another_waits_for_has_its_turn_at_once() {
    let mut line = Line::default();
    let one = join(&mut line, "a", 0);
    let other = line.join("b".into(), 0, vec![own("b"), Capacity::Model("n".into())]);
    assert_eq!(line.turns(), [one, other]);
    let third = join(&mut line, "c", 0);
    assert!(line.turns().is_empty(), "it needs what the first one is trying for");
    line.leave(one, false);
    assert_eq!(line.turns(), [third]);
    assert!(line.contends(&[model()]) && !line.contends(&[own("d")]));
}

/// Where there is no room, the tenant with most calls gives up its last and least important one; never for one of its own.
#[test]
fn no_room_is_made_at_the_cost_of_those_who_have_less() {
    let mut line = Line::default();
    for _ in 0..3 {
        join(&mut line, "a", 0);
    }
    let least = join(&mut line, "a", 7);
    join(&mut line, "a", 0);
    join(&mut line, "b", 9);
    assert_eq!(line.last_of_longest("b"), Some(least));
    assert_eq!(line.last_of_longest("c"), Some(least));
    assert_eq!(line.last_of_longest("a"), None);
}

proptest! {
    /// Whatever comes, is refused and leaves: within one tenant and priority the first to come is the first to go, somebody has a turn
    /// whenever somebody could, and nobody is forgotten.
    #[test]
    fn first_come_first_served_within_a_tenant_and_a_priority(steps in prop::collection::vec((0u8..8, 0usize..4, 0u8..3), 1..200)) {
        const TENANTS: [&str; 4] = ["a", "b", "c", "d"];
        let mut line = Line::default();
        let mut here: Vec<(usize, u8, u64)> = Vec::new();
        let mut trying: Option<u64> = None;
        for (step, tenant, priority) in steps {
            match (step, trying) {
                (0..=3, _) => here.push((tenant, priority, join(&mut line, TENANTS[tenant], priority))),
                (4, Some(number)) => line.block(number, model()),
                (5, _) => drop(line.freed(&|what| *what == model())),
                (6, _) if !here.is_empty() => {
                    let (.., number) = here.remove(tenant % here.len());
                    line.leave(number, false);
                }
                (_, Some(number)) => {
                    let (tenant, priority, _) = *here.iter().find(|(.., other)| *other == number).unwrap();
                    prop_assert!(here.iter().all(|other| (other.0, other.1) != (tenant, priority) || other.2 >= number), "it went ahead");
                    here.retain(|(.., other)| *other != number);
                    line.leave(number, true);
                }
                (_, None) => {}
            }
            let turns = line.turns();
            prop_assert!(turns.len() <= 1, "all need the same model");
            trying = here.iter().map(|(.., number)| *number).find(|number| line.is_trying(*number));
            prop_assert_eq!(line.len(), here.len());
        }
        // Everything is free from now on: all go, one after the other.
        line.freed(&|_| true);
        let left = here.len();
        if let Some(number) = trying {
            line.leave(number, true);
        }
        prop_assert_eq!(serve(&mut line, usize::MAX).len() + usize::from(trying.is_some()), left);
    }
}
