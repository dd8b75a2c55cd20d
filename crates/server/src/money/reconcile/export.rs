//! Invoices and exports of usage: tables with a head, or JSON in the shapes that providers' interfaces give.
//!
//! No two name their columns alike, so each column has many names here, and may be given another.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};
use switchboard_engine::terms::NanoUsd;
use switchboard_store::{Money, Time};

use super::Sum;

/// One line of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The day, in UTC.
    pub day: String,
    /// The model, in the provider's words.
    pub model: String,
    /// What was used, and what it costs.
    pub sum: Sum,
}

/// What amounts are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Dollars.
    #[default]
    Dollars,
    /// Cents, as some interfaces have them.
    Cents,
}

/// Names of columns that are not among the known ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// By what they hold: `date`, `model`, `cost`, `input`, `output`, `requests`.
    pub named: Vec<(String, String)>,
}

/// An export cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadExport {
    /// The file cannot.
    #[error("`{0}` cannot be read: {1}")]
    File(String, std::io::Error),
    /// It is neither a table nor JSON.
    #[error("the export is neither CSV nor JSON: {0}")]
    Form(String),
    /// Nothing in it is what is compared.
    #[error("the export has no column of a cost, of tokens or of requests, but {0}; name one, such as `--column cost=NAME`")]
    Columns(String),
    /// A line lacks something, or has something that is none.
    #[error("line {0} of the export: {1}")]
    Line(usize, String),
}

const DATE: &[&str] =
    &["date", "day", "usage_date", "start_time", "starting_at", "timestamp", "start_date", "created_at", "bucket_start_time", "time"];
const MODEL: &[&str] = &["model", "model_id", "model_name", "model_version", "model_permaslug", "line_item", "sku", "meter"];
const COST: &[&str] =
    &["cost", "cost_usd", "cost_(usd)", "amount_usd", "total_cost", "amount", "amount_value", "usage_usd", "usage", "price"];
const INPUT: &[&str] = &["input_tokens", "prompt_tokens", "n_context_tokens_total", "context_tokens", "tokens_prompt", "input"];
const OUTPUT: &[&str] =
    &["output_tokens", "completion_tokens", "n_generated_tokens_total", "generated_tokens", "tokens_completion", "output"];
const REQUESTS: &[&str] = &["requests", "num_model_requests", "n_requests", "request_count", "num_requests"];

/// Reads an export.
pub fn read(path: &Path, unit: Unit, columns: &Columns) -> Result<Vec<Line>, BadExport> {
    let text = std::fs::read_to_string(path).map_err(|error| BadExport::File(path.display().to_string(), error))?;
    let text = text.trim_start_matches('\u{feff}');
    let (rows, head) = if text.trim_start().starts_with(['{', '[']) { of_json(text)? } else { of_table(text)? };
    let counted = [("cost", COST), ("input", INPUT), ("output", OUTPUT), ("requests", REQUESTS)];
    if !head.is_empty()
        && !head.iter().any(|name| counted.iter().any(|(what, known)| columns.names(what, known).any(|column| column == *name)))
    {
        return Err(BadExport::Columns(head.into_iter().collect::<Vec<_>>().join(", ")));
    }
    rows.iter().enumerate().map(|(at, row)| line(row, unit, columns).map_err(|why| BadExport::Line(at + 1, why))).collect()
}

type Row = Map<String, Value>;

/// Rows, and the names of columns that any of them has.
type Table = (Vec<Row>, BTreeSet<String>);

impl Columns {
    /// What a column may be called.
    fn names<'a>(&'a self, what: &'a str, known: &'a [&'a str]) -> impl Iterator<Item = Cow<'a, str>> {
        let own = self.named.iter().filter(move |(name, _)| name == what).map(|(_, column)| Cow::Owned(plain(column)));
        own.chain(known.iter().map(|name| Cow::Borrowed(*name)))
    }
}

fn of_table(text: &str) -> Result<Table, BadExport> {
    let bad = |error: csv::Error| BadExport::Form(error.to_string());
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let head: Vec<String> = reader.headers().map_err(bad)?.iter().map(plain).collect();
    if head.is_empty() {
        return Err(BadExport::Form("it is empty".to_owned()));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        rows.push(head.iter().cloned().zip(record.iter().map(Value::from)).collect());
    }
    Ok((rows, head.into_iter().collect()))
}

fn of_json(text: &str) -> Result<Table, BadExport> {
    let whole: Value = serde_json::from_str(text).map_err(|error| BadExport::Form(error.to_string()))?;
    let list = whole.as_array().or_else(|| whole["data"].as_array());
    let list = list.ok_or_else(|| BadExport::Form("it has no list of lines, nor one in `data`".to_owned()))?;
    let mut rows: Vec<Row> = Vec::new();
    for one in list {
        let Some(outer) = one.as_object() else { continue };
        match outer.get("results").and_then(Value::as_array) {
            // A time with what was used in it.
            Some(results) => rows.extend(results.iter().filter_map(Value::as_object).map(|inner| {
                let mut row: Row =
                    outer.iter().filter(|(name, _)| *name != "results").map(|(name, value)| (plain(name), value.clone())).collect();
                row.extend(inner.iter().map(|(name, value)| (plain(name), value.clone())));
                row
            })),
            None => rows.push(outer.iter().map(|(name, value)| (plain(name), value.clone())).collect()),
        }
    }
    let head = rows.iter().flat_map(Row::keys).cloned().collect();
    Ok((rows, head))
}

/// A name without what people write otherwise each time.
fn plain(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace([' ', '-'], "_")
}

fn line(row: &Row, unit: Unit, columns: &Columns) -> Result<Line, String> {
    let find = |what: &str, known: &[&str]| {
        let mut names = columns.names(what, known);
        names.find_map(|name| row.get(&*name).filter(|value| !value.is_null() && value.as_str() != Some("")))
    };
    let day = find("date", DATE).and_then(day).ok_or("it has no date")?;
    let model = find("model", MODEL).and_then(Value::as_str).map(model).unwrap_or_default();
    let cost = find("cost", COST).map(|value| money(value, unit).ok_or("its cost is no number")).transpose()?;
    let sum = Sum {
        cost,
        input_tokens: find("input", INPUT).and_then(count),
        output_tokens: find("output", OUTPUT).and_then(count),
        requests: find("requests", REQUESTS).and_then(count),
    };
    Ok(Line { day, model, sum })
}

/// A day, whether it is written as one, as a time, or as seconds since 1970.
fn day(value: &Value) -> Option<String> {
    let seconds = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let time = match seconds {
        Some(seconds) => Time(seconds.checked_mul(1_000_000)?),
        None => Time::parse(value.as_str()?)?,
    };
    Some(time.to_string().chars().take(10).collect())
}

/// `gpt-4o, input` is about `gpt-4o`; the provider before a slash is known already.
fn model(text: &str) -> String {
    let name = text.split(',').next().unwrap_or_default().trim();
    name.to_owned()
}

fn count(value: &Value) -> Option<u64> {
    let text = value.as_str().map(|text| text.replace([',', '_', ' '], ""));
    value.as_u64().or_else(|| text?.parse().ok())
}

/// An amount, as a number, as text with a sign before it, or as an object with a `value`.
fn money(value: &Value, unit: Unit) -> Option<Money> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().trim_start_matches('$').replace([',', ' '], ""),
        Value::Object(map) => return money(map.get("value")?, unit),
        _ => return None,
    };
    let shifted = if unit == Unit::Cents { format!("{text}{}", if text.contains(['e', 'E']) { "" } else { "e-2" }) } else { text };
    NanoUsd::parse(&shifted).map(Money)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, unit: Unit) -> Vec<Line> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("export");
        std::fs::write(&path, text).expect("written");
        read(&path, unit, &Columns::default()).expect("an export")
    }

    fn one(day: &str, model: &str, cost: Option<i64>, tokens: [Option<u64>; 3]) -> Line {
        let sum =
            Sum { cost: cost.map(|nano| Money(NanoUsd(nano))), input_tokens: tokens[0], output_tokens: tokens[1], requests: tokens[2] };
        Line { day: day.to_owned(), model: model.to_owned(), sum }
    }

    #[test]
    fn tables_and_documents_are_read() {
        let table = "Date,Model,Input Tokens,Output Tokens,Requests,Cost (USD)\n2026-11-01,gpt-4o,\"1,000\",20,3,$0.0027\n";
        let whole = [Some(1000), Some(20), Some(3)];
        assert_eq!(lines(table, Unit::Dollars), [one("2026-11-01", "gpt-4o", Some(2_700_000), whole)]);
        let costs = r#"{"data":[{"start_time":1793491200,"end_time":1793577600,"results":[{"amount":{"value":0.06,"currency":"usd"},"line_item":"gpt-4o, input"}]}]}"#;
        assert_eq!(lines(costs, Unit::Dollars), [one("2026-11-01", "gpt-4o", Some(60_000_000), [None; 3])]);
        let cents = r#"{"data":[{"starting_at":"2026-11-01T00:00:00Z","results":[{"currency":"USD","amount":"123.5","model":"m"}]}]}"#;
        assert_eq!(lines(cents, Unit::Cents), [one("2026-11-01", "m", Some(1_235_000_000), [None; 3])]);
        let activity = r#"{"data":[{"date":"2026-11-01","model":"a/m","usage":0.5,"prompt_tokens":7,"completion_tokens":8,"requests":1}]}"#;
        assert_eq!(lines(activity, Unit::Dollars), [one("2026-11-01", "a/m", Some(500_000_000), [Some(7), Some(8), Some(1)])]);
    }
}
