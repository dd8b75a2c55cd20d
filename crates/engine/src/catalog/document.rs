//! `docs/providers.md`, written from the rows.

use std::fmt::Write as _;

use switchboard_wire::{Operation, images, speech};

use super::provider::Provider;
use super::{Auth, Catalog};

/// The page that lists every provider, as Markdown.
pub fn render_providers_markdown(catalog: &Catalog) -> String {
    let mut page = String::from(
        "# Providers\n\n\
         This page is written from `catalog/providers.toml` by a test; run it with `BLESS=1` after a change to the rows.\n\n\
         A model is named `provider/model`. The key is read from the first environment variable that is set, unless the\n\
         configuration gives one. A provider that is not here is added with the same fields in the configuration.\n\n",
    );
    let rows: Vec<&Provider> = catalog.providers().collect();
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{} providers.\n", rows.len());
    page.push_str("| Provider | Prefix | Chat | Other operations | Key |\n|---|---|---|---|---|\n");
    for row in &rows {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            linked(row),
            code_list(row.names().map(str::to_owned)),
            code_list(chat(row)),
            operations(row),
            key(row)
        );
    }
    page.push_str("\n## Base URLs\n\n");
    page.push_str("| Prefix | Base URL | Replaced by | Checked |\n|---|---|---|---|\n");
    for row in &rows {
        let base = if row.base.is_empty() { "set by you".to_owned() } else { format!("`{}`", row.base) };
        let _ = writeln!(page, "| `{}` | {base} | {} | {} |", row.id, code_list(row.base_env.iter().cloned()), row.checked);
    }
    notes(&mut page, &rows);
    page.push_str("\n## Known, but not reached\n\n");
    for (name, why) in catalog.all_unreachable() {
        let _ = writeln!(page, "- `{name}`: {why}.");
    }
    page
}

fn notes(page: &mut String, rows: &[&Provider]) {
    page.push_str("\n## Notes\n\n");
    for (id, note) in rows.iter().filter_map(|row| Some((&row.id, row.note.as_ref()?))) {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "- `{id}`: {note}");
    }
}

fn linked(row: &Provider) -> String {
    if row.docs.is_empty() { row.name.clone() } else { format!("[{}]({})", row.name, row.docs) }
}

/// The dialects of the row and of its rules, each once.
fn chat(row: &Provider) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for dialect in row.chat.iter().chain(row.rules.iter().flat_map(|rule| &rule.chat)) {
        let name = dialect.as_str().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn operations(row: &Provider) -> String {
    let served = Operation::ALL.into_iter().filter(|operation| *operation != Operation::Chat && is_served(row, *operation));
    let names: Vec<String> = served.map(|operation| operation.as_str().replace('_', " ")).collect();
    names.join(", ")
}

/// Whether an operation is served by OpenAI's routes. What the row knows in a form of the provider's own passes through to it alone, but for
/// what is translated.
fn is_served(row: &Provider, operation: Operation) -> bool {
    let is_translated = |shape: &str| match operation {
        Operation::CountTokens | Operation::Embeddings | Operation::Rerank => true,
        Operation::ImageGenerations => images::Shape::of_row(shape).is_some(),
        Operation::ImageEdits => images::Shape::of_row(shape) == Some(images::Shape::Gemini),
        Operation::Speech => shape == speech::SHAPE,
        _ => false,
    };
    let mut shapes = row.rules.iter().map(|rule| &rule.shapes).chain([&row.shapes]);
    shapes.any(|shapes| shapes.get(&operation).is_some_and(|shape| shape == "openai" || is_translated(shape)))
}

fn key(row: &Provider) -> String {
    let variables = code_list(row.key_env.iter().chain(&row.token_env).cloned());
    let chain = match &row.auth {
        Auth::Aws(_) => "the AWS credential chain",
        Auth::Gcp => "Google application credentials",
        _ => "",
    };
    match (variables.is_empty(), chain.is_empty()) {
        (true, true) => "none".to_owned(),
        (true, false) => chain.to_owned(),
        (false, true) if row.local => format!("optional: {variables}"),
        (false, true) => variables,
        (false, false) => format!("{variables}, or {chain}"),
    }
}

fn code_list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    items.join(", ")
}
