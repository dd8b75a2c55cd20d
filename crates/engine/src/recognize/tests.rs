//! Generated texts with and without what is looked for.

mod fresh;
mod generate;
mod near_miss;

use std::collections::BTreeMap;

use fastrand::Rng;

use super::{classes, find, kinds, rules::Rules};

/// How many texts of each form.
const TEXTS: usize = 240;

#[derive(Default)]
struct Tally {
    found: usize,
    missed: usize,
    wrong: usize,
}

impl Tally {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand texts")]
    fn scores(&self) -> (f64, f64, f64) {
        let share = |part: usize, whole: usize| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
        let (precision, recall) = (share(self.found, self.found + self.wrong), share(self.found, self.found + self.missed));
        (precision, recall, 2.0 * precision * recall / (precision + recall).max(f64::MIN_POSITIVE))
    }
}

#[test]
fn finds_what_is_there_and_nothing_else() {
    let mut rng = Rng::with_seed(7);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut slips: BTreeMap<String, usize> = BTreeMap::new();
    for (kind, make) in generate::KINDS {
        for _ in 0..TEXTS {
            let value = make(&mut rng);
            let (text, span) = generate::sentence(&mut rng, kind, &value);
            let findings = find(&text, None);
            let tally = tallies.entry(kind).or_default();
            let hit = findings.iter().any(|finding| finding.kind == kind && finding.span.start < span.end && span.start < finding.span.end);
            if hit {
                tally.found += 1;
            } else {
                tally.missed += 1;
                *slips.entry(format!("missed {kind}: {text}")).or_default() += 1;
            }
            for other in findings.iter().filter(|finding| finding.kind != kind && kinds().contains(&finding.kind)) {
                if !generate::goes_with(kind, other.kind) {
                    tallies.entry(other.kind).or_default().wrong += 1;
                    *slips.entry(format!("wrong {} in {kind}: {text}", other.kind)).or_default() += 1;
                }
            }
        }
    }
    for make in near_miss::ALL {
        for _ in 0..TEXTS / 2 {
            let text = make(&mut rng);
            for finding in find(&text, None) {
                tallies.entry(finding.kind).or_default().wrong += 1;
                *slips.entry(format!("wrong {} ({}): {text}", finding.kind, &text[finding.span.clone()])).or_default() += 1;
            }
        }
    }
    for slip in slips.keys().take(60) {
        println!("{slip}");
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

#[test]
fn the_table_of_rules_is_whole() {
    let rules = Rules::read(include_str!("rules.toml")).unwrap();
    assert!(rules.kinds().count() > 50);
    for wrong in ["[words]\n[[rule]]\nkind = \"email\"\npattern = \"(\"", "[words]\n[[rule]]\nkind = \"hat\"\npattern = \"x\""] {
        assert!(Rules::read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn tells_whether_a_text_is_about_someones_health_or_money() {
    let check = |text: &str, wanted: &[&str]| assert_eq!(classes(text), wanted, "{text}");
    check("My doctor prescribed metformin for my diabetes, should I worry?", &["medical"]);
    check("the patient has diabetes and takes insulin", &["medical"]);
    check("Patient presents with chest pain and shortness of breath.", &["medical"]);
    check("Bei mir wurde Diabetes diagnostiziert, und mein Blutdruck ist zu hoch.", &["medical"]);
    check("我被确诊患有糖尿病，正在服用药物。", &["medical"]);
    check("У меня диагностировали гипертонию, врач назначил лечение.", &["medical"]);
    check("How does a hospital work?", &[]);
    check("What is diabetes?", &[]);
    check("My salary is 4200 a month and my mortgage eats half of it.", &["financial"]);
    check("Mein Gehalt reicht nicht für den Kredit.", &["financial"]);
    check("Explain how interest rates influence house prices.", &[]);
    check("Write a poem about the sea.", &[]);
    check("This treatment of the theme made me laugh.", &[]);
}

#[test]
fn everyday_words_and_code_tell_of_nobody() {
    let check = |text: &str, wanted: &[&str]| assert_eq!(classes(text), wanted, "{text}");
    for text in [
        "I take the bus to work, can I take a photo there?",
        "ICD-10 code list as csv?",
        "Which episode of my doctor who box is it?",
        "use std::io; // I close the file after this operation",
        "I owe you one! See my portfolio for more.",
        "What is the net worth of that man?",
        "My credit card was declined, what now?",
        "Their actions keep the balance of the treatment.",
        "Free Software Foundation, 51 Franklin Street, Boston, MA 02110-1301, USA",
        "Copyright 2012-2013; text by Bob",
        "The text has 1234567 characters, the ring buffer 1048576 bytes.",
        "The system call returned 4294967295.",
        "max cell rate 353207.547",
        "La Liga 2019 2020 2021",
        "as in Clause\n252.227-7013 of the rules",
        "private_key: PrivateKeyDer, token: CancellationToken, client_secret: ClientSecretCredential",
        "access_token = getAccessToken(user); aws_session_token=aws_session_token",
        "extern struct passwd *getpwuid(uid_t uid);",
        "postgres://$USER:$PASS@localhost/db and mysql://user:password@host/db",
        "clone git@github.com",
        "EAN 4095275016992",
    ] {
        check(text, &[]);
    }
    check("I've had a cough and a fever since Monday.", &["medical"]);
    check("Bei meiner Mutter wurde Brustkrebs festgestellt.", &["medical"]);
    check("I earn 5,200 a month.", &["financial"]);
    check("Solde du compte : 1 243,77 €", &["financial"]);
    check("Our payroll: Ann 4,100, Ben 3,800", &["financial"]);
    check("text me on 5551234", &["phone"]);
    check("ring 0044 7700 900123 or **+49 171 1234567**", &["phone"]);
    check("https://wa.me/+491711234567", &["phone"]);
    check("card_4111111111111111 and _536-22-8741_", &["credit_card", "ssn"]);
    check("redis://:zK8vQ2mX4pL7@cache.example.com:6379/0", &["secret"]);
    check("use newco_pat_Zk3vQ8mX4pL7tR2wB9nC5dF1gH6jK0sY to log in", &["secret"]);
    check("chatcmpl-Zk3vQ8mX4pL7tR2wB9nC5dF1gH6jK0sY", &[]);
}

#[test]
fn findings_tell_places_and_never_text() {
    let text = "Write to anna.schmidt@example.de or call +49 30 1234567.";
    let findings = find(text, None);
    let told: Vec<(&str, &str)> = findings.iter().map(|finding| (finding.kind, &text[finding.span.clone()])).collect();
    assert_eq!(told, [("email", "anna.schmidt@example.de"), ("phone", "+49 30 1234567")]);
    assert!(!format!("{findings:?}").contains("anna"));
    assert_eq!(find(text, Some(&["phone"])).len(), 1);
}

#[test]
fn what_is_escaped_is_found() {
    let check = |text: &str, wanted: &[&str]| assert_eq!(classes(text), wanted, "{text}");
    check(r#"{"content":"pay with\n4111111111111111"}"#, &["credit_card"]);
    check(r#"{"content":"pay with\t4111111111111111"}"#, &["credit_card"]);
    check(r#"{"content":"x\n536-22-8741"}"#, &["ssn"]);
    check(r#"{"content":"x\\nDE89370400440532013000"}"#, &["iban"]);
    check(r#"{"to":"a.bee\u0040example.com"}"#, &["email"]);
    check(r#"{"content":"{\"password\": \"Sommer2024!x\"}"}"#, &["secret"]);
    check(r#"{"content":"\u624b\u673a\u53f713812345678"}"#, &["phone"]);
    check("https://shop.example/?email=a.bee%40example.com&n=1", &["email"]);
    check("card=4111+1111+1111+1111&exp=1", &["credit_card"]);
    check("Write to a.bee&#64;example.com", &["email"]);
    check(r"C:\new\table\u12 and \d{3}-\d{2}-\d{4}", &[]);
    let text = r#"{"content":"Grüße\nAKIAQPZRY9X8GF2TVDW0"}"#;
    assert_eq!(find(text, None).into_iter().map(|finding| &text[finding.span]).collect::<Vec<_>>(), ["AKIAQPZRY9X8GF2TVDW0"]);
}

/// Texts that begin something again and again and never finish it: what the rules look for, and what patterns run on in.
fn provocations() -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Row {
        #[serde(default)]
        has: Vec<String>,
    }
    #[derive(serde::Deserialize)]
    struct Table {
        rule: Vec<Row>,
    }
    let table: Table = toml::from_str(include_str!("rules.toml")).unwrap();
    let own = ["0 1 ", "12 34 ", "1.2.3.4 ", "4111 ", "+49 30 1234567 ", "a@", "x:a@b.cc ", "eyJ-", "aeyJ-", "aB1_", "a.", "-", "\\", "&#"];
    let more = ["token: ", "dp.pt.", "<a ", "::", "(at)", "my doctor ", "1-", "A1 ", "1 1-1.1/1 +1(1)2 a@a.a@ eyJ sk- DE89 password is "];
    let mut all: Vec<String> = own.into_iter().chain(more).map(str::to_owned).collect();
    all.extend(table.rule.into_iter().flat_map(|row| row.has).filter(|needle| needle != "digit"));
    all
}

#[test]
fn a_long_text_takes_work_in_proportion() {
    let rules = Rules::builtin();
    for seed in provocations() {
        for (before, end) in [("", ""), ("x", ""), ("", "@b.cc"), ("", ".eyJaaaaaa.aaaaaaaaaaa"), ("", " 12345678")] {
            let work = |bytes: usize| rules.look(&format!("{before}{}{end}", seed.repeat(bytes / seed.len()))).bytes;
            let (short, long) = (work(2_000), work(8_000));
            assert!(long <= short * 5 + 8_000, "{seed:?}…{end:?}: {short}, then {long}");
            assert!(long <= 8_000 * 400, "{seed:?}…{end:?}: {long}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_fail(text in "[\\PC\n]{0,200}", digits in "[0-9 .:/@+-]{0,120}") {
        for text in [format!("{text}{digits}"), format!("{digits}{text}")] {
            for finding in find(&text, None) {
                proptest::prop_assert!(text.get(finding.span).is_some());
            }
        }
    }
}
