//! Experiments, what their arms come to, feedback, and savings.

use std::sync::Arc;
use std::time::Duration;

use switchboard_store::experiment::{self, Feedback, Row, Said};
use switchboard_store::journal::{Durability, Journal};
use switchboard_store::ledger::{Part, Passing, Saving, Writer};
use switchboard_store::savings::{self, By, Wanted};
use switchboard_store::{Store, micros};

use crate::ledger::futures;
use crate::stores::each;

fn line<'a>(id: &'a str, number: i64, arm: &str, spend: i64) -> Passing<'a> {
    let began = 1_790_000_000_000_000;
    Passing {
        request_id: id,
        call_type: "acompletion",
        status: if number % 10 == 9 { "failure" } else { "success" },
        spend,
        times: (began, began + 250_000),
        api_key: Some(if number % 2 == 0 { "even" } else { "odd" }),
        team_id: Some("t"),
        model: "cheap",
        model_group: "auto",
        metadata: "{}",
        part: Some(Part { experiment: "e".to_owned(), arm: arm.to_owned(), role: "live".to_owned(), whole: true }),
        saving: Some(Saving { reference: "dear".to_owned(), cost: spend * 5 }),
        ..Passing::default()
    }
}

fn carry(store: &Store, lines: &[Passing<'_>]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, _) = Journal::open(folder.path(), Durability::Grouped).expect("a journal");
    let journal = Arc::new(journal);
    for line in lines {
        journal.log(line);
    }
    let writer = Writer::start(store, journal);
    writer.flush_blocking(Duration::from_secs(20)).expect("a database");
}

#[test]
fn arms_and_savings_are_counted_once_whatever_is_carried_twice() {
    each(|store| {
        let ids: Vec<String> = (0..100).map(|number| format!("r{number}")).collect();
        let lines: Vec<Passing<'_>> =
            (0..).zip(&ids).map(|(number, id)| line(id, number, if number < 60 { "a" } else { "b" }, 2_000_000)).collect();
        carry(store, &lines);
        carry(store, &lines);
        let figures = futures(experiment::figures(store, Some("e".to_owned())));
        let [a, b] = &figures[..] else { panic!("{figures:?}") };
        assert_eq!((a.arm.as_str(), a.tally.requests, a.tally.failed, a.tally.spend), ("a", 60, 6, 120_000_000));
        assert_eq!((a.tally.spend_squares, a.tally.timed, a.tally.latency), (60 * 4_000_000, 54, 54 * 250));
        assert_eq!((b.arm.as_str(), b.tally.requests), ("b", 40));
        let sums = |wanted: Wanted, by: &[By]| futures(savings::sums(store, wanted, by, 100));
        let all = sums(Wanted::default(), &[]);
        assert_eq!((all[0].requests, all[0].spend, all[0].reference), (100, 200_000_000, 1_000_000_000));
        let days = sums(Wanted::default(), &[By::Day, By::Key]);
        assert_eq!((days.len(), days[0].by[0].len(), days[0].by[1].as_str(), days[0].requests), (2, 10, "even", 50));
        let odd = Wanted { own: Some((None, Some("odd".to_owned()))), ..Wanted::default() };
        assert_eq!(sums(odd, &[By::Team])[0].requests, 50);
        assert!(sums(Wanted { from: "2999-01-01".to_owned(), ..Wanted::default() }, &[]).is_empty());
    });
}

#[test]
fn whoever_writes_says_what_they_knew() {
    each(|store| {
        let row = Row { name: "e".to_owned(), document: None, state: "{}".to_owned(), version: 0 };
        assert!(futures(experiment::put(store, row.clone())));
        assert!(!futures(experiment::put(store, row.clone())), "there is one already");
        assert!(futures(experiment::put(store, Row { state: "[1]".to_owned(), version: 1, ..row.clone() })));
        assert!(!futures(experiment::put(store, Row { state: "[2]".to_owned(), version: 1, ..row.clone() })), "it has changed since");
        assert_eq!(futures(experiment::list(store)), [Row { state: "[1]".to_owned(), version: 2, ..row }]);
        assert!(futures(experiment::remove(store, "e")) && !futures(experiment::remove(store, "e")));
        assert!(futures(experiment::list(store)).is_empty());
    });
}

#[test]
fn one_feedback_of_each_author_counts_for_the_arm() {
    each(|store| {
        carry(store, &[line("r1", 1, "a", 1_000_000)]);
        let said = |author: &str, reward: Option<i64>, comment: Option<&str>| Feedback {
            request_id: "r1".to_owned(),
            author: author.to_owned(),
            source: "caller".to_owned(),
            reward,
            comment: comment.map(str::to_owned),
            experiment: Some("e".to_owned()),
            arm: Some("a".to_owned()),
            model: "cheap".to_owned(),
            model_group: "auto".to_owned(),
            ..Feedback::default()
        };
        futures(experiment::say(store, said("k", Some(10_000), None)));
        let now = futures(experiment::say(store, said("k", Some(4_000), None)));
        assert!(now.created_at <= now.updated_at && now.updated_at <= micros());
        let now = futures(experiment::say(store, said("k", None, Some("slow"))));
        assert_eq!((now.reward, now.comment.as_deref()), (Some(4_000), Some("slow")), "what is not said anew stays");
        futures(experiment::say(store, said("other", Some(10_000), None)));
        let tally = futures(experiment::figures(store, None))[0].tally;
        assert_eq!((tally.requests, tally.rated, tally.rewards, tally.reward_squares), (1, 2, 14_000, 116_000_000));
        let found = futures(experiment::said(store, Said { author: Some("k".to_owned()), ..Said::default() }, (10, 0)));
        assert_eq!(found.len(), 1);
        futures(experiment::remove(store, "e"));
        assert!(futures(experiment::figures(store, None)).is_empty());
        assert_eq!(futures(experiment::said(store, Said::default(), (10, 0))).len(), 2, "what was said stays");
    });
}
