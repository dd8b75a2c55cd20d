//! What so many tokens of a model cost.

use serde_json::json;
use switchboard_engine::catalog::Exact;
use switchboard_engine::meter::{Bill, bill};
use switchboard_engine::tariff::Tariff;
use switchboard_engine::wire::reply::Usage;

use super::super::{Answer, Request};
use crate::admin::form::Form;
use crate::refused::Refused;

/// `POST /cost/estimate`
pub(super) fn estimate(request: &Request) -> Answer {
    let form = request.form("CostEstimateRequest")?;
    let name = form.owned("model").unwrap_or_default();
    let unknown = || Refused::detail(404, json!({"error": format!("Model '{name}' not found, or no price is known for it")}));
    let card = super::card(request, &name).ok_or_else(unknown)?;
    let mut tariff = Tariff::listed(Some(&card));
    tariff.markup = request.app.books.prices.tariffs().table().markup(&card.provider);
    let bill = bill(&tariff, Some(&usage(&form)), &[], None).ok_or_else(unknown)?;
    let mut answer = json!({"model": name, "provider": card.provider});
    for asked in ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_tokens"] {
        answer[asked] = form.count(asked).unwrap_or(0).into();
    }
    for (prefix, suffix, asked) in
        [("", "_per_request", None), ("daily_", "", Some("num_requests_per_day")), ("monthly_", "", Some("num_requests_per_month"))]
    {
        if let Some(asked) = asked {
            answer[asked] = form.get(asked).cloned().unwrap_or_default();
        }
        let times = asked.map_or(Some(1), |asked| form.count(asked));
        for (part, cost) in parts(&bill) {
            answer[format!("{prefix}{part}{suffix}")] = times.map(|times| dollars(cost) * times as f64).into();
        }
    }
    Ok(answer)
}

/// What a request is said to take.
fn usage(form: &Form) -> Usage {
    let count = |name: &str| form.count(name);
    let some = |name: &str| count(name).filter(|count| *count > 0);
    Usage {
        input: Some(count("input_tokens").unwrap_or(0)),
        output: Some(count("output_tokens").unwrap_or(0)),
        cache_read: some("cache_read_input_tokens"),
        cache_write: some("cache_creation_input_tokens"),
        reasoning: some("reasoning_tokens"),
        ..Usage::default()
    }
}

/// What a cost is made of, under LiteLLM's names.
fn parts(bill: &Bill) -> [(&'static str, Exact); 7] {
    let parts = &bill.parts;
    [
        ("cost", bill.charged),
        ("input_cost", parts.input),
        ("output_cost", parts.output),
        ("margin_cost", bill.margin()),
        ("cache_read_cost", parts.cache_read),
        ("cache_creation_cost", parts.cache_write),
        ("reasoning_cost", parts.reasoning),
    ]
}

/// Shown, never added up: a number of dollars as JSON has it.
fn dollars(cost: Exact) -> f64 {
    cost.pico().to_string().parse().unwrap_or_default()
}
