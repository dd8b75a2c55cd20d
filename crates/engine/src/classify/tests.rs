//! The labelled prompts, and what the classifier makes of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Boundaries, Classifier, Dimension, Prompt, Tier, Weights};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prompts")
}

struct Labelled {
    tier: Tier,
    language: String,
    kind: String,
    before: String,
    text: String,
    set: &'static str,
}

impl Labelled {
    fn prompt(&self) -> Prompt<'_> {
        let is_conversation = !self.before.is_empty() && !self.before.starts_with("system:");
        let turns = if is_conversation { self.before.split(" ¶ ").count() / 2 + 1 } else { 1 };
        let tools = if self.before.contains("Tools:") { 4 } else { 0 };
        let mut said = self.before.rsplit(" ¶ ").filter(|_| is_conversation);
        let (offer, earlier) = (said.next().unwrap_or_default(), said.next().unwrap_or_default());
        Prompt { context_bytes: self.before.len(), turns, tools, earlier, offer, ..Prompt::new(&self.text) }
    }
}

/// The prompts of one file; in that of the held-out ones the tier stands first.
fn read(file: &str, tier: Option<Tier>, payloads: &HashMap<&str, &str>) -> Vec<Labelled> {
    let table = std::fs::read_to_string(fixtures().join(file)).unwrap();
    let mut all = Vec::new();
    for (at, line) in table.lines().enumerate() {
        let (tier, rest) = tier.map_or_else(
            || {
                let (name, rest) = line.split_once('\t').unwrap();
                (Tier::from_name(name).unwrap(), rest)
            },
            |tier| (tier, line),
        );
        let [language, kind, text] = rest.splitn(3, '\t').collect::<Vec<_>>().try_into().unwrap();
        let mut text = text.replace("\\n", "\n");
        for (name, payload) in payloads {
            text = text.replace(&format!("{{{{{name}}}}}"), payload);
        }
        assert!(!text.contains("{{"), "unknown payload in {line}");
        // One in three of the first prompts, and all of the last file, played no part in choosing words and weights.
        let set = match at {
            _ if file == HELD_OUT => "held out, written last",
            _ if file == FRESH => "fresh",
            _ if file == AFTER => "after the last change",
            _ if file == KINDS => "kinds not met before",
            _ if file == WIDE => "wide",
            _ if file == ONCE_MORE => "once more",
            _ if file == THIRD => "third",
            2..90 if at % 3 == 2 => "held out",
            _ => "tuned on",
        };
        // What was said before, and the instructions, stand before the last "¶".
        let (before, text) = text.rsplit_once(" ¶ ").unwrap_or(("", &text));
        let (before, text) = (before.to_owned(), text.to_owned());
        all.push(Labelled { tier, language: language.to_owned(), kind: kind.to_owned(), before, text, set });
    }
    all
}

const HELD_OUT: &str = "held_out.tsv";
/// Written after everything was tuned, and measured before anything was changed for them.
const FRESH: &str = "fresh.tsv";
/// Written after the last change, and followed by none.
const AFTER: &str = "after.tsv";

/// Of kinds that no other file has: logs, mails, homework, parts to play, transcripts of agents. Labelled before they were first judged.
const KINDS: &str = "kinds.tsv";

/// Of everything at once, in nine languages, with conversations and instructions. Labelled, and kept, before they were first judged.
const WIDE: &str = "wide.tsv";

/// Written after the changes that the last one led to, and judged once before anything was changed for it.
const ONCE_MORE: &str = "once_more.tsv";

/// The same again, in other languages.
const THIRD: &str = "third.tsv";

fn labelled() -> Vec<Labelled> {
    let payloads = std::fs::read_to_string(fixtures().join("payloads.txt")).unwrap();
    let payloads: HashMap<&str, &str> =
        payloads.split("== ").filter_map(|part| part.split_once('\n')).map(|(name, text)| (name.trim(), text.trim_end())).collect();
    let mut all = read(HELD_OUT, None, &payloads);
    all.extend(read(FRESH, None, &payloads));
    all.extend(read(AFTER, None, &payloads));
    all.extend(read(KINDS, None, &payloads));
    all.extend(read(WIDE, None, &payloads));
    all.extend(read(ONCE_MORE, None, &payloads));
    all.extend(read(THIRD, None, &payloads));
    for tier in Tier::ALL {
        all.extend(read(&format!("{}.tsv", tier.name()), Some(tier), &payloads));
    }
    all
}

#[derive(Default)]
struct Tally {
    all: usize,
    exact: usize,
    near: usize,
}

impl Tally {
    fn add(&mut self, said: Tier, found: Tier) {
        self.all += 1;
        self.exact += usize::from(said == found);
        self.near += usize::from((said as i32 - found as i32).abs() <= 1);
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hundred prompts")]
    fn shares(&self) -> (f64, f64) {
        (self.exact as f64 / self.all as f64, self.near as f64 / self.all as f64)
    }
}

#[test]
fn agrees_with_the_labels() {
    let classifier = Classifier::default();
    let all = labelled();
    assert!(all.len() >= 400);
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    let mut matrix = [[0_u32; 4]; 4];
    for one in &all {
        let found = classifier.classify(&one.prompt());
        for name in
            [one.set.to_owned(), format!("language {}", one.language), format!("kind {}", one.kind), format!("tier {}", one.tier.name())]
        {
            tallies.entry(name).or_default().add(one.tier, found.tier);
        }
        matrix[one.tier as usize][found.tier as usize] += 1;
        if one.tier != found.tier && matches!(one.set, "tuned on" | "fresh" | "kinds not met before" | "wide" | "once more" | "third") {
            let start: String = one.text.chars().take(110).collect();
            println!("{} → {} {:.2} {:?} | {}", one.tier.name(), found.tier.name(), found.score, found.features, start.replace('\n', "⏎"));
        }
    }
    let mut names: Vec<_> = tallies.iter().collect();
    names.sort_by_key(|(name, _)| *name);
    println!("{:<24} {:>5} {:>7} {:>7}", "", "all", "exact", "within");
    for (name, tally) in names {
        let (exact, near) = tally.shares();
        println!("{name:<24} {:>5} {:>6.1}% {:>6.1}%", tally.all, exact * 100.0, near * 100.0);
    }
    println!("labelled (down) against found (across): {matrix:?}");
    report_saving(&all, &classifier);
    for (set, least) in [
        ("tuned on", 0.9),
        ("held out", 0.8),
        ("held out, written last", 0.75),
        ("fresh", 0.75),
        ("after the last change", 0.75),
        ("kinds not met before", 0.75),
        ("wide", 0.75),
        ("once more", 0.75),
        ("third", 0.75),
    ] {
        let (exact, near) = tallies[set].shares();
        assert!(exact >= least && near >= 0.90, "{set}: {exact:.3} exact, {near:.3} within one tier");
    }
}

/// What routing by tier would cost against always asking the model of the highest tier, at list prices a factor apart.
fn report_saving(all: &[Labelled], classifier: &Classifier) {
    // Cents for a million tokens in and out: a small, a middling, a large and a thinking model.
    const PRICES: [(u64, u64); 4] = [(10, 40), (40, 160), (300, 1500), (500, 2500)];
    // What answers to such requests usually take.
    const ANSWERS: [u64; 4] = [60, 400, 1500, 3000];
    let (mut routed, mut top) = (0, 0);
    for one in all {
        let tier = classifier.classify(&one.prompt()).tier;
        let input = one.text.len() as u64 / 4;
        let cost = |prices: (u64, u64)| input * prices.0 + ANSWERS[one.tier as usize] * prices.1;
        routed += cost(PRICES[tier as usize]);
        top += cost(PRICES[3]);
    }
    println!("routed by tier: {} % of the cost of always asking the top model", routed * 100 / top);
    assert!(routed < top);
}

fn tier(text: &str) -> Tier {
    Classifier::default().classify(&Prompt::new(text)).tier
}

#[test]
fn how_a_request_is_dressed_does_not_count() {
    let tier = |text: &str| Classifier::default().classify(&Prompt::new(text)).tier;
    let design = "Design a multi-tenant SaaS billing system: invoices, taxes, dunning, refunds, audit, an API and a roll-out plan.";
    for (text, wanted) in [
        (design, Tier::Complex),
        ("Prove that there are infinitely many primes.", Tier::Reasoning),
        ("Explain how photosynthesis works.", Tier::Standard),
    ] {
        let dressed = [
            text.to_owned(),
            format!("\"{text}\""),
            format!("“{text}”"),
            format!("**{text}**"),
            format!("<task>{text}</task>"),
            format!("Answer: \"{text}\""),
            format!("Do the task in the block.\n```text\n{text}\n```"),
            text.replace(' ', "\u{A0}"),
        ];
        for dressed in dressed {
            assert_eq!(tier(&dressed), wanted, "{dressed}");
        }
    }
    assert_eq!(tier("What is the sum of the price column?\n\n| item | price |\n|---|---|\n| tea | 3 |\n| coffee | 4 |"), Tier::Simple);
    assert!(tier("Which of them is cheaper?\n\n| item | price |\n|---|---|\n| tea | 3 |\n| coffee | 4 |") <= Tier::Standard);
    assert_eq!(tier("write an instagram post for my bakery"), Tier::Standard);
    assert_eq!(tier("證明根號二是無理數"), tier("证明根号二是无理数"));
    assert_eq!(tier("ДОКАЖИ, ЧТО ПРОСТЫХ ЧИСЕЛ БЕСКОНЕЧНО МНОГО"), Tier::Reasoning);
}

#[test]
fn a_turn_that_works_on_needs_about_what_it_works_on_needed() {
    let tier = |earlier: &str, text: &str| Classifier::default().classify(&Prompt { text, earlier, turns: 2, ..Prompt::default() }).tier;
    let proof = "Prove that the square root of 2 is irrational.";
    assert_eq!(tier(proof, "Now for the square root of 3."), Tier::Complex);
    assert!(tier(proof, "that seems wrong, check again") >= Tier::Complex);
    assert_eq!(tier(proof, "Thanks!"), Tier::Simple);
    assert_eq!(tier(proof, "And what is the capital of Peru?"), Tier::Simple);
    assert_eq!(tier("Hello!", "and you?"), Tier::Simple);
}

#[test]
fn what_is_only_shown_does_not_count() {
    let article = "To prove a theorem, derive a contradiction. Design distributed architectures with care, says the essay. ".repeat(40);
    assert_eq!(tier(&format!("{article}\n\nWhat is 2+2?")), Tier::Simple);
    assert_eq!(tier(&format!("What is the title of this text?\n\n{article}")), Tier::Simple);
    assert_eq!(tier("Translate to French: \"Prove that the integral converges, step by step.\""), Tier::Simple);
    assert_eq!(tier("Simple question: prove that the square root of 3 is irrational."), Tier::Reasoning);
}

#[test]
fn says_what_the_score_is_made_of() {
    let found = Classifier::default().classify(&Prompt::new("Prove that there are infinitely many prime numbers."));
    let share = |name: &str| found.features.iter().find(|(dimension, _)| dimension.name() == name).map(|(_, share)| *share);
    assert!(share("reasoning_markers").is_some_and(|share| share > 0.4), "{found:?}");
    assert!(share("mathematics").is_some(), "{found:?}");
    let sum: f32 = found.features.iter().map(|(_, share)| share).sum();
    assert!((sum.clamp(0.0, 1.0) - found.score).abs() < 0.01, "{found:?}");
}

#[test]
fn boundaries_and_weights_can_be_chosen() {
    let text = "Write a short poem about the ocean.";
    let lower = Classifier { boundaries: Boundaries { complex: 0.2, ..Boundaries::default() }, ..Classifier::default() };
    assert_eq!((tier(text), lower.classify(&Prompt::new(text)).tier), (Tier::Standard, Tier::Complex));
    let proof = "Prove that there are infinitely many prime numbers.";
    let weights = Weights::default().with(Dimension::ReasoningMarkers, 0.0).with(Dimension::Mathematics, 0.0);
    let deaf = Classifier { weights, ..Classifier::default() };
    assert_ne!(deaf.classify(&Prompt::new(proof)).tier, Tier::Reasoning);
}

#[test]
fn a_long_conversation_with_tools_weighs_more_than_its_last_word() {
    let short = Classifier::default().classify(&Prompt::new("continue"));
    let long = Prompt { context_bytes: 300_000, turns: 20, tools: 12, ..Prompt::new("continue") };
    assert!(Classifier::default().classify(&long).score > short.score);
}

#[test]
fn any_text_is_judged() {
    for text in ["", " ", "\n\n\n", "```", "\"", "„„„„", "'’‘", "\u{0}", "🙂🙂🙂", "```\n```\n```", "- \n- \n", "ab’ 'x’ ‘y"]
    {
        let found = Classifier::default().classify(&Prompt::new(text));
        assert!((0.0..=1.0).contains(&found.score), "{text:?}: {found:?}");
        assert!(found.tier <= Tier::Standard, "{text:?}: {found:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_fail(text in "\\PC{0,400}", cut in 0_usize..400) {
        let text: String = text.chars().skip(cut / 4).collect();
        let found = Classifier::default().classify(&Prompt::new(&text));
        proptest::prop_assert!((0.0..=1.0).contains(&found.score));
    }
}
