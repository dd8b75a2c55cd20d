//! The newer lists of LiteLLM's: filtered, searched and sorted by parameters of the query, in pages that link to each other.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::admin::{Answer, Request};
use crate::query::encode;
use crate::refused::Refused;

/// Fields that rows can be sorted by.
const SORTABLE: [&str; 9] = [
    "model_group",
    "mode",
    "providers",
    "max_input_tokens",
    "max_output_tokens",
    "input_cost_per_token",
    "output_cost_per_token",
    "rpm",
    "tpm",
];

/// The names of what a row can do.
fn features(row: &Value) -> BTreeSet<String> {
    let flags = row.as_object().into_iter().flatten().filter(|(_, value)| **value == Value::Bool(true));
    flags.filter_map(|(name, _)| name.strip_prefix("supports_").map(str::to_owned)).collect()
}

/// The values that a row has under a name of the filters.
fn values(row: &Value, field: &str) -> BTreeSet<String> {
    match (field, &row[field]) {
        ("features", _) => features(row),
        (_, Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        (_, Value::String(text)) => BTreeSet::from([text.clone()]),
        _ => BTreeSet::new(),
    }
}

/// A document that says what is wrong, as these lists do.
fn wrong(parameter: &str, detail: String) -> Refused {
    Refused::detail(400, json!({"title": "Invalid query parameter", "status": 400, "detail": detail, "parameter": parameter}))
}

/// Whether a row with those values is wanted.
type Fits<'a> = Box<dyn Fn(&BTreeSet<String>) -> bool + 'a>;

/// The rows that the query asks for.
fn wanted(request: &Request, rows: Vec<Value>) -> Result<Vec<Value>, Refused> {
    let mut rows = rows;
    for (name, value) in &request.query {
        let Some(rest) = name.strip_prefix("filter[") else { continue };
        let (field, operator) = rest.split_once(']').unwrap_or((rest, ""));
        let operator = operator.trim_start_matches('[').trim_end_matches(']');
        let several: Vec<&str> = value.split(',').collect();
        let fits: Fits<'_> = match (field, operator) {
            ("mode", "" | "eq") => Box::new(move |has| has.contains(value)),
            ("mode" | "providers" | "features", "in") => Box::new(move |has| several.iter().any(|one| has.contains(*one))),
            ("providers", "" | "contains") => Box::new(move |has| has.iter().any(|one| one.contains(value.as_str()))),
            _ => return Err(wrong(name, format!("`{name}` is no filter; there are mode, providers and features"))),
        };
        rows.retain(|row| fits(&values(row, field)));
    }
    if let Some(part) = request.value("q").or_else(|| request.value("search")).map(str::to_lowercase) {
        rows.retain(|row| row["model_group"].as_str().is_some_and(|name| name.to_lowercase().contains(&part)));
    }
    Ok(rows)
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        // What is not said comes last.
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.to_string().cmp(&b.to_string()),
    }
}

fn sorted(request: &Request, rows: &mut [Value]) -> Result<(), Refused> {
    let by = request.value("sort").unwrap_or("model_group");
    for key in by.split(',').rev() {
        let (field, descending) = key.strip_prefix('-').map_or((key, false), |field| (field, true));
        if !SORTABLE.contains(&field) {
            return Err(wrong("sort", format!("`{field}` is no field to sort by; there are {}", SORTABLE.join(", "))));
        }
        rows.sort_by(|a, b| {
            let order = compare(&a[field], &b[field]);
            if descending { order.reverse() } else { order }
        });
    }
    Ok(())
}

/// The address of another page of the same list: of the query what these lists ask for, and nothing that somebody proves himself with.
fn link(request: &Request, path: &str, page: usize) -> String {
    let asks = |name: &str| name.starts_with("filter[") || ["page_size", "sort", "q", "search"].contains(&name);
    let kept = request.query.iter().filter(|(name, _)| asks(name));
    let kept: String = kept.map(|(name, value)| format!("{}={}&", encode(name), encode(value))).collect();
    format!("{path}?{kept}page={page}")
}

fn place(request: &Request) -> Result<(usize, usize), Refused> {
    let page = usize::try_from(request.number("page", 1, 1, i64::from(u32::MAX))?).unwrap_or(1);
    let size = usize::try_from(request.number("page_size", 50, 1, 100)?).unwrap_or(50);
    Ok((page, size))
}

/// `GET /public/v1/model_hub`
pub(super) fn list(request: &Request, rows: Vec<Value>) -> Answer {
    const PATH: &str = "/public/v1/model_hub";
    let mut rows = wanted(request, rows)?;
    sorted(request, &mut rows)?;
    let (page, size) = place(request)?;
    let total = rows.len();
    let pages = total.div_ceil(size);
    let data: Vec<Value> = rows.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    let to = |page: usize| link(request, PATH, page);
    Ok(json!({
        "data": data,
        "meta": {"total_count": total, "page": page, "page_size": size, "total_pages": pages},
        "links": {
            "self": to(page),
            "first": to(1),
            "prev": (page > 1).then(|| to(page - 1)),
            "next": (page < pages).then(|| to(page + 1)),
            "last": to(pages.max(1)),
        },
    }))
}

/// `GET /public/v1/model_hub/{facet}`
pub(super) fn facet(request: &Request, rows: Vec<Value>) -> Answer {
    let facet = request.part(0);
    let field = match facet {
        "providers" | "features" => facet,
        "modes" => "mode",
        other => {
            let message = "Input should be 'providers', 'modes' or 'features'";
            let complaint = json!({"type": "literal_error", "loc": ["path", "facet"], "msg": message, "input": other});
            return Err(Refused::invalid(vec![complaint]));
        }
    };
    let found: BTreeSet<String> = wanted(request, rows)?.iter().flat_map(|row| values(row, field)).collect();
    let (page, size) = place(request)?;
    let start = (page - 1).saturating_mul(size);
    let data: Vec<&String> = found.iter().skip(start).take(size).collect();
    let more = start + data.len() < found.len();
    let to = |page: usize| link(request, &format!("/public/v1/model_hub/{facet}"), page);
    Ok(json!({
        "data": data,
        "meta": {"page": page, "page_size": size, "has_more": more},
        "links": {"self": to(page), "prev": (page > 1).then(|| to(page - 1)), "next": more.then(|| to(page + 1))},
    }))
}
