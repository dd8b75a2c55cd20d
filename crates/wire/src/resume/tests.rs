use super::*;
use crate::reply::{Finish, Reason};

/// What follows `said` when another provider says `new`, in pieces of that size.
fn follows(said: &str, new: &str, size: usize) -> String {
    let mut seam = Some(Seam::new(said));
    let mut out = String::new();
    let letters: Vec<char> = new.chars().collect();
    for piece in letters.chunks(size) {
        let piece: String = piece.iter().collect();
        match &mut seam {
            Some(open) => out.push_str(&open.push(&piece)),
            None => out.push_str(&piece),
        }
        seam.take_if(|seam| seam.is_decided());
    }
    out.push_str(&seam.map(Seam::finish).unwrap_or_default());
    out
}

#[test]
fn what_was_said_is_not_said_again() {
    let cases = [
        // It goes on where it broke off.
        ("The quick brown", " fox jumps", " fox jumps"),
        ("The quick bro", "wn fox", "wn fox"),
        // It begins anew.
        ("The quick brown", "The quick brown fox jumps", " fox jumps"),
        ("Hello", "Hello there", " there"),
        ("H", "Hello there", "ello there"),
        // It repeats the last words.
        ("The quick brown", "brown fox", " fox"),
        ("one two three", " two three four", " four"),
        ("one two three ", "three four", "four"),
        // It says nothing new.
        ("The quick brown", "The quick brown", ""),
        ("The quick brown fox", "The quick", "The quick"),
        // Letters that happen to agree are no repetition.
        ("ban", "ana", "ana"),
        ("the cat sat", "at noon", "at noon"),
        ("a", "nd so on", "nd so on"),
        // A blank is written once.
        ("Hello ", " there", "there"),
        ("Hello ", "there", "there"),
        ("Grüße aus Köln", "Köln und Umgebung", " und Umgebung"),
    ];
    for (said, new, wanted) in cases {
        for size in [1, 2, 3, 7, 100] {
            assert_eq!(follows(said, new, size), wanted, "{said:?} then {new:?} in pieces of {size}");
        }
    }
}

#[test]
fn a_text_cut_anywhere_and_begun_anew_is_whole() {
    let text = "Rain fell on the town. Rain fell on the river, and on the river Rain, and it fell, and fell; naïve — ünd ja.";
    for cut in text.char_indices().map(|(at, _)| at).skip(1) {
        for size in [1, 4, 1000] {
            let again = format!("{}{}", &text[..cut], follows(&text[..cut], text, size));
            assert_eq!(again, text, "begun anew after {cut}");
            let tail = format!("{}{}", &text[..cut], follows(&text[..cut], &text[cut..], size));
            assert_eq!(tail.split_whitespace().collect::<String>(), text.split_whitespace().collect::<String>(), "gone on after {cut}");
        }
    }
}

fn text(block: u32, text: &str) -> Event {
    Event::BlockDelta { block, delta: Delta::Text(text.to_owned()) }
}

fn start(block: u32, kind: BlockKind) -> Event {
    Event::BlockStart { block, kind }
}

fn end() -> Event {
    Event::End { finish: Finish { reason: Reason::Stop, ..Finish::default() }, service_tier: None }
}

fn opening() -> Event {
    Event::Start { id: None, model: None, created: None }
}

#[test]
fn the_rest_of_a_stream_obeys_the_grammar() {
    let mut grammar = crate::grammar::Grammar::new();
    let mut said = Said::default();
    for event in [opening(), start(0, BlockKind::Text), text(0, "one two")] {
        grammar.check(&event).expect("in order");
        said.see(&event);
    }
    assert_eq!(said.text(), Some("one two"));
    let mut splice = said.splice();
    let thought = BlockKind::Reasoning { id: None, summary: false };
    let events = vec![
        opening(),
        start(0, thought),
        text(0, "they want three"),
        Event::BlockEnd { block: 0 },
        start(1, BlockKind::Text),
        text(1, "two"),
        text(1, " three"),
        Event::BlockEnd { block: 1 },
        end(),
    ];
    let joined = splice.join(events).expect("plain text");
    let mut shown = String::new();
    for event in &joined {
        grammar.check(event).expect("in order");
        if let Event::BlockDelta { delta: Delta::Text(text), .. } = event {
            shown.push_str(text);
        }
    }
    assert_eq!(shown, " three");
    assert!(grammar.ended());
}

#[test]
fn only_plain_text_goes_on() {
    let call = BlockKind::ToolCall { id: "c".to_owned(), name: "f".to_owned(), custom: false, namespace: None };
    for kind in [call.clone(), BlockKind::Refusal, BlockKind::Reasoning { id: None, summary: false }] {
        let mut said = Said::default();
        for event in [opening(), start(0, BlockKind::Text), text(0, "hm"), Event::BlockEnd { block: 0 }, start(1, kind)] {
            said.see(&event);
        }
        assert_eq!(said.text(), None);
    }
    let mut said = Said::default();
    said.see(&start(0, BlockKind::Text));
    said.see(&text(0, "hm"));
    assert!(said.splice().join(vec![opening(), start(0, call)]).is_err());
    let mut complete = said.splice();
    let ended = complete.join(vec![opening(), end()]).expect("an end");
    assert!(matches!(ended[..], [Event::BlockEnd { block: 0 }, Event::End { .. }]), "{ended:?}");
    said.see(&end());
    assert_eq!(said.text(), None, "what is complete needs no more");
}
