//! What was done each day.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use switchboard_store::Time;
use switchboard_store::desk::Order;
use switchboard_store::ledger::LogLine;
use switchboard_store::ledger::report::{self, By, Days, LineSort, Lines, Sum, SumSort};
use switchboard_store::object::{Key, OrganizationMember, Role, Team};

use super::{MOST, Owner, day, days, dollars, of, several, text, time};
use crate::admin::{Answer, Request, keys};
use crate::auth::Caller;
use crate::authz::object::{self, Standing};
use crate::refused::Refused;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A day as the dashboard writes one: `Jan 22`.
fn short(day: &str) -> String {
    let month = day.get(5..7).and_then(|month| month.parse::<usize>().ok()).and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    month.map_or_else(|| day.to_owned(), |month| format!("{month} {}", day.get(8..10).unwrap_or_default()))
}

fn done(sums: &[&Sum]) -> Map<String, Value> {
    let tokens = |sum: &Sum| sum.prompt_tokens + sum.completion_tokens;
    let row = |sum: &&Sum| json!({"date": short(&sum.day), "api_requests": sum.requests, "total_tokens": tokens(sum)});
    let mut out = Map::new();
    out.insert("daily_data".to_owned(), sums.iter().map(row).collect());
    out.insert("sum_api_requests".to_owned(), json!(sums.iter().map(|sum| sum.requests).sum::<i64>()));
    out.insert("sum_total_tokens".to_owned(), json!(sums.iter().map(|sum| tokens(sum)).sum::<i64>()));
    out
}

/// `GET /global/activity`
pub(super) async fn activity(request: &Request) -> Answer {
    let sums = report::sums(&request.store, days(request, "all")?, &[By::Day], SumSort::Earliest, (MOST, 0)).await?;
    Ok(Value::Object(done(&sums.iter().collect::<Vec<_>>())))
}

/// `GET /global/activity/model`
pub(super) async fn by_model(request: &Request) -> Answer {
    let sums = report::sums(&request.store, days(request, "all")?, &[By::Day, By::Group], SumSort::Earliest, (MOST, 0)).await?;
    let mut models: BTreeMap<&str, Vec<&Sum>> = BTreeMap::new();
    for sum in &sums {
        models.entry(&sum.model_group).or_default().push(sum);
    }
    let row = |(model, sums): (&str, Vec<&Sum>)| {
        let mut row = done(&sums);
        row.insert("model".to_owned(), json!(model));
        Value::Object(row)
    };
    Ok(models.into_iter().map(row).collect())
}

/// `GET /global/activity/cache_hits`: there is no cache of answers, so every one was generated.
pub(super) async fn cache_hits(request: &Request) -> Answer {
    if text(request, "start_date").is_none() || text(request, "end_date").is_none() {
        return Err(Refused::detail(400, json!({"error": "Please provide start_date and end_date"})));
    }
    let by = [By::Key, By::Endpoint, By::Model];
    let sums = report::sums(&request.store, days(request, "all")?, &by, SumSort::Dearest, (MOST, 0)).await?;
    let ids: Vec<String> = sums.iter().map(|sum| sum.api_key.clone()).collect();
    let keys: Vec<Key> = request.read(move |desk| async move { Ok(desk.several::<Key>(&ids).await?) }).await?;
    let row = |sum: &Sum| {
        let alias = keys.iter().find(|key| key.token == sum.api_key).and_then(|key| key.key_alias.as_deref());
        json!({
            "api_key": alias.unwrap_or("Unnamed Key"), "call_type": sum.endpoint, "model": sum.model, "total_rows": sum.requests,
            "cache_hit_true_rows": 0, "cached_completion_tokens": 0, "generated_completion_tokens": sum.completion_tokens,
        })
    };
    Ok(sums.iter().map(row).collect())
}

/// Requests that a rate limit refused, with their days.
async fn throttled(request: &Request) -> Result<Vec<(String, LogLine)>, Refused> {
    let (Some(from), Some(until)) = (time(request, "start_date")?, time(request, "end_date")?) else {
        return Err(Refused::detail(400, json!({"error": "Please provide start_date and end_date"})));
    };
    let wanted = Lines {
        model_group: Some(request.required("model_group")?.to_owned()),
        status: Some("failure".to_owned()),
        from: from.0,
        until: until.plus_seconds(86_400).0,
        ..Lines::default()
    };
    let lines = report::lines(&request.store, wanted, (LineSort::Started, Order::Ascending), (MOST, 0)).await?;
    let throttled = lines.into_iter().filter(|line| line.metadata.get("http_status") == Some(&json!(429)));
    Ok(throttled.map(|line| (of(Time(line.started_at)), line)).collect())
}

fn by_day<'a>(days: impl Iterator<Item = &'a String>) -> Map<String, Value> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    days.for_each(|day| *counts.entry(day).or_default() += 1);
    let rows: Vec<Value> = counts.iter().map(|(day, count)| json!({"date": short(day), "num_rate_limit_exceptions": count})).collect();
    let sum = counts.values().sum::<u64>();
    Map::from_iter([("daily_data".to_owned(), json!(rows)), ("sum_num_rate_limit_exceptions".to_owned(), json!(sum))])
}

/// `GET /global/activity/exceptions`
pub(super) async fn exceptions(request: &Request) -> Answer {
    let lines = throttled(request).await?;
    Ok(Value::Object(by_day(lines.iter().map(|(day, _)| day))))
}

/// `GET /global/activity/exceptions/deployment`
pub(super) async fn exceptions_by_deployment(request: &Request) -> Answer {
    let lines = throttled(request).await?;
    let mut places: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (day, line) in &lines {
        places.entry(line.api_base.as_deref().unwrap_or_default()).or_default().push(day);
    }
    let row = |(place, days): (&str, Vec<&String>)| {
        let mut row = by_day(days.into_iter());
        row.insert("api_base".to_owned(), json!(place));
        Value::Object(row)
    };
    Ok(places.into_iter().map(row).collect())
}

/// Which days a caller may see of what it asks for.
pub(super) async fn allowed(request: &Request, owner: Owner) -> Result<Days, Refused> {
    let (kind, list, except) = match owner {
        Owner::User => ("user", "user_id", ""),
        Owner::Team => ("team", "team_ids", "exclude_team_ids"),
        Owner::Tag => ("tag", "tags", ""),
        Owner::Organization => ("organization", "organization_ids", "exclude_organization_ids"),
        Owner::Customer => ("end_user", "end_user_ids", "exclude_end_user_ids"),
    };
    let refused = |message: &str| Refused::detail(400, json!({"error": message}));
    let unreadable = |_| refused("start_date and end_date must be valid YYYY-MM-DD dates");
    let (from, until) = (day(request, "start_date").map_err(unreadable)?, day(request, "end_date").map_err(unreadable)?);
    let (Some(from), Some(until)) = (from, until) else { return Err(refused("Please provide start_date and end_date")) };
    if until < from {
        return Err(refused("end_date must be on or after start_date"));
    }
    let mut wanted = Days {
        kind,
        entities: several(request, list),
        except: several(request, except),
        keys: text(request, "api_key").map(|key| keys::hash_of(&key)).into_iter().collect(),
        model: text(request, "model"),
        from,
        until,
    };
    let caller = request.caller.clone();
    if caller.sees_all() {
        // Without a user everything counts, also what no user asked for.
        if owner == Owner::User && wanted.entities.is_empty() {
            wanted.kind = "all";
        }
        return Ok(wanted);
    }
    let refused = || Refused::forbidden("not allowed to see what others have spent");
    match owner {
        Owner::User => {
            let user = caller.user.clone().ok_or_else(refused)?;
            if wanted.entities.iter().any(|one| *one != user) {
                return Err(refused());
            }
            wanted.entities = vec![user];
        }
        Owner::Team | Owner::Organization => {
            let asked = wanted.entities.clone();
            let own = own(request, caller.clone(), owner).await?;
            let foreign: Vec<String> = asked.iter().filter(|one| !own.contains(one)).cloned().collect();
            if owner == Owner::Team && !foreign.is_empty() {
                wanted.keys = own_keys(request, caller, (foreign, wanted.keys)).await?;
                return Ok(wanted);
            }
            if own.is_empty() || asked.iter().any(|one| !own.contains(one)) {
                return Err(refused());
            }
            wanted.entities = if asked.is_empty() { own } else { asked };
        }
        Owner::Tag | Owner::Customer => return Err(refused()),
    }
    Ok(wanted)
}

/// The caller's own keys, of those that are asked for: whoever is only a member of one of these teams sees nothing else. Of other teams
/// nobody is told that they are there.
async fn own_keys(request: &Request, caller: Arc<Caller>, (teams, asked): (Vec<String>, Vec<String>)) -> Result<Vec<String>, Refused> {
    let read = request.read(move |desk| async move {
        let missing = || Refused::detail(404, json!({"error": "Team not found"}));
        let user = caller.user.clone().ok_or_else(missing)?;
        for team in &teams {
            let team: Team = desk.get(team).await?.ok_or_else(missing)?;
            team.member(&user).ok_or_else(missing)?;
        }
        let own = desk.of_user::<Key>(&user).await?.into_iter().map(|key| key.token);
        let own: Vec<String> = own.filter(|key| asked.is_empty() || asked.contains(key)).collect();
        // An empty list would mean every key.
        Ok(if own.is_empty() { vec!["none".to_owned()] } else { own })
    });
    read.await
}

/// The teams that a caller leads, or the organizations.
async fn own(request: &Request, caller: Arc<Caller>, owner: Owner) -> Result<Vec<String>, Refused> {
    let own = request.read(move |desk| async move {
        let mut own = Vec::new();
        let Some(user) = caller.user.clone() else { return Ok(own) };
        let organizations = desk.of_user::<OrganizationMember>(&user).await?;
        let led = organizations.into_iter().filter(|member| member.user_role == Some(Role::OrgAdmin));
        let led: Vec<String> = led.map(|member| member.organization_id).collect();
        if owner == Owner::Organization {
            return Ok(led);
        }
        let row: Option<switchboard_store::object::User> = desk.get(&user).await?;
        for team in desk.several::<Team>(&row.map(|row| row.teams).unwrap_or_default()).await? {
            if object::of_team(&desk, &caller, &team).await? == Standing::Admin {
                own.push(team.team_id);
            }
        }
        for organization in led {
            own.extend(desk.of_organization::<Team>(&organization).await?.into_iter().map(|team| team.team_id));
        }
        Ok(own)
    });
    own.await
}

/// The keys that sums are of, and the teams where they are of teams.
pub(super) async fn keys_and_teams(request: &Request, sums: &[Sum], owner: Owner) -> Result<(Vec<Key>, Vec<Team>), Refused> {
    let ids: Vec<String> = sums.iter().map(|sum| sum.api_key.clone()).collect();
    let entities: Vec<String> = sums.iter().map(|sum| sum.entity.clone()).collect();
    let read = request.read(move |desk| async move {
        let teams: Vec<Team> = if owner == Owner::Team { desk.several(&entities).await? } else { Vec::new() };
        Ok((desk.several::<Key>(&ids).await?, teams))
    });
    read.await
}

/// `GET /…/daily/activity`: a page is so many rows of the days' sums, put together by day.
/// `whole`: all of them at once.
pub(super) async fn daily(request: &Request, owner: Owner, whole: bool) -> Answer {
    let (page, size) = match whole {
        true => (1, MOST),
        false => (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("page_size", 50, 1, 1000)?),
    };
    let wanted = allowed(request, owner).await?;
    let total = report::count_days(&request.store, wanted.clone()).await?;
    let by = [By::Day, By::Entity, By::Key, By::Model, By::Group, By::Provider, By::Endpoint];
    let sums = report::sums(&request.store, wanted, &by, SumSort::Latest, (size, (page - 1) * size)).await?;
    let (keys, teams) = keys_and_teams(request, &sums, owner).await?;
    let mut by_day: Vec<(&str, Vec<&Sum>)> = Vec::new();
    for sum in &sums {
        match by_day.last_mut() {
            Some((day, parts)) if *day == sum.day => parts.push(sum),
            _ => by_day.push((&sum.day, vec![sum])),
        }
    }
    let known = Known { keys: &keys, teams: &teams };
    let results: Vec<Value> =
        by_day.iter().map(|(day, parts)| json!({"date": day, "metrics": metrics(parts), "breakdown": known.breakdown(parts)})).collect();
    let pages = (total + size - 1) / size;
    let mut metadata = Map::new();
    for (name, value) in metrics(&sums.iter().collect::<Vec<_>>()) {
        metadata.insert(format!("total_{}", name.trim_start_matches("total_")), value);
    }
    metadata.insert("page".to_owned(), json!(page));
    metadata.insert("total_pages".to_owned(), json!(pages));
    metadata.insert("has_more".to_owned(), json!(page < pages));
    Ok(json!({"results": results, "metadata": metadata}))
}

pub(super) fn metrics(parts: &[&Sum]) -> Map<String, Value> {
    let total = |part: fn(&Sum) -> i64| parts.iter().map(|sum| part(sum)).sum::<i64>();
    let (input, output) = (total(|sum| sum.prompt_tokens), total(|sum| sum.completion_tokens));
    let counts = [
        ("spend", dollars(total(|sum| sum.spend))),
        ("prompt_tokens", json!(input)),
        ("completion_tokens", json!(output)),
        ("cache_read_input_tokens", json!(total(|sum| sum.cache_read_tokens))),
        ("cache_creation_input_tokens", json!(total(|sum| sum.cache_write_tokens))),
        ("total_tokens", json!(input + output)),
        ("successful_requests", json!(total(|sum| sum.succeeded))),
        ("failed_requests", json!(total(|sum| sum.failed))),
        ("api_requests", json!(total(|sum| sum.requests))),
    ];
    counts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What names belong to the ids of a page.
struct Known<'a> {
    keys: &'a [Key],
    teams: &'a [Team],
}

impl Known<'_> {
    fn breakdown(&self, parts: &[&Sum]) -> Value {
        let by = |part: fn(&Sum) -> &str| self.grouped(parts, part);
        json!({
            "models": by(|sum| &sum.model), "model_groups": by(|sum| &sum.model_group), "providers": by(|sum| &sum.provider),
            "endpoints": by(|sum| &sum.endpoint), "entities": by(|sum| &sum.entity), "mcp_servers": {}, "api_keys": self.by_key(parts),
        })
    }

    fn grouped(&self, parts: &[&Sum], part: fn(&Sum) -> &str) -> Map<String, Value> {
        let mut groups: BTreeMap<&str, Vec<&Sum>> = BTreeMap::new();
        for sum in parts.iter().filter(|sum| !part(sum).is_empty()) {
            groups.entry(part(sum)).or_default().push(sum);
        }
        let row = |(name, parts): (&str, Vec<&Sum>)| {
            let alias = self.teams.iter().find(|team| team.team_id == name).and_then(|team| team.team_alias.clone());
            let metadata = alias.map_or_else(|| json!({}), |alias| json!({"team_alias": alias}));
            (name.to_owned(), json!({"metrics": metrics(&parts), "metadata": metadata, "api_key_breakdown": self.by_key(&parts)}))
        };
        groups.into_iter().map(row).collect()
    }

    fn by_key(&self, parts: &[&Sum]) -> Map<String, Value> {
        let mut keys: BTreeMap<&str, Vec<&Sum>> = BTreeMap::new();
        for sum in parts.iter().filter(|sum| !sum.api_key.is_empty()) {
            keys.entry(&sum.api_key).or_default().push(sum);
        }
        let row = |(hash, parts): (&str, Vec<&Sum>)| {
            let key = self.keys.iter().find(|key| key.token == hash);
            let metadata = json!({
                "key_alias": key.and_then(|key| key.key_alias.clone()), "team_id": key.and_then(|key| key.team_id.clone()),
                "user_id": key.and_then(|key| key.user_id.clone()), "user_email": null, "key_exists": key.is_some(),
            });
            (hash.to_owned(), json!({"metrics": metrics(&parts), "metadata": metadata}))
        };
        keys.into_iter().map(row).collect()
    }
}
