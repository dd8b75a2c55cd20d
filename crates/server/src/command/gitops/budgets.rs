//! Budgets of a workspace, in an order in which the gateway takes each: a narrower interval never has more than a wider one.

use http::Method;
use serde_json::{Value, json};

use super::carry::Trouble;
use super::difference::{Moves, who};
use crate::command::client::Client;
use crate::query::encode;

/// The intervals, the widest first.
const INTERVALS: [&str; 4] = ["lifetime", "monthly", "weekly", "daily"];

/// Brings the budgets of a workspace to what they are to be.
pub(super) async fn carry(client: &Client, id: &str, moves: &Moves, present: &[Value]) -> Result<(), Trouble> {
    let path = |interval: &str| format!("/api/v1/workspaces/{}/budgets/{}", encode(id), encode(interval));
    for gone in &moves.remove {
        let interval = Some(who(gone)).filter(|interval| !interval.is_empty()).unwrap_or(INTERVALS[0]);
        client.json(Method::DELETE, &path(interval), None).await?;
    }
    for (interval, limit) in ordered(&moves.add, present) {
        client.json(Method::PUT, &path(interval), Some(&json!({"limit_usd": limit}))).await?;
    }
    Ok(())
}

/// First those that grow, the widest first; then the others, the narrowest first.
fn ordered<'a>(wanted: &'a [Value], present: &[Value]) -> Vec<(&'a str, &'a Value)> {
    let width = |interval: &str| INTERVALS.iter().position(|one| *one == interval);
    let grows = |(interval, limit): &(&str, &Value)| {
        let before = present.iter().find(|one| one["reset_interval"].as_str().unwrap_or(INTERVALS[0]) == *interval);
        before.is_some_and(|before| before["limit_usd"].as_f64() < limit.as_f64())
    };
    let mut all: Vec<(&str, &Value)> = wanted.iter().map(|one| (who(one), &one["limit_usd"])).collect();
    all.sort_by_key(|(interval, _)| width(interval));
    let (growing, mut others): (Vec<_>, Vec<_>) = all.into_iter().partition(grows);
    others.reverse();
    growing.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Limits = &'static [(&'static str, i64)];

    #[test]
    fn no_step_has_a_narrow_interval_above_a_wide_one() {
        let said = |limits: Limits| -> Vec<Value> {
            limits.iter().map(|(interval, limit)| json!({"reset_interval": interval, "limit_usd": limit})).collect()
        };
        let cases: [(Limits, Limits); 4] = [
            (&[("daily", 50)], &[("monthly", 40), ("daily", 10)]),
            (&[("monthly", 40), ("daily", 10)], &[("monthly", 400), ("daily", 100)]),
            (&[("monthly", 400), ("daily", 100)], &[("monthly", 40), ("daily", 10)]),
            (&[], &[("lifetime", 9), ("monthly", 8), ("weekly", 7), ("daily", 6)]),
        ];
        for (before, after) in cases {
            let (present, wanted) = (said(before), said(after));
            let mut now: Vec<(&str, i64)> = before.to_vec();
            for (interval, limit) in ordered(&wanted, &present) {
                now.retain(|(one, _)| *one != interval);
                now.push((interval, limit.as_i64().expect("a number")));
                now.sort_by_key(|(one, _)| INTERVALS.iter().position(|known| known == one));
                assert!(now.is_sorted_by(|wide, narrow| wide.1 > narrow.1), "{before:?} {after:?}: {now:?}");
            }
        }
    }
}
