//! `/global/spend/…`: everybody together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use switchboard_store::Time;
use switchboard_store::ledger::report::{self, By, Days, Sum, SumSort};
use switchboard_store::object::{Key, Team};

use super::{MOST, day, days, dollars, of, several, text};
use crate::admin::{Answer, Request, keys as key_routes};
use crate::refused::Refused;

/// `GET /global/spend`
pub(super) async fn spend(request: &Request) -> Answer {
    let sums = report::sums(&request.store, days(request, "all")?, &[], SumSort::Dearest, (1, 0)).await?;
    Ok(json!({"spend": dollars(sums.first().map_or(0, |sum| sum.spend)), "max_budget": null}))
}

/// `GET /global/spend/logs`
pub(super) async fn logs(request: &Request) -> Answer {
    let api_key = text(request, "api_key").map(|key| key_routes::hash_of(&key));
    let wanted = Days { keys: api_key.into_iter().collect(), ..days(request, "all")? };
    let sums = report::sums(&request.store, wanted, &[By::Day], SumSort::Earliest, (MOST, 0)).await?;
    Ok(sums.iter().map(|sum| json!({"date": sum.day, "spend": dollars(sum.spend)})).collect())
}

/// `GET /global/spend/keys`
pub(super) async fn keys(request: &Request) -> Answer {
    let limit = request.number("limit", 10, 1, MOST)?;
    let sums = report::sums(&request.store, days(request, "all")?, &[By::Key], SumSort::Dearest, (limit, 0)).await?;
    let ids: Vec<String> = sums.iter().map(|sum| sum.api_key.clone()).collect();
    let known: Vec<Key> = request.read(move |desk| async move { Ok(desk.several(&ids).await?) }).await?;
    let row = |sum: &Sum| {
        let key = known.iter().find(|key| key.token == sum.api_key);
        let (alias, name) = (key.and_then(|key| key.key_alias.clone()), key.and_then(|key| key.key_name.clone()));
        json!({"api_key": sum.api_key, "key_alias": alias, "key_name": name, "total_spend": dollars(sum.spend)})
    };
    Ok(sums.iter().map(row).collect())
}

/// `GET /global/spend/teams`
pub(super) async fn teams(request: &Request) -> Answer {
    let sums = report::sums(&request.store, days(request, "team")?, &[By::Day, By::Entity], SumSort::Earliest, (MOST, 0)).await?;
    let ids: BTreeSet<String> = sums.iter().map(|sum| sum.entity.clone()).collect();
    let ids: Vec<String> = ids.into_iter().collect();
    let known: Vec<Team> = request.read(move |desk| async move { Ok(desk.several(&ids).await?) }).await?;
    let name = |id: &str| {
        let alias = known.iter().find(|team| team.team_id == id).and_then(|team| team.team_alias.clone());
        alias.unwrap_or_else(|| id.to_owned())
    };
    let (mut by_day, mut by_team): (BTreeMap<String, Map<String, Value>>, BTreeMap<String, i64>) = Default::default();
    for sum in &sums {
        by_day.entry(sum.day.clone()).or_default().insert(name(&sum.entity), dollars(sum.spend));
        *by_team.entry(name(&sum.entity)).or_default() += sum.spend;
    }
    let daily = by_day.into_iter().map(|(date, mut row)| {
        row.insert("date".to_owned(), json!(date));
        Value::Object(row)
    });
    let daily: Vec<Value> = daily.collect();
    let names: Vec<&String> = by_team.keys().collect();
    let totals: Vec<Value> = by_team.iter().map(|(team, sum)| json!({"team_id": team, "total_spend": dollars(*sum)})).collect();
    Ok(json!({"daily_spend": daily, "teams": names, "total_spend_per_team": totals}))
}

/// `GET /global/spend/models`
pub(super) async fn models(request: &Request) -> Answer {
    let limit = request.number("limit", 10, 1, MOST)?;
    let sums = report::sums(&request.store, days(request, "all")?, &[By::Model], SumSort::Dearest, (limit, 0)).await?;
    Ok(sums.iter().map(|sum| json!({"model": sum.model, "total_spend": dollars(sum.spend)})).collect())
}

/// `GET /global/spend/provider`
pub(super) async fn provider(request: &Request) -> Answer {
    let sums = report::sums(&request.store, days(request, "all")?, &[By::Provider], SumSort::Dearest, (MOST, 0)).await?;
    Ok(sums.iter().map(|sum| json!({"provider": sum.provider, "spend": dollars(sum.spend)})).collect())
}

/// `GET /global/spend/tags`
pub(super) async fn tags(request: &Request) -> Answer {
    let mut wanted = days(request, "tag")?;
    wanted.entities = several(request, "tags");
    wanted.entities.retain(|tag| tag != "all-tags");
    let sums = report::sums(&request.store, wanted, &[By::Entity], SumSort::Dearest, (MOST, 0)).await?;
    let row = |sum: &Sum| json!({"name": sum.entity, "spend": dollars(sum.spend), "log_count": sum.requests});
    Ok(json!({"spend_per_tag": sums.iter().map(row).collect::<Vec<_>>()}))
}

/// `GET /global/spend/all_tag_names`
pub(super) async fn tag_names(request: &Request) -> Answer {
    let wanted = Days { from: EVER.to_owned(), ..days(request, "tag")? };
    let sums = report::sums(&request.store, wanted, &[By::Entity], SumSort::Dearest, (MOST, 0)).await?;
    let names: BTreeSet<&String> = sums.iter().map(|sum| &sum.entity).collect();
    Ok(json!({"tag_names": names}))
}

/// `GET /global/all_end_users`
pub(super) async fn all_end_users(request: &Request) -> Answer {
    let wanted = Days { from: EVER.to_owned(), ..days(request, "end_user")? };
    let sums = report::sums(&request.store, wanted, &[By::Entity], SumSort::Dearest, (MOST, 0)).await?;
    let names: BTreeSet<&String> = sums.iter().map(|sum| &sum.entity).collect();
    Ok(json!({"end_users": names}))
}

/// Before the first day of any gateway.
const EVER: &str = "2000-01-01";

/// `POST /global/spend/end_users`
pub(super) async fn end_users(request: &Request) -> Answer {
    const TOP: i64 = 100;
    let sent = |name: &str| request.body.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let date = |name: &str| sent(name).and_then(|text| Time::parse(&text)).map(of);
    let mut wanted = days(request, "end_user")?;
    wanted.from = date("startTime").unwrap_or(wanted.from);
    wanted.until = date("endTime").unwrap_or(wanted.until);
    wanted.keys = sent("api_key").map(|key| key_routes::hash_of(&key)).into_iter().collect();
    let sums = report::sums(&request.store, wanted, &[By::Entity], SumSort::Dearest, (TOP, 0)).await?;
    let row = |sum: &Sum| json!({"end_user": sum.entity, "total_count": sum.requests, "total_spend": dollars(sum.spend)});
    Ok(sums.iter().map(row).collect())
}

/// `GET /global/spend/report`
pub(super) async fn report(request: &Request) -> Answer {
    let (Some(from), Some(until)) = (day(request, "start_date")?, day(request, "end_date")?) else {
        return Err(Refused::detail(400, json!({"error": "Please provide start_date and end_date"})));
    };
    let wanted = Days { from, until, ..Days::default() };
    let owner = [("internal_user_id", "user"), ("team_id", "team"), ("customer_id", "end_user")];
    let owner = owner.into_iter().find_map(|(name, kind)| Some((kind, text(request, name)?)));
    let api_key = text(request, "api_key").map(|key| key_routes::hash_of(&key));
    let group = request.value("group_by").unwrap_or("team");
    // A team alone is told like all teams are.
    let team = owner.as_ref().filter(|(kind, _)| *kind == "team" && group == "team" && api_key.is_none()).map(|(_, id)| id.clone());
    if team.is_none() && (owner.is_some() || api_key.is_some() || group == "api_key") {
        let (kind, entities) = owner.map_or(("all", Vec::new()), |(kind, id)| (kind, vec![id]));
        return by_key(request, Days { kind, entities, keys: api_key.into_iter().collect(), ..wanted }).await;
    }
    let (kind, list, name) = match group {
        "team" => ("team", "teams", "team_name"),
        "customer" => ("end_user", "customers", "customer"),
        _ => {
            let message = "Input should be 'team', 'customer' or 'api_key'";
            return Err(Refused::invalid(vec![
                json!({"type": "literal_error", "loc": ["query", "group_by"], "msg": message, "input": group}),
            ]));
        }
    };
    let by = [By::Day, By::Entity, By::Key, By::Model];
    let sums =
        report::sums(&request.store, Days { kind, entities: team.into_iter().collect(), ..wanted }, &by, SumSort::Earliest, (MOST, 0))
            .await?;
    let ids: BTreeSet<String> = sums.iter().map(|sum| sum.entity.clone()).collect();
    let ids: Vec<String> = ids.into_iter().collect();
    let known: Vec<Team> = request.read(move |desk| async move { Ok(desk.several(&ids).await?) }).await?;
    let called =
        |id: &str| known.iter().find(|team| team.team_id == id).and_then(|team| team.team_alias.clone()).unwrap_or_else(|| id.to_owned());
    let mut by_day: BTreeMap<String, BTreeMap<String, (i64, Vec<Value>)>> = BTreeMap::new();
    for sum in &sums {
        let (total, parts) = by_day.entry(sum.day.clone()).or_default().entry(called(&sum.entity)).or_default();
        *total += sum.spend;
        let tokens = sum.prompt_tokens + sum.completion_tokens;
        parts.push(json!({"model": sum.model, "api_key": sum.api_key, "spend": dollars(sum.spend), "total_tokens": tokens}));
    }
    let rows = by_day.into_iter().map(|(day, owners)| {
        let owners =
            owners.into_iter().map(|(owner, (total, parts))| json!({name: owner, "total_spend": dollars(total), "metadata": parts}));
        json!({"group_by_day": format!("{day}T00:00:00+00:00"), list: owners.collect::<Vec<_>>()})
    });
    Ok(rows.collect())
}

/// Each key with its models.
pub(super) async fn by_key(request: &Request, wanted: Days) -> Answer {
    let sums = report::sums(&request.store, wanted, &[By::Key, By::Model], SumSort::Dearest, (MOST, 0)).await?;
    let mut by_key: BTreeMap<String, Vec<&Sum>> = BTreeMap::new();
    for sum in &sums {
        by_key.entry(sum.api_key.clone()).or_default().push(sum);
    }
    let figures = |parts: &[&Sum]| {
        let total = |part: fn(&Sum) -> i64| parts.iter().map(|sum| part(sum)).sum::<i64>();
        (dollars(total(|sum| sum.spend)), total(|sum| sum.prompt_tokens), total(|sum| sum.completion_tokens))
    };
    let rows = by_key.into_iter().map(|(key, parts)| {
        let (cost, input, output) = figures(&parts);
        let models: Vec<Value> = parts
            .iter()
            .map(|part| {
                let (cost, input, output) = figures(&[part]);
                json!({"model": part.model, "total_cost": cost, "total_input_tokens": input, "total_output_tokens": output})
            })
            .collect();
        json!({
            "api_key": key, "total_cost": cost, "total_input_tokens": input, "total_output_tokens": output, "model_details": models,
        })
    });
    Ok(rows.collect())
}
