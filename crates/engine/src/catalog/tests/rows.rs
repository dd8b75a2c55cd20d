//! The provider rows.

use std::collections::BTreeSet;

use super::super::document::render_providers_markdown;
use super::*;

#[test]
fn embedded_files_are_readable() {
    Catalog::check_embedded().unwrap();
    assert!(Catalog::embedded().providers().count() >= 100);
}

#[test]
fn every_row_is_complete() {
    // The built-in model has no address before it runs, no key and no documentation elsewhere.
    for row in Catalog::embedded().providers().filter(|row| row.id != "demo") {
        let id = &row.id;
        assert!(!row.name.is_empty(), "{id}: name");
        assert!(!row.base.is_empty() || (row.local && !row.base_env.is_empty()), "{id}: base");
        let ambient = matches!(row.auth, Auth::Aws(_) | Auth::Gcp);
        assert!(ambient || !row.key_env.is_empty(), "{id}: key_env");
        assert!(row.docs.starts_with("https://"), "{id}: docs");
        assert!(row.checked.len() == 10 && row.checked.starts_with("20"), "{id}: checked");
        assert!(Operation::ALL.into_iter().any(|operation| row.supports(operation)), "{id}: serves nothing");
        assert_eq!(matches!(row.auth, Auth::Exchange(_)), row.token_url.is_some(), "{id}: token_url");
        if let Some(lender) = &row.cards_of {
            assert!(Catalog::embedded().provider(lender).is_some(), "{id}: cards_of");
        }
    }
}

#[test]
fn names_lead_to_one_row_only() {
    let mut seen = BTreeSet::new();
    let mut ranks = BTreeSet::new();
    for row in Catalog::embedded().providers() {
        for name in row.names() {
            assert!(seen.insert(name.to_owned()), "`{name}` names two rows");
            assert_eq!(Catalog::embedded().provider(name).map(|found| &found.id), Some(&row.id));
            assert_eq!(Catalog::embedded().unreachable(name), None, "`{name}` is reached after all");
        }
        if let Some(rank) = row.bare_rank {
            assert!(ranks.insert(rank), "{}: rank {rank} is taken", row.id);
        }
    }
}

#[test]
fn every_known_provider_is_a_row_or_has_a_reason() {
    let Some(list) = shared("providers.json") else {
        return;
    };
    let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
    let known = |name: &&str| Catalog::embedded().provider(name).is_none() && Catalog::embedded().unreachable(name).is_none();
    let missing: Vec<&str> = list.iter().filter_map(|row| row["provider"].as_str()).filter(known).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn the_page_of_providers_is_fresh() {
    assert_committed("docs/providers.md", &render_providers_markdown(Catalog::embedded()));
}

#[test]
fn a_users_row_replaces_and_adds() {
    let rows = Provider::parse_rows(
        "[groq]\nname = \"Mine\"\nbase = \"http://localhost:1/\"\nauth = \"none\"\nchat = [\"openai-chat\"]\naliases = [\"fast\"]\n",
    )
    .unwrap();
    let catalog = Catalog::embedded().clone().with_providers(rows);
    assert_eq!(catalog.provider("fast").map(|row| row.base.as_str()), Some("http://localhost:1"));
    assert_eq!(catalog.provider("groq").map(|row| row.name.as_str()), Some("Mine"));
    assert_eq!(catalog.providers().count(), Catalog::embedded().providers().count());
}

#[test]
fn a_row_that_cannot_be_meant_is_refused() {
    let row = |lines: &str| format!("[x]\nname = \"X\"\nauth = \"bearer\"\n{lines}\n");
    for (lines, part) in [
        ("chat = [\"klingon\"]", "`klingon` is no dialect"),
        ("base = \"ftp://x\"", "no http or https URL"),
        ("base = \"https://{x\"", "not closed"),
        ("colour = \"red\"", "colour"),
        ("paths = { sing = \"/la\" }", "`sing` is neither"),
        ("rules = [{ models = [\"*\"], operations = { sing = \"la\" } }]", "`sing` is no operation"),
    ] {
        let error = Provider::parse_rows(&row(lines)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let error = Provider::parse_rows("[x]\nname = \"X\"\nauth = \"magic\"\n").unwrap_err().to_string();
    assert!(error.contains("`magic` is no way to authenticate"), "{error}");
}

#[test]
fn ways_to_authenticate_are_read_and_written_alike() {
    for text in ["none", "bearer", "header:x-api-key", "query:key", "scheme:Token", "aws:bedrock", "gcp", "azure", "oci"] {
        assert_eq!(text.parse::<Auth>().unwrap().to_string(), text);
    }
    for text in ["", "header", "header:", "bearer:x", "aws"] {
        assert!(text.parse::<Auth>().is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_parsers(text in ".{0,200}", lines in proptest::collection::vec("[a-z/$@+>=%\t 0-9.e-]{0,60}", 0..6)) {
        let _ = Provider::parse_rows(&text);
        let _ = ModelCard::parse(&text);
        let _ = text.parse::<Auth>();
        let _ = Rate::parse(&text);
        let _ = super::super::derive::derive(&text, std::iter::empty());
        if let Ok(catalog) = Catalog::embedded().clone().with_models(&lines.join("\n")) {
            for line in &lines {
                let _ = catalog.lookup(line);
            }
        }
    }
}
