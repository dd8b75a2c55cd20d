//! The figures as a table, a Markdown page and JSON.

use std::fs;
use std::path::Path;

use super::Options;
use super::goal::{Compared, Row};
use crate::Outcome;

const HEADINGS: [&str; 6] = ["figure", "bare", "gateway", "compared", "goal (better)", "verdict"];

fn cells(row: &Row) -> [String; 6] {
    let compared = row.compared().map(|value| match row.goal.compared {
        Compared::Ratio => format!("{value:.2}x"),
        Compared::Added => format!("{value:+.1} {}", row.unit),
        Compared::Alone => with_unit(value, row.unit),
    });
    let limit = |value: f64| match row.goal.compared {
        Compared::Ratio => format!("{value:.2}x"),
        Compared::Added => format!("+{value:.0} {}", row.unit),
        Compared::Alone => with_unit(value, row.unit),
    };
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| with_unit(value, row.unit));
    [
        row.what.clone(),
        figure(row.bare),
        figure(row.gateway),
        compared.unwrap_or_else(|| "-".to_owned()),
        format!("{} ({})", limit(row.goal.reach), limit(row.goal.better)),
        row.verdict.words().to_owned(),
    ]
}

fn with_unit(value: f64, unit: &str) -> String {
    if value.abs() >= 1000.0 { format!("{value:.0} {unit}") } else { format!("{value:.2} {unit}") }
}

/// A table for a terminal.
pub(super) fn table(rows: &[Row]) -> String {
    let lines: Vec<[String; 6]> = std::iter::once(HEADINGS.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            let width = lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
            text.push_str(&format!("{cell:<width$}  "));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn markdown(options: &Options, rows: &[Row]) -> String {
    let mut text = format!(
        "# Figures\n\nMedians over {} round(s), the bare pass-through and the gateway in turn on one core, load and mock on \
         another, all on one machine over loopback.{}\n\n",
        options.rounds(),
        if options.quick { " A quick run: no timing is judged." } else { "" }
    );
    text.push_str(&format!("| {} | note |\n|{}\n", HEADINGS.join(" | "), "---|".repeat(7)));
    for row in rows {
        text.push_str(&format!("| {} | {} |\n", cells(row).join(" | "), row.note));
    }
    text
}

/// Writes `bench.json` and `bench.md`.
pub(super) fn write(folder: &Path, options: &Options, rows: &[Row]) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    let json = serde_json::json!({ "quick": options.quick, "rounds": options.rounds(), "rows": rows });
    fs::write(folder.join("bench.json"), serde_json::to_vec_pretty(&json)?)?;
    fs::write(folder.join("bench.md"), markdown(options, rows))?;
    Ok(())
}
