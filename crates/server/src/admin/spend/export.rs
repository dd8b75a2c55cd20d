//! `GET /…/daily/activity/export`: the days' sums as a table, for people who reckon elsewhere.

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_store::ledger::report::{self, By, Sum, SumSort};

use super::activity::{allowed, keys_and_teams, metrics};
use super::{MOST, Owner};
use crate::admin::{Answer, Request};
use crate::refused::Refused;

/// The columns, in their order.
const COLUMNS: [&str; 16] = [
    "date",
    "entity_type",
    "entity_id",
    "entity_alias",
    "api_key",
    "key_alias",
    "model",
    "spend",
    "api_requests",
    "successful_requests",
    "failed_requests",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
];

/// The rows: of each day and entity, and of each key or model as `export_type` says.
pub(super) async fn rows(request: &Request, owner: Owner) -> Answer {
    let by: &[By] = match request.value("export_type").unwrap_or("daily") {
        "daily" => &[By::Day, By::Entity],
        "daily_with_keys" => &[By::Day, By::Entity, By::Key],
        "daily_with_models" => &[By::Day, By::Entity, By::Key, By::Group],
        other => return Err(unknown("export_type", other, "Input should be 'daily', 'daily_with_keys' or 'daily_with_models'")),
    };
    if let Some(other) = request.value("format").filter(|format| !matches!(*format, "csv" | "json")) {
        return Err(unknown("format", other, "Input should be 'csv' or 'json'"));
    }
    let sums = report::sums(&request.store, allowed(request, owner).await?, by, SumSort::Earliest, (MOST, 0)).await?;
    let (keys, teams) = keys_and_teams(request, &sums, owner).await?;
    let row = |sum: &Sum| {
        let key = keys.iter().find(|key| key.token == sum.api_key).and_then(|key| key.key_alias.clone());
        let team = teams.iter().find(|team| team.team_id == sum.entity).and_then(|team| team.team_alias.clone());
        let mut row: Map<String, Value> = metrics(&[sum]);
        let named = [
            ("date", json!(sum.day)),
            ("entity_type", json!(kind(owner))),
            ("entity_id", json!(sum.entity)),
            ("entity_alias", json!(team)),
            ("api_key", json!(sum.api_key)),
            ("key_alias", json!(key)),
            ("model", json!(sum.model_group)),
        ];
        row.extend(named.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(row)
    };
    Ok(sums.iter().map(row).collect())
}

fn kind(owner: Owner) -> &'static str {
    match owner {
        Owner::User => "user",
        Owner::Team => "team",
        Owner::Tag => "tag",
        Owner::Organization => "organization",
        Owner::Customer => "customer",
    }
}

fn unknown(name: &str, said: &str, message: &str) -> Refused {
    Refused::invalid(vec![json!({"type": "enum", "loc": ["query", name], "msg": message, "input": said})])
}

/// The rows as a file of comma-separated values.
pub(in crate::admin) fn table(rows: &Value) -> Result<Response<AnswerBody>, Refused> {
    let unwritten = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a table cannot be written");
        Refused::plain(500, "the table cannot be written; ask for `format=json`")
    };
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| unwritten(&error))?;
    for row in rows.as_array().into_iter().flatten() {
        writer.write_record(COLUMNS.map(|column| cell(&row[column]))).map_err(|error| unwritten(&error))?;
    }
    let text = writer.into_inner().map_err(|error| unwritten(&error))?;
    let mut response = Response::new(AnswerBody::Whole(Some(Bytes::from(text))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"daily_activity.csv\""));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What programs take for the beginning of a formula; some of them also the wide signs.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A value as a cell: no program takes it for a formula.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(FORMULA) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
