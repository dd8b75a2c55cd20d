//! The labelled prompts, and what the classifier makes of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Classifier, Prompt, Tier};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prompts")
}

struct Labelled {
    tier: Tier,
    language: String,
    kind: String,
    text: String,
    /// One in three was not looked at while the weights were chosen.
    held_out: bool,
}

fn labelled() -> Vec<Labelled> {
    let payloads = std::fs::read_to_string(fixtures().join("payloads.txt")).unwrap();
    let payloads: HashMap<&str, &str> =
        payloads.split("== ").filter_map(|part| part.split_once('\n')).map(|(name, text)| (name.trim(), text.trim_end())).collect();
    let mut all = Vec::new();
    for tier in Tier::ALL {
        let table = std::fs::read_to_string(fixtures().join(format!("{}.tsv", tier.name()))).unwrap();
        for (at, line) in table.lines().enumerate() {
            let mut columns = line.splitn(3, '\t');
            let (language, kind, text) = (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
            let mut text = text.replace("\\n", "\n");
            for (name, payload) in &payloads {
                text = text.replace(&format!("{{{{{name}}}}}"), payload);
            }
            assert!(!text.contains("{{"), "unknown payload in {line}");
            all.push(Labelled { tier, language: language.to_owned(), kind: kind.to_owned(), text, held_out: at % 3 == 2 });
        }
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
        let found = classifier.classify(&Prompt::new(&one.text));
        let set = if one.held_out { "held out" } else { "tuned on" };
        for name in [set.to_owned(), format!("language {}", one.language), format!("kind {}", one.kind), format!("tier {}", one.tier.name())] {
            tallies.entry(name).or_default().add(one.tier, found.tier);
        }
        matrix[one.tier as usize][found.tier as usize] += 1;
        if one.tier != found.tier && (!one.held_out || std::env::var_os("SHOW_ALL").is_some()) {
            let start: String = one.text.chars().take(110).collect();
            println!("{} → {} {:.2} {:?} | {}", one.tier.name(), found.tier.name(), found.score, found.features, start.replace('\n', "⏎"));
        }
    }
    let mut names: Vec<_> = tallies.iter().collect();
    names.sort_by_key(|(name, _)| *name);
    println!("{:<22} {:>5} {:>7} {:>7}", "", "all", "exact", "within");
    for (name, tally) in names {
        let (exact, near) = tally.shares();
        println!("{name:<22} {:>5} {:>6.1}% {:>6.1}%", tally.all, exact * 100.0, near * 100.0);
    }
    println!("labelled (down) against found (across): {matrix:?}");
    for (set, least) in [("tuned on", 0.85), ("held out", 0.75)] {
        let (exact, near) = tallies[set].shares();
        assert!(exact >= least && near >= 0.90, "{set}: {exact:.3} exact, {near:.3} within one tier");
    }
}

#[test]
fn scratch_blind() {
    let Ok(path) = std::env::var("BLIND") else { return };
    let payloads = std::fs::read_to_string(fixtures().join("payloads.txt")).unwrap();
    let payloads: HashMap<&str, &str> =
        payloads.split("== ").filter_map(|part| part.split_once('\n')).map(|(name, text)| (name.trim(), text.trim_end())).collect();
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let (tier, text) = line.split_once('\t').unwrap();
        let tier = Tier::from_name(tier).unwrap();
        let mut text = text.replace("\\n", "\n");
        for (name, payload) in &payloads { text = text.replace(&format!("{{{{{name}}}}}"), payload); }
        let found = Classifier::default().classify(&Prompt::new(&text));
        tallies.entry("all".into()).or_default().add(tier, found.tier);
        tallies.entry(tier.name().into()).or_default().add(tier, found.tier);
        if tier != found.tier { println!("{} → {} {:.2} {:?} | {}", tier.name(), found.tier.name(), found.score, found.features, text.replace('\n', "⏎")); }
    }
    for (name, tally) in tallies { println!("{name} {} {:?}", tally.all, tally.shares()); }
}
