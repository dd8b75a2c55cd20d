//! Texts written after the rules were, by nobody who looked at them: what is found in them and what is not.

use std::collections::BTreeMap;
use std::path::Path;

use fastrand::Rng;

use super::super::classes;
use super::Tally;

/// The kinds with a form of their own.
const STRUCTURED: [&str; 6] = ["credit_card", "email", "iban", "phone", "secret", "ssn"];

/// Puts random signs where `{a20}` asks for twenty of them: no true secret stands in the table.
fn filled(text: &str, rng: &mut Rng) -> String {
    let alphabet = |kind: char| match kind {
        'a' => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        'b' => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
        'h' => "0123456789abcdef",
        'd' => "0123456789",
        'A' => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        'U' => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        _ => "",
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('{') {
        out.push_str(head);
        let hole = tail.split_once('}').and_then(|(inside, after)| {
            let signs = alphabet(inside.chars().next()?);
            let count: usize = inside.get(1..)?.parse().ok()?;
            (!signs.is_empty()).then_some((signs.as_bytes(), count, after))
        });
        match hole {
            Some((signs, count, after)) => {
                out.extend((0..count).map(|_| char::from(signs[rng.usize(..signs.len())])));
                rest = after;
            }
            None => {
                out.push('{');
                rest = tail;
            }
        }
    }
    out + rest
}

#[test]
fn finds_what_others_wrote() {
    judge("sensitive.tsv");
}

/// Twenty vendors' secrets, telephone numbers of ten countries, and what only looks like any of it: numbers of orders and versions,
/// digests, ids.
#[test]
fn finds_what_was_written_later() {
    judge("sensitive_kinds.tsv");
}

/// Made by a program, in the places where such things stand: tables, tickets, queries, calls, files; some lines hold two kinds.
/// Labelled, and kept, before they were first judged.
#[test]
fn finds_what_was_made_last() {
    judge("sensitive_wide.tsv");
}

/// The same once more, after the changes that the last ones led to.
#[test]
fn finds_what_was_made_after_the_last_change() {
    judge("sensitive_once_more.tsv");
}

fn judge(file: &str) {
    let table = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file)).unwrap();
    let mut rng = Rng::with_seed(21);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for line in table.lines() {
        let (wanted, text) = line.split_once('\t').unwrap();
        let text = filled(&text.replace("\\n", "\n"), &mut rng);
        let found = classes(&text);
        for kind in STRUCTURED {
            let tally = tallies.entry(kind).or_default();
            match (wanted.split(',').any(|wanted| wanted == kind), found.contains(&kind)) {
                (true, true) => tally.found += 1,
                (true, false) => {
                    tally.missed += 1;
                    println!("missed {kind}: {text:?} {found:?}");
                }
                (false, true) => {
                    tally.wrong += 1;
                    println!("wrong {kind} in {wanted}: {text:?}");
                }
                (false, false) => {}
            }
        }
    }
    println!("{:<16} {:>6} {:>6} {:>6} {:>9} {:>7} {:>7}", "", "found", "missed", "wrong", "precision", "recall", "F1");
    for (kind, tally) in &tallies {
        let (precision, recall, f1) = tally.scores();
        println!("{kind:<16} {:>6} {:>6} {:>6} {precision:>9.3} {recall:>7.3} {f1:>7.3}", tally.found, tally.missed, tally.wrong);
    }
    for (kind, tally) in &tallies {
        assert!(tally.scores().2 >= 0.95, "{kind}: {:?}", tally.scores());
    }
}
