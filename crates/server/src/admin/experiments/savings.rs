//! What choosing models has saved, against what the reference model would have cost.

use serde_json::{Map, Value, json};
use switchboard_engine::terms::NanoUsd;
use switchboard_store::savings::{self, By, Sum, Wanted};
use switchboard_store::{Money, Time};

use crate::admin::{Answer, Request, keys};
use crate::refused::Refused;

/// The most rows of an answer.
const MOST: i64 = 10_000;

/// `GET /v1/savings`
pub(super) async fn savings(request: &Request) -> Answer {
    let caller = &request.caller;
    let text = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let own = (!caller.sees_all()).then(|| {
        let key = caller.principal.key_hash.clone().unwrap_or_else(|| caller.principal.key.clone());
        (caller.user.clone(), Some(key))
    });
    let wanted = Wanted {
        from: day(request, "start_date")?,
        until: day(request, "end_date")?,
        api_key: text("api_key").map(|key| keys::hash_of(&key)),
        team: text("team_id"),
        user: text("user_id"),
        own,
    };
    let asked = text("group_by").unwrap_or_else(|| "day".to_owned());
    let by: Vec<By> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).map(named).collect::<Result<_, _>>()?;
    let totals = savings::sums(&request.store, wanted.clone(), &[], 1).await?;
    let rows = savings::sums(&request.store, wanted, &by, MOST).await?;
    let totals = told(&totals.into_iter().next().unwrap_or_default(), &[]);
    Ok(json!({"totals": totals, "data": rows.iter().map(|row| told(row, &by)).collect::<Vec<_>>()}))
}

fn named(name: &str) -> Result<By, Refused> {
    let found = By::ALL.iter().find(|(_, known, column)| *known == name || *column == name);
    found.map(|(by, ..)| *by).ok_or_else(|| {
        let names: Vec<&str> = By::ALL.iter().map(|(_, name, _)| *name).collect();
        Refused::bad(format!("`group_by` may be {}, or several of them with commas between", names.join(", ")))
    })
}

/// A day of the query; empty where none is said.
fn day(request: &Request, name: &str) -> Result<String, Refused> {
    let Some(text) = request.value(name).filter(|text| !text.is_empty()) else { return Ok(String::new()) };
    let time = Time::parse(text).ok_or_else(|| Refused::bad(format!("Invalid {name}: '{text}'. Write YYYY-MM-DD")))?;
    Ok(time.to_string().chars().take(10).collect())
}

fn told(sum: &Sum, by: &[By]) -> Value {
    let dollars = |nano: i64| Value::Number(Money(NanoUsd(nano)).number());
    let mut row = Map::new();
    for ((one, name, _), value) in By::ALL.iter().zip(&sum.by) {
        if by.contains(one) {
            row.insert((*name).to_owned(), json!(value));
        }
    }
    row.insert("requests".to_owned(), json!(sum.requests));
    row.insert("spend".to_owned(), dollars(sum.spend));
    row.insert("reference_spend".to_owned(), dollars(sum.reference));
    row.insert("saved".to_owned(), dollars(sum.reference.saturating_sub(sum.spend)));
    Value::Object(row)
}
